//! Provisioners: what runs on the machine (or beside it) between connecting and stopping.
//!
//! [`prepare`] reads a block of a template and reports all that is wrong with it; [`Plan::run`] runs the
//! prepared steps in order over one build's communicator, with `pause_before`, `timeout`, `max_retries` and
//! `continue_on_error` as the template says. `only`, `except` and `override` were applied by the template crate.
//!
//! Templates are read twice, as in Packer: at prepare with the names that a builder promises, and again when the provisioner
//! runs, with [`Session::data`] (`{{ build "ID" }}`, `{{ .SourceAMI }}`).

mod ansible;
mod ansible_common;
mod ansible_local;
mod ansible_options;
mod ansible_words;
mod block;
mod environment;
mod file;
mod galaxy;
mod goss;
mod lines;
mod registry;
pub(crate) mod requirements;
pub mod requirements_of;
mod shell;
mod shell_local;
mod shell_options;
mod shell_vars;
mod simple;

pub(crate) use block::{Block, error, strings, text};
pub use registry::{NAMES, prepare, tables};
pub(crate) use shell_local::{On, ShellLocal, table as shell_local_table};

use crate::agent_link::AgentBinaries;
use crate::communicator::{CommError, Communicator};
use crate::connect::Connect;
use crate::event::Reporter;
use crate::run::Cancel;
use async_trait::async_trait;
use imgbuild_diag::Span;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Asks the person at the terminal (`breakpoint`, `-on-error=ask`, `vars_prompt`).
#[async_trait]
pub trait Ask: Send + Sync {
    /// One line, without its newline. `None`: there is nobody to ask, or they left.
    async fn ask(&self, question: &str) -> Option<String>;

    /// Whether there is anybody.
    fn is_there(&self) -> bool {
        true
    }

    /// The same for a password: what is typed is not shown.
    async fn ask_secret(&self, question: &str) -> Option<String>;
}

/// Nobody is there.
pub struct NobodyToAsk;

#[async_trait]
impl Ask for NobodyToAsk {
    async fn ask(&self, _: &str) -> Option<String> {
        None
    }
    async fn ask_secret(&self, _: &str) -> Option<String> {
        None
    }
    fn is_there(&self) -> bool {
        false
    }
}

/// What a builder knows once its machine is up: the fields that provisioners and post-processors may use
/// (`ID`, `Host`, `Port`, `User`, `Password`, `ConnType`, `PackerRunUUID`, `PackerHTTPAddr`, `SSHPublicKey`, `SSHPrivateKey`,
/// and the builder's own such as `SourceAMI`). Secret values among them are to be added to the run's redactor by the builder.
pub type BuildData = BTreeMap<String, String>;

/// What a provisioner works with.
#[derive(Clone)]
pub struct Session {
    /// The build's name.
    pub build_name: String,
    /// The builder's type.
    pub builder_type: String,
    /// The machine; `None` with the communicator `none`.
    pub communicator: Option<Arc<dyn Communicator>>,
    /// Whether commands ask for a pseudo-terminal (`ssh_pty`).
    pub pty: bool,
    /// The user that the communicator connects as; the default `ansible_user`.
    pub username: String,
    /// Fields for the second rendering.
    pub data: BuildData,
    /// Tells the person.
    pub reporter: Reporter,
    /// Ends it.
    pub cancel: Cancel,
    /// Asks the person.
    pub ask: Arc<dyn Ask>,
    /// The agents to upload.
    pub agents: AgentBinaries,
    /// Reaches hosts other than the build's machine (a playbook's inventory of its own); `None` if nothing else may be reached.
    pub connect: Option<Arc<dyn Connect>>,
}

impl Session {
    /// The machine, or the sentence that there is none.
    pub(crate) fn communicator(&self) -> Result<Arc<dyn Communicator>, ProvisionError> {
        self.communicator.clone().ok_or_else(|| {
            ProvisionError::Failed("there is no machine to work on: the communicator is \"none\"".into())
        })
    }
}

/// Why a provisioner failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProvisionError {
    /// A provisioner failed, and where the template has it.
    #[error("{source}\n  at {place}: the provisioner {kind}")]
    In {
        /// Its place in the template.
        place: String,
        /// Its type.
        kind: String,
        /// What happened.
        source: Box<ProvisionError>,
    },
    /// It failed: one or more sentences for people.
    #[error("{0}")]
    Failed(String),
    /// The connection failed.
    #[error(transparent)]
    Connection(#[from] CommError),
    /// Longer than its `timeout`.
    #[error("the provisioner took longer than its timeout of {0:?}")]
    TimedOut(Duration),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl ProvisionError {
    /// The same with the place of the provisioner that failed. A cancellation has none.
    fn within(self, step: &Step) -> Self {
        match self {
            ProvisionError::Cancelled | ProvisionError::In { .. } => self,
            other => {
                ProvisionError::In { place: step.place.to_string(), kind: step.kind.clone(), source: Box::new(other) }
            }
        }
    }
}

/// One kind of provisioner, prepared.
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// Runs it once. Must be fit to run again (`max_retries`).
    async fn provision(&self, session: &Session) -> Result<(), ProvisionError>;

    /// Whether it may be done again on another machine: nothing that it does stays anywhere else.
    fn repeatable(&self) -> bool {
        true
    }

    /// Whether it watches [`Session::cancel`] by itself and ends in order. Others are dropped where they are.
    fn ends_in_order(&self) -> bool {
        false
    }
}

