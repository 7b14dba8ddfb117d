//! From a byte of a string's value to its place in the user's file, through the escapes of the literal.

use imgbuild_diag::Span;

/// The place of byte `at` of `text`, a string whose literal stands at `span`: a span up to the expression's end. Where the file
/// does not hold this text (a value from a variable, a second round), the whole literal.
pub(super) fn inside(span: &Span, text: &str, at: usize) -> Span {
    let literal = span.source().text().get(span.range()).unwrap_or("");
    let at = at.min(text.len());
    let end = text[at..].find("}}").map_or(text.len(), |end| at + end);
    if literal == text {
        return span.sub(at..end.max(at + 1));
    }
    match (raw_offset(literal, text, at), raw_offset(literal, text, end)) {
        (Some(start), Some(end)) => span.sub(start..end.max(start + 1)),
        _ => span.clone(),
    }
}

/// The byte of a quoted literal where byte `at` of its value comes from; none if the literal is not that of `text`.
fn raw_offset(literal: &str, text: &str, at: usize) -> Option<usize> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut decoded = 0;
    let mut found = None;
    let mut raw = 0;
    while raw < inner.len() {
        if decoded >= at && found.is_none() {
            found = Some(raw + 1);
        }
        let rest = &inner[raw..];
        let (used, gives) = step(rest)?;
        // The value must agree with the literal, or offsets mean nothing.
        if text.get(decoded..decoded + gives.len_utf8())? != gives.encode_utf8(&mut [0; 4]) {
            return None;
        }
        raw += used;
        decoded += gives.len_utf8();
    }
    (decoded == text.len()).then(|| found.unwrap_or(inner.len() + 1))
}

/// The next character of a JSON string: bytes used, character meant.
fn step(rest: &str) -> Option<(usize, char)> {
    let c = rest.chars().next()?;
    if c != '\\' {
        return Some((c.len_utf8(), c));
    }
    let code = |from: usize| u32::from_str_radix(rest.get(from..from + 4)?, 16).ok();
    Some(match rest[1..].chars().next()? {
        'n' => (2, '\n'),
        't' => (2, '\t'),
        'r' => (2, '\r'),
        'b' => (2, '\u{8}'),
        'f' => (2, '\u{c}'),
        'u' => {
            let high = code(2)?;
            match char::from_u32(high) {
                Some(c) => (6, c),
                None => {
                    let low = rest.get(6..8).filter(|s| *s == "\\u").and_then(|_| code(8))?;
                    let pair = 0x10000 + ((high.checked_sub(0xD800)?) << 10) + low.checked_sub(0xDC00)?;
                    (12, char::from_u32(pair)?)
                }
            }
        }
        other => (1 + other.len_utf8(), other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Source;

    #[test]
    fn finds_the_place_through_escapes() {
        let source = Source::new("t", r#"{"a": "x\n\u00e9\ud83d\ude00 {{foo}}"}"#);
        let literal = Span::new(&source, 6..37);
        assert_eq!(&source.text()[literal.range()], r#""x\n\u00e9\ud83d\ude00 {{foo}}""#);
        let text = "x\né😀 {{foo}}";
        let at = text.find("foo").unwrap();
        assert_eq!(&source.text()[inside(&literal, text, at).range()], "foo");
        // Another text than the literal's: the whole literal.
        assert_eq!(inside(&literal, "other {{foo}}", 3).range(), 6..37);
    }
}
