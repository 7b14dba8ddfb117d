//! Configuration files of inventory plugins: YAML with the key `plugin`.

use super::{Inventory, constructed, generator};
use crate::controller::Controller;
use crate::lookup::Plugins;
use crate::settings::Settings;
use crate::yaml::Node;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::Templar;
use std::path::Path;
use std::sync::{Arc, RwLock};

/// Plugins that are configured by a file, and are here.
pub const CONFIGURED: [&str; 2] = ["constructed", "generator"];

/// Runs the plugin that the file names.
pub fn parse(root: &Node, path: &Path, inventory: &mut Inventory, settings: &Settings, out: &mut Diagnostics) {
    let Some(plugin) = root.get("plugin") else { return };
    let name = plugin.scalar_text().unwrap_or_default();
    let templar = templar(settings);
    match name.strip_prefix("ansible.builtin.").unwrap_or(&name) {
        "constructed" => constructed::parse(root, inventory, settings, &templar, out),
        "generator" => generator::parse(root, path, inventory, &templar, out),
        other => out.push(
            Diagnostic::error(format!("inventory plugin {name:?} is not available"))
                .at(&plugin.span)
                .suggest(other, CONFIGURED)
                .help("there are constructed and generator, INI, YAML, TOML, host lists, directories and executable scripts"),
        ),
    }
}

/// Renders expressions of inventories, before there are plays and hosts.
pub fn templar(settings: &Settings) -> Templar {
    let settings = Arc::new(settings.clone());
    let lookups = Plugins::new(Arc::clone(&settings), Arc::new(RwLock::new(Inventory::default())));
    let extensions = settings.jinja_extensions;
    Templar::with_extensions(Arc::new(lookups), Arc::new(Controller::new(settings, Arc::default())), extensions)
}

/// Reports keys that are no options.
pub fn check_options(root: &Node, known: &[&str], of: &str, out: &mut Diagnostics) {
    for (key, _) in root.as_map().unwrap_or_default() {
        let name = key.scalar_text().unwrap_or_default();
        if !known.contains(&name.as_str()) {
            out.push(
                Diagnostic::warning(format!("{name:?} is no option of {of}: it has no effect"))
                    .at(&key.span)
                    .suggest(&name, known.iter().copied()),
            );
        }
    }
}
