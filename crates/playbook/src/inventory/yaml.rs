//! YAML (and JSON) inventories.

use super::{Inventory, range};
use crate::yaml::Node;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::Value;
use std::path::Path;

/// Reads a parsed file into the inventory. `false` means that this is no inventory in YAML.
pub fn parse(root: &Node, path: &Path, inventory: &mut Inventory, out: &mut Diagnostics) -> bool {
    let Some(groups) = root.as_map() else {
        out.push(
            Diagnostic::error(format!(
                "YAML inventory has invalid structure, it should be a dictionary, got: {}",
                root.type_name()
            ))
            .at(&root.span),
        );
        return false;
    };
    for (name, data) in groups {
        group(name, data, path, inventory, out, 0);
    }
    true
}

fn group(name: &Node, data: &Node, path: &Path, inventory: &mut Inventory, out: &mut Diagnostics, depth: usize) {
    let Some(group_name) = name.scalar_text() else {
        out.push(Diagnostic::error("a group's name must be text").at(&name.span));
        return;
    };
    if depth > 100 {
        out.push(Diagnostic::error("groups are nested deeper than 100 levels").at(&name.span));
        return;
    }
    let group_name = inventory.group_name(&group_name);
    inventory.add_group(&group_name);
    if data.is_null() {
        return;
    }
    let Some(sections) = data.as_map() else {
        out.push(
            Diagnostic::warning(format!("Skipping '{group_name}' as this is not a valid group definition"))
                .at(&data.span),
        );
        return;
    };
    for (key, value) in sections {
        let section = key.as_str().unwrap_or_default();
        // One name alone stands for a mapping with it.
        let alone;
        let entries: &[(Node, Node)] = match (value.as_map(), value.as_str()) {
            (Some(entries), _) => entries,
            (None, Some(_)) if section != "vars" => {
                alone = [(value.clone(), Node { span: value.span.clone(), kind: crate::yaml::Kind::Null })];
                &alone
            }
            _ if value.is_null() => &[],
            _ => {
                out.push(
                    Diagnostic::error(format!(
                        "Invalid \"{section}\" entry for \"{group_name}\" group, requires a dictionary, found \"{}\" instead",
                        value.type_name()
                    ))
                    .at(&value.span),
                );
                continue;
            }
        };
        match section {
            "vars" => {
                for (k, v) in entries {
                    inventory.set_group_var(&group_name, k.to_key(), v.to_value());
                }
            }
            "children" => {
                for (child, data) in entries {
                    group(child, data, path, inventory, out, depth + 1);
                    let child_name = inventory.group_name(&child.scalar_text().unwrap_or_default());
                    if !inventory.add_child(&group_name, &child_name) {
                        out.push(
                            Diagnostic::error(format!(
                                "can't add group {child_name:?} to {group_name:?}: it would contain itself"
                            ))
                            .at(&child.span),
                        );
                    }
                }
            }
            "hosts" => {
                for (pattern, vars) in entries {
                    host(pattern, vars, &group_name, path, inventory, out);
                }
            }
            _ => out.push(
                Diagnostic::warning(format!(
                    "Skipping unexpected key ({section}) in group ({group_name}), only \"vars\", \"children\" and \"hosts\" are valid"
                ))
                .at(&key.span)
                .suggest(section, ["vars", "children", "hosts"]),
            ),
        }
    }
}

/// A host, or the hosts of a pattern, of a group.
pub(super) fn host(
    pattern: &Node,
    vars: &Node,
    group: &str,
    path: &Path,
    inventory: &mut Inventory,
    out: &mut Diagnostics,
) {
    let text = pattern.scalar_text().unwrap_or_default();
    let (name, port) = range::split_port(&text);
    let names = match range::expand(name) {
        Ok(names) => names,
        Err(why) => {
            out.push(Diagnostic::error(why).at(&pattern.span));
            return;
        }
    };
    if !vars.is_null() && vars.as_map().is_none() {
        out.push(
            Diagnostic::error(format!("Unable to add variables to host '{name}': they are no dictionary"))
                .at(&vars.span),
        );
        return;
    }
    for name in names {
        let host = inventory.add_host(&name, Some(path));
        if let Some(port) = port {
            host.vars.insert("ansible_port".into(), Value::Int(i64::from(port)));
        }
        host.vars.extend(vars.to_map());
        inventory.add_host_to_group(&name, group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Source;

    #[test]
    fn groups_in_groups() {
        let text = "all:\n  hosts:\n    lone:\n  vars: {v: 1}\n  children:\n    web:\n      hosts:\n        'w[1:2]': {x: y}\n      vars:\n        ansible_group_priority: 5\n    site:\n      children:\n        web:\n";
        let mut out = Diagnostics::new();
        let node = crate::yaml::load(&Source::new("h.yml", text), &mut out).unwrap().unwrap();
        let mut inventory = Inventory::default();
        parse(&node, Path::new("/i/h.yml"), &mut inventory, &mut out);
        inventory.reconcile();
        assert!(out.is_empty(), "{out}");
        assert_eq!(inventory.hosts_of("all").len(), 3);
        assert_eq!(inventory.groups["web"].priority, 5);
        assert_eq!(
            inventory.groups_of("w1").iter().map(|g| g.name.as_str()).collect::<Vec<_>>(),
            ["all", "site", "web"]
        );
    }
}
