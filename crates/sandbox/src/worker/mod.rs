//! The work that follows from the state: starting, stopping and terminating machines, taking snapshots, making volumes.
//!
//! A piece of work is claimed in the state under the file lock, with the ids that no other work may touch meanwhile; so
//! several endpoints can serve one directory, and what a killed process had begun is taken up by the next one. Every
//! piece can be done again from its beginning.

mod due;
mod image;
mod instance;
mod launch;
mod mute;
mod volume;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use due::Work;

use crate::core::Core;
use crate::disks::Disks;
use crate::machine::Status;
use crate::state::{Claim, InstanceState, Owner, State, StateReason, Time, Worker};
use crate::wire::{ApiError, Result};

/// How often to look for machines that ended by themselves and for work of processes that are gone.
const TICK: Duration = Duration::from_millis(500);

/// Works until `stop` says so, and then until nothing is left to do.
pub async fn work(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    // Its end, however it comes, frees what it has claimed; so the jobs, which end with it, are declared after it.
    let me = Worker::begin();
    let mut jobs = JoinSet::new();
    let mut swept = Time(0);
    loop {
        match claim(&core, me.owner()).await {
            Ok(claimed) => {
                for work in claimed {
                    jobs.spawn(run(core.clone(), work));
                }
            }
            Err(e) => tracing::error!("looking for work failed: {e}"),
        }
        let stopping = *stop.borrow() || stop.has_changed().is_err();
        if stopping && jobs.is_empty() && nothing_due(&core) {
            return;
        }
        tokio::select! {
            () = core.work.notified() => {}
            Some(_) = jobs.join_next(), if !jobs.is_empty() => {}
            _ = stop.changed(), if !stopping => {}
            () = tokio::time::sleep(TICK) => {
                crate::caller::enforce(&core).await;
                notice_ended_machines(&core).await;
            }
        }
        if jobs.is_empty() && Time::now() > swept.plus_seconds(1) {
            swept = Time::now();
            sweep(&core).await;
        }
    }
}

fn nothing_due(core: &Core) -> bool {
    core.store.read().is_ok_and(|state| due::due(&state).is_empty())
}

/// Claims what can be done now.
async fn claim(core: &Arc<Core>, me: Owner) -> Result<Vec<Work>> {
    let idle = {
        let state = core.store.read()?;
        due::due(&state).is_empty() && state.claims.values().all(|c| c.owner.alive())
    };
    if idle {
        return Ok(Vec::new());
    }
    core.change(move |state| {
        state.claims.retain(|_, c| c.owner.alive());
        let claimed = due::due(state);
        for (work, locks) in &claimed {
            state.claims.insert(work.key(), Claim { owner: me.clone(), locks: locks.clone() });
        }
        claimed.into_iter().map(|(work, _)| work).collect()
    })
    .await
}

/// Does a piece of work. When it fails, the resource says why.
async fn run(core: Arc<Core>, work: Work) {
    tracing::debug!(work = work.key(), "begin");
    let failure = match AssertUnwindSafe(work.clone().perform(core.clone())).catch_unwind().await {
        Ok(Ok(())) => None,
        Ok(Err(e)) => Some(e),
        Err(_) => Some(Failure("the work ended in a panic".into())),
    };
    if let Some(Failure(why)) = &failure {
        tracing::warn!(work = work.key(), "failed: {why}");
    }
    let done = work.clone();
    let released = core
        .change(move |state| {
            state.claims.remove(&done.key());
            if let Some(Failure(why)) = failure {
                done.failed(state, &why);
            }
        })
        .await;
    if let Err(e) = released {
        tracing::error!(work = work.key(), "its end could not be recorded: {e}");
    }
    core.work.notify_one();
}

/// Why a piece of work failed, for people.
#[derive(Debug)]
pub struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self(message)
    }
}

impl Work {
    async fn perform(self, core: Arc<Core>) -> Result<(), Failure> {
        match self {
            Self::Start(at) => instance::start(core, at).await,
            Self::Stop(at) => instance::stop(core, at).await,
            Self::Terminate(at) => instance::terminate(core, at).await,
            Self::Reboot(at) => instance::reboot(core, at).await,
            Self::Refresh(at) => instance::refresh(core, at).await,
            Self::Image(at) => image::create(core, at).await,
            Self::Settle(at) => image::settle(core, at).await,
            Self::Snapshot(at) => volume::snapshot(core, at).await,
            Self::Make(at) => volume::make(core, at).await,
            Self::Attach(at) => volume::attach(core, at).await,
            Self::Detach(at) => volume::detach(core, at).await,
        }
    }

