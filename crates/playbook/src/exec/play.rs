//! One batch of a play: its state, and what its tasks see.

use super::engine::{Engine, Host, HostVars, lock};
use crate::collections::Collections;
use crate::play::model::{Item, Play, Task};
use crate::play::modules::Places;
use crate::vars::{PlayLayers, Vars, layers};
use imgbuild_diag::Diagnostics;
use imgbuild_jinja::{Key, Map, Value, VarSource};
use indexmap::IndexSet;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// How hosts go through the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Task by task, all hosts together.
    Linear,
    /// Each host as fast as it can.
    Free,
    /// Each host as fast as it can, `forks` hosts at a time.
    HostPinned,
}

/// What changes while a batch runs.
#[derive(Debug, Default)]
pub struct Shared {
    /// Hosts that failed for good.
    pub failed: HashSet<Host>,
    /// Hosts that can't be reached or were told to end.
    pub gone: HashSet<Host>,
    /// Hosts that failed and are on their way out (`always` may still run).
    pub leaving: HashSet<Host>,
    /// Notifications that no flush has seen yet.
    pub notified: HashMap<Host, IndexSet<String>>,
    /// While handlers run: handler id -> hosts that are to run it.
    pub to_handle: HashMap<u64, IndexSet<Host>>,
    /// Hosts whose handlers run now.
    pub handling: HashSet<Host>,
    /// Roles of which a task ran on a host.
    pub roles_ran: HashSet<(String, Host)>,
    /// Roles that are complete on a host.
    pub roles_done: HashSet<(String, Host)>,
    /// Roles that a host has left by `meta: end_role`.
    pub roles_left: HashSet<(u64, Host)>,
    /// Hosts whose failures `meta: clear_host_errors` took back.
    pub cleared: HashSet<Host>,
    /// Hosts that have reached the task of `--start-at-task`.
    pub started: HashSet<Host>,
    /// The batch ends here.
    pub stop: bool,
    /// No further batch begins.
    pub stop_play: bool,
    /// No further play begins: too many hosts failed.
    pub broken: bool,
    /// Whether a task was selected by its tags, by id.
    pub selected: HashMap<u64, bool>,
}

/// A batch of a play.
pub struct PlayRun {
    /// The run.
    pub engine: Arc<Engine>,
    /// The play.
    pub play: Arc<Play>,
    /// Its name.
    pub name: String,
    /// Variables of the play; roles that are included may add theirs.
    pub layers: RwLock<PlayLayers>,
    /// `vars_files` whose names are templates.
    pub late_files: Vec<Value>,
    /// All hosts of the play.
    pub all: Vec<Host>,
    /// The same in the inventory's order, whatever the play's is: so the magic variables name them.
    pub named: Vec<Host>,
    /// Hosts of this batch.
    pub batch: Vec<Host>,
    /// Strategy.
    pub strategy: Strategy,
    /// The task of `--start-at-task`, where this batch begins there.
    pub start: std::sync::OnceLock<u64>,
    /// Failures open the debugger.
    pub debugger: bool,
    /// Handlers in order.
    pub handlers: RwLock<Vec<Arc<Task>>>,
    /// State.
    pub shared: Mutex<Shared>,
    /// Hosts at work at the same time.
    pub forks: Arc<Semaphore>,
    /// `throttle`, by task.
    pub throttles: Mutex<HashMap<u64, Arc<Semaphore>>>,
    /// `max_fail_percentage`.
    pub max_fail: Option<f64>,
    /// Handlers run on failed hosts, too.
    pub force_handlers: bool,
    /// Magic variables of the run and the play.
    pub magic: Arc<Map>,
    /// `groups`, made anew when the inventory grows.
    pub groups: Mutex<Option<Value>>,
}

impl PlayRun {
    /// Whether a host takes part no longer.
    pub fn out(&self, host: &Host) -> bool {
        let shared = lock(&self.shared);
        shared.failed.contains(host) || shared.gone.contains(host) || shared.leaving.contains(host)
    }

    /// Whether the batch is over.
    pub fn stopped(&self) -> bool {
        lock(&self.shared).stop || self.engine.cancelled()
    }

    /// Hosts of the play that take part, in the inventory's order.
    pub fn active(&self) -> Vec<Host> {
        self.named.iter().filter(|h| !self.out(h)).cloned().collect()
    }

