//! What the executor tells the person: typed events. Nothing here prints; [`DefaultCallback`] renders the events as
//! ansible-playbook's `default` callback does and hands lines to a [`LineSink`].

mod color;
mod default;
mod diff;
mod dump;
mod dump_yaml;
mod minimal;
mod tree;

pub use color::Color;
pub use dump::float as python_float;

/// A value as JSON on one line, as Python writes it, keys in their order.
pub fn json(value: &imgbuild_jinja::Value) -> String {
    dump::json_in_order(value)
}
/// A value as indented JSON with sorted keys.
pub fn sorted_json(value: &imgbuild_jinja::Value) -> String {
    dump::json(value, Some(4))
}
pub use default::{DefaultCallback, DisplayOptions, LineSink};
pub use minimal::MinimalCallback;
pub use tree::TreeCallback;

use crate::exec::stats::Stats;
use imgbuild_jinja::Value;
use imgbuild_proto::Stream;
use std::path::PathBuf;
use std::sync::Arc;

/// What is known of a task when its banner is shown.
#[derive(Debug, Clone, Default)]
pub struct TaskInfo {
    /// Unique in a run; two hosts at the same task carry the same id.
    pub id: u64,
    /// `role : name`, or the action where the task has no name; templates rendered as far as they can be.
    pub name: String,
    /// Its own name, where it has one: without the role's.
    pub own_name: Option<String>,
    /// The module or action as it was written.
    pub action: String,
    /// `file:line` of the task.
    pub path: String,
    /// A handler.
    pub handler: bool,
    /// Results are hidden.
    pub no_log: bool,
    /// Has a loop.
    pub has_loop: bool,
    /// Its own `check_mode` is on.
    pub check_mode: bool,
    /// Only `include_tasks`/`include_role`: its own result is not shown, its inclusion is.
    pub include: bool,
    /// Arguments as `k=v`, for `display_args_to_stdout`.
    pub args: String,
}

/// How a task or an item of its loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Fine, nothing changed.
    Ok,
    /// Fine, something changed.
    Changed,
    /// Its condition was false.
    Skipped,
    /// Failed.
    Failed,
    /// The host can't be reached.
    Unreachable,
}

/// The end of a task on a host, or of one item of its loop.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The task.
    pub task: Arc<TaskInfo>,
    /// The host.
    pub host: String,
    /// `delegate_to`, and where that resolved to another address, the address.
    pub delegated_to: Option<(String, Option<String>)>,
    /// How it ended.
    pub status: Status,
    /// The failure is ignored (`ignore_errors`, `ignore_unreachable`).
    pub ignored: bool,
    /// `diff` was asked for.
    pub diff: bool,
    /// The item's label, for an item.
    pub label: Option<String>,
    /// The result, censored where `no_log` says so.
    pub result: Value,
}

/// What happens in a run, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A playbook file begins.
    PlaybookStart {
        /// Its path as it was given.
        path: PathBuf,
    },
    /// A play begins.
    PlayStart {
        /// Its name, or its host pattern.
        name: String,
        /// `linear`, `free`, `host_pinned`.
        strategy: String,
        /// The play's own `check_mode` or the run's.
        check_mode: bool,
    },
    /// The play's pattern matches no host.
    NoHostsMatched,
    /// All hosts of the play have failed.
    NoHostsRemaining,
    /// What `--step` has asked.
    Asked(String),
    /// A task begins.
    TaskStart(Arc<TaskInfo>),
    /// A task begins on a host (`show_per_host_start`).
    HostStart {
        /// The task.
        task: Arc<TaskInfo>,
        /// The host.
        host: String,
    },
    /// An item of a loop ended.
    Item(Ended),
    /// A task ended on a host.
    Result(Ended),
    /// `until` is not met yet.
    Retry {
        /// The attempt's result; `attempts` and `retries` are in it.
        attempt: Ended,
        /// Retries that are left.
        left: i64,
    },
    /// An asynchronous task is still running.
    AsyncPoll {
        /// The task.
        task: Arc<TaskInfo>,
        /// The host.
        host: String,
        /// The job's status.
        result: Value,
    },
    /// An asynchronous task ended, before its result is shown.
    AsyncEnd {
        /// The host.
        host: String,
        /// Job id.
        job: String,
        /// It failed.
        failed: bool,
    },
    /// `include_tasks`, `include_role`: what was included.
    Included {
        /// Path of the file or name of the role.
        file: String,
        /// For these hosts.
        hosts: Vec<String>,
        /// The item's label, in a loop.
        label: Option<String>,
    },
    /// A handler was notified.
    Notified {
        /// The handler's name.
        handler: String,
        /// By this host.
        host: String,
    },
    /// Live output of a running command.
    Output {
        /// The task.
        task: Arc<TaskInfo>,
        /// The host.
        host: String,
        /// Which output.
        stream: Stream,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
    /// Something looks wrong but the run goes on.
    Warning(String),
    /// A form that still works and has a modern one.
    Deprecated(String),
    /// Something went wrong that is no task's result (Ansible's `[ERROR]`).
    Error(String),
    /// A line shown from this verbosity (`-v` = 1).
    Verbose {
        /// Verbosity from which it is shown.
        level: u8,
        /// The line.
        text: String,
        /// Host it belongs to.
        host: Option<String>,
    },
    /// All is over.
    End(Stats),
}

/// Takes the events of a run, in order, from one thread at a time per host.
pub trait Callback: Send + Sync {
    /// One event.
    fn event(&self, event: &Event);
}

/// Several callbacks as one.
pub struct Fanout(pub Vec<Arc<dyn Callback>>);

impl Callback for Fanout {
    fn event(&self, event: &Event) {
        for callback in &self.0 {
            callback.event(event);
        }
    }
}

/// Drops all events.
pub struct Quiet;

impl Callback for Quiet {
    fn event(&self, _: &Event) {}
}
