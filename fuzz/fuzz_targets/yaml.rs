//! The YAML loader of playbooks: whatever the text, an end in bounded time, and a place for everything that is wrong.
#![no_main]

use imgbuild_diag::{Diagnostics, Source};
use imgbuild_playbook::yaml;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut out = Diagnostics::new();
    match yaml::load(&Source::new("t.yml", text), &mut out) {
        Ok(Some(node)) => {
            let value = node.to_value();
            assert_eq!(value, node.to_value());
        }
        Ok(None) => {}
        Err(()) => assert!(out.has_errors()),
    }
    assert!(out.iter().all(|problem| !problem.to_string().is_empty()));
});
