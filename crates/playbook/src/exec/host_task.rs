//! One task on one host: loop, items, and the result that they add up to.

use super::engine::Host;
use super::include::Ask;
use super::item::{ItemDone, Place};
use super::play::PlayRun;
use super::result::{Failure, Res, censor, flag, get, set, value};
use crate::callback::{Ended, Event, Status, TaskInfo};
use crate::play::model::{Loop, Task};
use futures_util::StreamExt as _;
use imgbuild_jinja::{Key, LookupContext, Map, Overlay, Value, VarSource};
use std::sync::Arc;

/// Items of a loop that are under way at the same time.
const IN_FLIGHT: usize = 64;

/// A task's end on a host.
#[derive(Debug)]
pub struct Done {
    /// The host.
    pub host: Host,
    /// What is shown of the task.
    pub info: Arc<TaskInfo>,
    /// The result.
    pub res: Res,
    /// `ignore_errors`.
    pub ignore_errors: bool,
    /// `ignore_unreachable`.
    pub ignore_unreachable: bool,
    /// Nobody may see the result.
    pub no_log: bool,
    /// Differences are shown.
    pub diff: bool,
    /// What to include.
    pub includes: Vec<Ask>,
    /// Handlers to notify.
    pub notify: Vec<String>,
    /// The host that it was delegated to, and that one's address.
    pub delegated: Option<(String, Option<String>)>,
    /// Facts go to that host.
    pub delegate_facts: bool,
    /// The person has seen the result.
    pub shown: bool,
}

/// `loop_control`, rendered.
struct Control {
    loop_var: String,
    index_var: Option<String>,
    label: Option<Value>,
    pause: f64,
    extended: bool,
    all_items: bool,
    break_when: Vec<Value>,
    register: Option<Key>,
}

impl Control {
    /// The label knows the result of its own item.
    fn seen_by_label(&self, res: &Res, vars: &Arc<dyn VarSource>) -> Arc<dyn VarSource> {
        match &self.register {
            Some(name) => {
                let result = super::result::registered(res);
                Overlay::new(Map::from_iter([(name.clone(), result)]), Arc::clone(vars))
            }
            None => Arc::clone(vars),
        }
    }
}

impl PlayRun {
    /// Runs a task on a host.
    pub async fn execute(self: &Arc<Self>, task: &Arc<Task>, host: Host, info: Arc<TaskInfo>) -> Done {
        let mut done = Done {
            host: Arc::clone(&host),
            info: Arc::clone(&info),
            res: Res::new(),
            ignore_errors: false,
            ignore_unreachable: false,
            no_log: info.no_log,
            diff: false,
            includes: Vec::new(),
            notify: Vec::new(),
            delegated: None,
            delegate_facts: false,
            shown: false,
        };
        let vars = match self.vars(&host, Some(task)) {
            Ok(vars) => vars,
            Err(problems) => {
                done.res = Failure::new(problems.to_string()).into_result(&task.span);
                return done;
            }
        };
        let items = self.loop_items(task, &vars);
        let place = Place {
            run: self,
            task,
            host: &host,
            info: &info,
            warnings: std::sync::Mutex::default(),
            deprecations: std::sync::Mutex::default(),
        };
        match items {
            Ok(None) => {
                let one = place.run(&vars).await;
                done.take(one, true);
            }
            Ok(Some(items)) => self.run_loop(&place, items, &vars, &mut done).await,
            Err(failure) => {
                // A condition that is false makes a broken loop harmless.
                let skip = place.skipped(&vars).ok().flatten();
                done.res = skip.unwrap_or_else(|| failure.into_result(&task.span));
                done.ignore_errors = self.flag(task, "ignore_errors", &host).unwrap_or(false);
            }
        }
        if get(&done.res, "changed").is_none() {
            set(&mut done.res, "changed", false);
        }
        done
    }

