//! One task on all hosts that are at it.

use super::engine::{Host, lock};
use super::flow::{Around, Flow};
use super::host_task::Done;
use super::play::PlayRun;
use crate::api::Prompt;
use crate::callback::{Event, TaskInfo};
use crate::play::model::{Item, Task};
use imgbuild_jinja::Value;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Where a host is after a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It goes on.
    On,
    /// It failed.
    Failed,
    /// It takes part no longer.
    Gone,
}

impl PlayRun {
    /// Runs a task.
    pub async fn task(self: &Arc<Self>, task: &Arc<Task>, hosts: Vec<Host>, around: Around) -> Flow {
        if !self.selects(task) || self.before_start(task, &hosts) {
            return Flow { ok: hosts, failed: Vec::new() };
        }
        let (at, others) = self.split_by_role(task, &hosts);
        if at.is_empty() {
            return Flow { ok: hosts, failed: Vec::new() };
        }
        if task.action.name == "meta" && !task.action.is_template() {
            return self.meta(task, hosts, at, around).await;
        }
        let info = self.info(task, &at[0]);
        if !self.agreed(&info, &at[0]).await {
            return Flow { ok: hosts, failed: Vec::new() };
        }
        let once = self.runs_once(task, &at[0]);
        self.engine.emit(Event::TaskStart(Arc::clone(&info)));
        let run_on: Vec<Host> = if once { vec![Arc::clone(&at[0])] } else { at.clone() };
        let done = self.on_hosts(task, &info, run_on, around, once).await;
        let mut flow = Flow::default();
        let mut any_failed = false;
        let mut any_lost = false;
        let mut then: Vec<(Host, Then)> = Vec::new();
        let mut includes = Vec::new();
        let mut ignored = false;
        for (result, next) in done {
            any_failed |= next == Then::Failed;
            any_lost |= next == Then::Gone;
            ignored |= result.ignore_errors;
            if next == Then::On && !result.includes.is_empty() {
                includes.push((Arc::clone(&result.host), result.includes.clone()));
            }
            then.push((result.host, next));
        }
        if once {
            let next = then.first().map_or(Then::On, |(_, next)| *next);
            for host in at.iter().skip(1) {
                // Only a failure concerns the others; a lost host does not take them along.
                then.push((Arc::clone(host), if next == Then::Failed { Then::Failed } else { Then::On }));
            }
        }
        let fatal =
            once || self.flag(task, "any_errors_fatal", &at[0]).unwrap_or(self.engine.settings.any_errors_fatal);
        if fatal && (any_failed || any_lost) && !ignored {
            for (_, next) in &mut then {
                if *next == Then::On {
                    *next = Then::Failed;
                }
            }
            for host in &others {
                then.push((Arc::clone(host), Then::Failed));
            }
            flow.ok.clear();
            return self.finish(task, &hosts, then, Vec::new(), includes, around).await;
        }
        self.finish(task, &hosts, then, others, includes, around).await
    }

    /// Sorts the hosts, then runs what was included.
    async fn finish(
        self: &Arc<Self>,
        task: &Arc<Task>,
        all: &[Host],
        then: Vec<(Host, Then)>,
        others: Vec<Host>,
        includes: Vec<(Host, Vec<super::include::Ask>)>,
        around: Around,
    ) -> Flow {
        let mut flow = Flow::default();
        for host in all {
            let next = then.iter().find(|(h, _)| h == host).map(|(_, n)| *n);
            match next {
                Some(Then::On) => flow.ok.push(Arc::clone(host)),
                Some(Then::Failed) => flow.failed.push(Arc::clone(host)),
                Some(Then::Gone) => {}
                None if others.contains(host) => flow.ok.push(Arc::clone(host)),
                None => flow.ok.push(Arc::clone(host)),
            }
        }
        if !includes.is_empty() {
            let hosts = std::mem::take(&mut flow.ok);
            let fatal = self.flag(task, "any_errors_fatal", &all[0]).unwrap_or(self.engine.settings.any_errors_fatal);
            let inner = self.included(task, includes, hosts, around, fatal).await;
            flow.ok = inner.ok;
            flow.failed.extend(inner.failed);
        }
        self.check_max_fail(flow, around)
    }

