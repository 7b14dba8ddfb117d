//! An expression as it stands in a file, whichever syntax it has, with the names that a `dynamic` block gave it.

use super::eval::{Evaluator, Place};
use super::references;
use super::scope::Scope;
use super::types::Type;
use super::value::Value;
use crate::value::{Node, Value as Json};
use hcl_edit::expr::Expression;
use imgbuild_diag::{Diagnostics, Source, Span};
use std::ops::Range;
use std::sync::Arc;

/// Names and values that hold inside one `dynamic` block.
pub(crate) type Bound = Arc<Vec<(String, Value)>>;

/// An expression with its place. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    kind: Kind,
    span: Span,
    bound: Option<Bound>,
}

#[derive(Debug, Clone)]
enum Kind {
    Native(Arc<Expression>),
    Json(Arc<Node>),
    /// A text that is taken as it is.
    Text(Arc<str>),
}

impl Expr {
    pub(super) fn native(source: &Arc<Source>, expression: Expression, place: Range<usize>) -> Self {
        Expr { kind: Kind::Native(Arc::new(expression)), span: Span::new(source, place), bound: None }
    }

    pub(super) fn json(node: Node) -> Self {
        Expr { span: node.span.clone(), kind: Kind::Json(Arc::new(node)), bound: None }
    }

    /// A string that is no expression: the value of `-var name=value`.
    pub(crate) fn text(text: &str, span: Span) -> Self {
        Expr { kind: Kind::Text(text.into()), span, bound: None }
    }

    /// The same with further names.
    pub(super) fn bind(mut self, bound: &Bound) -> Self {
        self.bound = Some(Arc::clone(bound));
        self
    }

    /// Where it stands.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The expression, if it is written in native syntax.
    pub(super) fn as_native(&self) -> Option<&Expression> {
        match &self.kind {
            Kind::Native(expression) => Some(expression),
            _ => None,
        }
    }

    /// The JSON value, if it is written in JSON syntax.
    pub(super) fn as_json(&self) -> Option<&Node> {
        match &self.kind {
            Kind::Json(node) => Some(node),
            _ => None,
        }
    }

    /// Its value. What is wrong goes to `diags`, and the value is then unknown.
    pub(crate) fn value(&self, scope: &Scope<'_>, diags: &mut Diagnostics) -> Value {
        let inner;
        let scope = match &self.bound {
            Some(bound) => {
                inner = scope.child(bound.as_slice());
                &inner
            }
            None => scope,
        };
        match &self.kind {
            Kind::Native(expression) => {
                Evaluator::new(Place::In(self.span.source()), scope.env(), diags).expression(expression, scope)
            }
            Kind::Json(node) => json_value(node, scope, diags),
            Kind::Text(text) => Value::string(text),
        }
    }

    /// Its value, where nothing can be referred to (variable files): strings of JSON are plain text then.
    pub(crate) fn literal(&self, scope: &Scope<'_>, diags: &mut Diagnostics) -> Value {
        match &self.kind {
            Kind::Json(node) => plain(node),
            _ => self.value(scope, diags),
        }
    }

    /// What it refers to: paths of names with their places.
    pub(crate) fn references(&self) -> Vec<(Vec<String>, Span)> {
        let found = match &self.kind {
            Kind::Native(expression) => references::of_expression(expression),
            Kind::Json(node) => {
                let mut found = Vec::new();
                json_references(node, &mut found);
                return found;
            }
            Kind::Text(_) => Vec::new(),
        };
        let bound = |name: &String| self.bound.iter().any(|b| b.iter().any(|(known, _)| known == name));
        let free = found.into_iter().filter(|r| !r.path.first().is_some_and(bound));
        free.map(|r| (r.path, Span::new(self.span.source(), r.place))).collect()
    }
}

/// A JSON value: its strings are templates.
fn json_value(node: &Node, scope: &Scope<'_>, diags: &mut Diagnostics) -> Value {
    match &node.value {
        Json::String(text) => json_text(text, node, scope, diags),
        Json::List(items) => Value::tuple(items.iter().map(|item| json_value(item, scope, diags)).collect()),
        Json::Map(map) => {
            let mut entries = Vec::with_capacity(map.len());
            for (name, entry) in map {
                let key = Node::new(Json::String(name.clone()), entry.key.clone());
                let name = match json_text(name, &key, scope, diags) {
                    key if key.as_str().is_some() => key.as_str().unwrap_or_default().to_owned(),
                    _ => name.clone(),
                };
                entries.push((name, json_value(&entry.node, scope, diags)));
            }
            Value::object(entries)
        }
        _ => plain(node),
    }
}

fn json_text(text: &str, node: &Node, scope: &Scope<'_>, diags: &mut Diagnostics) -> Value {
    if !text.contains("${") && !text.contains("%{") {
        return Value::string(text);
    }
    match hcl_edit::parser::parse_template(text) {
        Ok(template) => Evaluator::new(Place::At(&node.span), scope.env(), diags).template(
            &template,
            scope,
            super::eval::Lines::Whole,
        ),
        Err(error) => {
            let message = format!("Syntax error in this template: {}", error.message());
            diags.push(imgbuild_diag::Diagnostic::error(message).at(&node.span));
            Value::unknown(Type::Any)
        }
    }
}

/// A JSON value as it is.
fn plain(node: &Node) -> Value {
    match &node.value {
        Json::Null => Value::null(),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => number_of(*number),
        Json::String(text) => Value::string(text),
        Json::List(items) => Value::tuple(items.iter().map(plain).collect()),
        Json::Map(map) => Value::object(map.iter().map(|(name, entry)| (name.as_str(), plain(&entry.node)))),
    }
}

/// A double as it would be written.
pub(super) fn number_of(number: f64) -> Value {
    let text = crate::value::number_text(number);
    super::number::Number::parse(&text).map_or_else(|| Value::unknown(Type::Number), Value::from)
}

fn json_references(node: &Node, found: &mut Vec<(Vec<String>, Span)>) {
    match &node.value {
        Json::String(text) if text.contains("${") || text.contains("%{") => {
            if let Ok(template) = hcl_edit::parser::parse_template(text) {
                let all = references::of_template(&template).into_iter();
                found.extend(all.map(|reference| (reference.path, node.span.clone())));
            }
        }
        Json::List(items) => items.iter().for_each(|item| json_references(item, found)),
        Json::Map(map) => map.values().for_each(|entry| json_references(&entry.node, found)),
        _ => {}
    }
}
