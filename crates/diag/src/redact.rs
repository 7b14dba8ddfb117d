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
/// JSON-escaped, shell-quoted, URL-encoded, in base64, alone or in the middle of something longer. Clones share one list.
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
            let json = json_escape(text);
            // Go escapes what HTML could take amiss, Python what is not ASCII.
            let html = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
            let ascii = json_ascii(&json);
            let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let unreserved = percent_encoding::utf8_percent_encode(text, RESERVED).to_string();
            let form_encoded = unreserved.replace("%20", "+");
            let shell = text.replace('\'', r#"'"'"'"#);
            let shell_backslash = text.replace('\'', r"'\''");
            forms.extend([text.to_owned(), text.replace('\n', "\r\n"), json.clone()]);
            forms.extend([shell, shell_backslash]);
            forms.extend([html, ascii, json.replace('/', "\\/"), backslashed(text)]);
            // Python's repr.
            forms.push(text.replace('\\', r"\\").replace('\'', r"\'").replace('\n', r"\n"));
            forms.extend([&encoded, &unreserved, &form_encoded].map(|form| lower_hex(form)));
            forms.extend([encoded, unreserved, form_encoded]);
            for engine in [&base64::engine::general_purpose::STANDARD, &base64::engine::general_purpose::URL_SAFE] {
                forms.push(engine.encode(text));
                forms.extend((0..3).map(|before| inner_base64(engine, text, before)));
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

/// The part of the base64 of a longer text that stands for the secret alone, with so many bytes before it (modulo 3). Empty where it
/// would be too short to tell from other text.
fn inner_base64(engine: &base64::engine::GeneralPurpose, text: &str, before: usize) -> String {
    const TELLING: usize = 7;
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    // A character stands for six bits: those that share bits with what comes before or after are not the secret's alone.
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    let inner: String = engine.encode(&bytes).chars().take(end).skip(first).collect();
    if inner.len() < TELLING { String::new() } else { inner }
}

/// `%2F` as `%2f`.
fn lower_hex(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut hex = 0;
    for c in encoded.chars() {
        out.push(if hex > 0 { c.to_ascii_lowercase() } else { c });
        hex = if c == '%' { 2 } else { i32::max(hex - 1, 0) };
    }
    out
}

/// As `printf %q` quotes.
fn backslashed(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if !(c.is_alphanumeric() || "_./:=@%+,-\n".contains(c)) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// What is not ASCII as `\u00e9`.
fn json_ascii(json: &str) -> String {
    use std::fmt::Write as _;
    json.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

/// The inside of a JSON string literal, without its quotes.
fn json_escape(text: &str) -> String {
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
    fn takes_out_what_others_make_of_it() {
        let redactor = Redactor::new();
        redactor.add("p@ss <'w/ö&d\">");
        for text in [
            r#"p@ss \u003c'w/ö\u0026d\"\u003e"#,
            r#"p@ss <'w/\u00f6&d\">"#,
            r#"p@ss <'w\/ö&d\">"#,
            r#"p@ss\ \<\'w/ö\&d\"\>"#,
            r#"p@ss <\'w/ö&d">"#,
            "p%40ss%20%3c%27w%2f%c3%b6%26d%22%3e",
        ] {
            assert_eq!(redactor.redact(&format!("x {text} y")), "x <sensitive> y", "{text}");
        }
    }

    #[test]
    fn takes_it_out_of_the_middle_of_base64() {
        let redactor = Redactor::new();
        let secret = "a secret of some length";
        redactor.add(secret);
        for before in 0..7 {
            for after in 0..4 {
                let whole = format!("{}{secret}{}", &"user:x:"[..before], &"\nend"[..after]);
                for engine in [base64::engine::general_purpose::STANDARD, base64::engine::general_purpose::URL_SAFE] {
                    let encoded = engine.encode(&whole);
                    let redacted = redactor.redact(&encoded);
                    assert!(redacted.contains(MARK), "{whole:?}: {redacted}");
                    let rest = redacted.replace(MARK, "");
                    assert!(rest.len() <= 4 * (before + after).div_ceil(3) + 8, "{whole:?}: {redacted}");
                }
            }
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
