//! Post-processors: what happens with an artifact once its build is over.
//!
//! Chains as in Packer: every chain of a build starts from the builder's artifact, each post-processor gets what the one
//! before it made. An input that nobody keeps is destroyed: a post-processor keeps it when it must
//! ([`Outcome::must_keep`]), else as `keep_input_artifact` says, else as it does by default. A failure ends its chain; other
//! chains go on.

mod chain;
mod manifest;

pub use chain::Processed;
pub use manifest::Manifest;

use crate::artifact::SharedArtifact;
use crate::event::Reporter;
use crate::provision::BuildData;
use crate::run::Cancel;
use async_trait::async_trait;

/// What a post-processor works with.
#[derive(Clone)]
pub struct PostSession {
    /// The build's name.
    pub build_name: String,
    /// The builder's type.
    pub builder_type: String,
    /// The run's id (`packer_run_uuid`).
    pub run_id: String,
    /// `-force`.
    pub force: bool,
    /// Fields for the second rendering.
    pub data: BuildData,
    /// Tells the person.
    pub reporter: Reporter,
    /// Ends it.
    pub cancel: Cancel,
}

/// What a post-processor made of its input.
pub struct Outcome {
    /// Its artifact; `None` ends the chain without one (the input goes on where it is kept).
    pub artifact: Option<SharedArtifact>,
    /// Whether the input is kept where the template says nothing.
    pub keep: bool,
    /// The input must be kept, whatever the template says (the new artifact is made of it).
    pub must_keep: bool,
}

/// One kind of post-processor, prepared.
#[async_trait]
pub trait PostProcessor: Send + Sync {
    /// Processes an artifact. The error is for people.
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String>;
}

/// A prepared post-processor with what every one has.
pub struct PostStep {
    /// `manifest`, `compress`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `keep_input_artifact`.
    pub keep_input_artifact: Option<bool>,
    /// What it does.
    pub processor: Box<dyn PostProcessor>,
}

/// All chains of one build.
#[derive(Default)]
pub struct PostPlan {
    /// The chains.
    pub chains: Vec<Vec<PostStep>>,
}
