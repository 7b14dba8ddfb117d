//! One item: condition, keywords, arguments, action, retries, `changed_when`, `failed_when`.

use super::connection::Resolver;
use super::engine::Host;
use super::include::Ask;
use super::play::PlayRun;
use super::result::{Cause, Failure, Res, explain, flag, get, registered, set, value};
use crate::actions::{self, Call, Problem};
use crate::callback::{Ended, Event, Status, TaskInfo};
use crate::play::model::Task;
use imgbuild_jinja::{Key, Map, Overlay, Value, VarSource};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where an item runs.
pub struct Place<'a> {
    /// The batch.
    pub run: &'a Arc<PlayRun>,
    /// The task.
    pub task: &'a Arc<Task>,
    /// The host.
    pub host: &'a Host,
    /// What is shown of the task.
    pub info: &'a Arc<TaskInfo>,
    /// Warnings on the way to the result.
    pub warnings: std::sync::Mutex<Vec<String>>,
    /// Old forms that were met.
    pub deprecations: std::sync::Mutex<Vec<String>>,
}

/// An item's end.
#[derive(Debug, Default)]
pub struct ItemDone {
    /// The result.
    pub res: Res,
    /// `ignore_errors`.
    pub ignore_errors: bool,
    /// `ignore_unreachable`.
    pub ignore_unreachable: bool,
    /// Nobody may see it.
    pub no_log: bool,
    /// Differences are shown.
    pub diff: bool,
    /// What to include.
    pub includes: Vec<Ask>,
    /// Handlers to notify.
    pub notify: Vec<String>,
    /// The host that it was delegated to.
    pub delegated: Option<(String, Option<String>)>,
    /// Facts go to that host.
    pub delegate_facts: bool,
}

