//! Decodes one object by its table: names, scalars, lists, maps, nested blocks. All errors, each with its place.

use super::reader::{Decoded, Pairs, Reader};
use super::{Kind, Opt, Table, parse_bool, parse_duration, parse_int};
use crate::value::{Map, Node, Spanned, Value, number_text};
use imgbuild_diag::{Diagnostic, Diagnostics};
use indexmap::IndexMap;
use std::cell::RefCell;
use std::time::Duration;

pub(super) struct Decoder {
    pub(super) diags: RefCell<Diagnostics>,
}

/// The row that a written name means, singular forms included: the exact name first, then without regard to letter case.
pub(super) fn find(table: &Table, name: &str) -> Option<&'static Opt> {
    find_form(table, name).map(|(row, _)| row)
}

/// The row, and whether the name is its singular form.
pub(crate) fn find_form(table: &Table, name: &str) -> Option<(&'static Opt, bool)> {
    let singular = |row: &Opt| match row.kind {
        Kind::KeyValues { singular } | Kind::NameValues { singular } => Some(singular),
        _ => None,
    };
    let by = |matches: &dyn Fn(&str) -> bool| {
        table.rows().find_map(|row| {
            if matches(row.name) {
                Some((row, false))
            } else {
                singular(row).is_some_and(matches).then_some((row, true))
            }
        })
    };
    by(&|n| n == name).or_else(|| by(&|n| n.eq_ignore_ascii_case(name)))
}

impl Decoder {
    fn error(&self, diagnostic: Diagnostic) {
        self.diags.borrow_mut().push(diagnostic);
    }

    fn unconvertible<T>(&self, path: &str, wanted: &str, node: &Node) -> Option<T> {
        self.error(Diagnostic::error(format!("'{path}' expected type '{wanted}', got {}", node.kind())).at(&node.span));
        None
    }

    /// Decodes `options` into `reader`, over what an earlier layer left there.
    pub(super) fn object(&self, options: &Map, table: &'static Table, prefix: &str, reader: &mut Reader) {
        // Two spellings of one name: the exact one wins, as in mapstructure; the other is then an unknown key.
        let exact = |row: &Opt| options.contains_key(row.name);
        for (name, entry) in options {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let Some((row, singular)) =
                find_form(table, name).filter(|(row, singular)| *singular || name == row.name || !exact(row))
            else {
                self.unknown(table, name, &path, entry);
                continue;
            };
            if let Some(reason) = row.refused {
                self.error(Diagnostic::error(format!("\"{path}\" is not supported: {reason}")).at(&entry.key));
                continue;
            }
            if let Some(advice) = row.deprecated {
                self.error(Diagnostic::warning(format!("\"{path}\" is deprecated: {advice}")).at(&entry.key));
            }
            if matches!(entry.node.value, Value::Null) {
                continue;
            }
            let shown = if prefix.is_empty() { row.name.to_owned() } else { format!("{prefix}.{}", row.name) };
            if singular {
                if let Some(pairs) = self.pairs(&entry.node, row.kind, &path) {
                    reader.put_pairs(row.name, pairs, &entry.key);
                }
            } else if let Some(value) = self.value(&entry.node, row.kind, &shown) {
                reader.put(row.name, value, &entry.key);
            }
        }
    }

    fn unknown(&self, table: &'static Table, name: &str, path: &str, entry: &crate::value::Entry) {
        // The engine's own keys, which Packer passes to a plugin beside the user's, are skipped wherever they come from.
        if path == "type" || path.starts_with("packer_") {
            return;
        }
        if let Some(renamed) = table.renamed.iter().find(|r| r.old == name) {
            let text =
                format!("Deprecated configuration key: '{path}'. Please call `packer fix` against your template");
            self.error(Diagnostic::error(text).at(&entry.key).help(renamed.advice));
            return;
        }
        let mut error = Diagnostic::error(format!("unknown configuration key: '{path:?}'")).at(&entry.key);
        error = if name.starts_with('_') || name.starts_with("//") {
            error.help("comments are allowed only at the top level of a template")
        } else {
            error.suggest(name, table.names())
        };
        self.error(error);
    }

