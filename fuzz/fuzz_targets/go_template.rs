//! Expressions of JSON templates.
#![no_main]

use imgbuild_diag::{Source, Span};
use imgbuild_template::{Ambient, Context, Spanned, interpolate};
use std::sync::Arc;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let start = jiff::Timestamp::from_second(1_700_000_000).expect("a time of this century");
    let context = Context::new(Arc::new(Ambient::new(start, "/nowhere")));
    let place = Span::new(&Source::new("t", text), 0..text.len());
    if let Err(problem) = interpolate::render(&Spanned::new(text.to_owned(), place), &context) {
        assert!(!problem.to_string().is_empty());
    }
});
