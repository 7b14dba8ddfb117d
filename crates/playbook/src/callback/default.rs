//! Ansible's `default` output.

use super::{Callback, Color, Ended, Event, Status, TaskInfo, diff, dump};
use crate::exec::stats::{HostStats, Stats};
use crate::settings::{Display, Settings};
use imgbuild_jinja::{Key, Map, Value};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes finished lines (which may hold newlines), coloured if that was asked for.
pub trait LineSink: Send + Sync {
    /// A line for the standard output.
    fn out(&self, line: &str);
    /// A line for the standard error.
    fn err(&self, line: &str);
}

/// How the output looks.
#[derive(Debug, Clone)]
pub struct DisplayOptions {
    /// Colours on.
    pub color: bool,
    /// Width that banners fill: Ansible takes the terminal's width less one, and at least 79.
    pub columns: usize,
    /// `-v` count.
    pub verbosity: u8,
    /// `--check`.
    pub check: bool,
    /// The callback's settings.
    pub display: Display,
}

impl DisplayOptions {
    /// From the settings of a run.
    pub fn new(settings: &Settings, color: bool, terminal_columns: Option<usize>) -> Self {
        DisplayOptions {
            color,
            columns: terminal_columns.map_or(79, |c| c.saturating_sub(1)).max(79),
            verbosity: settings.verbosity,
            check: settings.check,
            display: settings.display.clone(),
        }
    }
}

#[derive(Default)]
struct State {
    strategy: String,
    last_banner: Option<u64>,
    warned: HashSet<String>,
}

/// Renders events as ansible-playbook does.
pub struct DefaultCallback {
    options: DisplayOptions,
    sink: Arc<dyn LineSink>,
    state: Mutex<State>,
}

impl DefaultCallback {
    /// Renders to `sink`.
    pub fn new(options: DisplayOptions, sink: Arc<dyn LineSink>) -> Self {
        DefaultCallback { options, sink, state: Mutex::default() }
    }

    fn paint(&self, color: Option<Color>, text: &str) -> String {
        match color.filter(|_| self.options.color) {
            Some(color) => color.paint(text),
            None => text.to_owned(),
        }
    }

    fn line(&self, text: &str, color: impl Into<Option<Color>>) {
        self.sink.out(&self.paint(color.into(), text));
    }

    fn failure(&self, text: &str, color: Color) {
        let text = self.paint(Some(color), text);
        if self.options.display.failed_stderr { self.sink.err(&text) } else { self.sink.out(&text) }
    }

    fn banner(&self, text: &str) {
        let text = text.trim();
        let stars = self.options.columns.saturating_sub(width(text)).max(3);
        self.sink.out(&format!("\n{text} {}", "*".repeat(stars)));
    }

    fn task_banner(&self, state: &mut State, task: &TaskInfo) {
        if state.last_banner == Some(task.id) {
            return;
        }
        let kind = if task.handler { "RUNNING HANDLER" } else { "TASK" };
        let args =
            if self.options.display.args_to_stdout && !task.no_log { format!(" {}", task.args) } else { String::new() };
        self.banner(&format!("{kind} [{}{args}]{}", task.name.trim(), self.check_mark(task.check_mode)));
        if self.options.verbosity >= 2 && !task.path.is_empty() {
            self.line(&format!("task path: {}", task.path), Color::Debug);
        }
        state.last_banner = Some(task.id);
    }

