//! `dynamic "x" { for_each = …  content { … } }`: one `x` block for each element.

use super::body::{Block, Body, Content, Schema};
use super::expr::{Bound, Expr};
use super::scope::Env;
use super::value::Value;
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::fmt;
use std::sync::Arc;

/// How the `dynamic` blocks of a body are expanded.
#[derive(Clone)]
pub(crate) struct Dynamic {
    /// What `for_each` sees.
    env: Arc<Env>,
    /// The iterators of the blocks around.
    bound: Bound,
}

impl fmt::Debug for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        f.write_str("Dynamic")
    }
}

impl Body {
    /// The same with its `dynamic` blocks expanded, here and in all blocks of it.
    pub(crate) fn expanded(&self, env: &Arc<Env>) -> Body {
        let mut body = self.clone();
        body.dynamic = Some(Dynamic { env: Arc::clone(env), bound: Arc::default() });
        body
    }
}

fn schema() -> Schema<'static> {
    Schema {
        attributes: vec![("for_each", true), ("iterator", false), ("labels", false)],
        blocks: vec![("content", &[])],
    }
}

/// Replaces the `dynamic` blocks of a content that was read, and hands the iterators on.
pub(super) fn expand(content: &mut Content, wanted: &Schema<'_>, dynamic: &Dynamic, diags: &mut Diagnostics) {
    if !dynamic.bound.is_empty() {
        for attribute in content.attributes.values_mut() {
            attribute.expr = attribute.expr.clone().bind(&dynamic.bound);
        }
    }
    let mut blocks = Vec::with_capacity(content.blocks.len());
    for mut block in content.blocks.drain(..) {
        let target = block.labels.first().map(|l| l.value.clone()).unwrap_or_default();
        match wanted.block(&target) {
            Some(labels) if block.kind.as_str() == "dynamic" => {
                one(&block, &target, labels.len(), dynamic, &mut blocks, diags);
            }
            _ => {
                block.body.dynamic = Some(dynamic.clone());
                blocks.push(block);
            }
        }
    }
    content.blocks = blocks;
}

fn one(
    block: &Block,
    target: &str,
    label_count: usize,
    dynamic: &Dynamic,
    out: &mut Vec<Block>,
    diags: &mut Diagnostics,
) {
    let mut body = block.body.clone();
    body.dynamic = None;
    let content = body.content(&schema(), diags);
    let (Some(for_each), [template]) = (content.attributes.get("for_each"), content.blocks.as_slice()) else {
        if content.blocks.len() != 1 {
            let message = format!("a \"dynamic\" block needs one \"content\" block, got {}", content.blocks.len());
            diags.push(Diagnostic::error(message).at(&block.span));
        }
        return;
    };
    let iterator = match content.attributes.get("iterator") {
        Some(attribute) => match keyword(&attribute.expr) {
            Some(name) => name,
            None => {
                let message = "Invalid expression: the iterator of a \"dynamic\" block must be a single name";
                diags.push(Diagnostic::error(message).at(attribute.expr.span()));
                return;
            }
        },
        None => target.to_owned(),
    };
    let scope = dynamic.env.scope();
    let scope = scope.child(&dynamic.bound);
    let before = diags.errors().count();
    let collection = for_each.expr.value(&scope, diags);
    if diags.errors().count() > before || !collection.is_known() {
        return;
    }
    let Some(pairs) = collection.pairs().filter(|_| !collection.is_null()) else {
        let message = format!(
            "Invalid dynamic for_each value: a list, a set, a map or an object is wanted, not {}",
            collection.kind()
        );
        diags.push(Diagnostic::error(message).at(for_each.expr.span()));
        return;
    };
    let sensitive = collection.is_sensitive();
    for (key, value) in pairs {
        let each = Value::object([("key", key.sensitive_if(sensitive)), ("value", value.sensitive_if(sensitive))]);
        let mut names: Vec<(String, Value)> = dynamic.bound.as_ref().clone();
        names.push((iterator.clone(), each));
        let bound: Bound = Arc::new(names);
        let mut labels = Vec::new();
        if let Some(attribute) = content.attributes.get("labels") {
            let value = attribute.expr.value(&dynamic.env.scope().child(&bound), diags);
            for label in value.as_elements().unwrap_or_default() {
                match label.as_str() {
                    Some(text) => labels.push(Spanned::new(text.to_owned(), attribute.expr.span().clone())),
                    None => {
                        let message = format!("Invalid dynamic block label: a string is wanted, not {}", label.kind());
                        diags.push(Diagnostic::error(message).at(attribute.expr.span()));
                    }
                }
            }
        }
        if labels.len() != label_count {
            let message =
                format!("a {target:?} block has {label_count} label(s), this \"dynamic\" block gives {}", labels.len());
            diags.push(Diagnostic::error(message).at(&block.span));
            return;
        }
        let mut body = template.body.clone();
        body.dynamic = Some(Dynamic { env: Arc::clone(&dynamic.env), bound });
        let kind = Spanned::new(target.to_owned(), block.labels.first().map_or(&block.span, |l| &l.span).clone());
        out.push(Block { kind, labels, body, span: block.span.clone() });
    }
}

/// A bare name, or in JSON a string that is one.
fn keyword(expr: &Expr) -> Option<String> {
    match (expr.as_native(), expr.as_json()) {
        (Some(expression), _) => expression.as_variable().map(|name| name.as_str().to_owned()),
        (_, Some(node)) => node.as_str().map(str::to_owned),
        _ => None,
    }
}