impl Place<'_> {
    /// Runs the item.
    pub async fn run(&self, vars: &Arc<dyn VarSource>) -> ItemDone {
        // Until it is rendered a template counts as on.
        let no_log = self.info.no_log || self.task.attr("no_log").is_some_and(|a| a.value.is_true());
        let mut done = ItemDone { no_log, ..ItemDone::default() };
        match self.try_run(vars, &mut done).await {
            Ok(mut res) => {
                // An action may say that nobody may see what it gives.
                done.no_log |= res.shift_remove(&Key::from("_ansible_no_log")).is_some_and(|v| v.is_true());
                done.res = res;
            }
            Err(Problem::Skipped(reason)) => {
                set(&mut done.res, "skipped", true);
                set(&mut done.res, "msg", reason);
            }
            Err(Problem::Unreachable(message)) => {
                set(&mut done.res, "unreachable", true);
                set(&mut done.res, "msg", message);
                set(&mut done.res, "changed", false);
            }
            Err(Problem::Failed(failure)) => {
                let told = failure.causes.first().is_some_and(|c| c.message == "Task failed");
                let failure = if told { failure } else { failure.because("Task failed", None) };
                let mut res = failure.into_result(&self.task.span);
                if get(&res, "changed").is_none() {
                    set(&mut res, "changed", false);
                }
                done.res = res;
            }
        }
        let deprecated = |text: String| Value::map(Map::from_iter([("msg".into(), Value::str(text))]));
        let warnings = std::mem::take(&mut *super::engine::lock(&self.warnings)).into_iter().map(Value::str).collect();
        let deprecations = std::mem::take(&mut *super::engine::lock(&self.deprecations));
        let told: [(_, Vec<Value>); 2] =
            [("warnings", warnings), ("deprecations", deprecations.into_iter().map(deprecated).collect())];
        for (key, new) in told.into_iter().filter(|(_, new)| !new.is_empty()) {
            let mut all = get(&done.res, key).map(crate::play::scope::items).unwrap_or_default();
            all.extend(new);
            set(&mut done.res, key, Value::list(all));
        }
        done
    }

    /// A warning becomes part of the result.
    pub fn warn(&self, warning: Option<imgbuild_jinja::Warning>) {
        if let Some(warning) = warning {
            let text = warning.diagnostic().to_string().trim_start_matches("Warning: ").to_owned();
            let list = if warning.deprecated { &self.deprecations } else { &self.warnings };
            super::engine::lock(list).push(text);
        }
    }

    /// The result of a false condition; `None` where the task is to run.
    pub fn skipped(&self, vars: &Arc<dyn VarSource>) -> Result<Option<Res>, Failure> {
        for condition in self.task.conditions() {
            let (holds, warning) = self.run.engine.templar.condition(&condition, vars).map_err(|e| {
                let span = e.span.clone().or_else(|| condition.span().cloned());
                let failure = Failure::from(e);
                Failure::new(super::result::condition_message(&failure.message())).at(span.as_ref())
            })?;
            self.warn(warning);
            if !holds {
                let mut res = Res::new();
                set(&mut res, "changed", false);
                set(&mut res, "skipped", true);
                set(&mut res, "skip_reason", "Conditional result was False");
                set(&mut res, "false_condition", condition);
                return Ok(Some(res));
            }
        }
        Ok(None)
    }

    async fn try_run(&self, vars: &Arc<dyn VarSource>, done: &mut ItemDone) -> Result<Res, Problem> {
        let engine = &self.run.engine;
        let own = Resolver { engine, task: self.task, vars, own: vars };
        // These count whatever else goes wrong.
        done.ignore_errors = own.flag("ignore_errors").ok().flatten().unwrap_or(false);
        done.ignore_unreachable = own.flag("ignore_unreachable").ok().flatten().unwrap_or(false);
        self.refuse_delegate(&own)?;
        let delegate = own.text("delegate_to")?.map(Host::from);
        let mut target_vars = Arc::clone(vars);
        if let Some(to) = &delegate {
            target_vars = self.delegated_vars(to, vars)?;
        }
        let resolver = Resolver { engine, task: self.task, vars: &target_vars, own: vars };
        let connect_to = delegate.clone().unwrap_or_else(|| Arc::clone(self.host));
        // What is wrong with the connection counts once the condition holds.
        let connection = resolver.connection(&connect_to);
        let vars = &match &connection {
            Ok(connection) => {
                // A localhost that no inventory names has an address; where a task is delegated to it, its name counts.
                let implicit = delegate.is_none() && connection.host == *connect_to && engine.is_implicit(&connect_to);
                let address = if implicit { "127.0.0.1" } else { &connection.host };
                super::reached::below(vars, self.host, connection, address)
            }
            Err(_) => Arc::clone(vars),
        };
        if let Some(skip) = self.skipped(vars)? {
            return Ok(skip);
        }
        done.no_log = own.flag("no_log")?.unwrap_or(engine.settings.no_log);
        if self.task.action.is_include() {
            let ask = super::include::ask(self, vars)?;
            done.includes.push(ask);
            let mut res = Res::new();
            set(&mut res, "changed", false);
            return Ok(res);
        }
        let mut told = Arc::clone(vars);
        if let Some(to) = &delegate {
            told = self.told_of_delegate(to, &target_vars, vars);
            done.delegate_facts = own.flag("delegate_facts")?.unwrap_or(false);
        }
        let mut connection = connection?;
        if connection.plugin.trim_start_matches("ansible.builtin.") == "local" {
            connection.local_dir = Some(self.run.play.dir.clone());
        }
        if *connect_to != **self.host || delegate.is_some() {
            done.delegated =
                Some((connect_to.to_string(), Some(connection.host.clone()).filter(|h| **h != *connect_to)));
        }
        let become_ = resolver.become_()?;
        let vars = &told;
        let check = own.flag("check_mode")?.unwrap_or(engine.settings.check);
        done.diff = own.flag("diff")?.unwrap_or(engine.settings.diff);
        let timeout = own.number("timeout")?.unwrap_or(engine.settings.task_timeout as f64);
        if !(0.0..=100_000_000.0).contains(&timeout) {
            return Err(
                Failure::new(format!("Timeout {timeout} is invalid, it must be between 0 and 100000000.")).into()
            );
        }
        let environment = self.environment(vars)?;
        let action = self.action(vars)?;
        let args = self.args(&action, vars)?;
        for name in self.task.attr("notify").map(|a| crate::play::scope::items(&a.value)).unwrap_or_default() {
            let name = engine.templar.template(&name, vars).map_err(Failure::from)?;
            done.notify.extend(crate::play::scope::items(&name).iter().map(crate::text::of));
        }
        let call = Call {
            run: self.run,
            task: self.task,
            host: self.host,
            info: self.info,
            action,
            args,
            vars: Arc::clone(vars),
            reach: if delegate.is_some() { target_vars } else { Arc::clone(vars) },
            connection,
            become_,
            environment,
            check,
            diff: done.diff,
            no_log: done.no_log,
            timeout: (timeout > 0.0).then_some(timeout as u64),
        };
        let poll = own.number("poll")?.unwrap_or(engine.settings.poll_interval as f64);
        let seconds = own.number("async")?.unwrap_or(0.0);
        let wait = (seconds > 0.0).then_some((seconds as u64, poll as u64));
        let res = self.attempts(&call, vars, done, wait).await?;
        Ok(res)
    }

    fn environment(&self, vars: &Arc<dyn VarSource>) -> Result<BTreeMap<String, String>, Failure> {
        let mut environment = BTreeMap::new();
        let gathering = matches!(self.task.action.name.as_str(), "gather_facts" | "setup");
        let mut raws = Vec::new();
        for raw in self.task.scope.all_items("environment") {
            match &raw {
                // Each variable by itself: one that can't be rendered yet does not take the others along.
                Value::Map(map) if gathering => {
                    raws.extend(map.iter().map(|(k, v)| Value::map(Map::from_iter([(k.clone(), v.clone())]))));
                }
                _ => raws.push(raw),
            }
        }
        for raw in raws {
            let value = match self.run.engine.templar.template(&raw, vars) {
                Ok(value) => value,
                // What is made of facts is not known while they are gathered.
                Err(error) if gathering && error.is_undefined() => continue,
                Err(error) => {
                    let failure = Failure::from(error).at(raw.span());
                    return Err(failure.because("Error processing keyword 'environment'", None));
                }
            };
            match value {
                Value::Map(map) => {
                    environment.extend(map.iter().map(|(k, v)| (k.to_string(), crate::text::of(v))));
                }
                Value::Null | Value::Omit => {}
                other => {
                    return Err(Failure::new(format!(
                        "environment must be a dictionary, received {} ({})",
                        crate::text::of(&other),
                        super::host_task::python_type(&other)
                    )));
                }
            }
        }
        Ok(environment)
    }

    /// The action, its name rendered.
    fn action(&self, vars: &Arc<dyn VarSource>) -> Result<crate::play::modules::Action, Failure> {
        use crate::play::modules::{Action, Unresolved};
        if !self.task.action.is_template() {
            return Ok(self.task.action.clone());
        }
        let raw = Value::template(self.task.action.written.as_str(), Some(self.task.span.clone()));
        let name = crate::text::of(&self.run.engine.templar.template(&raw, vars).map_err(Failure::from)?);
        Action::resolve(name.trim(), &self.run.places(self.task)).map_err(|why| match why {
            Unresolved::Unsupported => Failure::new(crate::play::modules::unavailable(&name).message),
            Unresolved::Unknown(_) => Failure::new(crate::play::modules::unknown(&name).message),
            Unresolved::Removed(why) => Failure::new(why),
        })
    }

    /// The arguments, rendered, with `module_defaults` below them.
    fn args(&self, action: &crate::play::modules::Action, vars: &Arc<dyn VarSource>) -> Result<Map, Failure> {
        let templar = &self.run.engine.templar;
        let full = &action.full;
        let failed =
            |f: Failure| f.because(format!("Finalization of task args for '{full}' failed"), Some(&self.task.span));
        if self.task.args.contains_key(&Key::from("_raw_params")) && !action.takes_raw() {
            return Err(Failure::new(crate::play::modules::no_raw(full)));
        }
        let mut args = Map::new();
        for defaults in self.run.module_defaults(self.task, full) {
            let value = templar.template(&defaults, vars).map_err(|e| failed(e.into()))?;
            args.extend(super::result::as_map(&value));
        }
        if let Some(raw) = &self.task.args_template {
            match templar.template(raw, vars).map_err(|e| failed(e.into()))? {
                Value::Map(more) => args.extend(Map::clone(&more)),
                Value::Omit => {}
                other => {
                    return Err(failed(Failure::new(format!(
                        "the task's `args` must be a mapping, not {}",
                        super::host_task::python_type(&other)
                    ))));
                }
            }
        }
        for (key, raw) in &self.task.args {
            if actions::keeps_template(&action.name, &key.to_string(), raw) {
                args.insert(key.clone(), raw.clone());
                continue;
            }
            let mut key = key.clone();
            if action.name == "set_fact" && key.to_string().contains("{{") {
                let name = Value::template(key.to_string(), Some(self.task.span.clone()));
                let name = templar.template(&name, vars).map_err(|e| failed(e.into()))?;
                key = match name {
                    Value::Int(i) => Key::Int(i),
                    Value::Bool(b) => Key::Bool(b),
                    other => Key::from(crate::text::of(&other)),
                };
            }
            let rendered = templar.template(raw, vars).map_err(|e| {
                let mut failure = Failure::from(e).at(raw.span());
                if let Some(cause) = failure.causes.last_mut() {
                    cause.message = format!("Error while resolving value for '{key}': {}", cause.message);
                }
                failed(failure)
            })?;
            match rendered {
                Value::Omit => {
                    args.shift_remove(&key);
                }
                Value::Map(all) if key == Key::from("_raw_params") && !action.name.contains("include") => {
                    args.extend(Map::clone(&all));
                }
                rendered => {
                    args.insert(key, rendered);
                }
            }
        }
        Ok(args)
    }

    /// The action, again and again while `until` does not hold.
    async fn attempts(
        &self,
        call: &Call<'_>,
        vars: &Arc<dyn VarSource>,
        done: &ItemDone,
        wait: Option<(u64, u64)>,
    ) -> Result<Res, Problem> {
        let engine = &self.run.engine;
        let own = Resolver { engine, task: self.task, vars, own: vars };
        let until = self.task.own_items("until");
        let retries = match own.number("retries")? {
            Some(retries) => 1 + (retries.max(0.0) as i64),
            None if !until.is_empty() => 4,
            None => 1,
        };
        let delay = own.number("delay")?.map_or(5.0, |d| if d < 0.0 { 1.0 } else { d });
        let register = self.task.own("register").and_then(|a| a.value.as_str());
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut res = self.limited(call, wait).await?;
            if get(&res, "failed").is_none() {
                let rc = get(&res, "rc").is_some_and(|rc| !matches!(rc, Value::Int(0)) && rc.as_str() != Some("0"));
                set(&mut res, "failed", rc);
            }
            if retries > 1 {
                set(&mut res, "attempts", attempt);
            }
            if get(&res, "changed").is_none() {
                set(&mut res, "changed", false);
            }
            let mut local = self.local_scope(&res, register);
            let mut scope = Overlay::new(local.clone(), Arc::clone(vars));
            if get(&res, "skipped").is_none() {
                self.judge(&mut res, &scope);
                if let Some(register) = register {
                    local.insert(Key::from(register), registered(&res));
                    scope = Overlay::new(local, Arc::clone(vars));
                }
            }
            if retries <= 1 {
                return Ok(self.explained(res));
            }
            let met = if until.is_empty() {
                !flag(&res, "failed")
            } else {
                let all = Value::list(until.clone());
                let (met, _) = engine.templar.condition(&all, &scope).map_err(|e| {
                    let span = e.span.clone();
                    let message = super::result::condition_message(&e.message);
                    Problem::Failed(Failure::new(message).at(span.as_ref()))
                })?;
                met
            };
            if met {
                return Ok(self.explained(res));
            }
            if attempt >= retries {
                set(&mut res, "attempts", retries - 1);
                set(&mut res, "failed", true);
                return Ok(self.explained(res));
            }
            set(&mut res, "retries", retries);
            engine.emit(Event::Retry {
                attempt: Ended {
                    task: Arc::clone(self.info),
                    host: self.host.to_string(),
                    delegated_to: done.delegated.clone(),
                    status: Status::Failed,
                    ignored: false,
                    diff: false,
                    label: None,
                    result: value(&if done.no_log { super::result::censor(&res) } else { res }),
                },
                left: retries - attempt,
            });
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs_f64(delay)) => {}
                () = engine.session.cancel.cancelled() => return Err(Problem::Failed(Failure::new("interrupted"))),
            }
        }
    }

    /// The action within its time limit.
    async fn limited(&self, call: &Call<'_>, wait: Option<(u64, u64)>) -> Result<Res, Problem> {
        let engine = &self.run.engine;
        let work = async {
            match wait {
                Some((seconds, poll)) => actions::run_async(call, seconds, poll).await,
                None => actions::run(call).await,
            }
        };
        // The host ends the module itself; the controller's own limit is for what runs here, and for a host that is silent.
        let limit = call.timeout.map(|s| Duration::from_secs(s) + Duration::from_millis(500));
        let timed = async {
            match limit {
                Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| call.timeout.unwrap_or(0)),
                None => Ok(work.await),
            }
        };
        let result = tokio::select! {
            result = timed => result,
            () = engine.session.cancel.cancelled() => return Err(Problem::Failed(Failure::new("interrupted"))),
        };
        match result {
            Ok(Err(Problem::Failed(failure)))
                if failure.fields.contains_key(&Key::from("_action")) || failure.causes.len() == 1 =>
            {
                // A refusal of the action is judged like a module's result (failed_when may accept it).
                let mut res = failure.fields.clone();
                res.shift_remove(&Key::from("_action"));
                set(&mut res, "failed", true);
                set(&mut res, "msg", failure.message());
                if let Some(help) = failure.causes.last().filter(|c| !c.help.is_empty() || c.span.is_some()) {
                    // A place in another file, as that of a template, is told as well.
                    let elsewhere = help.span.as_ref().filter(|s| s.source().name() != self.task.span.source().name());
                    let place = elsewhere.map(|span| super::result::origin_of(span).trim_end().to_owned());
                    let lines = place.iter().chain(&help.help).map(|h| Value::str(h.as_str()));
                    set(&mut res, "_ansible_cause", Value::list(lines.collect()));
                }
                Ok(res)
            }
            Ok(other) => other,
            Err(seconds) => {
                let message = format!("Timed out after {seconds} second(s).");
                let mut timedout = Map::new();
                timedout.insert("period".into(), Value::Int(seconds as i64));
                Err(Problem::Failed(Failure::new(message).field("timedout", Value::map(timedout))))
            }
        }
    }

    /// What conditions see of a result.
    fn local_scope(&self, res: &Res, register: Option<&str>) -> Map {
        let mut local = Map::new();
        if let (Some(Value::Map(facts)), false) = (get(res, "ansible_facts"), self.task.action.name == "debug") {
            local.extend(facts.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        if let Some(register) = register {
            local.insert(Key::from(register), registered(res));
        }
        local
    }

    /// `changed_when`, `failed_when`.
    fn judge(&self, res: &mut Res, scope: &Arc<dyn VarSource>) {
        let templar = &self.run.engine.templar;
        for (keyword, field) in [("changed_when", "changed"), ("failed_when", "failed")] {
            let conditions = self.task.own_items(keyword);
            if conditions.is_empty() {
                continue;
            }
            match templar.condition(&Value::list(conditions), scope) {
                Ok((holds, warning)) => {
                    self.warn(warning);
                    set(res, field, holds);
                    if field == "failed" {
                        set(res, "failed_when_result", holds);
                        let module = res.shift_remove(&Key::from("_ansible_module_failed")).is_some();
                        if !holds && module {
                            let hidden = self.explanation(res, true, None);
                            set(res, "failed_when_suppressed_exception", hidden);
                        }
                    }
                }
                Err(error) => {
                    set(res, "failed", true);
                    res.shift_remove(&Key::from("_ansible_module_failed"));
                    set(res, &format!("{field}_when_result"), super::result::condition_message(&error.message));
                    return;
                }
            }
        }
    }

    /// Adds what is shown of a failure to a failed result.
    fn explained(&self, mut res: Res) -> Res {
        let module = res.shift_remove(&Key::from("_ansible_module_failed")).is_some();
        let cause = res.shift_remove(&Key::from("_ansible_cause"));
        if !flag(&res, "failed") || flag(&res, "skipped") {
            return res;
        }
        let text = self.explanation(&res, module, cause.as_ref());
        set(&mut res, "exception", text);
        res
    }

    /// What is shown of a failed result.
    fn explanation(&self, res: &Res, module: bool, cause: Option<&Value>) -> String {
        let what = if module { "Module failed" } else { "Action failed" };
        let message = get(res, "msg").map(crate::text::of).unwrap_or_default();
        let whole = if message.is_empty() {
            format!("Task failed: {what}.")
        } else {
            format!("Task failed: {what}: {message}")
        };
        let help = cause.iter().flat_map(|c| c.as_list().unwrap_or_default()).map(crate::text::of).collect();
        let causes = [Cause { message: whole.clone(), span: None, help }];
        explain(&whole, &causes, &self.task.span)
    }
}
