//! Executable inventories: `--list` prints JSON; hosts without `_meta` are asked with `--host`.

use super::Inventory;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{Key, Map, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Runs the script and reads what it prints.
pub fn parse(path: &Path, env: &BTreeMap<String, String>, inventory: &mut Inventory, out: &mut Diagnostics) {
    let list = match run(path, &["--list"], env) {
        Ok(Json::Object(list)) => list,
        Ok(_) => {
            out.push(Diagnostic::error(format!("{}: --list must print a JSON object", path.display())));
            return;
        }
        Err(why) => {
            out.push(Diagnostic::error(why));
            return;
        }
    };
    let hostvars = list.get("_meta").and_then(|m| m.get("hostvars")).and_then(Json::as_object);
    let mut asked: Vec<String> = Vec::new();
    let mut children: Vec<(String, String)> = Vec::new();
    for (group, data) in list.iter().filter(|(name, _)| *name != "_meta") {
        let group = &inventory.group_name(group);
        inventory.add_group(group);
        let (hosts, vars) = match data {
            Json::Array(_) => (Some(data), None),
            Json::Object(data) => {
                for child in data.get("children").and_then(Json::as_array).into_iter().flatten() {
                    children.extend(child.as_str().map(|c| (group.clone(), inventory.group_name(c))));
                }
                (data.get("hosts"), data.get("vars").and_then(Json::as_object))
            }
            _ => {
                out.push(Diagnostic::error(format!(
                    "{}: group {group:?} is neither a list nor an object",
                    path.display()
                )));
                continue;
            }
        };
        for (key, value) in vars.into_iter().flatten() {
            inventory.set_group_var(group, Key::from(key.as_str()), Value::from_json(value.clone(), true));
        }
        for host in hosts.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            inventory.add_host(host, Some(path));
            inventory.add_host_to_group(host, group);
            asked.push(host.to_owned());
        }
    }
    for (group, child) in children {
        inventory.add_group(&child);
        inventory.add_child(&group, &child);
    }
    for host in asked {
        let vars = match hostvars {
            Some(all) => all.get(&host).and_then(Json::as_object).cloned().unwrap_or_default(),
            None => match run(path, &["--host", &host], env) {
                Ok(Json::Object(vars)) => vars,
                Ok(_) => serde_json::Map::new(),
                Err(why) => {
                    out.push(Diagnostic::error(why));
                    return;
                }
            },
        };
        let vars: Map = vars.into_iter().map(|(k, v)| (Key::from(k), Value::from_json(v, true))).collect();
        if let Some(host) = inventory.hosts.get_mut(&host) {
            host.vars.extend(vars);
        }
    }
}

fn run(path: &Path, args: &[&str], env: &BTreeMap<String, String>) -> Result<Json, String> {
    let output = Command::new(path)
        .args(args)
        .env_clear()
        .envs(env)
        .output()
        .map_err(|e| format!("inventory script {}: {e}", path.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("inventory script {} failed ({}): {}", path.display(), output.status, text.trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    if text.trim().is_empty() {
        return Ok(Json::Object(serde_json::Map::new()));
    }
    serde_json::from_str(&text).map_err(|e| format!("inventory script {} printed no JSON: {e}", path.display()))
}
