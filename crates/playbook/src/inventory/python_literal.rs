//! Values of INI inventories: Python literals where they are ones, else text.

use imgbuild_jinja::{Key, Map, Value};

/// The value of a Python literal (numbers, strings, `True`/`False`/`None`, lists, tuples, dicts); `None` for anything else.
pub fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let value = parser.value()?;
    parser.space();
    (parser.at == text.len()).then_some(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: char) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len_utf8();
        }
        found
    }

    fn value(&mut self) -> Option<Value> {
        self.space();
        self.depth += 1;
        if self.depth > 64 {
            return None;
        }
        let value = match self.rest().chars().next()? {
            '[' => self.sequence(']').map(Value::list),
            '(' => self.sequence(')').map(Value::list),
            '{' => self.mapping(),
            '\'' | '"' => self.string(),
            // Bytes are text.
            'b' | 'B' if self.rest()[1..].starts_with(['\'', '"']) => {
                self.at += 1;
                self.string()
            }
            _ => self.word(),
        };
        self.depth -= 1;
        value
    }

    fn sequence(&mut self, end: char) -> Option<Vec<Value>> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.value()?);
            if !self.eat(',') {
                return self.eat(end).then_some(items);
            }
        }
        Some(items)
    }

    fn mapping(&mut self) -> Option<Value> {
        self.at += 1;
        let mut map = Map::new();
        while !self.eat('}') {
            let first = self.value()?;
            if map.is_empty() && !self.rest().trim_start().starts_with(':') {
                return self.set(first);
            }
            let key = match first {
                Value::Str(s) => Key::Str(s.text),
                Value::Int(i) => Key::Int(i),
                Value::Bool(b) => Key::Bool(b),
                Value::Float(f) => Key::Float(f.to_bits()),
                Value::Null => Key::Null,
                _ => return None,
            };
            if !self.eat(':') {
                return None;
            }
            let value = self.value()?;
            map.insert(key, value);
            if !self.eat(',') {
                return self.eat('}').then(|| Value::map(map));
            }
        }
        Some(Value::map(map))
    }

    /// The rest of a set: a list.
    fn set(&mut self, first: Value) -> Option<Value> {
        let mut items = vec![first];
        while !self.eat('}') {
            if !self.eat(',') {
                return None;
            }
            if !self.eat('}') {
                items.push(self.value()?);
                continue;
            }
            break;
        }
        Some(Value::list(items))
    }

    fn string(&mut self) -> Option<Value> {
        let quote = self.rest().chars().next()?;
        self.at += 1;
        let mut out = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += at + 1;
                    return Some(Value::template(out, None));
                }
                '\n' => return None,
                '\\' => match chars.next()?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    '0' => out.push('\0'),
                    c @ ('\\' | '\'' | '"') => out.push(c),
                    'x' => {
                        let hex: String = [chars.next()?.1, chars.next()?.1].iter().collect();
                        out.push(char::from(u8::from_str_radix(&hex, 16).ok()?));
                    }
                    'u' => {
                        let hex: String = (0..4).map_while(|_| chars.next().map(|(_, c)| c)).collect();
                        out.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                    }
                    other => {
                        out.push('\\');
                        out.push(other);
                    }
                },
                c => out.push(c),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Value> {
        let end = self
            .rest()
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-')))
            .unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_owned();
        self.at += end;
        match word.as_str() {
            "True" => return Some(Value::Bool(true)),
            "False" => return Some(Value::Bool(false)),
            "None" => return Some(Value::Null),
            "set" if self.rest().starts_with("()") => {
                self.at += 2;
                return Some(Value::list(Vec::new()));
            }
            // What has no counterpart stays the text that it is.
            "..." => return Some(Value::str(word)),
            _ => {}
        }
        if let Some(real) = word.strip_suffix(['j', 'J']) {
            return number(real).map(|_| Value::str(word.as_str()));
        }
        number(&word)
    }
}

/// Python's number literals: no leading zeros, underscores between digits, `0x`, `0o`, `0b`.
fn number(word: &str) -> Option<Value> {
    let (negative, digits) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let plain = digits.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let radix = |prefix: &str, radix| lower.strip_prefix(prefix).map(|d| i64::from_str_radix(d, radix).ok());
    let whole = if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)) {
        Some(value?)
    } else if plain.bytes().all(|b| b.is_ascii_digit()) {
        if plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|b| b != b'0') {
            return None;
        }
        match plain.parse::<i64>() {
            Ok(value) => Some(value),
            Err(_) => {
                let big: i128 = plain.parse().ok()?;
                return Some(Value::BigInt(if negative { -big } else { big }));
            }
        }
    } else {
        None
    };
    match whole {
        Some(value) => Some(Value::Int(if negative { -value } else { value })),
        None if plain.contains(['.', 'e', 'E']) => {
            let value: f64 = plain.parse().ok()?;
            Some(Value::Float(if negative { -value } else { value }))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        let table = [
            ("[..., 1j, set(), {1, 2}, b'x']", r#"["...","1j",[],[1,2],"x"]"#),
            ("1", "1"),
            ("0755", "-"),
            ("0o755", "493"),
            ("True", "true"),
            ("true", "-"),
            ("'a b'", "\"a b\""),
            ("[1, 'x', None,]", "[1,\"x\",null]"),
            ("{'a': {'b': 1.5}}", "{\"a\":{\"b\":1.5}}"),
            ("1.2.3", "-"),
            ("abc", "-"),
            ("-5", "-5"),
            ("10.0.0.1", "-"),
            ("(1, 2)", "[1,2]"),
        ];
        for (text, want) in table {
            let got = parse(text).map_or("-".to_owned(), |v| format!("{v:?}"));
            assert_eq!(got, want, "{text}");
        }
    }
}
