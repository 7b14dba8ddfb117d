//! Locals and data sources, in the order in which they need each other.

use super::core::RequiredPlugin;
use super::data::DataSources;
use super::{bad_name, blocks, is_identifier};
use crate::hcl::body::{Block, Body, Schema};
use crate::hcl::expr::Expr;
use crate::hcl::options::Options;
use crate::hcl::own::Own;
use crate::hcl::scope::Env;
use crate::hcl::types::Type;
use crate::hcl::value::Value;
use crate::interpolate::Context;
use crate::model;
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One local.
#[derive(Debug, Clone)]
pub(in crate::hcl) struct Local {
    name: Spanned<String>,
    expr: Option<Expr>,
    sensitive: bool,
}

/// `locals { }` and `local "name" { }` of all files.
pub(in crate::hcl) fn locals(files: &[Body], diags: &mut Diagnostics) -> IndexMap<String, Local> {
    let mut all: IndexMap<String, Local> = IndexMap::new();
    let mut add = |local: Local, diags: &mut Diagnostics| {
        if let Some(first) = all.get(&local.name.value) {
            let message = format!("Duplicate local definition: {:?} is defined more than once", local.name.value);
            let help = format!("the first one stands at {}", first.name.span);
            diags.push(Diagnostic::error(message).at(&local.name.span).help(help));
            return;
        }
        all.insert(local.name.value.clone(), local);
    };
    for block in blocks(files, "locals") {
        for attribute in block.body.attributes(diags).into_values() {
            add(Local { name: attribute.name, expr: Some(attribute.expr), sensitive: false }, diags);
        }
    }
    let schema = Schema { attributes: vec![("expression", false), ("sensitive", false)], blocks: Vec::new() };
    for block in blocks(files, "local") {
        let Some(name) = block.labels.first() else { continue };
        if !is_identifier(name) {
            bad_name("local", name, diags);
        }
        let content = block.body.content(&schema, diags);
        let nothing = Env::empty();
        let sensitive = Own { content: &content, scope: &nothing.scope() }.flag("sensitive", diags).unwrap_or(false);
        let expr = content.attributes.get("expression").map(|a| a.expr.clone());
        if expr.is_none() {
            let message = format!("Missing required argument: local {:?} has no \"expression\"", name.value);
            diags.push(Diagnostic::error(message).at(&block.span));
        }
        add(Local { name: name.clone(), expr, sensitive }, diags);
    }
    all
}

/// `data.type.name` by type and name.
type Key = (String, String);

/// Works out all locals and data sources.
pub(in crate::hcl) struct Work<'a> {
    pub(in crate::hcl) locals: &'a IndexMap<String, Local>,
    pub(in crate::hcl) data: &'a IndexMap<Key, Block>,
    /// Who answers; without, data sources are refused.
    pub(in crate::hcl) sources: Option<&'a dyn DataSources>,
    /// Whether data sources are asked; else their results stay unknown.
    pub(in crate::hcl) ask: bool,
    /// What they see beside each other.
    pub(in crate::hcl) env: Env,
    /// For the options of data sources.
    pub(in crate::hcl) context: Context,
    /// The plugins that the configuration requires: a data source may be a part of one that is not built in.
    pub(in crate::hcl) plugins: &'a [RequiredPlugin],
}

/// One thing to work out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Item {
    Local(String),
    Data(Key),
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Item::Local(name) => write!(f, "local.{name}"),
            Item::Data((kind, name)) => write!(f, "data.{kind}.{name}"),
        }
    }
}

/// The values: `local` and `data`.
pub(in crate::hcl) struct Values {
    pub(in crate::hcl) locals: BTreeMap<Arc<str>, Value>,
    data: BTreeMap<String, BTreeMap<Arc<str>, Value>>,
}

impl Values {
    /// The root `local`.
    pub(in crate::hcl) fn local(&self) -> Value {
        Value::object(self.locals.iter().map(|(name, value)| (Arc::clone(name), value.clone())))
    }

    /// The root `data`.
    pub(in crate::hcl) fn data(&self) -> Value {
        let by_name =
            |all: &BTreeMap<Arc<str>, Value>| Value::object(all.iter().map(|(n, v)| (Arc::clone(n), v.clone())));
        Value::object(self.data.iter().map(|(kind, all)| (kind.as_str(), by_name(all))))
    }
}

