//! Names that a template sets itself, and what surrounds a piece of a template.

use super::stmt::Blocks;
use crate::syntax::Program;
use crate::val::Val;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// One level of names. Inner levels see outer ones.
pub(crate) struct Scope {
    names: Mutex<HashMap<Arc<str>, Val>>,
    parent: Option<Arc<Scope>>,
}

impl Scope {
    pub fn child(parent: &Arc<Scope>) -> Arc<Scope> {
        Arc::new(Scope { names: Mutex::default(), parent: Some(parent.clone()) })
    }

    pub fn empty() -> Arc<Scope> {
        Arc::new(Scope { names: Mutex::default(), parent: None })
    }

    pub fn get(&self, name: &str) -> Option<Val> {
        let mut scope = self;
        loop {
            if let Some(found) = scope.names.lock().unwrap_or_else(|e| e.into_inner()).get(name) {
                return Some(found.clone());
            }
            scope = scope.parent.as_deref()?;
        }
    }

    pub fn set(&self, name: Arc<str>, value: Val) {
        self.names.lock().unwrap_or_else(|e| e.into_inner()).insert(name, value);
    }

    /// Forgets this level's names.
    pub fn clear(&self) {
        let names = std::mem::take(&mut *self.names.lock().unwrap_or_else(|e| e.into_inner()));
        // Dropped outside of the lock: a value may hold this very scope.
        drop(names);
    }

    /// This level's own names, for `{% import %}`.
    pub fn own(&self) -> HashMap<Arc<str>, Val> {
        self.names.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

/// What surrounds a statement.
#[derive(Clone)]
pub(crate) struct Env {
    pub program: Arc<Program>,
    pub scope: Arc<Scope>,
    pub blocks: Arc<Blocks>,
    /// `false` in templates imported without context: they see no variables.
    pub sees_vars: bool,
    /// The template that this one extends, once that is known, and how much output came before.
    pub parent: Arc<Mutex<Option<Arc<Program>>>>,
}

impl Env {
    pub fn root(program: Arc<Program>) -> Env {
        Env { program, scope: Scope::empty(), blocks: Arc::default(), sees_vars: true, parent: Arc::default() }
    }

    /// The same with a new level of names.
    pub fn inner(&self) -> Env {
        Env { scope: Scope::child(&self.scope), ..self.clone() }
    }

    pub fn extended(&self) -> Option<Arc<Program>> {
        self.parent.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}
