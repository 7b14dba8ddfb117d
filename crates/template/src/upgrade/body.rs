//! The options of a block: what is an attribute in HCL2, and what a block.

use super::calls::{Place, Used, escape};
use crate::value::{Map, Node, Value, number_text};

/// Objects that are blocks although all that they hold is plain.
const BLOCKS: [&str; 3] = ["linux_options", "network_interface", "shared_image_gallery"];

/// Options, one line each, in alphabetical order.
pub(super) fn options(map: &Map, place: Place, used: &mut Used, out: &mut String) {
    for (key, node) in sorted(map) {
        if !is_identifier(key) {
            used.by_hand.push(format!("{key:?} can't be the name of an option in HCL2: it was left out"));
            continue;
        }
        match &node.value {
            Value::Map(inner) if is_block(key, inner) => block(key, inner, place, used, out),
            Value::List(list) if list.is_empty() => {}
            // An object in a list is a block; a list of several, a block each.
            Value::List(list) if list.iter().all(|item| item.as_map().is_some_and(named)) => {
                for inner in list.iter().filter_map(Node::as_map) {
                    block(key, inner, place, used, out);
                }
            }
            _ => attribute(key, node, place, used, out),
        }
    }
}

/// `name = value`
pub(super) fn attribute(key: &str, node: &Node, place: Place, used: &mut Used, out: &mut String) {
    out.push_str(key);
    out.push_str(" = ");
    value(node, place, used, out);
    out.push('\n');
}

fn block(key: &str, map: &Map, place: Place, used: &mut Used, out: &mut String) {
    out.push_str(key);
    out.push_str(" {\n");
    options(map, place, used, out);
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

fn sorted(map: &Map) -> Vec<(&str, &Node)> {
    let mut all: Vec<(&str, &Node)> = map.iter().map(|(key, entry)| (key.as_str(), &entry.node)).collect();
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
            out.push_str(&used.string(text, place));
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
                    out.push_str(&format!("\"{}\"", used.string(key, place)));
                } else {
                    out.push_str(&format!("\"{}\"", escape(key)));
                }
                out.push_str(" = ");
                value(item, place, used, out);
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
