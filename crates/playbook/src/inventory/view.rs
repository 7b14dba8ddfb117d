//! What `ansible-inventory` shows: groups, hosts and their variables before any play. Nothing is rendered.

use super::vars_files::{Of, VarsFiles};
use super::{Group, Inventory};
use crate::callback::sorted_json;
use crate::controller::Controller;
use crate::settings::Settings;
use crate::vars::{Vars, merge};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{Key, Map, NoLookups, Templar, Value, VarSource};
use std::collections::HashSet;
use std::sync::Arc;

/// A view on an inventory.
pub struct View<'a> {
    inventory: &'a Inventory,
    settings: &'a Settings,
    files: VarsFiles,
    /// Only what is defined at a host or group itself (`--export`).
    pub export: bool,
    /// Hosts that `--limit` leaves.
    pub hosts: Vec<String>,
}

type Found<T> = Result<T, Diagnostics>;

impl<'a> View<'a> {
    /// A view on all hosts.
    pub fn new(inventory: &'a Inventory, settings: &'a Settings, export: bool) -> Self {
        let hosts = inventory.hosts.values().filter(|h| !h.implicit).map(|h| h.name.clone()).collect();
        View { inventory, settings, files: VarsFiles::default(), export, hosts }
    }

    /// The variables of a host.
    pub fn host_vars(&self, host: &str) -> Found<Map> {
        let mut lowest_first: Vec<Arc<Map>> = Vec::new();
        let own = || self.inventory.hosts.get(host).map(|h| Arc::new(h.vars.clone()));
        if self.export {
            lowest_first.extend(own());
            for dir in &self.inventory.vars_dirs {
                // The inventory's own folders alone, unlike a play's variables (`InventoryCLI._get_host_variables`).
                lowest_first.push(self.files.get(dir, Of::Host, host, self.settings)?);
            }
        } else {
            let dir = self.settings.playbook_dir.clone();
            lowest_first = super::vars_files::layers(self.inventory, &self.files, self.settings, host, dir.as_deref())?;
            lowest_first.push(Arc::new(self.settings.extra_vars.clone()));
        }
        Ok(self.merged(lowest_first))
    }

    /// The variables of a group.
    pub fn group_vars(&self, group: &Group) -> Found<Map> {
        let mut lowest_first = vec![Arc::new(group.vars.clone())];
        for dir in &self.inventory.vars_dirs {
            lowest_first.push(self.files.get(dir, Of::Group, &group.name, self.settings)?);
        }
        let mut vars = self.merged(lowest_first);
        if group.priority != 1 {
            vars.insert("ansible_group_priority".into(), Value::Int(group.priority));
        }
        Ok(vars)
    }

    fn merged(&self, lowest_first: Vec<Arc<Map>>) -> Map {
        let mut vars = Map::new();
        for layer in lowest_first {
            let layer = Map::clone(&layer);
            if self.settings.hash_merge { merge::deep(&mut vars, layer) } else { vars.extend(layer) }
        }
        vars
    }

    fn children(&self, group: &str) -> impl Iterator<Item = &Group> {
        let children = self.inventory.groups.get(group).into_iter().flat_map(|g| &g.children);
        children.filter_map(|name| self.inventory.groups.get(name))
    }

    /// `--list`: the format of inventory scripts.
    pub fn list(&self) -> Found<Value> {
        let mut out = Map::new();
        let mut seen = HashSet::new();
        if let Some(all) = self.inventory.groups.get("all") {
            self.list_group(all, &mut seen, &mut out)?;
        }
        let mut vars = Map::new();
        for host in &self.hosts {
            let of_host = self.host_vars(host)?;
            if !of_host.is_empty() {
                vars.insert(host.as_str().into(), marked(&Value::map(of_host)));
            }
        }
        let meta = [(Key::from("hostvars"), Value::map(vars)), ("profile".into(), Value::str("inventory_legacy"))];
        out.insert("_meta".into(), Value::map(meta.into_iter().collect()));
        Ok(Value::map(out))
    }