    /// `max_fail_percentage`: too many failures end the batch.
    fn check_max_fail(&self, mut flow: Flow, around: Around) -> Flow {
        let Some(limit) = self.max_fail else { return flow };
        // All of the batch that failed so far, in this task and before.
        let failed = {
            let shared = lock(&self.shared);
            let now = flow.failed.iter().filter(|_| !around.rescue);
            shared.failed.iter().chain(&shared.leaving).chain(now).collect::<HashSet<_>>().len()
        };
        if failed > 0 && failed as f64 / self.batch.len().max(1) as f64 * 100.0 > limit {
            flow.failed.append(&mut flow.ok);
            self.engine.emit(Event::NoHostsRemaining);
            if !around.rescue {
                // Once for the limit, once because nobody is left: so does Ansible.
                self.engine.emit(Event::NoHostsRemaining);
            }
            lock(&self.shared).broken = true;
        }
        flow
    }

    /// Runs a task on hosts side by side; results are settled as they come, and returned in the hosts' order.
    async fn on_hosts(
        self: &Arc<Self>,
        task: &Arc<Task>,
        info: &Arc<TaskInfo>,
        hosts: Vec<Host>,
        around: Around,
        once: bool,
    ) -> Vec<(Done, Then)> {
        if let [host] = &hosts[..] {
            // Closed semaphores do not occur: nobody closes them.
            let _place = self.forks.acquire().await.ok();
            let done = self.throttled(task, Arc::clone(host), Arc::clone(info)).await;
            return vec![self.debugged(task, done, around, once).await];
        }
        let mut running = JoinSet::new();
        for host in hosts.iter().cloned() {
            let (run, task, info) = (Arc::clone(self), Arc::clone(task), Arc::clone(info));
            // Hosts begin in their order.
            let place = Arc::clone(&self.forks).acquire_owned().await.ok();
            running.spawn(async move {
                let done = run.throttled(&task, host, info).await;
                drop(place);
                done
            });
        }
        let mut settled = Vec::new();
        while let Some(done) = running.join_next().await {
            match done {
                Ok(done) => settled.push(self.debugged(task, done, around, once).await),
                Err(error) => self.engine.fail(format!("a task's worker ended unexpectedly: {error}")),
            }
        }
        settled.sort_by_key(|(done, _)| hosts.iter().position(|h| *h == done.host));
        settled
    }

    /// Takes a result in; one that opens the debugger may be taken back there and the task run again.
    async fn debugged(self: &Arc<Self>, task: &Arc<Task>, mut done: Done, around: Around, once: bool) -> (Done, Then) {
        let mut edits = super::debugger::Edits::default();
        while self.wants_debugger(task, &done) && !self.engine.cancelled() {
            self.show(&done);
            done.shown = true;
            match self.debug_session(task, &done, &mut edits).await {
                super::debugger::Next::Continue => break,
                super::debugger::Next::Redo => {
                    let task = edits.apply(task);
                    done = self.throttled(&task, Arc::clone(&done.host), Arc::clone(&done.info)).await;
                }
                super::debugger::Next::Quit => {
                    self.engine.session.cancel.cancel();
                    break;
                }
            }
        }
        let then = self.settle(task, &done, around, once);
        (done, then)
    }

