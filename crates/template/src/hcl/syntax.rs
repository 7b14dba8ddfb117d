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
            let body = hcl_edit::parser::parse_body(source.text()).map_err(|e| mistake(source, &e))?;
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
    let expression = hcl_edit::parser::parse_expr(text).map_err(|e| mistake(source, &e))?;
    Ok(Expr::native(source, expression, 0..text.len()))
}

/// What the parser says about the first mistake, in words for people.
fn mistake(source: &Arc<Source>, error: &hcl_edit::parser::Error) -> Diagnostics {
    let at = error.location().offset().min(source.text().len());
    let rest = &source.text()[floor(source.text(), at)..];
    let end = rest.char_indices().nth(1).map_or(rest.len(), |(i, _)| i);
    let span = Span::new(source, at..(at + end).max(at));
    let message = error.message();
    let text = if message.contains("redefined attribute") {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '-').collect();
        format!("Attribute redefined: {name:?} is set more than once in this block")
    } else if message.is_empty() {
        "Syntax error in HCL: this can't be read".to_owned()
    } else {
        format!("Syntax error in HCL: {message}")
    };
    Diagnostic::error(text).at(&span).into()
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
