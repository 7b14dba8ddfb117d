//! What a result changes: counts, facts, registered variables, notifications; and what the person sees of it.

use super::engine::{Host, lock};
use super::flow::Around;
use super::host_task::{Done, status};
use super::play::PlayRun;
use super::result::{Res, as_map, censor, flag, get, registered, set, value};
use super::step::Then;
use crate::callback::{Ended, Event, Status};
use crate::inventory::Inventory;
use crate::play::model::Task;
use imgbuild_jinja::{Key, Map, Value};
use std::sync::Arc;

impl PlayRun {
    /// Takes a result in.
    pub fn settle(self: &Arc<Self>, task: &Arc<Task>, done: &Done, around: Around, once: bool) -> Then {
        let host = &done.host;
        let outcome = status(&done.res);
        let changed = flag(&done.res, "changed");
        let mut then = Then::On;
        let mut ran = false;
        match outcome {
            Status::Failed => {
                ran = true;
                self.count(host, |s| {
                    if done.ignore_errors {
                        s.ok += 1;
                        s.ignored += 1;
                        s.changed += u64::from(changed);
                    } else if around.rescue {
                        s.rescued += 1;
                    } else {
                        s.failed += 1;
                    }
                });
                if !done.ignore_errors {
                    then = Then::Failed;
                    let mut shared = lock(&self.shared);
                    shared.cleared.remove(host);
                    if !around.rescue {
                        shared.leaving.insert(Arc::clone(host));
                    }
                    drop(shared);
                    let mut vars = Map::new();
                    vars.insert("ansible_failed_task".into(), describe(task));
                    vars.insert("ansible_failed_result".into(), registered(&done.res));
                    if around.rescue {
                        self.engine.set_vars(host, vars);
                    }
                }
            }
            Status::Unreachable => {
                self.count(host, |s| {
                    if done.ignore_unreachable {
                        s.ok += 1;
                        s.ignored += 1;
                    } else {
                        s.unreachable += 1;
                    }
                });
                if !done.ignore_unreachable {
                    then = Then::Gone;
                    lock(&self.shared).gone.insert(Arc::clone(host));
                    lock(&self.engine.unreachable).insert(Arc::clone(host));
                }
            }
            Status::Skipped => self.count(host, |s| s.skipped += 1),
            Status::Ok | Status::Changed => {
                ran = true;
                self.take_effects(task, done, once);
                if done.includes.is_empty() {
                    self.count(host, |s| {
                        s.ok += 1;
                        s.changed += u64::from(changed);
                    });
                }
            }
        }
        if !done.shown {
            self.show(done);
        }
        if let Some(name) = task.own("register").and_then(|a| a.value.as_str()) {
            let kept = registered(&done.res);
            for host in self.told(host, once) {
                self.engine.set_vars(&host, Map::from_iter([(Key::from(name), kept.clone())]));
            }
        }
        if let Some(role) = task.scope.role().filter(|_| ran) {
            lock(&self.shared).roles_ran.insert((role.identity.clone(), Arc::clone(host)));
        }
        then
    }

    /// Shows a result.
    pub fn show(&self, done: &Done) {
        let outcome = status(&done.res);
        let host = &done.host;
        let shown = if done.no_log { censor_all(&done.res) } else { done.res.clone() };
        self.engine.emit(Event::Result(Ended {
            task: Arc::clone(&done.info),
            host: host.to_string(),
            delegated_to: done.delegated.clone(),
            status: outcome,
            ignored: match outcome {
                Status::Failed => done.ignore_errors,
                Status::Unreachable => done.ignore_unreachable,
                _ => false,
            },
            diff: done.diff,
            label: None,
            result: value(&shown),
        }));
    }

    fn count(&self, host: &Host, change: impl FnOnce(&mut super::stats::HostStats)) {
        change(lock(&self.engine.stats).host(host));
    }

    /// The hosts that a result counts for.
    fn told(&self, host: &Host, once: bool) -> Vec<Host> {
        if !once {
            return vec![Arc::clone(host)];
        }
        let shared = lock(&self.shared);
        self.batch.iter().filter(|h| !shared.gone.contains(*h)).cloned().collect()
    }

    /// Facts, new hosts and groups, statistics, notifications of a result, or of each item's.
    fn take_effects(self: &Arc<Self>, task: &Arc<Task>, done: &Done, once: bool) {
        let results: Vec<Res> = match (done.info.has_loop, get(&done.res, "results")) {
            (true, Some(Value::List(items))) => items.iter().map(as_map).collect(),
            _ => vec![done.res.clone()],
        };
        if flag(&done.res, "changed") {
            for name in &done.notify {
                self.notify(task, &done.host, name);
            }
        }
        for res in &results {
            if let Some(info) = get(res, "add_host") {
                self.add_host(info);
            }
            if let Some(group) = get(res, "add_group").and_then(Value::as_str) {
                self.add_group(&done.host, group, get(res, "parent_groups"));
            }
            self.take_facts(task, done, res, once);
            if let Some(stats) = get(res, "ansible_stats") {
                self.take_stats(&done.host, stats);
            }
        }
    }