    /// Variables of the whole run, for a play in `dir`.
    pub fn run_magic(engine: &Engine, dir: &std::path::Path) -> Map {
        let settings = &engine.settings;
        let strs = |items: &[String]| Value::list(items.iter().map(|s| Value::str(s.as_str())).collect());
        let mut magic = Map::new();
        let mut set = |key: &str, value: Value| {
            magic.insert(Key::from(key), value);
        };
        set("playbook_dir", Value::str(settings.playbook_dir.as_deref().unwrap_or(dir).display().to_string()));
        set("omit", Value::Omit);
        set("ansible_verbosity", Value::Int(i64::from(settings.verbosity)));
        set("ansible_forks", Value::Int(settings.forks as i64));
        set("ansible_diff_mode", Value::Bool(settings.diff));
        set("ansible_check_mode", Value::Bool(settings.check));
        set("ansible_run_tags", if settings.tags.is_empty() { strs(&["all".into()]) } else { strs(&settings.tags) });
        set("ansible_skip_tags", strs(&settings.skip_tags));
        if let Some(limit) = &settings.limit {
            set("ansible_limit", Value::str(limit.as_str()));
        }
        set("ansible_playbook_python", Value::str("/usr/bin/python3"));
        let config = settings.config_file.as_ref().map_or(Value::Null, |p| Value::str(p.display().to_string()));
        set("ansible_config_file", config);
        set("environment", Value::list(Vec::new()));
        let mut version = Map::new();
        for (key, value) in [("full", "2.19.14"), ("string", "2.19.14")] {
            version.insert(Key::from(key), Value::str(value));
        }
        for (key, value) in [("major", 2), ("minor", 19), ("revision", 14)] {
            version.insert(Key::from(key), Value::Int(value));
        }
        set("ansible_version", Value::map(version));
        let inventory = engine.inventory.read().unwrap_or_else(PoisonError::into_inner);
        set("ansible_inventory_sources", strs(&inventory.sources));
        magic
    }

    /// What a task sees on a host; `host` may be one that it is delegated to.
    pub fn vars(self: &Arc<Self>, host: &Host, task: Option<&Task>) -> Result<Arc<dyn VarSource>, Diagnostics> {
        let host_layers = self.engine.host_layers(host, &self.play.dir)?;
        let mut play = self.layers.read().unwrap_or_else(PoisonError::into_inner).clone();
        let base = Vars {
            magic: vec![
                Arc::new(self.task_magic(task)),
                Arc::new(self.engine.host_magic(host)),
                Arc::new(self.play_magic()),
                Arc::clone(&self.magic),
            ],
            layers: Vec::new(),
            merge: self.engine.settings.hash_merge,
            hosts: Some(Arc::new(HostVars {
                engine: Arc::clone(&self.engine),
                dir: self.play.dir.clone(),
                magic: Arc::new(self.hostvars_magic()),
            })),
        };
        let scope = task.map(|t| t.scope.as_ref());
        if !self.late_files.is_empty() {
            let early: Arc<dyn VarSource> =
                Arc::new(Vars { layers: layers(&self.engine.extra, &host_layers, &play, scope), ..base.clone() });
            play.files.extend(self.late_vars_files(&early)?);
        }
        Ok(Arc::new(Vars { layers: layers(&self.engine.extra, &host_layers, &play, scope), ..base }))
    }

    /// `vars_files` whose names hold variables; those whose variables are not known yet are passed over.
    fn late_vars_files(&self, vars: &Arc<dyn VarSource>) -> Result<Vec<Arc<Map>>, Diagnostics> {
        let mut maps = Vec::new();
        for entry in &self.late_files {
            let names = crate::play::scope::items(entry);
            let mut undefined = false;
            // `{{ file | default('/dev/null') }}`: a file that is there, and empty.
            let mut nothing = false;
            let mut found = None;
            for name in &names {
                match self.engine.templar.template(name, vars) {
                    Ok(value) => {
                        let text = crate::text::of(&value);
                        nothing |= text == "/dev/null";
                        found = crate::play::paths::vars_file(&text, &self.play.dir);
                        if found.is_some() {
                            break;
                        }
                    }
                    Err(error) if error.is_undefined() => undefined = true,
                    Err(error) => return Err(error.diagnostic().into()),
                }
            }
            let Some(path) = found else {
                if undefined || nothing {
                    continue;
                }
                // As ansible-core 2.19 has it: what is not there gives no variables.
                let told = crate::play::vars_file_missing(entry).to_string();
                self.engine.emit(crate::callback::Event::Warning(told.trim_start_matches("Warning: ").to_owned()));
                continue;
            };
            let mut map = Map::new();
            let mut out = Diagnostics::new();
            crate::inventory::vars_files::read_vars_file(&path, &self.engine.settings, &mut map, &mut out);
            let ((), _) = out.into_result(())?;
            maps.push(Arc::new(map));
        }
        Ok(maps)
    }

    fn names(hosts: &[Host]) -> Value {
        Value::list(
            hosts
                .iter()
                .map(|h| Value::Str(imgbuild_jinja::Str { text: Arc::clone(h), template: false, span: None }))
                .collect(),
        )
    }

    /// What `hostvars` shows of the run.
    fn hostvars_magic(&self) -> Map {
        let mut magic = Map::clone(&self.magic);
        magic.extend(self.play_magic());
        magic
    }