    fn check_mark(&self, check: bool) -> &'static str {
        if check && self.options.display.check_mode_markers { " [CHECK MODE]" } else { "" }
    }

    fn dump(&self, result: &Value) -> String {
        let always = result.get("_ansible_verbose_always").is_some_and(Value::is_true);
        let pretty = match self.options.display.pretty_results {
            Some(pretty) => pretty,
            None => always || self.options.verbosity > 2,
        };
        let shown = dump::abridged(result, self.options.verbosity);
        match self.options.display.result_format {
            crate::settings::ResultFormat::Json => dump::json(&shown, pretty.then_some(4)),
            crate::settings::ResultFormat::Yaml => super::dump_yaml::block(&shown),
        }
    }

    fn verbose(&self, result: &Value) -> bool {
        let flag = |key: &str| result.get(key).is_some_and(Value::is_true);
        (self.options.verbosity > 0 || flag("_ansible_verbose_always")) && !flag("_ansible_verbose_override")
    }

    fn host_label(ended: &Ended) -> String {
        match &ended.delegated_to {
            Some((to, _)) if *to == ended.host => ended.host.clone(),
            Some((to, Some(address))) if address != to => format!("{} -> {to}({address})", ended.host),
            Some((to, _)) => format!("{} -> {to}", ended.host),
            None => ended.host.clone(),
        }
    }

    fn warnings(&self, state: &mut State, result: &Value) {
        for (key, deprecated) in [("warnings", false), ("deprecations", true)] {
            for entry in result.get(key).and_then(Value::as_list).unwrap_or_default() {
                let text = entry.as_str().map(str::to_owned).or_else(|| {
                    let message = entry.get("msg")?.as_str()?.to_owned();
                    Some(message)
                });
                if let Some(text) = text {
                    self.warning(state, &text, deprecated);
                }
            }
        }
        if let Some(text) = result.get("exception").and_then(Value::as_str) {
            self.failure(&format!("[ERROR]: {text}"), Color::Error);
        }
    }

    fn warning(&self, state: &mut State, text: &str, deprecated: bool) {
        if deprecated && !self.options.display.deprecation_warnings {
            return;
        }
        let (label, color) =
            if deprecated { ("DEPRECATION WARNING", Color::Deprecate) } else { ("WARNING", Color::Warn) };
        let text = format!("[{label}]: {text}");
        if state.warned.insert(text.clone()) {
            self.sink.err(&self.paint(Some(color), &text));
        }
    }

    /// `debug` shows what it was asked to show.
    pub(super) fn clean(task: &TaskInfo, result: &Value) -> Value {
        let short =
            task.action.strip_prefix("ansible.builtin.").or_else(|| task.action.strip_prefix("ansible.legacy."));
        if short.unwrap_or(&task.action) != "debug" {
            return result.clone();
        }
        let Value::Map(map) = result else { return result.clone() };
        let message = map.contains_key(&Key::from("msg"));
        let keep = |key: &str| {
            if message {
                key.starts_with('_') || matches!(key, "msg" | "exception" | "warnings" | "deprecations")
            } else {
                !matches!(
                    key,
                    "changed"
                        | "failed"
                        | "skipped"
                        | "invocation"
                        | "skip_reason"
                        | "ansible_loop_var"
                        | "ansible_index_var"
                        | "ansible_loop"
                )
            }
        };
        Value::map(
            map.iter().filter(|(k, _)| keep(&k.to_string())).map(|(k, v)| (k.clone(), v.clone())).collect::<Map>(),
        )
    }

    fn result(&self, state: &mut State, ended: &Ended) {
        let task = &ended.task;
        let display = &self.options.display;
        let label = Self::host_label(ended);
        let items = task.has_loop && ended.result.get("results").is_some();
        match ended.status {
            Status::Failed => {
                self.task_banner(state, task);
                self.warnings(state, &ended.result);
                if !items {
                    if self.options.verbosity < 2 && display.task_path_on_failure {
                        self.line(&format!("task path: {}", task.path), Color::Debug);
                    }
                    let shown = Self::clean(task, &ended.result);
                    self.failure(&format!("fatal: [{label}]: FAILED! => {}", self.dump(&shown)), Color::Error);
                }
                if ended.ignored {
                    self.line("...ignoring", Color::Skip);
                }
            }
            Status::Ok | Status::Changed => {
                self.show_diff(state, ended);
                if task.include {
                    self.task_banner(state, task);
                    return;
                }
                let (word, color) = match ended.status {
                    Status::Changed => ("changed", Color::Changed),
                    _ if !display.ok_hosts => return,
                    _ => ("ok", Color::Ok),
                };
                self.task_banner(state, task);
                self.warnings(state, &ended.result);
                if !items {
                    let shown = Self::clean(task, &ended.result);
                    let mut text = format!("{word}: [{label}]");
                    if self.verbose(&ended.result) {
                        text = format!("{text} => {}", self.dump(&shown));
                    }
                    self.line(&text, color);
                }
            }
            Status::Skipped => {
                if !display.skipped_hosts {
                    return;
                }
                self.task_banner(state, task);
                self.warnings(state, &ended.result);
                let mut text = format!("skipping: [{}]", ended.host);
                if self.verbose(&ended.result) {
                    let mut shown = Self::clean(task, &ended.result);
                    if let (true, Value::Map(map)) = (items, &mut shown) {
                        Arc::make_mut(map).shift_remove(&Key::from("results"));
                    }
                    text = format!("{text} => {}", self.dump(&shown));
                }
                self.line(&text, Color::Skip);
            }
            Status::Unreachable => {
                self.task_banner(state, task);
                self.warnings(state, &ended.result);
                self.failure(
                    &format!("fatal: [{label}]: UNREACHABLE! => {}", self.dump(&ended.result)),
                    Color::Unreachable,
                );
                if ended.ignored {
                    self.line("...ignoring", Color::Skip);
                }
            }
        }
    }

    fn item(&self, state: &mut State, ended: &Ended) {
        let task = &ended.task;
        let label = Self::host_label(ended);
        let item = ended.label.as_deref().unwrap_or("None");
        match ended.status {
            Status::Failed | Status::Unreachable => {
                self.task_banner(state, task);
                self.warnings(state, &ended.result);
                let shown = Self::clean(task, &ended.result);
                self.failure(&format!("failed: [{label}] (item={item}) => {}", self.dump(&shown)), Color::Error);
            }
            Status::Ok | Status::Changed => {
                self.show_diff(state, ended);
                if task.include {
                    return;
                }
                let (word, color) = match ended.status {
                    Status::Changed => ("changed", Color::Changed),
                    _ if !self.options.display.ok_hosts => return,
                    _ => ("ok", Color::Ok),
                };
                self.task_banner(state, task);
                self.warnings(state, &ended.result);
                let mut text = format!("{word}: [{label}] => (item={item})");
                if self.verbose(&ended.result) {
                    text = format!("{text} => {}", self.dump(&Self::clean(task, &ended.result)));
                }
                self.line(&text, color);
            }
            Status::Skipped => {
                if !self.options.display.skipped_hosts {
                    return;
                }
                self.task_banner(state, task);
                self.warnings(state, &ended.result);
                let mut text = format!("skipping: [{}] => (item={item}) ", ended.host);
                if self.verbose(&ended.result) {
                    text = format!("{text} => {}", self.dump(&Self::clean(task, &ended.result)));
                }
                self.line(&text, Color::Skip);
            }
        }
    }

    /// Before the line of the result, or of the item, that it belongs to.
    fn show_diff(&self, state: &mut State, ended: &Ended) {
        // A loop's items have shown theirs.
        if !ended.diff || ended.task.has_loop && ended.result.get("results").is_some() {
            return;
        }
        let changed = ended.result.get("changed").is_some_and(Value::is_true);
        if let Some(found) = ended.result.get("diff").filter(|d| changed && d.is_true()) {
            let text = diff::render(found, self.options.color, self.options.display.diff_context);
            if !text.is_empty() {
                self.task_banner(state, &ended.task);
                self.sink.out(text.strip_suffix('\n').unwrap_or(&text));
            }
        }
    }

    fn recap(&self, stats: &Stats) {
        self.banner("PLAY RECAP");
        for (name, host) in &stats.hosts {
            self.sink.out(&self.recap_line(name, host));
        }
        self.sink.out("");
        if self.options.display.custom_stats && !stats.custom.is_empty() {
            self.banner("CUSTOM STATS: ");
            let flat = |map: &Map| dump::json(&Value::map(map.clone()), Some(1)).replace('\n', "");
            for (host, map) in stats.custom.iter().filter(|(k, _)| *k != "_run") {
                self.sink.out(&format!("\t{host}: {}", flat(map)));
            }
            if let Some(map) = stats.custom.get("_run") {
                self.sink.out(&format!("\n\tRUN: {}", flat(map)));
            }
            self.sink.out("");
        }
        if self.options.check && self.options.display.check_mode_markers {
            self.banner("DRY RUN");
        }
    }

    fn recap_line(&self, name: &str, host: &HostStats) -> String {
        let name = if self.options.color {
            let color = if host.failed + host.unreachable > 0 {
                Color::Error
            } else if host.changed > 0 {
                Color::Changed
            } else {
                Color::Ok
            };
            format!("{:<37}", color.paint(name))
        } else {
            format!("{name:<26}")
        };
        let count = |word: &str, count: u64, color: Color| {
            let text = format!("{word}={count:<4}");
            self.paint(Some(color).filter(|_| count > 0), &text)
        };
        format!(
            "{name} : {} {} {} {} {} {} {}",
            count("ok", host.ok, Color::Ok),
            count("changed", host.changed, Color::Changed),
            count("unreachable", host.unreachable, Color::Unreachable),
            count("failed", host.failed, Color::Error),
            count("skipped", host.skipped, Color::Skip),
            count("rescued", host.rescued, Color::Ok),
            count("ignored", host.ignored, Color::Warn),
        )
    }
}