    async fn throttled(self: &Arc<Self>, task: &Arc<Task>, host: Host, info: Arc<TaskInfo>) -> Done {
        if let Some(why) = self.unrenderable(task, "throttle", &host) {
            self.engine.fail(format!("Failed to convert the throttle value to an integer: {why}"));
        }
        let wanted = self.keyword(task, "throttle", &host).filter(|v| !matches!(v, Value::Null | Value::Omit));
        if let Some(wrong) = wanted.as_ref().filter(|v| super::connection::number(v).is_none()) {
            self.engine.fail(format!(
                "Failed to convert the throttle value to an integer: invalid literal for int() with base 10: {}",
                crate::text::repr(wrong)
            ));
        }
        let limit = wanted.as_ref().and_then(super::connection::number).filter(|n| *n >= 1.0);
        let gate = limit.map(|n| {
            let mut throttles = lock(&self.throttles);
            Arc::clone(throttles.entry(task.id).or_insert_with(|| Arc::new(tokio::sync::Semaphore::new(n as usize))))
        });
        let _throttle = match &gate {
            Some(gate) => gate.acquire().await.ok(),
            None => None,
        };
        self.engine.emit(Event::HostStart { task: Arc::clone(&info), host: host.to_string() });
        self.execute(task, host, info).await
    }

    /// Hosts that are at a task, and those for which its role is over.
    fn split_by_role(&self, task: &Task, hosts: &[Host]) -> (Vec<Host>, Vec<Host>) {
        let Some(role) = task.scope.role() else { return (hosts.to_vec(), Vec::new()) };
        let shared = lock(&self.shared);
        let over = |host: &Host| {
            !role.allow_duplicates
                && task.handler.is_none()
                && shared.roles_done.contains(&(role.identity.clone(), Arc::clone(host)))
                || task.scope.roles().iter().any(|r| shared.roles_left.contains(&(r.id, Arc::clone(host))))
        };
        hosts.iter().cloned().partition(|h| !over(h))
    }

    /// Whether the hosts have not reached the task of `--start-at-task` yet.
    fn before_start(&self, task: &Task, hosts: &[Host]) -> bool {
        let Some(start) = self.start.get() else { return false };
        let mut shared = lock(&self.shared);
        if task.id == *start {
            shared.started.extend(hosts.iter().cloned());
        }
        let gathering = task.implicit && task.action.name == "gather_facts";
        !gathering && !hosts.iter().any(|h| shared.started.contains(h))
    }

    /// The task that `--start-at-task` names, among those that are known before anything runs: by its name, or that with its
    /// role, or its action where it has none. The name may be a pattern.
    pub fn find_start(self: &Arc<Self>, pattern: &str) -> Option<u64> {
        let glob = globset::Glob::new(pattern).ok().map(|g| g.compile_matcher());
        let hit = |text: &str| text == pattern || glob.as_ref().is_some_and(|g| g.is_match(text));
        let fits = |task: &Arc<Task>| {
            let name = task.name().map(crate::text::of);
            let full = task.title(name.as_deref());
            (hit(&full) || name.as_deref().is_some_and(hit)) && self.selects(task)
        };
        let roles = self.play.roles.iter().flat_map(|r| &r.tasks);
        let all = self.play.pre_tasks.iter().chain(roles).chain(&self.play.tasks).chain(&self.play.post_tasks);
        all.filter_map(|item| first_task(item, &fits)).next()
    }

    /// `--step`.
    async fn agreed(&self, info: &TaskInfo, host: &Host) -> bool {
        if !*lock(&self.engine.step) {
            return true;
        }
        let kind = if info.handler { "HANDLER" } else { "TASK" };
        let on = if self.strategy == super::play::Strategy::Linear { String::new() } else { format!("on {host} ") };
        let text = format!("Perform task: {kind}: {} {on}(N)o/(y)es/(c)ontinue: ", info.name);
        let prompt = Prompt { text: text.clone(), private: false, seconds: None, echo_answer: true, piped: true };
        let answer = tokio::select! {
            answer = self.engine.session.prompter.ask(prompt) => answer,
            () = self.engine.session.cancel.cancelled() => return false,
        };
        let agreed = match answer.unwrap_or_default().to_lowercase().as_str() {
            "y" | "yes" => true,
            "c" | "continue" => {
                *lock(&self.engine.step) = false;
                true
            }
            _ => false,
        };
        self.engine.emit(Event::Asked(text));
        agreed
    }