    /// The items of a task's loop; `None`: it has none.
    fn loop_items(&self, task: &Task, vars: &Arc<dyn VarSource>) -> Result<Option<Vec<Value>>, Failure> {
        let templar = &self.engine.templar;
        match &task.loop_ {
            None => Ok(None),
            Some(Loop::Loop(raw)) => {
                let items = templar.template(raw, vars).map_err(|e| loop_failure(e).at(raw.span()))?;
                match items {
                    Value::List(items) => Ok(Some(items.as_ref().clone())),
                    other => {
                        let kind = python_type(&other);
                        let mut failure =
                            Failure::new(format!("The `loop` value must resolve to a 'list', not '{kind}'."))
                                .at(raw.span());
                        if let Some(cause) = failure.causes.last_mut() {
                            cause
                                .help
                                .push("Provide a list of items/templates, or a template resolving to a list.".into());
                        }
                        Err(failure)
                    }
                }
            }
            Some(Loop::With(name, raw)) => {
                let terms = match raw {
                    Value::Str(text) if text.template && !templar.is_template(text) && is_bare(&text.text, vars) => {
                        // `with_items: packages`: a bare variable's name.
                        self.engine.emit(Event::Deprecated(format!(
                            "using the bare variable {:?} in with_{name} is an old form; write \"{{{{ {} }}}}\"",
                            text.text, text.text
                        )));
                        templar
                            .evaluate(&text.text, text.span.as_ref(), vars)
                            .map_err(|e| loop_failure(e).at(raw.span()))?
                    }
                    other => templar.template(other, vars).map_err(|e| loop_failure(e).at(raw.span()))?,
                };
                let terms = match terms {
                    Value::List(items) => items.as_ref().clone(),
                    one => vec![one],
                };
                let cx = LookupContext::new(templar, vars, raw.span());
                crate::lookup::with(name, terms, &task.action.name, &cx)
                    .map(Some)
                    .map_err(|e| Failure::new(format!("The lookup plugin '{name}' failed: {e}")).at(raw.span()))
            }
        }
    }

    fn control(&self, task: &Task, vars: &Arc<dyn VarSource>) -> Result<Control, Failure> {
        let attr = task.own("loop_control").map(|a| a.value.clone()).unwrap_or_default();
        let render = |name: &str| match attr.get(name) {
            Some(raw) => self.engine.templar.template(raw, vars).map(Some).map_err(Failure::from),
            None => Ok(None),
        };
        let text = |name: &str| {
            Ok::<_, Failure>(
                render(name)?.filter(|v| !matches!(v, Value::Null | Value::Omit)).map(|v| crate::text::of(&v)),
            )
        };
        let bool = |name: &str| Ok::<_, Failure>(render(name)?.as_ref().and_then(super::connection::boolean));
        Ok(Control {
            loop_var: text("loop_var")?.unwrap_or_else(|| "item".into()),
            index_var: text("index_var")?,
            label: attr.get("label").cloned(),
            pause: render("pause")?.as_ref().and_then(super::connection::number).unwrap_or(0.0),
            extended: bool("extended")?.unwrap_or(false),
            all_items: bool("extended_allitems")?.unwrap_or(true),
            register: task.own("register").and_then(|a| a.value.as_str()).map(Key::from),
            break_when: attr.get("break_when").map(crate::play::scope::items).unwrap_or_default(),
        })
    }

