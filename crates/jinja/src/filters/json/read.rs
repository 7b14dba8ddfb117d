//! `json.loads`, with Python's messages.

use crate::Key;
use crate::val::{Entries, Val};

/// The value of a JSON text. Errors say where, as Python does.
pub(super) fn parse(text: &str) -> Result<Val, String> {
    let mut p = Parser { text, at: 0 };
    p.blank();
    let value = p.value(0)?;
    p.blank();
    if p.at < text.len() {
        return Err(p.error("Extra data", p.at));
    }
    Ok(value)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn error(&self, what: &str, at: usize) -> String {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        format!("{what}: line {line} column {column} (char {})", before.chars().count())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.text[self.at..].starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, depth: u32) -> Result<Val, String> {
        if depth > 500 {
            return Err("maximum recursion depth exceeded while decoding a JSON document".into());
        }
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string().map(Val::str),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number().ok_or_else(|| self.error("Expecting value", start)),
            _ => {
                for (word, value) in [
                    ("null", Val::None),
                    ("true", Val::Bool(true)),
                    ("false", Val::Bool(false)),
                    ("NaN", Val::Float(f64::NAN)),
                    ("Infinity", Val::Float(f64::INFINITY)),
                ] {
                    if self.word(word) {
                        return Ok(value);
                    }
                }
                Err(self.error("Expecting value", start))
            }
        }
    }

    fn number(&mut self) -> Option<Val> {
        if self.word("-Infinity") {
            return Some(Val::Float(f64::NEG_INFINITY));
        }
        let start = self.at;
        self.word("-");
        let digits = |p: &mut Self| {
            let from = p.at;
            while matches!(p.peek(), Some(b'0'..=b'9')) {
                p.at += 1;
            }
            p.at > from
        };
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !digits(self) {
            self.at = start;
            return None;
        }
        let mut whole = true;
        let mark = self.at;
        if self.word(".") {
            if digits(self) { whole = false } else { self.at = mark }
        }
        let mark = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.word("-") {
                self.word("+");
            }
            if digits(self) { whole = false } else { self.at = mark }
        }
        let text = &self.text[start..self.at];
        match text.parse::<i128>() {
            Ok(i) if whole => Some(Val::int(i)),
            _ => text.parse().ok().map(Val::Float),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                return Err(self.error("Unterminated string starting at", start));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => {
                    let escape = self.at;
                    self.at += 1;
                    match self.peek() {
                        Some(b'u') => {
                            self.at += 1;
                            let high = self.unit(escape)?;
                            let surrogate = (0xd800..0xdc00).contains(&high);
                            let mark = self.at;
                            let mut c = char::from_u32(high);
                            if surrogate && self.word("\\u") {
                                match self.unit(escape) {
                                    Ok(low) if (0xdc00..0xe000).contains(&low) => {
                                        c = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                                    }
                                    _ => self.at = mark,
                                }
                            }
                            out.push(c.unwrap_or('\u{fffd}'));
                            continue;
                        }
                        Some(b'"') => out.push('"'),
                        Some(b'\\') => out.push('\\'),
                        Some(b'/') => out.push('/'),
                        Some(b'b') => out.push('\x08'),
                        Some(b'f') => out.push('\x0c'),
                        Some(b'n') => out.push('\n'),
                        Some(b'r') => out.push('\r'),
                        Some(b't') => out.push('\t'),
                        None => return Err(self.error("Unterminated string starting at", start)),
                        Some(_) => return Err(self.error("Invalid \\escape", escape)),
                    }
                    self.at += 1;
                }
                c if (c as u32) < 0x20 => return Err(self.error("Invalid control character at", self.at)),
                c => {
                    out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn unit(&mut self, escape: usize) -> Result<u32, String> {
        let hex = self.text.get(self.at..self.at + 4).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex.and_then(|h| u32::from_str_radix(h, 16).ok()) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => Err(self.error("Invalid \\uXXXX escape", escape + 1)),
        }
    }

    fn array(&mut self, depth: u32) -> Result<Val, String> {
        self.at += 1;
        self.blank();
        let mut items = Vec::new();
        if self.word("]") {
            return Ok(Val::list(items));
        }
        loop {
            self.blank();
            items.push(self.value(depth + 1)?);
            self.blank();
            if self.word("]") {
                return Ok(Val::list(items));
            }
            if !self.word(",") {
                return Err(self.error("Expecting ',' delimiter", self.at));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Val, String> {
        self.at += 1;
        self.blank();
        let mut entries = Entries::new();
        if self.word("}") {
            return Ok(Val::dict(entries));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.error("Expecting property name enclosed in double quotes", self.at));
            }
            let key = self.string()?;
            self.blank();
            if !self.word(":") {
                return Err(self.error("Expecting ':' delimiter", self.at));
            }
            self.blank();
            let value = self.value(depth + 1)?;
            entries.insert(Key::from(key), value);
            self.blank();
            if self.word("}") {
                return Ok(Val::dict(entries));
            }
            if !self.word(",") {
                return Err(self.error("Expecting ',' delimiter", self.at));
            }
        }
    }
}
