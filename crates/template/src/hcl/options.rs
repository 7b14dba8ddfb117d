//! The options of one plugin's block: expressions until a plugin reads them with its table, and again when a build runs, with its
//! data in `build`.

use super::body::{Attr, Block, Body, Schema};
use super::convert::convert;
use super::node::{self, UNKNOWN};
use super::own::unsuitable;
use super::scope::{Env, Scope};
use super::types::Type;
use super::value::Value;
use crate::decode::{Kind, Opt, Table};
use crate::interpolate::{BUILD_NAMES, Data, Datum};
use crate::value::{Entry, Map, Node, Value as Plain};
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::fmt;
use std::sync::Arc;

/// The bodies that make up a block, and what their expressions see.
pub(crate) struct Options {
    bodies: Vec<Body>,
    env: Arc<Env>,
    /// The name of the `build` block, where `build.…` may be referred to.
    build: Option<String>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        f.write_str("Options")
    }
}

impl Options {
    pub(super) fn new(bodies: Vec<Body>, env: Arc<Env>, build: Option<String>) -> Self {
        Options { bodies, env, build }
    }

    /// The names that were written; `null` is as good as not written.
    pub(crate) fn names(&self) -> Vec<String> {
        let env = self.env.afresh();
        let scope = env.scope();
        let set = |attribute: &Attr| !attribute.expr.value(&scope, &mut Diagnostics::new()).is_null();
        self.bodies.iter().flat_map(|body| body.names(&set)).collect()
    }

    /// The options as a plugin takes them. What is wrong is missing, and told.
    pub(crate) fn read(&self, table: &'static Table, data: &Data, diags: &mut Diagnostics) -> Map {
        let env = self.env.afresh();
        let env = match self.build_root(data) {
            Some(build) => env.with("build", build),
            None => env,
        };
        let mut map = Map::new();
        for body in &self.bodies {
            let part = object(body, table, &env.scope(), diags);
            for (name, entry) in part {
                merge(&mut map, name, entry, table, diags);
            }
        }
        map
    }

    /// The value of `build`: stand-ins while a plugin is prepared, values when it runs.
    fn build_root(&self, data: &Data) -> Option<Value> {
        let name = self.build.as_deref()?;
        let mut fields: Vec<(&str, Value)> = Vec::new();
        match data {
            Data::None => {}
            Data::Later(names) => fields.extend(names.keys().map(|name| (name.as_str(), Value::string(UNKNOWN)))),
            Data::Fields(known) => {
                fields.extend(BUILD_NAMES.iter().map(|name| (*name, Value::string(UNKNOWN))));
                fields.extend(known.iter().map(|(name, datum)| (name.as_str(), datum_value(datum))));
            }
        }
        fields.push(("name", Value::string(name)));
        Some(Value::object(fields))
    }
}

fn datum_value(datum: &Datum) -> Value {
    match datum {
        Datum::Nil => Value::null(),
        Datum::Bool(flag) => Value::from(*flag),
        Datum::Int(number) => Value::int(*number),
        Datum::Float(number) => super::expr::number_of(*number),
        Datum::String(text) => Value::string(text),
        Datum::List(items) => Value::tuple(items.iter().map(datum_value).collect()),
        Datum::Map(map) => Value::object(map.iter().map(|(name, item)| (name.as_str(), datum_value(item)))),
    }
}

/// A source's body and that of its use in a build: arguments once, blocks together.
fn merge(map: &mut Map, name: String, entry: Entry, table: &Table, diags: &mut Diagnostics) {
    let Some(first) = map.get_mut(&name) else {
        map.insert(name, entry);
        return;
    };
    let blocks = table.rows().any(|row| is_block_list(row, &name));
    match (&mut first.node.value, entry.node.value) {
        (Plain::List(all), Plain::List(more)) if blocks => all.extend(more),
        _ => {
            let message = format!("Duplicate argument: {name:?} is set more than once");
            let help = format!("it was already set at {}", first.key);
            diags.push(Diagnostic::error(message).at(&entry.key).help(help));
        }
    }
}

fn is_block_list(row: &Opt, name: &str) -> bool {
    match row.kind {
        Kind::Blocks(_) => row.name == name,
        Kind::KeyValues { singular } | Kind::NameValues { singular } => singular == name,
        _ => false,
    }
}

/// The type that HCL converts an argument to before the plugin sees it; none for blocks.
fn wanted(kind: Kind) -> Option<Type> {
    Some(match kind {
        Kind::String | Kind::Duration => Type::String,
        Kind::Int | Kind::UInt(_) => Type::Number,
        Kind::Bool | Kind::Trilean => Type::Bool,
        Kind::Strings => Type::list(Type::String),
        Kind::StringLists => Type::list(Type::list(Type::String)),
        Kind::Ints => Type::list(Type::Number),
        Kind::Map | Kind::KeyValues { .. } | Kind::NameValues { .. } => Type::map(Type::String),
        Kind::MapOfStrings => Type::map(Type::list(Type::String)),
        Kind::Any => Type::Any,
        Kind::Block(_) | Kind::Blocks(_) => return None,
    })
}