    async fn run_loop(
        self: &Arc<Self>,
        place: &Place<'_>,
        items: Vec<Value>,
        vars: &Arc<dyn VarSource>,
        done: &mut Done,
    ) {
        let task = place.task;
        let control = match self.control(task, vars) {
            Ok(control) => control,
            Err(failure) => {
                done.res = failure.because("Task failed", None).into_result(&task.span);
                return;
            }
        };
        if items.is_empty() {
            set(&mut done.res, "changed", false);
            set(&mut done.res, "skipped", true);
            set(&mut done.res, "skipped_reason", "No items in the list");
            set(&mut done.res, "results", Value::list(Vec::new()));
            return;
        }
        if vars.get(&control.loop_var).is_some() {
            self.engine.emit(Event::Warning(format!(
                "The loop variable '{}' is already in use. You should set the `loop_var` value in the `loop_control` option for the task to something else to avoid variable collisions and unexpected behavior.",
                control.loop_var
            )));
        }
        let scope = |index: usize, before: &Map| {
            let mut top = loop_vars(&control, &items, index);
            for (key, value) in before {
                top.entry(key.clone()).or_insert_with(|| value.clone());
            }
            (Overlay::new(top.clone(), Arc::clone(vars)), top)
        };
        let mut results: Vec<Value> = Vec::new();
        if self.independent(task, &control) {
            let nothing = Map::new();
            let calls = (0..items.len()).map(|index| {
                let (vars, top) = scope(index, &nothing);
                async move { (place.run(&vars).await, vars, top, index) }
            });
            let mut calls = futures_util::stream::iter(calls).buffered(IN_FLIGHT);
            while let Some((one, vars, top, index)) = calls.next().await {
                results.push(self.item_done(one, &control, &items[index], &vars, &top, done));
            }
        } else {
            let mut before = Map::new();
            for (index, item) in items.iter().enumerate() {
                if self.engine.cancelled() {
                    break;
                }
                if index > 0 && control.pause > 0.0 {
                    tokio::time::sleep(std::time::Duration::from_secs_f64(control.pause)).await;
                }
                let (item_vars, top) = scope(index, &before);
                let one = place.run(&item_vars).await;
                if let Some(register) = task.own("register").and_then(|a| a.value.as_str().map(str::to_owned)) {
                    before.insert(Key::from(register), super::result::registered(&one.res));
                }
                if let (Some(Value::Map(facts)), "set_fact" | "include_vars") =
                    (get(&one.res, "ansible_facts"), task.action.name.as_str())
                    && !one.delegate_facts
                {
                    before.extend(facts.iter().map(|(k, v)| (k.clone(), v.clone())));
                }
                results.push(self.item_done(one, &control, item, &item_vars, &top, done));
                if !control.break_when.is_empty() {
                    let mut top = top;
                    top.extend(before.clone());
                    let vars = Overlay::new(top, Arc::clone(vars));
                    match self.engine.templar.condition(&Value::list(control.break_when.clone()), &vars) {
                        Ok((true, _)) => break,
                        Ok(_) => {}
                        Err(error) => {
                            done.res = Failure::from(error).because("Task failed", None).into_result(&task.span);
                            return;
                        }
                    }
                }
            }
        }
        sum_up(results, done);
    }

    /// Items that need nothing of one another go out back to back.
    fn independent(&self, task: &Task, control: &Control) -> bool {
        let remote =
            !crate::actions::on_controller(&task.action) || matches!(task.action.name.as_str(), "template" | "copy");
        if !remote || control.pause > 0.0 || !control.break_when.is_empty() {
            return false;
        }
        if ["until", "retries", "async"].iter().any(|k| task.own(k).is_some()) {
            return false;
        }
        let Some(register) = task.own("register").and_then(|a| a.value.as_str()) else { return true };
        // The result of an item is looked at by its own conditions; one of an item before it, by `when` and arguments.
        let conditions = task.conditions();
        let mut texts = Vec::new();
        conditions.iter().for_each(|v| collect(v, &mut texts));
        task.args.values().for_each(|v| collect(v, &mut texts));
        !texts.iter().any(|t| t.contains(register))
    }

