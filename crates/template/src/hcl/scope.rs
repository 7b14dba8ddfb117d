//! What an expression can see: the roots (`var`, `local`, `path`, …), names that a `for` or a `dynamic` block binds, and functions.

use super::budget::Budget;
use super::value::Value;
use crate::interpolate::Ambient;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What functions need from outside.
pub(crate) struct Surroundings {
    pub(crate) ambient: Arc<Ambient>,
    /// The folder of the configuration, absolute.
    pub(crate) base: PathBuf,
}

/// The functions that may be called.
#[derive(Clone)]
pub(crate) enum Callable {
    /// None: values in variable files.
    Nothing,
    /// `env` alone: defaults of variables.
    Environment(Arc<Surroundings>),
    /// All but `env`.
    All(Arc<Surroundings>),
    /// The same in the file of a `templatefile`, which can't include another.
    Nested(Arc<Surroundings>),
}

/// The roots and functions of one kind of place.
#[derive(Clone)]
pub(crate) struct Env {
    pub(crate) roots: BTreeMap<&'static str, Value>,
    pub(crate) callable: Callable,
    /// What expressions may still make. Clones share it.
    pub(crate) budget: Arc<Budget>,
}

impl Env {
    /// Nothing can be referred to, nothing called.
    pub(crate) fn empty() -> Self {
        Env { roots: BTreeMap::new(), callable: Callable::Nothing, budget: Arc::new(Budget::new()) }
    }

    /// The same with a budget of its own.
    pub(crate) fn afresh(&self) -> Self {
        Env { budget: Arc::new(Budget::new()), ..self.clone() }
    }

    /// The same with another value of a root.
    pub(crate) fn with(mut self, root: &'static str, value: Value) -> Self {
        self.roots.insert(root, value);
        self
    }

    /// Sets one attribute of a root that is an object, in place unless someone else holds the object.
    pub(crate) fn put(&mut self, root: &'static str, name: &str, value: Value) {
        if let Some(object) = self.roots.get_mut(root) {
            object.put(name, value);
        }
    }

    /// The outermost scope.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope { env: self, parent: None, names: &[] }
    }
}

/// Names in force at one place, inner ones first.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    env: &'a Env,
    parent: Option<&'a Scope<'a>>,
    names: &'a [(String, Value)],
}

impl<'a> Scope<'a> {
    /// A scope inside this one.
    pub(crate) fn child<'b>(&'b self, names: &'b [(String, Value)]) -> Scope<'b> {
        Scope { env: self.env, parent: Some(self), names }
    }

    /// The roots and functions behind it.
    pub(crate) fn env(&self) -> &'a Env {
        self.env
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let own = self.names.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
        own.or_else(|| match self.parent {
            Some(parent) => parent.get(name),
            None => self.env.roots.get(name),
        })
    }

    /// All names, for "did you mean".
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.names.iter().map(|(name, _)| name.as_str()).collect();
        match self.parent {
            Some(parent) => all.extend(parent.names()),
            None => all.extend(self.env.roots.keys()),
        }
        all
    }
}
