//! The crate's front door.

use crate::callback::Callback;
use crate::exec::stats::Stats;
use crate::inventory::Inventory;
use crate::settings::Settings;
use crate::target::Connector;
use async_trait::async_trait;
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A question to the person.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The text, without a trailing newline.
    pub text: String,
    /// What is typed is not shown.
    pub private: bool,
    /// Wait at most so long (`pause` with seconds), then answer `None`.
    pub seconds: Option<u64>,
    /// One line is read; `false`: only Enter (or Ctrl-C) is waited for.
    pub echo_answer: bool,
}

/// Asks the person (`vars_prompt`, `pause`, `--step`).
#[async_trait]
pub trait Prompter: Send + Sync {
    /// Whether there is anybody to ask.
    fn interactive(&self) -> bool;
    /// The answer, without its newline; `None`: nobody answered.
    async fn ask(&self, prompt: Prompt) -> Option<String>;
}

/// Nobody is there to be asked.
pub struct NoPrompts;

#[async_trait]
impl Prompter for NoPrompts {
    fn interactive(&self) -> bool {
        false
    }
    async fn ask(&self, _: Prompt) -> Option<String> {
        None
    }
}

/// What a run needs from outside.
#[derive(Clone)]
pub struct Session {
    /// Reaches hosts.
    pub connector: Arc<dyn Connector>,
    /// Takes the events.
    pub callback: Arc<dyn Callback>,
    /// Asks the person.
    pub prompter: Arc<dyn Prompter>,
    /// Ends the run: running calls are ended, connections closed, exit code 99.
    pub cancel: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Counts per host.
    pub stats: Stats,
    /// `ansible-playbook`'s exit code, see [`crate::settings::exit`].
    pub exit_code: u8,
    /// Why the run ended before its end, where no task's result says so.
    pub error: Option<String>,
}

/// Where playbooks come from.
pub struct Playbook;

/// Playbooks that were read and checked.
pub struct Loaded {
    /// Settings of the run.
    pub settings: Settings,
    /// Hosts, groups and their variables.
    pub inventory: Inventory,
    /// Warnings of the checks.
    pub warnings: Diagnostics,
    paths: Vec<PathBuf>,
}

impl Playbook {
    /// Reads playbooks with all that they import statically, and checks them: unknown keywords, modules, filters, tests,
    /// roles and files are all reported at once.
    pub fn load(paths: &[PathBuf], settings: Settings, inventory: Inventory) -> Result<Loaded, Diagnostics> {
        let _ = (settings, inventory);
        Err(Diagnostics::from(Diagnostic::error(format!("the playbook loader is not built yet ({paths:?})"))))
    }
}

impl Loaded {
    /// `--list-hosts`.
    pub fn list_hosts(&self) -> String {
        String::new()
    }
    /// `--list-tasks`, and with `tags` `--list-tags`, in one output as Ansible does it.
    pub fn list(&self, tasks: bool, tags: bool) -> String {
        let _ = (tasks, tags);
        String::new()
    }
    /// `--syntax-check`'s output.
    pub fn syntax_check(&self) -> String {
        self.paths.iter().map(|p| format!("\nplaybook: {}\n", p.display())).collect()
    }
}

/// Runs the playbooks.
pub async fn run(loaded: Loaded, session: Session) -> Outcome {
    let _ = (loaded, session);
    Outcome { stats: Stats::default(), exit_code: 250, error: Some("the executor is not built yet".into()) }
}
