//! The chain of plays, roles, blocks and includes that a task stands in, and what it inherits from them.

use super::role::Role;
use imgbuild_diag::Span;
use imgbuild_jinja::{Map, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// A keyword's value and its place.
#[derive(Debug, Clone)]
pub struct Attr {
    /// The value, not rendered.
    pub value: Value,
    /// Place of the keyword.
    pub span: Option<Span>,
}

/// Keywords as they were written at one level.
pub type Attrs = IndexMap<&'static str, Attr>;

/// What a level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A play.
    Play,
    /// A block, or what holds the tasks of a static import.
    Block,
    /// A role's entry.
    Role,
    /// A task.
    Task,
    /// An `include_*`: what is in it inherits its variables and nothing else.
    Include,
}

/// One level.
#[derive(Debug)]
pub struct Scope {
    /// Keywords.
    pub attrs: Attrs,
    /// `vars`.
    pub vars: Arc<Map>,
    /// The level around it.
    pub parent: Option<Arc<Scope>>,
    /// What it is.
    pub kind: Kind,
    /// The role that it is in, at the level where the role begins.
    pub role: Option<Arc<Role>>,
}

impl Scope {
    /// A level without keywords.
    pub fn bare(kind: Kind, parent: Option<Arc<Scope>>, role: Option<Arc<Role>>) -> Arc<Self> {
        Arc::new(Scope { attrs: Attrs::new(), vars: Arc::default(), parent, kind, role })
    }

    /// This level and those around it, innermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |s| s.parent.as_deref())
    }

    /// The value of a keyword, from the innermost level that sets it.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        self.each(name).into_iter().next()
    }

    /// The values of a keyword at all levels that set it, innermost first.
    pub fn each(&self, name: &str) -> Vec<&Attr> {
        self.chain()
            .enumerate()
            .filter(|(i, s)| *i == 0 || s.kind != Kind::Include)
            .filter_map(|(_, s)| s.attrs.get(name))
            .collect()
    }

    /// The keyword at this very level.
    pub fn own(&self, name: &str) -> Option<&Attr> {
        self.attrs.get(name)
    }

    /// The values of a keyword that adds up, outermost first.
    pub fn all(&self, name: &str) -> Vec<&Attr> {
        let mut found = self.each(name);
        found.reverse();
        found
    }

    /// The values of a list keyword that adds up, one by one, outermost level first.
    pub fn all_items(&self, name: &str) -> Vec<Value> {
        self.all(name).into_iter().flat_map(|attr| items(&attr.value)).collect()
    }

    /// The role that it is in.
    pub fn role(&self) -> Option<&Arc<Role>> {
        self.chain().find_map(|s| s.role.as_ref())
    }

    /// Roles that it is in, innermost first: a role, and the roles that include or depend on it.
    pub fn roles(&self) -> Vec<&Arc<Role>> {
        let mut roles: Vec<&Arc<Role>> = Vec::new();
        for role in self.chain().filter_map(|s| s.role.as_ref()) {
            if !roles.last().is_some_and(|last| Arc::ptr_eq(last, role)) {
                roles.push(role);
            }
        }
        roles
    }
}

/// A list's items, or the one value itself; null is none.
pub fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::List(items) => items.as_ref().clone(),
        one => vec![one.clone()],
    }
}
