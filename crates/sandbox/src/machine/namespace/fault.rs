//! What went wrong in a machine's own processes, as one chain of sentences that can cross a pipe.

use std::io;

/// A step that failed, with its cause.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub struct Fault {
    step: String,
    #[source]
    source: Option<io::Error>,
}

impl Fault {
    /// A fault without a cause below it.
    pub fn new(step: impl Into<String>) -> Self {
        Self { step: step.into(), source: None }
    }

    /// The whole chain in one line.
    pub fn chain(&self) -> String {
        match &self.source {
            Some(source) => format!("{}: {source}", self.step),
            None => self.step.clone(),
        }
    }
}

/// Names the step that an I/O error stopped.
pub trait Step<T> {
    /// `step` says what was being done, without "failed".
    fn step(self, step: impl Into<String>) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, Fault> {
        self.map_err(|error| Fault { step: step.into(), source: Some(error.into()) })
    }
}
