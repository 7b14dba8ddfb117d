//! Text to tokens. It never fails: what is wrong is a token too, and a [`Fault`].
//!
//! Strings may hold templates, which hold expressions, which hold strings: the way back is a stack, not the call stack.

use super::token::{Kind, Token};

/// Something that is no HCL, and where: bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub at: std::ops::Range<usize>,
    pub what: &'static str,
}

/// A text's tokens; the last one is [`Kind::End`].
pub(super) struct Lexed<'a> {
    pub tokens: Vec<Token<'a>>,
    pub faults: Vec<Fault>,
}

/// Where the lexer is inside of.
enum Inside<'a> {
    /// A quoted string that begins at this byte.
    Quote(usize),
    /// A heredoc: its marker, whether nothing but text was on this line yet, where it begins.
    Heredoc { marker: &'a str, fresh: bool, start: usize },
    /// `${` or `%{`: how many braces were open with it, where it begins.
    Template { braces: usize, start: usize },
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Where the last token ended.
    end: usize,
    braces: usize,
    inside: Vec<Inside<'a>>,
    out: Lexed<'a>,
}

/// The mistake after which nothing else can be told from the text.
pub(super) const OPEN_STRING: &str = "a quoted string ends on its line: \\n is a line break in it";

/// Tokens of a whole text.
pub(super) fn lex(text: &str) -> Lexed<'_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let out = Lexed { tokens: Vec::with_capacity(text.len() / 4), faults: Vec::new() };
    let mut lexer = Lexer { text, at: 0, end: 0, braces: 0, inside: Vec::new(), out };
    while lexer.at < text.len() {
        match lexer.inside.last() {
            None | Some(Inside::Template { .. }) => lexer.expression(),
            Some(Inside::Quote(_)) => lexer.quoted(),
            Some(Inside::Heredoc { .. }) => lexer.heredoc(),
        }
    }
    for open in std::mem::take(&mut lexer.inside) {
        let (start, what) = match open {
            Inside::Quote(start) => (start, "this string has no closing quote"),
            Inside::Heredoc { start, .. } => (start, "this heredoc has no line with its closing marker alone"),
            Inside::Template { start, .. } => (start, "this template sequence has no closing brace"),
        };
        lexer.fault(start..start + 2, what);
    }
    lexer.token(Kind::End, 0);
    lexer.out
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fault(&mut self, at: std::ops::Range<usize>, what: &'static str) {
        let end = at.end.min(self.text.len());
        self.out.faults.push(Fault { at: at.start..end.max(at.start), what });
    }

    /// The next `len` bytes are a token.
    fn token(&mut self, kind: Kind, len: usize) {
        let text = &self.text[self.at..self.at + len];
        self.out.tokens.push(Token { kind, text, blanks: self.at - self.end });
        self.at += len;
        self.end = self.at;
    }

    fn expression(&mut self) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let second = bytes.get(1).copied().unwrap_or(0);
        let kind = match (bytes[0], second) {
            (b' ' | b'\t', _) => {
                self.at += 1;
                return;
            }
            (b'\n', _) => Kind::Newline,
            (b'\r', b'\n') => return self.token(Kind::Newline, 2),
            (b'#', _) | (b'/', b'/') => {
                let len = rest.find('\n').map_or(rest.len(), |i| i + 1);
                return self.token(Kind::Comment, len);
            }
            (b'/', b'*') => {
                let close = rest[2..].find("*/");
                if close.is_none() {
                    self.fault(self.at..self.at + 2, "this comment has no closing */");
                }
                return self.token(Kind::Comment, close.map_or(rest.len(), |i| i + 4));
            }
            (b'"', _) => {
                self.inside.push(Inside::Quote(self.at));
                Kind::OpenQuote
            }
            (b'<', b'<') => match heredoc_marker(rest) {
                Some((marker, len)) => {
                    self.inside.push(Inside::Heredoc { marker, fresh: true, start: self.at });
                    return self.token(Kind::OpenHeredoc, len);
                }
                None => Kind::Comparison,
            },
            (b'0'..=b'9', _) => return self.token(Kind::Number, number(bytes)),
            (b'{', _) => {
                self.braces += 1;
                Kind::OpenBrace
            }
            (b'}', _) => return self.close_brace(1),
            (b'~', b'}') => return self.close_brace(2),
            (b'[', _) => Kind::OpenBracket,
            (b']', _) => Kind::CloseBracket,
            (b'(', _) => Kind::OpenParen,
            (b')', _) => Kind::CloseParen,
            (b'=', b'=') | (b'!', b'=') | (b'<', b'=') | (b'>', b'=') => return self.token(Kind::Comparison, 2),
            (b'=', b'>') => return self.token(Kind::Arrow, 2),
            (b'&', b'&') | (b'|', b'|') => return self.token(Kind::Logic, 2),
            (b':', b':') => return self.token(Kind::DoubleColon, 2),
            (b'.', b'.') if bytes.get(2) == Some(&b'.') => return self.token(Kind::Ellipsis, 3),
            (b'=', _) => Kind::Assign,
            (b'<' | b'>', _) => Kind::Comparison,
            (b'!', _) => Kind::Bang,
            (b'-', _) => Kind::Minus,
            (b'+' | b'*' | b'/' | b'%', _) => Kind::Arithmetic,
            (b'.', _) => Kind::Dot,
            (b',', _) => Kind::Comma,
            (b':', _) => Kind::Colon,
            (b'?', _) => Kind::Question,
            _ => return self.word(),
        };
        self.token(kind, 1);
    }

    /// An identifier, or something unknown.
    fn word(&mut self) {
        let rest = self.rest();
        let mut chars = rest.char_indices();
        let Some((_, first)) = chars.next() else { return };
        if !starts_ident(first) {
            let what = match first {
                '\'' => "strings stand in double quotes",
                '`' => "strings stand in double quotes; a text of several lines is a heredoc (<<EOT)",
                '“' | '”' => "these are typographic quotes: strings stand in straight ones",
                ';' => "arguments end with their line, not with a semicolon",
                '&' => "there is no bitwise operator; the logical one is &&",
                '|' => "there is no bitwise operator; the logical one is ||",
                _ => "this character has no meaning here",
            };
            self.fault(self.at..self.at + first.len_utf8(), what);
            return self.token(Kind::Unknown, first.len_utf8());
        }
        let len = chars.find(|(_, c)| !continues_ident(*c)).map_or(rest.len(), |(i, _)| i);
        self.token(Kind::Ident, len);
    }

    fn close_brace(&mut self, len: usize) {
        let kind = match self.inside.last() {
            Some(Inside::Template { braces, .. }) if *braces == self.braces => {
                self.inside.pop();
                Kind::CloseTemplate
            }
            _ if len == 2 => {
                self.fault(self.at..self.at + 2, "~} closes nothing here");
                Kind::CloseTemplate
            }
            _ => Kind::CloseBrace,
        };
        self.braces = self.braces.saturating_sub(1);
        self.token(kind, len);
    }

    fn open_template(&mut self) {
        let len = if self.rest().as_bytes().get(2) == Some(&b'~') { 3 } else { 2 };
        self.braces += 1;
        // Text before it on the line: what follows can't be the marker's line.
        for inside in self.inside.iter_mut().rev() {
            if let Inside::Heredoc { fresh, .. } = inside {
                *fresh = false;
                break;
            }
        }
        self.inside.push(Inside::Template { braces: self.braces, start: self.at });
        self.token(Kind::OpenTemplate, len);
    }

    fn quoted(&mut self) {
        let bytes = self.rest().as_bytes();
        let mut i = 0;
        loop {
            match bytes.get(i) {
                None => break,
                Some(b'\\') => {
                    i += 1;
                    i += bytes.get(i).map_or(0, |b| utf8_len(*b));
                }
                Some(b'"') if i == 0 => {
                    self.inside.pop();
                    return self.token(Kind::CloseQuote, 1);
                }
                Some(b'\r' | b'\n') if i == 0 => {
                    let len = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                    self.fault(self.at..self.at + 1, OPEN_STRING);
                    return self.token(Kind::Unknown, len);
                }
                Some(b'"' | b'\r' | b'\n') => break,
                Some(b'$' | b'%') => match template(&bytes[i..]) {
                    Opens::Template if i == 0 => return self.open_template(),
                    Opens::Template => break,
                    Opens::Nothing(len) => i += len,
                },
                Some(_) => i += 1,
            }
        }
        self.token(Kind::Literal, i.min(bytes.len()));
    }

    fn heredoc(&mut self) {
        let bytes = self.rest().as_bytes();
        let mut i = 0;
        let whole_line = loop {
            match bytes.get(i) {
                None => break false,
                Some(b'\n') => break true,
                Some(b'$' | b'%') => match template(&bytes[i..]) {
                    Opens::Template if i == 0 => return self.open_template(),
                    Opens::Template => break false,
                    Opens::Nothing(len) => i += len,
                },
                Some(_) => i += 1,
            }
        };
        let line = &self.rest()[..i];
        let Some(Inside::Heredoc { marker, fresh, .. }) = self.inside.last_mut() else { return };
        if whole_line && *fresh && line.trim_matches([' ', '\t', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{a0}']) == *marker
        {
            self.inside.pop();
            let newline = if line.ends_with('\r') { 2 } else { 1 };
            self.token(Kind::CloseHeredoc, line.len() + 1 - newline);
            return self.token(Kind::Newline, newline);
        }
        *fresh = whole_line;
        self.token(Kind::Literal, i + usize::from(whole_line));
    }
}

enum Opens {
    /// `${` or `%{`.
    Template,
    /// So many bytes of text: a `$` alone, or `$${`.
    Nothing(usize),
}

/// What a `$` or `%` begins.
fn template(bytes: &[u8]) -> Opens {
    match bytes {
        [_, b'{', ..] => Opens::Template,
        [a, b, b'{', ..] if a == b => Opens::Nothing(3),
        _ => Opens::Nothing(1),
    }
}

/// The marker of a heredoc that begins here, and the length of its first line.
fn heredoc_marker(text: &str) -> Option<(&str, usize)> {
    let line = &text[..text.find('\n')?];
    let marker = line[2..].strip_suffix('\r').unwrap_or(&line[2..]);
    let marker = marker.strip_prefix('-').unwrap_or(marker);
    let mut chars = marker.chars();
    (chars.next().is_some_and(starts_ident) && chars.all(continues_ident)).then_some((marker, line.len() + 1))
}

/// The length of a number: digits, dots and exponents, no dot at its end.
fn number(bytes: &[u8]) -> usize {
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut i = 1;
    let mut end = 1;
    loop {
        match bytes.get(i) {
            Some(b'0'..=b'9') => i += 1,
            Some(b'.') => {
                i += 1;
                continue;
            }
            Some(b'e' | b'E') if digit(i + 1) => i += 2,
            Some(b'e' | b'E') if matches!(bytes.get(i + 1), Some(b'+' | b'-')) && digit(i + 2) => i += 3,
            _ => return end,
        }
        end = i;
    }
}

fn utf8_len(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

fn starts_ident(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn continues_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-' || unicode_normalization::char::is_combining_mark(c)
}
