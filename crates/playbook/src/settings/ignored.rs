//! Settings of ansible-core that change what a playbook does there and have no effect here: each is named when it is set to
//! something else than its default. What has nothing to act on here is listed in [`WITHOUT_EFFECT`] and accepted in silence.
//!
//! The table follows `ansible-config list` of ansible-core 2.19, its `ssh` and `sudo` plugins included.

use super::options::Unknown;
use super::{ConfigFile, Settings};
use imgbuild_diag::did_you_mean;

/// A setting that is read by name only.
struct Ignored {
    env: &'static str,
    section: &'static str,
    key: &'static str,
    /// Values that say no more than the default.
    default: &'static [&'static str],
    why: &'static str,
}

const fn row(
    env: &'static str,
    section: &'static str,
    key: &'static str,
    default: &'static [&'static str],
    why: &'static str,
) -> Ignored {
    Ignored { env, section, key, default, why }
}

const FALSE: &[&str] = &["false", "no", "0", "off", "n", "f"];

const TABLE: &[Ignored] = &[
    row(
        "ANSIBLE_EXECUTABLE",
        "defaults",
        "executable",
        &["/bin/sh"],
        "commands are run by /bin/sh; set \"executable\" on the task",
    ),
    row(
        "ANSIBLE_FACTS_MODULES",
        "defaults",
        "facts_modules",
        &["smart", "setup", "ansible.builtin.setup", "ansible.legacy.setup"],
        "facts are gathered by setup",
    ),
    row(
        "ANSIBLE_VAULT_IDENTITY",
        "defaults",
        "vault_identity",
        &["default"],
        "the label of the default vault id is \"default\"",
    ),
    row(
        "ANSIBLE_PLAYBOOK_VARS_ROOT",
        "defaults",
        "playbook_vars_root",
        &["top"],
        "group_vars and host_vars are read beside the first playbook",
    ),
    row(
        "ANSIBLE_VARS_ENABLED",
        "defaults",
        "vars_plugins_enabled",
        &["host_group_vars", "ansible.builtin.host_group_vars"],
        "group_vars and host_vars are always read, other vars plugins are not available",
    ),
    row(
        "ANSIBLE_PRECEDENCE",
        "defaults",
        "precedence",
        &[
            "all_inventory, groups_inventory, all_plugins_inventory, all_plugins_play, groups_plugins_inventory, groups_plugins_play",
        ],
        "the order of precedence is Ansible's default",
    ),
    row(
        "ANSIBLE_YAML_FILENAME_EXT",
        "defaults",
        "yaml_valid_extensions",
        &[".yml, .yaml, .json"],
        "files of variables end in .yml, .yaml or .json, or in nothing",
    ),
    row("ANSIBLE_CALLBACKS_ENABLED", "defaults", "callbacks_enabled", &[], "callback plugins are not available"),
    row("ANSIBLE_CALLBACK_WHITELIST", "defaults", "callback_whitelist", &[], "callback plugins are not available"),
    row("ANSIBLE_MAX_DIFF_SIZE", "defaults", "max_diff_size", &["104448"], "files are compared whatever their size"),
    row("ANSIBLE_LOG_FILTER", "defaults", "log_filter", &[], "the log is not filtered"),
    row("ANSIBLE_LOG_VERBOSITY", "defaults", "log_verbosity", &[], "the log has what the output has"),
    row("ANSIBLE_VERBOSE_TO_STDERR", "defaults", "verbose_to_stderr", FALSE, "messages of -v go where the output goes"),
    row(
        "ANSIBLE_RUN_VARS_PLUGINS",
        "defaults",
        "run_vars_plugins",
        &["demand"],
        "files of variables are read when they are needed",
    ),
    row(
        "ANSIBLE_LIBVIRT_LXC_NOSECLABEL",
        "selinux",
        "libvirt_lxc_noseclabel",
        FALSE,
        "LXC containers of libvirt are not managed",
    ),
    row(
        "ANSIBLE_SELINUX_SPECIAL_FS",
        "selinux",
        "special_context_filesystems",
        &["fuse, nfs, vboxsf, ramfs, 9p, vfat"],
        "the list of file systems with contexts of their own is Ansible's default",
    ),
    row(
        "ANSIBLE_BECOME_ALLOW_SAME_USER",
        "privilege_escalation",
        "become_allow_same_user",
        FALSE,
        "nothing is done to become the user that one is",
    ),
    row(
        "ANSIBLE_SSH_EXECUTABLE",
        "ssh_connection",
        "ssh_executable",
        &["ssh", "/usr/bin/ssh"],
        "no ssh program is run",
    ),
    row("ANSIBLE_PKCS11_PROVIDER", "ssh_connection", "pkcs11_provider", &[], "PKCS#11 providers are not supported"),
    row(
        "ANSIBLE_SSH_RETRIES",
        "ssh_connection",
        "retries",
        &["0"],
        "a connection is tried once, and made anew where it breaks",
    ),
    row("ANSIBLE_PLUGIN_FILTERS_CFG", "defaults", "plugin_filters_cfg", &[], "modules are not filtered"),
];

