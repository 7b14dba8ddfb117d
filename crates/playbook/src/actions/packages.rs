//! `package`, `service`, `dnf`, `yum`: the module for the host's package manager or init system.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, flag, get};
use imgbuild_jinja::{Key, Map, Value};
use imgbuild_proto::spec;

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let mut args = call.args.clone();
    let given =
        ["use", "use_backend"].iter().find_map(|k| args.shift_remove(&Key::from(*k))).map(|v| crate::text::of(&v));
    let mut given = given.filter(|u| u != "auto");
    if given.is_none() && call.action.name == "package" {
        given = call.var("ansible_package_use")?.map(|v| crate::text::of(&v)).filter(|u| u != "auto");
    }
    if call.action.name == "service" {
        let manager = || Ok(call.var("ansible_facts")?.and_then(|f| f.get("service_mgr").map(crate::text::of)));
        if let Some(name) = given.clone().map_or_else(manager, |name| Ok::<_, Problem>(Some(name)))? {
            // Ansible's module for systemd has two names, and defaults by both.
            let full = spec::module(&name).map(|s| s.fqcn.to_owned());
            let own = format!("ansible.builtin.{name}");
            for full in full.iter().chain([&own].into_iter().filter(|own| full.as_ref() != Some(own))) {
                call.fill_defaults(full, &mut args)?;
            }
        }
    }
    if call.action.name == "service"
        && given.is_none()
        && let Some(checked) = for_systemd(&args)?
    {
        return call.module("service", checked, None).await;
    }
    let name = match (call.action.name.as_str(), given) {
        (_, Some(name)) => match name.as_str() {
            "yum" | "yum4" | "dnf4" => "dnf".to_owned(),
            other => other.strip_prefix("ansible.builtin.").unwrap_or(other).to_owned(),
        },
        ("package", None) => manager(call).await?,
        ("yum", None) => "dnf".to_owned(),
        (own, None) => own.to_owned(),
    };
    let Some(spec) = spec::module(&name) else {
        return Err(refuse(format!("Could not find a matching action for the \"{name}\" package manager.")));
    };
    call.remote(spec, args).await
}

/// `service` hands all that it is given to the init system's module, so options of `systemd_service` are welcome where systemd is.
/// `None`: there are none. The host knows which it has, and refuses them where it is another.
fn for_systemd(args: &Map) -> Result<Option<serde_json::Map<String, serde_json::Value>>, Problem> {
    let (Some(service), Some(systemd)) = (spec::module("service"), spec::module("systemd_service")) else {
        return Ok(None);
    };
    let knows = |module: &spec::Module, key: &Key| {
        let key = key.to_string();
        module.options.iter().any(|o| o.name == key || o.aliases.contains(&key.as_str()))
    };
    if args.keys().all(|key| knows(service, key)) || args.keys().any(|key| !knows(service, key) && !knows(systemd, key))
    {
        return Ok(None);
    }
    let (unused, used): (Vec<_>, Vec<_>) =
        args.iter().partition(|(key, _)| knows(service, key) && !knows(systemd, key));
    let used: Map = used.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut checked = super::args::check(systemd, &used)?;
    // systemd has no use for these, and says so.
    checked.extend(unused.into_iter().map(|(key, value)| (key.to_string(), value.to_json())));
    Ok(Some(checked))
}

/// `pip`: with the Python that `ansible_python_interpreter` names, as Ansible's module is run by it.
pub async fn pip(call: &Call<'_>) -> Result<Res, Problem> {
    let mut checked = call.checked("pip", &call.args)?;
    if let Some(python) = call.var_there("ansible_python_interpreter")?.map(|v| crate::text::of(&v))
        && !python.starts_with("auto")
    {
        checked.insert("_python".into(), python.into());
    }
    call.module("pip", checked, None).await
}

/// The host's package manager: from its facts, or asked for.
async fn manager(call: &Call<'_>) -> Result<String, Problem> {
    let known = call.var("ansible_facts")?.and_then(|f| f.get("pkg_mgr").map(crate::text::of));
    if let Some(name) = known.filter(|n| !n.is_empty() && n != "unknown") {
        return Ok(module_of(&name));
    }
    let mut ask = Map::new();
    ask.insert("gather_subset".into(), Value::list(vec![Value::str("!all"), Value::str("pkg_mgr")]));
    ask.insert("filter".into(), Value::list(vec![Value::str("ansible_pkg_mgr")]));
    let seen = call.module("setup", call.checked("setup", &ask)?, None).await?;
    if flag(&seen, "failed") {
        return Err(refuse("Failed to fetch ansible_pkg_mgr to determine the package action backend"));
    }
    let found = get(&seen, "ansible_facts")
        .and_then(|f| f.get("ansible_pkg_mgr").or_else(|| f.get("pkg_mgr")))
        .map(crate::text::of);
    match found.filter(|n| !n.is_empty() && n != "unknown") {
        Some(name) => Ok(module_of(&name)),
        None => Err(refuse("Could not find a module for unknown package manager.")),
    }
}

fn module_of(manager: &str) -> String {
    match manager {
        "yum" => "dnf".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_takes_what_systemd_knows() {
        let args = |pairs: &[(&str, &str)]| -> Map {
            pairs.iter().map(|(key, value)| (Key::from(*key), Value::str(*value))).collect()
        };
        let checked = |pairs: &[(&str, &str)]| for_systemd(&args(pairs)).map_err(|_| ()).unwrap();
        assert!(checked(&[("name", "x"), ("state", "started")]).is_none(), "the service module's own");
        assert!(checked(&[("name", "x"), ("nonsense", "1"), ("daemon_reload", "yes")]).is_none(), "refused as ever");
        let both = checked(&[("name", "x"), ("daemon-reload", "yes"), ("sleep", "2")]).unwrap();
        assert_eq!(
            serde_json::Value::Object(both),
            serde_json::json!({"name": "x", "daemon_reload": true, "sleep": "2"})
        );
        assert!(for_systemd(&args(&[("name", "x"), ("daemon_reload", "perhaps")])).is_err());
    }
}