/// The schema of a table. Packer's names for key-value blocks are the singular ones.
fn schema(table: &Table) -> Schema<'static> {
    let mut schema = Schema::default();
    for row in table.rows() {
        // What is refused is refused whichever way it is written.
        if row.refused.is_some() && !matches!(row.kind, Kind::Block(_) | Kind::Blocks(_)) {
            schema.blocks.push((row.name, &[]));
        }
        match row.kind {
            Kind::Block(_) | Kind::Blocks(_) => schema.blocks.push((row.name, &[])),
            Kind::KeyValues { singular } | Kind::NameValues { singular } => {
                schema.attributes.push((row.name, false));
                schema.blocks.push((singular, &[]));
            }
            _ => schema.attributes.push((row.name, false)),
        }
    }
    schema
}

fn object(body: &Body, table: &'static Table, scope: &Scope<'_>, diags: &mut Diagnostics) -> Map {
    let mut problems = Diagnostics::new();
    let content = body.content(&schema(table), &mut problems);
    for mut problem in problems {
        // An old name has a successor to tell of.
        if let Some(renamed) = table.renamed.iter().find(|r| problem.message.contains(&format!("named {:?} ", r.old))) {
            problem = problem.help(renamed.advice);
        }
        diags.push(problem);
    }
    let mut map = Map::new();
    for attribute in content.attributes.values() {
        let Some(row) = table.rows().find(|row| row.name == attribute.name.value) else { continue };
        if let Some(node) = wanted(row.kind).and_then(|ty| argument(attribute, &ty, scope, diags)) {
            map.insert(row.name.to_owned(), Entry { key: attribute.name.span.clone(), node });
        }
    }
    for block in &content.blocks {
        let kind = block.kind.as_str();
        let Some(row) = table.rows().find(|row| row.name == kind || is_block_list(row, kind)) else { continue };
        one_block(block, row, scope, &mut map, diags);
    }
    map
}

fn one_block(block: &Block, row: &'static Opt, scope: &Scope<'_>, map: &mut Map, diags: &mut Diagnostics) {
    let kind = block.kind.as_str();
    if row.refused.is_some() {
        let node = Node::new(Plain::Null, block.span.clone());
        map.insert(kind.to_owned(), Entry { key: block.kind.span.clone(), node });
        return;
    }
    let inner = match row.kind {
        Kind::Block(table) | Kind::Blocks(table) => object(&block.body, table, scope, diags),
        Kind::KeyValues { .. } => pair(&block.body, "key", scope, diags),
        Kind::NameValues { .. } => pair(&block.body, "name", scope, diags),
        _ => return,
    };
    let node = Node::new(Plain::Map(inner), block.span.clone());
    let key = block.kind.span.clone();
    if matches!(row.kind, Kind::Block(_)) {
        if let Some(first) = map.get(kind) {
            let message = format!("Duplicate {kind} block: only one is allowed");
            diags.push(
                Diagnostic::error(message).at(&block.span).help(format!("the first one stands at {}", first.key)),
            );
            return;
        }
        map.insert(kind.to_owned(), Entry { key, node });
        return;
    }
    let list = map
        .entry(kind.to_owned())
        .or_insert_with(|| Entry { node: Node::new(Plain::List(Vec::new()), block.span.clone()), key });
    if let Plain::List(items) = &mut list.node.value {
        items.push(node);
    }
}

/// A block of two strings.
fn pair(body: &Body, name: &'static str, scope: &Scope<'_>, diags: &mut Diagnostics) -> Map {
    let schema = Schema { attributes: vec![(name, false), ("value", false)], blocks: Vec::new() };
    let content = body.content(&schema, diags);
    let mut map = Map::new();
    for attribute in content.attributes.values() {
        if let Some(node) = argument(attribute, &Type::String, scope, diags) {
            map.insert(attribute.name.value.clone(), Entry { key: attribute.name.span.clone(), node });
        }
    }
    map
}

/// The value of an argument; none if it is `null`, which counts as not written, or wrong, which has been said.
fn argument(attribute: &Attr, ty: &Type, scope: &Scope<'_>, diags: &mut Diagnostics) -> Option<Node> {
    let before = diags.errors().count();
    let value = attribute.expr.value(scope, diags);
    if diags.errors().count() > before || value.is_null() {
        return None;
    }
    if !scope.env().budget.value(&value) {
        let message =
            format!("{:?} holds too much: it and the arguments before it would be too large", attribute.name.value);
        diags.push(Diagnostic::error(message).at(attribute.expr.span()));
        return None;
    }
    match convert(&value, ty) {
        Ok(value) => {
            let node = node::of_value(&value, &attribute.expr);
            if matches!(ty, Type::List(_)) && !without_null(&node, &attribute.name.value, diags) {
                return None;
            }
            Some(node)
        }
        Err(error) => {
            diags.push(unsuitable(attribute, &error.to_string()));
            None
        }
    }
}

/// Packer refuses a list with a null in it, at any depth, where a plugin wants one.
fn without_null(node: &Node, name: &str, diags: &mut Diagnostics) -> bool {
    match &node.value {
        Plain::Null => {
            let message = format!("Incorrect attribute value type: {name:?} holds a null, which can't be an element");
            diags.push(Diagnostic::error(message).at(&node.span));
            false
        }
        // Each null is told, not only the first.
        Plain::List(items) => items.iter().filter(|item| !without_null(item, name, diags)).count() == 0,
        _ => true,
    }
}
