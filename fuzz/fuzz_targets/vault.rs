//! Vaults: what is no envelope, or is damaged, is refused; what was encrypted comes back.
#![no_main]

use imgbuild_playbook::vault;

libfuzzer_sys::fuzz_target!(|text: &str| {
    drop(vault::label(text));
    drop(vault::is_encrypted(text.as_bytes()));
    // Keys are slow to make, on purpose: only for what looks like an envelope, or for short texts.
    if text.starts_with(vault::HEADER) {
        drop(vault::decrypt_with(text, "secret"));
    } else if text.len() < 64 && text.starts_with('=') {
        let envelope = vault::encrypt(text.as_bytes(), "secret", None, Some(b"salt"), |_| {}).expect("a salt is given");
        assert_eq!(vault::decrypt_with(&envelope, "secret").as_deref(), Ok(text));
    }
});