/// A provisioner that ends in order after a cancellation has this long.
const GRACE: Duration = Duration::from_secs(15);

/// A prepared provisioner with what every provisioner has.
pub struct Step {
    /// `shell`, `file`, …
    pub kind: String,
    /// Where its type stands in the template.
    pub place: Span,
    /// Wait this long before it starts.
    pub pause_before: Duration,
    /// Give each try this long.
    pub timeout: Option<Duration>,
    /// Try again this often.
    pub max_retries: u32,
    /// A failure is reported and the build goes on.
    pub continue_on_error: bool,
    /// What it does.
    pub provisioner: Box<dyn Provisioner>,
}

/// All provisioners of one build.
#[derive(Default)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// `error-cleanup-provisioner`: [`Plan::clean_up`] runs it.
    pub cleanup: Option<Step>,
}

impl Plan {
    /// Runs all steps in order, until one fails.
    pub async fn run(&self, session: &Session) -> Result<(), ProvisionError> {
        self.run_counting(session, &AtomicUsize::new(0)).await
    }

    /// The same; `begun` is how many steps have been begun.
    pub async fn run_counting(&self, session: &Session, begun: &AtomicUsize) -> Result<(), ProvisionError> {
        for (n, step) in self.steps.iter().enumerate() {
            begun.store(n + 1, Ordering::Relaxed);
            step.run(session).await.map_err(|error| error.within(step))?;
        }
        Ok(())
    }

    /// The first of this many steps that may not be done again on another machine.
    pub fn unrepeatable(&self, begun: usize) -> Option<&Step> {
        self.steps.iter().take(begun).find(|step| !step.provisioner.repeatable())
    }

    /// Runs the `error-cleanup-provisioner`, if there is one. The builder calls it when a phase after connecting failed,
    /// before anything is removed. A failure is only reported: the build has failed already.
    pub async fn clean_up(&self, session: &Session) {
        session.reporter.say("Provisioning step had errors: Running the cleanup provisioner, if present...");
        let Some(step) = &self.cleanup else { return };
        // The run may have been cancelled; cleaning up is still wanted.
        let session = Session { cancel: Cancel::new(), ..session.clone() };
        if let Err(e) = step.run(&session).await {
            session.reporter.error(format!("Error running cleanup provisioner: {}", e.within(step)));
        }
    }
}

impl Step {
    /// Runs the step as its settings say.
    pub async fn run(&self, session: &Session) -> Result<(), ProvisionError> {
        let mut left = self.max_retries;
        loop {
            // Before each try, as in Packer (RetriedProvisioner holds the PausedProvisioner).
            if !self.pause_before.is_zero() {
                session.reporter.say(format!("Pausing {} before the next provisioner...", human(self.pause_before)));
                sleep(session, self.pause_before).await?;
            }
            match self.attempt(session).await {
                Ok(()) => return Ok(()),
                Err(ProvisionError::Cancelled) => return Err(ProvisionError::Cancelled),
                Err(e) if left > 0 => {
                    session
                        .reporter
                        .say(format!("Provisioner failed with {:?}, retrying with {left} trie(s) left", e.to_string()));
                    left -= 1;
                }
                Err(e) => {
                    if self.max_retries > 0 {
                        session.reporter.say("retry limit reached.");
                    }
                    if !self.continue_on_error {
                        return Err(e);
                    }
                    session.reporter.say(format!(
                        "Warning: Provisioner failed with {:?}, but continue_on_error is set; continuing the build.",
                        e.to_string()
                    ));
                    return Ok(());
                }
            }
        }
    }

    async fn attempt(&self, session: &Session) -> Result<(), ProvisionError> {
        let work = async {
            match self.timeout {
                None => self.provisioner.provision(session).await,
                Some(limit) => {
                    session.reporter.say(format!("Setting a {} timeout for the next provisioner...", human(limit)));
                    match tokio::time::timeout(limit, self.provisioner.provision(session)).await {
                        Ok(result) => result,
                        Err(_) => Err(ProvisionError::TimedOut(limit)),
                    }
                }
            }
        };
        let cancelled = async {
            session.cancel.cancelled().await;
            if self.provisioner.ends_in_order() {
                tokio::time::sleep(GRACE).await;
            }
        };
        tokio::select! {
            biased;
            () = cancelled => Err(ProvisionError::Cancelled),
            result = work => result,
        }
    }
}

/// Sleeps, unless the run is cancelled.
pub(crate) async fn sleep(session: &Session, time: Duration) -> Result<(), ProvisionError> {
    session.cancel.guard(tokio::time::sleep(time)).await.ok_or(ProvisionError::Cancelled)
}

/// A duration as Go prints it: `1m30s`, `500ms`.
pub(crate) fn human(time: Duration) -> String {
    let millis = time.as_millis();
    if millis == 0 {
        return "0s".into();
    }
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (seconds, rest) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:03}").trim_end_matches('0').to_owned() };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, m) => format!("{m}m{seconds}{fraction}s"),
        (h, m) => format!("{h}h{m}m{seconds}{fraction}s"),
    }
}