    fn item_done(
        self: &Arc<Self>,
        one: ItemDone,
        control: &Control,
        item: &Value,
        vars: &Arc<dyn VarSource>,
        top: &Map,
        done: &mut Done,
    ) -> Value {
        let mut res = one.res.clone();
        res.insert(Key::from(control.loop_var.as_str()), item.clone());
        set(&mut res, "ansible_loop_var", control.loop_var.as_str());
        if let Some(index_var) = &control.index_var {
            if let Some(index) = top.get(&Key::from(index_var.as_str())) {
                res.insert(Key::from(index_var.as_str()), index.clone());
            }
            set(&mut res, "ansible_index_var", index_var.as_str());
        }
        if let Some(extended) = top.get(&Key::from("ansible_loop")) {
            set(&mut res, "ansible_loop", extended.clone());
        }
        set(&mut res, "_ansible_item_result", true);
        set(&mut res, "_ansible_ignore_errors", one.ignore_errors);
        set(&mut res, "_ansible_ignore_unreachable", one.ignore_unreachable);
        let label = match &control.label {
            Some(raw) => match self.engine.templar.template(raw, &control.seen_by_label(&one.res, vars)) {
                Ok(label) => label,
                Err(error) => {
                    set(&mut res, "failed", true);
                    set(&mut res, "msg", format!("Failed to template loop_control.label: {}", error.message));
                    item.clone()
                }
            },
            None => item.clone(),
        };
        set(&mut res, "_ansible_item_label", label.clone());
        if let (Some((to, _)), true) = (&one.delegated, one.delegate_facts) {
            // Each item may be delegated to another host.
            set(&mut res, "_ansible_facts_to", to.as_str());
        }
        let mut shown = res.clone();
        if one.no_log {
            set(&mut res, "_ansible_no_log", true);
            shown = censor(&shown);
        }
        let label = if one.no_log { "(censored due to no_log)".to_owned() } else { crate::text::of(&label) };
        let of_inclusion = label.clone();
        let status = status(&res);
        if one.includes.is_empty() {
            self.engine.emit(Event::Item(Ended {
                task: Arc::clone(&done.info),
                host: done.host.to_string(),
                delegated_to: one.delegated.clone(),
                status,
                ignored: false,
                diff: one.diff,
                label: Some(label),
                result: value(&shown),
            }));
        }
        let mut includes = one.includes.clone();
        for ask in &mut includes {
            ask.vars = top.clone();
            ask.label = Some(of_inclusion.clone());
        }
        done.includes.extend(includes);
        done.take(ItemDone { includes: Vec::new(), ..one }, false);
        value(&res)
    }
}

impl Done {
    /// Takes over what an item says of the task.
    fn take(&mut self, one: ItemDone, whole: bool) {
        if whole {
            self.res = one.res;
            self.ignore_errors = one.ignore_errors;
            self.ignore_unreachable = one.ignore_unreachable;
            self.includes = one.includes;
            // A template may hide the one host's result and show the other's.
            self.no_log = one.no_log;
        }
        self.no_log |= one.no_log;
        self.diff |= one.diff;
        for name in one.notify {
            if !self.notify.contains(&name) {
                self.notify.push(name);
            }
        }
        self.delegated = one.delegated.or(self.delegated.take());
        self.delegate_facts |= one.delegate_facts;
    }
}

/// The result of a loop.
fn sum_up(results: Vec<Value>, done: &mut Done) {
    let is = |v: &Value, key: &str| v.get(key).is_some_and(Value::is_true);
    let res = &mut done.res;
    let changed = results.iter().any(|r| is(r, "changed"));
    let skipped = results.iter().all(|r| is(r, "skipped"));
    let failed: Vec<&Value> = results.iter().filter(|r| is(r, "failed")).collect();
    let lost: Vec<&Value> = results.iter().filter(|r| is(r, "unreachable")).collect();
    if failed.is_empty() {
        set(res, "msg", if skipped { "All items skipped" } else { "All items completed" });
    } else {
        set(res, "failed", true);
        set(res, "msg", "One or more items failed");
        done.ignore_errors = failed.iter().all(|r| is(r, "_ansible_ignore_errors"));
    }
    if !lost.is_empty() {
        set(res, "unreachable", true);
        done.ignore_unreachable = lost.iter().all(|r| is(r, "_ansible_ignore_unreachable"));
    }
    set(res, "changed", changed);
    set(res, "skipped", skipped);
    let mut clean = Vec::new();
    let mut told = [("warnings", Vec::new()), ("deprecations", Vec::new())];
    for result in results {
        let mut map = super::result::as_map(&result);
        for key in ["_ansible_ignore_errors", "_ansible_ignore_unreachable"] {
            map.shift_remove(&Key::from(key));
        }
        // They are the loop's, not its items'.
        for (key, all) in &mut told {
            all.extend(map.shift_remove(&Key::from(*key)).iter().flat_map(crate::play::scope::items));
        }
        clean.push(Value::map(map));
    }
    set(res, "results", Value::list(clean));
    for (key, all) in told.into_iter().filter(|(_, all)| !all.is_empty()) {
        set(res, key, Value::list(all));
    }
}

