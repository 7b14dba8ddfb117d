//! Everything a run can be told: the command line's flags, `ANSIBLE_*` variables and `ansible.cfg`, resolved to plain values.
//!
//! [`Settings::resolve`] takes environment, configuration file, working directory and home as arguments: this crate reads
//! none of them by itself. Flags are set by the caller on the public fields afterwards.

mod args;
mod config_file;
mod extra_vars;
mod ignored;
mod options;

pub use args::Args;
pub use config_file::{ConfigFile, find_config_file};
pub use extra_vars::parse_extra_vars;
pub use options::{Unknown, parse_bool};

use imgbuild_diag::Secret;
use imgbuild_jinja::Map;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// When facts are gathered for plays that do not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gathering {
    /// At the start of every play.
    #[default]
    Implicit,
    /// Only where `gather_facts: true` is written.
    Explicit,
    /// Once per host and run.
    Smart,
}

/// What to do when something is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reaction {
    /// Fail.
    Error,
    /// Warn.
    #[default]
    Warn,
    /// Nothing.
    Ignore,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResultFormat {
    /// One line of JSON.
    #[default]
    Json,
    /// A block of YAML.
    Yaml,
}

/// Settings of the `default` callback.
#[derive(Debug, Clone)]
pub struct Display {
    /// Show skipped hosts.
    pub skipped_hosts: bool,
    /// Show hosts that are ok.
    pub ok_hosts: bool,
    /// Failures go to the standard error.
    pub failed_stderr: bool,
    /// Show `[started TASK on HOST]`.
    pub per_host_start: bool,
    /// Mark banners with `[CHECK MODE]`.
    pub check_mode_markers: bool,
    /// Show the task's file on failure.
    pub task_path_on_failure: bool,
    /// Show `set_stats`' values at the end.
    pub custom_stats: bool,
    /// JSON or YAML.
    pub result_format: ResultFormat,
    /// Indent results; `None`: YAML yes, JSON no.
    pub pretty_results: Option<bool>,
    /// Show arguments in banners.
    pub args_to_stdout: bool,
    /// Show warnings about deprecated forms.
    pub deprecation_warnings: bool,
    /// Show the flushes of handlers between a play's sections. Of Ansible's debugging output only this is of use to others.
    pub debug: bool,
    /// Lines of context in differences.
    pub diff_context: usize,
    /// The callback that writes the standard output.
    pub stdout: String,
    /// Ad-hoc commands use it, too (`bin_ansible_callbacks`).
    pub stdout_in_ad_hoc: bool,
}

impl Default for Display {
    fn default() -> Self {
        Display {
            skipped_hosts: true,
            ok_hosts: true,
            failed_stderr: false,
            per_host_start: false,
            check_mode_markers: false,
            task_path_on_failure: false,
            custom_stats: false,
            result_format: ResultFormat::Json,
            pretty_results: None,
            args_to_stdout: false,
            deprecation_warnings: true,
            debug: false,
            diff_context: 3,
            stdout: "default".into(),
            stdout_in_ad_hoc: false,
        }
    }
}

/// What all connections start from; connection variables of a host win.
#[derive(Debug, Clone)]
pub struct ConnectionDefaults {
    /// `-c`: `ssh`, `local`; `smart` means `ssh`.
    pub plugin: String,
    /// `-u`.
    pub remote_user: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// `--private-key`.
    pub private_key_file: Option<PathBuf>,
    /// `-T`, seconds.
    pub timeout: u64,
    /// `-k`: the password that was asked for.
    pub password: Option<Secret>,
    /// `ssh_args`.
    pub ssh_args: String,
    /// `--ssh-common-args`.
    pub ssh_common_args: String,
    /// `--ssh-extra-args`.
    pub ssh_extra_args: String,
    /// Refuse unknown host keys.
    pub host_key_checking: bool,
}

/// What privilege escalation starts from; keywords and variables win.
#[derive(Debug, Clone, Default)]
pub struct BecomeDefaults {
    /// `-b`.
    pub enabled: bool,
    /// `--become-method`; empty means `sudo`.
    pub method: String,
    /// `--become-user`; empty means `root`.
    pub user: String,
    /// `become_exe` of the configuration.
    pub exe: String,
    /// `become_flags` of the configuration.
    pub flags: String,
    /// `-K`: the password that was asked for, or `ANSIBLE_BECOME_PASS`.
    pub password: Option<Secret>,
    /// What is set for one method alone: `sudo_flags`, `su_user`, `doas_exe`… A password may be among them.
    pub own: BTreeMap<&'static str, Secret>,
}

