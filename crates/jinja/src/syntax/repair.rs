//! Forms of Jinja that minijinja's parser lacks, rewritten without moving anything: a tuple without parentheses in
//! `{{ a, b }}`, unary `+`, and blanks that are not ASCII (what a Mac types for Alt-Space). Only tried where the text does not
//! parse as it is.

use super::Mode;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The text with blanks of other scripts inside of tags as ASCII ones, of the same length; Python's `\s` takes them all.
fn plain_blanks(text: &str, in_expression: bool) -> Option<String> {
    let odd = |c: char| c.is_whitespace() && !c.is_ascii();
    if !text.contains(odd) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut quote, mut rest) = (in_expression, None, text);
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match (inside, quote) {
            (false, _) if rest.starts_with("{{") || rest.starts_with("{%") => (inside, taken) = (true, 2),
            (true, Some(_)) if c == '\\' => taken += rest[1..].chars().next().map_or(0, char::len_utf8),
            (true, Some(open)) if c == open => quote = None,
            (true, None) if c == '"' || c == '\'' => quote = Some(c),
            (true, None) if !in_expression && (rest.starts_with("}}") || rest.starts_with("%}")) => {
                (inside, taken) = (false, 2);
            }
            (true, None) if odd(c) => {
                out.extend(std::iter::repeat_n(' ', taken));
                rest = &rest[taken..];
                continue;
            }
            _ => {}
        }
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    Some(out)
}

/// The text with `+x` as ` x` and `{{ a, b }}` as `{{(a, b)}}`, of the same length. `None`: nothing to repair, or no blank
/// where a parenthesis could go.
pub(super) fn repair(text: &str, mode: Mode) -> Option<String> {
    let in_expression = mode == Mode::Expression;
    let plain = plain_blanks(text, in_expression);
    let mut changed = plain.is_some();
    let text = plain.as_deref().unwrap_or(text);
    let mut bytes = text.as_bytes().to_vec();
    let mut depth = 0i32;
    let mut open: Option<usize> = None;
    let mut comma = false;
    let mut operand_before = false;
    for token in tokenize(text, in_expression, SyntaxConfig::default()) {
        let (token, span) = token.ok()?;
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        match token {
            Token::VariableStart => {
                (open, comma, depth) = (Some(end), false, 0);
                operand_before = false;
                continue;
            }
            Token::VariableEnd => {
                if comma {
                    let (first, last) = (open?, start.checked_sub(1)?);
                    if bytes.get(first) != Some(&b' ') || bytes.get(last) != Some(&b' ') || first >= last {
                        return None;
                    }
                    bytes[first] = b'(';
                    bytes[last] = b')';
                    changed = true;
                }
                open = None;
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => depth -= 1,
            Token::Comma if depth == 0 && open.is_some() => comma = true,
            Token::Plus if !operand_before => {
                bytes[start] = b' ';
                changed = true;
            }
            _ => {}
        }
        operand_before = match token {
            Token::Ident(word) => !matches!(word, "and" | "or" | "not" | "in" | "is" | "if" | "else"),
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => true,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => true,
            _ => false,
        };
    }
    String::from_utf8(bytes).ok().filter(|_| changed)
}

/// The innermost block that is never closed, and where its tag stands.
pub(super) fn unclosed(text: &str, options: &crate::FileOptions) -> Option<(String, u32)> {
    let mut open: Vec<(String, u32)> = Vec::new();
    let mut tokens = tokenize(text, false, super::lower::config(options).ok()?).map_while(Result::ok).peekable();
    while let Some((token, _)) = tokens.next() {
        if !matches!(token, Token::BlockStart) {
            continue;
        }
        let Some((Token::Ident(tag), span)) = tokens.next() else { continue };
        if let Some(name) = tag.strip_prefix("end") {
            if open.last().is_some_and(|(t, _)| t == name) {
                open.pop();
            }
            continue;
        }
        let mut assigns = false;
        while let Some((token, _)) = tokens.next_if(|(t, _)| !matches!(t, Token::BlockEnd)) {
            assigns |= matches!(token, Token::Assign);
        }
        let block = ["if", "for", "macro", "call", "block", "filter", "with", "autoescape"].contains(&tag);
        if block || (tag == "set" && !assigns) {
            open.push((tag.to_owned(), span.start_offset));
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_of_other_scripts_are_blanks_inside_of_tags_only() {
        let repaired = plain_blanks("a\u{a0}b {{\u{a0}x ~ '\u{a0}\\'' }}\u{3000}{%\u{3000}if y %}", false).unwrap();
        assert_eq!(repaired, "a\u{a0}b {{  x ~ '\u{a0}\\'' }}\u{3000}{%   if y %}");
        assert_eq!(plain_blanks("x\u{2003}is defined", true).unwrap(), "x   is defined");
        assert_eq!(plain_blanks("{{ x }}", false), None);
    }
}
