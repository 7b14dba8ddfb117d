//! `imgbuild gc`: finishes the job of runs that died. What a journal owes is removed, newest first; what it kept is left alone.

use crate::amazon::env::Amazon;
use crate::amazon::options::access::Polling;
use crate::amazon::releaser::AmazonReleaser;
use async_trait::async_trait;
use imgbuild_engine::journal::{DeadRun, Entry, Journal, JournalError, Place, Record, State, dead_runs};
use imgbuild_engine::run::{Leak, Releaser, remove};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Finds a releaser for a place. The error is one sentence.
#[async_trait]
pub trait Releasers: Send + Sync {
    /// The releaser of things there.
    async fn of(&self, place: &Place) -> Result<Arc<dyn Releaser>, String>;
}

#[async_trait]
impl Releasers for Amazon {
    async fn of(&self, place: &Place) -> Result<Arc<dyn Releaser>, String> {
        let account = self.accounts.reopen(place).await?;
        let pollers = Arc::clone(&self.pollers);
        Ok(Arc::new(AmazonReleaser::new(account, pollers, Polling::default(), self.pause)))
    }
}

/// What was done about one thing, or would be.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It would be removed, or looked for.
    Would,
    /// Removed, with these ids; none: it was never made.
    Removed(Vec<String>),
    /// Still there.
    Left(Box<Leak>),
}

/// One thing of a dead run.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The run's id.
    pub run: String,
    /// What the journal says.
    pub entry: Entry,
    /// What became of it.
    pub outcome: Outcome,
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let intent = &self.entry.intent;
        let id = match &self.entry.state {
            State::Created { id } => id.as_str(),
            _ => intent.name.as_deref().or(intent.token.as_deref()).unwrap_or("(id unknown)"),
        };
        write!(f, "{} {id} in {}", intent.kind, intent.place.region)?;
        match &self.outcome {
            Outcome::Would if matches!(self.entry.state, State::Intended) => f.write_str(": would be looked for"),
            Outcome::Would => f.write_str(": would be removed"),
            Outcome::Removed(ids) if ids.is_empty() => f.write_str(": was never made"),
            Outcome::Removed(_) => f.write_str(": removed"),
            Outcome::Left(leak) => write!(f, ": still there: {}", leak.why),
        }
    }
}

/// What was found and done.
#[derive(Debug, Default)]
pub struct Report {
    /// Dead runs, by id.
    pub runs: Vec<String>,
    /// Things, in the order of work.
    pub items: Vec<Item>,
    /// Journals that can't be read, and why. They are left alone.
    pub broken: Vec<(PathBuf, String)>,
}

impl Report {
    /// What is still there.
    pub fn leaks(&self) -> impl Iterator<Item = &Leak> {
        self.items.iter().filter_map(|item| match &item.outcome {
            Outcome::Left(leak) => Some(leak.as_ref()),
            _ => None,
        })
    }
}

/// Goes through the journals in `dir`. `tell` gets each item as soon as it is done with. With `dry_run` nothing is called and
/// nothing written.
pub async fn collect(
    dir: &Path,
    releasers: &dyn Releasers,
    dry_run: bool,
    mut tell: impl FnMut(&Item) + Send,
) -> Result<Report, JournalError> {
    let (runs, broken) = dead_runs(dir)?;
    let mut report = Report { broken, ..Report::default() };
    for run in runs {
        report.runs.push(id(&run));
        if dry_run {
            for entry in &run.owed {
                let item = Item { run: id(&run), entry: entry.clone(), outcome: Outcome::Would };
                tell(&item);
                report.items.push(item);
            }
            continue;
        }
        match Journal::take_over(&run.path, run.last_seq) {
            Ok(journal) => collect_run(&run, journal, releasers, &mut report, &mut tell).await?,
            // Another gc, or a run that is not dead after all.
            Err(JournalError::Held(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

fn id(run: &DeadRun) -> String {
    match &run.begin {
        Some(begin) => begin.run.clone(),
        None => run.path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// A place's releaser, or why there is none.
type Found = Result<Arc<dyn Releaser>, String>;

async fn collect_run(
    run: &DeadRun,
    journal: Journal,
    releasers: &dyn Releasers,
    report: &mut Report,
    tell: &mut (impl FnMut(&Item) + Send),
) -> Result<(), JournalError> {
    let mut known: Vec<(Place, Found)> = Vec::new();
    let mut clean = true;
    // What waits on others (a group on its instance) comes after them: newest first, in every place.
    for entry in &run.owed {
        let place = &entry.intent.place;
        if !known.iter().any(|(p, _)| p == place) {
            known.push((place.clone(), releasers.of(place).await));
        }
        let leak = |id: Option<String>, why: String| Leak { intent: entry.intent.clone(), id, why };
        let outcome = match known.iter().find(|(p, _)| p == place) {
            Some((_, Ok(releaser))) => match remove(entry, releaser.as_ref()).await {
                Ok(ids) => {
                    journal.write(&Record::Released { seq: entry.seq })?;
                    Outcome::Removed(ids)
                }
                Err(leak) => Outcome::Left(Box::new(leak)),
            },
            Some((_, Err(why))) => Outcome::Left(Box::new(leak(None, why.clone()))),
            None => continue,
        };
        clean &= matches!(outcome, Outcome::Removed(_));
        let item = Item { run: id(run), entry: entry.clone(), outcome };
        tell(&item);
        report.items.push(item);
    }
    if clean { journal.finish() } else { Ok(()) }
}
