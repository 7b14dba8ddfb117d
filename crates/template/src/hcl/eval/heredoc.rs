//! The literals of a heredoc: HCL reads it line by line, lets `~` eat whitespace in the neighbouring line only, and takes the common
//! indentation of `<<-` away after that.

use hcl_edit::Span as _;
use hcl_edit::template::{Directive, Element, Strip, Template};
use std::collections::HashMap;
use unicode_segmentation::UnicodeSegmentation;

/// The text of each literal, by the offset where it starts in the file.
pub(super) type Literals = HashMap<usize, String>;

/// A line of a literal, or an expression.
enum Token {
    Text { start: usize, text: String },
    Mark { before: bool, after: bool },
}

/// Works them out. `flush` for `<<-`.
pub(super) fn literals(template: &Template, file: &str, flush: bool) -> Literals {
    let mut tokens = Vec::new();
    collect(template, file, &mut tokens);
    for i in 0..tokens.len() {
        let Some(Token::Mark { before, after }) = tokens.get(i) else { continue };
        let (before, after) = (*before, *after);
        if let Some(Token::Text { text, .. }) = i.checked_sub(1).filter(|_| before).and_then(|i| tokens.get_mut(i)) {
            text.truncate(text.trim_end().len());
        }
        if let Some(Token::Text { text, .. }) = tokens.get_mut(i + 1).filter(|_| after) {
            *text = text.trim_start().to_owned();
        }
    }
    if flush {
        unindent(&mut tokens);
    }
    let mut all = Literals::new();
    for token in tokens {
        if let Token::Text { start, text } = token {
            all.entry(start).or_default().push_str(&text.replace("$${", "${").replace("%%{", "%{"));
        }
    }
    all
}

fn collect(template: &Template, file: &str, tokens: &mut Vec<Token>) {
    let mark = |strip: &Strip| Token::Mark { before: strip.strip_start(), after: strip.strip_end() };
    for element in template {
        match element {
            Element::Literal(literal) => {
                let Some(range) = literal.span() else { continue };
                let start = range.start;
                let lines = file.get(range).unwrap_or_default().split_inclusive('\n');
                tokens.extend(lines.map(|line| Token::Text { start, text: line.to_owned() }));
            }
            Element::Interpolation(interpolation) => tokens.push(mark(&interpolation.strip)),
            Element::Directive(directive) => match directive.as_ref() {
                Directive::If(choice) => {
                    tokens.push(mark(&choice.if_expr.strip));
                    collect(&choice.if_expr.template, file, tokens);
                    if let Some(other) = &choice.else_expr {
                        tokens.push(mark(&other.strip));
                        collect(&other.template, file, tokens);
                    }
                    tokens.push(mark(&choice.endif_expr.strip));
                }
                Directive::For(each) => {
                    tokens.push(mark(&each.for_expr.strip));
                    collect(&each.for_expr.template, file, tokens);
                    tokens.push(mark(&each.endfor_expr.strip));
                }
            },
        }
    }
}

/// Takes the smallest indentation of a line from every line. Blank lines don't count and stay as they are.
fn unindent(tokens: &mut [Token]) {
    let mut smallest: Option<usize> = None;
    let mut line_starts = true;
    let mut lines = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let spaces = match token {
            Token::Text { text, .. } => {
                let rest = text.trim_start();
                let blank = rest.is_empty() && text.ends_with('\n');
                if line_starts && !blank {
                    lines.push(i);
                }
                (!blank).then(|| text[..text.len() - rest.len()].graphemes(true).count())
            }
            Token::Mark { .. } => Some(0),
        };
        if let (true, Some(spaces)) = (line_starts, spaces) {
            smallest = Some(smallest.map_or(spaces, |known| known.min(spaces)));
        }
        line_starts = matches!(token, Token::Text { text, .. } if text.ends_with('\n'));
    }
    let smallest = smallest.unwrap_or(0);
    for i in lines {
        if let Some(Token::Text { text, .. }) = tokens.get_mut(i) {
            let cut: usize = text.graphemes(true).take(smallest).map(str::len).sum();
            text.drain(..cut);
        }
    }
}
