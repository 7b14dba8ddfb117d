//! The parts of a legacy JSON template, as they are written: nothing rendered, nothing selected. Tools that show a template
//! without building it (`inspect`) stop here.

use super::keys::Keys;
use crate::model::Body;
use crate::value::{Map, Node, Spanned, Value};
use crate::variables::Variable;
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use indexmap::IndexMap;
use std::time::Duration;

/// A template's parts.
#[derive(Debug, Clone)]
pub struct JsonTemplate {
    /// `description`; empty counts as none.
    pub description: Option<String>,
    /// `min_packer_version`.
    pub min_packer_version: Option<Spanned<String>>,
    /// Declared variables, in the order of the file.
    pub variables: IndexMap<String, Variable>,
    /// In the order of the file.
    pub builders: Vec<JsonBuilder>,
    /// In the order of the file.
    pub provisioners: Vec<JsonProvisioner>,
    /// `error-cleanup-provisioner`.
    pub cleanup: Option<JsonProvisioner>,
    /// Chains, in the order of the file.
    pub post_processors: Vec<Vec<JsonPostProcessor>>,
    /// The whole file.
    pub span: Span,
}

/// A builder as written.
#[derive(Debug, Clone)]
pub struct JsonBuilder {
    /// Its name, its type if it has none; may hold expressions.
    pub name: Spanned<String>,
    /// Its type.
    pub kind: Spanned<String>,
    /// Its options.
    pub body: Body,
}

/// A provisioner as written.
#[derive(Debug, Clone)]
pub struct JsonProvisioner {
    /// Its type.
    pub kind: Spanned<String>,
    /// The builders that it belongs to.
    pub builds: OnlyExcept,
    /// Options by builder name.
    pub overrides: Vec<(Spanned<String>, Node)>,
    /// `pause_before`.
    pub pause_before: Option<Spanned<Duration>>,
    /// `timeout`.
    pub timeout: Option<Spanned<Duration>>,
    /// `max_retries`; may hold expressions.
    pub max_retries: Option<Spanned<String>>,
    /// Its options.
    pub body: Body,
}

/// A post-processor as written.
#[derive(Debug, Clone)]
pub struct JsonPostProcessor {
    /// Its type.
    pub kind: Spanned<String>,
    /// Its name; its type if it has none.
    pub name: String,
    /// The builders that it belongs to.
    pub builds: OnlyExcept,
    /// `keep_input_artifact`.
    pub keep_input_artifact: Option<bool>,
    /// Its options.
    pub body: Body,
}

/// Names of builders, as written.
pub type Names = Vec<Spanned<String>>;

/// `only` and `except`.
#[derive(Debug, Clone, Default)]
pub struct OnlyExcept {
    /// Only these.
    pub only: Names,
    /// All but these.
    pub except: Names,
}

impl OnlyExcept {
    /// Whether this does not belong to the builder of that (raw) name.
    pub fn skips(&self, builder: &str) -> bool {
        let holds = |names: &Names| names.iter().any(|n| n.value == builder);
        if self.only.is_empty() { holds(&self.except) } else { !holds(&self.only) }
    }
}

const ROOT: [&str; 10] = [
    "builders",
    "comments",
    "description",
    "error-cleanup-provisioner",
    "min_packer_version",
    "post-processors",
    "provisioners",
    "push",
    "sensitive-variables",
    "variables",
];

/// Reads the parts of a parsed file. Everything that is wrong goes into `diags`, what can be read is in the result.
pub fn read(root: &Node, diags: &mut Diagnostics) -> JsonTemplate {
    let empty = Map::new();
    let map = match &root.value {
        Value::Map(map) => map,
        Value::Null => &empty,
        _ => {
            diags.push(
                Diagnostic::error(format!("a template is an object: expected a map, got {}", root.kind()))
                    .at(&root.span),
            );
            &empty
        }
    };
    unknown_keys(map, diags);
    let keys = Keys::new(map, "", false);
    keys.map("push", diags);
    for (n, node) in keys.list("comments", diags).iter().enumerate() {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            let message = format!("'comments[{n}]' expected a map, got {}", node.kind());
            diags.push(
                Diagnostic::error(message)
                    .at(&node.span)
                    .help("write {\"comment\": \"…\"}, or a key that begins with _"),
            );
        }
    }
    JsonTemplate {
        description: keys.text("description", diags).map(|d| d.value).filter(|d| !d.is_empty()),
        min_packer_version: keys.text("min_packer_version", diags).filter(|v| !v.value.is_empty()),
        variables: variables(&keys, diags),
        builders: builders(keys.list("builders", diags), diags),
        provisioners: (1..)
            .zip(keys.list("provisioners", diags))
            .filter_map(|(i, node)| provisioner(node, &format!("provisioner {i}"), diags))
            .collect(),
        cleanup: keys
            .get("error-cleanup-provisioner")
            .and_then(|node| provisioner(node, "On Error Cleanup Provisioner error", diags)),
        post_processors: (1..)
            .zip(keys.list("post-processors", diags))
            .filter_map(|(i, node)| chain(node, i, diags))
            .collect(),
        span: root.span.clone(),
    }
}

