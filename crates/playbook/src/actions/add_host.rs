//! `add_host`.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, set};
use crate::inventory::Inventory;
use imgbuild_jinja::{Key, Map, Value};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let mut args = call.args.clone();
    args.shift_remove(&Key::from("_raw_params"));
    let mut take = |names: &[&str]| names.iter().find_map(|n| args.shift_remove(&Key::from(*n)));
    let name = take(&["name", "hostname", "host"]).map(|v| crate::text::of(&v)).unwrap_or_default();
    if name.is_empty() {
        return Err(refuse("name, host or hostname needs to be provided"));
    }
    let groups = take(&["groups", "groupname", "group"]);
    let mut list: Vec<String> = Vec::new();
    match &groups {
        Some(Value::List(items)) => list.extend(items.iter().map(crate::text::of)),
        Some(Value::Str(text)) => list.extend(text.text.split(',').map(|g| g.trim().to_owned())),
        None | Some(Value::Null) => {}
        Some(_) => return Err(refuse("Groups must be specified as a list.")),
    }
    list.retain(|g| !g.is_empty());
    list.dedup();
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
            (host.to_owned(), port.parse::<i64>().ok())
        }
        _ => (name, None),
    };
    let mut vars = args;
    if let Some(port) = port {
        vars.insert("ansible_ssh_port".into(), Value::Int(port));
    }
    let changed = differs(
        &call.run.engine.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner),
        &host,
        &list,
        &vars,
    );
    let mut info = Map::new();
    info.insert("host_name".into(), Value::str(host));
    info.insert("groups".into(), Value::list(list.into_iter().map(Value::str).collect()));
    info.insert("host_vars".into(), Value::map(vars));
    let info = Value::map(info);
    // At once: the next item of a loop sees it.
    call.run.add_host(&info);
    let mut res = Call::done(changed);
    set(&mut res, "add_host", info);
    Ok(res)
}

fn differs(inventory: &Inventory, host: &str, groups: &[String], vars: &Map) -> bool {
    let Some(known) = inventory.hosts.get(host) else { return true };
    groups.iter().any(|g| !known.groups.contains(g.as_str())) || vars.iter().any(|(k, v)| known.vars.get(k) != Some(v))
}