    fn list_group(&self, group: &Group, seen: &mut HashSet<String>, out: &mut Map) -> Found<()> {
        let mut entry = Map::new();
        let mut part = |name: &str, value: Value| {
            if value.is_true() {
                entry.insert(name.into(), value);
            }
        };
        if group.name != "all" {
            let hosts = group.hosts.iter().filter(|h| self.hosts.contains(h)).map(|h| Value::str(h.as_str()));
            part("hosts", Value::list(hosts.collect()));
        }
        part("children", Value::list(group.children.iter().map(|c| Value::str(c.as_str())).collect()));
        if self.export {
            part("vars", marked(&Value::map(self.group_vars(group)?)));
        }
        if !entry.is_empty() {
            out.insert(group.name.as_str().into(), Value::map(entry));
        }
        for child in self.children(&group.name) {
            if seen.insert(child.name.clone()) {
                self.list_group(child, seen, out)?;
            }
        }
        Ok(())
    }

    /// `--list --yaml`: the format of YAML inventories.
    pub fn tree(&self) -> Found<Value> {
        let (mut hosts, mut groups) = (HashSet::new(), HashSet::new());
        let all = self.inventory.groups.get("all");
        let entry = all.map(|all| self.tree_group(all, &mut hosts, &mut groups)).transpose()?.unwrap_or_default();
        Ok(Value::map(entry.into_iter().map(|e| (Key::from("all"), e)).collect()))
    }

    fn tree_group(
        &self,
        group: &Group,
        seen_hosts: &mut HashSet<String>,
        seen_groups: &mut HashSet<String>,
    ) -> Found<Option<Value>> {
        let mut children = Map::new();
        for child in self.children(&group.name).filter(|c| c.name != "all") {
            if seen_groups.contains(&child.name) {
                children.insert(child.name.as_str().into(), Value::map(Map::new()));
            } else if let Some(entry) = self.tree_group(child, seen_hosts, seen_groups)? {
                children.insert(child.name.as_str().into(), entry);
            }
            seen_groups.insert(child.name.clone());
        }
        let mut hosts = Map::new();
        if group.name != "all" {
            for host in group.hosts.iter().filter(|h| self.hosts.contains(h)) {
                let vars = if seen_hosts.insert(host.clone()) { self.host_vars(host)? } else { Map::new() };
                hosts.insert(host.as_str().into(), Value::map(vars));
            }
        }
        let vars = if self.export { self.group_vars(group)? } else { Map::new() };
        let parts = [("children", children), ("hosts", hosts), ("vars", vars)];
        let entry: Map = parts
            .into_iter()
            .filter(|(_, part)| !part.is_empty())
            .map(|(name, part)| (Key::from(name), Value::map(part)))
            .collect();
        Ok((!entry.is_empty()).then(|| Value::map(entry)))
    }

    /// `--graph`; `None` where there is no such group.
    pub fn graph(&self, group: &str, vars: bool) -> Found<Option<String>> {
        let Some(group) = self.inventory.groups.get(group) else { return Ok(None) };
        let mut lines = Vec::new();
        self.graph_group(group, 0, vars, &mut lines)?;
        Ok(Some(lines.join("\n")))
    }

    fn graph_group(&self, group: &Group, depth: usize, vars: bool, lines: &mut Vec<String>) -> Found<()> {
        lines.push(branch(&format!("@{}:", group.name), depth));
        for child in self.children(&group.name) {
            self.graph_group(child, depth + 1, vars, lines)?;
        }
        if group.name != "all" {
            for host in &group.hosts {
                lines.push(branch(host, depth + 1));
                if vars {
                    leaves(&self.host_vars(host)?, depth + 2, lines);
                }
            }
        }
        if vars {
            leaves(&self.group_vars(group)?, depth + 1, lines);
        }
        Ok(())
    }

