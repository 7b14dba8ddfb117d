//! `ansible.module_utils` as imgbuild brings it along: what modules and plugins in Python commonly import, written anew.

/// Files by their place in the package.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/module_utils.rs"));

/// What starts a module on a host.
pub const RUN: &str = include_str!("run.py");

/// The file at a place below `ansible/module_utils/`.
pub fn file(place: &str) -> Option<&'static str> {
    FILES.iter().find(|(name, _)| *name == place).map(|(_, text)| *text)
}

/// What plugins on the controller import besides: the parts of `ansible` that they commonly use.
const CONTROLLER: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/controller.rs"));

/// All modules that a plugin on the controller may import, by their place.
pub fn for_controller() -> serde_json::Map<String, serde_json::Value> {
    let helpers = FILES.iter().map(|(place, text)| (format!("ansible/module_utils/{place}"), *text));
    let all = helpers.chain(CONTROLLER.iter().map(|(place, text)| ((*place).to_owned(), *text)));
    all.map(|(place, text)| (place, text.into())).collect()
}
