//! `include_tasks` and `include_role`: what is asked for, and running it.

use super::engine::{Host, lock};
use super::flow::{Around, Flow};
use super::item::Place;
use super::play::PlayRun;
use super::result::{Failure, Res, set};
use crate::callback::{Ended, Event, Status};
use crate::play::keywords::Level;
use crate::play::loader::Loader;
use crate::play::model::{Item, Task};
use crate::play::paths;
use crate::play::scope::{Attr, Attrs, Kind, Scope};
use crate::settings::exit;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{Key, Map, Value, VarSource};
use std::path::Path;
use std::sync::{Arc, PoisonError};

/// What one host, or one item of its loop, asks to include.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// Rendered arguments.
    pub args: Vec<(String, String)>,
    /// `apply`, not rendered.
    pub apply: Option<Value>,
    /// Loop variables.
    pub vars: Map,
    /// The item's label.
    pub label: Option<String>,
}

/// Renders what an include asks for.
pub fn ask(place: &Place<'_>, vars: &Arc<dyn VarSource>) -> Result<Ask, Failure> {
    let templar = &place.run.engine.templar;
    let mut ask = Ask::default();
    let mut all = place.task.args.clone();
    if let Some(raw) = &place.task.args_template
        && let Value::Map(more) = templar.template(raw, vars).map_err(Failure::from)?
    {
        all.extend(Map::clone(&more));
    }
    for (key, raw) in &all {
        let name = key.to_string();
        if name == "apply" {
            ask.apply = Some(raw.clone());
            continue;
        }
        let value = templar.template(raw, vars).map_err(|e| {
            let mut failure = Failure::from(e).at(raw.span());
            if let Some(cause) = failure.causes.last_mut() {
                cause.message = format!("Error while resolving value for '{name}': {}", cause.message);
            }
            failure.because(
                format!("Finalization of task args for 'ansible.builtin.{}' failed", place.task.action.name),
                Some(&place.task.span),
            )
        })?;
        match value {
            Value::Omit => {}
            // Old form: a list of candidates, the first that exists counts.
            Value::List(items) if name == "_raw_params" => {
                let first = items.first().map(crate::text::of).unwrap_or_default();
                ask.args.push((name, first));
            }
            value => ask.args.push((name, crate::text::of(&value))),
        }
    }
    Ok(ask)
}

impl PlayRun {
    /// Runs what hosts asked for: same things together, in the order in which they were asked.
    pub async fn included(
        self: &Arc<Self>,
        task: &Arc<Task>,
        asks: Vec<(Host, Vec<Ask>)>,
        hosts: Vec<Host>,
        around: Around,
        fatal: bool,
    ) -> Flow {
        let mut groups: Vec<(Ask, Vec<Host>)> = Vec::new();
        for (host, list) in asks {
            for ask in list {
                // The same file twice for one host runs twice.
                match groups.iter_mut().find(|(known, members)| *known == ask && !members.contains(&host)) {
                    Some((_, members)) => members.push(Arc::clone(&host)),
                    None => groups.push((ask, vec![Arc::clone(&host)])),
                }
            }
        }
        let mut loaded = Vec::new();
        let mut flow = Flow { ok: hosts.clone(), failed: Vec::new() };
        for (ask, members) in groups {
            match self.load(task, &ask, &members, around) {
                Ok((shown, items)) => {
                    for host in &members {
                        lock(&self.engine.stats).host(host).ok += 1;
                    }
                    let names = members.iter().map(ToString::to_string).collect();
                    self.engine.emit(Event::Included { file: shown, hosts: names, label: ask.label.clone() });
                    loaded.push((items, members));
                }
                Err(problem) => self.refuse(task, &ask, &members, &problem, &mut flow),
            }
        }
        if fatal && !flow.failed.is_empty() {
            flow.failed.append(&mut flow.ok);
        }
        for (items, members) in loaded {
            let run: Vec<Host> = flow.ok.iter().filter(|h| members.contains(h)).cloned().collect();
            if run.is_empty() || self.stopped() {
                continue;
            }
            let next = self.items(&items, run.clone(), around).await;
            flow.ok.retain(|h| !run.contains(h) || next.ok.contains(h));
            flow.failed.extend(next.failed);
        }
        if self.stopped() {
            return Flow::default();
        }
        flow
    }

    /// What can't be read, or is no list of tasks as such, ends the run; what is missing or can't be opened fails the hosts that
    /// asked, and they may be rescued.
    fn refuse(&self, task: &Arc<Task>, ask: &Ask, members: &[Host], problem: &Diagnostics, flow: &mut Flow) {
        if problem.errors().next().is_some_and(|first| first.exit.is_none()) {
            self.engine.fail(problem.clone());
            return;
        }
        let text = problem.to_string();
        let message = problem.errors().next().map_or_else(|| text.clone(), |d| d.message.clone());
        self.engine.emit(Event::Error(text));
        let file = ask.args.iter().find(|(name, _)| name == "_raw_params").map_or("", |(_, file)| file.trim());
        for host in members {
            let mut res = Res::new();
            set(&mut res, "failed", true);
            set(&mut res, "changed", false);
            if task.action.name == "include_tasks" {
                set(&mut res, "include", file);
            }
            set(&mut res, "reason", message.as_str());
            // Counted as failed even where a rescue takes care of it, as Ansible does for includes.
            lock(&self.engine.stats).host(host).failed += 1;
            let info = crate::callback::TaskInfo {
                id: task.id,
                name: task.title(None),
                action: task.action.written.clone(),
                ..Default::default()
            };
            self.engine.emit(Event::Result(Ended {
                task: Arc::new(info),
                host: host.to_string(),
                delegated_to: None,
                status: Status::Failed,
                ignored: false,
                diff: false,
                label: None,
                result: super::result::value(&res),
            }));
            flow.ok.retain(|h| h != host);
            flow.failed.push(Arc::clone(host));
        }
    }

