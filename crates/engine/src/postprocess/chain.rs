//! Running the chains of one build, and who keeps what.

use super::{PostPlan, PostSession};
use crate::artifact::SharedArtifact;
use std::sync::Arc;

/// What came of a build's post-processors.
pub struct Processed {
    /// The artifacts that are left, the builder's own first if it was kept.
    pub artifacts: Vec<SharedArtifact>,
    /// What failed, one sentence each.
    pub errors: Vec<String>,
}

impl PostPlan {
    /// Runs every chain on the builder's artifact. What nobody keeps is destroyed; but never because of a failure: an image
    /// that took an hour is worth more than the rule (Packer destroys it then).
    pub async fn run(&self, session: &PostSession, built: SharedArtifact) -> Processed {
        let mut keep_built = self.chains.is_empty();
        let mut artifacts: Vec<SharedArtifact> = Vec::new();
        let mut errors = Vec::new();
        for chain in &self.chains {
            let mut prior = Arc::clone(&built);
            let mut whole = true;
            for (n, step) in chain.iter().enumerate() {
                if session.cancel.is_cancelled() {
                    errors.push("cancelled".to_owned());
                    whole = false;
                    break;
                }
                session.reporter.say(format!("Running post-processor: {}", label(&step.name, &step.kind)));
                let outcome = match step.processor.process(session, &prior).await {
                    Ok(outcome) => outcome,
                    Err(why) => {
                        errors.push(format!("Post-processor failed: {}: {why}", step.kind));
                        keep_built = true;
                        whole = false;
                        break;
                    }
                };
                let keep = match step.keep_input_artifact {
                    Some(false) if outcome.must_keep => {
                        session.reporter.say(format!(
                            "The post-processor {} needs its input: keep_input_artifact=false is ignored",
                            step.kind
                        ));
                        true
                    }
                    Some(keep) => keep,
                    None => outcome.keep,
                };
                let next = outcome.artifact.unwrap_or_else(|| Arc::clone(&prior));
                if Arc::ptr_eq(&prior, &built) {
                    keep_built |= keep || Arc::ptr_eq(&next, &built);
                } else if keep {
                    add(&mut artifacts, &prior);
                } else if n > 0
                    && !Arc::ptr_eq(&next, &prior)
                    && let Err(why) = prior.destroy().await
                {
                    errors.push(format!("Failed cleaning up prior artifact: {why}"));
                }
                prior = next;
            }
            if whole && !Arc::ptr_eq(&prior, &built) {
                add(&mut artifacts, &prior);
            }
        }
        if keep_built {
            artifacts.insert(0, built);
        } else if let Err(why) = built.destroy().await {
            errors.push(format!("Error destroying the builder's artifact: {why}"));
        }
        Processed { artifacts, errors }
    }
}

fn label(name: &str, kind: &str) -> String {
    if name == kind || name.is_empty() { kind.to_owned() } else { format!("{name} (type {kind})") }
}

fn add(list: &mut Vec<SharedArtifact>, artifact: &SharedArtifact) {
    if !list.iter().any(|known| Arc::ptr_eq(known, artifact)) {
        list.push(Arc::clone(artifact));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, PostProcessor, PostStep};
    use super::*;
    use crate::artifact::Artifact;
    use crate::event::{Event, Reporter, Sink};
    use crate::run::Cancel;
    use async_trait::async_trait;
    use std::path::PathBuf;
    use std::sync::Mutex;

    struct Quiet;
    impl Sink for Quiet {
        fn emit(&self, _: Event) {}
    }

    struct Thing(&'static str, Arc<Mutex<Vec<String>>>);
    #[async_trait]
    impl Artifact for Thing {
        fn builder_id(&self) -> &str {
            "t"
        }
        fn id(&self) -> String {
            self.0.to_owned()
        }
        fn description(&self) -> String {
            self.0.to_owned()
        }
        fn files(&self) -> Vec<PathBuf> {
            Vec::new()
        }
        async fn destroy(&self) -> Result<(), String> {
            self.1.lock().unwrap().push(self.0.to_owned());
            Ok(())
        }
    }

    /// Makes a thing of this name; with none it fails.
    struct Makes(Option<&'static str>, bool, Arc<Mutex<Vec<String>>>);
    #[async_trait]
    impl PostProcessor for Makes {
        async fn process(&self, _: &PostSession, _: &SharedArtifact) -> Result<Outcome, String> {
            let name = self.0.ok_or("no")?;
            let made: SharedArtifact = Arc::new(Thing(name, Arc::clone(&self.2)));
            Ok(Outcome { artifact: Some(made), keep: self.1, must_keep: false })
        }
    }

    async fn left(chains: &[&[(Option<&'static str>, bool, Option<bool>)]]) -> (Vec<String>, Vec<String>, usize) {
        let gone: Arc<Mutex<Vec<String>>> = Arc::default();
        let step = |(name, keep, said): &(Option<&'static str>, bool, Option<bool>)| PostStep {
            kind: "x".into(),
            name: "x".into(),
            keep_input_artifact: *said,
            processor: Box::new(Makes(*name, *keep, Arc::clone(&gone))),
        };
        let plan = PostPlan { chains: chains.iter().map(|chain| chain.iter().map(step).collect()).collect() };
        let session = PostSession {
            build_name: "b".into(),
            builder_type: "t".into(),
            run_id: "r".into(),
            force: false,
            data: Default::default(),
            reporter: Reporter::new(Arc::new(Quiet), Default::default()),
            cancel: Cancel::new(),
        };
        let out = plan.run(&session, Arc::new(Thing("built", Arc::clone(&gone)))).await;
        let kept = out.artifacts.iter().map(|a| a.id()).collect();
        let gone = gone.lock().unwrap().clone();
        (kept, gone, out.errors.len())
    }

    #[tokio::test]
    async fn who_keeps_what() {
        let s = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert_eq!(left(&[]).await, (s(&["built"]), s(&[]), 0));
        assert_eq!(left(&[&[(Some("a"), false, None)]]).await, (s(&["a"]), s(&["built"]), 0));
        assert_eq!(left(&[&[(Some("a"), false, Some(true))]]).await, (s(&["built", "a"]), s(&[]), 0));
        let chain: &[_] = &[(Some("a"), false, None), (Some("b"), false, None)];
        assert_eq!(left(&[chain]).await, (s(&["b"]), s(&["a", "built"]), 0));
        let two: &[&[_]] = &[&[(Some("a"), false, None)], &[(Some("c"), true, None)]];
        assert_eq!(left(two).await, (s(&["built", "a", "c"]), s(&[]), 0));
        assert_eq!(left(&[&[(None, false, None)]]).await, (s(&["built"]), s(&[]), 1));
    }
}
