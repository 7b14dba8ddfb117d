//! What all plays of a run share.

use super::stats::Stats;
use crate::api::Session;
use crate::callback::Event;
use crate::exec::connection::Connections;
use crate::inventory::Inventory;
use crate::inventory::vars_files::{VarsFiles, layers as layers_of_inventory};
use crate::play::loader::Ids;
use crate::python::Python;
use crate::settings::{Settings, exit};
use crate::vars::{HostLayers, Vars, layers};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{HostScopes, Key, Map, Templar, Value, VarSource};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A host's name.
pub type Host = Arc<str>;

/// What a host has learnt in this run.
#[derive(Debug, Clone, Default)]
pub struct Learnt {
    /// `set_fact`, `register`.
    pub set: Arc<Map>,
    /// `include_vars`.
    pub included: Arc<Map>,
    /// Facts as modules gave them.
    pub facts: Arc<Map>,
    /// Facts as a layer of variables.
    pub layer: Arc<Map>,
}

/// The fact that the action `gather_facts` leaves; smart gathering looks for it (ansible-core 2.19).
pub const GATHERED: &str = "_ansible_facts_gathered";

impl Learnt {
    /// Whether the host's facts have been gathered, and not only some facts set.
    pub fn gathered(&self) -> bool {
        self.facts.get(&Key::from(GATHERED)).is_some_and(Value::is_true)
    }
}

/// The run.
pub struct Engine {
    /// Settings.
    pub settings: Arc<Settings>,
    /// Connector, callback, prompter, cancellation.
    pub session: Session,
    /// Renders.
    pub templar: Templar,
    /// Action plugins of the user.
    pub python: Python,
    /// Numbers.
    pub ids: Arc<Ids>,
    /// Hosts and groups; grows by `add_host` and `group_by`.
    pub inventory: Arc<RwLock<Inventory>>,
    /// What hosts have learnt.
    pub learnt: RwLock<HashMap<Host, Learnt>>,
    /// `group_vars`, `host_vars`.
    pub vars_files: VarsFiles,
    /// Counts.
    pub stats: Mutex<Stats>,
    /// Open connections.
    pub connections: Connections,
    /// Hosts that failed for good.
    pub lost: Mutex<HashSet<Host>>,
    /// Hosts that can't be reached.
    pub unreachable: Mutex<HashSet<Host>>,
    /// `-e`.
    pub extra: Arc<Map>,
    /// `--limit`.
    pub limit: Option<Vec<String>>,
    /// `--start-at-task` that was not reached yet.
    pub start_at: Mutex<Option<String>>,
    /// `--step`.
    pub step: Mutex<bool>,
    /// What the run added to its inventory, in order.
    pub grown: Mutex<Vec<super::settle::Growth>>,
    /// Hosts whose kept facts have been read.
    recalled: Mutex<HashSet<Host>>,
    /// Why the run ends before its end.
    pub fatal: Mutex<Option<Fatal>>,
}

/// Why a run ends before its end.
#[derive(Debug, Clone)]
pub struct Fatal {
    /// What the person reads.
    pub message: String,
    /// The exit code.
    pub code: u8,
}

impl From<String> for Fatal {
    fn from(message: String) -> Self {
        Fatal { message, code: exit::ERROR }
    }
}

impl From<Diagnostics> for Fatal {
    fn from(problems: Diagnostics) -> Self {
        let texts: Vec<String> =
            problems.errors().map(|d| d.to_string().trim_start_matches("Error: ").to_owned()).collect();
        Fatal { message: texts.join("\n"), code: exit::of(&problems) }
    }
}

impl From<Diagnostic> for Fatal {
    fn from(problem: Diagnostic) -> Self {
        Diagnostics::from(problem).into()
    }
}

