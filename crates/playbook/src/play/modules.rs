//! From the name of an action to what runs it.

use super::scope::Scope;
use crate::collections::{self, Collections, Kind, Nowhere};
use crate::exec::engine::lock;
use crate::settings::Settings;
use imgbuild_diag::{Diagnostic, did_you_mean};
use imgbuild_proto::spec;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Actions with a part on the controller, and the builtin modules, by short name.
const BUILTIN: &[&str] = &[
    "add_host",
    "apt",
    "apt_key",
    "apt_repository",
    "assemble",
    "assert",
    "async_status",
    "blockinfile",
    "command",
    "copy",
    "cron",
    "deb822_repository",
    "debconf",
    "debug",
    "dnf",
    "dnf5",
    "dpkg_selections",
    "expect",
    "fail",
    "fetch",
    "file",
    "find",
    "gather_facts",
    "get_url",
    "getent",
    "git",
    "group",
    "group_by",
    "hostname",
    "import_playbook",
    "import_role",
    "import_tasks",
    "include",
    "include_role",
    "include_tasks",
    "include_vars",
    "iptables",
    "known_hosts",
    "lineinfile",
    "meta",
    "mount_facts",
    "package",
    "package_facts",
    "pause",
    "ping",
    "pip",
    "raw",
    "reboot",
    "replace",
    "rpm_key",
    "script",
    "service",
    "service_facts",
    "set_fact",
    "set_stats",
    "setup",
    "shell",
    "slurp",
    "stat",
    "subversion",
    "systemd",
    "systemd_service",
    "sysvinit",
    "tempfile",
    "template",
    "unarchive",
    "uri",
    "user",
    "validate_argument_spec",
    "wait_for",
    "wait_for_connection",
    "yum",
    "yum_repository",
];

/// Modules that take free text.
pub const FREE_FORM: &[&str] = &[
    "command",
    "win_command",
    "shell",
    "win_shell",
    "script",
    "raw",
    "include_vars",
    "include_tasks",
    "include_role",
    "import_tasks",
    "import_role",
    "import_playbook",
    "include",
    "meta",
    "add_host",
    "group_by",
    "set_fact",
];

/// Modules whose free text is a command line, in which `=` is nothing special.
pub const COMMANDS: &[&str] = &["command", "win_command", "shell", "win_shell", "script", "raw"];

/// What a task does.
#[derive(Debug, Clone)]
pub struct Action {
    /// As it was written.
    pub written: String,
    /// Short name for builtins, full name for others.
    pub name: String,
    /// The full name that it leads to (`ansible.builtin.copy`); a short one for a module or action beside the playbook.
    pub full: String,
    /// Arguments' specification, where one is known.
    pub spec: Option<&'static spec::Module>,
    /// A module of the user (`library/NAME.py`) or of an installed collection.
    pub custom: Option<PathBuf>,
    /// An action plugin in Python that runs on the controller in the module's place.
    pub plugin: Option<PathBuf>,
    /// What its collection says of the name: it will go.
    pub deprecated: Vec<String>,
}

/// Why a name is no action.
#[derive(Debug, Clone, PartialEq)]
pub enum Unresolved {
    /// No such module is known anywhere; a similar one may be.
    Unknown(Option<String>),
    /// A module of a collection that imgbuild does not have.
    Unsupported,
    /// The collection has removed it; its own words.
    Removed(String),
}

/// Folders of playbooks and roles with a `library/` or `action_plugins/`, in the order in which they were read: they add up for
/// the whole run, as Ansible's plugin loaders collect them.
#[derive(Debug, Default)]
pub struct Brought(Mutex<Vec<PathBuf>>);

