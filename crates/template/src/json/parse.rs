//! A JSON parser that keeps the place of every key and value, refuses duplicate keys, and speaks of errors as Go's does.
//!
//! One pass, linear time. The grammar is RFC 8259's; a lone surrogate becomes U+FFFD, as in Go.

use crate::value::{Entry, Map, Node, Value};
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use indexmap::map::Entry as Slot;
use std::sync::Arc;

/// Objects and lists inside each other: deeper files are refused before the stack is exhausted.
const DEEPEST: usize = 500;

/// What to do about a key that is written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// An error with both places: templates.
    Refuse,
    /// The last one wins: variable files.
    LastWins,
}

struct Parser<'a> {
    source: &'a Arc<Source>,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    duplicates: Duplicates,
    diags: Diagnostics,
}

/// A syntax error: the byte that can't stand there, and why.
struct Bad {
    at: usize,
    message: String,
}

/// Parses a whole text. A syntax error ends the parse; duplicate keys are all told.
pub fn parse(source: &Arc<Source>, duplicates: Duplicates) -> Result<Node, Diagnostics> {
    let (node, rest) = parse_first(source, duplicates)?;
    match source.text()[rest..].find(|c: char| !matches!(c, ' ' | '\t' | '\r' | '\n')) {
        None => Ok(node),
        Some(extra) => {
            let at = rest + extra;
            Err(syntax(source, Bad { at, message: character(source.text(), at, "after top-level value") }).into())
        }
    }
}

/// Parses the first value of a text and says where it ends; what follows is not looked at.
pub fn parse_first(source: &Arc<Source>, duplicates: Duplicates) -> Result<(Node, usize), Diagnostics> {
    let bytes = source.text().as_bytes();
    let mut parser = Parser { source, bytes, at: 0, depth: 0, duplicates, diags: Diagnostics::new() };
    match parser.value() {
        Err(bad) => {
            let mut all = parser.diags;
            all.push(syntax(source, bad));
            Err(all)
        }
        Ok(_) if parser.diags.has_errors() => Err(parser.diags),
        Ok(node) => Ok((node, parser.at)),
    }
}

fn syntax(source: &Arc<Source>, bad: Bad) -> Diagnostic {
    let text = source.text();
    let end = text[bad.at..].chars().next().map_or(bad.at, |c| bad.at + c.len_utf8());
    let mut error =
        Diagnostic::error(format!("Error parsing JSON: {}", bad.message)).at(&Span::new(source, bad.at..end));
    let before = text[..bad.at].trim_end();
    let last = source.position(before.len().saturating_sub(1));
    if text.starts_with('\u{feff}') {
        error = error.help("the file begins with a byte order mark: save it as UTF-8 without one");
    } else if bad.message.contains("looking for beginning") && before.ends_with(',') {
        error = error.help(format!("the comma before it (line {}) may be one too many", last.line));
    } else if bad.message.contains("after object key:value pair") || bad.message.contains("after array element") {
        error = error.help(format!(
            "a comma may be missing at the end of line {}: {}",
            last.line,
            source.line(last.line).trim()
        ));
    } else if text[bad.at..].starts_with("//") || text[bad.at..].starts_with("/*") || text[bad.at..].starts_with('#') {
        error = error.help("JSON has no comments; a template takes keys that begin with _ at its top level");
    } else if text[bad.at..].starts_with('\'') {
        error = error.help("strings stand in double quotes");
    }
    error
}

/// Go's words for a character that can't stand where it is.
fn character(text: &str, at: usize, context: &str) -> String {
    match text[at..].chars().next() {
        None => "unexpected end of JSON input".into(),
        Some('\'') => format!("invalid character '\\'' {context}"),
        Some('"') => format!("invalid character '\"' {context}"),
        Some(c) => format!("invalid character '{}' {context}", c.escape_debug()),
    }
}

