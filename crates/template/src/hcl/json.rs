//! Values from JSON and back, as `jsondecode` and `jsonencode` have it: arrays are tuples, objects are objects, numbers keep all
//! their digits.

use super::number::Number;
use super::types::Type;
use super::value::{Data, Entries, Value};
use crate::quote;
use std::fmt::Write as _;
use std::sync::Arc;

/// How deep a document may nest.
const DEEPEST: usize = 500;

/// Text that isn't JSON: what is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start.
    pub at: usize,
}

/// A value as JSON, without spaces, keys sorted, `<`, `>` and `&` escaped. `None` if something in it is unknown.
pub fn encode(value: &Value) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out)
}

fn write(value: &Value, out: &mut String) -> Option<()> {
    match value.data() {
        Data::Unknown(_) => return None,
        Data::Null(_) => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Data::String(text) => out.push_str(&quoted(text)),
        Data::List(..) | Data::Set(..) | Data::Tuple(_) => {
            out.push('[');
            for (i, element) in value.children().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(element, out)?;
            }
            out.push(']');
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(key));
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// A string as JSON writes it, with the characters escaped that could end a script in HTML.
pub fn quoted(text: &str) -> String {
    quote::json(text, &['<', '>', '&', '\u{2028}', '\u{2029}'])
}

/// Reads one JSON value.
///
/// # Errors
/// It isn't JSON, or more follows.
pub fn decode(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.error("extra characters after the JSON value")),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn error(&self, message: impl Into<String>) -> JsonError {
        JsonError { message: message.into(), at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn found(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("found {c:?}"),
            None => "the text ends".to_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > DEEPEST {
            return Err(self.error(format!("JSON nested deeper than {DEEPEST} levels")));
        }
        stacker::maybe_grow(64 << 10, 1 << 20, || self.value_here(depth))
    }

    fn value_here(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::string(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in
                    [("true", Value::from(true)), ("false", false.into()), ("null", Value::null_of(Type::Any))]
                {
                    if self.bytes[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.error(format!("a JSON value is expected, but {}", self.found())))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut elements = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::tuple(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::tuple(elements));
                }
                _ => return Err(self.error(format!("\",\" or \"]\" is expected, but {}", self.found()))),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut entries = Entries::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Data::Object(Arc::new(entries)).into());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error(format!("a key in double quotes is expected, but {}", self.found())));
            }
            let key = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.error(format!("\":\" is expected, but {}", self.found())));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            let key = Value::string(key);
            entries.insert(key.as_str().unwrap_or_default().into(), value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Data::Object(Arc::new(entries)).into());
                }
                _ => return Err(self.error(format!("\",\" or \"}}\" is expected, but {}", self.found()))),
            }
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.bytes[self.at - whole] == b'0') {
            return Err(self.error("a digit is expected, and no leading zeros"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.error("a digit is expected after the decimal point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("a digit is expected in the exponent"));
            }
        }
        let number = self.text.get(start..self.at).and_then(Number::parse);
        number.map(Value::from).ok_or_else(|| self.error("the number is too large"))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|b| b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                Some(_) => return Err(self.error("a control character in a string must be escaped")),
                None => return Err(self.error("the text ends inside a string")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), JsonError> {
        let letter = self.peek();
        self.at += 1;
        out.push(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.hex()?;
                if (0xd800..0xdc00).contains(&unit) && self.bytes[self.at..].starts_with(b"\\u") {
                    let before = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        return Ok(());
                    }
                    self.at = before;
                }
                // Half of a pair stands for nothing.
                char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                self.at -= 1;
                return Err(self.error("an escape is one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"));
            }
        });
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|d| u32::from_str_radix(d, 16).ok()) else {
            return Err(self.error("four hexadecimal digits are expected after \\u"));
        };
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (text, want) in [
            (r#" {"b":[1,2.50,-3e2],"a":null} "#, r#"{"a":null,"b":[1,2.5,-300]}"#),
            (r#""<a&b>é\u00e9\ud83d\ude00\n""#, "\"\\u003ca\\u0026b\\u003eéé😀\\n\""),
            ("12345678901234567890123", "12345678901234567890123"),
            ("[]", "[]"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(encode(&decode(text).unwrap()).as_deref(), Some(want));
        }
        for text in
            ["", "[1,]", "{a:1}", "01", "1.", "\"\n\"", "tru", "[1] 2", "\"\\x\"", "\"\\u12\"", &"[".repeat(10_000)]
        {
            assert!(decode(text).is_err(), "{text:.20}");
        }
        assert_eq!(encode(&Value::unknown(Type::String)), None);
    }
}
