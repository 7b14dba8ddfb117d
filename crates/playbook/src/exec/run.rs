//! The loop over playbooks and plays.

use super::connection::{boolean, number};
use super::engine::{Engine, Fatal, Host, lock};
use super::flow::{Around, Flow};
use super::play::{PlayRun, Shared, Strategy};
use super::select::batches;
use crate::api::Prompt;
use crate::callback::Event;
use crate::play::model::{Item, Play, PlaybookFile, Task, VarsPrompt, implicit_scope};
use crate::play::modules::Action;
use crate::play::scope::items;
use crate::settings::{Gathering, exit};
use crate::vars::{HostLayers, PlayLayers, Vars, layers};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{Key, Map, Value, VarSource};
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Whether the next play may begin.
#[derive(PartialEq, Eq)]
enum Next {
    Play,
    End,
}

/// Runs playbooks one after the other; the exit code.
pub async fn run(engine: &Arc<Engine>, playbooks: &[PlaybookFile]) -> u8 {
    let mut code = exit::OK;
    for playbook in playbooks {
        engine.emit(Event::PlaybookStart { path: playbook.path.clone() });
        engine.emit(Event::Verbose {
            level: 2,
            text: format!("{} plays in {}", playbook.plays.len(), playbook.path.display()),
            host: None,
        });
        for play in &playbook.plays {
            match Box::pin(run_play(engine, play)).await {
                Ok(Next::Play) => {}
                Ok(Next::End) => break,
                Err(fatal) => {
                    engine.fail(fatal);
                    break;
                }
            }
            if engine.cancelled() {
                break;
            }
        }
        if lock(&engine.fatal).is_some() || engine.session.cancel.is_cancelled() {
            break;
        }
        let stats = lock(&engine.stats).clone();
        engine.emit(Event::End(stats));
        code = engine.code();
        if engine.settings.retry_files {
            engine.write_retry_file(&playbook.path);
        }
        if code != exit::OK {
            break;
        }
    }
    if let Some(name) = lock(&engine.start_at).as_ref() {
        engine.emit(Event::Error(format!(
            "No matching task \"{name}\" found. Note: --start-at-task can only follow static includes."
        )));
    }
    if engine.session.cancel.is_cancelled() {
        return exit::INTERRUPTED;
    }
    lock(&engine.fatal).as_ref().map_or(code, |fatal| fatal.code)
}

impl Engine {
    /// Writes the hosts that failed beside the playbook, for `--limit @file`.
    fn write_retry_file(&self, playbook: &std::path::Path) {
        let mut hosts: Vec<Host> = lock(&self.lost).iter().chain(lock(&self.unreachable).iter()).cloned().collect();
        if hosts.is_empty() {
            return;
        }
        hosts.sort();
        hosts.dedup();
        let beside = self.settings.cwd.join(playbook).with_extension("retry");
        let path = match (&self.settings.retry_files_path, beside.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => beside,
        };
        let text: String = hosts.iter().map(|h| format!("{h}\n")).collect();
        let folder = path.parent().map_or(Ok(()), fs_err::create_dir_all);
        match folder.and_then(|()| fs_err::write(&path, text)) {
            Ok(()) => self.emit(Event::Verbose {
                level: 0,
                text: format!("\tto retry, use: --limit @{}\n", path.display()),
                host: None,
            }),
            Err(error) => self.emit(Event::Warning(format!("Could not create retry file: {error}"))),
        }
    }

    /// The exit code that the hosts' fates stand for: the unreachable come first, as in Ansible.
    fn code(&self) -> u8 {
        if !lock(&self.unreachable).is_empty() {
            exit::UNREACHABLE
        } else if !lock(&self.lost).is_empty() {
            exit::FAILED
        } else {
            exit::OK
        }
    }
}

/// A play's variables before any host is known.
fn play_vars(engine: &Engine, play: &Play, layers_of: &PlayLayers) -> Arc<dyn VarSource> {
    let mut magic = PlayRun::run_magic(engine, &play.dir);
    magic.insert("groups".into(), engine.groups());
    Arc::new(Vars {
        merge: engine.settings.hash_merge,
        ..Vars::fixed(magic, layers(&engine.extra, &HostLayers::default(), layers_of, None))
    })
}

