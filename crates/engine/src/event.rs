//! What a run tells whoever watches: typed events. Display (terminal, plain, machine-readable, JSON, log) is elsewhere.

use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// One thing that happened. `build` is the build's name; empty means the run as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A line worth a heading (Packer's `ui.Say`: `==> name: text`).
    Say {
        /// Build.
        build: String,
        /// Text, may span lines.
        text: String,
    },
    /// A line below a heading (Packer's `ui.Message`), or output of a command.
    Message {
        /// Build.
        build: String,
        /// Text.
        text: String,
    },
    /// Something failed (Packer's `ui.Error`).
    Error {
        /// Build.
        build: String,
        /// Text.
        text: String,
    },
    /// A phase began (`launch`, `connect`, …). Ends with the next phase or the build's end.
    Phase {
        /// Build.
        build: String,
        /// The phase's name.
        phase: &'static str,
    },
    /// Waiting for something; repeated while the wait goes on.
    Waiting {
        /// Build.
        build: String,
        /// What for: "AMI ami-1 to become available".
        what: String,
        /// Since when.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
        /// How far, in percent, where the service tells.
        percent: Option<u8>,
        /// The wait is over.
        done: bool,
    },
    /// A file travels.
    Transfer {
        /// Build.
        build: String,
        /// What: "Uploading foo.tar => /tmp/foo.tar".
        what: String,
        /// Bytes done.
        done: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// A build ended.
    BuildFinished {
        /// Build.
        build: String,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// A build's artifact, once all builds are over.
    Artifact {
        /// Build.
        build: String,
        /// Packer's builder id (`mitchellh.amazonebs`).
        builder_id: String,
        /// `us-east-1:ami-…,us-west-2:ami-…`.
        id: String,
        /// For people: `AMIs were created:\nus-east-1: ami-…\n`.
        description: String,
        /// Files, if any.
        files: Vec<String>,
        /// Which of the build's artifacts, from 0.
        index: usize,
        /// How many the build has.
        count: usize,
    },
}

fn seconds<S: serde::Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(d.as_secs_f64())
}

/// Takes events. Must be quick; redaction happens in [`Reporter`], before this.
pub trait Sink: Send + Sync {
    /// Takes one.
    fn emit(&self, event: Event);
}

/// Tells about one build (or, with an empty name, about the run), and the log (`PACKER_LOG`). Cheap to clone. Every text passes the
/// run's redactor.
#[derive(Clone)]
pub struct Reporter {
    build: String,
    sink: Arc<dyn Sink>,
    redactor: imgbuild_diag::Redactor,
}

impl Reporter {
    /// A reporter for the whole run.
    pub fn new(sink: Arc<dyn Sink>, redactor: imgbuild_diag::Redactor) -> Self {
        Reporter { build: String::new(), sink, redactor }
    }

    /// The same for one build.
    pub fn for_build(&self, build: &str) -> Self {
        Reporter { build: build.to_owned(), ..self.clone() }
    }

    /// The build's name.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// The run's redactor, to add secrets to.
    pub fn redactor(&self) -> &imgbuild_diag::Redactor {
        &self.redactor
    }

    /// A heading.
    pub fn say(&self, text: impl AsRef<str>) {
        let text = self.redactor.redact(text.as_ref());
        tracing::info!(build = self.build, "{text}");
        self.sink.emit(Event::Say { build: self.build.clone(), text });
    }

    /// A line below a heading.
    pub fn message(&self, text: impl AsRef<str>) {
        let text = self.redactor.redact(text.as_ref());
        tracing::info!(build = self.build, "{text}");
        self.sink.emit(Event::Message { build: self.build.clone(), text });
    }

    /// A failure.
    pub fn error(&self, text: impl AsRef<str>) {
        let text = self.redactor.redact(text.as_ref());
        tracing::error!(build = self.build, "{text}");
        self.sink.emit(Event::Error { build: self.build.clone(), text });
    }

    /// A phase begins.
    pub fn phase(&self, phase: &'static str) {
        tracing::info!(build = self.build, "the phase {phase} begins");
        self.sink.emit(Event::Phase { build: self.build.clone(), phase });
    }

    /// A wait goes on, or (`done`) is over.
    pub fn waiting(&self, what: &str, elapsed: Duration, percent: Option<u8>, done: bool) {
        let what = self.redactor.redact(what);
        self.sink.emit(Event::Waiting { build: self.build.clone(), what, elapsed, percent, done });
    }

    /// A file travels.
    pub fn transfer(&self, what: &str, done: u64, total: Option<u64>) {
        let what = self.redactor.redact(what);
        self.sink.emit(Event::Transfer { build: self.build.clone(), what, done, total });
    }

    /// Any other event, as it is; texts in it are redacted.
    pub fn emit(&self, event: Event) {
        let event = match event {
            Event::BuildFinished { build, elapsed, error } => {
                Event::BuildFinished { build, elapsed, error: error.map(|e| self.redactor.redact(&e)) }
            }
            other => other,
        };
        self.sink.emit(event);
    }
}