fn unknown_keys(map: &Map, diags: &mut Diagnostics) {
    for (name, entry) in map {
        let known = ROOT.iter().find(|k| k.eq_ignore_ascii_case(name));
        if known.is_some_and(|k| k == name || !map.contains_key(*k)) {
            continue;
        }
        if !name.starts_with('_') {
            let error = Diagnostic::error(format!("Unknown root level key in template: '{name}'")).at(&entry.key);
            diags.push(error.suggest(name, ROOT).help("a comment's key begins with _"));
        } else if !matches!(entry.node.value, Value::String(_)) {
            let message = format!("Failed to cast root level comment value in comment \"{name}\" to string");
            diags.push(Diagnostic::error(message).at(&entry.node.span));
        }
    }
}

fn variables(keys: &Keys<'_>, diags: &mut Diagnostics) -> IndexMap<String, Variable> {
    let mut variables = IndexMap::new();
    for (name, entry) in keys.map("variables", diags).unwrap_or_default().iter() {
        let default = match &entry.node.value {
            Value::String(text) => Some(Spanned::new(text.clone(), entry.node.span.clone())),
            Value::Null => None,
            _ => {
                let message = format!("variable {name}: expected type 'string', got {}", entry.node.kind());
                let error = Diagnostic::error(message).at(&entry.node.span);
                diags.push(match &entry.node.value {
                    Value::List(_) | Value::Map(_) => error,
                    _ => error.help(format!("write it as \"{}\"", entry.node.written())),
                });
                continue;
            }
        };
        let name_place = Spanned::new(name.clone(), entry.key.clone());
        variables.insert(name.clone(), Variable { name: name_place, default, sensitive: false });
    }
    for name in keys.texts("sensitive-variables", diags) {
        match variables.get_mut(&name.value) {
            Some(variable) => variable.sensitive = true,
            None => {
                let message =
                    format!("sensitive-variables names {:?}, which is not a variable of this template", name.value);
                diags.push(
                    Diagnostic::warning(message)
                        .at(&name.span)
                        .suggest(&name.value, variables.keys().map(String::as_str)),
                );
            }
        }
    }
    variables
}

/// The object of a block, without the keys that aren't the plugin's. Only exact spellings are taken out, as in Packer: `Type`
/// would give the type and still reach the plugin, which refuses it.
fn body(map: &Map, span: &Span, taken: &[&str]) -> Body {
    let options = map.iter().filter(|(k, _)| !taken.contains(&k.as_str()));
    Body::new(options.map(|(k, e)| (k.clone(), e.clone())).collect(), span.clone())
}

fn builders(list: &[Node], diags: &mut Diagnostics) -> Vec<JsonBuilder> {
    let mut builders: IndexMap<String, JsonBuilder> = IndexMap::new();
    for (i, node) in (1..).zip(list) {
        let Value::Map(map) = &node.value else {
            diags.push(Diagnostic::error(format!("builder {i}: expected a map, got {}", node.kind())).at(&node.span));
            continue;
        };
        let keys = Keys::new(map, format!("builder {i}: "), true);
        let before = diags.errors().count();
        let kind = keys.text("type", diags).filter(|t| !t.value.is_empty());
        let name = keys.text("name", diags).filter(|n| !n.value.is_empty());
        let Some(kind) = kind else {
            if diags.errors().count() == before {
                diags.push(Diagnostic::error(format!("builder {i}: missing 'type'")).at(&node.span));
            }
            continue;
        };
        let name = name.unwrap_or_else(|| kind.clone());
        if let Some(first) = builders.get(&name.value) {
            let message = format!("builder {i}: builder with name '{name}' already exists");
            let help = format!("the first stands at {}; give one of them another \"name\"", first.name.span);
            diags.push(Diagnostic::error(message).at(&name.span).help(help));
            continue;
        }
        let body = body(map, &node.span, &["name", "type"]);
        builders.insert(name.value.clone(), JsonBuilder { name, kind, body });
    }
    builders.into_values().collect()
}

