//! Builds: a builder with its provisioners and post-processors, many of them side by side, and what came of each.

use crate::agent_link::AgentBinaries;
use crate::artifact::SharedArtifact;
use crate::connect::Connect;
use crate::provision::{Ask, BuildData, Plan};
use crate::run::{BuildRun, Leak};
use async_trait::async_trait;
use std::sync::Arc;

/// `-on-error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Remove what the build made.
    #[default]
    Cleanup,
    /// Leave everything, say what is left.
    Abort,
    /// Ask: clean up, abort, retry.
    Ask,
    /// Run the `error-cleanup-provisioner`, then leave everything.
    RunCleanupProvisioner,
}

/// What a builder works with.
#[derive(Clone)]
pub struct BuildSession {
    /// The build: its journal, reporter, cancellation.
    pub run: BuildRun,
    /// The provisioners to run once the machine is reached.
    pub provision: Arc<Plan>,
    /// Makes SSH connections.
    pub connect: Arc<dyn Connect>,
    /// Asks the person.
    pub ask: Arc<dyn Ask>,
    /// The agents to upload.
    pub agents: AgentBinaries,
    /// What to do when a phase fails.
    pub on_error: OnError,
    /// `-force`.
    pub force: bool,
    /// `-debug`: wait for Enter between phases.
    pub debug: bool,
}

impl BuildSession {
    /// The same, deaf to the run's cancellation.
    pub fn to_the_end(&self) -> BuildSession {
        BuildSession { run: self.run.to_the_end(), ..self.clone() }
    }
}

/// What a builder made.
pub struct Built {
    /// The artifact; none where the template asked for none (`skip_create_ami`).
    pub artifact: Option<SharedArtifact>,
    /// Fields for the post-processors.
    pub data: BuildData,
    /// What could not be removed although the build itself went well.
    pub leaks: Vec<Leak>,
}

/// Why a build failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    /// One or more sentences for people.
    pub message: String,
    /// What to do about it, one line each.
    pub help: Vec<String>,
    /// What could not be removed, or was left as `-on-error` says.
    pub leaks: Vec<Leak>,
    /// It was cancelled.
    pub cancelled: bool,
}

/// A builder, prepared: one straight line of phases.
#[async_trait]
pub trait Builder: Send + Sync {
    /// Runs it. What it acquired is kept, released or unwound when this returns.
    async fn build(&self, session: &BuildSession) -> Result<Built, BuildError>;
}
