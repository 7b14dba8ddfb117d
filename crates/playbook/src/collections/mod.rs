//! Installed collections: where they are, what their `meta/runtime.yml` says of names, and the files of their modules and
//! action plugins (ansible-core 2.19: `plugins/loader.py` is the behaviour).

pub mod groups;
pub mod runtime;

use crate::settings::Settings;
use runtime::Runtime;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was read of collections' metadata, by the collection's folder.
pub type Cache = Mutex<HashMap<PathBuf, Arc<Runtime>>>;

/// Redirects that follow each other.
const MAX_REDIRECTS: usize = 20;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `plugins/modules`
    Module,
    /// `plugins/action`
    Action,
    /// `plugins/filter`
    Filter,
    /// `plugins/test`
    Test,
    /// `plugins/lookup`
    Lookup,
}

/// A file that a name leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its full name, after all redirects.
    pub full: String,
    /// The file; `None`: the name leads to a module of imgbuild's own, or to ansible-core's.
    pub file: Option<PathBuf>,
    /// The action plugin that the collection names for it.
    pub action_plugin: Option<String>,
    /// What the collection says of names on the way: they go away.
    pub deprecated: Vec<String>,
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Nowhere {
    /// No installed collection has it.
    Absent,
    /// The collection has removed it; its own words.
    Removed(String),
}

/// The collections that a playbook sees.
#[derive(Debug, Clone)]
pub struct Collections {
    roots: Vec<PathBuf>,
    cache: Arc<Cache>,
}

impl Collections {
    /// Those beside a playbook in `dir`, then those of the settings; for a playbook of a collection first those beside it.
    pub fn new(settings: &Settings, dir: &Path) -> Self {
        let around = dir.ancestors().find(|p| p.ends_with("ansible_collections")).map(Path::to_owned);
        let beside = dir.join("collections");
        let roots = around.into_iter().chain([beside]).chain(settings.collections_path.iter().cloned());
        // Ansible takes the folder itself as well as the one around it.
        let named = |p: PathBuf| {
            if p.file_name().is_some_and(|n| n == "ansible_collections") { p } else { p.join("ansible_collections") }
        };
        Collections { roots: roots.map(named).collect(), cache: Arc::clone(&settings.collections) }
    }

    /// Folders named `ansible_collections`.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The folder of `namespace.name`.
    pub fn folder(&self, collection: &str) -> Option<PathBuf> {
        let (namespace, name) = collection.split_once('.')?;
        self.roots.iter().map(|r| r.join(namespace).join(name)).find(|p| p.is_dir())
    }

    /// The file of `namespace.collection.playbook`.
    pub fn playbook(&self, name: &str) -> Option<PathBuf> {
        let (collection, playbook) = split(name).filter(|_| !name.contains('/'))?;
        let folder = self.folder(collection)?.join("playbooks");
        ["", ".yml", ".yaml"].iter().map(|e| folder.join(format!("{playbook}{e}"))).find(|p| p.is_file())
    }

    /// What a collection says of its names; nothing where it is not installed.
    pub fn runtime(&self, collection: &str) -> Arc<Runtime> {
        let Some(folder) = self.folder(collection) else { return Arc::default() };
        let mut cache = crate::exec::engine::lock(&self.cache);
        Arc::clone(cache.entry(folder).or_insert_with_key(|folder| Arc::new(Runtime::read(folder))))
    }

    /// Follows the full name of a filter, test or lookup through the redirects of collections.
    pub fn routed(&self, kind: Kind, name: &str) -> Result<String, Nowhere> {
        let mut full = name.to_owned();
        for _ in 0..MAX_REDIRECTS {
            let Some((collection, resource)) = split(&full) else { return Ok(full) };
            let runtime = self.runtime(collection);
            let Some(route) = runtime.route(kind, resource) else { return Ok(full) };
            if let Some(why) = &route.tombstone {
                return Err(Nowhere::Removed(removed(kind, &full, why)));
            }
            let Some(to) = &route.redirect else { return Ok(full) };
            full = if split(to).is_some() { to.clone() } else { format!("{collection}.{to}") };
        }
        Err(Nowhere::Absent)
    }