/// Passwords that the configuration says to ask for or where to read them; reading them is the caller's.
#[derive(Debug, Clone, Default)]
pub struct Prompts {
    /// `ask_pass`.
    pub connection: bool,
    /// `become_ask_pass`.
    pub become_: bool,
    /// `ask_vault_pass`.
    pub vault: bool,
    /// `vault_password_file`.
    pub vault_password_file: Option<PathBuf>,
    /// `vault_identity_list`: `id@source`.
    pub vault_identities: Vec<String>,
    /// `vault_encrypt_identity`.
    pub vault_encrypt_identity: Option<String>,
    /// `connection_password_file`.
    pub connection_password_file: Option<PathBuf>,
    /// `become_password_file`.
    pub become_password_file: Option<PathBuf>,
}

/// One vault password and its id (`default` where none was given).
#[derive(Debug, Clone)]
pub struct VaultSecret {
    /// Id.
    pub id: String,
    /// Password.
    pub password: Secret,
}

/// Folders with plugins of the user, in Python, by what they are for.
#[derive(Debug, Clone, Default)]
pub struct PluginPaths {
    /// Filters.
    pub filter: Vec<PathBuf>,
    /// Tests.
    pub test: Vec<PathBuf>,
    /// Lookups.
    pub lookup: Vec<PathBuf>,
    /// Actions.
    pub action: Vec<PathBuf>,
}

/// Settings of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Working directory.
    pub cwd: PathBuf,
    /// Home directory, for `~`.
    pub home: PathBuf,
    /// The environment of the controller (the `env` lookup, `expandvars`, `pipe`).
    pub env: BTreeMap<String, String>,
    /// The configuration file that was used.
    pub config_file: Option<PathBuf>,
    /// Name of the local user.
    pub local_user: String,

    /// `-i`, or `ANSIBLE_INVENTORY`.
    pub inventory: Vec<String>,
    /// `-l`.
    pub limit: Option<String>,
    /// `-e`, see [`parse_extra_vars`].
    pub extra_vars: Map,
    /// `-t`; empty means `all`.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
    /// `--start-at-task`.
    pub start_at_task: Option<String>,
    /// `--step`.
    pub step: bool,
    /// `-C`.
    pub check: bool,
    /// `-D`.
    pub diff: bool,
    /// `-f`.
    pub forks: usize,
    /// `-v` count.
    pub verbosity: u8,
    /// `--force-handlers`.
    pub force_handlers: bool,
    /// `--flush-cache`: what the cache keeps of the hosts is forgotten first.
    pub flush_cache: bool,
    /// Where facts are kept from run to run.
    pub fact_cache: crate::exec::FactCache,
    /// Connections.
    pub connection: ConnectionDefaults,
    /// Privilege escalation.
    pub become_: BecomeDefaults,
    /// Vault passwords, in the order in which they are tried.
    pub vault_secrets: Vec<VaultSecret>,
    /// The salt of new vaults; random where there is none (`vault_encrypt_salt`).
    pub vault_encrypt_salt: Option<String>,
    /// A vault is only opened with passwords of its own label.
    pub vault_id_match: bool,
    /// What is asked for, and where passwords are read, unless the command line says it.
    pub prompts: Prompts,

    /// Where roles are looked for after the playbook's own places.
    pub roles_path: Vec<PathBuf>,
    /// Where modules of the user are looked for first (`library`, `-M`).
    pub module_paths: Vec<PathBuf>,
    /// Where helpers of the user's modules are looked for (`module_utils`).
    pub module_utils_paths: Vec<PathBuf>,
    /// More folders with plugins of the user.
    pub plugin_paths: PluginPaths,
    /// Where collections are looked for.
    pub collections_path: Vec<PathBuf>,
    /// What was read of collections' metadata.
    pub(crate) collections: std::sync::Arc<crate::collections::Cache>,
    /// Folders of modules and action plugins that the playbooks and roles read so far bring along.
    pub(crate) brought: std::sync::Arc<crate::play::modules::Brought>,
    /// Metadata of action groups is looked at.
    pub validate_action_groups: bool,
    /// `ANSIBLE_PLAYBOOK_DIR`.
    pub playbook_dir: Option<PathBuf>,
    /// When facts are gathered.
    pub gathering: Gathering,
    /// `gather_subset` where a play says nothing; empty means `all`.
    pub gather_subset: Vec<String>,
    /// Seconds for slow facts.
    pub gather_timeout: u64,
    /// Facts also as `ansible_NAME`.
    pub inject_facts: bool,
    /// Mappings of the same name are merged instead of replaced.
    pub hash_merge: bool,
    /// Default strategy.
    pub strategy: String,
    /// Default of `any_errors_fatal`.
    pub any_errors_fatal: bool,
    /// Default of `no_log`.
    pub no_log: bool,
    /// Seconds that a task may take; 0 means no limit.
    pub task_timeout: u64,
    /// Default of `poll`.
    pub poll_interval: u64,
    /// A host pattern without match.
    pub host_pattern_mismatch: Reaction,
    /// A duplicate key in a YAML mapping.
    pub duplicate_dict_key: Reaction,
    /// An inventory source that can't be parsed is an error, even where others can.
    pub inventory_unparsed_is_failed: bool,
    /// It is said that there is no inventory.
    pub inventory_unparsed_warning: bool,
    /// No inventory could be parsed at all: an error instead of a warning.
    pub inventory_any_unparsed_is_failed: bool,
    /// Non-boolean conditions are accepted, with a warning (the behaviour before ansible-core 2.19).
    pub allow_broken_conditionals: bool,
    /// Whether role variables stay in the role (`private_role_vars`); unset: those of included roles do, others don't.
    pub private_role_vars: Option<bool>,
    /// A handler that is notified but missing fails the task.
    pub error_on_missing_handler: bool,
    /// Text of `ansible_managed`.
    pub ansible_managed: String,
    /// Write failed hosts to a retry file.
    pub retry_files: bool,
    /// Where retry files go; otherwise beside the playbook.
    pub retry_files_path: Option<PathBuf>,
    /// Every failure opens the debugger (`enable_task_debugger`).
    pub task_debugger: bool,
    /// The debugger does not open for failures that are ignored.
    pub task_debugger_ignore_errors: bool,
    /// A keyword that a task can't have is an error, otherwise a warning.
    pub invalid_attributes_fail: bool,
    /// All output is also written to this file.
    pub log_path: Option<PathBuf>,
    /// Tags of Jinja beyond its own (`jinja2_extensions`).
    pub jinja_extensions: imgbuild_jinja::Extensions,
    /// Odd characters in groups' names.
    pub group_chars: crate::inventory::GroupChars,
    /// `constructed` inventories see extra variables.
    pub inventory_use_extra_vars: bool,
    /// Inventory plugins that may read files (`enable_plugins`).
    pub inventory_plugins: Vec<String>,
    /// Ends of names in an inventory's folder that are no sources.
    pub inventory_ignore_ends: Vec<String>,
    /// Names in an inventory's folder that are no sources.
    pub inventory_ignore_patterns: Vec<regex::Regex>,
    /// `ansible-inventory` shows what is defined at each group (`--export`).
    pub inventory_export: bool,
    /// The `default` callback.
    pub display: Display,
}