/// Roles whose variables the play sees, and files whose names are fixed.
fn play_layers(engine: &Engine, play: &Play) -> Result<(PlayLayers, Vec<Value>), Fatal> {
    let mut layers_of = PlayLayers { vars: Arc::clone(&play.scope.vars), ..PlayLayers::default() };
    for compiled in play.roles.iter().filter(|c| c.role.public) {
        layers_of.roles.extend(compiled.role.all_dependencies().into_iter().cloned());
        layers_of.roles.push(Arc::clone(&compiled.role));
    }
    layers_of.roles.extend(play.imported_roles.iter().cloned());
    let mut late = Vec::new();
    for entry in &play.vars_files {
        let names = items(entry);
        if names.iter().any(|n| matches!(n, Value::Str(s) if engine.templar.is_template(s))) {
            late.push(entry.clone());
            continue;
        }
        let found = names.iter().filter_map(Value::as_str).find_map(|n| crate::play::paths::vars_file(n, &play.dir));
        let Some(path) = found else { continue };
        let mut map = Map::new();
        let mut out = imgbuild_diag::Diagnostics::new();
        crate::inventory::vars_files::read_vars_file(&path, &engine.settings, &mut map, &mut out);
        out.into_result(())?;
        layers_of.files.push(Arc::new(map));
    }
    Ok((layers_of, late))
}

async fn run_play(engine: &Arc<Engine>, play: &Arc<Play>) -> Result<Next, Fatal> {
    let (mut layers_of, late_files) = play_layers(engine, play)?;
    layers_of.prompted = Arc::new(ask_vars(engine, play, &layers_of).await?);
    let vars = play_vars(engine, play, &layers_of);
    let keyword = |name: &str| engine.play_keyword(play, name, &vars);
    let text = |name: &str| {
        Ok::<_, Fatal>(keyword(name)?.filter(|v| !matches!(v, Value::Null | Value::Omit)).map(|v| crate::text::of(&v)))
    };
    let patterns = engine.patterns(play, &vars)?;
    let name = match text("name")? {
        Some(name) if !name.is_empty() => name,
        _ => patterns.join(","),
    };
    let order = text("order")?.unwrap_or_default();
    let named = engine.hosts(&patterns)?;
    let hosts = super::select::ordered(named.clone(), &order);
    let wanted = text("strategy")?.unwrap_or_else(|| engine.settings.strategy.clone());
    let strategy = match wanted.strip_prefix("ansible.builtin.").unwrap_or(&wanted) {
        "linear" | "debug" => Strategy::Linear,
        "free" => Strategy::Free,
        "host_pinned" => Strategy::HostPinned,
        other => {
            let problem = Diagnostic::error(format!("Invalid play strategy specified: {other}"));
            let place = play.attr("strategy").and_then(|a| a.span.as_ref()).unwrap_or(&play.span);
            return Err(problem.at(place).exit(exit::ERROR).into());
        }
    };
    let debugger = engine.settings.task_debugger || matches!(&*wanted, "debug" | "ansible.builtin.debug");
    let check = keyword("check_mode")?.as_ref().and_then(boolean).unwrap_or(engine.settings.check);
    let start = || Event::PlayStart { name: name.clone(), strategy: wanted.clone(), check_mode: check };
    let serial: Vec<Value> = keyword("serial")?.map(|v| items(&v)).unwrap_or_default();
    let serial: Vec<Value> = serial.into_iter().filter(|v| !matches!(v, Value::Omit | Value::Null)).collect();
    let batches = batches(hosts.clone(), &serial).map_err(|why| {
        let place = play.attr("serial").and_then(|a| a.value.span().or(a.span.as_ref())).unwrap_or(&play.span);
        Diagnostic::error(why).at(place).help("a number of hosts, a percentage, or a list of both").exit(exit::ERROR)
    })?;
    if batches.is_empty() {
        engine.emit(start());
        engine.emit(Event::NoHostsMatched);
        return Ok(Next::Play);
    }
    let max_fail = keyword("max_fail_percentage")?.as_ref().and_then(|v| match v {
        Value::Str(s) => s.text.trim().trim_end_matches('%').parse().ok(),
        other => number(other),
    });
    let force = keyword("force_handlers")?.as_ref().and_then(boolean).unwrap_or(engine.settings.force_handlers);
    let gather = gathering(engine, play, &vars)?;
    for batch in batches {
        let run = Arc::new(PlayRun {
            engine: Arc::clone(engine),
            play: Arc::clone(play),
            name: name.clone(),
            layers: RwLock::new(layers_of.clone()),
            late_files: late_files.clone(),
            all: hosts.clone(),
            named: named.clone(),
            batch: batch.clone(),
            strategy,
            debugger,
            start: std::sync::OnceLock::new(),
            handlers: RwLock::new(PlayRun::flat_handlers(&play.handlers)),
            shared: Mutex::new(Shared::default()),
            forks: Arc::new(Semaphore::new(engine.settings.forks.max(1))),
            throttles: Mutex::default(),
            max_fail,
            force_handlers: force,
            magic: Arc::new(PlayRun::run_magic(engine, &play.dir)),
            groups: Mutex::default(),
        });
        {
            let mut shared = lock(&run.shared);
            for host in lock(&engine.lost).iter().chain(lock(&engine.unreachable).iter()) {
                shared.gone.insert(Arc::clone(host));
            }
        }
        engine.emit(start());
        let before: Vec<Host> = batch.iter().filter(|h| !run.out(h)).cloned().collect();
        run.readable(&before)?;
        run.batch_of_play(before.clone(), gather.as_ref()).await;
        let shared = lock(&run.shared);
        let mut lost = lock(&engine.lost);
        let mut bad = 0;
        for host in &before {
            // Those that were on their way out when a `meta` ended the batch have failed, too.
            if shared.failed.contains(host) || shared.leaving.contains(host) {
                lost.insert(Arc::clone(host));
            }
            bad += usize::from(lost.contains(host) || lock(&engine.unreachable).contains(host));
        }
        if engine.cancelled() {
            return Ok(Next::End);
        }
        // All of the batch: those that earlier plays lost are in it and are no failures of this one (PlaybookExecutor.run).
        if bad > 0 && bad == batch.len() || shared.broken {
            return Ok(Next::End);
        }
        if shared.stop_play {
            return Ok(Next::Play);
        }
    }
    Ok(Next::Play)
}

