//! `data "type" "name" { }`: what is asked of the world before anything is built. Who can ask is the caller's business.

use super::{bad_name, blocks, is_identifier};
use crate::decode::{Reader, Table};
use crate::hcl::body::{Block, Body};
use crate::hcl::types::Type;
use crate::hcl::value::Value;
use imgbuild_diag::{Diagnostic, Diagnostics};
use indexmap::IndexMap;

/// The data sources that there are, by type.
pub trait DataSources: Send + Sync {
    /// All types.
    fn names(&self) -> &'static [&'static str];

    /// The options of a type; none if there is no such type.
    fn table(&self, kind: &str) -> Option<&'static Table>;

    /// What its result will be: an object type.
    fn result(&self, kind: &str) -> Type;

    /// Checks options without asking anybody: what is wrong with them goes to `diags`.
    fn check(&self, kind: &str, options: &Reader, diags: &mut Diagnostics);

    /// Asks. The error is one sentence.
    ///
    /// # Errors
    /// There is no answer.
    fn read(&self, kind: &str, options: &Reader) -> Result<Value, String>;
}

/// The `data` blocks of all files by `type.name`.
pub(in crate::hcl) fn declared(files: &[Body], diags: &mut Diagnostics) -> IndexMap<(String, String), Block> {
    let mut all: IndexMap<(String, String), Block> = IndexMap::new();
    for block in blocks(files, "data") {
        let [kind, name] = block.labels.as_slice() else { continue };
        for label in [kind, name] {
            if !is_identifier(label) {
                bad_name("data source", label, diags);
            }
        }
        let key = (kind.value.clone(), name.value.clone());
        if let Some(first) = all.get(&key) {
            let message = format!("Duplicate data block: {}.{} is declared more than once", key.0, key.1);
            let help = format!("the first one stands at {}", first.span);
            diags.push(Diagnostic::error(message).at(&block.span).help(help));
            continue;
        }
        all.insert(key, block);
    }
    all
}
