//! Texts in quotes, as Go writes them: `%q`, and strings of JSON.

use std::fmt::Write as _;

/// `strconv.Quote`, and with `'` `strconv.QuoteRune`.
pub(crate) fn go(text: &str, mark: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            c if c == mark => out.extend(['\\', c]),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(mark);
    out
}

/// A string of JSON. `escaped` are characters that become `\uXXXX` although they need not.
pub(crate) fn json(text: &str, escaped: &[char]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || escaped.contains(&c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes() {
        assert_eq!(super::go("a\"b\\\n\t\u{1}\u{85}é'", '"'), r#""a\"b\\\n\t\x01\u0085é'""#);
        assert_eq!(super::go("'", '\''), r"'\''");
        assert_eq!(super::json("a\"\\\u{8}\u{1f}<&é\u{2028}", &['<']), "\"a\\\"\\\\\\b\\u001f\\u003c&é\u{2028}\"");
    }
}
