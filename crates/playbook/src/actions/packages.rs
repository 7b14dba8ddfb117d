//! `package`, `service`, `dnf`, `yum`: the module for the host's package manager or init system.

use super::{Call, Problem, refuse};
use crate::exec::result::{Failure, Res, as_map, flag, get};
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
            defaults(call, &name, &mut args)?;
        }
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

/// Fills in `module_defaults` of the module that stands behind the action.
fn defaults(call: &Call<'_>, name: &str, args: &mut Map) -> Result<(), Problem> {
    let names = |key: &str| {
        let short = key.strip_prefix("ansible.builtin.").or_else(|| key.strip_prefix("ansible.legacy.")).unwrap_or(key);
        short == name || (name == "systemd" && short == "systemd_service")
    };
    let mut below = Map::new();
    for raw in call.task.scope.all_items("module_defaults") {
        let Value::Map(all) = raw else { continue };
        for (_, given) in all.iter().filter(|(key, _)| names(&key.to_string())) {
            let value = call.run.engine.templar.template(given, &call.vars).map_err(Failure::from)?;
            below.extend(as_map(&value));
        }
    }
    for (key, value) in below {
        args.entry(key).or_insert(value);
    }
    Ok(())
}

/// `pip`: with the Python that `ansible_python_interpreter` names, as Ansible's module is run by it.
pub async fn pip(call: &Call<'_>) -> Result<Res, Problem> {
    let mut checked = call.checked("pip", &call.args)?;
    if let Some(python) = call.var("ansible_python_interpreter")?.map(|v| crate::text::of(&v))
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
