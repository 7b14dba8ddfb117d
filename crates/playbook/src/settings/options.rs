//! The table of options that come from `ANSIBLE_*` variables and `ansible.cfg`.

use super::{ConfigFile, Gathering, Reaction, ResultFormat, Settings, expand_home};
use crate::inventory::GroupChars;
use imgbuild_diag::Secret;
use std::path::PathBuf;

/// Something that was set and has no effect here, or a value that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Variable, or `[section] key`.
    pub name: String,
    /// Why it has no effect.
    pub why: String,
}

struct Row {
    env: &'static [&'static str],
    file: &'static [(&'static str, &'static str)],
    set: fn(&mut Settings, &Given) -> Result<(), String>,
}

/// A value and the directory that relative paths in it count from.
struct Given {
    text: String,
    base: PathBuf,
}

impl Given {
    fn bool(&self) -> Result<bool, String> {
        parse_bool(&self.text).ok_or_else(|| format!("{:?} is no boolean", self.text))
    }
    fn number<T: std::str::FromStr>(&self) -> Result<T, String> {
        self.text.trim().parse().map_err(|_| format!("{:?} is no whole number", self.text))
    }
    fn list(&self) -> Vec<String> {
        self.text.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
    }
    fn path(&self, text: &str, settings: &Settings) -> PathBuf {
        let text = text.replace("{{CWD}}", &settings.cwd.display().to_string());
        let text = text.replace("{{ ANSIBLE_HOME }}", &settings.home.join(".ansible").display().to_string());
        // A variable may stand for a whole path.
        let relative = !(text.starts_with('/') || text.starts_with('~') || text.starts_with('$'));
        if relative { self.base.join(text) } else { expand_home(&text, settings) }
    }
    fn paths(&self, settings: &Settings) -> Vec<PathBuf> {
        self.text.split(':').filter(|p| !p.is_empty()).map(|p| self.path(p.trim(), settings)).collect()
    }
    fn reaction(&self) -> Result<Reaction, String> {
        match self.text.to_lowercase().as_str() {
            "error" => Ok(Reaction::Error),
            "warn" | "warning" => Ok(Reaction::Warn),
            "ignore" => Ok(Reaction::Ignore),
            _ => Err(format!("{:?} is not one of error, warn, ignore", self.text)),
        }
    }
}

/// Ansible's booleans.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
        "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
        _ => None,
    }
}

macro_rules! rows {
    ($( [$($env:literal),*] [$($section:literal . $key:literal),*] $set:expr; )*) => {
        const ROWS: &[Row] = &[$( Row { env: &[$($env),*], file: &[$(($section, $key)),*], set: $set } ),*];
    };
}

/// An option of one become method.
fn own(settings: &mut Settings, name: &'static str, given: &Given) -> Result<(), String> {
    settings.become_.own.insert(name, Secret::new(given.text.clone()));
    Ok(())
}

