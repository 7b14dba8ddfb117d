//! Splits a string into text and the tokens inside `{{ }}`, by the rules of Go's text/template: trim markers, comments, raw strings.

use std::borrow::Cow;

/// Something that can't be read or evaluated: where in the string (bytes), and what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Fault { at, message: message.into() }
    }
}

/// A token and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) at: usize,
    pub(crate) kind: Tok<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tok<'a> {
    /// Text between expressions.
    Text(&'a str),
    /// `{{`.
    Open,
    /// `}}`.
    Close,
    /// Blanks inside an expression: they separate operands.
    Space,
    /// A name without dot or dollar: keyword, constant or function.
    Word(&'a str),
    /// `.name`, without the dot.
    Field(&'a str),
    /// `$name`, with the dollar.
    Variable(&'a str),
    Dot,
    /// A number or character as written.
    Number(&'a str),
    /// A quoted string, value and text.
    Quoted {
        value: Cow<'a, str>,
        raw: &'a str,
    },
    Declare,
    Assign,
    Pipe,
    Comma,
    OpenParen,
    CloseParen,
    /// Any other printable character; the parser refuses it where it stands.
    Char(char),
    /// What follows can't be split; always the last token. The parser tells it unless it stumbles before.
    Broken(String),
}

const CLOSE: &str = "}}";
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Where the first expression opens. Strings are many and short: a searcher for two letters would cost more than the search.
pub(crate) fn opening(text: &str) -> Option<usize> {
    memchr::memchr_iter(b'{', text.as_bytes()).find(|at| text.as_bytes().get(at + 1) == Some(&b'{'))
}

/// From the first expression of a text to the end of its last one.
pub(crate) fn expressions(text: &str) -> Option<&str> {
    let from = opening(text)?;
    let inside = &text.as_bytes()[from..];
    let last = memchr::memrchr_iter(b'}', inside).find(|at| *at > 0 && inside[at - 1] == b'}')?;
    Some(&text[from..=from + last])
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    parens: usize,
    tokens: Vec<Token<'a>>,
}

/// All tokens of a string.
pub(crate) fn lex(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, at: 0, parens: 0, tokens: Vec::new() };
    if let Err(fault) = lexer.outside() {
        lexer.push(fault.at, Tok::Broken(fault.message));
    }
    lexer.tokens
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push(&mut self, at: usize, kind: Tok<'a>) {
        self.tokens.push(Token { at, kind });
    }

    fn outside(&mut self) -> Result<(), Fault> {
        // After ` -}}` blanks are cut from the text that follows.
        let mut trim = false;
        loop {
            let start = self.at;
            let found = opening(self.rest());
            let mut text = &self.rest()[..found.unwrap_or(self.rest().len())];
            let length = text.len();
            if trim {
                text = text.trim_start_matches(BLANKS);
            }
            if found.is_none() {
                if !text.is_empty() {
                    self.push(start, Tok::Text(text));
                }
                return Ok(());
            }
            let open = start + length;
            let inside = &self.text[open + 2..];
            let trims_left = inside.starts_with('-') && inside[1..].starts_with(BLANKS);
            if trims_left {
                text = text.trim_end_matches(BLANKS);
            }
            if !text.is_empty() {
                self.push(start, Tok::Text(text));
            }
            self.at = open + 2;
            let body = if trims_left { self.text[self.at + 2..].trim_start_matches(BLANKS) } else { inside };
            // A comment follows the delimiter, or the trim marker and its one blank, directly.
            let comment_at = if trims_left { open + 4 } else { open + 2 };
            if self.text[comment_at..].starts_with("/*") {
                trim = self.comment(comment_at)?;
                continue;
            }
            if trims_left {
                self.at = self.text.len() - body.len();
            }
            self.push(open, Tok::Open);
            trim = self.inside(open)?;
        }
    }

    /// Skips a comment; true if its end trims.
    fn comment(&mut self, start: usize) -> Result<bool, Fault> {
        // `/*/` opens and does not close.
        let body = start + 2;
        let Some(end) = self.text[body..].find("*/") else { return Err(Fault::new(start, "unclosed comment")) };
        let after = &self.text[body + end + 2..];
        let (trim, rest) = match after.strip_prefix(BLANKS).and_then(|a| a.strip_prefix('-')) {
            Some(rest) => (true, rest),
            None => (false, after),
        };
        let Some(rest) = rest.strip_prefix(CLOSE) else {
            return Err(Fault::new(start, "comment ends before closing delimiter"));
        };
        self.at = self.text.len() - rest.len();
        Ok(trim)
    }

    /// The tokens up to the closing delimiter; true if it trims.
    fn inside(&mut self, open: usize) -> Result<bool, Fault> {
        self.parens = 0;
        loop {
            let at = self.at;
            let rest = self.rest();
            let blank = rest.trim_start_matches(BLANKS);
            let trims = blank.len() < rest.len() && blank.starts_with("-}}");
            if trims || rest.starts_with(CLOSE) {
                if self.parens > 0 {
                    return Err(Fault::new(at, "unclosed left paren"));
                }
                self.at = if trims { self.text.len() - blank.len() + 3 } else { at + 2 };
                self.push(at, Tok::Close);
                return Ok(trims);
            }
            let Some(c) = rest.chars().next() else { return Err(Fault::new(open, "unclosed action")) };
            if blank.len() < rest.len() {
                self.at = self.text.len() - blank.len();
                self.push(at, Tok::Space);
                continue;
            }
            self.token(at, c)?;
        }
    }

    fn single(&mut self, at: usize, c: char, kind: Tok<'a>) {
        self.at += c.len_utf8();
        self.push(at, kind);
    }

    fn token(&mut self, at: usize, c: char) -> Result<(), Fault> {
        let rest = self.rest();
        match c {
            '=' => self.single(at, c, Tok::Assign),
            ':' if rest.starts_with(":=") => {
                self.at += 2;
                self.push(at, Tok::Declare);
            }
            ':' => return Err(Fault::new(at, "expected :=")),
            '|' => self.single(at, c, Tok::Pipe),
            ',' => self.single(at, c, Tok::Comma),
            '(' => {
                self.parens += 1;
                self.single(at, c, Tok::OpenParen);
            }
            ')' => {
                if self.parens == 0 {
                    return Err(Fault::new(at, "unexpected right paren"));
                }
                self.parens -= 1;
                self.single(at, c, Tok::CloseParen);
            }
            '"' => self.quoted(at)?,
            '`' => {
                let Some(end) = rest[1..].find('`') else {
                    return Err(Fault::new(at, "unterminated raw quoted string"));
                };
                let raw = &rest[..end + 2];
                // Go drops carriage returns from raw strings.
                let value = &rest[1..=end];
                let value = if value.contains('\r') { value.replace('\r', "").into() } else { value.into() };
                self.push(at, Tok::Quoted { value, raw });
                self.at += raw.len();
            }
            '\'' => self.character(at)?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(at)?,
            '.' => {
                let name = word(&rest[1..]);
                if name.is_empty() {
                    self.single(at, c, Tok::Dot);
                } else {
                    self.at += 1 + name.len();
                    self.push(at, Tok::Field(name));
                    self.terminator()?;
                }
            }
            '$' => {
                let name = word(&rest[1..]);
                self.at += 1 + name.len();
                self.push(at, Tok::Variable(&rest[..=name.len()]));
                self.terminator()?;
            }
            '+' | '-' | '0'..='9' => self.number(at)?,
            c if c == '_' || c.is_alphanumeric() => {
                let name = word(rest);
                self.at += name.len();
                self.push(at, Tok::Word(name));
                self.terminator()?;
            }
            c if c.is_ascii() && !c.is_ascii_control() => self.single(at, c, Tok::Char(c)),
            c => return Err(Fault::new(at, format!("unrecognized character in action: {}", unicode(c)))),
        }
        Ok(())
    }

    /// A name must end where another token can begin.
    fn terminator(&self) -> Result<(), Fault> {
        match self.rest().chars().next() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | '=' | ')' | '(') => Ok(()),
            _ if self.rest().starts_with(CLOSE) => Ok(()),
            Some(c) => Err(Fault::new(self.at, format!("bad character {}", unicode(c)))),
        }
    }

    fn quoted(&mut self, at: usize) -> Result<(), Fault> {
        let rest = self.rest();
        let unterminated = || Fault::new(at, "unterminated quoted string");
        let mut escaped = false;
        for (i, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => return Err(unterminated()),
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let raw = &rest[..=i];
                    let value = unquote(&rest[1..i], '"').ok_or_else(|| Fault::new(at, "invalid syntax"))?;
                    self.at += raw.len();
                    self.push(at, Tok::Quoted { value: value.into(), raw });
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(unterminated())
    }

    fn character(&mut self, at: usize) -> Result<(), Fault> {
        let rest = self.rest();
        let mut escaped = false;
        for (i, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\'' => {
                    self.at += i + 1;
                    self.push(at, Tok::Number(&rest[..=i]));
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(Fault::new(at, "unterminated character constant"))
    }

    fn number(&mut self, at: usize) -> Result<(), Fault> {
        let rest = self.rest();
        let signed = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        let hex = signed.starts_with("0x") || signed.starts_with("0X");
        let mut end = rest.len() - signed.len();
        let bytes = rest.as_bytes();
        while let Some(b) = bytes.get(end) {
            let exponent = |e: u8| matches!(e, b'e' | b'E') && !hex || matches!(e, b'p' | b'P') && hex;
            let sign = matches!(b, b'+' | b'-') && end > 0 && exponent(bytes[end - 1]);
            if !(b.is_ascii_alphanumeric() || *b == b'_' || *b == b'.' || sign) {
                break;
            }
            end += 1;
        }
        let text = &rest[..end];
        if parse_number(text).is_none() {
            return Err(Fault::new(at, format!("bad number syntax: {text:?}")));
        }
        self.at += end;
        self.push(at, Tok::Number(text));
        Ok(())
    }
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len())]
}

fn unicode(c: char) -> String {
    format!("U+{:04X} '{c}'", c as u32)
}

/// A constant number: an integer, a float, or a character.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

/// Reads a number by Go's rules for constants in templates. Complex numbers are not known.
pub(crate) fn parse_number(text: &str) -> Option<Number> {
    if let Some(inner) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        let value = unquote(inner, '\'')?;
        let mut chars = value.chars();
        return match (chars.next(), chars.next()) {
            (Some(c), None) => Some(Number::Int(c as i64)),
            _ => None,
        };
    }
    if !text.is_empty()
        && let Ok(int) = crate::decode::parse_int(text)
    {
        return Some(Number::Int(int));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let float_like =
        unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-' | b'_'));
    if !float_like || !unsigned.contains(['.', 'e', 'E']) {
        return None;
    }
    text.replace('_', "").parse::<f64>().ok().filter(|f| f.is_finite()).map(Number::Float)
}

/// Resolves the escapes of a Go string or character literal.
pub(crate) fn unquote(text: &str, quote: char) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let code = |chars: &mut std::str::Chars<'_>, first: Option<char>, count: usize, radix: u32| {
            let mut value = match first {
                Some(c) => c.to_digit(radix)?,
                None => 0,
            };
            for _ in 0..count {
                value = value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?)?;
            }
            Some(value)
        };
        match chars.next()? {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            c if c == quote => out.push(c as u8),
            'x' => out.push(u8::try_from(code(&mut chars, None, 2, 16)?).ok()?),
            c @ '0'..='7' => out.push(u8::try_from(code(&mut chars, Some(c), 2, 8)?).ok()?),
            c @ ('u' | 'U') => {
                let value = code(&mut chars, None, if c == 'u' { 4 } else { 8 }, 16)?;
                out.extend(char::from_u32(value)?.encode_utf8(&mut [0; 4]).bytes());
            }
            _ => return None,
        }
    }
    Some(match String::from_utf8(out) {
        Ok(text) => text,
        Err(bad) => String::from_utf8_lossy(bad.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, want) in [
            ("1", Some(Number::Int(1))),
            ("-1", Some(Number::Int(-1))),
            ("0x1F", Some(Number::Int(31))),
            ("1e3", Some(Number::Float(1000.0))),
            ("1.5", Some(Number::Float(1.5))),
            (".5", Some(Number::Float(0.5))),
            ("'a'", Some(Number::Int(97))),
            ("'\\n'", Some(Number::Int(10))),
            ("3x", None),
            ("1i", None),
            ("-", None),
        ] {
            assert_eq!(parse_number(text), want, "{text}");
        }
    }

    #[test]
    fn faults_point_at_their_place() {
        for (text, at, message) in [
            ("a {{", 2, "unclosed action"),
            ("{{user `a}}", 7, "unterminated raw quoted string"),
            ("{{ \"a }}", 3, "unterminated quoted string"),
            ("{{/* a", 2, "unclosed comment"),
            ("{{/* a */ }}", 2, "comment ends before closing delimiter"),
            ("{{(1}}", 4, "unclosed left paren"),
            ("{{1)}}", 3, "unexpected right paren"),
            ("{{ é\u{1} }}", 5, "bad character U+0001 '\u{1}'"),
        ] {
            assert_eq!(lex(text).pop(), Some(Token { at, kind: Tok::Broken(message.into()) }), "{text}");
        }
    }
}