/// The task that gathers facts, if the play wants it.
fn gathering(engine: &Engine, play: &Play, vars: &Arc<dyn VarSource>) -> Result<Option<Arc<Task>>, Fatal> {
    let keyword = |name: &str| engine.play_keyword(play, name, vars);
    let own = keyword("gather_facts")?.as_ref().and_then(boolean);
    let wanted = own.unwrap_or(engine.settings.gathering != Gathering::Explicit);
    if !wanted {
        return Ok(None);
    }
    let mut args = Map::new();
    let settings = &engine.settings;
    let subset = keyword("gather_subset")?.or_else(|| {
        let given = settings.gather_subset.iter().map(|s| Value::str(s.as_str())).collect::<Vec<_>>();
        (!given.is_empty()).then(|| Value::list(given))
    });
    if let Some(subset) = subset {
        args.insert("gather_subset".into(), Value::list(items(&subset)));
    }
    if let Some(timeout) = keyword("gather_timeout")? {
        args.insert("gather_timeout".into(), timeout);
    } else if settings.gather_timeout != 10 {
        args.insert("gather_timeout".into(), Value::Int(settings.gather_timeout as i64));
    }
    if let Some(path) = keyword("fact_path")? {
        args.insert("fact_path".into(), path);
    }
    Ok(Some(Arc::new(Task {
        id: engine.ids.next(),
        scope: implicit_scope(&play.scope, Some("Gathering Facts"), &["always"]),
        action: Action::builtin("gather_facts"),
        args,
        args_template: None,
        loop_: None,
        span: play.span.clone(),
        handler: None,
        implicit: true,
        dir: play.dir.clone(),
    })))
}