impl Work<'_> {
    /// Does it. What can't be worked out is unknown.
    pub(in crate::hcl) fn run(&self, diags: &mut Diagnostics) -> Values {
        let unknown = || Value::unknown(Type::Any);
        let mut values = Values {
            locals: self.locals.keys().map(|name| (Arc::from(name.as_str()), unknown())).collect(),
            data: BTreeMap::new(),
        };
        for (kind, name) in self.data.keys() {
            values.data.entry(kind.clone()).or_default().insert(name.as_str().into(), unknown());
        }
        // One object grows from item to item: a new one for each would make the work quadratic.
        let mut env = self.env.clone().with("local", values.local()).with("data", values.data());
        for item in self.order(diags) {
            match item {
                Item::Local(name) => {
                    let Some(local) = self.locals.get(&name) else { continue };
                    let value = local.expr.as_ref().map_or_else(unknown, |expr| expr.value(&env.scope(), diags));
                    let value = value.sensitive_if(local.sensitive);
                    env.put("local", &name, value.clone());
                    values.locals.insert(name.as_str().into(), value);
                }
                Item::Data(key) => {
                    let value = self.data_source(&key, env.clone(), diags).unwrap_or_else(unknown);
                    values.data.entry(key.0).or_default().insert(key.1.as_str().into(), value);
                    env = env.with("data", values.data());
                }
            }
        }
        values
    }

    fn data_source(&self, key: &Key, env: Env, diags: &mut Diagnostics) -> Option<Value> {
        let block = self.data.get(key)?;
        let place = block.labels.first().map_or(&block.span, |label| &label.span);
        let known = self.sources.map_or(&[][..], DataSources::names);
        let Some((sources, table)) = self.sources.and_then(|sources| Some((sources, sources.table(&key.0)?))) else {
            let error = Diagnostic::error(format!("Unknown data source type {:?}", key.0)).at(place);
            let error = error.suggest(&key.0, known.iter().copied()).help(format!("there are: {}", known.join(", ")));
            diags.push(match RequiredPlugin::of(self.plugins, &key.0) {
                Some(plugin) => error.help(format!("it may be a part of the plugin {}", plugin.source)),
                None => error,
            });
            return None;
        };
        let env = Arc::new(env);
        let before = diags.errors().count();
        let options = Options::new(vec![block.body.expanded(&env)], env, None);
        let body = model::Body::from_hcl(options, block.body.span().clone());
        let reader = body.reader(table, &self.context, diags);
        sources.check(&key.0, &reader, diags);
        if diags.errors().count() > before {
            return None;
        }
        if !self.ask {
            return Some(Value::unknown(sources.result(&key.0)));
        }
        match sources.read(&key.0, &reader) {
            Ok(value) => Some(value),
            Err(why) => {
                let message = format!("data source {}.{}: {why}", key.0, key.1);
                diags.push(Diagnostic::error(message).at(&block.span));
                None
            }
        }
    }

    /// Everything, each after what it needs. Cycles are errors; who is in one is left out.
    fn order(&self, diags: &mut Diagnostics) -> Vec<Item> {
        let locals = self.locals.keys().cloned().map(Item::Local);
        let all: Vec<Item> = self.data.keys().cloned().map(Item::Data).chain(locals).collect();
        let mut walk = Walk { work: self, done: BTreeMap::new(), path: Vec::new(), order: Vec::new(), diags };
        for item in all {
            walk.visit(&item);
        }
        walk.order
    }

    fn needs(&self, item: &Item) -> Vec<(Item, Span)> {
        let references = match item {
            Item::Local(name) => {
                self.locals.get(name).and_then(|l| l.expr.as_ref()).map(Expr::references).unwrap_or_default()
            }
            Item::Data(key) => self.data.get(key).map(|block| block.body.references()).unwrap_or_default(),
        };
        let found = references.into_iter().filter_map(|(path, span)| {
            let item = match path.as_slice() {
                [root, name, ..] if root == "local" => Item::Local(name.clone()),
                [root, kind, name, ..] if root == "data" => Item::Data((kind.clone(), name.clone())),
                _ => return None,
            };
            let known = match &item {
                Item::Local(name) => self.locals.contains_key(name),
                Item::Data(key) => self.data.contains_key(key),
            };
            known.then_some((item, span))
        });
        found.collect()
    }
}

struct Walk<'a, 'b> {
    work: &'a Work<'a>,
    /// False while it is being visited.
    done: BTreeMap<Item, bool>,
    path: Vec<Item>,
    order: Vec<Item>,
    diags: &'b mut Diagnostics,
}

/// Chains of locals longer than this are refused rather than followed.
const LONGEST: usize = 1000;

impl Walk<'_, '_> {
    fn visit(&mut self, item: &Item) {
        if self.done.contains_key(item) {
            return;
        }
        self.done.insert(item.clone(), false);
        self.path.push(item.clone());
        for (needed, span) in self.work.needs(item) {
            if self.done.get(&needed) == Some(&false) {
                let from = self.path.iter().position(|known| *known == needed).unwrap_or(0);
                let mut circle: Vec<String> = self.path[from..].iter().map(Item::to_string).collect();
                circle.push(needed.to_string());
                let message = format!("Cyclic dependency: {}", circle.join(" needs "));
                self.diags.push(Diagnostic::error(message).at(&span));
            } else if self.path.len() > LONGEST {
                let message = format!("{needed} is needed through more than {LONGEST} others");
                self.diags.push(Diagnostic::error(message).at(&span));
            } else {
                self.visit(&needed);
            }
        }
        self.path.pop();
        self.done.insert(item.clone(), true);
        self.order.push(item.clone());
    }
}
