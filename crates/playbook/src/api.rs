//! The crate's front door.

use crate::callback::{Callback, Event};
use crate::controller::{Controller, WarnSink};
use crate::exec::engine::{Engine, lock};
use crate::exec::stats::Stats;
use crate::inventory::Inventory;
use crate::listing::{Lister, Wanted};
use crate::lookup::{Plugins, UrlClient};
use crate::play::loader::Ids;
use crate::play::model::PlaybookFile;
use crate::play::{load_playbook, load_text};
use crate::settings::Settings;
use crate::target::Connector;
use async_trait::async_trait;
use imgbuild_diag::{Diagnostics, Source};
use imgbuild_jinja::{Lookups, Templar};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
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
    /// An answer may also come from a pipe: nobody needs to sit at a terminal.
    pub piped: bool,
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

enum Input<'a> {
    File(&'a Path),
    Text(Arc<Source>, &'a Path),
}

/// Where playbooks come from.
pub struct Playbook;

/// Playbooks that were read and checked.
pub struct Loaded {
    /// Warnings of the checks.
    pub warnings: Diagnostics,
    settings: Arc<Settings>,
    inventory: Arc<RwLock<Inventory>>,
    templar: Templar,
    plugins: Arc<Plugins>,
    ids: Arc<Ids>,
    playbooks: Vec<PlaybookFile>,
    limit: Option<Vec<String>>,
    warn: Arc<Mutex<Option<WarnSink>>>,
}

impl Playbook {
    /// The playbook of an installed collection that a full name stands for (`namespace.collection.playbook`).
    pub fn of_collection(name: &str, settings: &Settings) -> Option<PathBuf> {
        crate::collections::Collections::new(settings, &settings.cwd).playbook(name)
    }

    /// Reads playbooks with all that they import statically, and checks them: unknown keywords, modules, filters, tests,
    /// roles and files are all reported at once.
    pub fn load(paths: &[PathBuf], settings: Settings, inventory: Inventory) -> Result<Loaded, Diagnostics> {
        let sources: Vec<Input<'_>> = paths.iter().map(|p| Input::File(p)).collect();
        Playbook::load_from(&sources, settings, inventory)
    }

    /// [`Playbook::load`] for a playbook that is no file (ad-hoc commands). Paths in it count from `dir`.
    pub fn load_text(
        name: &str,
        text: &str,
        dir: &Path,
        settings: Settings,
        inventory: Inventory,
    ) -> Result<Loaded, Diagnostics> {
        Playbook::load_from(&[Input::Text(Source::new(name, text), dir)], settings, inventory)
    }

    fn load_from(sources: &[Input<'_>], settings: Settings, inventory: Inventory) -> Result<Loaded, Diagnostics> {
        let settings = Arc::new(settings);
        let inventory = Arc::new(RwLock::new(inventory));
        let warn: Arc<Mutex<Option<WarnSink>>> = Arc::default();
        let plugins = Arc::new(Plugins::new(Arc::clone(&settings), Arc::clone(&inventory)));
        let lookups: Arc<dyn Lookups> = Arc::clone(&plugins) as Arc<dyn Lookups>;
        let host = Arc::new(Controller::new(Arc::clone(&settings), Arc::clone(&warn)));
        let templar = Templar::with_extensions(lookups, host, settings.jinja_extensions)
            .with_strict_conditionals(!settings.allow_broken_conditionals);
        let limit =
            settings.limit.as_deref().map(|l| crate::inventory::limit_patterns(l, &settings.cwd)).transpose()?;
        let ids = Arc::new(Ids::default());
        let mut out = Diagnostics::new();
        let mut missing = Vec::new();
        let mut playbooks = Vec::new();
        for source in sources {
            let (playbook, found, unknown) = match source {
                Input::File(path) => load_playbook(path, &settings, &templar, &ids),
                Input::Text(source, dir) => load_text(source, dir, &settings, &templar, &ids),
            };
            out.extend(found);
            missing.extend(unknown);
            playbooks.push(playbook);
        }
        for module in missing {
            out.push(
                crate::play::modules::unavailable(&module.name)
                    .at(&module.span)
                    .help("the play fails where a host reaches this task"),
            );
        }
        let ((), warnings) = out.into_result(())?;
        Ok(Loaded { warnings, settings, inventory, templar, plugins, ids, playbooks, limit, warn })
    }
}

impl Loaded {
    /// `--list-hosts`, `--list-tasks` and `--list-tags`: all that is wanted in one output, as Ansible does it. The second text
    /// lists host patterns that matched nothing.
    pub fn list(&self, hosts: bool, tasks: bool, tags: bool) -> (String, Vec<String>) {
        let mut lister = self.lister();
        let text = lister.list(&self.playbooks, Wanted { hosts, tasks, tags });
        (text, lister.unmatched.into_iter().collect())
    }

    /// What of the plays' names and hosts can't be rendered before anything runs: for Ansible not even a list is made then.
    pub fn unlistable(&self) -> Diagnostics {
        let mut problems = Diagnostics::new();
        let lister = self.lister();
        for play in self.playbooks.iter().flat_map(|p| &p.plays) {
            if let Some(problem) = lister.unlistable(play) {
                problems.push(problem);
            }
        }
        problems
    }

    /// `--syntax-check`'s output.
    pub fn syntax_check(&self) -> String {
        self.playbooks.iter().map(|p| format!("\nplaybook: {}\n", p.path.display())).collect()
    }

    /// Gives the `url` lookup its network.
    pub fn with_url_client(self, client: Arc<dyn UrlClient>) -> Self {
        // A second client is not taken: the first one stays.
        let _ = self.plugins.url.set(client);
        self
    }

    fn lister(&self) -> Lister<'_> {
        Lister {
            settings: &self.settings,
            templar: &self.templar,
            inventory: self.inventory.read().unwrap_or_else(PoisonError::into_inner).clone(),
            limit: self.limit.clone(),
            unmatched: Default::default(),
        }
    }
}

/// Runs the playbooks.
pub async fn run(loaded: Loaded, session: Session) -> Outcome {
    let callback = Arc::clone(&session.callback);
    let sink: WarnSink = Box::new(move |text| callback.event(&Event::Warning(text.to_owned())));
    *loaded.warn.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    let engine =
        Arc::new(Engine::new(loaded.settings, loaded.inventory, loaded.templar, loaded.ids, loaded.limit, session));
    let exit_code = crate::exec::run::run(&engine, &loaded.playbooks).await;
    engine.connections.close().await;
    // The sink holds the callback; nothing may be warned of after the end.
    *loaded.warn.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let error = lock(&engine.fatal).clone().map(|fatal| fatal.message);
    let stats = lock(&engine.stats).clone();
    Outcome { stats, exit_code, error }
}
