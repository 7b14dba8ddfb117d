//! `k=v` arguments, shell words, and `-e`.
#![no_main]

use imgbuild_playbook::settings::parse_extra_vars;
use imgbuild_playbook::{Settings, split};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(words) = split::shell_words(text, false) {
        assert!(words.iter().map(String::len).sum::<usize>() <= text.len());
    }
    drop(split::shell_words(text, true));
    drop(split::split_args(text));
    for free_form in [false, true] {
        drop(split::key_values(text, free_form));
    }
    drop(split::unquote(text));
    // A file's name would be read.
    if !text.starts_with('@') {
        let settings = Settings::new("/nowhere", "/nowhere");
        if let Err(problems) = parse_extra_vars(&[text.to_owned()], &settings) {
            assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
});
