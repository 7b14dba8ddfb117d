//! [`AgentLink`]: a host as the playbook engine sees it.

use super::binaries::AgentBinaries;
use super::bootstrap::{self, NoAgent, Place};
use super::session::{Outcome, Session, Turn};
use super::users::{Busy, Users};
use super::{raw, relay, token};
use crate::communicator::{CommError, Communicator};
use async_trait::async_trait;
use imgbuild_playbook::target::{Become, ModuleCall, OutputSink, RawOutcome, Relay, Target, Unreachable};
use imgbuild_proto::Call;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a call is sent: a connection may be lost before anything of it has come to the host.
const TIMES: u32 = 3;

/// A host with resident agents. Agents start when they are first needed and again when they are lost.
pub struct AgentLink {
    comm: Arc<dyn Communicator>,
    /// Closes the communicator with the link; a build's communicator stays open.
    owns_comm: bool,
    name: String,
    agents: AgentBinaries,
    place: Place,
    reconnect_within: Duration,
    users: Users,
}

impl AgentLink {
    /// A link over a communicator that others go on using (a build's).
    pub fn borrowed(comm: Arc<dyn Communicator>, name: &str, agents: AgentBinaries) -> Self {
        Self::new(comm, false, name, agents, Duration::from_secs(300))
    }

    /// A link that ends its communicator, and takes at most `reconnect_within` to make a lost one again.
    pub fn owning(comm: Arc<dyn Communicator>, name: &str, agents: AgentBinaries, reconnect_within: Duration) -> Self {
        Self::new(comm, true, name, agents, reconnect_within)
    }

    fn new(
        comm: Arc<dyn Communicator>,
        owns_comm: bool,
        name: &str,
        agents: AgentBinaries,
        reconnect_within: Duration,
    ) -> Self {
        let place = Place::new(format!("{}-{}", agents.tag(), token()));
        AgentLink { comm, owns_comm, name: name.to_owned(), agents, place, reconnect_within, users: Users::default() }
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> Unreachable {
        Unreachable { message: format!("{}: {why}", self.name) }
    }

    /// The agent of this user, started or started again; what comes with it is dropped after it. `Ok(Err(msg))`: becoming the user was refused.
    async fn session(&self, become_: Option<&Become>) -> Result<Result<(Busy, Arc<Session>), String>, Unreachable> {
        let user = self.users.get(become_);
        let mut slot = user.session.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| session.is_up()) {
            return Ok(Ok((self.users.busy(), Arc::clone(session))));
        }
        *slot = None;
        self.connected().await?;
        self.users.bound().await;
        let (mut busy, mut left) = (self.users.busy(), TIMES);
        loop {
            match bootstrap::start(&*self.comm, &self.agents, become_, &self.place).await {
                Ok(started) => {
                    let session = Session::open(started).await.map_err(|e| self.unreachable(e))?;
                    *slot = Some(Arc::clone(&session));
                    return Ok(Ok((busy, session)));
                }
                Err(NoAgent::Become(message)) => return Ok(Err(message)),
                Err(NoAgent::Comm(e)) => {
                    drop(busy);
                    busy = match e {
                        // It was lost before an agent ran, so before anything could begin.
                        CommError::Disconnected(_) if left > 0 => {
                            left -= 1;
                            self.connected().await?;
                            self.users.busy()
                        }
                        CommError::Full(_) => self.users.room().await.ok_or_else(|| self.unreachable(e))?,
                        e => return Err(self.unreachable(e)),
                    };
                }
            }
        }
    }

    async fn connected(&self) -> Result<(), Unreachable> {
        if self.comm.connected() {
            return Ok(());
        }
        self.comm.reconnect(self.reconnect_within).await.map_err(|e| self.unreachable(e))
    }

