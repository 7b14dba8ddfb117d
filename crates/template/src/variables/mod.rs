//! User variables: what is declared, what is given, and the values that come of it.

mod file;
mod resolve;

pub use file::read_json;
pub use resolve::resolve;

use crate::value::Spanned;
use imgbuild_diag::{Redactor, Secret};
use indexmap::IndexMap;
use std::fmt;
use std::sync::Arc;

/// Values given on the command line and in variable files, by name.
pub type Given = IndexMap<String, Spanned<String>>;

/// A declared variable.
#[derive(Clone)]
pub struct Variable {
    /// Its name.
    pub name: Spanned<String>,
    /// Its default as written; none means that a value must be given.
    pub default: Option<Spanned<String>>,
    /// Its value must not be shown.
    pub sensitive: bool,
}

/// The declared variables and the values of all, given ones included. `Debug` shows no value.
#[derive(Clone, Default)]
pub struct Variables {
    pub(crate) declared: IndexMap<String, Variable>,
    pub(crate) values: Arc<IndexMap<String, String>>,
}

impl Variables {
    /// The declared variables, in the order of the file.
    pub fn declared(&self) -> impl Iterator<Item = &Variable> {
        self.declared.values()
    }

    /// The rendered value of a variable, declared or only given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// All rendered values, sorted by name.
    pub fn values(&self) -> Arc<IndexMap<String, String>> {
        Arc::clone(&self.values)
    }

    /// The values of sensitive variables.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, Secret)> {
        let sensitive = self.declared.values().filter(|v| v.sensitive);
        sensitive.filter_map(|v| Some((v.name.as_str(), Secret::new(self.get(&v.name)?.to_owned()))))
    }

    /// Makes a redactor take the values of sensitive variables out of all output. To be done before anything is shown.
    pub fn register(&self, redactor: &Redactor) {
        for (_, secret) in self.secrets() {
            redactor.add(secret.expose());
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({}{})", self.name.value, if self.sensitive { ", sensitive" } else { "" })
    }
}
