//! `meta` actions.

use super::engine::{Host, lock};
use super::flow::{Around, Flow};
use super::item::Place;
use super::play::PlayRun;
use super::result::{Failure, Res, set, value};
use crate::callback::{Ended, Event, Status, TaskInfo};
use crate::play::model::Task;
use imgbuild_jinja::Key;
use std::sync::Arc;

const ACTIONS: [&str; 11] = [
    "flush_handlers",
    "refresh_inventory",
    "noop",
    "clear_facts",
    "clear_host_errors",
    "end_play",
    "end_host",
    "end_batch",
    "end_role",
    "reset_connection",
    "role_complete",
];

impl PlayRun {
    /// Runs a `meta` task. `all`: hosts of the list; `at`: those that are at the task.
    pub async fn meta(self: &Arc<Self>, task: &Arc<Task>, all: Vec<Host>, at: Vec<Host>, around: Around) -> Flow {
        let name = task.args.get(&Key::from("_raw_params")).map(crate::text::of).unwrap_or_default();
        let name = name.trim().to_owned();
        let info = self.info(task, &at[0]);
        if !task.implicit {
            self.engine.emit(Event::TaskStart(Arc::clone(&info)));
        }
        if !ACTIONS.contains(&name.as_str()) {
            let help = imgbuild_diag::did_you_mean(&name, ACTIONS).map(|s| format!(" (did you mean {s:?}?)"));
            self.engine.fail(format!(
                "{}: invalid meta action requested: {name}{}",
                task.path(),
                help.unwrap_or_default()
            ));
            return Flow::default();
        }
        // Some concern the whole batch: the first host's condition decides.
        let each = matches!(name.as_str(), "noop" | "reset_connection" | "end_host" | "end_role" | "flush_handlers");
        let asked: Vec<Host> = if each { at.clone() } else { vec![Arc::clone(&at[0])] };
        let mut hold = Vec::new();
        for (index, host) in asked.iter().enumerate() {
            if index > 0 && !task.implicit {
                self.engine.emit(Event::TaskStart(Arc::clone(&info)));
            }
            match self.holds(task, host, &info) {
                Ok(true) => hold.push(Arc::clone(host)),
                Ok(false) => {}
                Err(failure) => {
                    self.engine.fail(failure.message());
                    return Flow::default();
                }
            }
            if !task.implicit {
                self.tell(&name, &info, host, hold.contains(host));
            }
        }
        let rest = |gone: &[Host]| Flow {
            ok: all.iter().filter(|h| !gone.contains(h)).cloned().collect(),
            failed: Vec::new(),
        };
        match name.as_str() {
            "flush_handlers" if task.is_handler() => {
                // Only once it is notified, as in Ansible: roles hold such handlers.
                self.engine.fail(format!("{}: flush_handlers cannot be used as a handler", task.path()));
                return Flow::default();
            }
            "flush_handlers" => {
                let waiting: Vec<Host> = all.iter().filter(|h| !hold.contains(h)).cloned().collect();
                let next = self.flush(hold, around).await;
                let ok = all.iter().filter(|h| waiting.contains(h) || next.ok.contains(h)).cloned().collect();
                return Flow { ok, failed: next.failed };
            }
            "refresh_inventory" => self.refresh_inventory(),
            "clear_facts" => hold.iter().for_each(|h| self.engine.clear_facts(h)),
            "clear_host_errors" if !hold.is_empty() => {
                let mut shared = lock(&self.shared);
                let mut lost = lock(&self.engine.lost);
                for host in &self.all {
                    shared.cleared.insert(Arc::clone(host));
                    shared.failed.remove(host);
                    shared.leaving.remove(host);
                    shared.gone.remove(host);
                    lost.remove(host);
                    lock(&self.engine.unreachable).remove(host);
                }
            }
            "end_play" if !hold.is_empty() => {
                let mut shared = lock(&self.shared);
                shared.stop = true;
                shared.stop_play = true;
                return Flow::default();
            }
            "end_batch" if !hold.is_empty() => {
                lock(&self.shared).stop = true;
                return Flow::default();
            }
            "end_host" => {
                lock(&self.shared).gone.extend(hold.iter().cloned());
                return rest(&hold);
            }
            "end_role" => {
                if let Some(role) = task.scope.role() {
                    let mut shared = lock(&self.shared);
                    for host in &hold {
                        shared.roles_left.insert((role.id, Arc::clone(host)));
                        shared.roles_ran.insert((role.identity.clone(), Arc::clone(host)));
                    }
                }
            }
            "reset_connection" => {
                for host in &at {
                    for target in self.engine.connections.of(host) {
                        if let Err(lost) = target.reset().await {
                            self.engine
                                .emit(Event::Warning(format!("{host}: the connection could not be reset: {lost}")));
                        }
                    }
                    self.engine.connections.forget(host);
                }
            }
            _ => {}
        }
        Flow { ok: all, failed: Vec::new() }
    }