impl Engine {
    /// A keyword of a play, rendered.
    pub fn play_keyword(&self, play: &Play, name: &str, vars: &Arc<dyn VarSource>) -> Result<Option<Value>, Fatal> {
        let Some(attr) = play.attr(name) else { return Ok(None) };
        self.templar.template(&attr.value, vars).map(Some).map_err(|error| {
            let mut problem = error.diagnostic();
            problem.message = format!("Error processing keyword '{name}': {}", problem.message);
            problem.span = problem.span.or_else(|| attr.span.clone());
            problem.into()
        })
    }
}

impl PlayRun {
    /// Whether the files of variables of all these hosts can be read. What can't ends the run before its first task.
    fn readable(self: &Arc<Self>, hosts: &[Host]) -> Result<(), Fatal> {
        let mut found = Diagnostics::new();
        for problem in hosts.iter().filter_map(|host| self.vars(host, None).err()).flatten() {
            // Hosts share the files of their groups.
            if !found.iter().any(|known| *known == problem) {
                found.push(problem);
            }
        }
        if found.has_errors() { Err(found.into()) } else { Ok(()) }
    }

    /// All sections of the play on the hosts of a batch.
    async fn batch_of_play(self: &Arc<Self>, hosts: Vec<Host>, gather: Option<&Arc<Task>>) {
        let pattern = lock(&self.engine.start_at).clone();
        if let Some(pattern) = pattern {
            // A play without that task is passed over, facts and all.
            let Some(task) = self.find_start(&pattern) else { return };
            *lock(&self.engine.start_at) = None;
            _ = self.start.set(task);
        }
        if self.strategy == Strategy::Linear {
            self.sections(hosts, gather).await;
            return;
        }
        let limit = match self.strategy {
            Strategy::HostPinned => self.engine.settings.forks.max(1),
            _ => usize::MAX >> 4,
        };
        let gate = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        let mut running = JoinSet::new();
        for host in hosts {
            let (run, gather, gate) = (Arc::clone(self), gather.cloned(), Arc::clone(&gate));
            running.spawn(async move {
                let _place = gate.acquire().await.ok();
                run.sections(vec![host], gather.as_ref()).await;
            });
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                self.engine.fail(format!("a host's worker ended unexpectedly: {error}"));
            }
        }
    }

    async fn sections(self: &Arc<Self>, hosts: Vec<Host>, gather: Option<&Arc<Task>>) {
        let around = Around::default();
        let mut flow = Flow { ok: hosts, failed: Vec::new() };
        if let Some(task) = gather {
            let at: Vec<Host> = match self.engine.settings.gathering {
                Gathering::Smart => flow.ok.iter().filter(|h| !self.engine.learnt(h).gathered()).cloned().collect(),
                _ => flow.ok.clone(),
            };
            if !at.is_empty() {
                let next = self.task(task, at.clone(), around).await;
                self.lose(&next.failed);
                flow.ok.retain(|h| !at.contains(h) || next.ok.contains(h));
            }
        }
        let play = Arc::clone(&self.play);
        let role_tasks: Vec<Item> = play.roles.iter().flat_map(|r| r.tasks.iter().cloned()).collect();
        let parts: [&[&[Item]]; 3] = [&[&play.pre_tasks], &[&role_tasks, &play.tasks], &[&play.post_tasks]];
        for lists in parts {
            for list in lists {
                if flow.ok.is_empty() || self.stopped() {
                    break;
                }
                let next = self.items(list, std::mem::take(&mut flow.ok), around).await;
                self.lose(&next.failed);
                flow.failed.extend(next.failed);
                flow.ok = next.ok;
            }
            if self.engine.cancelled() {
                return;
            }
            if lock(&self.shared).stop {
                return;
            }
            let mut at = flow.ok.clone();
            if self.force_handlers {
                at.extend(flow.failed.iter().cloned());
            }
            if self.engine.settings.display.debug {
                let waiting = lock(&self.shared).notified.clone();
                for host in at.iter().filter(|h| waiting.get(*h).is_some_and(|names| !names.is_empty())) {
                    let text = format!("META: triggered running handlers for {host}");
                    self.engine.emit(Event::Verbose { level: 0, text, host: None });
                }
            }
            // What runs the handlers after a section is a task with the tag `always`.
            if self.engine.settings.skip_tags.iter().any(|tag| tag == "always") {
                continue;
            }
            let next = self.flush(at, around).await;
            self.lose(&next.failed);
            flow.ok.retain(|h| next.ok.contains(h));
            flow.failed.extend(
                next.failed
                    .into_iter()
                    .filter(|h| !self.force_handlers || !flow.failed.contains(h))
                    .collect::<Vec<_>>(),
            );
        }
    }

    fn lose(&self, hosts: &[Host]) {
        let mut shared = lock(&self.shared);
        for host in hosts {
            if !shared.cleared.contains(host) {
                shared.failed.insert(Arc::clone(host));
            }
        }
    }
}

