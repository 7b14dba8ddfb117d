//! From the name of an action to what runs it.

use imgbuild_diag::{Diagnostic, did_you_mean};
use imgbuild_proto::spec;
use std::path::PathBuf;

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
    /// Arguments' specification, where one is known.
    pub spec: Option<&'static spec::Module>,
    /// A module of the user (`library/NAME.py`).
    pub custom: Option<PathBuf>,
}

/// Why a name is no action.
#[derive(Debug, Clone, PartialEq)]
pub enum Unresolved {
    /// No such module is known anywhere; a similar one may be.
    Unknown(Option<String>),
    /// A module of a collection that imgbuild does not have.
    Unsupported,
}

impl Action {
    /// The action of this name. `libraries`: folders with modules of the user.
    pub fn resolve(written: &str, libraries: &[PathBuf]) -> Result<Action, Unresolved> {
        let action =
            |name: &str, spec, custom| Action { written: written.to_owned(), name: name.to_owned(), spec, custom };
        if written.contains("{{") {
            return Ok(action(written, None, None));
        }
        let short = written
            .strip_prefix("ansible.builtin.")
            .or_else(|| written.strip_prefix("ansible.legacy."))
            .unwrap_or(written);
        if !written.starts_with("ansible.builtin.") {
            for library in libraries {
                let found =
                    ["py", "sh", ""].iter().map(|e| library.join(short).with_extension(e)).find(|p| p.is_file());
                if let Some(path) = found {
                    return Ok(action(short, None, Some(path)));
                }
            }
        }
        if let Some(spec) = spec::module(written) {
            return Ok(action(spec.name, Some(spec), None));
        }
        if BUILTIN.contains(&short) {
            return Ok(action(short, None, None));
        }
        if written.matches('.').count() >= 2 && !written.starts_with("ansible.builtin.") {
            return Err(Unresolved::Unsupported);
        }
        if super::redirects::collection("module", short).is_some() {
            return Err(Unresolved::Unsupported);
        }
        Err(Unresolved::Unknown(did_you_mean(short, names()).map(str::to_owned)))
    }

    /// One that the program itself uses.
    pub fn builtin(name: &'static str) -> Action {
        Action { written: name.to_owned(), name: name.to_owned(), spec: spec::module(name), custom: None }
    }

    /// Whether its name is only known once it is rendered.
    pub fn is_template(&self) -> bool {
        self.written.contains("{{")
    }

    /// An `include_tasks` or `include_role`.
    pub fn is_include(&self) -> bool {
        matches!(self.name.as_str(), "include_tasks" | "include_role")
    }
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