    /// Sends a call and waits for its result.
    async fn exchange(
        &self,
        call: ModuleCall,
        output: Option<OutputSink>,
        chunks: Option<mpsc::UnboundedSender<Vec<u8>>>,
    ) -> Result<Outcome, Unreachable> {
        let message = Call {
            id: 0,
            chain: call.chain,
            module: call.module,
            args: call.args,
            check: call.check,
            diff: call.diff,
            stop_chain_on_failure: call.stop_chain_on_failure,
            stream: call.stream,
            blob: None,
            environment: call.environment,
            timeout: call.timeout,
        };
        let mut turn: Option<Turn> = None;
        for left in (0..TIMES).rev() {
            let (_busy, session) = match self.session(call.become_.as_ref()).await? {
                Ok(session) => session,
                Err(refused) => return Ok(failure(&refused)),
            };
            let sent = session.send(message.clone(), call.content.as_ref(), output.clone(), chunks.clone()).await;
            let lost = match sent {
                Ok(under) => {
                    if let Some(turn) = turn.take() {
                        turn.over();
                    }
                    match under.result().await {
                        Ok(result) => return Ok(result),
                        Err(lost) => lost,
                    }
                }
                Err(Ok(unreadable)) => return Ok(failure(&unreadable)),
                Err(Err(lost)) => lost,
            };
            let Some(mut again) = lost.again.filter(|_| left > 0) else { return Err(self.unreachable(lost.why)) };
            tracing::debug!(host = %self.name, "made again, for nothing of it has come to the host: {}", lost.why);
            if again.come().await.is_none() {
                return Err(self.unreachable(lost.why));
            }
            turn = Some(again);
        }
        Err(self.unreachable("the connection was lost"))
    }

    async fn end_agents(&self) {
        let sessions = self.users.drain().await;
        futures_util::future::join_all(sessions.iter().map(|session| session.bye())).await;
    }
}

fn failure(message: &str) -> Outcome {
    Map::from_iter([
        ("changed".to_owned(), Value::Bool(false)),
        ("failed".to_owned(), Value::Bool(true)),
        ("msg".to_owned(), Value::from(message)),
    ])
}

#[async_trait]
impl Target for AgentLink {
    async fn call(&self, call: ModuleCall, output: Option<OutputSink>) -> Result<Outcome, Unreachable> {
        self.exchange(call, output, None).await
    }

    async fn raw(
        &self,
        command: &str,
        become_: Option<&Become>,
        environment: &BTreeMap<String, String>,
        timeout: Option<u64>,
    ) -> Result<RawOutcome, Unreachable> {
        self.connected().await?;
        let (mut busy, mut left) = (self.users.busy(), TIMES);
        loop {
            let done = raw::run(&*self.comm, command, become_, environment, timeout).await;
            drop(busy);
            let e = match done {
                Ok(done) => return Ok(done),
                Err(e) => e,
            };
            busy = match e {
                CommError::Unreachable(_) if left > 0 => {
                    left -= 1;
                    self.connected().await?;
                    self.users.busy()
                }
                CommError::Full(_) => self.users.room().await.ok_or_else(|| self.unreachable(e))?,
                e => return Err(self.unreachable(e)),
            };
        }
    }

    async fn fetch(
        &self,
        path: &str,
        become_: Option<&Become>,
        into: &mut (dyn std::io::Write + Send),
    ) -> Result<Result<u64, String>, Unreachable> {
        let (chunks_in, mut chunks) = mpsc::unbounded_channel::<Vec<u8>>();
        let call = ModuleCall {
            module: "_read".into(),
            args: Map::from_iter([("path".to_owned(), Value::from(path))]),
            become_: become_.cloned(),
            ..ModuleCall::default()
        };
        let exchange = self.exchange(call, None, Some(chunks_in));
        let mut written = 0;
        let mut trouble = None;
        let receive = async {
            while let Some(chunk) = chunks.recv().await {
                match into.write_all(&chunk) {
                    Ok(()) => written += chunk.len() as u64,
                    Err(e) => {
                        trouble = Some(e.to_string());
                        return;
                    }
                }
            }
        };
        let (result, ()) = tokio::join!(exchange, receive);
        let result = result?;
        if let Some(trouble) = trouble {
            return Ok(Err(trouble));
        }
        let failed = result.get("failed").and_then(Value::as_bool).unwrap_or(false);
        let message = || result.get("msg").and_then(Value::as_str).unwrap_or("the file can't be read").to_owned();
        Ok(if failed { Err(message()) } else { Ok(written) })
    }

    async fn relay(&self, become_: Option<&Become>) -> Result<Relay, Unreachable> {
        self.connected().await?;
        relay::open(Arc::clone(&self.comm), become_).map_err(|e| self.unreachable(e))
    }

    async fn reset(&self) -> Result<(), Unreachable> {
        // After a reboot the agents are gone; their good-bye must not be waited for.
        if self.comm.connected() {
            self.end_agents().await;
        } else {
            self.users.drain().await;
        }
        self.comm.reconnect(self.reconnect_within).await.map_err(|e| self.unreachable(e))
    }

    async fn close(&self) {
        self.end_agents().await;
        if self.owns_comm {
            self.comm.close().await;
        }
    }
}
