//! Template expressions in strings (`{{ … }}`): Go's text/template with Packer's functions.
//!
//! Options are rendered in two passes. The first, when a plugin is prepared, renders each string once ([`render_once`]); the second
//! renders what a plugin kept back, with data fields, until nothing changes any more ([`render`]).

pub(crate) mod ast;
mod builtin;
pub(crate) mod clock;
mod context;
mod datum;
mod eval;
mod functions;
mod lex;
pub(crate) mod parse;
mod place;
mod printf;
#[cfg(test)]
mod tests;

pub use context::{Ambient, BUILD_NAMES, Context, Data, Lookup, PACKER_VERSION, Random};
pub use datum::Datum;
pub(crate) use functions::{NOT_SET, NOT_YET};
pub(crate) use lex::{Fault, expressions, opening};

use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Span};

/// A string that still changes after this many rounds renders itself anew for ever. Packer never returns from it.
const ROUNDS: usize = 100;
/// So does one that grows past this many bytes on the way.
const GROWTH: usize = 1 << 20;

/// Checks the syntax of a string's expressions and that their functions exist.
pub fn check(text: &str, span: &Span, context: &Context) -> Result<(), Diagnostic> {
    read(text, context).map(|_| ()).map_err(|fault| diagnose(&fault, text, span, context))
}

/// Checks a string's expressions and renders it once unless that is for `later`. The error points at the expression; with it
/// comes whether the string could be read at all.
pub(crate) fn check_and_render(
    text: &str,
    span: &Span,
    context: &Context,
    later: bool,
) -> Result<String, (bool, Diagnostic)> {
    let told = |readable: bool| move |fault: Fault| (readable, diagnose(&fault, text, span, context));
    let parsed = read(text, context).map_err(told(false))?;
    if later { Ok(text.to_owned()) } else { eval::execute(&parsed, context).map_err(told(true)) }
}

/// Renders a string once. The error points at the expression in the user's file.
pub fn render_once(text: &str, span: &Span, context: &Context) -> Result<String, Diagnostic> {
    render_text(text, context).map_err(|fault| diagnose(&fault, text, span, context))
}

/// Renders a string until nothing changes any more: expressions may come out of expressions. One that never comes to rest is an
/// error.
pub fn render(text: &Spanned<String>, context: &Context) -> Result<String, Diagnostic> {
    let mut current = text.value.clone();
    for _ in 0..ROUNDS {
        let rendered = render_once(&current, &text.span, context)?;
        if rendered == current {
            return Ok(rendered);
        }
        if rendered.len() > GROWTH.max(16 * text.len()) {
            break;
        }
        current = rendered;
    }
    Err(Diagnostic::error("this text renders itself anew for ever")
        .at(&text.span)
        .help("does a variable refer to itself?"))
}

/// Renders a string once; a fault's place is a byte of `text`.
pub(crate) fn render_text(text: &str, context: &Context) -> Result<String, Fault> {
    if opening(text).is_none() {
        return Ok(text.to_owned());
    }
    eval::execute(&read(text, context)?, context)
}

fn read(text: &str, context: &Context) -> Result<parse::Parsed, Fault> {
    parse::parse(text, &|name| eval::signature(name, context).is_some())
}

/// A fault as an error with its place in the user's file, and a suggestion where a function's name is wrong.
pub(crate) fn diagnose(fault: &Fault, text: &str, span: &Span, context: &Context) -> Diagnostic {
    let error = Diagnostic::error(fault.message.clone()).at(&place::inside(span, text, fault.at));
    let unknown = fault.message.strip_prefix("function \"").and_then(|rest| rest.strip_suffix("\" not defined"));
    match unknown {
        Some("clean_resource_name") => error.help("clean_resource_name is a function of the amazon builders"),
        Some(name) => error.suggest(name, functions::names(context).chain(builtin::NAMES)),
        None => error,
    }
}
