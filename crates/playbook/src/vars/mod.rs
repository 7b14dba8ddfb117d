//! Variables of a host at a task: layers in Ansible's order of precedence, looked through lazily.

pub mod merge;

use crate::play::role::Role;
use crate::play::scope::{Kind, Scope};
use imgbuild_jinja::{HostScopes, Key, Map, Value, VarSource};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Variables of a play.
#[derive(Debug, Clone, Default)]
pub struct PlayLayers {
    /// `vars`.
    pub vars: Arc<Map>,
    /// `vars_prompt`.
    pub prompted: Arc<Map>,
    /// `vars_files`, in order.
    pub files: Vec<Arc<Map>>,
    /// Roles whose variables the whole play sees, in order.
    pub roles: Vec<Arc<Role>>,
}

/// Variables of a host.
#[derive(Debug, Clone, Default)]
pub struct HostLayers {
    /// `set_fact` and `register`.
    pub set: Arc<Map>,
    /// `include_vars`.
    pub included: Arc<Map>,
    /// Facts: `ansible_facts` and, where they are injected, each under its own name.
    pub facts: Arc<Map>,
    /// Inventory, `group_vars` and `host_vars`, highest first.
    pub inventory: Vec<Arc<Map>>,
}

/// All that one place in one play sees.
#[derive(Clone)]
pub struct Vars {
    /// Magic variables, highest first: nothing hides them.
    pub magic: Vec<Arc<Map>>,
    /// All other layers, highest first.
    pub layers: Vec<Arc<Map>>,
    /// Mappings of the same name are merged.
    pub merge: bool,
    /// `hostvars`.
    pub hosts: Option<Arc<dyn HostScopes>>,
}

/// The layers below the magic variables, highest first.
pub fn layers(extra: &Arc<Map>, host: &HostLayers, play: &PlayLayers, scope: Option<&Scope>) -> Vec<Arc<Map>> {
    let mut out: Vec<Arc<Map>> = vec![Arc::clone(extra)];
    let mut add = |map: &Arc<Map>| {
        if !map.is_empty() {
            out.push(Arc::clone(map));
        }
    };
    let roles: Vec<&Arc<Role>> = scope.map(Scope::roles).unwrap_or_default();
    if let Some(scope) = scope {
        scope.chain().filter(|s| s.kind == Kind::Include).for_each(|s| add(&s.vars));
        roles.iter().for_each(|role| add(&role.params));
    }
    add(&host.set);
    add(&host.included);
    if let Some(scope) = scope {
        for level in scope.chain().take_while(|s| s.kind != Kind::Play) {
            if level.kind != Kind::Role {
                add(&level.vars);
            }
        }
        if let Some(role) = roles.first() {
            // `vars` of an entry of `roles` stand above the role's own.
            for level in scope.chain().filter(|s| s.kind == Kind::Role).take(1) {
                add(&level.vars);
            }
            add(&role.vars);
            role.all_dependencies().iter().rev().for_each(|dep| add(&dep.vars));
            // Of a role that asks for this one its own vars/ stand above the entry's, unlike in itself (`Role.get_inherited_vars`).
            for dependent in roles.iter().skip(1) {
                add(&dependent.vars);
                let entry =
                    |s: &&Scope| s.kind == Kind::Role && s.role.as_ref().is_some_and(|r| Arc::ptr_eq(r, dependent));
                scope.chain().filter(entry).for_each(|level| add(&level.vars));
            }
        }
    }
    play.roles.iter().rev().for_each(|role| add(&role.vars));
    play.files.iter().rev().for_each(&mut add);
    add(&play.prompted);
    add(&play.vars);
    add(&host.facts);
    host.inventory.iter().for_each(&mut add);
    if let Some(role) = roles.first() {
        add(&role.defaults);
        roles.iter().skip(1).for_each(|dependent| add(&dependent.defaults));
        role.all_dependencies().iter().rev().for_each(|dep| add(&dep.defaults));
    }
    for role in play.roles.iter().rev() {
        add(&role.defaults);
    }
    out
}

impl Vars {
    /// For loading: no host.
    pub fn fixed(magic: Map, layers: Vec<Arc<Map>>) -> Self {
        Vars { magic: vec![Arc::new(magic)], layers, merge: false, hosts: None }
    }
}

impl VarSource for Vars {
    fn get(&self, name: &str) -> Option<Value> {
        let key = Key::from(name);
        if let Some(value) = self.magic.iter().find_map(|m| m.get(&key)) {
            return Some(value.clone());
        }
        if !self.merge {
            return self.layers.iter().find_map(|m| m.get(&key)).cloned();
        }
        let mut found: Option<Value> = None;
        for value in self.layers.iter().rev().filter_map(|m| m.get(&key)) {
            found = Some(match (found, value) {
                (Some(Value::Map(below)), Value::Map(above)) => {
                    let mut merged = Map::clone(&below);
                    merge::deep(&mut merged, Map::clone(above));
                    Value::map(merged)
                }
                (_, value) => value.clone(),
            });
        }
        found
    }

    fn names(&self) -> Vec<String> {
        let names: BTreeSet<String> =
            self.magic.iter().chain(&self.layers).flat_map(|m| m.keys()).map(ToString::to_string).collect();
        names.into_iter().collect()
    }

    fn hosts(&self) -> Option<Arc<dyn HostScopes>> {
        self.hosts.clone()
    }
}