    fn failed(self, state: &mut State, why: &str) {
        match self {
            Self::Start(at) => instance::start_failed(state, &at, why),
            Self::Reboot(at) => instance::reboot_failed(state, &at),
            Self::Image(at) | Self::Settle(at) => image::failed(state, &at, why),
            Self::Snapshot(at) => volume::snapshot_failed(state, &at, why),
            Self::Make(at) => volume::make_failed(state, &at),
            // These are tried again: the state that asks for them has not changed.
            Self::Stop(_) | Self::Terminate(_) | Self::Refresh(_) | Self::Attach(_) | Self::Detach(_) => {}
        }
    }
}

/// How often to look whether a fault still holds something up.
const HELD: Duration = Duration::from_millis(100);

/// Waits while a fault keeps a thing as it is; other work may touch all but the thing itself meanwhile. Fails where a fault says so.
async fn held_up(core: &Arc<Core>, work: Work, id: &str) -> Result<(), Failure> {
    if core.faults.holds(id) {
        let (key, own) = (work.key(), id.to_owned());
        core.change(move |state| {
            if let Some(claim) = state.claims.get_mut(&key) {
                claim.locks = vec![own];
            }
        })
        .await?;
        core.work.notify_one();
        while core.faults.holds(id) && exists(core, id)? {
            tokio::time::sleep(HELD).await;
        }
    }
    match core.faults.doom(id) {
        Some(reason) => Err(Failure(reason)),
        None => Ok(()),
    }
}

fn exists(core: &Arc<Core>, id: &str) -> Result<bool, Failure> {
    let state = core.store.read()?;
    Ok(state.regions.values().any(|r| r.images.contains_key(id) || r.snapshots.contains_key(id)))
}

/// Runs what blocks off the async threads.
async fn with_disks<T: Send + 'static>(
    core: &Arc<Core>,
    f: impl FnOnce(&Disks) -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let core = core.clone();
    match tokio::task::spawn_blocking(move || f(&core.disks)).await {
        Ok(done) => Ok(done?),
        Err(e) => Err(Failure(e.to_string())),
    }
}

/// A machine that powered itself off: what happens then is the instance's shutdown behaviour.
async fn notice_ended_machines(core: &Arc<Core>) {
    let Ok(state) = core.store.read() else { return };
    let locked: Vec<String> = state.claims.values().flat_map(|c| c.locks.clone()).collect();
    let mut running = Vec::new();
    for region in state.regions.values() {
        let up = region.instances.values().filter(|i| i.state == InstanceState::Running && !i.reboot);
        running.extend(up.filter(|i| !locked.contains(&i.id)).map(|i| (region.name.clone(), i.id.clone())));
    }
    for (region, id) in running {
        if core.machines.status(&id).await == Status::Running {
            continue;
        }
        let noticed = core
            .change(move |state| {
                let claimed = state.claims.values().any(|c| c.locks.contains(&id));
                let Some(i) = state.regions.get_mut(&region).and_then(|r| r.instances.get_mut(&id)) else { return };
                if i.state == InstanceState::Running && !claimed {
                    let ends = i.shutdown_behavior == "terminate";
                    i.state = if ends { InstanceState::ShuttingDown } else { InstanceState::Stopping };
                    i.state_reason = Some(StateReason {
                        code: "Client.InstanceInitiatedShutdown".into(),
                        message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown".into(),
                    });
                }
            })
            .await;
        if let Err(e) = noticed {
            tracing::error!("an ended machine could not be recorded: {e}");
        }
        core.work.notify_one();
    }
}

/// Forgets what is over and removes files that nothing names.
async fn sweep(core: &Arc<Core>) {
    let now = Time::now();
    let forgotten = core.change(move |state| state.regions.values_mut().for_each(|r| r.forget(now))).await;
    let core = core.clone();
    let swept = tokio::task::spawn_blocking(move || {
        core.disks.sweep(|| core.store.read().map_err(|e| std::io::Error::other(ApiError::from(e).message)))
    })
    .await;
    match (forgotten, swept) {
        (Ok(()), Ok(Ok(()))) => {}
        (Err(e), _) => tracing::error!("forgetting failed: {e}"),
        (_, Ok(Err(e))) => tracing::error!("sweeping failed: {e}"),
        (_, Err(e)) => tracing::error!("sweeping failed: {e}"),
    }
}
