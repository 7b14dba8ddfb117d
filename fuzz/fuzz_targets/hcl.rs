//! Expressions of HCL2, as the console evaluates them.
#![no_main]

use imgbuild_template::console::Console;
use imgbuild_template::{Ambient, LoadOptions};
use std::sync::Arc;

libfuzzer_sys::fuzz_target!(|text: &str| {
    // Slow on purpose.
    if text.contains("bcrypt") {
        return;
    }
    let start = jiff::Timestamp::from_second(1_700_000_000).expect("a time of this century");
    let ambient = Arc::new(Ambient::new(start, "/nowhere"));
    let options = LoadOptions { hcl: true, ..LoadOptions::new(ambient) };
    let console = Console::open(None, &options).expect("there is no file to fail on");
    if let Err(problems) = console.answer(text) {
        assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
});
