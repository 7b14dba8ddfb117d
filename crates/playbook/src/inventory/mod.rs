//! Hosts, groups and their variables, from inventory sources and from memory.
//!
//! Sources: INI, YAML, JSON, TOML, host lists (`a,b,`), directories of those, executable scripts. Variables of
//! `group_vars`/`host_vars` are read by [`vars_files::VarsFiles`], not here: their place in the order of precedence differs.

mod constructed;
mod generator;
mod host_list;
mod ini;
mod pattern;
mod plugin;
mod python_literal;
mod range;
mod script;
mod sources;
mod toml;
pub mod vars_files;
mod view;
mod yaml;

pub use pattern::{Selection, limit_patterns, split_patterns};
pub use python_literal::parse as parse_python_literal;
pub use sources::IGNORED_ENDS;
pub use view::View;

use imgbuild_jinja::{Key, Map, Value};
use indexmap::{IndexMap, IndexSet};
use std::path::{Path, PathBuf};

/// Names that stand for this machine where the inventory does not know them.
pub const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A host.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// `inventory_hostname`.
    pub name: String,
    /// Variables of the inventory itself.
    pub vars: Map,
    /// Groups that name it directly, in order.
    pub groups: IndexSet<String>,
    /// The inventory file that named it first.
    pub file: Option<PathBuf>,
    /// Made up because a play names `localhost` and no inventory does.
    pub implicit: bool,
}

/// A group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Variables of the inventory itself.
    pub vars: Map,
    /// Hosts that it names directly, in order.
    pub hosts: IndexSet<String>,
    /// Groups in it.
    pub children: IndexSet<String>,
    /// Groups that it is in.
    pub parents: IndexSet<String>,
    /// `ansible_group_priority`; 1 by default.
    pub priority: i64,
}

/// Hosts and groups. `all` and `ungrouped` always exist.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// Hosts by name, in order.
    pub hosts: IndexMap<String, Host>,
    /// Groups by name, in order.
    pub groups: IndexMap<String, Group>,
    /// The sources as they were named (`ansible_inventory_sources`).
    pub sources: Vec<String>,
    /// Directories whose `group_vars` and `host_vars` belong to the inventory.
    pub vars_dirs: Vec<PathBuf>,
    /// What becomes of characters in groups' names that no variable's name may have.
    pub group_chars: GroupChars,
    /// A group's name had such characters.
    pub odd_group_names: bool,
    /// Hosts that the run has added.
    pub late: IndexSet<String>,
}

/// `force_valid_group_names`: characters in groups' names that no variable's name may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupChars {
    /// They become `_`, with a warning.
    Always,
    /// They stay, with a warning.
    #[default]
    Never,
    /// They stay.
    Ignore,
    /// They become `_`.
    Silently,
}

impl Default for Inventory {
    fn default() -> Self {
        let mut inventory = Inventory {
            hosts: IndexMap::new(),
            groups: IndexMap::new(),
            sources: Vec::new(),
            vars_dirs: Vec::new(),
            group_chars: GroupChars::default(),
            odd_group_names: false,
            late: IndexSet::new(),
        };
        inventory.add_group("all");
        inventory.add_group("ungrouped");
        inventory.add_child("all", "ungrouped");
        inventory
    }
}

impl Inventory {
    /// One host that is already connected: bind it with [`crate::target::Bound`].
    pub fn single(host: &str, groups: &[&str], vars: Map) -> Self {
        let mut inventory = Inventory::default();
        inventory.add_host(host, None);
        for group in groups {
            inventory.add_group(group);
            inventory.add_host_to_group(host, group);
        }
        if let Some(host) = inventory.hosts.get_mut(host) {
            host.vars = vars;
        }
        inventory.reconcile();
        inventory
    }

    /// A group's name as it is used: its odd characters are replaced where the settings want that.
    pub fn group_name(&mut self, name: &str) -> String {
        let odd = |(i, c): (usize, char)| !(c.is_alphanumeric() || c == '_') || i == 0 && c.is_numeric();
        if !name.chars().enumerate().any(odd) {
            return name.to_owned();
        }
        self.odd_group_names = true;
        match self.group_chars {
            GroupChars::Never | GroupChars::Ignore => name.to_owned(),
            GroupChars::Always | GroupChars::Silently => {
                name.chars().enumerate().map(|(i, c)| if odd((i, c)) { '_' } else { c }).collect()
            }
        }
    }