    fn play_magic(&self) -> Map {
        let mut magic = Map::new();
        let active = Self::names(&self.active());
        let batch: Vec<Host> = self.batch.iter().filter(|h| !self.out(h)).cloned().collect();
        magic.insert("ansible_play_hosts".into(), active);
        magic.insert("play_hosts".into(), Self::names(&batch));
        magic.insert("ansible_play_batch".into(), Self::names(&batch));
        magic.insert("ansible_play_hosts_all".into(), Self::names(&self.named));
        magic.insert("ansible_play_name".into(), Value::str(self.name.as_str()));
        let mut roles: Vec<&str> = self.play.roles.iter().map(|r| r.role.name.as_str()).collect();
        roles.dedup();
        let mut deps: Vec<String> = Vec::new();
        for role in &self.play.roles {
            deps.extend(role.role.all_dependencies().iter().map(|r| r.name.clone()));
        }
        let list = |names: Vec<String>| Value::list(names.into_iter().map(Value::str).collect());
        let direct: Vec<String> = roles.iter().map(|s| (*s).to_owned()).collect();
        let mut all = deps.clone();
        all.extend(direct.iter().cloned());
        magic.insert("ansible_play_role_names".into(), list(direct.clone()));
        magic.insert("ansible_dependent_role_names".into(), list(deps));
        magic.insert("ansible_role_names".into(), list(all));
        magic.insert("role_names".into(), list(direct));
        magic.insert("groups".into(), lock(&self.groups).get_or_insert_with(|| self.engine.groups()).clone());
        magic
    }

    fn task_magic(&self, task: Option<&Task>) -> Map {
        let mut magic = Map::new();
        let Some(task) = task else { return magic };
        let roles = task.scope.roles();
        if let Some(role) = roles.first() {
            let name = |s: &str| Value::str(s);
            magic.insert("role_name".into(), name(&role.name));
            magic.insert("ansible_role_name".into(), name(&role.name));
            magic.insert("role_path".into(), name(&role.path.display().to_string()));
            magic.insert("role_uuid".into(), name(&role.id.to_string()));
            magic.insert("ansible_collection_name".into(), role.collection.as_deref().map_or(Value::Null, name));
            // Those that include or import it; that one depends on another makes it no parent.
            let above: Vec<_> = roles.iter().skip(1).filter(|r| !r.asking).collect();
            let parents = |f: fn(&crate::play::role::Role) -> String| {
                Value::list(above.iter().map(|r| Value::str(f(r))).collect())
            };
            if !above.is_empty() {
                magic.insert("ansible_parent_role_names".into(), parents(|r| r.name.clone()));
                magic.insert("ansible_parent_role_paths".into(), parents(|r| r.path.display().to_string()));
            }
        }
        let search = self.search_path(task).into_iter().map(|p| Value::str(p.display().to_string())).collect();
        magic.insert("ansible_search_path".into(), Value::list(search));
        magic
    }

    /// Folders in which a task's files are looked for.
    pub fn search_path(&self, task: &Task) -> Vec<PathBuf> {
        crate::play::paths::search_path(&task.scope, &task.dir, &self.play.dir)
    }

    /// What `module_defaults` says of the module: groups first, then the module itself. At an inner level an entry stands for
    /// that of the same name around it.
    pub fn module_defaults(&self, task: &Task, full: &str) -> Vec<Value> {
        let mut entries: indexmap::IndexMap<String, Value> = indexmap::IndexMap::new();
        let levels = task.scope.all_items("module_defaults");
        let collections = (!levels.is_empty()).then(|| self.collections());
        for (raw, collections) in levels.into_iter().zip(collections.iter().cycle()) {
            let Value::Map(all) = raw else { continue };
            for (name, defaults) in all.iter() {
                let name = name.to_string();
                let (own, group) = match name.strip_prefix("group/") {
                    Some(group) => (false, collections.group_holds(group, full)),
                    None => (collections.defaults_of(&name).iter().any(|n| n == full), false),
                };
                if own || group {
                    entries.insert(if own { String::new() } else { name }, defaults.clone());
                }
            }
        }
        let own = entries.shift_remove("");
        entries.into_values().chain(own).collect()
    }

    /// The collections that the play sees.
    pub fn collections(&self) -> Collections {
        Collections::new(&self.engine.settings, &self.play.dir)
    }

    /// Where the names of a task's actions are looked for, while it runs.
    pub fn places(&self, task: &Task) -> Places {
        let collections = Arc::new(self.collections());
        Places::of(&task.scope, &self.engine.settings, collections)
    }

    /// All handlers of the play as a list.
    pub fn flat_handlers(items: &[Item]) -> Vec<Arc<Task>> {
        let mut found = Vec::new();
        for item in items {
            item.tasks(&mut found);
        }
        found.into_iter().cloned().collect()
    }
}
