//! Two forms of Jinja that minijinja's parser lacks, rewritten token by token without moving anything: a tuple without
//! parentheses in `{{ a, b }}` and unary `+`. Only tried where the text does not parse as it is.

use super::Mode;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The text with `+x` as ` x` and `{{ a, b }}` as `{{(a, b)}}`, of the same length. `None`: nothing to repair, or no blank
/// where a parenthesis could go.
pub(super) fn repair(text: &str, mode: Mode) -> Option<String> {
    let in_expression = mode == Mode::Expression;
    let mut bytes = text.as_bytes().to_vec();
    let mut changed = false;
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
