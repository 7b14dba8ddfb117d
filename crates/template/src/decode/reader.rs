//! What a plugin reads its options from, once they are decoded. Getters can't fail: what was wrong has been reported and is missing.

use super::Table;
use crate::value::{Node, Spanned};
use imgbuild_diag::{Secret, Span};
use indexmap::IndexMap;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// The decoded options of one block.
///
/// Asking for a name that the table lacks, or by the wrong getter, is a mistake in the plugin: it trips a debug assertion and is
/// "not written" in a release build.
#[derive(Debug, Clone)]
pub struct Reader {
    table: &'static Table,
    span: Span,
    values: IndexMap<&'static str, (Span, Decoded)>,
    /// Singular forms, by the name of the map option that they belong to.
    pairs: IndexMap<&'static str, (Span, Pairs)>,
    /// Options that were written and could not be read, lower case.
    unread: Vec<String>,
}

/// The key and value of each block of a singular form.
pub(super) type Pairs = Vec<(String, Spanned<String>)>;

#[derive(Debug, Clone)]
pub(super) enum Decoded {
    String(Spanned<String>),
    Int(Spanned<i64>),
    Bool(Option<Spanned<bool>>),
    Duration(Spanned<Duration>),
    Strings(Spanned<Vec<Spanned<String>>>),
    StringLists(Spanned<Vec<Vec<Spanned<String>>>>),
    Ints(Spanned<Vec<Spanned<i64>>>),
    Map(Spanned<IndexMap<String, Spanned<String>>>),
    MapOfStrings(Spanned<IndexMap<String, Vec<Spanned<String>>>>),
    Block(Reader),
    Blocks(Vec<Reader>),
    Any(Node),
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $out:ty) => {
        $(#[$doc])*
        pub fn $name(&self, name: &str) -> Option<$out> {
            match self.get(name)? {
                Decoded::$variant(value) => Some(value.clone()),
                other => {
                    debug_assert!(false, "option {name:?} of {:?} read as {}: {other:?}", self.table.name, stringify!($name));
                    None
                }
            }
        }
    };
}

impl Reader {
    pub(super) fn new(table: &'static Table, span: Span) -> Self {
        Reader { table, span, values: IndexMap::new(), pairs: IndexMap::new(), unread: Vec::new() }
    }

    /// Remembers that an option was written, if nothing came of it.
    pub(super) fn note(&mut self, name: &str) {
        if !self.values.keys().chain(self.pairs.keys()).any(|known| known.eq_ignore_ascii_case(name)) {
            self.unread.push(name.to_ascii_lowercase());
        }
    }

    /// Whether an option was written and could not be read: that has been told, and nothing more is to be said about it.
    pub fn unread(&self, name: &str) -> bool {
        self.unread.iter().any(|unread| unread == name)
    }

    /// A later layer wins; maps and nested blocks merge, lists are replaced.
    pub(super) fn put(&mut self, name: &'static str, value: Decoded, key: &Span) {
        let merged = match (self.values.shift_remove(name).map(|(_, old)| old), value) {
            (Some(Decoded::Map(mut old)), Decoded::Map(new)) => {
                old.value.extend(new.value);
                Decoded::Map(Spanned::new(old.value, new.span))
            }
            (Some(Decoded::MapOfStrings(mut old)), Decoded::MapOfStrings(new)) => {
                old.value.extend(new.value);
                Decoded::MapOfStrings(Spanned::new(old.value, new.span))
            }
            (Some(Decoded::Block(mut old)), Decoded::Block(new)) => {
                for (name, (key, value)) in new.values {
                    old.put(name, value, &key);
                }
                old.pairs.extend(new.pairs);
                old.span = new.span;
                Decoded::Block(old)
            }
            (_, value) => value,
        };
        self.values.insert(name, (key.clone(), merged));
    }

    /// Takes the pairs of a singular form of the map option `name`; they win over the map's, whatever the order in the file.
    pub(super) fn put_pairs(&mut self, name: &'static str, pairs: Pairs, key: &Span) {
        self.pairs.insert(name, (key.clone(), pairs));
    }

    fn get(&self, name: &str) -> Option<&Decoded> {
        debug_assert!(
            self.table.rows().any(|row| row.name == name),
            "table {:?} has no option {name:?}",
            self.table.name
        );
        self.values.get(name).map(|(_, value)| value)
    }

    getter!(
        /// A string; of an option marked `later` its text as written, for [`crate::interpolate::render`] in the second pass.
        string, String, Spanned<String>
    );
    getter!(
        /// An integer.
        int, Int, Spanned<i64>
    );
    getter!(
        /// A duration.
        duration, Duration, Spanned<Duration>
    );
    getter!(
        /// A list of strings.
        strings, Strings, Spanned<Vec<Spanned<String>>>
    );
    getter!(
        /// A list of lists of strings.
        string_lists, StringLists, Spanned<Vec<Vec<Spanned<String>>>>
    );
    getter!(
        /// A list of integers.
        ints, Ints, Spanned<Vec<Spanned<i64>>>
    );
    getter!(
        /// A map of lists of strings.
        map_of_strings, MapOfStrings, Spanned<IndexMap<String, Vec<Spanned<String>>>>
    );
    getter!(
        /// A nested block.
        block, Block, Reader
    );
    getter!(
        /// Any value, rendered.
        any, Any, Node
    );

