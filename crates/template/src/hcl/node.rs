//! From HCL's values to the values that a plugin's options are read from, each with the place where it was written as near as the
//! expression tells.

use super::expr::Expr;
use super::types::Type;
use super::value::{Data, Value};
use crate::value::{Entry, Map, Node, Value as Plain};
use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey};
use imgbuild_diag::Span;

/// What stands for a text that is not known yet: what a data source would say, while nobody asks it.
pub const UNKNOWN: &str = "<unknown>";

/// Where parts of a value were written.
#[derive(Clone, Copy)]
enum Written<'a> {
    Native(&'a Expression),
    Json(&'a Node),
    Elsewhere,
}

/// A value as it goes to a plugin: what is unknown becomes a stand-in of its type, entries that are `null` go.
pub(super) fn of_value(value: &Value, expr: &Expr) -> Node {
    let written = match (expr.as_native(), expr.as_json()) {
        (Some(expression), _) => Written::Native(expression),
        (_, Some(node)) => Written::Json(node),
        _ => Written::Elsewhere,
    };
    node(value, written, expr.span(), expr.span())
}

fn node(value: &Value, written: Written<'_>, place: &Span, whole: &Span) -> Node {
    let plain = match value.data() {
        Data::Null(_) => Plain::Null,
        Data::Unknown(ty) => stand_in(ty),
        Data::Bool(flag) => Plain::Bool(*flag),
        Data::Number(number) => Plain::Number(number.to_f64()),
        Data::String(text) => Plain::String(text.to_string()),
        Data::List(_, elements) | Data::Tuple(elements) => {
            let parts = parts(written, elements.len());
            let items = elements.iter().enumerate().map(|(i, element)| {
                let (part, place) =
                    parts.get(i).map_or((Written::Elsewhere, place.clone()), |part| located(*part, whole));
                node(element, part, &place, whole)
            });
            Plain::List(items.collect())
        }
        Data::Set(_, elements) => {
            Plain::List(elements.iter().map(|element| node(element, Written::Elsewhere, place, whole)).collect())
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let mut map = Map::with_capacity(entries.len());
            let mut names: Vec<&str> = entries.keys().map(|key| &**key).collect();
            let order = keys(written);
            names.sort_by_key(|name| order.iter().position(|(known, ..)| known == name).unwrap_or(usize::MAX));
            for name in names {
                let Some(value) = entries.get(name).filter(|value| !value.is_null()) else { continue };
                let found = order.iter().find(|(known, ..)| known == name);
                let (key, part) = match found {
                    Some((_, Some(range), part)) => (Span::new(whole.source(), range.clone()), *part),
                    Some((_, None, part @ Written::Json(_))) => (place.clone(), *part),
                    _ => (place.clone(), Written::Elsewhere),
                };
                let (part, place) = match part {
                    Written::Elsewhere => (part, key.clone()),
                    part => located(part, whole),
                };
                map.insert(name.to_owned(), Entry { key, node: node(value, part, &place, whole) });
            }
            Plain::Map(map)
        }
    };
    Node::new(plain, place.clone())
}

/// What stands for a value that is not known yet.
fn stand_in(ty: &Type) -> Plain {
    match ty {
        Type::Bool => Plain::Bool(false),
        Type::Number => Plain::Number(0.0),
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => Plain::List(Vec::new()),
        Type::Map(_) | Type::Object(_) => Plain::Map(Map::new()),
        Type::String | Type::Any => Plain::String(UNKNOWN.to_owned()),
    }
}

/// The expressions of the elements, where the whole is written as a list of them.
fn parts(written: Written<'_>, length: usize) -> Vec<Written<'_>> {
    let parts: Vec<_> = match written {
        Written::Native(Expression::Array(items)) => items.iter().map(Written::Native).collect(),
        Written::Native(Expression::Parenthesis(inner)) => return parts(Written::Native(inner.inner()), length),
        Written::Json(Node { value: Plain::List(items), .. }) => items.iter().map(Written::Json).collect(),
        _ => Vec::new(),
    };
    if parts.len() == length { parts } else { Vec::new() }
}

type Key<'a> = (String, Option<std::ops::Range<usize>>, Written<'a>);

/// The keys of an object as written, in order, with their places and values.
fn keys(written: Written<'_>) -> Vec<Key<'_>> {
    match written {
        Written::Native(Expression::Object(object)) => object
            .iter()
            .filter_map(|(key, value)| {
                let name = match key {
                    ObjectKey::Ident(name) => name.as_str(),
                    ObjectKey::Expression(Expression::String(text)) => text.as_str(),
                    ObjectKey::Expression(_) => return None,
                };
                let place = match key {
                    ObjectKey::Ident(name) => name.span(),
                    ObjectKey::Expression(expression) => expression.span(),
                };
                Some((name.to_owned(), place, Written::Native(value.expr())))
            })
            .collect(),
        Written::Native(Expression::Parenthesis(inner)) => keys(Written::Native(inner.inner())),
        Written::Json(Node { value: Plain::Map(map), .. }) => map
            .iter()
            .map(|(name, entry)| (name.clone(), Some(entry.key.range()), Written::Json(&entry.node)))
            .collect(),
        _ => Vec::new(),
    }
}

/// A part with its place.
fn located<'a>(written: Written<'a>, whole: &Span) -> (Written<'a>, Span) {
    let span = match written {
        Written::Native(expression) => expression.span().map(|range| Span::new(whole.source(), range)),
        Written::Json(node) => Some(node.span.clone()),
        Written::Elsewhere => None,
    };
    (written, span.unwrap_or_else(|| whole.clone()))
}