    /// Reads what is included; its name as it is shown, and its tasks.
    fn load(
        self: &Arc<Self>,
        task: &Arc<Task>,
        ask: &Ask,
        members: &[Host],
        around: Around,
    ) -> Result<(String, Vec<Item>), Diagnostics> {
        let engine = &self.engine;
        let settings = Arc::clone(&engine.settings);
        let mut loader = Loader::new(&settings, &engine.templar, &engine.ids, &self.play.dir);
        loader.play = self.layers.read().unwrap_or_else(PoisonError::into_inner).clone();
        loader.magic.extend(Map::clone(&self.magic));
        if let Some(host) = members.first() {
            loader.host = engine.host_layers(host, &self.play.dir)?;
            loader.magic.extend(engine.host_magic(host));
        }
        loader.dynamic = true;
        let depth = task.scope.chain().filter(|s| s.kind == Kind::Include).count();
        if depth > crate::play::loader::MAX_DEPTH {
            return Err(Diagnostic::error(format!(
                "includes are nested deeper than {} levels: does a file include itself?",
                crate::play::loader::MAX_DEPTH
            ))
            .at(&task.span)
            .exit(exit::FAILED)
            .into());
        }
        let scope = self.include_scope(task, ask, &mut loader);
        let handlers = around.handlers && task.is_handler();
        let arg = |name: &str| ask.args.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        let (shown, items) = if task.action.name == "include_role" {
            let args: Vec<_> = ask.args.iter().map(|(k, v)| (k.clone(), v.clone(), None)).collect();
            let used = loader.role_use(&args, &task.span, true);
            let compiled = used.and_then(|used| loader.compile_role(used, &scope));
            match compiled {
                Some(compiled) => {
                    let name = compiled.role.name.clone();
                    loader.handlers.extend(compiled.handlers);
                    if compiled.role.public {
                        let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
                        layers.roles.extend(compiled.role.all_dependencies().into_iter().cloned());
                        layers.roles.push(Arc::clone(&compiled.role));
                    }
                    (name, compiled.tasks)
                }
                None => (String::new(), Vec::new()),
            }
        } else {
            let name = arg("_raw_params").unwrap_or_default();
            let name = name.trim();
            match paths::task_file(name, &scope, &task.dir, &self.play.dir, handlers) {
                Some(path) => {
                    let items = loader.file_items(&path, &scope, handlers, Some(&task.span));
                    (path.display().to_string(), items)
                }
                None => {
                    let path = paths::normal(&task.dir.join(Path::new(name)));
                    let problem = if name.is_empty() {
                        Diagnostic::error("No file specified for include_tasks").exit(exit::ERROR)
                    } else if path.is_dir() {
                        Diagnostic::error(format!("'{}' is a folder, and no file of tasks", path.display()))
                    } else {
                        Diagnostic::error(paths::missing_tasks(&path)).exit(exit::ERROR)
                    };
                    loader.out.push(problem.at(&task.span));
                    (String::new(), Vec::new())
                }
            }
        };
        let added = PlayRun::flat_handlers(&loader.handlers);
        if !added.is_empty() {
            self.handlers.write().unwrap_or_else(PoisonError::into_inner).extend(added);
        }
        let imported = std::mem::take(&mut loader.roles);
        self.layers.write().unwrap_or_else(PoisonError::into_inner).roles.extend(imported);
        loader.report_missing(true);
        let (items, warnings) = std::mem::take(&mut loader.out).into_result(items)?;
        for warning in warnings {
            engine.emit(Event::Warning(warning.to_string().trim_start_matches("Warning: ").to_owned()));
        }
        Ok((shown, items))
    }

    /// The levels between an include and what is in it: the include itself (variables only), then `apply`.
    fn include_scope(&self, task: &Arc<Task>, ask: &Ask, loader: &mut Loader<'_>) -> Arc<Scope> {
        let mut vars = Map::clone(&task.scope.vars);
        vars.extend(ask.vars.clone());
        // Old form: `include: file.yml x=1`.
        for (key, value) in &ask.args {
            if task.action.written == "include" && !key.starts_with('_') {
                vars.insert(Key::from(key.as_str()), Value::str(value.as_str()));
            }
        }
        let include = Arc::new(Scope {
            attrs: Attrs::new(),
            vars: Arc::new(vars),
            parent: task.scope.parent.clone(),
            kind: Kind::Include,
            role: None,
        });
        let Some(Value::Map(apply)) = &ask.apply else { return include };
        let mut attrs = Attrs::new();
        let mut apply_vars = Map::new();
        for (key, value) in apply.iter() {
            let name = key.to_string();
            if name == "vars" {
                apply_vars = super::result::as_map(value);
                continue;
            }
            match crate::play::keywords::find(&name, Level::BLOCK) {
                Some(keyword) => {
                    attrs.insert(keyword.name, Attr { value: value.clone(), span: value.span().cloned() });
                }
                None => loader.out.push(
                    Diagnostic::error(format!("'{name}' is not a valid attribute for a Block"))
                        .at_opt(value.span().or(Some(&task.span)))
                        .suggest(&name, crate::play::keywords::names(Level::BLOCK)),
                ),
            }
        }
        Arc::new(Scope { attrs, vars: Arc::new(apply_vars), parent: Some(include), kind: Kind::Block, role: None })
    }
}