impl Settings {
    /// Ansible's defaults, for this working directory and home.
    pub fn new(cwd: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        Settings {
            cwd: cwd.into(),
            env: BTreeMap::new(),
            config_file: None,
            local_user: String::from("root"),
            inventory: Vec::new(),
            limit: None,
            extra_vars: Map::new(),
            tags: Vec::new(),
            skip_tags: Vec::new(),
            start_at_task: None,
            step: false,
            check: false,
            diff: false,
            forks: 5,
            verbosity: 0,
            force_handlers: false,
            flush_cache: false,
            fact_cache: crate::exec::FactCache {
                lasts: Some(std::time::Duration::from_secs(86_400)),
                ..Default::default()
            },
            connection: ConnectionDefaults {
                plugin: "ssh".into(),
                remote_user: None,
                port: None,
                private_key_file: None,
                timeout: 10,
                password: None,
                ssh_args: "-C -o ControlMaster=auto -o ControlPersist=60s".into(),
                ssh_common_args: String::new(),
                ssh_extra_args: String::new(),
                host_key_checking: true,
            },
            become_: BecomeDefaults::default(),
            vault_secrets: Vec::new(),
            vault_id_match: false,
            prompts: Prompts::default(),
            roles_path: vec![
                home.join(".ansible/roles"),
                "/usr/share/ansible/roles".into(),
                "/etc/ansible/roles".into(),
            ],
            collections_path: vec![home.join(".ansible/collections"), "/usr/share/ansible/collections".into()],
            home,
            module_paths: Vec::new(),
            module_utils_paths: Vec::new(),
            plugin_paths: PluginPaths::default(),
            collections: std::sync::Arc::default(),
            brought: std::sync::Arc::default(),
            validate_action_groups: true,
            vault_encrypt_salt: None,
            playbook_dir: None,
            gathering: Gathering::Implicit,
            gather_subset: Vec::new(),
            gather_timeout: 10,
            inject_facts: true,
            hash_merge: false,
            strategy: "linear".into(),
            any_errors_fatal: false,
            no_log: false,
            task_timeout: 0,
            poll_interval: 15,
            host_pattern_mismatch: Reaction::Warn,
            duplicate_dict_key: Reaction::Warn,
            inventory_unparsed_is_failed: false,
            inventory_unparsed_warning: true,
            inventory_any_unparsed_is_failed: false,
            allow_broken_conditionals: true,
            private_role_vars: None,
            error_on_missing_handler: true,
            ansible_managed: "Ansible managed".into(),
            retry_files: false,
            retry_files_path: None,
            task_debugger: false,
            task_debugger_ignore_errors: true,
            invalid_attributes_fail: true,
            log_path: None,
            jinja_extensions: imgbuild_jinja::Extensions::default(),
            group_chars: crate::inventory::GroupChars::default(),
            inventory_use_extra_vars: false,
            inventory_plugins: ["host_list", "script", "auto", "yaml", "ini", "toml"].map(str::to_owned).into(),
            inventory_ignore_ends: crate::inventory::IGNORED_ENDS.map(str::to_owned).into(),
            inventory_ignore_patterns: Vec::new(),
            inventory_export: false,
            display: Display::default(),
        }
    }

