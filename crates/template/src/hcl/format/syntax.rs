//! Whether a text is HCL at all.

use super::lex;
use crate::hcl::syntax::lenient;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::sync::Arc;

fn mark(text: &str) -> usize {
    text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len()
}

/// What the lexer finds wrong with a text: strings, heredocs and templates that don't end, characters that mean nothing.
pub(crate) fn faults(source: &Arc<Source>) -> Option<Diagnostics> {
    let skipped = mark(source.text());
    let mut diags = Diagnostics::new();
    let mut told = None;
    for fault in lex::lex(source.text()).faults {
        let span = Span::new(source, fault.at.start + skipped..fault.at.end + skipped);
        // Both quotes of 'x' are one mistake.
        let this = Some((span.position().line, fault.what));
        if told != this {
            diags.push(Diagnostic::error(fault.what).at(&span));
        }
        told = this;
        if fault.what == lex::OPEN_STRING {
            // Behind it, what was inside of strings seems to be outside and the other way round.
            break;
        }
    }
    diags.has_errors().then_some(diags)
}

/// Quoted strings that go on on the next line, which the parser takes and HCL doesn't.
pub(crate) fn broken_strings(source: &Arc<Source>) -> Option<Diagnostics> {
    if !source.text().contains('"') {
        return None;
    }
    let skipped = mark(source.text());
    let faults = lex::lex(source.text()).faults;
    let fault = faults.into_iter().find(|fault| fault.what == lex::OPEN_STRING)?;
    let span = Span::new(source, fault.at.start + skipped..fault.at.end + skipped);
    Some(Diagnostic::error(format!("Invalid multi-line string: {}", fault.what)).at(&span).into())
}

/// The outermost bracket that nothing closes. It is not told which of those inside was meant to be closed.
pub(crate) fn unclosed(source: &Arc<Source>) -> Option<Span> {
    let mut at = mark(source.text());
    let mut open: Vec<Span> = Vec::new();
    for token in lex::lex(source.text()).tokens {
        at += token.blanks;
        match token.depth() {
            1 => open.push(Span::new(source, at..at + token.text.len())),
            -1 => drop(open.pop()),
            _ => {}
        }
        at += token.text.len();
    }
    open.into_iter().next()
}

/// Parses a text. Only its syntax counts: no name is looked up.
///
/// # Errors
/// What is wrong with it.
pub fn check(source: &Arc<Source>) -> Result<(), Diagnostics> {
    if let Some(faults) = faults(source) {
        return Err(faults);
    }
    let text = source.text();
    let skipped = mark(text);
    match lenient(&text[skipped..], hcl_edit::parser::parse_body) {
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
