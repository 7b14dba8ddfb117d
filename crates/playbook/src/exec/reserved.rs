//! Variables named like keywords or like functions of templates: they work by accident, and are warned of.

use super::result::origin_of;
use crate::play::keywords::KEYWORDS;
use imgbuild_diag::Span;
use imgbuild_jinja::{FUNCTIONS, Map};
use std::collections::HashSet;
use std::sync::OnceLock;

/// Names that Ansible lets pass.
const NOT: [&str; 3] = ["gather_subset", "vars", "omit"];

fn names() -> &'static HashSet<&'static str> {
    static NAMES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let keywords = KEYWORDS.iter().map(|k| k.name);
        let own = ["local_action", "with_"];
        keywords.chain(FUNCTIONS.iter().copied()).chain(own).filter(|n| !NOT.contains(n)).collect()
    })
}

/// The warnings for the variables of these names.
pub fn warnings<'m>(maps: impl IntoIterator<Item = &'m Map>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (key, value) in maps.into_iter().flatten() {
        if let imgbuild_jinja::Key::Str(name) = key
            && names().contains(&**name)
        {
            let text = warning(name, value.span());
            if !found.contains(&text) {
                found.push(text);
            }
        }
    }
    found
}

/// The warning; `near` is the place of the value, the name stands at or above it.
fn warning(name: &str, near: Option<&Span>) -> String {
    let mut text = format!("Found variable using reserved name '{name}'.");
    if let Some(place) = near.and_then(|span| key_place(name, span)) {
        text.push('\n');
        text.push_str(&origin_of(&place));
    }
    text
}

fn key_place(name: &str, value: &Span) -> Option<Span> {
    let text = value.source().text();
    let before = text.get(..value.range().start)?;
    let at = before.rfind(&format!("{name}:")).or_else(|| before.rfind(name))?;
    Some(Span::new(value.source(), at..at + name.len()))
}