/// A lock that outlives a panic of its holder.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// A run that has not begun.
    pub fn new(
        settings: Arc<Settings>,
        inventory: Arc<RwLock<Inventory>>,
        templar: Templar,
        ids: Arc<Ids>,
        limit: Option<Vec<String>>,
        session: Session,
    ) -> Self {
        let cache = &settings.fact_cache;
        if cache.keeps() && settings.flush_cache {
            let inventory = inventory.read().unwrap_or_else(PoisonError::into_inner);
            inventory.hosts.keys().map(String::as_str).chain(crate::inventory::LOCALHOST).for_each(|h| cache.forget(h));
        }
        Engine {
            grown: Mutex::default(),
            recalled: Mutex::default(),
            extra: Arc::new(settings.extra_vars.clone()),
            start_at: Mutex::new(settings.start_at_task.clone()),
            step: Mutex::new(settings.step),
            python: Python::new(Arc::clone(&settings)),
            settings,
            session,
            templar,
            ids,
            inventory,
            learnt: RwLock::default(),
            vars_files: VarsFiles::default(),
            stats: Mutex::default(),
            connections: Connections::default(),
            lost: Mutex::default(),
            unreachable: Mutex::default(),
            limit,
            fatal: Mutex::default(),
        }
    }

    /// Tells the person.
    pub fn emit(&self, event: Event) {
        self.session.callback.event(&event);
    }

    /// What a host has learnt.
    pub fn learnt(&self, host: &str) -> Learnt {
        self.recall(host);
        self.learnt.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned().unwrap_or_default()
    }

    /// Reads what the cache keeps of a host, the first time that it is asked for.
    fn recall(&self, host: &str) {
        let cache = &self.settings.fact_cache;
        if !cache.keeps() {
            return;
        }
        let host = Host::from(host);
        if lock(&self.recalled).insert(Arc::clone(&host))
            && let Some(facts) = cache.load(&host)
        {
            self.put_facts(&host, facts);
        }
    }

    fn change(&self, host: &Host, change: impl FnOnce(&mut Learnt)) {
        let mut all = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(Arc::clone(host)).or_default());
    }

    /// `set_fact`, `register`.
    pub fn set_vars(&self, host: &Host, vars: Map) {
        self.change(host, |l| {
            let all = Arc::make_mut(&mut l.set);
            if self.settings.hash_merge { crate::vars::merge::deep(all, vars) } else { all.extend(vars) }
        });
    }

    /// `include_vars`.
    pub fn include_vars(&self, host: &Host, vars: Map) {
        self.change(host, |l| Arc::make_mut(&mut l.included).extend(vars));
    }

    /// Facts of a module's answer: kept under `ansible_facts` without their prefix, and injected under their own names.
    pub fn add_facts(&self, host: &Host, facts: Map) {
        self.recall(host);
        self.put_facts(host, facts);
        let cache = &self.settings.fact_cache;
        if cache.keeps()
            && let Err(error) = cache.save(host, &self.learnt(host).facts)
        {
            self.emit(Event::Warning(format!("the facts of {host} can't be kept: {error}")));
        }
    }

    fn put_facts(&self, host: &Host, facts: Map) {
        let inject = self.settings.inject_facts;
        self.change(host, |l| {
            Arc::make_mut(&mut l.facts).extend(facts);
            let mut layer = if inject { injectable(&l.facts) } else { Map::new() };
            let short = l.facts.iter().map(|(k, v)| {
                let name = k.to_string();
                (
                    name.strip_prefix("ansible_").filter(|_| name != "ansible_local").map_or(k.clone(), Key::from),
                    v.clone(),
                )
            });
            layer.insert("ansible_facts".into(), Value::map(short.collect()));
            if let Some(local) = l.facts.get(&Key::from("ansible_local")) {
                layer.insert("ansible_local".into(), local.clone());
            }
            l.layer = Arc::new(layer);
        });
    }

    /// `meta: clear_facts`.
    pub fn clear_facts(&self, host: &Host) {
        lock(&self.recalled).insert(Arc::clone(host));
        self.settings.fact_cache.forget(host);
        self.change(host, |l| {
            l.facts = Arc::default();
            l.layer = Arc::default();
        });
    }

    /// The layers of a host; `dir` is the playbook's folder. What is wrong in its files is an error of the play.
    pub fn host_layers(&self, host: &str, dir: &std::path::Path) -> Result<HostLayers, Diagnostics> {
        let learnt = self.learnt(host);
        let inventory = self.inventory.read().unwrap_or_else(PoisonError::into_inner);
        let mut lowest_first: Vec<Arc<Map>> = Vec::new();
        lowest_first.extend(layers_of_inventory(&inventory, &self.vars_files, &self.settings, host, Some(dir))?);
        lowest_first.reverse();
        let facts = if learnt.layer.is_empty() {
            Arc::new(Map::from_iter([(Key::from("ansible_facts"), Value::map(Map::new()))]))
        } else {
            learnt.layer
        };
        Ok(HostLayers { set: learnt.set, included: learnt.included, facts, inventory: lowest_first })
    }

    /// Whether a host is a localhost that no inventory names.
    pub fn is_implicit(&self, host: &str) -> bool {
        let inventory = self.inventory.read().unwrap_or_else(PoisonError::into_inner);
        inventory.hosts.get(host).is_some_and(|h| h.implicit)
    }

    /// Magic variables of a host.
    pub fn host_magic(&self, host: &str) -> Map {
        let inventory = self.inventory.read().unwrap_or_else(PoisonError::into_inner);
        let mut magic = Map::new();
        magic.insert("inventory_hostname".into(), Value::str(host));
        magic.insert("inventory_hostname_short".into(), Value::str(host.split('.').next().unwrap_or(host)));
        let mut names: Vec<String> =
            inventory.groups_of(host).iter().filter(|g| g.name != "all").map(|g| g.name.clone()).collect();
        names.sort();
        magic.insert("group_names".into(), Value::list(names.into_iter().map(Value::str).collect()));
        let entry = inventory.hosts.get(host);
        let file = entry.and_then(|h| h.file.clone());
        let show = |p: Option<PathBuf>| p.map_or(Value::Null, |p| Value::str(p.display().to_string()));
        // A host that no inventory names has none.
        if !entry.is_some_and(|h| h.implicit) {
            magic.insert("inventory_dir".into(), show(file.as_ref().and_then(|f| f.parent().map(Into::into))));
            magic.insert("inventory_file".into(), show(file));
        }
        magic
    }

    /// `groups`.
    pub fn groups(&self) -> Value {
        let inventory = self.inventory.read().unwrap_or_else(PoisonError::into_inner);
        let list = |name: &String| {
            let hosts = inventory.hosts_of(name).into_iter();
            Value::list(hosts.map(Value::str).collect())
        };
        Value::map(inventory.groups.keys().map(|g| (Key::from(g.as_str()), list(g))).collect())
    }

    /// Whether a run was told to end.
    pub fn cancelled(&self) -> bool {
        self.session.cancel.is_cancelled() || lock(&self.fatal).is_some()
    }

    /// Ends the run.
    pub fn fail(&self, why: impl Into<Fatal>) {
        lock(&self.fatal).get_or_insert_with(|| why.into());
    }
}