    /// What the person sees of it.
    fn tell(&self, name: &str, info: &Arc<TaskInfo>, host: &Host, holds: bool) {
        let text = describe(name, host, holds);
        self.engine.emit(Event::Verbose { level: 2, text: format!("META: {text}"), host: None });
        if holds {
            return;
        }
        let mut res = Res::new();
        set(&mut res, "msg", name);
        set(&mut res, "skipped", true);
        set(&mut res, "skip_reason", text);
        self.engine.emit(Event::Result(Ended {
            task: Arc::clone(info),
            host: host.to_string(),
            delegated_to: None,
            status: Status::Skipped,
            ignored: false,
            diff: false,
            label: None,
            result: value(&res),
        }));
    }

    fn holds(
        self: &Arc<Self>,
        task: &Arc<Task>,
        host: &Host,
        info: &Arc<crate::callback::TaskInfo>,
    ) -> Result<bool, Failure> {
        if task.conditions().is_empty() {
            return Ok(true);
        }
        let vars = self.vars(host, Some(task)).map_err(|d| Failure::new(d.to_string()))?;
        let place = Place {
            run: self,
            task,
            host,
            info,
            warnings: std::sync::Mutex::default(),
            deprecations: std::sync::Mutex::default(),
        };
        Ok(place.skipped(&vars)?.is_none())
    }

    fn refresh_inventory(&self) {
        match crate::inventory::Inventory::load(&self.engine.settings) {
            Ok((mut inventory, _)) => {
                lock(&self.engine.grown).iter().for_each(|growth| growth.apply(&mut inventory));
                inventory.reconcile();
                *self.engine.inventory.write().unwrap_or_else(std::sync::PoisonError::into_inner) = inventory;
                *lock(&self.groups) = None;
            }
            Err(problems) => self.engine.emit(Event::Error(problems.to_string())),
        }
    }
}

/// What `-vv` says of a `meta` action.
fn describe(action: &str, host: &Host, holds: bool) -> String {
    let (done, skipped) = match action {
        "flush_handlers" => {
            (format!("triggered running handlers for {host}"), format!(", not running handlers for {host}"))
        }
        "refresh_inventory" => ("inventory successfully refreshed".to_owned(), String::new()),
        "clear_facts" => ("facts cleared".to_owned(), format!(", not clearing facts and fact cache for {host}")),
        "clear_host_errors" => {
            ("cleared host errors".to_owned(), format!(", not clearing host error state for {host}"))
        }
        "end_batch" => ("ending batch".to_owned(), ", continuing current batch".to_owned()),
        "end_play" => ("ending play".to_owned(), ", continuing play".to_owned()),
        "end_host" => (format!("ending play for {host}"), format!(", continuing execution for {host}")),
        "end_role" => (format!("ending role for {host}"), format!(", continuing role for {host}")),
        "reset_connection" => ("reset connection".to_owned(), String::new()),
        other => (other.to_owned(), String::new()),
    };
    if holds { done } else { format!("{action} conditional evaluated to False{skipped}") }
}