    /// A value as ansible-inventory writes it: keys sorted, four spaces.
    pub fn json(value: &Value) -> String {
        sorted_json(value)
    }

    /// A value as PyYAML writes it, nothing rendered.
    pub fn yaml(&self, value: &Value) -> Found<String> {
        let controller = Controller::new(Arc::new(self.settings.clone()), Arc::default());
        let templar = Templar::new(Arc::new(NoLookups), Arc::new(controller));
        let vars: Arc<dyn VarSource> = Arc::new(Vars::fixed(Map::from_iter([("v".into(), data(value))]), Vec::new()));
        let text = templar.template(&Value::template("{{ v | to_nice_yaml(indent=2) }}", None), &vars);
        let text = text.map_err(|e| Diagnostics::from(e.diagnostic()))?;
        text.as_str().map(str::to_owned).ok_or_else(|| Diagnostics::from(Diagnostic::error("YAML must be text")))
    }
}

fn branch(name: &str, depth: usize) -> String {
    if depth == 0 { name.to_owned() } else { format!("{}--{name}", "  |".repeat(depth)) }
}

fn leaves(vars: &Map, depth: usize, lines: &mut Vec<String>) {
    let mut all: Vec<(String, &Value)> = vars.iter().map(|(k, v)| (k.to_string(), v)).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    lines.extend(
        all.into_iter().map(|(name, value)| branch(&format!("{{{name} = {}}}", crate::text::of(value)), depth)),
    );
}

/// Vaults and text that is no template, marked as the format of inventory scripts has it.
fn marked(value: &Value) -> Value {
    let mark = |name: &str, text: &str| Value::map(Map::from_iter([(Key::from(name), Value::str(text))]));
    match value {
        Value::Vault(text) => mark("__ansible_vault", &text.text),
        Value::Str(text) if !text.template => mark("__ansible_unsafe", &text.text),
        Value::List(items) => Value::list(items.iter().map(marked).collect()),
        Value::Map(map) => Value::map(map.iter().map(|(k, v)| (k.clone(), marked(v))).collect()),
        other => other.clone(),
    }
}

/// Templates as the text that they are.
fn data(value: &Value) -> Value {
    match value {
        Value::Str(text) => Value::str(Arc::clone(&text.text)),
        Value::List(items) => Value::list(items.iter().map(data).collect()),
        Value::Map(map) => Value::map(map.iter().map(|(k, v)| (k.clone(), data(v))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let mut i = Inventory::default();
        i.add_host("w1", None).vars.insert("x".into(), Value::template("{{ y }}", None));
        i.add_group("web");
        i.add_host_to_group("w1", "web");
        i.set_group_var("web", "u".into(), Value::str("{{ z }}"));
        i.reconcile();
        let settings = Settings::new("/", "/root");
        let view = View::new(&i, &settings, false);
        let list = view.list().unwrap();
        let host = list.get("_meta").unwrap().get("hostvars").unwrap().get("w1").unwrap();
        assert_eq!(
            View::json(host),
            "{\n    \"u\": {\n        \"__ansible_unsafe\": \"{{ z }}\"\n    },\n    \"x\": \"{{ y }}\"\n}"
        );
        let yaml = view.yaml(&view.tree().unwrap()).unwrap();
        assert_eq!(
            yaml,
            "all:\n  children:\n    web:\n      hosts:\n        w1:\n          u: '{{ z }}'\n          x: '{{ y }}'\n"
        );
        assert_eq!(view.graph("all", false).unwrap().unwrap(), "@all:\n  |--@ungrouped:\n  |--@web:\n  |  |--w1");
        assert!(view.graph("nope", false).unwrap().is_none());
        let export = View::new(&i, &settings, true).tree().unwrap();
        assert!(View::json(&export).contains("\"vars\": {"));
    }
}
