//! `config`: settings of Ansible, under the names of its configuration.

use super::{Answer, Ask, failed};
use imgbuild_jinja::Value;

pub fn run(ask: &Ask<'_>) -> Answer {
    let s = &ask.plugins.settings;
    let path = |p: &std::path::Path| Value::str(p.display().to_string());
    let paths = |list: &[std::path::PathBuf]| Value::list(list.iter().map(|p| path(p)).collect());
    let strs = |list: &[String]| Value::list(list.iter().map(|t| Value::str(t.as_str())).collect());
    let mut out = Vec::new();
    for term in ask.terms {
        let name = crate::text::of(term);
        if ask.text("plugin_type").as_deref() == Some("become") {
            let plugin = ask.text("plugin_name").unwrap_or_default();
            out.push(become_option(&s.become_, plugin.rsplit('.').next().unwrap_or_default(), &name)?);
            continue;
        }
        let value = match name.as_str() {
            "DEFAULT_ROLES_PATH" => paths(&s.roles_path),
            "COLLECTIONS_PATHS" => paths(&s.collections_path),
            "CONFIG_FILE" => s.config_file.as_deref().map_or(Value::Null, path),
            "DEFAULT_FORKS" => Value::Int(s.forks as i64),
            "DEFAULT_HOST_LIST" => strs(&s.inventory),
            "DEFAULT_BECOME" => Value::Bool(s.become_.enabled),
            "DEFAULT_BECOME_USER" => Value::str(if s.become_.user.is_empty() { "root" } else { &s.become_.user }),
            "DEFAULT_BECOME_METHOD" => Value::str(if s.become_.method.is_empty() { "sudo" } else { &s.become_.method }),
            "DEFAULT_REMOTE_USER" => s.connection.remote_user.as_deref().map_or(Value::Null, Value::str),
            "DEFAULT_TIMEOUT" => Value::Int(s.connection.timeout as i64),
            "DEFAULT_TRANSPORT" => Value::str(s.connection.plugin.as_str()),
            "DEFAULT_VERBOSITY" => Value::Int(i64::from(s.verbosity)),
            "DEFAULT_GATHERING" => Value::str(match s.gathering {
                crate::settings::Gathering::Implicit => "implicit",
                crate::settings::Gathering::Explicit => "explicit",
                crate::settings::Gathering::Smart => "smart",
            }),
            "DEFAULT_HASH_BEHAVIOUR" => Value::str(if s.hash_merge { "merge" } else { "replace" }),
            "DEFAULT_STRATEGY" => Value::str(s.strategy.as_str()),
            "DEFAULT_FORCE_HANDLERS" => Value::Bool(s.force_handlers),
            "INJECT_FACTS_AS_VARS" => Value::Bool(s.inject_facts),
            "HOST_KEY_CHECKING" => Value::Bool(s.connection.host_key_checking),
            "RETRY_FILES_ENABLED" => Value::Bool(s.retry_files),
            "ALLOW_BROKEN_CONDITIONALS" => Value::Bool(s.allow_broken_conditionals),
            "DEFAULT_PRIVATE_ROLE_VARS" => s.private_role_vars.map_or(Value::Bool(false), Value::Bool),
            "ANY_ERRORS_FATAL" => Value::Bool(s.any_errors_fatal),
            "DEFAULT_NO_LOG" => Value::Bool(s.no_log),
            "DEFAULT_GATHER_TIMEOUT" => Value::Int(s.gather_timeout as i64),
            "DEFAULT_POLL_INTERVAL" => Value::Int(s.poll_interval as i64),
            "DEFAULT_PRIVATE_KEY_FILE" => s.connection.private_key_file.as_deref().map_or(Value::Null, path),
            "DEFAULT_REMOTE_PORT" => s.connection.port.map_or(Value::Null, |p| Value::Int(p.into())),
            "DEFAULT_MANAGED_STR" => Value::str(s.ansible_managed.as_str()),
            "ERROR_ON_MISSING_HANDLER" => Value::Bool(s.error_on_missing_handler),
            "TASK_TIMEOUT" => Value::Int(s.task_timeout as i64),
            "DIFF_ALWAYS" => Value::Bool(s.diff),
            "PLAYBOOK_DIR" => s.playbook_dir.as_deref().map_or(Value::Null, path),
            "TAGS_RUN" => strs(&s.tags),
            "TAGS_SKIP" => strs(&s.skip_tags),
            _ => match ask.text("on_missing").as_deref() {
                Some("skip") => continue,
                Some("warn") => {
                    continue;
                }
                _ => return Err(failed(format!("Unable to find setting {name}"))),
            },
        };
        out.push(value);
    }
    Ok(out)
}

/// An option of a become plugin, as it is configured.
fn become_option(
    become_: &crate::settings::BecomeDefaults,
    method: &str,
    name: &str,
) -> Result<Value, super::LookupError> {
    let what = name.strip_prefix("become_").unwrap_or(name);
    let own = become_.own.get(format!("{method}_{what}").as_str()).map(|text| text.expose().clone());
    let common = match what {
        "user" => &become_.user,
        "exe" => &become_.exe,
        "flags" => &become_.flags,
        _ => return Err(failed(format!("Unable to find setting {name}"))),
    };
    let own = own.unwrap_or_else(|| common.clone());
    Ok(Value::str(match (what, method) {
        _ if !own.is_empty() => own.as_str(),
        ("flags", "sudo" | "sudosu") => "-H -S -n",
        ("exe", method) => method,
        ("user", _) => "root",
        _ => "",
    }))
}
