//! The canonical layout of HCL2, as HashiCorp's formatter has it: indentation by open brackets, spaces around operators, `=` and
//! trailing comments of neighbouring lines in one column. Only the white space between tokens changes: comments, blank lines,
//! line breaks, strings and heredocs stay.
//!
//! It works on tokens, not on a tree, so that nothing can be lost and half a file can be laid out as well. It reads no file.

mod diff;
mod layout;
mod lex;
mod syntax;
#[cfg(test)]
mod tests;
mod token;

pub use diff::unified;
pub use syntax::check;
pub(crate) use syntax::{broken_strings, faults, unclosed};

/// Lays out a text. Laying out the result again changes nothing. A byte order mark goes; what is no HCL stays as it is, token by
/// token ([`check`] first).
pub fn format(text: &str) -> String {
    let tokens = lex::lex(text).tokens;
    let spaces = layout::layout(&tokens);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (token, spaces) in tokens.iter().zip(spaces) {
        out.extend(std::iter::repeat_n(' ', spaces));
        out.push_str(token.text);
    }
    out
}