    fn value(&self, node: &Node, kind: Kind, path: &str) -> Option<Decoded> {
        let spanned = node.span.clone();
        Some(match kind {
            Kind::String => Decoded::String(Spanned::new(self.string(node, path)?, spanned)),
            Kind::Int => Decoded::Int(Spanned::new(self.int(node, path)?, spanned)),
            Kind::UInt(max) => {
                let number = self.int(node, path)?;
                if u64::try_from(number).is_ok_and(|n| n <= max) {
                    Decoded::Int(Spanned::new(number, spanned))
                } else {
                    let text = format!("'{path}' must be between 0 and {max}, got {number}");
                    self.error(Diagnostic::error(text).at(&node.span));
                    return None;
                }
            }
            Kind::Bool => Decoded::Bool(Some(Spanned::new(self.boolean(node, path, false)?.unwrap_or(false), spanned))),
            Kind::Trilean => Decoded::Bool(self.boolean(node, path, true)?.map(|b| Spanned::new(b, spanned))),
            Kind::Duration => Decoded::Duration(Spanned::new(self.duration(node, path)?, spanned)),
            Kind::Strings => Decoded::Strings(Spanned::new(self.strings(node, path)?, spanned)),
            Kind::StringLists => {
                let lists = self.list(node, path, |item, path| self.strings(item, path));
                Decoded::StringLists(Spanned::new(lists?, spanned))
            }
            Kind::Ints => {
                let ints = self.list(node, path, |i, path| Some(Spanned::new(self.int(i, path)?, i.span.clone())));
                Decoded::Ints(Spanned::new(ints?, spanned))
            }
            Kind::Map | Kind::KeyValues { .. } | Kind::NameValues { .. } => {
                let read = |n: &Node, path: &str| Some(Spanned::new(self.string(n, path)?, n.span.clone()));
                Decoded::Map(Spanned::new(self.map(node, path, &read)?, spanned))
            }
            Kind::MapOfStrings => {
                Decoded::MapOfStrings(Spanned::new(self.map(node, path, &|n, p| self.strings(n, p))?, spanned))
            }
            Kind::Block(table) => Decoded::Block(self.block(node, table, path)?),
            Kind::Blocks(table) => Decoded::Blocks(self.list(node, path, |item, path| self.block(item, table, path))?),
            Kind::Any => Decoded::Any(node.clone()),
        })
    }

    fn string(&self, node: &Node, path: &str) -> Option<String> {
        match &node.value {
            Value::String(s) => Some(s.clone()),
            Value::Null => Some(String::new()),
            Value::Bool(b) => Some(if *b { "1" } else { "0" }.to_owned()),
            Value::Number(n) => Some(number_text(*n)),
            Value::List(_) | Value::Map(_) => self.unconvertible(path, "string", node),
        }
    }

    fn int(&self, node: &Node, path: &str) -> Option<i64> {
        match &node.value {
            Value::Number(n) => Some(*n as i64),
            Value::Bool(b) => Some(i64::from(*b)),
            Value::Null => Some(0),
            Value::String(s) => self.parsed(node, path, "int", parse_int(s)),
            Value::List(_) | Value::Map(_) => self.unconvertible(path, "int", node),
        }
    }