/// Folders of Python plugins: named where there is one.
const FOLDERS: &[(&str, &str, &str)] = &[
    ("ANSIBLE_BECOME_PLUGINS", "become_plugins", "become"),
    ("ANSIBLE_CACHE_PLUGINS", "cache_plugins", "cache"),
    ("ANSIBLE_CALLBACK_PLUGINS", "callback_plugins", "callback"),
    ("ANSIBLE_CONNECTION_PLUGINS", "connection_plugins", "connection"),
    ("ANSIBLE_INVENTORY_PLUGINS", "inventory_plugins", "inventory"),
    ("ANSIBLE_STRATEGY_PLUGINS", "strategy_plugins", "strategy"),
    ("ANSIBLE_VARS_PLUGINS", "vars_plugins", "vars"),
];

/// Options of Ansible that have nothing to act on here: temporary files, Python, control sockets, colours (the terminal's
/// business), cowsay, networks' devices, Windows, what ansible-core itself no longer reads, and what concerns other programs.
pub const WITHOUT_EFFECT: &[&str] = &[
    "ANSIBLE_CONFIG",
    "ANSIBLE_NOCOLOR",
    "ANSIBLE_FORCE_COLOR",
    "ANSIBLE_PIPELINING",
    "ANSIBLE_SSH_PIPELINING",
    "ANSIBLE_REMOTE_TEMP",
    "ANSIBLE_REMOTE_TMP",
    "ANSIBLE_LOCAL_TEMP",
    "ANSIBLE_HOME",
    "ANSIBLE_DEVEL_WARNING",
    "ANSIBLE_LOCALHOST_WARNING",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING",
    "ANSIBLE_PYTHON_INTERPRETER",
    "ANSIBLE_KEEP_REMOTE_FILES",
    "ANSIBLE_NOCOWS",
    "ANSIBLE_COW_SELECTION",
    "ANSIBLE_COW_ACCEPTLIST",
    "ANSIBLE_COW_PATH",
    "ANSIBLE_SSH_CONTROL_PATH",
    "ANSIBLE_SSH_CONTROL_PATH_DIR",
    "ANSIBLE_SSH_USETTY",
    "ANSIBLE_SSH_TRANSFER_METHOD",
    "ANSIBLE_SCP_IF_SSH",
    "ANSIBLE_ACTION_WARNINGS",
    "ANSIBLE_SYSTEM_WARNINGS",
    "ANSIBLE_COMMAND_WARNINGS",
    "ANSIBLE_JINJA2_NATIVE",
    "ANSIBLE_TEST_ANSIBLE_VERSION",
    "ANSIBLE_AGNOSTIC_BECOME_PROMPT",
    "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH",
    "ANSIBLE_COLLECTIONS_ON_ANSIBLE_VERSION_MISMATCH",
    "ANSIBLE_CONNECTION_PATH",
    "ANSIBLE_DISPLAY_TRACEBACK",
    "ANSIBLE_DOC_FRAGMENT_PLUGINS",
    "ANSIBLE_ERROR_ON_UNDEFINED_VARS",
    "ANSIBLE_NULL_REPRESENTATION",
    "ANSIBLE_STRING_TYPE_FILTERS",
    "ANSIBLE_EDITOR",
    "ANSIBLE_PAGER",
    "ANSIBLE_MODULE_ARGS",
    "ANSIBLE_MODULE_UTILS",
    "ANSIBLE_MODULE_IGNORE_EXTS",
    "ANSIBLE_MODULE_STRICT_UTF8_RESPONSE",
    "ANSIBLE_NO_TARGET_SYSLOG",
    "ANSIBLE_SYSLOG_FACILITY",
    "ANSIBLE_TARGET_LOG_INFO",
    "ANSIBLE_PYTHON_MODULE_RLIMIT_NOFILE",
    "ANSIBLE_OLD_PLUGIN_CACHE_CLEAR",
    "ANSIBLE_SU",
    "ANSIBLE_USE_PERSISTENT_CONNECTIONS",
    "ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT",
    "ANSIBLE_WORKER_SHUTDOWN_POLL_DELAY",
    "ANSIBLE_WIN_ASYNC_STARTUP_TIMEOUT",
    "ANSIBLE_ALLOW_EMBEDDED_TEMPLATES",
];