/// Facts that become variables: not those that would change how a host is reached.
fn injectable(facts: &Map) -> Map {
    const NEVER: [&str; 5] = ["ansible_connection", "ansible_host", "ansible_port", "ansible_user", "ansible_become"];
    let keep = |name: &str| {
        let risky = NEVER.contains(&name)
            || name.starts_with("ansible_become_")
            || name.starts_with("ansible_ssh_") && !name.starts_with("ansible_ssh_host_key_")
            || name.ends_with("_interpreter") && name.starts_with("ansible_");
        !risky
    };
    facts.iter().filter(|(k, _)| keep(&k.to_string())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// `hostvars`: each host's variables in that host's own scope.
pub struct HostVars {
    /// The run.
    pub engine: Arc<Engine>,
    /// Folder of the playbook.
    pub dir: PathBuf,
    /// Magic variables that all hosts share.
    pub magic: Arc<Map>,
}

impl HostScopes for HostVars {
    fn host(&self, name: &str) -> Option<Arc<dyn VarSource>> {
        {
            let mut inventory = self.engine.inventory.write().unwrap_or_else(PoisonError::into_inner);
            if !inventory.hosts.contains_key(name) {
                if !crate::inventory::LOCALHOST.contains(&name) {
                    return None;
                }
                inventory.implicit_localhost(name);
            }
        }
        let layer = self.engine.host_layers(name, &self.dir).unwrap_or_default();
        let play = crate::vars::PlayLayers::default();
        Some(Arc::new(Vars {
            magic: vec![Arc::new(self.engine.host_magic(name)), Arc::clone(&self.magic)],
            layers: layers(&self.engine.extra, &layer, &play, None),
            merge: self.engine.settings.hash_merge,
            hosts: None,
        }))
    }

    fn hosts(&self) -> Vec<String> {
        let inventory = self.engine.inventory.read().unwrap_or_else(PoisonError::into_inner);
        inventory.hosts.keys().cloned().collect()
    }
}
