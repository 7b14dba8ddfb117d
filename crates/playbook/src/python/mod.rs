//! Filters, tests and lookups that users wrote in Python (`filter_plugins/`, `test_plugins/`, `lookup_plugins/` beside a playbook
//! or in a role, the folders that the settings name, `plugins/` of collections). A Python of this machine runs them, started when
//! the first name is met that imgbuild does not have itself (docs/decisions/0052).

mod answers;
mod imports;
pub mod library;
mod process;
mod wire;

pub use answers::{failed, reply};
pub use imports::Sources;
pub use process::finished;
pub use wire::{pack, pack_map, unpack};

use crate::collections::{Collections, Kind, Nowhere};
use crate::exec::engine::lock;
use crate::settings::Settings;
use imgbuild_jinja::{LookupContext, LookupError, Map, PluginKind, Value};
use process::Process;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Why a name was found in no file: the file of that name says it, else the first ones do.
fn told(failures: &[String], name: &str) -> String {
    const SHOWN: usize = 2;
    let own = format!("/{}.py ", name.rsplit('.').next().unwrap_or(name));
    if let Some(own) = failures.iter().find(|failure| failure.contains(&own)) {
        return own.clone();
    }
    let more = failures.len().saturating_sub(SHOWN);
    let shown = failures.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{shown}; and {more} more files") } else { shown }
}

/// The files that have a plugin of this name, and those that could not be asked.
#[derive(Default)]
struct Found {
    file: Option<PathBuf>,
    failures: Vec<String>,
}

/// The names that a file offers, or why it can't be used.
type Offered = Result<Vec<String>, String>;

/// The user's plugins.
pub struct Python {
    settings: Arc<Settings>,
    /// Folders of playbooks and roles, in the order in which they were read.
    folders: Mutex<Vec<PathBuf>>,
    /// Processes that wait. A lookup that renders something with another plugin in it needs a second one.
    idle: Mutex<Vec<Process>>,
    /// What each file offers, or why it can't be used.
    names: Mutex<HashMap<(PluginKind, PathBuf), Offered>>,
}

impl Python {
    /// None yet.
    pub fn new(settings: Arc<Settings>) -> Self {
        Python { settings, folders: Mutex::default(), idle: Mutex::default(), names: Mutex::default() }
    }

    /// A playbook's or role's folder was read.
    pub fn add(&self, folder: &Path) {
        let mut folders = lock(&self.folders);
        if !folders.iter().any(|f| f == folder) {
            folders.push(folder.to_owned());
        }
    }

    /// Whether there is a lookup of this name.
    pub fn lookup_known(&self, name: &str) -> bool {
        self.lookup_file(name).is_some()
    }

    /// Whether a lookup says that it takes undefined values (`accept_args_markers`).
    pub fn takes_undefined(&self, name: &str) -> bool {
        let Some(file) = self.lookup_file(name) else { return false };
        let asked = self.process().and_then(|mut process| {
            let answer = process.request(&json!({"do": "accepts", "path": file}))?;
            lock(&self.idle).push(process);
            Ok(answer.get("accepts") == Some(&Json::Bool(true)))
        });
        // What is wrong with it is said when it is called.
        asked.unwrap_or(false)
    }

    /// Runs a lookup; `None`: there is none of this name.
    pub fn lookup(
        &self,
        name: &str,
        terms: &[Value],
        kwargs: &Map,
        cx: &LookupContext<'_>,
    ) -> Option<Result<Vec<Value>, LookupError>> {
        let file = self.lookup_file(name)?;
        Some(match self.run("lookup", &file, name, terms, kwargs, cx) {
            Ok(Value::List(items)) => Ok(items.as_ref().clone()),
            Ok(one) => Ok(vec![one]),
            Err(error) => Err(error),
        })
    }

    /// Whether there is a filter or test of this name; the error says why one that may be there can't be used.
    pub fn brought(&self, kind: PluginKind, name: &str) -> Result<bool, String> {
        let found = self.find(kind, name);
        match (found.file, found.failures.as_slice()) {
            (Some(_), _) => Ok(true),
            (None, []) => Ok(false),
            (None, failures) => Err(format!("No {} named '{name}': {}", kind.noun(), told(failures, name))),
        }
    }

    /// Calls a filter or test.
    pub fn call(
        &self,
        kind: PluginKind,
        name: &str,
        values: &[Value],
        kwargs: &Map,
        cx: &LookupContext<'_>,
    ) -> Result<Value, LookupError> {
        let file = self.find(kind, name).file.ok_or_else(|| LookupError::Unknown(name.to_owned()))?;
        let of = if kind == PluginKind::Filter { Kind::Filter } else { Kind::Test };
        let name = &self.routed(of, name).unwrap_or_else(|_| name.to_owned());
        let short = name.rsplit('.').next().unwrap_or(name);
        self.run(kind.noun(), &file, short, values, kwargs, cx)
    }

