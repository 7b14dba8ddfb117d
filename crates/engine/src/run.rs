//! A run: its id, its journal, its clock of deadlines, its cancellation; and the only way to create things.
//!
//! Creating goes through [`BuildRun::acquire`] and ends in one of three ways: [`BuildRun::keep`] (part of the artifact),
//! [`BuildRun::release`] (removed in the ordinary course), or [`BuildRun::unwind`] (removed because the build failed, newest
//! first). Dropping a [`Held`] does nothing: asynchronous work can't be done there, and the journal remembers.

use crate::event::Reporter;
use crate::journal::{Entry, Intent, Journal, JournalError, Record, State};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// The tag that every thing we create carries, with the run's id as its value.
pub const RUN_TAG: &str = "imgbuild:run";

/// Cancellation: set once by Ctrl-C, a signal, or a failing neighbour. Clones share it.
#[derive(Clone)]
pub struct Cancel {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Cancel { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Cancel {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels.
    pub fn cancel(&self) {
        self.sender.send_replace(true);
    }

    /// Whether it is.
    pub fn is_cancelled(&self) -> bool {
        *self.sender.borrow()
    }

    /// Resolves once it is cancelled.
    pub async fn cancelled(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as `self`, so this can't fail.
        let _ = receiver.wait_for(|cancelled| *cancelled).await;
    }

    /// `future`'s output, or `None` if cancelled first. `future` is dropped then: not for calls that create things.
    pub async fn guard<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.cancelled() => None,
            output = future => Some(output),
        }
    }
}

/// A run with one or more builds.
#[derive(Clone)]
pub struct Run {
    id: String,
    journal: Journal,
    cancel: Cancel,
}

impl Run {
    /// A run over its journal.
    pub fn new(id: String, journal: Journal, cancel: Cancel) -> Self {
        Run { id, journal, cancel }
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The run's cancellation.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// One build of the run.
    pub fn build(&self, reporter: Reporter) -> BuildRun {
        BuildRun { run: self.clone(), reporter, open: Arc::default() }
    }
}

/// Something that was created, not yet kept or released.
#[derive(Debug)]
#[must_use = "keep it, release it, or leave it to unwind: the journal holds it until then"]
pub struct Held<T> {
    seq: u64,
    /// Its id.
    pub id: String,
    /// What the call returned.
    pub value: T,
}

impl<T> Held<T> {
    /// The hold and what the call returned, apart.
    pub fn split(self) -> (Held<()>, T) {
        (Held { seq: self.seq, id: self.id, value: () }, self.value)
    }
}

/// Why a creating call failed.
#[derive(Debug)]
pub struct CallFailed<E> {
    /// The error.
    pub error: E,
    /// The service refused: certainly nothing was made. Where this is `false` (a lost reply, a time-out) the thing is looked
    /// up when the run unwinds.
    pub certain: bool,
}

/// Why [`BuildRun::acquire`] failed.
#[derive(Debug)]
pub enum AcquireError<E> {
    /// The journal can't be written: nothing was called.
    Journal(JournalError),
    /// The call failed.
    Call(E),
}

/// Finds and removes things of the kinds that it knows. Implemented by the builders over their clouds; used when a build
/// unwinds and by `imgbuild gc`.
#[async_trait]
pub trait Releaser: Send + Sync {
    /// The ids of what an intent may have made, found by token, tag or name.
    async fn find(&self, intent: &Intent) -> Result<Vec<String>, String>;
    /// Removes a thing and waits until it is gone, as far as others depend on that. Not there is success.
    async fn release(&self, intent: &Intent, id: &str) -> Result<(), String>;
}

/// Something that could not be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// What.
    pub intent: Intent,
    /// Its id, if known.
    pub id: Option<String>,
    /// Why it is still there.
    pub why: String,
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.id.as_deref().or(self.intent.name.as_deref()).unwrap_or("(id unknown)");
        write!(f, "{} {} in {}: {}", self.intent.kind, id, self.intent.place.region, self.why)
    }
}

/// One build of a run.
#[derive(Clone)]
pub struct BuildRun {
    run: Run,
    reporter: Reporter,
    open: Arc<Mutex<BTreeMap<u64, Entry>>>,
}

impl BuildRun {
    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The build's reporter.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// The run's cancellation.
    pub fn cancel(&self) -> &Cancel {
        &self.run.cancel
    }