    /// Follows a full name (`namespace.collection.name`) to what it stands for.
    pub fn find(&self, kind: Kind, name: &str) -> Result<Found, Nowhere> {
        let mut found = Found { full: name.to_owned(), file: None, action_plugin: None, deprecated: Vec::new() };
        for _ in 0..MAX_REDIRECTS {
            let Some((collection, resource)) = split(&found.full) else { return Err(Nowhere::Absent) };
            if matches!(collection, "ansible.builtin" | "ansible.legacy") {
                let known = kind == Kind::Module && crate::play::modules::names().any(|n| n == resource);
                return if known { Ok(found) } else { Err(Nowhere::Absent) };
            }
            let runtime = self.runtime(collection);
            if let Some(route) = runtime.route(kind, resource) {
                if let Some(why) = &route.tombstone {
                    return Err(Nowhere::Removed(removed(kind, &found.full, why)));
                }
                if let Some(text) = &route.deprecation {
                    found.deprecated.push(deprecated(&found.full, text));
                }
                if let Some(to) = &route.redirect {
                    // Names of the same collection may be short.
                    found.full = if split(to).is_some() { to.clone() } else { format!("{collection}.{to}") };
                    continue;
                }
                found.action_plugin.clone_from(&route.action_plugin);
            }
            if kind == Kind::Module && imgbuild_proto::spec::module(&found.full).is_some() {
                return Ok(found);
            }
            let Some(folder) = self.folder(collection) else { return Err(Nowhere::Absent) };
            let within = folder.join("plugins").join(if kind == Kind::Module { "modules" } else { "action" });
            found.file = plugin(kind, &within.join(resource.replace('.', "/")));
            return if found.file.is_some() { Ok(found) } else { Err(Nowhere::Absent) };
        }
        Err(Nowhere::Absent)
    }
}

/// A name's collection and what is left.
pub fn split(name: &str) -> Option<(&str, &str)> {
    let (at, _) = name.match_indices('.').nth(1)?;
    Some((&name[..at], &name[at + 1..])).filter(|(_, resource)| !resource.is_empty())
}

/// The plugin's file: action plugins are Python, modules may be any program.
fn plugin(kind: Kind, stem: &Path) -> Option<PathBuf> {
    let with = |extension: &str| {
        let mut name = stem.as_os_str().to_owned();
        name.push(extension);
        Some(PathBuf::from(name)).filter(|p| p.is_file())
    };
    let extensions: &[&str] = if kind == Kind::Action { &[".py"] } else { &[".py", "", ".sh", ".bash", ".pl", ".rb"] };
    extensions.iter().find_map(|e| with(e))
}

/// Ansible's words for a name that is gone.
fn removed(kind: Kind, name: &str, why: &str) -> String {
    let noun = match kind {
        Kind::Module => "module",
        Kind::Action => "action plugin",
        Kind::Filter => "filter plugin",
        Kind::Test => "test plugin",
        Kind::Lookup => "lookup plugin",
    };
    format!("The '{name}' {noun} has been removed.{}{why}", if why.is_empty() { "" } else { " " })
}

/// Ansible's words for a name that will go.
fn deprecated(name: &str, why: &str) -> String {
    format!("{name} has been deprecated.{}{why}", if why.is_empty() { "" } else { " " })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collections in a folder, from paths and texts.
    pub fn installed(files: &[(&str, &str)]) -> (tempfile::TempDir, Collections) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join("collections/ansible_collections").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let settings = Settings::new(dir.path(), dir.path());
        let collections = Collections::new(&settings, dir.path());
        (dir, collections)
    }

    #[test]
    fn names_lead_to_files() {
        let runtime = "plugin_routing:\n  modules:\n    old: {redirect: a.b.new}\n    gone: {tombstone: {warning_text: Use new.}}\n\
                       \x20   faded: {deprecation: {warning_text: Soon.}}\n    up: {redirect: ansible.builtin.ping}\n\
                       \x20   loop: {redirect: a.b.loop}\n    facts: {action_plugin: a.b.act}\n";
        let (_dir, all) = installed(&[
            ("a/b/meta/runtime.yml", runtime),
            ("a/b/plugins/modules/new.py", ""),
            ("a/b/plugins/modules/faded.py", ""),
            ("a/b/plugins/modules/facts.py", ""),
            ("a/b/plugins/modules/sub/deep.py", ""),
            ("a/b/plugins/action/act.py", ""),
        ]);
        let module = |name: &str| all.find(Kind::Module, name);
        assert_eq!(module("a.b.old").unwrap().full, "a.b.new");
        assert!(module("a.b.old").unwrap().file.unwrap().ends_with("a/b/plugins/modules/new.py"));
        assert_eq!(
            module("a.b.gone"),
            Err(Nowhere::Removed("The 'a.b.gone' module has been removed. Use new.".into()))
        );
        assert_eq!(module("a.b.faded").unwrap().deprecated, ["a.b.faded has been deprecated. Soon."]);
        assert_eq!(module("a.b.up").unwrap().full, "ansible.builtin.ping");
        assert_eq!(module("a.b.facts").unwrap().action_plugin.as_deref(), Some("a.b.act"));
        assert!(module("a.b.sub.deep").is_ok());
        assert!(all.find(Kind::Action, "a.b.act").is_ok());
        for absent in ["a.b.loop", "a.b.none", "a.c.new", "a.b"] {
            assert_eq!(module(absent), Err(Nowhere::Absent), "{absent}");
        }
    }
}
