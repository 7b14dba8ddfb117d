//! JSON templates are read weakly typed, HCL2's arguments are converted by stricter rules: a value that only the first would take is
//! written as what it is taken for. What neither takes stays as it is.

use super::body;
use super::calls::{Place, Used};
use crate::decode::{Kind, parse_bool, parse_int};
use crate::value::{Entry, Map, Node, Value, number_text};

/// `name = value`; nothing for what counts as not written.
pub(super) fn attribute(name: &str, node: &Node, kind: Kind, place: Place, used: &mut Used, out: &mut String) {
    if let (Kind::Strings, Value::String(text)) = (kind, &node.value)
        && text.contains("{{")
    {
        // Only the rendered text is divided.
        let text = used.string(text, &node.span, place);
        out.push_str(&format!("{name} = compact(split(\",\", \"{text}\"))\n"));
    } else if let Some(node) = value(node, kind) {
        body::attribute(name, &node, place, used, out);
    }
}

/// The value as HCL2 takes it; none for what counts as not written.
fn value(node: &Node, kind: Kind) -> Option<Node> {
    let new = |value| Some(Node::new(value, node.span.clone()));
    let same = || Some(node.clone());
    match (kind, &node.value) {
        (_, Value::Null) => None,
        (Kind::String, _) => Some(text(node)),
        (Kind::Bool | Kind::Trilean, Value::String(text)) => match (text.as_str(), kind) {
            ("", Kind::Trilean) => None,
            ("", _) => new(Value::Bool(false)),
            ("true" | "false" | "1" | "0", _) => same(),
            (text, _) => parse_bool(text).map_or_else(|_| same(), |flag| new(Value::Bool(flag))),
        },
        (Kind::Bool, Value::Number(n)) => new(Value::Bool(*n != 0.0)),
        (Kind::Trilean, Value::Number(n)) => match *n as i64 {
            0 => None,
            1 => new(Value::Bool(true)),
            2 => new(Value::Bool(false)),
            _ => same(),
        },
        (Kind::Int | Kind::UInt(_), _) => Some(integer(node)),
        // A bare number counts nanoseconds.
        (Kind::Duration, Value::Number(n)) if *n >= 0.0 => new(Value::String(format!("{}ns", *n as u64))),
        (Kind::Duration, Value::Bool(flag)) => new(Value::String(format!("{}ns", u8::from(*flag)))),
        (Kind::Strings, _) => Some(strings(node)),
        (Kind::StringLists, _) => Some(list(node, strings)),
        (Kind::Ints, _) => Some(list(node, integer)),
        (Kind::Map | Kind::KeyValues { .. } | Kind::NameValues { .. }, _) => Some(map(node, text)),
        (Kind::MapOfStrings, _) => Some(map(node, strings)),
        _ => same(),
    }
}

fn text(node: &Node) -> Node {
    let text = match &node.value {
        Value::Bool(flag) => if *flag { "1" } else { "0" }.to_owned(),
        Value::Null => String::new(),
        _ => return node.clone(),
    };
    Node::new(Value::String(text), node.span.clone())
}

fn integer(node: &Node) -> Node {
    let number = match &node.value {
        Value::Bool(flag) => i64::from(*flag),
        Value::Null => 0,
        Value::String(text) => {
            let plain = text.strip_prefix('-').unwrap_or(text);
            let decimal = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit());
            match parse_int(text) {
                Ok(number) if !decimal || (plain.len() > 1 && plain.starts_with('0')) => number,
                _ => return node.clone(),
            }
        }
        _ => return node.clone(),
    };
    Node::new(Value::Number(number as f64), node.span.clone())
}

/// One value is a list of one, text is split at commas, `""` and `{}` are empty.
fn list(node: &Node, item: impl Fn(&Node) -> Node) -> Node {
    let items = match &node.value {
        Value::List(list) => list.iter().map(item).collect(),
        Value::Map(map) if map.is_empty() => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) if !text.contains("{{") => {
            text.split(',').map(|part| item(&Node::new(Value::String(part.to_owned()), node.span.clone()))).collect()
        }
        _ => vec![item(node)],
    };
    Node::new(Value::List(items), node.span.clone())
}

fn strings(node: &Node) -> Node {
    list(node, |item| match &item.value {
        Value::Number(n) => Node::new(Value::String(number_text(*n)), item.span.clone()),
        _ => text(item),
    })
}

/// A list of maps is one map.
fn map(node: &Node, item: fn(&Node) -> Node) -> Node {
    let mut all = Map::new();
    if !merge(node, item, &mut all) {
        return node.clone();
    }
    Node::new(Value::Map(all), node.span.clone())
}

fn merge(node: &Node, item: fn(&Node) -> Node, into: &mut Map) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Map(map) => {
            into.extend(map.iter().map(|(k, e)| (k.clone(), Entry { key: e.key.clone(), node: item(&e.node) })));
            true
        }
        Value::List(list) => list.iter().all(|inner| merge(inner, item, into)),
        _ => false,
    }
}
