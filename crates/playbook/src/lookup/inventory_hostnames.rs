//! `inventory_hostnames`: the hosts of a pattern.

use super::{Answer, Ask};
use imgbuild_jinja::Value;
use std::sync::PoisonError;

pub fn run(ask: &Ask<'_>) -> Answer {
    let patterns: Vec<String> = ask.terms.iter().map(crate::text::of).collect();
    // Selecting may add an implicit host: not to the inventory itself.
    let mut inventory = ask.plugins.inventory.read().unwrap_or_else(PoisonError::into_inner).clone();
    let selection = inventory.select(&patterns, None);
    Ok(selection.hosts.into_iter().map(Value::str).collect())
}
