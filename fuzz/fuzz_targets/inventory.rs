//! Inventories: INI, and YAML with the plugins that files configure. The first byte says which.
#![no_main]

use imgbuild_diag::Source;
use imgbuild_playbook::{Inventory, Settings, inventory::parse_python_literal, inventory::split_patterns};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (yaml, text) = match text.strip_prefix('y') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    // Expressions of constructed inventories may look into files and run commands.
    if ["lookup", "query", "q(", "pipe"].iter().any(|word| text.contains(word)) {
        return;
    }
    let settings = Settings::new("/nowhere", "/nowhere");
    let mut inventory = Inventory::default();
    let problems = inventory.read_source(&Source::new("/nowhere/hosts", text), yaml, &settings);
    assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
    for host in inventory.hosts.keys() {
        assert!(inventory.groups_of(host).first().is_some_and(|group| group.name == "all"));
    }
    assert!(inventory.groups.keys().all(|group| inventory.depth(group) <= inventory.groups.len()));
    if let Some(line) = text.lines().next() {
        inventory.select(&split_patterns(line), None);
        drop(parse_python_literal(line));
    }
});