impl Parser<'_> {
    fn bad<T>(&self, at: usize, context: &str) -> Result<T, Bad> {
        Err(Bad { at, message: character(self.source.text(), at, context) })
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.source, start..self.at)
    }

    fn blank(&mut self) -> Option<u8> {
        while let Some(b @ (b' ' | b'\t' | b'\r' | b'\n')) = self.bytes.get(self.at) {
            let _ = b;
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self) -> Result<Node, Bad> {
        let next = self.blank();
        let start = self.at;
        let value = match next {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true", Value::Bool(true))?,
            Some(b'f') => self.literal("false", Value::Bool(false))?,
            Some(b'n') => self.literal("null", Value::Null)?,
            _ => return self.bad(start, "looking for beginning of value"),
        };
        Ok(Node::new(value, self.span(start)))
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Result<Value, Bad>) -> Result<Value, Bad> {
        if self.depth == DEEPEST {
            return Err(Bad { at: self.at, message: format!("exceeded max depth ({DEEPEST})") });
        }
        self.depth += 1;
        self.at += 1;
        // Threads other than the first have small stacks.
        let value = stacker::maybe_grow(64 << 10, 1 << 20, || parse(self));
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, Bad> {
        let mut map = Map::new();
        if self.blank() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(map));
        }
        loop {
            if self.blank() != Some(b'"') {
                return self.bad(self.at, "looking for beginning of object key string");
            }
            let start = self.at;
            let name = self.string()?;
            let key = self.span(start);
            if self.blank() != Some(b':') {
                return self.bad(self.at, "after object key");
            }
            self.at += 1;
            let node = self.value()?;
            match map.entry(name) {
                Slot::Vacant(slot) => {
                    slot.insert(Entry { key, node });
                }
                Slot::Occupied(mut slot) => match self.duplicates {
                    Duplicates::LastWins => {
                        slot.insert(Entry { key, node });
                    }
                    Duplicates::Refuse => {
                        let error = Diagnostic::error(format!("template has duplicate field: {}", slot.key()));
                        self.diags.push(error.at(&key).help(format!("first written at {}", slot.get().key)));
                    }
                },
            }
            match self.blank() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(map));
                }
                _ => return self.bad(self.at, "after object key:value pair"),
            }
        }
    }

    fn list(&mut self) -> Result<Value, Bad> {
        let mut list = Vec::new();
        if self.blank() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value()?);
            match self.blank() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(list));
                }
                _ => return self.bad(self.at, "after array element"),
            }
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, Bad> {
        for (i, expected) in word.char_indices() {
            if self.bytes.get(self.at + i) != Some(&(expected as u8)) {
                return self.bad(self.at + i, &format!("in literal {word} (expecting '{expected}')"));
            }
        }
        self.at += word.len();
        Ok(value)
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Result<Value, Bad> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            _ => return self.bad(self.at, "in numeric literal"),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.bad(self.at, "after decimal point in numeric literal");
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.bad(self.at, "in exponent of numeric literal");
            }
        }
        let text = &self.source.text()[start..self.at];
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Number(number)),
            _ => Err(Bad { at: start, message: format!("number {text} is out of range") }),
        }
    }

    fn string(&mut self) -> Result<String, Bad> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let run = self.bytes[self.at..].iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20)).count();
            // A run ends at ASCII, so it never cuts a letter.
            out.push_str(&self.source.text()[self.at..self.at + run]);
            self.at += run;
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return self.bad(self.at, "in string literal"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Bad> {
        let c = match self.bytes.get(self.at + 1) {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(*b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.bad(self.at + 1, "in string escape code"),
        };
        self.at += 2;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, Bad> {
        let first = self.hex(self.at + 2)?;
        self.at += 6;
        if !(0xD800..0xE000).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or('\u{FFFD}'));
        }
        if first < 0xDC00 && self.bytes[self.at..].starts_with(b"\\u") {
            let second = self.hex(self.at + 2)?;
            if (0xDC00..0xE000).contains(&second) {
                self.at += 6;
                let pair = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(pair).unwrap_or('\u{FFFD}'));
            }
        }
        Ok('\u{FFFD}')
    }

    fn hex(&self, from: usize) -> Result<u32, Bad> {
        let mut value = 0;
        for i in from..from + 4 {
            match self.bytes.get(i).and_then(|b| char::from(*b).to_digit(16)) {
                Some(digit) => value = value * 16 + digit,
                None => return self.bad(i, "in \\u hexadecimal character escape"),
            }
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let source = Source::new("t", text);
        match parse(&source, Duplicates::Refuse) {
            Ok(_) => Vec::new(),
            Err(diags) => diags.iter().map(|d| format!("{} @{}", d.message, d.span.as_ref().unwrap())).collect(),
        }
    }

    #[test]
    fn values_with_places() {
        let source =
            Source::new("t", "{\"a\": [1, -2.5e1, true, null],\n \"b\\u0041\": \"x\\ud83d\\ude00\\ud800\\/\"}");
        let node = parse(&source, Duplicates::Refuse).unwrap();
        let map = node.as_map().unwrap();
        assert_eq!(map["a"].node.as_list().unwrap()[1].value, Value::Number(-25.0));
        assert_eq!(map["bA"].node.as_str(), Some("x😀\u{FFFD}/"));
        assert_eq!(map["bA"].key.to_string(), "t:2:2");
        assert_eq!(map["a"].node.as_list().unwrap()[2].span.to_string(), "t:1:19");
    }

    #[test]
    fn go_words_for_syntax_errors() {
        for (text, want) in [
            ("", "unexpected end of JSON input @t:1:1"),
            ("{", "unexpected end of JSON input @t:1:2"),
            ("{\"a\" 1}", "invalid character '1' after object key @t:1:6"),
            ("{\"a\": 1 \"b\"}", "invalid character '\"' after object key:value pair @t:1:9"),
            ("{\"a\": 1,}", "invalid character '}' looking for beginning of object key string @t:1:9"),
            ("[1 2]", "invalid character '2' after array element @t:1:4"),
            ("[1,]", "invalid character ']' looking for beginning of value @t:1:4"),
            ("{'a'}", "invalid character '\\'' looking for beginning of object key string @t:1:2"),
            ("trux", "invalid character 'x' in literal true (expecting 'e') @t:1:4"),
            ("-", "unexpected end of JSON input @t:1:2"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal @t:1:3"),
            ("1ex", "invalid character 'x' in exponent of numeric literal @t:1:3"),
            ("01", "invalid character '1' after top-level value @t:1:2"),
            ("\"a\nb\"", "invalid character '\\n' in string literal @t:1:3"),
            ("\"\\x\"", "invalid character 'x' in string escape code @t:1:3"),
            ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape @t:1:6"),
            ("{} x", "invalid character 'x' after top-level value @t:1:4"),
            ("1e999", "number 1e999 is out of range @t:1:1"),
            ("é", "invalid character 'é' looking for beginning of value @t:1:1"),
        ] {
            assert_eq!(errors(text), [format!("Error parsing JSON: {want}")], "{text}");
        }
        assert!(errors(&"[".repeat(100_000))[0].contains("exceeded max depth"));
        assert!(errors(&format!("{}{}", "[".repeat(500), "]".repeat(500))).is_empty());
    }

    #[test]
    fn all_duplicates_at_any_depth() {
        let text = "{\"a\": 1, \"b\": [{\"c\": 1, \"c\": 2}], \"a\": 3}";
        assert_eq!(
            errors(text),
            ["template has duplicate field: c @t:1:25", "template has duplicate field: a @t:1:35"]
        );
        let node = parse(&Source::new("t", text), Duplicates::LastWins).unwrap();
        assert_eq!(node.as_map().unwrap()["a"].node.value, Value::Number(3.0));
    }
}
