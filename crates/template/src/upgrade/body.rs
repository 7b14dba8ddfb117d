//! The options of a block: what is an attribute in HCL2, and what a block. The option table says it where there is one; what belongs to
//! a plugin that is not known here goes by its looks, as with Packer.

use super::calls::{Place, Used, escape};
use super::weak;
use crate::decode::{KEY_VALUE, Kind, NAME_VALUE, Opt, Table, find_form};
use crate::value::{Entry, Map, Node, Value, number_text};

/// Objects that are blocks although all that they hold is plain.
const BLOCKS: [&str; 3] = ["linux_options", "network_interface", "shared_image_gallery"];

/// Options, one line each, in alphabetical order. What one of the tables has is written as it says.
pub(super) fn options(map: &Map, tables: &[&'static Table], place: Place, used: &mut Used, out: &mut String) {
    for (key, entry) in sorted(map) {
        if !is_identifier(key) {
            used.note(format!("{key:?} can't be the name of an option in HCL2: it was left out"), &entry.key);
            continue;
        }
        let row = tables.iter().find_map(|table| find_form(table, key));
        match row {
            Some((row, singular)) => known(row, singular, &entry.node, place, used, out),
            None => guessed(key, &entry.node, place, used, out),
        }
    }
}

/// An option that a table has.
fn known(row: &Opt, singular: bool, node: &Node, place: Place, used: &mut Used, out: &mut String) {
    let (name, inner, many) = match (row.kind, singular) {
        (Kind::KeyValues { singular }, true) => (singular, &KEY_VALUE, true),
        (Kind::NameValues { singular }, true) => (singular, &NAME_VALUE, true),
        (Kind::Block(inner), _) => (row.name, inner, false),
        (Kind::Blocks(inner), _) => (row.name, inner, true),
        (kind, _) => return weak::attribute(row.name, node, kind, place, used, out),
    };
    let mut one = |map: &Map, out: &mut String| block(name, map, &[inner], place, used, out);
    match &node.value {
        Value::Null => {}
        Value::Map(map) if many && map.is_empty() => {}
        Value::Map(map) => one(map, out),
        Value::String(text) if many && text.is_empty() => {}
        Value::List(list) if many && list.iter().all(|n| matches!(n.value, Value::Map(_) | Value::Null)) => {
            let empty = Map::new();
            list.iter().for_each(|item| one(item.as_map().unwrap_or(&empty), out));
        }
        // Wrong in JSON, and so here.
        _ => attribute(name, node, place, used, out),
    }
}

/// An option that no table has.
fn guessed(key: &str, node: &Node, place: Place, used: &mut Used, out: &mut String) {
    match &node.value {
        Value::Map(inner) if is_block(key, inner) => block(key, inner, &[], place, used, out),
        Value::List(list) if list.is_empty() => {}
        // An object in a list is a block; a list of several, a block each.
        Value::List(list) if list.iter().all(|item| item.as_map().is_some_and(named)) => {
            for inner in list.iter().filter_map(Node::as_map) {
                block(key, inner, &[], place, used, out);
            }
        }
        _ => attribute(key, node, place, used, out),
    }
}

/// `name = value`
pub(super) fn attribute(key: &str, node: &Node, place: Place, used: &mut Used, out: &mut String) {
    out.push_str(key);
    out.push_str(" = ");
    value(node, place, used, out);
    out.push('\n');
}

fn block(key: &str, map: &Map, tables: &[&'static Table], place: Place, used: &mut Used, out: &mut String) {
    out.push_str(key);
    out.push_str(" {\n");
    options(map, tables, place, used, out);
    out.push_str("}\n");
}

/// JSON does not say whether an object is a map or the options of a part. What holds lists or objects is no map of texts.
fn is_block(key: &str, map: &Map) -> bool {
    let scalar = |node: &Node| matches!(node.value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    let deep = |node: &Node| matches!(node.value, Value::List(_) | Value::Map(_));
    let plain = map.values().any(|e| scalar(&e.node)) && !map.values().any(|e| deep(&e.node));
    named(map) && (BLOCKS.contains(&key) || !plain)
}

/// Whether all keys can be names of options: only keys of maps may be anything.
fn named(map: &Map) -> bool {
    map.keys().all(|key| is_identifier(key))
}

fn sorted(map: &Map) -> Vec<(&str, &Entry)> {
    let mut all: Vec<(&str, &Entry)> = map.iter().map(|(key, entry)| (key.as_str(), entry)).collect();
    all.sort_by_key(|(key, _)| *key);
    all
}

/// A value as an expression.
pub(super) fn value(node: &Node, place: Place, used: &mut Used, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&number_text(*n)),
        Value::String(text) => {
            out.push('"');
            out.push_str(&used.string(text, &node.span, place));
            out.push('"');
        }
        Value::List(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                value(item, place, used, out);
            }
            out.push(']');
        }
        Value::Map(map) if map.is_empty() => out.push_str("{}"),
        Value::Map(map) => {
            out.push_str("{\n");
            for (key, item) in sorted(map) {
                if is_identifier(key) {
                    out.push_str(key);
                } else if key.contains("{{") {
                    out.push_str(&format!("\"{}\"", used.string(key, &item.key, place)));
                } else {
                    out.push_str(&format!("\"{}\"", escape(key)));
                }
                out.push_str(" = ");
                value(&item.node, place, used, out);
                out.push('\n');
            }
            out.push('}');
        }
    }
}

/// Whether a name may stand without quotes.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// A name that may stand without quotes, as near to this one as can be, and none of those that are taken.
pub(super) fn identifier(name: &str, taken: &mut std::collections::BTreeSet<String>) -> String {
    let may = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut near: String = name.chars().map(|c| if may(c) { c } else { '_' }).collect();
    if !is_identifier(&near) {
        near.insert(0, '_');
    }
    let mut new = near.clone();
    let mut number = 2;
    while !taken.insert(new.clone()) {
        new = format!("{near}_{number}");
        number += 1;
    }
    new
}
