//! Roles: where they lie, what is in them.

use super::model::Item;
use imgbuild_jinja::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// A role as it is used at one place.
#[derive(Debug)]
pub struct Role {
    /// Unique in a run.
    pub id: u64,
    /// Its name as it was written, or `namespace.collection.role`.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Its collection.
    pub collection: Option<String>,
    /// Parameters of its entry.
    pub params: Arc<Map>,
    /// `defaults/`.
    pub defaults: Arc<Map>,
    /// `vars/`.
    pub vars: Arc<Map>,
    /// Its dependencies, direct ones.
    pub dependencies: Vec<Arc<Role>>,
    /// May run several times with the same parameters.
    pub allow_duplicates: bool,
    /// Its defaults and vars are visible to the whole play.
    pub public: bool,
    /// Equal for two uses that are the same to Ansible: the second does not run again.
    pub identity: String,
    /// The role as its dependencies have it above them: one that asks for another is no parent of it.
    pub asking: bool,
    /// `meta/argument_specs`: entry points.
    pub argument_specs: Option<Value>,
}

impl Role {
    /// The name that titles show.
    pub fn display_name(&self) -> &str {
        &self.name
    }

    /// All dependencies, deepest first.
    pub fn all_dependencies(&self) -> Vec<&Arc<Role>> {
        let mut found = Vec::new();
        for dependency in &self.dependencies {
            found.extend(dependency.all_dependencies());
            found.push(dependency);
        }
        found
    }
}

/// A role with its tasks.
#[derive(Debug)]
pub struct CompiledRole {
    /// The role.
    pub role: Arc<Role>,
    /// Tasks, those of dependencies first.
    pub tasks: Vec<Item>,
    /// Handlers, those of dependencies first.
    pub handlers: Vec<Item>,
}