/// Beginnings of variables that concern other programs, colours, networks' devices.
const FAMILIES: &[&str] = &[
    "ANSIBLE_GALAXY_",
    "ANSIBLE_COLOR_",
    "ANSIBLE_PARAMIKO_",
    "ANSIBLE_PERSISTENT_",
    "ANSIBLE_NETWORK_",
    "ANSIBLE_NETCONF_",
    "ANSIBLE_HTTPAPI_",
    "ANSIBLE_CLICONF_",
    "ANSIBLE_TERMINAL_",
    "ANSIBLE_SSH_AGENT",
    "ANSIBLE_LOOKUP_URL_",
    "ANSIBLE_INVENTORY_CACHE",
];

/// What is set and has no effect. `known` are the environment's variables and the file's keys that do have one.
pub fn find(
    settings: &Settings,
    config: Option<&ConfigFile>,
    known_env: &dyn Fn(&str) -> bool,
    known_keys: &[(&'static str, &'static str)],
) -> Vec<Unknown> {
    let mut found = Vec::new();
    let env = |name: &str| settings.env.get(name).filter(|v| !v.is_empty()).cloned();
    let file = |section: &str, key: &str| config.and_then(|c| c.get(section, key)).map(str::to_owned);
    for row in TABLE {
        let named = env(row.env)
            .map(|value| (row.env.to_owned(), value))
            .or_else(|| file(row.section, row.key).map(|value| (format!("[{}] {}", row.section, row.key), value)));
        let Some((name, value)) = named else { continue };
        let plain = |text: &str| text.split(',').map(str::trim).collect::<Vec<_>>().join(",").to_lowercase();
        if !value.trim().is_empty() && !row.default.iter().any(|d| plain(d) == plain(&value)) {
            found.push(Unknown { name, why: format!("{value:?} has no effect here: {}", row.why) });
        }
    }
    for (variable, key, kind) in FOLDERS {
        let value = env(variable).map(|v| ((*variable).to_owned(), v));
        let Some((name, value)) = value.or_else(|| file("defaults", key).map(|v| (format!("[defaults] {key}"), v)))
        else {
            continue;
        };
        let base = config.map_or(settings.cwd.as_path(), ConfigFile::dir);
        let has_python = |path: &str| {
            let path = super::expand_home(path, settings);
            let entries = fs_err::read_dir(base.join(path)).into_iter().flatten().flatten();
            entries.into_iter().any(|e| e.path().extension().is_some_and(|e| e == "py"))
        };
        if value.split(':').map(str::trim).filter(|p| !p.is_empty()).any(has_python) {
            found.push(Unknown { name, why: format!("{kind} plugins in Python are not run") });
        }
    }
    let listed = |name: &str| {
        known_env(name)
            || WITHOUT_EFFECT.contains(&name)
            || FAMILIES.iter().any(|f| name.starts_with(f))
            || TABLE.iter().any(|r| r.env == name)
            || FOLDERS.iter().any(|(variable, ..)| *variable == name)
    };
    for name in settings.env.keys().filter(|n| n.starts_with("ANSIBLE_") && !listed(n)) {
        found.push(Unknown { name: name.clone(), why: "this setting has no effect here".into() });
    }
    // A key that nobody knows is Ansible's silence; one that looks like a setting is a mistake.
    let keys = || known_keys.iter().copied().chain(TABLE.iter().map(|r| (r.section, r.key)));
    for (section, key, _) in config.iter().flat_map(|c| c.entries()) {
        let here: Vec<&str> = keys().filter(|(s, _)| *s == section).map(|(_, k)| k).collect();
        if here.contains(&key) || SPELLED.contains(&key) {
            continue;
        }
        if let Some(similar) = did_you_mean(key, here.iter().copied()) {
            found.push(Unknown {
                name: format!("[{section}] {key}"),
                why: format!("there is no such setting, did you mean {similar:?}?"),
            });
        }
    }
    found
}

/// Keys of Ansible, old and new, that are near to others.
const SPELLED: &[&str] = &[
    "ask_sudo_pass",
    "cache_plugins",
    "callback_plugins",
    "become_plugins",
    "connection_plugins",
    "inventory_plugins",
    "strategy_plugins",
    "vars_plugins",
    "remote_tmp",
    "remote_temp",
    "local_tmp",
    "local_temp",
    "module_lang",
    "module_name",
    "module_args",
    "control_path",
    "control_path_dir",
    "sftp_extra_args",
    "scp_extra_args",
    "sudo_user",
    "su_user",
    "callback_allowlist",
    "pattern",
    "hostfile",
    "inventory_plugins",
    "pipelining",
    "transport",
    "timeout",
    "connect_timeout",
    "command_timeout",
    "connect_retries",
    "cache",
    "cache_plugin",
    "cache_timeout",
    "cache_connection",
    "cache_prefix",
    "skip",
    "bin_ansible_callbacks",
    "interpreter_python",
    "localhost_warning",
    "system_warnings",
    "command_warnings",
    "deprecation_warnings",
    "action_warnings",
    "devel_warning",
];