rows! {
    ["ANSIBLE_INVENTORY"] ["defaults"."inventory"] |s, g| { s.inventory = g.list().iter().map(|p| {
        g.path(p, s).display().to_string() }).collect(); Ok(()) };
    ["ANSIBLE_FORKS"] ["defaults"."forks"] |s, g| { s.forks = g.number()?; Ok(()) };
    ["ANSIBLE_VERBOSITY"] ["defaults"."verbosity"] |s, g| { s.verbosity = g.number()?; Ok(()) };
    ["ANSIBLE_ROLES_PATH"] ["defaults"."roles_path"] |s, g| { s.roles_path = g.paths(s); Ok(()) };
    ["ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_COLLECTIONS_PATHS"] ["defaults"."collections_path", "defaults"."collections_paths"]
        |s, g| { s.collections_path = g.paths(s); Ok(()) };
    ["ANSIBLE_FILTER_PLUGINS"] ["defaults"."filter_plugins"] |s, g| { s.plugin_paths.filter = g.paths(s); Ok(()) };
    ["ANSIBLE_TEST_PLUGINS"] ["defaults"."test_plugins"] |s, g| { s.plugin_paths.test = g.paths(s); Ok(()) };
    ["ANSIBLE_LOOKUP_PLUGINS"] ["defaults"."lookup_plugins"] |s, g| { s.plugin_paths.lookup = g.paths(s); Ok(()) };
    ["ANSIBLE_MODULE_UTILS"] ["defaults"."module_utils"] |s, g| { s.module_utils_paths = g.paths(s); Ok(()) };
    ["ANSIBLE_ACTION_PLUGINS"] ["defaults"."action_plugins"] |s, g| { s.plugin_paths.action = g.paths(s); Ok(()) };
    ["ANSIBLE_VALIDATE_ACTION_GROUP_METADATA"] ["defaults"."validate_action_group_metadata"]
        |s, g| { s.validate_action_groups = g.bool()?; Ok(()) };
    ["ANSIBLE_LIBRARY"] ["defaults"."library"] |s, g| { s.module_paths = g.paths(s); Ok(()) };
    ["ANSIBLE_PLAYBOOK_DIR"] ["defaults"."playbook_dir"] |s, g| { s.playbook_dir = Some(g.path(&g.text, s)); Ok(()) };
    ["ANSIBLE_GATHERING"] ["defaults"."gathering"] |s, g| { s.gathering = match g.text.to_lowercase().as_str() {
        "implicit" => Gathering::Implicit, "explicit" => Gathering::Explicit, "smart" => Gathering::Smart,
        _ => return Err(format!("{:?} is not one of implicit, explicit, smart", g.text)) }; Ok(()) };
    ["ANSIBLE_GATHER_SUBSET"] ["defaults"."gather_subset"] |s, g| { s.gather_subset = g.list(); Ok(()) };
    ["ANSIBLE_GATHER_TIMEOUT"] ["defaults"."gather_timeout"] |s, g| { s.gather_timeout = g.number()?; Ok(()) };
    ["ANSIBLE_INJECT_FACT_VARS"] ["defaults"."inject_facts_as_vars"] |s, g| { s.inject_facts = g.bool()?; Ok(()) };
    ["ANSIBLE_HASH_BEHAVIOUR"] ["defaults"."hash_behaviour"] |s, g| { s.hash_merge = g.text == "merge"; Ok(()) };
    ["ANSIBLE_STRATEGY"] ["defaults"."strategy"] |s, g| {
        // Mitogen's strategies are Ansible's, only faster: so is this program.
        s.strategy = g.text.strip_prefix("mitogen_").unwrap_or(&g.text).to_owned(); Ok(()) };
    ["ANSIBLE_ENABLE_TASK_DEBUGGER"] ["defaults"."enable_task_debugger"] |s, g| { s.task_debugger = g.bool()?; Ok(()) };
    ["ANSIBLE_TASK_DEBUGGER_IGNORE_ERRORS"] ["defaults"."task_debugger_ignore_errors"]
        |s, g| { s.task_debugger_ignore_errors = g.bool()?; Ok(()) };
    ["ANSIBLE_INVALID_TASK_ATTRIBUTE_FAILED"] ["defaults"."invalid_task_attribute_failed"]
        |s, g| { s.invalid_attributes_fail = g.bool()?; Ok(()) };
    ["ANSIBLE_LOG_PATH"] ["defaults"."log_path"] |s, g| { s.log_path = Some(g.path(&g.text, s)); Ok(()) };
    ["ANSIBLE_DIFF_CONTEXT"] ["diff"."context"] |s, g| { s.display.diff_context = g.number()?; Ok(()) };
    ["ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS"] ["defaults"."force_valid_group_names"] |s, g| {
        s.group_chars = match g.text.to_lowercase().as_str() {
            "always" | "true" | "yes" => GroupChars::Always, "never" | "false" | "no" => GroupChars::Never,
            "ignore" => GroupChars::Ignore, "silently" => GroupChars::Silently,
            _ => return Err(format!("{:?} is not one of always, never, ignore, silently", g.text)) }; Ok(()) };
    ["ANSIBLE_INVENTORY_USE_EXTRA_VARS"] ["inventory_plugins"."use_extra_vars"]
        |s, g| { s.inventory_use_extra_vars = g.bool()?; Ok(()) };
    ["ANSIBLE_INVENTORY_ENABLED"] ["inventory"."enable_plugins"] |s, g| {
        let short = |p: &String| p.strip_prefix("ansible.builtin.").unwrap_or(p).to_owned();
        s.inventory_plugins = g.list().iter().map(short).collect();
        match s.inventory_plugins.iter().find(|p| !INVENTORY.contains(&p.as_str())) {
            Some(other) => Err(format!("the inventory plugin {other:?} is not available; there are {}", INVENTORY.join(", "))),
            None => Ok(()),
        } };
    ["ANSIBLE_INVENTORY_IGNORE"] ["defaults"."inventory_ignore_extensions", "inventory"."ignore_extensions"]
        |s, g| { s.inventory_ignore_ends = g.list(); Ok(()) };
    ["ANSIBLE_INVENTORY_IGNORE_REGEX"] ["defaults"."inventory_ignore_patterns", "inventory"."ignore_patterns"] |s, g| {
        let compiled = g.list().iter().map(|p| regex::Regex::new(p)).collect::<Result<Vec<_>, _>>();
        s.inventory_ignore_patterns = compiled.map_err(|e| e.to_string())?; Ok(()) };
    ["ANSIBLE_INVENTORY_EXPORT"] ["inventory"."export"] |s, g| { s.inventory_export = g.bool()?; Ok(()) };
    ["ANSIBLE_RETRY_FILES_SAVE_PATH"] ["defaults"."retry_files_save_path"]
        |s, g| { s.retry_files_path = Some(g.path(&g.text, s)); Ok(()) };
    ["ANSIBLE_JINJA2_EXTENSIONS"] ["defaults"."jinja2_extensions"] |s, g| {
        let list = g.list();
        let has = |name: &str| list.iter().any(|e| e == &format!("jinja2.ext.{name}"));
        s.jinja_extensions = imgbuild_jinja::Extensions { do_: has("do"), loop_controls: has("loopcontrols") };
        const KNOWN: [&str; 5] = ["jinja2.ext.do", "jinja2.ext.loopcontrols", "jinja2.ext.i18n", "jinja2.ext.with_", "jinja2.ext.autoescape"];
        match list.iter().find(|e| !KNOWN.contains(&e.as_str())) {
            Some(other) => Err(format!("the Jinja extension {other:?} is not available; there are {}", KNOWN.join(", "))),
            None => Ok(()),
        } };
    ["ANSIBLE_ANY_ERRORS_FATAL"] ["defaults"."any_errors_fatal"] |s, g| { s.any_errors_fatal = g.bool()?; Ok(()) };
    ["ANSIBLE_NO_LOG"] ["defaults"."no_log"] |s, g| { s.no_log = g.bool()?; Ok(()) };
    ["ANSIBLE_TASK_TIMEOUT"] ["defaults"."task_timeout"] |s, g| { s.task_timeout = g.number()?; Ok(()) };
    ["ANSIBLE_POLL_INTERVAL"] ["defaults"."poll_interval"] |s, g| { s.poll_interval = g.number()?; Ok(()) };
    ["ANSIBLE_HOST_PATTERN_MISMATCH"] ["inventory"."host_pattern_mismatch"]
        |s, g| { s.host_pattern_mismatch = g.reaction()?; Ok(()) };
    ["ANSIBLE_DUPLICATE_YAML_DICT_KEY"] ["defaults"."duplicate_dict_key"]
        |s, g| { s.duplicate_dict_key = g.reaction()?; Ok(()) };
    ["ANSIBLE_INVENTORY_UNPARSED_WARNING"] ["inventory"."inventory_unparsed_warning"]
        |s, g| { s.inventory_unparsed_warning = g.bool()?; Ok(()) };
    ["ANSIBLE_INVENTORY_UNPARSED_FAILED"] ["inventory"."unparsed_is_failed"]
        |s, g| { s.inventory_any_unparsed_is_failed = g.bool()?; Ok(()) };
    ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] ["inventory"."any_unparsed_is_failed"]
        |s, g| { s.inventory_unparsed_is_failed = g.bool()?; Ok(()) };
    ["ANSIBLE_ALLOW_BROKEN_CONDITIONALS"] ["defaults"."allow_broken_conditionals"]
        |s, g| { s.allow_broken_conditionals = g.bool()?; Ok(()) };
    ["ANSIBLE_CACHE_PLUGIN"] ["defaults"."fact_caching"] |s, g| {
        s.fact_cache.json = match g.text.trim_start_matches("ansible.builtin.") {
            "memory" => false,
            "jsonfile" => true,
            other => return Err(format!("the cache plugin {other:?} is not available; there are memory and jsonfile")),
        };
        Ok(())
    };
    ["ANSIBLE_CACHE_PLUGIN_CONNECTION"] ["defaults"."fact_caching_connection"]
        |s, g| { s.fact_cache.dir = g.path(&g.text, s); Ok(()) };
    ["ANSIBLE_CACHE_PLUGIN_PREFIX"] ["defaults"."fact_caching_prefix"]
        |s, g| { s.fact_cache.prefix = g.text.clone(); Ok(()) };
    ["ANSIBLE_CACHE_PLUGIN_TIMEOUT"] ["defaults"."fact_caching_timeout"] |s, g| {
        let seconds: u64 = g.number()?;
        s.fact_cache.lasts = (seconds > 0).then(|| std::time::Duration::from_secs(seconds));
        Ok(())
    };
    ["ANSIBLE_PRIVATE_ROLE_VARS"] ["defaults"."private_role_vars"] |s, g| { s.private_role_vars = Some(g.bool()?); Ok(()) };
    ["ANSIBLE_VAULT_ID_MATCH"] ["defaults"."vault_id_match"]
        |s, g| { s.vault_id_match = g.bool()?; Ok(()) };
    ["ANSIBLE_ERROR_ON_MISSING_HANDLER"] ["defaults"."error_on_missing_handler"]
        |s, g| { s.error_on_missing_handler = g.bool()?; Ok(()) };
    ["ANSIBLE_MANAGED_STR"] ["defaults"."ansible_managed"] |s, g| { s.ansible_managed = g.text.clone(); Ok(()) };
    ["ANSIBLE_RETRY_FILES_ENABLED"] ["defaults"."retry_files_enabled"] |s, g| { s.retry_files = g.bool()?; Ok(()) };
    ["ANSIBLE_FORCE_HANDLERS"] ["defaults"."force_handlers"] |s, g| { s.force_handlers = g.bool()?; Ok(()) };
    ["ANSIBLE_RUN_TAGS"] ["tags"."run"] |s, g| { s.tags = g.list(); Ok(()) };
    ["ANSIBLE_SKIP_TAGS"] ["tags"."skip"] |s, g| { s.skip_tags = g.list(); Ok(()) };
    ["ANSIBLE_DIFF_ALWAYS"] ["diff"."always"] |s, g| { s.diff = g.bool()?; Ok(()) };
    ["ANSIBLE_TRANSPORT"] ["defaults"."transport"] |s, g| { s.connection.plugin = g.text.clone(); Ok(()) };
    ["ANSIBLE_REMOTE_USER"] ["defaults"."remote_user"] |s, g| { s.connection.remote_user = Some(g.text.clone()); Ok(()) };
    ["ANSIBLE_REMOTE_PORT"] ["defaults"."remote_port"] |s, g| { s.connection.port = Some(g.number()?); Ok(()) };
    ["ANSIBLE_PRIVATE_KEY_FILE"] ["defaults"."private_key_file"]
        |s, g| { s.connection.private_key_file = Some(g.path(&g.text, s)); Ok(()) };
    ["ANSIBLE_TIMEOUT", "ANSIBLE_SSH_TIMEOUT"] ["defaults"."timeout", "ssh_connection"."timeout"]
        |s, g| { s.connection.timeout = g.number()?; Ok(()) };
    ["ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SSH_HOST_KEY_CHECKING"]
        ["defaults"."host_key_checking", "ssh_connection"."host_key_checking"]
        |s, g| { s.connection.host_key_checking = g.bool()?; Ok(()) };
    ["ANSIBLE_SSH_ARGS"] ["ssh_connection"."ssh_args"] |s, g| { s.connection.ssh_args = g.text.clone(); Ok(()) };
    ["ANSIBLE_SSH_COMMON_ARGS"] ["ssh_connection"."ssh_common_args"]
        |s, g| { s.connection.ssh_common_args = g.text.clone(); Ok(()) };
    ["ANSIBLE_SSH_EXTRA_ARGS"] ["ssh_connection"."ssh_extra_args"]
        |s, g| { s.connection.ssh_extra_args = g.text.clone(); Ok(()) };
    ["ANSIBLE_BECOME"] ["privilege_escalation"."become"] |s, g| { s.become_.enabled = g.bool()?; Ok(()) };
    ["ANSIBLE_BECOME_METHOD"] ["privilege_escalation"."become_method"]
        |s, g| { s.become_.method = g.text.clone(); Ok(()) };
    ["ANSIBLE_BECOME_USER"] ["privilege_escalation"."become_user"] |s, g| { s.become_.user = g.text.clone(); Ok(()) };
    ["ANSIBLE_BECOME_EXE"] ["privilege_escalation"."become_exe"] |s, g| { s.become_.exe = g.text.clone(); Ok(()) };
    ["ANSIBLE_BECOME_FLAGS"] ["privilege_escalation"."become_flags"] |s, g| { s.become_.flags = g.text.clone(); Ok(()) };
    ["ANSIBLE_BECOME_PASS"] [] |s, g| { s.become_.password = Some(Secret::new(g.text.clone())); Ok(()) };
    ["ANSIBLE_SUDO_USER"] ["sudo_become_plugin"."user"] |s, g| own(s, "sudo_user", g);
    ["ANSIBLE_SUDO_EXE"] ["sudo_become_plugin"."executable"] |s, g| own(s, "sudo_exe", g);
    ["ANSIBLE_SUDO_FLAGS"] ["sudo_become_plugin"."flags"] |s, g| own(s, "sudo_flags", g);
    ["ANSIBLE_SUDO_PASS"] ["sudo_become_plugin"."password"] |s, g| own(s, "sudo_pass", g);
    ["ANSIBLE_SU_USER"] ["su_become_plugin"."user"] |s, g| own(s, "su_user", g);
    ["ANSIBLE_SU_EXE"] ["su_become_plugin"."executable"] |s, g| own(s, "su_exe", g);
    ["ANSIBLE_SU_FLAGS"] ["su_become_plugin"."flags"] |s, g| own(s, "su_flags", g);
    ["ANSIBLE_SU_PASS"] ["su_become_plugin"."password"] |s, g| own(s, "su_pass", g);
    ["ANSIBLE_DOAS_USER"] ["doas_become_plugin"."user"] |s, g| own(s, "doas_user", g);
    ["ANSIBLE_DOAS_EXE"] ["doas_become_plugin"."executable"] |s, g| own(s, "doas_exe", g);
    ["ANSIBLE_DOAS_FLAGS"] ["doas_become_plugin"."flags"] |s, g| own(s, "doas_flags", g);
    ["ANSIBLE_DOAS_PASS"] ["doas_become_plugin"."password"] |s, g| own(s, "doas_pass", g);
    ["ANSIBLE_SUDOSU_USER"] ["sudosu_become_plugin"."user"] |s, g| own(s, "sudosu_user", g);
    ["ANSIBLE_SUDOSU_EXE"] ["sudosu_become_plugin"."executable"] |s, g| own(s, "sudosu_exe", g);
    ["ANSIBLE_SUDOSU_FLAGS"] ["sudosu_become_plugin"."flags"] |s, g| own(s, "sudosu_flags", g);
    ["ANSIBLE_SUDOSU_PASS"] ["sudosu_become_plugin"."password"] |s, g| own(s, "sudosu_pass", g);
    ["ANSIBLE_SUDO_CHDIR"] ["sudo_become_plugin"."chdir"] |s, g| own(s, "sudo_chdir", g);
    ["ANSIBLE_SU_PROMPT_L10N"] ["su_become_plugin"."localized_prompts"] |s, g| own(s, "su_prompt_l10n", g);
    ["ANSIBLE_DISPLAY_SKIPPED_HOSTS", "DISPLAY_SKIPPED_HOSTS"] ["defaults"."display_skipped_hosts"]
        |s, g| { s.display.skipped_hosts = g.bool()?; Ok(()) };
    ["ANSIBLE_DISPLAY_OK_HOSTS"] ["defaults"."display_ok_hosts"] |s, g| { s.display.ok_hosts = g.bool()?; Ok(()) };
    ["ANSIBLE_DISPLAY_FAILED_STDERR"] ["defaults"."display_failed_stderr"]
        |s, g| { s.display.failed_stderr = g.bool()?; Ok(()) };
    ["ANSIBLE_SHOW_PER_HOST_START"] ["defaults"."show_per_host_start"]
        |s, g| { s.display.per_host_start = g.bool()?; Ok(()) };
    ["ANSIBLE_CHECK_MODE_MARKERS"] ["defaults"."check_mode_markers"]
        |s, g| { s.display.check_mode_markers = g.bool()?; Ok(()) };
    ["ANSIBLE_SHOW_TASK_PATH_ON_FAILURE"] ["defaults"."show_task_path_on_failure"]
        |s, g| { s.display.task_path_on_failure = g.bool()?; Ok(()) };
    ["ANSIBLE_SHOW_CUSTOM_STATS"] ["defaults"."show_custom_stats"] |s, g| { s.display.custom_stats = g.bool()?; Ok(()) };
    ["ANSIBLE_CALLBACK_RESULT_FORMAT"] ["defaults"."callback_result_format"]
        |s, g| { s.display.result_format = match g.text.as_str() { "json" => ResultFormat::Json, "yaml" => ResultFormat::Yaml,
            _ => return Err(format!("{:?} is not one of json, yaml", g.text)) }; Ok(()) };
    ["ANSIBLE_CALLBACK_FORMAT_PRETTY"] ["defaults"."callback_format_pretty"]
        |s, g| { s.display.pretty_results = Some(g.bool()?); Ok(()) };
    ["ANSIBLE_DISPLAY_ARGS_TO_STDOUT"] ["defaults"."display_args_to_stdout"]
        |s, g| { s.display.args_to_stdout = g.bool()?; Ok(()) };
    ["ANSIBLE_STDOUT_CALLBACK"] ["defaults"."stdout_callback"] |s, g| {
        let short = g.text.strip_prefix("ansible.builtin.").unwrap_or(&g.text);
        if !STDOUT.contains(&short) {
            return Err(format!("{:?} is not one of {}; \"default\" is used", g.text, STDOUT.join(", ")));
        }
        s.display.stdout = short.to_owned(); Ok(()) };
    ["ANSIBLE_LOAD_CALLBACK_PLUGINS"] ["defaults"."bin_ansible_callbacks"]
        |s, g| { s.display.stdout_in_ad_hoc = g.bool()?; Ok(()) };
    ["ANSIBLE_ASK_PASS"] ["defaults"."ask_pass"] |s, g| { s.prompts.connection = g.bool()?; Ok(()) };
    ["ANSIBLE_BECOME_ASK_PASS"] ["privilege_escalation"."become_ask_pass"]
        |s, g| { s.prompts.become_ = g.bool()?; Ok(()) };
    ["ANSIBLE_ASK_VAULT_PASS"] ["defaults"."ask_vault_pass"] |s, g| { s.prompts.vault = g.bool()?; Ok(()) };
    ["ANSIBLE_VAULT_PASSWORD_FILE"] ["defaults"."vault_password_file"]
        |s, g| { s.prompts.vault_password_file = Some(g.path(&g.text, s)); Ok(()) };
    ["ANSIBLE_VAULT_IDENTITY_LIST"] ["defaults"."vault_identity_list"]
        |s, g| { s.prompts.vault_identities = g.list(); Ok(()) };
    ["ANSIBLE_VAULT_ENCRYPT_SALT"] ["defaults"."vault_encrypt_salt"]
        |s, g| { s.vault_encrypt_salt = Some(g.text.clone()); Ok(()) };
    ["ANSIBLE_VAULT_ENCRYPT_IDENTITY"] ["defaults"."vault_encrypt_identity"]
        |s, g| { s.prompts.vault_encrypt_identity = Some(g.text.clone()); Ok(()) };
    ["ANSIBLE_CONNECTION_PASSWORD_FILE"] ["defaults"."connection_password_file"]
        |s, g| { s.prompts.connection_password_file = Some(g.path(&g.text, s)); Ok(()) };
    ["ANSIBLE_BECOME_PASSWORD_FILE"] ["privilege_escalation"."become_password_file"]
        |s, g| { s.prompts.become_password_file = Some(g.path(&g.text, s)); Ok(()) };
    ["ANSIBLE_DEPRECATION_WARNINGS"] ["defaults"."deprecation_warnings"]
        |s, g| { s.display.deprecation_warnings = g.bool()?; Ok(()) };
    ["ANSIBLE_DEBUG"] ["defaults"."debug"] |s, g| { s.display.debug = g.bool()?; Ok(()) };
}

