//! Bodies in JSON syntax: objects whose properties are attributes or blocks, as the schema has it (HCL's JSON syntax
//! specification). Labels are levels of objects; an array stands for several blocks.

use super::body::{Attr, Block, Body, Content, Schema};
use super::expr::Expr;
use crate::value::{Entry, Node, Spanned, Value};
use imgbuild_diag::{Diagnostic, Diagnostics};
use indexmap::IndexMap;

/// Every property as an attribute; `//` is a comment.
pub(super) fn attributes(node: &Node, diags: &mut Diagnostics) -> IndexMap<String, Attr> {
    let properties = properties(node, "an argument's name", diags);
    let real = properties.into_iter().filter(|(name, _)| *name != "//");
    real.map(|(name, entry)| (name.clone(), attribute(name, entry))).collect()
}

fn attribute(name: &str, entry: &Entry) -> Attr {
    Attr { name: Spanned::new(name.to_owned(), entry.key.clone()), expr: Expr::json(entry.node.clone()) }
}

/// The properties that the schema names. `known` says of others whether somebody else reads them.
pub(super) fn read(
    node: &Node,
    schema: &Schema<'_>,
    dynamic: bool,
    known: &dyn Fn(&str) -> bool,
    diags: &mut Diagnostics,
) -> Content {
    let mut content = Content::default();
    for (name, entry) in properties(node, "an argument's name or a block's type", diags) {
        if schema.attributes.iter().any(|(attribute, _)| attribute == name) {
            let attribute = attribute(name, entry);
            if content.attributes.insert(name.clone(), attribute).is_some() {
                let message = format!("Duplicate argument: {name:?} is set more than once");
                diags.push(Diagnostic::error(message).at(&entry.key));
            }
        } else if dynamic && name == "dynamic" {
            let wanted = |block: &Block| block.labels.first().is_some_and(|l| schema.block(l).is_some());
            let mut blocks = Vec::new();
            unpack(&Spanned::new(name.clone(), entry.key.clone()), &["type"], &entry.node, &mut blocks, diags);
            content.blocks.extend(blocks.into_iter().filter(wanted));
        } else if let Some(labels) = schema.block(name) {
            let kind = Spanned::new(name.clone(), entry.key.clone());
            unpack(&kind, labels, &entry.node, &mut content.blocks, diags);
        } else if name != "//" && !known(name) {
            let message = format!("Extraneous JSON object property: no argument or block type is named {name:?}");
            let names = schema.attributes.iter().map(|(n, _)| *n).chain(schema.blocks.iter().map(|(n, _)| *n));
            diags.push(Diagnostic::error(message).at(&entry.key).suggest(name, names));
        }
    }
    content
}

/// The properties of an object, or of all objects of an array.
fn properties<'a>(node: &'a Node, what: &str, diags: &mut Diagnostics) -> Vec<(&'a String, &'a Entry)> {
    match &node.value {
        Value::Map(map) => map.iter().collect(),
        Value::Null => Vec::new(),
        Value::List(items) => {
            let mut all = Vec::new();
            for item in items {
                match &item.value {
                    Value::Map(map) => all.extend(map),
                    _ => diags.push(wrong(item, &format!("a JSON object, whose keys are each {what}"))),
                }
            }
            all
        }
        _ => {
            diags.push(wrong(node, &format!("a JSON object, whose keys are each {what}")));
            Vec::new()
        }
    }
}

fn wrong(node: &Node, wanted: &str) -> Diagnostic {
    Diagnostic::error(format!("Incorrect JSON value type: {wanted} is wanted here, got {}", node.kind())).at(&node.span)
}

fn unpack(kind: &Spanned<String>, labels: &[&str], node: &Node, out: &mut Vec<Block>, diags: &mut Diagnostics) {
    let mut used = Vec::new();
    unpack_labels(kind, labels, &mut used, node, out, diags);
}

fn unpack_labels(
    kind: &Spanned<String>,
    left: &[&str],
    used: &mut Vec<Spanned<String>>,
    node: &Node,
    out: &mut Vec<Block>,
    diags: &mut Diagnostics,
) {
    if let [label, rest @ ..] = left {
        for (name, entry) in properties(node, &format!("the {label} of a {:?} block", kind.value), diags) {
            if name == "//" {
                continue;
            }
            used.push(Spanned::new(name.clone(), entry.key.clone()));
            unpack_labels(kind, rest, used, &entry.node, out, diags);
            used.pop();
        }
        return;
    }
    let span = used.last().map_or(&kind.span, |label| &label.span).clone();
    let block = |node: &Node| Block {
        kind: kind.clone(),
        labels: used.clone(),
        body: Body::json(node.clone()),
        span: span.clone(),
    };
    match &node.value {
        Value::Null => {}
        Value::Map(_) => out.push(block(node)),
        Value::List(items) => {
            for item in items {
                match &item.value {
                    Value::Map(_) => out.push(block(item)),
                    _ => diags.push(wrong(item, &format!("a JSON object, the body of a {:?} block", kind.value))),
                }
            }
        }
        _ => diags.push(wrong(node, &format!("a JSON object, the body of a {:?} block", kind.value))),
    }
}