    /// The same build, deaf to the run's cancellation: for what has to be finished once it is begun.
    pub fn to_the_end(&self) -> BuildRun {
        let run = Run { cancel: Cancel::new(), ..self.run.clone() };
        BuildRun { run, reporter: self.reporter.clone(), open: Arc::clone(&self.open) }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Creates a thing: the intent is written, `call` is made, its outcome is written. `call` gets the intent (with the
    /// run's tag added) and returns the thing's id and whatever else the caller wants. It is not dropped on cancellation:
    /// a call whose reply nobody reads is a leak.
    pub async fn acquire<T, E, F, Fut>(&self, mut intent: Intent, call: F) -> Result<Held<T>, AcquireError<E>>
    where
        F: FnOnce(Intent) -> Fut,
        Fut: Future<Output = Result<(String, T), CallFailed<E>>>,
    {
        intent.build = self.reporter.build().to_owned();
        intent.tags.insert(RUN_TAG.to_owned(), self.run.id.clone());
        let seq = self.run.journal.intent(intent.clone()).map_err(AcquireError::Journal)?;
        self.open().insert(seq, Entry { seq, intent: intent.clone(), state: State::Intended });
        match call(intent).await {
            Ok((id, value)) => {
                if let Some(entry) = self.open().get_mut(&seq) {
                    entry.state = State::Created { id: id.clone() };
                }
                self.run.journal.write(&Record::Created { seq, id: id.clone() }).map_err(AcquireError::Journal)?;
                Ok(Held { seq, id, value })
            }
            Err(failed) => {
                if failed.certain {
                    self.open().remove(&seq);
                    self.run.journal.write(&Record::Failed { seq }).map_err(AcquireError::Journal)?;
                }
                Err(AcquireError::Call(failed.error))
            }
        }
    }

    /// Makes a thing part of the artifact.
    pub fn keep<T>(&self, held: Held<T>) -> Result<T, JournalError> {
        self.run.journal.write(&Record::Kept { seq: held.seq })?;
        self.open().remove(&held.seq);
        Ok(held.value)
    }

    /// Removes a thing in the ordinary course of a build. On failure it stays owed, and unwinding tries again.
    pub async fn release<T>(&self, held: Held<T>, releaser: &dyn Releaser) -> Result<T, Leak> {
        let entry = self.open().get(&held.seq).cloned();
        let Some(entry) = entry else { return Ok(held.value) };
        self.release_entry(&entry, releaser).await?;
        Ok(held.value)
    }

    async fn release_entry(&self, entry: &Entry, releaser: &dyn Releaser) -> Result<(), Leak> {
        remove(entry, releaser).await?;
        self.open().remove(&entry.seq);
        self.run.journal.write(&Record::Released { seq: entry.seq }).map_err(|e| Leak {
            intent: entry.intent.clone(),
            id: None,
            why: format!("removed, but {e}"),
        })
    }

    /// What this build holds, newest first.
    pub fn held(&self) -> Vec<Entry> {
        self.open().values().rev().cloned().collect()
    }

    /// Removes all that this build holds, newest first. `deadline` bounds the whole; what is left after it is a leak.
    pub async fn unwind(&self, releaser: &dyn Releaser, deadline: Duration) -> Vec<Leak> {
        let end = tokio::time::Instant::now() + deadline;
        let mut leaks = Vec::new();
        for entry in self.held() {
            let id = match &entry.state {
                State::Created { id } => Some(id.clone()),
                _ => None,
            };
            let name = id.clone().or_else(|| entry.intent.name.clone()).unwrap_or_default();
            self.reporter.say(format!("Removing {} {name}", entry.intent.kind));
            match tokio::time::timeout_at(end, self.release_entry(&entry, releaser)).await {
                Ok(Ok(())) => {}
                Ok(Err(leak)) => leaks.push(leak),
                Err(_) => {
                    let why = format!("not removed within {} s", deadline.as_secs());
                    leaks.push(Leak { intent: entry.intent.clone(), id, why });
                }
            }
        }
        leaks
    }
}

/// An entry for people: `instance i-… in us-east-1`.
pub fn describe(entry: &Entry) -> String {
    let id = match &entry.state {
        State::Created { id } | State::Kept { id } => id.as_str(),
        State::Intended | State::Over => entry.intent.name.as_deref().unwrap_or("(its creation was under way)"),
    };
    format!("{} {id} in {}", entry.intent.kind, entry.intent.place.region)
}

/// Removes what an owed entry stands for: by its id, or by looking for it. Used by unwinding and by `gc`.
pub async fn remove(entry: &Entry, releaser: &dyn Releaser) -> Result<Vec<String>, Leak> {
    let leak = |id: Option<&str>, why: String| Leak { intent: entry.intent.clone(), id: id.map(str::to_owned), why };
    let ids = match &entry.state {
        State::Created { id } => vec![id.clone()],
        State::Intended => releaser.find(&entry.intent).await.map_err(|why| leak(None, why))?,
        State::Over | State::Kept { .. } => return Ok(Vec::new()),
    };
    for id in &ids {
        releaser.release(&entry.intent, id).await.map_err(|why| leak(Some(id), why))?;
    }
    Ok(ids)
}