/// Asks for what `vars_prompt` names, unless it is an extra variable.
async fn ask_vars(engine: &Arc<Engine>, play: &Play, layers_of: &PlayLayers) -> Result<Map, String> {
    let mut answers = Map::new();
    for prompt in &play.vars_prompt {
        if engine.extra.contains_key(&Key::from(prompt.name.as_str())) {
            continue;
        }
        let vars = play_vars(engine, play, layers_of);
        let value = ask_one(engine, prompt, &vars).await?;
        answers.insert(Key::from(prompt.name.as_str()), value);
    }
    Ok(answers)
}

async fn ask_one(engine: &Arc<Engine>, prompt: &VarsPrompt, vars: &Arc<dyn VarSource>) -> Result<Value, String> {
    let prompter = &engine.session.prompter;
    let text = prompt.prompt.clone().unwrap_or_else(|| prompt.name.clone());
    let default = match &prompt.default {
        Some(raw) => {
            let value = engine.templar.template(raw, vars).map_err(|e| e.diagnostic().to_string())?;
            Some(crate::text::of(&value))
        }
        None => None,
    };
    let question = match (&prompt.prompt, &default) {
        (Some(text), Some(default)) => format!("{text} [{default}]: "),
        (Some(text), None) => format!("{text}: "),
        (None, _) => format!("input for {text}: "),
    };
    let ask = |question: String| Prompt {
        text: question,
        private: prompt.private,
        seconds: None,
        echo_answer: true,
        piped: false,
    };
    if !prompter.interactive() {
        if default.is_none() {
            engine.emit(Event::Warning(format!(
                "Not prompting for variable {:?} as we are not in interactive mode",
                prompt.name
            )));
        }
        // The text that Python makes of nothing.
        return Ok(Value::str(default.unwrap_or_else(|| "None".to_owned())));
    }
    let answer = loop {
        let answer = prompter.ask(ask(question.clone())).await.unwrap_or_default();
        if !prompt.confirm || prompter.ask(ask(format!("confirm {question}"))).await.as_deref() == Some(&answer) {
            break answer;
        }
        engine.emit(Event::Error("***** VALUES ENTERED DO NOT MATCH ****".into()));
    };
    let answer = if answer.is_empty() { default.unwrap_or_default() } else { answer };
    let answer = match &prompt.encrypt {
        Some(algorithm) => encrypt(engine, prompt, algorithm, answer)?,
        None => answer,
    };
    Ok(if prompt.unsafe_ || prompt.encrypt.is_some() { Value::str(answer) } else { Value::template(answer, None) })
}

/// `encrypt`: the `password_hash` filter on the answer.
fn encrypt(engine: &Engine, prompt: &VarsPrompt, algorithm: &str, answer: String) -> Result<String, String> {
    let mut vars = Map::new();
    vars.insert("answer".into(), Value::str(answer));
    vars.insert("algorithm".into(), Value::str(algorithm.replace("_crypt", "")));
    let mut expression = String::from("answer | password_hash(algorithm");
    if let Some(salt) = &prompt.salt {
        vars.insert("salt".into(), Value::str(salt.as_str()));
        expression.push_str(", salt");
    } else if let Some(size) = prompt.salt_size {
        expression.push_str(&format!(", salt_size={size}"));
    }
    expression.push(')');
    let vars: Arc<dyn VarSource> = Arc::new(vars);
    let value = engine.templar.evaluate(&expression, None, &vars).map_err(|e| e.diagnostic().to_string())?;
    Ok(crate::text::of(&value))
}