    /// Defaults, then the configuration file, then `ANSIBLE_*` of `env`. Listed are values that are not understood, and
    /// variables of the environment that have no effect.
    pub fn resolve(
        env: BTreeMap<String, String>,
        config: Option<&ConfigFile>,
        cwd: impl Into<PathBuf>,
        home: impl Into<PathBuf>,
    ) -> (Self, Vec<Unknown>) {
        let mut settings = Settings::new(cwd, home);
        settings.env = env;
        settings.config_file = config.map(|c| c.path.clone());
        if let Some(user) = ["LOGNAME", "USER", "LNAME", "USERNAME"].iter().find_map(|k| settings.env.get(*k)) {
            settings.local_user = user.clone();
        }
        let unknown = options::apply(&mut settings, config);
        (settings, unknown)
    }
}

/// Exit codes of `ansible-playbook`.
pub mod exit {
    /// All went well.
    pub const OK: u8 = 0;
    /// An error that no other code names.
    pub const ERROR: u8 = 1;
    /// A task failed on a host.
    pub const FAILED: u8 = 2;
    /// A host was unreachable, or an input could not be parsed.
    pub const UNREACHABLE: u8 = 4;
    /// Wrong options on the command line.
    pub const USAGE: u8 = 5;
    /// Ctrl-C.
    pub const INTERRUPTED: u8 = 99;
    /// A defect of the program.
    pub const UNEXPECTED: u8 = 250;

    /// The code of a run that these errors keep from beginning: the first one says it, as Ansible stops there. Where nothing
    /// else is known it is a parser's.
    pub fn of(problems: &imgbuild_diag::Diagnostics) -> u8 {
        problems.errors().next().and_then(|d| d.exit).unwrap_or(UNREACHABLE)
    }
}

/// A path as a person writes it: `~` is the home directory, relative ones count from the working directory.
pub fn expand_home(path: &str, settings: &Settings) -> PathBuf {
    let expanded = expand_variables(path, settings);
    let path = expanded.as_str();
    match path.strip_prefix("~/") {
        Some(rest) => settings.home.join(rest),
        None if path == "~" => settings.home.clone(),
        None => settings.cwd.join(path),
    }
}

/// `$NAME` and `${NAME}` of the environment, as Python's `os.path.expandvars` has them: what is not set stays as it is.
fn expand_variables(path: &str, settings: &Settings) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let word = |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        let (name, end) = match after.strip_prefix('{').and_then(|inner| Some((inner, inner.find('}')?))) {
            Some((inner, end)) => (&inner[..end], end + 2),
            None => (&after[..word(after)], word(after)),
        };
        match settings.env.get(name) {
            Some(value) if !name.is_empty() => out.push_str(value),
            _ => {
                out.push('$');
                out.push_str(&after[..end]);
            }
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}
