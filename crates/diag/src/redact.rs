//! Takes known secrets out of text on its way to a person, a log or a file.

use base64::Engine as _;
use std::sync::{Arc, RwLock};

/// What stands in the place of a secret, as in Packer.
const MARK: &str = "<sensitive>";
/// Shorter secrets would shred ordinary output ("1", "ab"); Packer does that, we do not.
const SHORTEST: usize = 3;
/// All but what URL libraries leave alone (RFC 3986, "unreserved").
const RESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The secrets of one run and every form in which they may turn up: as they are, line by line, with `\n` as `\r\n`,
/// JSON-escaped, shell-quoted, URL-encoded, in base64. Clones share one list.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<String>>>);

impl Redactor {
    /// Knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `secret` is taken out, in all forms. Secrets of fewer than 3 bytes are not: they would shred output.
    pub fn add(&self, secret: &str) {
        let mut forms = Vec::new();
        let mut whole = |text: &str| {
            if text.len() < SHORTEST {
                return;
            }
            let json = serde_json_escape(text);
            let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let unreserved = percent_encoding::utf8_percent_encode(text, RESERVED).to_string();
            let form_encoded = unreserved.replace("%20", "+");
            let shell = text.replace('\'', r#"'"'"'"#);
            let shell_backslash = text.replace('\'', r"'\''");
            forms.extend([text.to_owned(), text.replace('\n', "\r\n"), json, encoded, unreserved, form_encoded]);
            forms.extend([shell, shell_backslash]);
            for engine in [&base64::engine::general_purpose::STANDARD, &base64::engine::general_purpose::URL_SAFE] {
                forms.push(engine.encode(text));
            }
            forms.push(base64::engine::general_purpose::STANDARD.encode(format!("{text}\n")));
        };
        whole(secret);
        let trimmed = secret.trim_end_matches(['\r', '\n']);
        if trimmed != secret {
            whole(trimmed);
        }
        for line in secret.lines().filter(|line| line.trim().len() > 4 && line.len() != secret.len()) {
            whole(line);
        }
        let mut known = self.0.write().unwrap_or_else(|e| e.into_inner());
        for form in forms {
            if form.len() >= SHORTEST && !known.contains(&form) {
                known.push(form);
            }
        }
        // Longest first, so that no part of a longer secret is left standing.
        known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    /// `text` with every known secret replaced by `<sensitive>`.
    pub fn redact(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(|e| e.into_inner());
        let mut out = std::borrow::Cow::Borrowed(text);
        for form in known.iter() {
            if out.contains(form.as_str()) {
                out = std::borrow::Cow::Owned(out.replace(form.as_str(), MARK));
            }
        }
        out.into_owned()
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

/// The inside of a JSON string literal, without its quotes.
fn serde_json_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out_every_form() {
        let redactor = Redactor::new();
        redactor.add("p@ss 'w/ord\"");
        for text in
            ["p@ss 'w/ord\"", "p%40ss%20%27w%2Ford%22", "p@ss '\"'\"'w/ord\"", "p@ss 'w/ord\\\"", "cEBzcyAndy9vcmQi"]
        {
            assert_eq!(redactor.redact(&format!("x {text} y")), "x <sensitive> y", "{text}");
        }
    }

    #[test]
    fn takes_out_lines_of_a_key() {
        let redactor = Redactor::new();
        redactor.add("-----BEGIN-----\nabcdefgh\n-----END-----\n");
        assert_eq!(redactor.redact("got abcdefgh"), "got <sensitive>");
    }

    #[test]
    fn leaves_short_ones_alone() {
        let redactor = Redactor::new();
        redactor.add("a");
        assert_eq!(redactor.redact("a banana"), "a banana");
    }
}