impl Brought {
    /// A playbook's or role's folder was read.
    pub fn add(&self, folder: &Path) {
        let mut folders = lock(&self.0);
        let brings = ["library", "action_plugins"].iter().any(|f| folder.join(f).is_dir());
        if brings && !folders.iter().any(|f| f == folder) {
            folders.push(folder.to_owned());
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        lock(&self.0).clone()
    }
}

/// Where the names of actions are looked for.
pub struct Places {
    /// Folders with modules of the user.
    pub libraries: Vec<PathBuf>,
    /// Folders with action plugins of the user.
    pub plugins: Vec<PathBuf>,
    /// Installed collections.
    pub collections: Arc<Collections>,
    /// Collections whose names may be short (`collections:`, a role's own), in order.
    pub names: Vec<String>,
}

impl Places {
    /// Where names in this scope are looked for: in the folders that the settings name, in those of the roles around it, then of
    /// all playbooks and roles that were read so far.
    pub fn of(scope: &Scope, settings: &Settings, collections: Arc<Collections>) -> Self {
        let own = scope.role().and_then(|r| r.collection.clone());
        let named = scope.all_items("collections").into_iter().filter_map(|v| v.as_str().map(str::to_owned));
        let brought = settings.brought.folders();
        let folders = |first: &[PathBuf], folder: &str| -> Vec<PathBuf> {
            let roles = scope.roles().into_iter().map(|r| r.path.join(folder));
            let all = first.iter().cloned().chain(roles).chain(brought.iter().map(|f| f.join(folder)));
            all.filter(|p| p.is_dir()).collect()
        };
        Places {
            libraries: folders(&settings.module_paths, "library"),
            plugins: folders(&settings.plugin_paths.action, "action_plugins"),
            collections,
            names: own.into_iter().chain(named).collect(),
        }
    }

    fn library(&self, short: &str) -> Option<PathBuf> {
        let file = |library: &PathBuf, e: &&str| Some(library.join(short).with_extension(e)).filter(|p| p.is_file());
        self.libraries.iter().find_map(|library| ["py", "sh", ""].iter().find_map(|e| file(library, e)))
    }

    fn plugin(&self, short: &str) -> Option<PathBuf> {
        self.plugins.iter().map(|folder| folder.join(format!("{short}.py"))).find(|p| p.is_file())
    }
}

impl Action {
    fn new(written: &str, name: &str, full: String) -> Action {
        let (written, name) = (written.to_owned(), name.to_owned());
        Action { written, name, full, spec: None, custom: None, plugin: None, deprecated: Vec::new() }
    }

    /// One whose name can't be resolved: it fails where it is reached.
    pub fn missing(written: &str) -> Action {
        Action::new(written, written, written.to_owned())
    }

    /// One of imgbuild's own or of ansible-core's.
    fn native(written: &str, name: &str) -> Option<Action> {
        if let Some(spec) = spec::module(name) {
            return Some(Action { spec: Some(spec), ..Action::new(written, spec.name, spec.fqcn.to_owned()) });
        }
        let short = short(name);
        is_builtin(short).then(|| Action::new(written, short, format!("ansible.builtin.{short}")))
    }

    /// The action of this name.
    pub fn resolve(written: &str, places: &Places) -> Result<Action, Unresolved> {
        if written.contains("{{") {
            return Ok(Action::missing(written));
        }
        let simple = !written.contains('.') && !written.contains('/') && !written.is_empty();
        for collection in places.names.iter().filter(|_| simple) {
            if !matches!(collection.as_str(), "ansible.builtin" | "ansible.legacy") {
                match Action::of_collection(written, &format!("{collection}.{written}"), places) {
                    Err(Unresolved::Unknown(_)) => {}
                    known => return known,
                }
            }
        }
        let short = short(written);
        if !written.starts_with("ansible.builtin.") {
            let (custom, plugin) = (places.library(short), places.plugin(short));
            if custom.is_some() || plugin.is_some() {
                let native = custom.is_none().then(|| Action::native(written, short)).flatten();
                let spec = native.and_then(|n| n.spec);
                return Ok(Action { custom, plugin, spec, ..Action::new(written, short, short.to_owned()) });
            }
        }
        if let Some(native) = Action::native(written, written) {
            return Ok(native);
        }
        let moved = super::redirects::module(short);
        let full =
            if simple || short != written { moved.as_deref() } else { collections::split(written).map(|_| written) };
        let Some(full) = full else { return Err(Unresolved::Unknown(did_you_mean(short, names()).map(str::to_owned))) };
        match Action::of_collection(written, full, places) {
            Err(Unresolved::Unknown(_)) => Err(Unresolved::Unsupported),
            found => found,
        }
    }

