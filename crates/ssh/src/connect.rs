//! Trying until it works: fast at first, then once a second, until time is up.

use crate::communicator::SshCommunicator;
use crate::error::Failed;
use crate::live::Live;
use async_trait::async_trait;
use imgbuild_engine::communicator::{CommError, Communicator};
use imgbuild_engine::connect::{Connect, SshSpec};
use imgbuild_engine::provision::Ask;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Pauses between tries: fast while a machine may be about to answer, then steady.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];
/// A packet to a machine that is not up yet is lost; a new connection is quicker than waiting for the kernel's next try.
const TCP_TIMEOUTS: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// Limits for handshake and authentication of the first tries: a port that accepts and hangs (a proxy, a host that boots)
/// must not eat the time-out.
const HANDSHAKE_TIMEOUTS: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(15)];
/// Packer leaves this time between failed handshakes (5 s, and 2 s after each): ten attempts cover the minute in which
/// cloud-init makes the account. Ours are quicker, so they count only once that time has passed, too.
const PER_ATTEMPT: Duration = Duration::from_secs(7);

/// Makes SSH connections.
#[derive(Clone)]
pub struct SshConnect {
    outside: Arc<Outside>,
}

/// What a connection may need from around the program.
pub(crate) struct Outside {
    /// The agent that the program was started with.
    pub agent_socket: Option<PathBuf>,
    /// Answers a server's questions.
    pub ask: Arc<dyn Ask>,
}

impl SshConnect {
    /// `agent_socket` is `SSH_AUTH_SOCK`, for ways to authenticate that name no agent.
    pub fn new(agent_socket: Option<PathBuf>, ask: Arc<dyn Ask>) -> Self {
        SshConnect { outside: Arc::new(Outside { agent_socket, ask }) }
    }
}

#[async_trait]
impl Connect for SshConnect {
    async fn connect(&self, spec: &SshSpec) -> Result<Arc<dyn Communicator>, CommError> {
        let live = establish(spec, &self.outside, spec.timeout).await?;
        Ok(Arc::new(SshCommunicator::new(spec.clone(), Arc::clone(&self.outside), live)))
    }
}

/// A connection within `timeout`, or the reason of the last try that failed.
pub(crate) async fn establish(
    spec: &SshSpec,
    outside: &Arc<Outside>,
    timeout: Option<Duration>,
) -> Result<Arc<Live>, CommError> {
    let end = timeout.map(|timeout| Instant::now() + timeout);
    let mut handshakes = 0;
    let mut first_handshake = None;
    let mut attempt = 0;
    let mut last = None;
    loop {
        let at = |times: &[Duration]| times.get(attempt).copied();
        let mut this = spec.clone();
        if spec.retry {
            this.attempt_timeout = at(&HANDSHAKE_TIMEOUTS).unwrap_or(spec.attempt_timeout).min(spec.attempt_timeout);
        }
        let tcp = if spec.retry { at(&TCP_TIMEOUTS).unwrap_or(spec.attempt_timeout) } else { spec.attempt_timeout };
        let open = Live::open(&this, outside, tcp.min(spec.attempt_timeout));
        let result = match end {
            // The time ran out in the middle of a try: what ended the one before it says more.
            Some(end) => tokio::time::timeout_at(end, open).await.unwrap_or_else(|_| {
                let silent = || CommError::Unreachable(format!("{} gave no answer", spec.address()));
                Err(Failed::NotYet(last.take().unwrap_or_else(silent)))
            }),
            None => open.await,
        };
        let error = match result {
            Ok(live) => return Ok(live),
            Err(Failed::Fatal(e)) => return Err(e),
            Err(Failed::NotYet(e)) => e,
            Err(Failed::Handshake(e)) => {
                handshakes += 1;
                let since: Instant = *first_handshake.get_or_insert_with(Instant::now);
                let most = spec.handshake_attempts.unwrap_or(u32::MAX);
                if handshakes >= most && since.elapsed() >= PER_ATTEMPT * (most - 1) {
                    return Err(e);
                }
                e
            }
        };
        if !spec.retry {
            return Err(error);
        }
        tracing::debug!(host = %spec.address(), attempt, "no connection yet: {error}");
        let pause = at(&PAUSES).unwrap_or(Duration::from_secs(1));
        if let (Some(end), Some(timeout)) = (end, timeout)
            && Instant::now() + pause >= end
        {
            return Err(given_up(spec, timeout, error));
        }
        last = Some(error);
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

fn given_up(spec: &SshSpec, timeout: Duration, last: CommError) -> CommError {
    let text = format!("no SSH connection to {} within {} s: {last}", spec.address(), timeout.as_secs_f64().round());
    match last {
        CommError::Authentication(_) => CommError::Authentication(text),
        _ => CommError::Unreachable(text),
    }
}