    /// A map of strings, in the order of the file, pairs of its singular form merged in.
    pub fn map(&self, name: &str) -> Option<Spanned<IndexMap<String, Spanned<String>>>> {
        let written = match self.get(name) {
            Some(Decoded::Map(map)) => Some(map.clone()),
            None => None,
            Some(other) => {
                debug_assert!(false, "option {name:?} of {:?} read as map: {other:?}", self.table.name);
                None
            }
        };
        let Some((key, pairs)) = self.pairs.get(name) else { return written };
        let mut map = written.unwrap_or_else(|| Spanned::new(IndexMap::new(), key.clone()));
        map.value.extend(pairs.iter().cloned());
        Some(map)
    }

    /// A boolean or a trilean; unset is none.
    pub fn boolean(&self, name: &str) -> Option<Spanned<bool>> {
        match self.get(name)? {
            Decoded::Bool(value) => value.clone(),
            other => {
                debug_assert!(false, "option {name:?} of {:?} read as boolean: {other:?}", self.table.name);
                None
            }
        }
    }

    /// Whether a boolean is set to true.
    pub fn is_true(&self, name: &str) -> bool {
        self.boolean(name).is_some_and(|b| b.value)
    }

    /// A string that no output may show.
    pub fn secret(&self, name: &str) -> Option<Spanned<Secret>> {
        self.string(name).map(|s| s.map(Secret::new))
    }

    /// A string that is not empty. Most of Packer's plugins take `""` for "not written".
    pub fn text(&self, name: &str) -> Option<Spanned<String>> {
        self.string(name).filter(|s| !s.value.is_empty())
    }

    /// Nested blocks; none if not written.
    pub fn blocks(&self, name: &str) -> Vec<Reader> {
        match self.get(name) {
            Some(Decoded::Blocks(blocks)) => blocks.clone(),
            None => Vec::new(),
            Some(other) => {
                debug_assert!(false, "option {name:?} of {:?} read as blocks: {other:?}", self.table.name);
                Vec::new()
            }
        }
    }

    /// Whether the option was written (and not as `null`).
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some() || self.pairs.contains_key(name)
    }

    /// Where the option's name was written; the block's place if it wasn't. For messages about an option as such.
    pub fn place(&self, name: &str) -> Span {
        let written = self.values.get(name).map(|(key, _)| key);
        let place = written.or_else(|| self.pairs.get(name).map(|(key, _)| key));
        place.unwrap_or(&self.span).clone()
    }

    /// Where the block was written.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// All options by name, as values without places: equal for blocks that say the same.
    pub fn outline(&self) -> serde_json::Value {
        let mut all: BTreeMap<String, serde_json::Value> = BTreeMap::new();
        for (name, (_, value)) in &self.values {
            all.insert((*name).to_owned(), value.outline());
        }
        for (name, (_, pairs)) in &self.pairs {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| [key.as_str(), value.as_str()]).collect();
            all.insert(format!("{name} by pairs"), json!(pairs));
        }
        json!(all)
    }

    /// The table that it was read by.
    pub fn table(&self) -> &'static Table {
        self.table
    }
}

impl Decoded {
    fn outline(&self) -> serde_json::Value {
        let texts = |list: &[Spanned<String>]| -> Vec<String> { list.iter().map(|s| s.value.clone()).collect() };
        match self {
            Decoded::String(text) => json!(text.value),
            Decoded::Int(number) => json!(number.value),
            Decoded::Bool(value) => json!(value.as_ref().map(|b| b.value)),
            Decoded::Duration(time) => json!(time.value.as_nanos().to_string()),
            Decoded::Strings(list) => json!(texts(list)),
            Decoded::StringLists(lists) => json!(lists.iter().map(|list| texts(list)).collect::<Vec<_>>()),
            Decoded::Ints(list) => json!(list.iter().map(|n| n.value).collect::<Vec<_>>()),
            Decoded::Map(map) => json!(map.iter().map(|(k, v)| (k, &v.value)).collect::<BTreeMap<_, _>>()),
            Decoded::MapOfStrings(map) => json!(map.iter().map(|(k, v)| (k, texts(v))).collect::<BTreeMap<_, _>>()),
            Decoded::Block(block) => block.outline(),
            Decoded::Blocks(blocks) => json!(blocks.iter().map(Reader::outline).collect::<Vec<_>>()),
            Decoded::Any(node) => node.outline(),
        }
    }
}