fn provisioner(node: &Node, context: &str, diags: &mut Diagnostics) -> Option<JsonProvisioner> {
    const TAKEN: [&str; 7] = ["except", "max_retries", "only", "override", "pause_before", "timeout", "type"];
    let Value::Map(map) = &node.value else {
        let message = format!("{context}: Error decoding provisioner: expected a map, got {}", node.kind());
        diags.push(Diagnostic::error(message).at(&node.span));
        return None;
    };
    let keys = Keys::new(map, format!("{context}: Error decoding provisioner: "), true);
    let before = diags.errors().count();
    let kind = keys.text("type", diags).filter(|t| !t.value.is_empty());
    let overrides = keys.map("override", diags).unwrap_or_default();
    let overrides = overrides.iter().map(|(k, e)| (Spanned::new(k.clone(), e.key.clone()), e.node.clone())).collect();
    let builds = OnlyExcept { only: keys.texts("only", diags), except: keys.texts("except", diags) };
    let pause_before = keys.duration("pause_before", diags);
    let timeout = keys.duration("timeout", diags);
    let max_retries = keys.text("max_retries", diags).filter(|t| !t.value.is_empty());
    let Some(kind) = kind else {
        if diags.errors().count() == before {
            diags.push(Diagnostic::error(format!("{context}: Provisioner missing 'type'")).at(&node.span));
        }
        return None;
    };
    let body = body(map, &node.span, &TAKEN);
    Some(JsonProvisioner { kind, builds, overrides, pause_before, timeout, max_retries, body })
}

/// A post-processor is a string, an object, or a list of these.
fn chain(node: &Node, i: usize, diags: &mut Diagnostics) -> Option<Vec<JsonPostProcessor>> {
    match &node.value {
        Value::String(_) | Value::Map(_) => {
            Some(post_processor(node, &format!("post-processor {i}.1"), diags).into_iter().collect())
        }
        Value::List(list) => {
            let mut chain = Vec::new();
            for (j, item) in (1..).zip(list) {
                let context = format!("post-processor {i}.{j}");
                match &item.value {
                    Value::String(_) | Value::Map(_) => chain.extend(post_processor(item, &context, diags)),
                    Value::List(_) => {
                        let message = format!("{context}: sequence not allowed to be nested in a sequence");
                        diags.push(Diagnostic::error(message).at(&item.span));
                    }
                    _ => diags.push(Diagnostic::error(format!("{context}: unknown format")).at(&item.span)),
                }
            }
            Some(chain)
        }
        _ => {
            diags.push(Diagnostic::error(format!("post-processor {i}: bad format")).at(&node.span));
            None
        }
    }
}

fn post_processor(node: &Node, context: &str, diags: &mut Diagnostics) -> Option<JsonPostProcessor> {
    const TAKEN: [&str; 5] = ["except", "keep_input_artifact", "name", "only", "type"];
    let empty = Map::new();
    let map = node.as_map().unwrap_or(&empty);
    let keys = Keys::new(map, format!("{context}: "), false);
    let before = diags.errors().count();
    let kind = match &node.value {
        Value::String(kind) => Some(Spanned::new(kind.clone(), node.span.clone())),
        _ => keys.text("type", diags),
    };
    let name = keys.text("name", diags).filter(|n| !n.value.is_empty());
    let builds = OnlyExcept { only: keys.texts("only", diags), except: keys.texts("except", diags) };
    let keep_input_artifact = keys.flag("keep_input_artifact", diags);
    let Some(kind) = kind.filter(|k| !k.value.is_empty()) else {
        if diags.errors().count() == before {
            diags.push(Diagnostic::error(format!("{context}: type is required")).at(&node.span));
        }
        return None;
    };
    let name = name.map_or_else(|| kind.value.clone(), |n| n.value);
    Some(JsonPostProcessor { kind, name, builds, keep_input_artifact, body: body(map, &node.span, &TAKEN) })
}
