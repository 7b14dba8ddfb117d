//! A configuration: what all its files declare, and the values that come of it. Blocks of plugins stay unread here; they are read
//! with the plugin's table ([`super::options`]).

pub(super) mod assign;
pub(super) mod build;
pub(super) mod core;
pub(super) mod data;
pub(super) mod depend;
pub(super) mod registry;
pub(super) mod variable;

use super::body::{Block, Body, Schema};
use crate::value::Spanned;
use imgbuild_diag::Diagnostics;

/// What may stand at the top of a file.
pub(super) fn schema() -> Schema<'static> {
    Schema {
        attributes: Vec::new(),
        blocks: vec![
            ("packer", &[]),
            ("source", &["type", "name"]),
            ("variables", &[]),
            ("variable", &["name"]),
            ("locals", &[]),
            ("local", &["name"]),
            ("data", &["type", "name"]),
            ("build", &[]),
            ("hcp_packer_registry", &[]),
            ("communicator", &["type", "name"]),
        ],
    }
}

/// The blocks of one type in all files, in order. Mistakes of other blocks are not told here.
pub(super) fn blocks(files: &[Body], kind: &str) -> Vec<Block> {
    let schema = schema();
    let all = files.iter().flat_map(|file| file.content(&schema, &mut Diagnostics::new()).blocks);
    all.filter(|block| block.kind.as_str() == kind).collect()
}

/// Whether a name can be written in an expression.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// Says that a name is none.
pub(super) fn bad_name(what: &str, name: &Spanned<String>, diags: &mut Diagnostics) {
    let message = format!("Invalid {what} name: {:?} is no name", name.value);
    diags.push(
        imgbuild_diag::Diagnostic::error(message)
            .at(&name.span)
            .help("a name starts with a letter or an underscore and has letters, digits, underscores and dashes"),
    );
}
