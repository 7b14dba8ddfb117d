//! Lookups that need something outside: files, environment, commands, the inventory. One file per family.
//!
//! What has a place in the file system is looked for as Ansible does: along `ansible_search_path`.

mod config;
mod csvfile;
mod env;
mod files;
mod filetree;
mod first_found;
mod ini;
mod inventory_hostnames;
mod password;
mod pipe;
mod random_string;
mod template;
mod url;

pub use url::{UrlClient, UrlFailure, UrlRequest};

use crate::inventory::Inventory;
use crate::python::Python;
use crate::settings::Settings;
use imgbuild_jinja::{Key, LookupContext, LookupError, Lookups, Map, PluginKind, Value};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};

/// The lookups of this crate.
const OWN: &[&str] = &[
    "config",
    "csvfile",
    "env",
    "file",
    "fileglob",
    "filetree",
    "first_found",
    "ini",
    "inventory_hostnames",
    "lines",
    "password",
    "pipe",
    "random_string",
    "template",
    "unvault",
    "url",
];

/// Those of the templating crate.
const PURE: &[&str] = &[
    "dict",
    "flattened",
    "community.general.cartesian",
    "community.general.flattened",
    "indexed_items",
    "items",
    "list",
    "nested",
    "random_choice",
    "sequence",
    "subelements",
    "together",
    "varnames",
    "vars",
    "cartesian",
];

/// Whether there is a lookup of this name, its collection aside.
pub fn known(name: &str) -> bool {
    OWN.contains(&name) || PURE.contains(&name)
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    OWN.iter().chain(PURE).copied()
}

/// Runs the lookup of a `with_NAME` of a task with this action.
pub fn with(name: &str, terms: Vec<Value>, action: &str, cx: &LookupContext<'_>) -> Result<Vec<Value>, LookupError> {
    let mut kwargs = Map::new();
    if name == "first_found" {
        let folder = ["template", "var", "file"].into_iter().find(|word| action.contains(word)).unwrap_or("file");
        kwargs.insert(first_found::SUBDIR.into(), Value::str(format!("{folder}s")));
    }
    let name = if name == "cartesian" { "nested" } else { name };
    cx.templar().lookup(name, terms, kwargs, cx.vars(), cx.span())
}

/// What the lookups work with.
pub struct Plugins {
    /// Settings.
    pub settings: Arc<Settings>,
    /// Hosts and groups.
    pub inventory: Arc<RwLock<Inventory>>,
    /// Reads URLs, where the caller gave something that can.
    pub url: OnceLock<Arc<dyn UrlClient>>,
    /// Filters, tests and lookups of the user.
    pub python: Python,
}

impl Plugins {
    /// For hosts and groups.
    pub fn new(settings: Arc<Settings>, inventory: Arc<RwLock<Inventory>>) -> Self {
        Plugins { python: Python::new(Arc::clone(&settings)), settings, inventory, url: OnceLock::new() }
    }
}

/// One call of a lookup.
pub struct Ask<'a> {
    /// Rendered terms.
    pub terms: &'a [Value],
    /// Rendered options.
    pub kwargs: &'a Map,
    /// Where it was written, and the variables there.
    pub cx: &'a LookupContext<'a>,
    /// The controller.
    pub plugins: &'a Plugins,
}

/// What a lookup gives.
pub type Answer = Result<Vec<Value>, LookupError>;

/// A failure in one sentence.
pub fn failed(message: impl Into<String>) -> LookupError {
    LookupError::Failed(message.into())
}

impl Ask<'_> {
    /// An option, also one that stands in a mapping among the terms.
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.kwargs.get(&Key::from(name)).filter(|v| !matches!(v, Value::Null))
    }

    /// An option as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.option(name).map(crate::text::of)
    }

    /// An option as a boolean.
    pub fn bool(&self, name: &str, default: bool) -> bool {
        self.option(name).and_then(crate::exec::connection::boolean).unwrap_or(default)
    }

    /// Folders in which files are looked for.
    pub fn search(&self) -> Vec<PathBuf> {
        let listed = self.cx.var("ansible_search_path").ok().flatten();
        let mut paths: Vec<PathBuf> = listed
            .iter()
            .flat_map(|v| v.as_list().unwrap_or_default())
            .filter_map(|v| v.as_str().map(PathBuf::from))
            .collect();
        if let Ok(Some(dir)) = self.cx.var("playbook_dir") {
            let dir = PathBuf::from(crate::text::of(&dir));
            if !paths.contains(&dir) {
                paths.push(dir);
            }
        }
        if paths.is_empty() {
            paths.push(self.plugins.settings.cwd.clone());
        }
        paths
    }

    /// A file along the search path.
    pub fn find(&self, folder: &str, name: &str) -> Option<PathBuf> {
        crate::play::paths::find(name, folder, &self.search(), &self.plugins.settings).ok()
    }
}

impl Lookups for Plugins {
    fn lookup(&self, name: &str, terms: Vec<Value>, kwargs: Map, cx: &LookupContext<'_>) -> Answer {
        let ask = Ask { terms: &terms, kwargs: &kwargs, cx, plugins: self };
        match name {
            "config" => config::run(&ask),
            "csvfile" => csvfile::run(&ask),
            "env" => env::run(&ask),
            "file" => files::file(&ask),
            "unvault" => files::unvault(&ask),
            "fileglob" => files::fileglob(&ask),
            "filetree" => filetree::run(&ask),
            "first_found" => first_found::run(&ask),
            "ini" => ini::run(&ask),
            "inventory_hostnames" => inventory_hostnames::run(&ask),
            "lines" => pipe::lines(&ask),
            "password" => password::run(&ask),
            "pipe" => pipe::run(&ask),
            "random_string" => random_string::run(&ask),
            "template" => template::run(&ask),
            "url" => url::run(&ask),
            _ => {
                let brought = self.python.lookup(name, &terms, &kwargs, cx);
                brought.unwrap_or_else(|| Err(LookupError::Unknown(name.to_owned())))
            }
        }
    }

    fn known(&self, name: &str) -> bool {
        OWN.contains(&name) || self.python.lookup_known(name)
    }

    fn takes_undefined(&self, name: &str) -> bool {
        !OWN.contains(&name) && self.python.takes_undefined(name)
    }
    fn brought(&self, kind: PluginKind, name: &str) -> Result<bool, String> {
        self.python.brought(kind, name)
    }

    fn call(
        &self,
        kind: PluginKind,
        name: &str,
        values: Vec<Value>,
        kwargs: Map,
        cx: &LookupContext<'_>,
    ) -> Result<Value, LookupError> {
        self.python.call(kind, name, &values, &kwargs, cx)
    }

    fn plugins_in(&self, folder: &Path) {
        self.python.add(folder);
    }
}
