//! Post-processors: what happens with an artifact once its build is over.
//!
//! Chains as in Packer: every chain of a build starts from the builder's artifact, each post-processor gets what the one
//! before it made. An input that nobody keeps is destroyed: a post-processor keeps it when it must
//! ([`Outcome::must_keep`]), else as `keep_input_artifact` says, else as it does by default. A failure ends its chain; other
//! chains go on. Also as in Packer, a builder's artifact that no post-processor of any chain has kept is destroyed, a chain
//! that failed at its first link included: a failed check leaves no image.

mod artifice;
mod bgzf;
mod checksum;
mod compress;
mod compress_options;
mod manifest;
mod registry;
mod shell_local;

pub use manifest::Manifest;
pub use registry::{NAMES, prepare, tables};

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
    /// Its artifact; `None` ends the chain without one.
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

/// What is left after all chains.
#[derive(Default)]
pub struct PostResult {
    /// Artifacts in Packer's order: the builder's own first where it is kept.
    pub artifacts: Vec<SharedArtifact>,
    /// What failed.
    pub errors: Vec<String>,
}

impl PostPlan {
    /// Runs all chains on the builder's artifact.
    pub async fn run(&self, session: &PostSession, original: SharedArtifact) -> PostResult {
        let mut result = PostResult::default();
        let mut keep_original = self.chains.is_empty();
        for chain in &self.chains {
            self.chain(session, chain, &original, &mut keep_original, &mut result).await;
        }
        if keep_original {
            result.artifacts.insert(0, original);
        } else if let Err(e) = original.destroy().await {
            result.errors.push(format!("Error destroying builder artifact: {e}"));
        }
        result
    }

    async fn chain(
        &self,
        session: &PostSession,
        chain: &[PostStep],
        original: &SharedArtifact,
        keep_original: &mut bool,
        result: &mut PostResult,
    ) {
        let mut prior = original.clone();
        for (index, step) in chain.iter().enumerate() {
            session.reporter.say(if step.name == step.kind {
                format!("Running post-processor: {}", step.kind)
            } else {
                format!("Running post-processor: {} (type {})", step.name, step.kind)
            });
            // Its own lines say which one speaks.
            let label = format!("{} ({})", session.build_name, step.kind);
            let own = PostSession { reporter: session.reporter.for_build(&label), ..session.clone() };
            let outcome = match step.processor.process(&own, &prior).await {
                Ok(outcome) => outcome,
                Err(e) => return result.errors.push(format!("Post-processor failed: {e}")),
            };
            let Some(artifact) = outcome.artifact else { return };
            let keep = match step.keep_input_artifact {
                Some(false) if outcome.keep && outcome.must_keep => {
                    let text = "keeps its input although keep_input_artifact is false: what it made would be of no use without";
                    session.reporter.message(format!("The {} post-processor {text}", step.kind));
                    true
                }
                Some(wanted) => wanted,
                None => outcome.keep,
            };
            if index == 0 {
                // Other chains start from the same artifact: it is decided upon when all are over.
                *keep_original |= keep;
            } else if keep {
                result.artifacts.push(prior);
            } else if let Err(e) = prior.destroy().await {
                result.errors.push(format!("Failed cleaning up prior artifact: {e}"));
            }
            prior = artifact;
        }
        result.artifacts.push(prior);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Artifact;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    struct Named(&'static str, Arc<Mutex<Vec<String>>>);

    #[async_trait]
    impl Artifact for Named {
        fn builder_id(&self) -> &str {
            "test"
        }
        fn id(&self) -> String {
            self.0.into()
        }
        fn description(&self) -> String {
            self.0.into()
        }
        fn files(&self) -> Vec<PathBuf> {
            Vec::new()
        }
        async fn destroy(&self) -> Result<(), String> {
            self.1.lock().unwrap().push(self.0.into());
            Ok(())
        }
    }

    /// Makes an artifact of this name, or fails.
    struct Makes(Option<&'static str>, bool, bool, Arc<Mutex<Vec<String>>>);

    #[async_trait]
    impl PostProcessor for Makes {
        async fn process(&self, _: &PostSession, _: &SharedArtifact) -> Result<Outcome, String> {
            let name = self.0.ok_or("broken")?;
            Ok(Outcome { artifact: Some(Arc::new(Named(name, self.3.clone()))), keep: self.1, must_keep: self.2 })
        }
    }

    struct NoSink;
    impl crate::event::Sink for NoSink {
        fn emit(&self, _: crate::event::Event) {}
    }

    type Row = (Option<&'static str>, bool, bool, Option<bool>);

    async fn run(chains: &[&[Row]]) -> (Vec<String>, Vec<String>, usize) {
        let destroyed = Arc::new(Mutex::new(Vec::new()));
        let step = |row: &Row| PostStep {
            kind: "k".into(),
            name: "k".into(),
            keep_input_artifact: row.3,
            processor: Box::new(Makes(row.0, row.1, row.2, destroyed.clone())),
        };
        let plan = PostPlan { chains: chains.iter().map(|chain| chain.iter().map(step).collect()).collect() };
        let reporter = Reporter::new(Arc::new(NoSink), imgbuild_diag::Redactor::new());
        let session = PostSession {
            build_name: "b".into(),
            builder_type: "t".into(),
            run_id: "r".into(),
            force: false,
            data: BuildData::new(),
            reporter,
            cancel: Cancel::new(),
        };
        let result = plan.run(&session, Arc::new(Named("orig", destroyed.clone()))).await;
        let left = result.artifacts.iter().map(|a| a.id()).collect();
        let destroyed = destroyed.lock().unwrap().clone();
        (left, destroyed, result.errors.len())
    }

    #[tokio::test]
    async fn who_keeps_what() {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(run(&[]).await, (words(&["orig"]), words(&[]), 0));
        // compress keeps nothing by itself
        assert_eq!(run(&[&[(Some("a"), false, false, None)]]).await, (words(&["a"]), words(&["orig"]), 0));
        assert_eq!(run(&[&[(Some("a"), false, false, Some(true))]]).await, (words(&["orig", "a"]), words(&[]), 0));
        // manifest keeps against the user's word
        assert_eq!(run(&[&[(Some("a"), true, true, Some(false))]]).await, (words(&["orig", "a"]), words(&[]), 0));
        // artifice keeps unless told otherwise
        assert_eq!(run(&[&[(Some("a"), true, false, Some(false))]]).await, (words(&["a"]), words(&["orig"]), 0));
        // two chains, one of which keeps
        let two: [&[Row]; 2] = [&[(Some("a"), false, false, None)], &[(Some("b"), true, true, None)]];
        assert_eq!(run(&two).await, (words(&["orig", "a", "b"]), words(&[]), 0));
        // the middle of a chain goes
        let chain: [&[Row]; 1] = [&[(Some("a"), true, false, None), (Some("b"), false, false, None)]];
        assert_eq!(run(&chain).await, (words(&["orig", "b"]), words(&["a"]), 0));
        // a failure at the first link: nothing is left, as in Packer
        assert_eq!(run(&[&[(None, true, true, None)]]).await, (words(&[]), words(&["orig"]), 1));
    }
}