    fn take_facts(self: &Arc<Self>, task: &Arc<Task>, done: &Done, res: &Res, once: bool) {
        let Some(Value::Map(facts)) = get(res, "ansible_facts") else { return };
        let name = task.action.name.as_str();
        if name == "debug" || facts.is_empty() {
            return;
        }
        if matches!(name, "set_fact" | "include_vars") {
            for text in super::reserved::warnings([&**facts]) {
                self.engine.emit(Event::Warning(text));
            }
        }
        let of_item = get(res, "_ansible_facts_to").and_then(Value::as_str);
        let of_task = done.delegated.as_ref().filter(|_| done.delegate_facts).map(|(to, _)| to.as_str());
        let hosts = match of_item.or(of_task) {
            Some(to) => vec![Host::from(to)],
            _ => self.told(&done.host, once),
        };
        for host in hosts {
            match name {
                "include_vars" => self.engine.include_vars(&host, Map::clone(facts)),
                "set_fact" => {
                    if flag(res, "_ansible_facts_cacheable") {
                        self.engine.add_facts(&host, Map::clone(facts));
                    }
                    self.engine.set_vars(&host, Map::clone(facts));
                }
                _ => self.engine.add_facts(&host, Map::clone(facts)),
            }
        }
    }

    fn take_stats(&self, host: &Host, stats: &Value) {
        let Some(data) = stats.get("data").and_then(Value::as_map) else { return };
        let on = |key: &str, default| stats.get(key).map_or(default, Value::is_true);
        let of = if on("per_host", false) { host.to_string() } else { "_run".to_owned() };
        let mut all = lock(&self.engine.stats);
        let custom = all.custom.entry(of).or_default();
        for (key, new) in data {
            let merged = match (custom.get(key).filter(|_| on("aggregate", true)), new) {
                (Some(Value::Int(a)), Value::Int(b)) => Value::Int(a.saturating_add(*b)),
                (Some(Value::Float(a)), Value::Float(b)) => Value::Float(a + b),
                (Some(Value::List(a)), Value::List(b)) => Value::list(a.iter().chain(b.iter()).cloned().collect()),
                (Some(Value::Map(a)), Value::Map(b)) => {
                    let mut merged = Map::clone(a);
                    crate::vars::merge::deep(&mut merged, Map::clone(b));
                    Value::map(merged)
                }
                (Some(Value::Str(a)), Value::Str(b)) => Value::str(format!("{}{}", a.text, b.text)),
                _ => new.clone(),
            };
            custom.insert(key.clone(), merged);
        }
    }

    /// Adds a host to the inventory, as `add_host` describes it.
    pub fn add_host(&self, info: &Value) {
        self.grow(Growth::Host(info.clone()));
    }

    fn add_group(&self, host: &Host, group: &str, parents: Option<&Value>) {
        let parents = parents.and_then(Value::as_list).unwrap_or_default().iter().map(crate::text::of).collect();
        self.grow(Growth::Group { host: Arc::clone(host), group: group.to_owned(), parents });
    }

    fn grow(&self, growth: Growth) {
        {
            let mut inventory = self.engine.inventory.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            growth.apply(&mut inventory);
            inventory.reconcile();
        }
        // Not while the inventory is held: who makes the groups anew holds them and reads the inventory.
        *lock(&self.groups) = None;
        lock(&self.engine.grown).push(growth);
    }
}

/// What a run added to its inventory. It outlives `meta: refresh_inventory`.
#[derive(Debug, Clone)]
pub enum Growth {
    /// By `add_host`: its result's `add_host`.
    Host(Value),
    /// By `group_by`.
    Group {
        /// The host.
        host: Host,
        /// The group.
        group: String,
        /// Groups around it.
        parents: Vec<String>,
    },
}

impl Growth {
    /// Adds it.
    pub fn apply(&self, inventory: &mut Inventory) {
        match self {
            Growth::Host(info) => {
                let Some(name) = info.get("host_name").and_then(Value::as_str) else { return };
                if !inventory.hosts.contains_key(name) {
                    inventory.late.insert(name.to_owned());
                }
                inventory.add_host(name, None).implicit = false;
                if let Some(vars) = info.get("host_vars").and_then(Value::as_map) {
                    inventory.add_host(name, None).vars.extend(vars.iter().map(|(k, v)| (k.clone(), v.clone())));
                }
                for group in info.get("groups").and_then(Value::as_list).unwrap_or_default() {
                    let group = inventory.group_name(&crate::text::of(group));
                    inventory.add_group(&group);
                    inventory.add_host_to_group(name, &group);
                }
            }
            Growth::Group { host, group, parents } => {
                let group = &inventory.group_name(group);
                inventory.add_group(group);
                for parent in parents {
                    let parent = &inventory.group_name(parent);
                    inventory.add_group(parent);
                    inventory.add_child(parent, group);
                }
                // The host that no inventory names may be in groups of the run's own.
                if inventory.hosts.contains_key(&**host) {
                    inventory.add_host_to_group(host, group);
                }
            }
        }
    }
}

/// What `ansible_failed_task` shows of a task.
fn describe(task: &Task) -> Value {
    let mut map = Map::new();
    map.insert("name".into(), Value::str(task.name().map(crate::text::of).unwrap_or_default()));
    map.insert("action".into(), Value::str(task.action.written.as_str()));
    let args: Map = task.args.iter().map(|(k, v)| (k.clone(), data(v))).collect();
    map.insert("args".into(), Value::map(args));
    let tags = task.raw_tags().iter().map(data).collect();
    map.insert("tags".into(), Value::list(tags));
    for (key, attr) in &task.scope.attrs {
        map.entry(Key::from(*key)).or_insert_with(|| data(&attr.value));
    }
    Value::map(map)
}

/// Text that is no template any more.
fn data(value: &Value) -> Value {
    Value::from_json(value.to_json(), false)
}

fn censor_all(res: &Res) -> Res {
    let mut out = censor(res);
    if let Some(Value::List(items)) = get(res, "results") {
        let items = items.iter().map(|item| Value::map(censor(&as_map(item)))).collect();
        set(&mut out, "results", Value::list(items));
    }
    out
}
