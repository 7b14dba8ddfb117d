//! The builds of one run, side by side: each builds, then its artifact goes through its post-processors.

use crate::agent_link::AgentBinaries;
use crate::artifact::SharedArtifact;
use crate::build::{BuildError, BuildSession, Builder, OnError};
use crate::connect::Connect;
use crate::event::{Event, Reporter};
use crate::postprocess::{Manifest, PostPlan, PostSession};
use crate::provision::{Ask, Plan};
use crate::run::{Leak, Run};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// A build, prepared.
pub struct Job {
    /// Its name.
    pub name: String,
    /// The builder's type.
    pub kind: String,
    /// The builder.
    pub builder: Box<dyn Builder>,
    /// Its provisioners.
    pub provision: Arc<Plan>,
    /// Its post-processors.
    pub post: PostPlan,
}

/// What all builds of a run share.
#[derive(Clone)]
pub struct Shared {
    /// Makes SSH connections.
    pub connect: Arc<dyn Connect>,
    /// Asks the person.
    pub ask: Arc<dyn Ask>,
    /// The agents to upload.
    pub agents: AgentBinaries,
    /// `-on-error`.
    pub on_error: OnError,
    /// `-force`.
    pub force: bool,
    /// `-debug`.
    pub debug: bool,
    /// `-parallel-builds`; 0 means all at once.
    pub parallel: usize,
    /// A manifest that the command line asks for, beside those of the template.
    pub manifest: Option<PathBuf>,
}

/// How a build ended.
pub struct Ended {
    /// Its name.
    pub name: String,
    /// What is there.
    pub artifacts: Vec<SharedArtifact>,
    /// What failed; empty means that it went well.
    pub errors: Vec<String>,
    /// It was cancelled.
    pub cancelled: bool,
    /// What could not be removed, or was left as `-on-error` says.
    pub leaks: Vec<Leak>,
}

/// Runs all builds to their ends, in the order in which they end.
pub async fn run(run: &Run, jobs: Vec<Job>, shared: &Shared, reporter: &Reporter) -> Vec<Ended> {
    let slots = Arc::new(Semaphore::new(if shared.parallel == 0 { jobs.len().max(1) } else { shared.parallel }));
    let mut running: FuturesUnordered<_> = jobs
        .into_iter()
        .map(|job| {
            let slots = Arc::clone(&slots);
            async move {
                // The semaphore is never closed.
                let _slot = slots.acquire_owned().await;
                one(run, job, shared, reporter.for_build("")).await
            }
        })
        .collect();
    let mut ended = Vec::new();
    while let Some(one) = running.next().await {
        ended.push(one);
    }
    ended
}

async fn one(run: &Run, job: Job, shared: &Shared, reporter: Reporter) -> Ended {
    let start = Instant::now();
    let reporter = reporter.for_build(&job.name);
    let mut ended = Ended {
        name: job.name.clone(),
        artifacts: Vec::new(),
        errors: Vec::new(),
        cancelled: false,
        leaks: Vec::new(),
    };
    if run.cancel().is_cancelled() {
        ended.cancelled = true;
        return ended;
    }
    let session = BuildSession {
        run: run.build(reporter.clone()),
        provision: Arc::clone(&job.provision),
        connect: Arc::clone(&shared.connect),
        ask: Arc::clone(&shared.ask),
        agents: shared.agents,
        on_error: shared.on_error,
        force: shared.force,
        debug: shared.debug,
    };
    match job.builder.build(&session).await {
        Ok(built) => {
            ended.leaks = built.leaks;
            if let Some(artifact) = built.artifact {
                let session = PostSession {
                    build_name: job.name.clone(),
                    builder_type: job.kind.clone(),
                    run_id: run.id().to_owned(),
                    force: shared.force,
                    data: built.data,
                    reporter: reporter.clone(),
                    cancel: run.cancel().clone(),
                };
                if let Some(path) = &shared.manifest
                    && let Err(why) = Manifest::write_to(path, &session, &artifact).await
                {
                    ended.errors.push(why);
                }
                let processed = job.post.run(&session, artifact).await;
                ended.artifacts = processed.artifacts;
                if !processed.errors.is_empty() {
                    let count = processed.errors.len();
                    let list: String = processed.errors.iter().map(|e| format!("\n* {e}")).collect();
                    ended.errors.push(format!("{count} error(s) occurred:\n{list}"));
                }
            }
        }
        Err(BuildError { message, help, leaks, cancelled }) => {
            let mut text = message;
            for help in help {
                text.push_str("\n  ");
                text.push_str(&help);
            }
            ended.errors.push(text);
            ended.leaks = leaks;
            ended.cancelled = cancelled;
        }
    }
    let error = (!ended.errors.is_empty()).then(|| ended.errors.join("\n"));
    reporter.emit(Event::BuildFinished { build: job.name, elapsed: start.elapsed(), error });
    ended
}
