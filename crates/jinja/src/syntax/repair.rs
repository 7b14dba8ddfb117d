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
