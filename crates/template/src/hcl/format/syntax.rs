//! Whether a text is HCL at all.

use super::lex;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::sync::Arc;

/// Parses a text. Only its syntax counts: no name is looked up.
///
/// # Errors
/// What is wrong with it.
pub fn check(source: &Arc<Source>) -> Result<(), Diagnostics> {
    let mut diags = Diagnostics::new();
    let text = source.text();
    let skipped = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    for fault in lex::lex(text).faults {
        let span = Span::new(source, fault.at.start + skipped..fault.at.end + skipped);
        diags.push(Diagnostic::error(fault.what).at(&span));
    }
    if diags.has_errors() {
        return Err(diags);
    }
    match hcl_edit::parser::parse_body(&text[skipped..]) {
        Ok(_) => Ok(()),
        Err(error) => {
            let mut at = (error.location().offset() + skipped).min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let span = Span::new(source, at..text[at..].chars().next().map_or(at, |c| at + c.len_utf8()));
            Err(Diagnostic::error(error.message().to_owned()).at(&span).into())
        }
    }
}
