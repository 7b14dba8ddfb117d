//! Template expressions in strings (`{{ … }}`): Go's text/template with Packer's functions.
//!
//! Options are rendered in two passes. The first, when a plugin is prepared, renders each string once; the second renders the
//! options that a plugin kept back, with data fields, until nothing changes any more ([`render`]).

mod context;
mod datum;

pub use context::{Ambient, BUILD_NAMES, Context, Data, Lookup, PACKER_VERSION};
pub use datum::Datum;

use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Span};

/// Checks the syntax of a string's expressions and that their functions exist.
pub fn check(text: &str, span: &Span, _context: &Context) -> Result<(), Diagnostic> {
    if text.contains("{{") {
        return Err(Diagnostic::error("template expressions can't be read yet").at(span));
    }
    Ok(())
}

/// Renders a string once. The error points at the expression in the user's file.
pub fn render_once(text: &str, span: &Span, context: &Context) -> Result<String, Diagnostic> {
    check(text, span, context).map(|()| text.to_owned())
}

/// Renders a string until nothing changes any more: expressions may come out of expressions.
pub fn render(text: &Spanned<String>, context: &Context) -> Result<String, Diagnostic> {
    render_once(text, &text.span, context)
}
