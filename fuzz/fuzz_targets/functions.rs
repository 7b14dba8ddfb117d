//! HCL's functions: parts divided by the record separator (U+001E): a name, then arguments, JSON or else plain strings.
#![no_main]

use imgbuild_template::Ambient;
use imgbuild_template::hcl::functions::{Ctx, call};
use imgbuild_template::hcl::{Value, json};
use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let start = jiff::Timestamp::from_second(1_700_000_000).expect("a time of this century");
    let ambient = Ambient::new(start, "/nowhere");
    let mut lines = text.split('\u{1e}');
    let name = lines.next().unwrap_or_default();
    // Slow on purpose.
    if name == "bcrypt" {
        return;
    }
    let args: Vec<Value> = lines.map(|arg| json::decode(arg).unwrap_or_else(|_| Value::string(arg))).collect();
    match call(name, &args, &Ctx::new(&ambient, Path::new("/nowhere"))) {
        Ok(value) => drop(json::encode(&value)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