/// Inventory plugins that are here.
const INVENTORY: &[&str] =
    &["host_list", "advanced_host_list", "script", "auto", "yaml", "ini", "toml", "constructed", "generator"];

/// Callbacks for the standard output. `yaml` is `default` with results in YAML.
const STDOUT: &[&str] = &["default", "minimal", "oneline", "yaml", "community.general.yaml"];

/// Sets what the file says, then what the environment says.
pub fn apply(settings: &mut Settings, config: Option<&ConfigFile>) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    for row in ROWS {
        let from_file = config.and_then(|c| {
            let found = row.file.iter().find_map(|(section, key)| c.get(section, key).map(|v| (section, key, v)));
            found.map(|(section, key, text)| {
                (format!("[{section}] {key}"), Given { text: text.to_owned(), base: c.dir().to_owned() })
            })
        });
        let from_env = row.env.iter().find_map(|name| {
            let text = settings.env.get(*name).filter(|v| !v.is_empty())?;
            Some(((*name).to_owned(), Given { text: text.clone(), base: settings.cwd.clone() }))
        });
        if let Some((name, given)) = from_env.or(from_file)
            && let Err(why) = (row.set)(settings, &given)
        {
            unknown.push(Unknown { name, why });
        }
    }
    if settings.fact_cache.json && !settings.fact_cache.keeps() {
        let why = "jsonfile needs a folder: set fact_caching_connection".to_owned();
        unknown.push(Unknown { name: "fact_caching".into(), why });
    }
    let known = |name: &str| ROWS.iter().any(|r| r.env.contains(&name));
    let keys: Vec<_> = ROWS.iter().flat_map(|r| r.file.iter().copied()).collect();
    unknown.extend(super::ignored::find(settings, config, &known, &keys));
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn environment_wins_over_the_file() {
        let text = "[defaults]\nforks = 9\nroles_path = roles:/r\nhost_key_checking = False ; no\n[privilege_escalation]\nbecome=yes\n";
        let file = ConfigFile::parse(Path::new("/p/ansible.cfg"), text).unwrap();
        let env = BTreeMap::from([("ANSIBLE_FORKS".into(), "3".into()), ("ANSIBLE_GATHERING".into(), "never".into())]);
        let (s, unknown) = Settings::resolve(env, Some(&file), "/w", "/home/u");
        assert_eq!(s.forks, 3);
        assert_eq!(s.roles_path, [PathBuf::from("/p/roles"), PathBuf::from("/r")]);
        assert!(!s.connection.host_key_checking && s.become_.enabled);
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        assert_eq!(unknown[0].name, "ANSIBLE_GATHERING");
    }
}
