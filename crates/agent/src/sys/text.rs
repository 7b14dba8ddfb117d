//! Files as text without loss: UTF-8 where it is, else one character per byte.

use crate::outcome::Fail;
use crate::sys::pyregex::{Flags, PyRegex};
use std::path::Path;

/// A file's text and how to get back to its bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// One character stands for one byte.
    bytewise: bool,
}

impl Text {
    /// Reads bytes.
    pub fn decode(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Text { text, bytewise: false },
            Err(e) => Text { text: e.as_bytes().iter().map(|b| char::from(*b)).collect(), bytewise: true },
        }
    }

    /// Reads a file; `None` if it doesn't exist.
    pub fn read(path: &Path) -> Result<Option<Self>, Fail> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(Text::decode(bytes))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Fail::new(format!("can't read {}: {e}", path.display()))),
        }
    }

    /// A text of the user's in the form of this file's text.
    pub fn adapt(&self, text: &str) -> String {
        if self.bytewise { text.bytes().map(char::from).collect() } else { text.to_string() }
    }

    /// The bytes of a text in this file's form.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        if self.bytewise { text.chars().map(|c| c as u32 as u8).collect() } else { text.as_bytes().to_vec() }
    }

    /// For people and diffs.
    pub fn show(&self, text: &str) -> String {
        if self.bytewise { String::from_utf8_lossy(&self.encode(text)).into_owned() } else { text.to_string() }
    }

    /// Compiles a pattern for this file's text.
    pub fn regex(&self, pattern: &str, flags: Flags) -> Result<PyRegex, Fail> {
        PyRegex::new(&self.adapt(pattern), flags).map_err(Fail::new)
    }

    /// Its lines, each with its line end.
    pub fn lines(&self) -> Vec<String> {
        self.text.split_inclusive('\n').map(str::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive() {
        for bytes in [b"a\xe9\nb".to_vec(), "ä\n".as_bytes().to_vec(), Vec::new(), b"\0\xff".to_vec()] {
            let text = Text::decode(bytes.clone());
            assert_eq!(text.encode(&text.text), bytes);
        }
        let text = Text::decode(b"x\xe9\xc3\xa9".to_vec());
        assert!(text.text.ends_with(&text.adapt("é")));
    }
}