/// Whether it counts as failed: what `failed_when` said holds, even where the retries ran out.
fn failed(res: &Res) -> bool {
    let items = get(res, "results").and_then(Value::as_list).unwrap_or_default();
    if items.iter().any(|i| i.get("failed_when_result").is_some()) {
        return items.iter().any(|i| i.get("failed_when_result").is_some_and(Value::is_true));
    }
    get(res, "failed_when_result").map_or_else(|| flag(res, "failed"), Value::is_true)
}

/// How a result counts.
pub fn status(res: &Res) -> Status {
    if flag(res, "unreachable") {
        Status::Unreachable
    } else if failed(res) {
        Status::Failed
    } else if flag(res, "skipped") {
        Status::Skipped
    } else if flag(res, "changed") {
        Status::Changed
    } else {
        Status::Ok
    }
}

fn loop_vars(control: &Control, items: &[Value], index: usize) -> Map {
    let mut top = Map::new();
    top.insert("ansible_loop_var".into(), Value::str(control.loop_var.as_str()));
    top.insert(Key::from(control.loop_var.as_str()), items[index].clone());
    if let Some(name) = &control.index_var {
        top.insert("ansible_index_var".into(), Value::str(name.as_str()));
        top.insert(Key::from(name.as_str()), Value::Int(index as i64));
    }
    if control.extended {
        let mut extended = Map::new();
        let count = items.len();
        let numbers = [
            ("index", index + 1),
            ("index0", index),
            ("length", count),
            ("revindex", count - index),
            ("revindex0", count - index - 1),
        ];
        for (key, number) in numbers {
            extended.insert(Key::from(key), Value::Int(number as i64));
        }
        extended.insert("first".into(), Value::Bool(index == 0));
        extended.insert("last".into(), Value::Bool(index + 1 == count));
        if control.all_items {
            extended.insert("allitems".into(), Value::list(items.to_vec()));
        }
        if let Some(next) = items.get(index + 1) {
            extended.insert("nextitem".into(), next.clone());
        }
        if let Some(before) = index.checked_sub(1).and_then(|i| items.get(i)) {
            extended.insert("previtem".into(), before.clone());
        }
        top.insert("ansible_loop".into(), Value::map(extended));
    }
    top
}

/// A loop that can't be rendered. Only what is undefined waits for the task's condition, and is a failure of the task itself.
fn loop_failure(error: imgbuild_jinja::TemplateError) -> Failure {
    let undefined = error.is_undefined();
    let failure = Failure::from(error);
    if undefined { failure.because("Task failed", None) } else { failure }
}

fn is_bare(text: &str, vars: &Arc<dyn VarSource>) -> bool {
    let name = text.trim().split(['.', '[']).next().unwrap_or_default();
    crate::play::fields::is_identifier(name) && vars.get(name).is_some()
}

fn collect<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::Str(s) => out.push(&s.text),
        Value::List(items) => items.iter().for_each(|v| collect(v, out)),
        Value::Map(map) => map.values().for_each(|v| collect(v, out)),
        _ => {}
    }
}

/// Python's name of a value's type.
pub fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::BigInt(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) | Value::Vault(_) => "str",
        Value::Moment(moment) => moment.type_name(),
        Value::Bytes(_) => "bytes",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        Value::Omit => "Omit",
    }
}