    /// `run_once`, or an action that acts for all hosts at once.
    fn runs_once(self: &Arc<Self>, task: &Task, host: &Host) -> bool {
        if self.strategy != super::play::Strategy::Linear && matches!(task.action.name.as_str(), "add_host" | "pause") {
            return false;
        }
        matches!(task.action.name.as_str(), "add_host" | "pause") || self.flag(task, "run_once", host).unwrap_or(false)
    }

    /// A boolean keyword, rendered for a host; what can't be rendered is not set.
    pub fn flag(self: &Arc<Self>, task: &Task, name: &str, host: &Host) -> Option<bool> {
        super::connection::boolean(&self.keyword(task, name, host)?)
    }

    /// A keyword as text, rendered for a host.
    pub fn text_of(self: &Arc<Self>, task: &Task, name: &str, host: &Host) -> Option<String> {
        self.keyword(task, name, host).filter(|v| !matches!(v, Value::Null | Value::Omit)).map(|v| crate::text::of(&v))
    }

    fn keyword(self: &Arc<Self>, task: &Task, name: &str, host: &Host) -> Option<Value> {
        let attr = task.attr(name)?;
        match &attr.value {
            Value::Str(text) if self.engine.templar.is_template(text) => {
                let vars = self.vars(host, Some(task)).ok()?;
                self.engine.templar.template(&attr.value, &vars).ok()
            }
            other => Some(other.clone()),
        }
    }

    /// Why a keyword can't be rendered.
    fn unrenderable(self: &Arc<Self>, task: &Task, name: &str, host: &Host) -> Option<String> {
        let attr = task.attr(name)?;
        let vars = self.vars(host, Some(task)).ok()?;
        self.engine.templar.template(&attr.value, &vars).err().map(|e| e.message.clone())
    }

    /// Warns of variables of the task's scope that are named like keywords or functions.
    fn warn_reserved(self: &Arc<Self>, task: &Task, host: &Host) {
        let play = self.layers.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let theirs = self.engine.host_layers(host, &self.play.dir).unwrap_or_default();
        let none = crate::vars::HostLayers { inventory: theirs.inventory, ..Default::default() };
        let maps = crate::vars::layers(&self.engine.extra, &none, &play, Some(&task.scope));
        for text in super::reserved::warnings(maps.iter().rev().map(|m| &**m)) {
            self.engine.emit(Event::Warning(text));
        }
    }

    /// What the banner shows.
    pub fn info(self: &Arc<Self>, task: &Arc<Task>, host: &Host) -> Arc<TaskInfo> {
        self.warn_reserved(task, host);
        let name = task.name().map(|raw| match self.vars(host, Some(task)) {
            Ok(vars) => {
                let (name, warning) = super::title::render(&self.engine.templar, raw, &vars);
                if let Some(warning) = warning {
                    self.engine.emit(Event::Warning(warning));
                }
                name
            }
            Err(_) => crate::text::of(raw),
        });
        // What can't be rendered yet (an item's) counts as on.
        let own = task.attr("no_log").map(|a| self.flag(task, "no_log", host).unwrap_or_else(|| a.value.is_true()));
        let no_log = own.unwrap_or(self.engine.settings.no_log);
        let args = task.args.iter().map(|(k, v)| format!("{k}={}", crate::text::of(v))).collect::<Vec<_>>().join(", ");
        Arc::new(TaskInfo {
            id: task.id,
            name: task.title(name.as_deref()),
            own_name: name.filter(|n| !n.is_empty()),
            action: task.action.written.clone(),
            path: task.path(),
            handler: task.is_handler(),
            no_log,
            has_loop: task.loop_.is_some(),
            check_mode: self.flag(task, "check_mode", host).unwrap_or(self.engine.settings.check),
            include: task.action.is_include(),
            args,
        })
    }
}

/// The first task, in the order in which hosts that fail nowhere meet them, that fits.
fn first_task(item: &Item, fits: &dyn Fn(&Arc<Task>) -> bool) -> Option<u64> {
    match item {
        Item::Task(task) => (!task.implicit && fits(task)).then_some(task.id),
        Item::Block(block) => block.block.iter().chain(&block.always).find_map(|item| first_task(item, fits)),
    }
}
