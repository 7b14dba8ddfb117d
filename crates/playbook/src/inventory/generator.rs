//! The `generator` inventory plugin: one host for every combination of its layers, with groups above it.

use super::Inventory;
use crate::yaml::Node;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{Key, Map, Templar, Value, VarSource};
use std::path::Path;
use std::sync::Arc;

/// Hosts that one file may make.
const MOST_HOSTS: usize = 1_000_000;

/// Reads the file's layers and makes its hosts.
pub fn parse(root: &Node, path: &Path, inventory: &mut Inventory, templar: &Templar, out: &mut Diagnostics) {
    super::plugin::check_options(root, &["plugin", "hosts", "layers", "cache"], "the generator inventory plugin", out);
    let options = root.to_map();
    let missing =
        |name: &str| Diagnostic::error(format!("the generator inventory plugin needs {name:?}")).at(&root.span);
    let Some(layers) = options.get(&Key::from("layers")).and_then(Value::as_map) else {
        out.push(missing("layers").help("a mapping of names to lists"));
        return;
    };
    let Some(hosts) = options.get(&Key::from("hosts")).and_then(Value::as_map) else {
        out.push(missing("hosts").help("a mapping with a name and parents"));
        return;
    };
    let Some(name) = hosts.get(&Key::from("name")) else {
        out.push(missing("hosts.name"));
        return;
    };
    let mut combinations: Vec<Map> = vec![Map::new()];
    for (layer, values) in layers {
        let Some(values) = values.as_list() else {
            out.push(Diagnostic::error(format!("the layer {layer} must be a list")).at_opt(values.span()));
            return;
        };
        if combinations.len().saturating_mul(values.len()) > MOST_HOSTS {
            out.push(Diagnostic::error(format!("the layers make more than {MOST_HOSTS} hosts")).at(&root.span));
            return;
        }
        let extended = |map: &Map, value: &Value| {
            let mut map = map.clone();
            map.insert(layer.clone(), value.clone());
            map
        };
        combinations = combinations.iter().flat_map(|map| values.iter().map(|v| extended(map, v))).collect();
    }
    for combination in combinations {
        let vars: Arc<dyn VarSource> = Arc::new(combination);
        let done = render(templar, name, &vars).and_then(|host| {
            let host = crate::text::of(&host);
            inventory.add_host(&host, Some(path));
            let parents = hosts.get(&Key::from("parents")).cloned().unwrap_or_default();
            above(inventory, Child::Host(&host), &parents, templar, &vars, 0)
        });
        if let Err(problem) = done {
            out.push(*problem);
            return;
        }
    }
}

#[derive(Clone, Copy)]
enum Child<'a> {
    Host(&'a str),
    Group(&'a str),
}

type Done<T> = Result<T, Box<Diagnostic>>;

fn render(templar: &Templar, raw: &Value, vars: &Arc<dyn VarSource>) -> Done<Value> {
    match raw {
        // Data passes as it is, as in Ansible.
        Value::Str(_) => templar.template(raw, vars).map_err(|e| Box::new(e.diagnostic())),
        other => Ok(other.clone()),
    }
}

fn above(
    inventory: &mut Inventory,
    child: Child<'_>,
    parents: &Value,
    templar: &Templar,
    vars: &Arc<dyn VarSource>,
    depth: usize,
) -> Done<()> {
    if depth > 100 {
        return Err(Box::new(Diagnostic::error("parents are nested deeper than 100 levels").at_opt(parents.span())));
    }
    for parent in parents.as_list().unwrap_or_default() {
        let name = parent.get("name").map(|raw| render(templar, raw, vars)).transpose()?.unwrap_or_default();
        if !name.is_true() {
            let (Child::Host(child) | Child::Group(child)) = child;
            return Err(Box::new(
                Diagnostic::error(format!("Element {child} has a parent with no name.")).at_opt(parent.span()),
            ));
        }
        let group = inventory.group_name(&crate::text::of(&name));
        inventory.add_group(&group);
        for (key, raw) in parent.get("vars").and_then(Value::as_map).into_iter().flatten() {
            let value = render(templar, raw, vars)?;
            inventory.set_group_var(&group, key.clone(), value);
        }
        match child {
            Child::Host(host) => _ = inventory.add_host_to_group(host, &group),
            Child::Group(below) => {
                if !inventory.add_child(&group, below) && group != below {
                    let message = format!("can't add group {below:?} to {group:?}: it would contain itself");
                    return Err(Box::new(Diagnostic::error(message).at_opt(parent.span())));
                }
            }
        }
        let further = parent.get("parents").cloned().unwrap_or_default();
        above(inventory, Child::Group(&group), &further, templar, vars, depth + 1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Source;

    #[test]
    fn layers_make_hosts_and_groups() {
        let text = concat!(
            "plugin: generator\nhosts:\n  name: '{{ op }}_{{ app }}'\n  parents:\n",
            "    - name: '{{ op }}'\n      vars: {operation: '{{ op }}'}\n      parents: [{name: all_ops}]\n    - name: runner\n",
            "layers:\n  op: [build, launch]\n  app: [web, api]\n"
        );
        let mut out = Diagnostics::new();
        let mut inventory = Inventory::default();
        let node = crate::yaml::load(&Source::new("g.yml", text), &mut out).unwrap().unwrap();
        let templar = super::super::plugin::templar(&crate::settings::Settings::new("/", "/root"));
        parse(&node, Path::new("/g.yml"), &mut inventory, &templar, &mut out);
        assert!(out.is_empty(), "{out}");
        let names: Vec<&str> = inventory.hosts.keys().map(String::as_str).collect();
        assert_eq!(names, ["build_web", "build_api", "launch_web", "launch_api"]);
        assert_eq!(inventory.hosts_of("all_ops").len(), 4);
        let operation = inventory.groups["build"].vars.get(&Key::from("operation"));
        assert_eq!(operation.and_then(Value::as_str), Some("build"));
        assert_eq!(inventory.groups["runner"].hosts.len(), 4);
    }
}
