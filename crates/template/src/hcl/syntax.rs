//! Files as they are written: native syntax and JSON syntax become one kind of [`Body`], read through a schema.
//!
//! It evaluates nothing. A file with a mistake in its syntax has no body; everything else is for those who read it.

use super::body::{Attr, Block, Body, Native};
use super::expr::Expr;
use crate::json::{self, Duplicates};
use crate::value::{Node, Spanned};
use hcl_edit::Span as _;
use hcl_edit::structure::{self, BlockLabel, Structure};
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::ops::Range;
use std::sync::Arc;

/// Which of HCL's two syntaxes a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// `name = value` and `block "label" { … }`.
    Native,
    /// JSON that means the same.
    Json,
}

/// Parses a whole file.
pub(crate) fn parse(source: &Arc<Source>, syntax: Syntax) -> Result<Body, Diagnostics> {
    match syntax {
        Syntax::Native => {
            let body = lenient(source.text(), hcl_edit::parser::parse_body).map_err(|e| mistake(source, &e))?;
            if let Some(broken) = super::format::broken_strings(source) {
                return Err(broken);
            }
            Ok(native(source, body, 0..source.text().len()))
        }
        Syntax::Json => Ok(Body::json(root(source)?)),
    }
}

/// The one value of a JSON file.
fn root(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    json::parse(source, Duplicates::Refuse)
}

/// Parses one expression: a variable's value from the command line, a line of the console.
pub(crate) fn parse_expression(source: &Arc<Source>) -> Result<Expr, Diagnostics> {
    let text = source.text();
    let expression = lenient(text, hcl_edit::parser::parse_expr).map_err(|e| mistake(source, &e))?;
    if let Some(broken) = super::format::broken_strings(source) {
        return Err(broken);
    }
    Ok(Expr::native(source, expression, 0..text.len()))
}

/// So many keys of one text are forgiven at most.
const FORGIVEN: usize = 500;

/// Parses a text. The parser refuses an object that has one key twice; in HCL the last one wins. Such a key is changed for the
/// parser, letter by letter in its place, and the evaluator takes its name from the text ([`key_in`]).
pub(crate) fn lenient<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, hcl_edit::parser::Error>,
) -> Result<T, hcl_edit::parser::Error> {
    let mut changed: Option<String> = None;
    for round in 0..FORGIVEN {
        let current = changed.as_deref().unwrap_or(text);
        let error = match parse(current) {
            Err(error) if error.message().contains("redefined object key") => error,
            other => return other,
        };
        match with_other_key(current, error.location().offset(), round) {
            Some(next) => changed = Some(next),
            None => return Err(error),
        }
    }
    parse(text)
}

/// The text with the key at an offset replaced by as many other letters.
fn with_other_key(text: &str, at: usize, round: usize) -> Option<String> {
    let key = plain_key(text.get(at..)?)?;
    let start = at + usize::from(text.as_bytes().get(at) == Some(&b'"'));
    let mut number = round;
    let mut letters = String::with_capacity(key.len());
    for _ in 0..key.len() {
        letters.push(char::from(b"zyxwvutsrqponmlkjihgfedcba"[number % 26]));
        number /= 26;
    }
    Some(format!("{}{letters}{}", &text[..start], &text[start + key.len()..]))
}

/// The key that a text begins with: a name, or a string in which nothing is escaped or worked out.
fn plain_key(text: &str) -> Option<&str> {
    let quoted = text.strip_prefix('"');
    let key = match quoted {
        Some(inside) => &inside[..inside.find('"')?],
        None => &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(text.len())],
    };
    let plain = !key.is_empty() && key.is_ascii() && !key.contains(['\\', '$', '%', '\n']);
    plain.then_some(key)
}

/// The name of an object's key as it stands in the text at `place`, where it is a plain one of this length.
pub(crate) fn key_in<'a>(source: &'a Source, place: &Range<usize>, length: usize) -> Option<&'a str> {
    plain_key(source.text().get(place.clone())?).filter(|key| key.len() == length)
}

/// What the parser says about the first mistake, in words for people. Where a string or a bracket is not closed, the parser stumbles
/// only over what follows; the lexer of the formatter knows better.
fn mistake(source: &Arc<Source>, error: &hcl_edit::parser::Error) -> Diagnostics {
    if let Some(faults) = super::format::faults(source) {
        return faults;
    }
    let at = error.location().offset().min(source.text().len());
    let rest = &source.text()[floor(source.text(), at)..];
    let end = rest.char_indices().nth(1).map_or(rest.len(), |(i, _)| i);
    let span = Span::new(source, at..(at + end).max(at));
    let message = error.message();
    let text = if message.contains("redefined attribute") {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '-').collect();
        let text = format!("Attribute redefined: {name:?} is set more than once in this block");
        return Diagnostic::error(text).at(&Span::new(source, at..at + name.len())).into();
    } else if message.is_empty() {
        "Syntax error in HCL: this can't be read".to_owned()
    } else {
        format!("Syntax error in HCL: {message}")
    };
    let error = Diagnostic::error(text).at(&span);
    let line = source.line(span.position().line);
    let error = match rest.chars().next() {
        _ if rest.trim().is_empty() => match super::format::unclosed(source) {
            Some(open) => {
                let line = source.line(open.position().line).trim();
                error.help(format!("the bracket at {open} is not closed: {line}"))
            }
            None => error,
        },
        Some('=') if line.trim_end().ends_with('{') => error.help("a block has no equals sign before its brace"),
        Some(':') => error.help("an argument is set with an equals sign: name = value"),
        _ => error,
    };
    error.into()
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn native(source: &Arc<Source>, body: structure::Body, place: Range<usize>) -> Body {
    let span = Span::new(source, place);
    let mut out = Native::default();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let whole = attribute.span().unwrap_or_default();
                let name = spanned(source, attribute.key.as_str(), attribute.key.span(), &whole);
                let place = attribute.value.span().unwrap_or(whole);
                let expr = Expr::native(source, attribute.value, place);
                out.attributes.insert(name.value.clone(), Attr { name, expr });
            }
            Structure::Block(block) => {
                let whole = block.span().unwrap_or_default();
                let kind = spanned(source, block.ident.as_str(), block.ident.span(), &whole);
                let label = |label: &BlockLabel| {
                    let place = match label {
                        BlockLabel::Ident(ident) => ident.span(),
                        BlockLabel::String(text) => text.span(),
                    };
                    spanned(source, label.as_str(), place, &whole)
                };
                let labels: Vec<_> = block.labels.iter().map(label).collect();
                let last = labels.last().map_or(&kind.span, |l| &l.span).range().end;
                let header = Span::new(source, kind.span.range().start..last);
                let body = native(source, block.body, header.range().start..whole.end);
                out.blocks.push(Block { kind, labels, body, span: header });
            }
        }
    }
    Body::native(out, span)
}

fn spanned(source: &Arc<Source>, text: &str, place: Option<Range<usize>>, whole: &Range<usize>) -> Spanned<String> {
    let place = place.unwrap_or_else(|| whole.clone());
    Spanned::new(text.to_owned(), Span::new(source, place))
}