    fn parsed<T>(&self, node: &Node, path: &str, kind: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|why| {
                self.error(Diagnostic::error(format!("cannot parse '{path}' as {kind}: {why}")).at(&node.span))
            })
            .ok()
    }

    /// None is an error, `Some(None)` is unset.
    fn boolean(&self, node: &Node, path: &str, trilean: bool) -> Option<Option<bool>> {
        match &node.value {
            Value::Bool(b) => Some(Some(*b)),
            Value::Null => Some(None),
            Value::String(s) if s.is_empty() => Some(None),
            Value::String(s) => self.parsed(node, path, "bool", parse_bool(s)).map(Some),
            // A trilean is a small integer inside (0 unset, 1 true, 2 false), and a number lands there as it is.
            Value::Number(n) if trilean => match *n as i64 {
                0 => Some(None),
                1 => Some(Some(true)),
                2 => Some(Some(false)),
                _ => self.unconvertible(path, "bool", node),
            },
            Value::Number(n) => Some(Some(*n != 0.0)),
            Value::List(_) | Value::Map(_) => self.unconvertible(path, "bool", node),
        }
    }

    fn duration(&self, node: &Node, path: &str) -> Option<Duration> {
        match &node.value {
            Value::String(s) => match parse_duration(s) {
                Ok(duration) => Some(duration),
                Err(why) => {
                    let error = Diagnostic::error(format!("error decoding '{path}': {why}")).at(&node.span);
                    self.error(error.help("a duration is a number with a unit: \"30s\", \"10m\", \"1h30m\""));
                    None
                }
            },
            Value::Number(n) if *n >= 0.0 => {
                let nanos = *n as u64;
                if nanos > 0 {
                    let text = format!("'{path}' counts nanoseconds when written as a bare number, as in Packer");
                    let help = format!("with a unit it would be, for example, \"{}s\"", number_text(*n));
                    self.error(Diagnostic::warning(text).at(&node.span).help(help));
                }
                Some(Duration::from_nanos(nanos))
            }
            Value::Null => Some(Duration::ZERO),
            Value::Bool(flag) => Some(Duration::from_nanos(u64::from(*flag))),
            _ => self.unconvertible(path, "time.Duration", node),
        }
    }

    /// One value is a list of one, text is split at commas, `""` and `{}` are empty.
    fn list<T>(&self, node: &Node, path: &str, read: impl Fn(&Node, &str) -> Option<T>) -> Option<Vec<T>> {
        let split;
        let one;
        let items: &[Node] = match &node.value {
            Value::List(list) => list,
            Value::String(s) if s.is_empty() => &[],
            Value::Map(map) if map.is_empty() => &[],
            Value::String(s) => {
                let part = |p: &str| Node::new(Value::String(p.to_owned()), node.span.clone());
                split = s.split(',').map(part).collect::<Vec<_>>();
                &split
            }
            _ => {
                one = [node.clone()];
                &one
            }
        };
        // All items are read even if one is wrong, so that all errors are told.
        let read: Vec<Option<T>> =
            items.iter().enumerate().map(|(i, item)| read(item, &format!("{path}[{i}]"))).collect();
        read.into_iter().collect()
    }

    fn strings(&self, node: &Node, path: &str) -> Option<Vec<Spanned<String>>> {
        self.list(node, path, |item, path| Some(Spanned::new(self.string(item, path)?, item.span.clone())))
    }

    fn map<T>(&self, node: &Node, path: &str, read: &impl Fn(&Node, &str) -> Option<T>) -> Option<IndexMap<String, T>> {
        match &node.value {
            Value::Map(map) => {
                let read = map.iter().map(|(k, e)| Some((k.clone(), read(&e.node, &format!("{path}[{k}]"))?)));
                // The errors of all entries are wanted, so no short cut here.
                let read: Vec<_> = read.collect();
                read.into_iter().collect()
            }
            Value::List(list) => {
                let mut merged = IndexMap::new();
                for (i, item) in list.iter().enumerate() {
                    merged.extend(self.map(item, &format!("{path}[{i}]"), read)?);
                }
                Some(merged)
            }
            Value::Null => Some(IndexMap::new()),
            _ => {
                let text = format!("'{path}' expected a map, got {}", node.kind());
                self.error(Diagnostic::error(text).at(&node.span));
                None
            }
        }
    }

    fn block(&self, node: &Node, table: &'static Table, path: &str) -> Option<Reader> {
        let mut reader = Reader::new(table, node.span.clone());
        match &node.value {
            Value::Map(map) => self.object(map, table, path, &mut reader),
            Value::Null => {}
            _ => {
                let text = format!("'{path}' expected a map, got {}", node.kind());
                self.error(Diagnostic::error(text).at(&node.span));
                return None;
            }
        }
        Some(reader)
    }

    /// The singular form: one or more `{key, value}` or `{name, value}` blocks.
    fn pairs(&self, node: &Node, kind: Kind, path: &str) -> Option<Pairs> {
        let table: &'static Table = if matches!(kind, Kind::NameValues { .. }) { &NAME_VALUE } else { &KEY_VALUE };
        self.list(node, path, |item, path| {
            let block = self.block(item, table, path)?;
            let text = |name| block.string(name).map_or_else(String::new, |s| s.value);
            let key = text(if matches!(kind, Kind::NameValues { .. }) { "name" } else { "key" });
            Some((key, Spanned::new(text("value"), item.span.clone())))
        })
    }
}

const VALUE: Opt = Opt::new("value", Kind::String, "The value.");
/// The singular form of [`Kind::KeyValues`].
pub(crate) static KEY_VALUE: Table =
    Table::new("key and value", &[&[Opt::new("key", Kind::String, "The key."), VALUE]]);
/// The singular form of [`Kind::NameValues`].
pub(crate) static NAME_VALUE: Table =
    Table::new("name and value", &[&[Opt::new("name", Kind::String, "The name."), VALUE]]);