    /// What a full name leads to.
    fn of_collection(written: &str, full: &str, places: &Places) -> Result<Action, Unresolved> {
        let module = match places.collections.find(Kind::Module, full) {
            Err(Nowhere::Removed(why)) => return Err(Unresolved::Removed(why)),
            module => module.ok(),
        };
        let deprecated = module.as_ref().map(|m| m.deprecated.clone()).unwrap_or_default();
        let native = match &module {
            // What imgbuild has itself it runs itself, with or without an action plugin of the collection's.
            Some(module) if module.file.is_none() => Action::native(written, &module.full),
            Some(_) => None,
            None => spec::module(full).and_then(|_| Action::native(written, full)),
        };
        if let Some(native) = native {
            return Ok(Action { deprecated, ..native });
        }
        let own = places.collections.find(Kind::Action, full).ok();
        // What runs it may be named by the module; whose defaults it has is its own affair.
        let handler = match module.as_ref().and_then(|m| m.action_plugin.as_ref()) {
            Some(named) => places.collections.find(Kind::Action, named).ok(),
            None => own.clone(),
        };
        let Some(leads) = own.as_ref().or(module.as_ref()).or(handler.as_ref()).map(|f| f.full.clone()) else {
            return Err(Unresolved::Unknown(None));
        };
        let custom = module.and_then(|m| m.file);
        let plugin = handler.and_then(|h| h.file);
        Ok(Action { custom, plugin, deprecated, ..Action::new(written, full, leads) })
    }

    /// One that the program itself uses.
    pub fn builtin(name: &'static str) -> Action {
        Action { spec: spec::module(name), ..Action::new(name, name, format!("ansible.builtin.{name}")) }
    }

    /// Whether its name is only known once it is rendered.
    pub fn is_template(&self) -> bool {
        self.written.contains("{{")
    }

    /// Whether it takes free text (`_raw_params`). What a user's module takes is its own affair.
    pub fn takes_raw(&self) -> bool {
        FREE_FORM.contains(&self.name.as_str())
            || self.is_template()
            || self.custom.is_some()
            || self.plugin.is_some()
            || self.spec.is_some_and(|s| s.free_form)
    }

    /// An `include_tasks` or `include_role`.
    pub fn is_include(&self) -> bool {
        matches!(self.name.as_str(), "include_tasks" | "include_role")
    }
}

/// Without `ansible.builtin.` or `ansible.legacy.`.
fn short(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name)
}

/// Whether ansible-core has an action or module of this short name.
pub fn is_builtin(short: &str) -> bool {
    BUILTIN.contains(&short)
}

/// The error of free text where a module takes none, in Ansible's words.
pub fn no_raw(full: &str) -> String {
    format!("Action '{full}' does not support raw params.")
}

/// The error of a module that nobody knows, in Ansible's words.
pub fn unknown(name: &str) -> Diagnostic {
    Diagnostic::error(format!(
        "couldn't resolve module/action '{name}'. This often indicates a misspelling, missing collection, or incorrect module path."
    ))
}

/// The warning of a module that only imgbuild lacks.
pub fn unavailable(name: &str) -> Diagnostic {
    Diagnostic::warning(format!("the module '{name}' is not available in imgbuild"))
}

/// All short names.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().copied().chain(spec::all().map(|m| m.name))
}
