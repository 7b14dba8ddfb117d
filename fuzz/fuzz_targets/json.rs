//! JSON templates: parsing with places, and the values of `jsondecode`.
#![no_main]

use imgbuild_diag::Source;
use imgbuild_template::hcl::json as values;
use imgbuild_template::json::{Duplicates, parse};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(problems) = parse(&Source::new("t.json", text), Duplicates::Refuse) {
        assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
    if let Ok(value) = values::decode(text) {
        let again = values::encode(&value).expect("everything is known");
        assert_eq!(values::decode(&again).expect("it was written by us"), value);
    }
});