    /// The group; it exists from now on.
    pub fn add_group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_insert_with(|| Group {
            name: name.to_owned(),
            priority: 1,
            ..Group::default()
        })
    }

    /// The host; it exists from now on.
    pub fn add_host(&mut self, name: &str, file: Option<&Path>) -> &mut Host {
        self.hosts.entry(name.to_owned()).or_insert_with(|| Host {
            name: name.to_owned(),
            file: file.map(Path::to_owned),
            ..Host::default()
        })
    }

    /// Puts an existing host into an existing group. Says whether that is new.
    pub fn add_host_to_group(&mut self, host: &str, group: &str) -> bool {
        let Some(entry) = self.hosts.get_mut(host) else { return false };
        let Some(members) = self.groups.get_mut(group) else { return false };
        members.hosts.insert(host.to_owned());
        entry.groups.insert(group.to_owned())
    }

    /// Puts a group into another. A loop is refused: `false`.
    pub fn add_child(&mut self, parent: &str, child: &str) -> bool {
        if parent == child || self.ancestors(parent).contains(child) {
            return false;
        }
        if let Some(group) = self.groups.get_mut(parent) {
            group.children.insert(child.to_owned());
        }
        if let Some(group) = self.groups.get_mut(child) {
            group.parents.insert(parent.to_owned());
        }
        true
    }

    /// Sets a group's variable; `ansible_group_priority` is its priority.
    pub fn set_group_var(&mut self, group: &str, key: Key, value: Value) {
        if let Some(group) = self.groups.get_mut(group) {
            if key == Key::from("ansible_group_priority") {
                let text = value.as_str().and_then(|s| s.trim().parse().ok());
                group.priority = match value {
                    Value::Int(i) => i,
                    _ => text.unwrap_or(1),
                };
            } else {
                group.vars.insert(key, value);
            }
        }
    }

    /// Every group hangs below `all`; hosts in no group are in `ungrouped`, and in no other if they are in one.
    pub fn reconcile(&mut self) {
        let loose: Vec<String> =
            self.groups.values().filter(|g| g.parents.is_empty() && g.name != "all").map(|g| g.name.clone()).collect();
        for group in loose {
            self.add_child("all", &group);
        }
        for index in 0..self.hosts.len() {
            let Some((name, host)) = self.hosts.get_index_mut(index) else { continue };
            let grouped = host.groups.iter().any(|g| g != "all" && g != "ungrouped");
            let name = name.clone();
            if grouped && host.groups.shift_remove("ungrouped") {
                if let Some(group) = self.groups.get_mut("ungrouped") {
                    group.hosts.shift_remove(&name);
                }
            } else if !grouped && !host.implicit {
                self.add_host_to_group(&name, "ungrouped");
            }
        }
    }

    /// All groups above a group.
    pub fn ancestors(&self, group: &str) -> IndexSet<String> {
        let mut found = IndexSet::new();
        let mut todo: Vec<&str> = vec![group];
        while let Some(name) = todo.pop() {
            for parent in self.groups.get(name).into_iter().flat_map(|g| &g.parents) {
                if found.insert(parent.clone()) {
                    todo.push(parent);
                }
            }
        }
        found
    }

    /// Steps from `all`: the longest way.
    pub fn depth(&self, group: &str) -> usize {
        fn walk(inventory: &Inventory, group: &str, left: usize) -> usize {
            if left == 0 {
                return 0;
            }
            let parents = inventory.groups.get(group).map(|g| &g.parents);
            parents.into_iter().flatten().map(|p| walk(inventory, p, left - 1) + 1).max().unwrap_or(0)
        }
        walk(self, group, self.groups.len())
    }

    /// The hosts of a group and of all groups in it, in order.
    pub fn hosts_of(&self, group: &str) -> IndexSet<String> {
        let mut order = IndexSet::new();
        let mut level = vec![group.to_owned()];
        // Level by level, as Ansible walks: a group's own hosts come before those of the groups in it.
        while !level.is_empty() {
            let mut next = Vec::new();
            for name in level {
                if order.insert(name.clone()) {
                    next.extend(self.groups.get(&name).into_iter().flat_map(|g| g.children.iter().cloned()));
                }
            }
            level = next;
        }
        // Those of `add_host` stand in `all` itself for Ansible, those of sources in the groups below.
        let late = self.late.iter().filter(|_| group == "all").cloned();
        let hosts = late.chain(order.iter().flat_map(|g| self.groups.get(g)).flat_map(|g| g.hosts.iter().cloned()));
        // A host that no inventory names may be in a group that `group_by` made; `all` it is never in.
        let named = |host: &String| group != "all" || !self.hosts.get(host).is_some_and(|h| h.implicit);
        hosts.filter(named).collect()
    }

    /// All groups that a host is in, directly or not, in the order in which their variables are merged: by depth, then
    /// priority, then name. `all` comes first.
    pub fn groups_of(&self, host: &str) -> Vec<&Group> {
        self.ordered_groups_of(host, true)
    }

    /// As [`Inventory::groups_of`], without what is only known once all sources are read: that all groups are in `all`.
    pub fn named_groups_of(&self, host: &str) -> Vec<&Group> {
        self.ordered_groups_of(host, false)
    }

    fn ordered_groups_of(&self, host: &str, finished: bool) -> Vec<&Group> {
        let mut names: IndexSet<String> = IndexSet::new();
        let Some(host) = self.hosts.get(host) else { return Vec::new() };
        for group in &host.groups {
            names.insert(group.clone());
            names.extend(self.ancestors(group));
        }
        if finished && !host.implicit {
            names.insert("all".into());
        }
        let mut groups: Vec<(usize, &Group)> =
            names.iter().filter_map(|n| self.groups.get(n)).map(|g| (self.depth(&g.name), g)).collect();
        groups.sort_by(|(da, a), (db, b)| (da, a.priority, &a.name).cmp(&(db, b.priority, &b.name)));
        groups.into_iter().map(|(_, g)| g).collect()
    }

    /// The host that stands for this machine although no inventory names it.
    pub fn implicit_localhost(&mut self, name: &str) -> &mut Host {
        let host = self.hosts.entry(name.to_owned()).or_insert_with(|| {
            let mut vars = Map::new();
            vars.insert("ansible_connection".into(), "local".into());
            vars.insert("ansible_python_interpreter".into(), Value::template("{{ ansible_playbook_python }}", None));
            Host { name: name.to_owned(), vars, implicit: true, ..Host::default() }
        });
        &mut *host
    }
}