impl Callback for DefaultCallback {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        match event {
            Event::PlaybookStart { path } => {
                if self.options.verbosity > 1 {
                    self.banner(&format!("PLAYBOOK: {}", path.file_name().unwrap_or_default().to_string_lossy()));
                }
                if self.options.check && self.options.display.check_mode_markers {
                    self.banner("DRY RUN");
                }
            }
            Event::PlayStart { name, strategy, check_mode } => {
                state.strategy.clone_from(strategy);
                state.last_banner = None;
                let mark = self.check_mark(*check_mode);
                match name.trim() {
                    "" => self.banner(&format!("PLAY{mark}")),
                    name => self.banner(&format!("PLAY [{name}]{mark}")),
                }
            }
            Event::NoHostsMatched => self.line("skipping: no hosts matched", Color::Skip),
            Event::NoHostsRemaining => self.banner("NO MORE HOSTS LEFT"),
            Event::Asked(text) => self.banner(text),
            Event::TaskStart(task) => {
                let at_once = self.options.display.skipped_hosts && self.options.display.ok_hosts;
                if at_once && !matches!(state.strategy.as_str(), "free" | "host_pinned") {
                    state.last_banner = None;
                    self.task_banner(state, task);
                }
            }
            Event::HostStart { task, host } => {
                if self.options.display.per_host_start {
                    self.line(&format!(" [started {} on {host}]", task.name), Color::Ok);
                }
            }
            Event::Item(ended) => self.item(state, ended),
            Event::Result(ended) => self.result(state, ended),
            Event::Retry { attempt, left } => {
                let mut text = format!(
                    "FAILED - RETRYING: [{}]: {} ({left} retries left).",
                    Self::host_label(attempt),
                    attempt.task.own_name.as_ref().unwrap_or(&attempt.task.name)
                );
                if self.options.verbosity > 2 {
                    text = format!("{text}Result was: {}", self.dump(&attempt.result));
                }
                self.line(&text, Color::Debug);
            }
            Event::AsyncPoll { host, result, .. } => {
                let field = |key: &str| match result.get(key) {
                    Some(value) => crate::text::of(value),
                    None => "None".into(),
                };
                self.line(
                    &format!(
                        "ASYNC POLL on {host}: jid={} started={} finished={}",
                        field("ansible_job_id"),
                        field("started"),
                        field("finished")
                    ),
                    Color::Debug,
                );
            }
            Event::AsyncEnd { host, job, failed } => {
                let word = if *failed { "FAILED" } else { "OK" };
                self.line(&format!("ASYNC {word} on {host}: jid={job}"), Color::Debug);
            }
            Event::Included { file, hosts, label } => {
                let mut text = format!("included: {file} for {}", hosts.join(", "));
                if let Some(label) = label {
                    text = format!("{text} => (item={label})");
                }
                self.line(&text, Color::Included);
            }
            Event::Notified { handler, host } => {
                if self.options.verbosity > 1 {
                    self.line(&format!("NOTIFIED HANDLER {handler} for {host}"), Color::Verbose);
                }
            }
            Event::Output { .. } => {}
            Event::Warning(text) => self.warning(state, text, false),
            Event::Deprecated(text) => self.warning(state, text, true),
            Event::Error(text) => self.sink.err(&self.paint(Some(Color::Error), &format!("[ERROR]: {text}"))),
            Event::Verbose { level, text, host } => {
                if self.options.verbosity >= *level {
                    let text = host.as_ref().map_or_else(|| text.clone(), |h| format!("<{h}> {text}"));
                    self.line(&text, Color::Verbose);
                }
            }
            Event::End(stats) => self.recap(stats),
        }
    }
}

/// Cells that a text takes in a terminal: wide East Asian characters and emoji take two.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c as u32 {
            0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
            0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}
