//! `fmt`: what it writes can be read, and stays as it is the next time.
#![no_main]

use imgbuild_diag::Source;
use imgbuild_template::hcl::format;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if format::check(&Source::new("t.pkr.hcl", text)).is_err() {
        return;
    }
    let once = format::format(text);
    assert!(format::check(&Source::new("t.pkr.hcl", once.as_str())).is_ok());
    assert_eq!(format::format(&once), once);
});