    fn find(&self, kind: PluginKind, name: &str) -> Found {
        let mut found = Found::default();
        let of = match kind {
            PluginKind::Filter => Kind::Filter,
            PluginKind::Test => Kind::Test,
        };
        let name = &match self.routed(of, name) {
            Ok(name) => name,
            Err(Nowhere::Removed(why)) => {
                found.failures.push(why);
                return found;
            }
            Err(Nowhere::Absent) => return found,
        };
        let short = name.rsplit('.').next().unwrap_or(name).to_owned();
        for file in self.files(kind.noun(), name) {
            let known = lock(&self.names).get(&(kind, file.clone())).cloned();
            let names = known.unwrap_or_else(|| {
                let asked = self.ask(kind, &file);
                lock(&self.names).insert((kind, file.clone()), asked.clone());
                asked
            });
            match names {
                Ok(names) if names.contains(&short) => {
                    found.file = Some(file);
                    return found;
                }
                Ok(_) => {}
                Err(why) if why == process::MISSING => {
                    found.failures = vec![format!("it may be one of {}, but {why}", file.display())];
                    return found;
                }
                Err(why) => found.failures.push(format!("{} can't be used: {why}", file.display())),
            }
        }
        found
    }

    fn ask(&self, kind: PluginKind, file: &Path) -> Result<Vec<String>, String> {
        let mut process = self.process()?;
        let answer = process.request(&json!({"do": "names", "kind": kind.noun(), "path": file}))?;
        lock(&self.idle).push(process);
        let names = answer.get("names").and_then(|n| n.as_array()).cloned().unwrap_or_default();
        Ok(names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect())
    }

    fn run(
        &self,
        kind: &str,
        file: &Path,
        name: &str,
        values: &[Value],
        kwargs: &Map,
        cx: &LookupContext<'_>,
    ) -> Result<Value, LookupError> {
        let mut process = self.process().map_err(LookupError::Failed)?;
        let values: Vec<_> = values.iter().map(wire::pack).collect();
        let request = json!({
            "do": "call", "kind": kind, "path": file, "name": name, "values": values, "kwargs": wire::pack_map(kwargs),
        });
        let result = process.call(&request, &self.settings, cx);
        lock(&self.idle).push(process);
        result
    }

    fn process(&self) -> Result<Process, String> {
        let waiting = lock(&self.idle).pop();
        let path = self.settings.env.get("PATH").map(String::as_str);
        waiting.map_or_else(|| Process::start(path, &self.settings.cwd, &self.collection_roots()), Ok)
    }

    /// Folders named `ansible_collections`.
    fn collection_roots(&self) -> Vec<PathBuf> {
        let folders = lock(&self.folders).clone();
        let beside = folders.iter().map(|f| f.join("collections")).filter(|p| p.is_dir());
        let roots = beside.chain(self.settings.collections_path.iter().cloned());
        roots.map(|r| r.join("ansible_collections")).collect()
    }

    /// A process for a talk that goes on over several steps; see [`Python::step`].
    pub fn open(&self) -> Result<Process, String> {
        self.process()
    }

    /// Sends a message and waits for what comes back, off the threads that others run on.
    pub async fn step(mut process: Process, message: Json) -> Result<(Process, Json), String> {
        let asked = tokio::task::spawn_blocking(move || {
            let told = process.exchange(&message);
            told.map(|told| (process, told))
        });
        asked.await.map_err(|e| format!("Python could not be asked: {e}"))?
    }

    /// The process waits for others.
    pub fn close(&self, process: Process) {
        lock(&self.idle).push(process);
    }

    /// What a full name leads to, by the metadata of the collections that are there.
    fn routed(&self, kind: Kind, name: &str) -> Result<String, Nowhere> {
        if name.matches('.').count() < 2 {
            return Ok(name.to_owned());
        }
        let folders = lock(&self.folders).clone();
        let beside = folders.first().map_or_else(|| self.settings.cwd.clone(), Clone::clone);
        Collections::new(&self.settings, &beside).routed(kind, name)
    }

    fn lookup_file(&self, name: &str) -> Option<PathBuf> {
        let name = &self.routed(Kind::Lookup, name).ok()?;
        let short = name.rsplit('.').next().unwrap_or(name);
        self.files("lookup", name).into_iter().find(|f| f.file_stem().is_some_and(|s| s == short))
    }

    /// The files that may hold a plugin of this name: of a collection where the name is a full one, else of the user's folders.
    fn files(&self, kind: &str, name: &str) -> Vec<PathBuf> {
        let folders = lock(&self.folders).clone();
        let parts: Vec<&str> = name.split('.').collect();
        let places: Vec<PathBuf> = match &parts[..] {
            ["ansible", "builtin", ..] => Vec::new(),
            [namespace, collection, _] if *namespace != "ansible" || *collection != "legacy" => {
                let beside = folders.iter().map(|f| f.join("collections"));
                let roots = beside.chain(self.settings.collections_path.iter().cloned());
                roots
                    .map(|r| r.join("ansible_collections").join(namespace).join(collection).join("plugins").join(kind))
                    .collect()
            }
            _ => {
                let named = match kind {
                    "filter" => &self.settings.plugin_paths.filter,
                    "test" => &self.settings.plugin_paths.test,
                    _ => &self.settings.plugin_paths.lookup,
                };
                let folder = format!("{kind}_plugins");
                folders.iter().map(|f| f.join(&folder)).chain(named.iter().cloned()).collect()
            }
        };
        let mut files = Vec::new();
        for place in places {
            let entries = fs_err::read_dir(place).into_iter().flatten().flatten().map(|e| e.path());
            let mut here: Vec<PathBuf> = entries
                .filter(|p| p.extension().is_some_and(|e| e == "py") && p.file_stem().is_some_and(|s| s != "__init__"))
                .collect();
            here.sort();
            files.extend(here);
        }
        files
    }
}
