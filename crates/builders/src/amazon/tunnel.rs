//! The way to an instance through Session Manager: sessions are started when a connection is wanted, used again while they
//! live, and replaced when they died (after a reboot). The journal owns each of them.

use super::ec2::ErrorKind;
use super::ids::InstanceId;
use super::releaser::{AmazonReleaser, kind};
use super::ssm::{NOT_CONNECTED, SessionChannel, Ssm, StreamError};
use super::types::Tags;
use async_trait::async_trait;
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::{Dial, Stream};
use imgbuild_engine::journal::{Intent, Place};
use imgbuild_engine::run::{AcquireError, BuildRun, CallFailed, Held};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// An agent that lives acknowledges within a round trip; one that does not within this time has gone with its machine.
const LIVES: Duration = Duration::from_secs(5);

/// What a tunnel is made of.
pub struct Ends {
    /// The build's part of the run.
    pub run: BuildRun,
    /// Sessions in the instance's region.
    pub ssm: Arc<dyn Ssm>,
    /// Where they live.
    pub place: Place,
    /// Ends them.
    pub releaser: AmazonReleaser,
    /// The instance.
    pub instance: InstanceId,
    /// The port of its SSH server.
    pub port: u16,
    /// The shortest pause before something is tried again.
    pub pause: Duration,
}

/// A way to one port of one instance. Clones are the same one.
#[derive(Clone)]
pub struct Tunnel {
    inner: Arc<Inner>,
}

struct Inner {
    ends: Ends,
    sessions: tokio::sync::Mutex<Vec<Open>>,
    closed: AtomicBool,
    refusals: AtomicU32,
}

struct Open {
    channel: Arc<dyn SessionChannel>,
    held: Held<()>,
}

/// The reason that StartSession is told: by it a session is found whose id never arrived.
pub fn reason(token: &str) -> String {
    format!("imgbuild {token}")
}

/// A port of this machine that leads through a tunnel. It closes when this is dropped.
pub struct LocalPort {
    /// Its number.
    pub port: u16,
    task: JoinHandle<()>,
}

impl Drop for LocalPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tunnel {
    /// None open yet.
    pub fn new(ends: Ends) -> Self {
        let inner = Inner {
            ends,
            sessions: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
        };
        Tunnel { inner: Arc::new(inner) }
    }

    /// Opens a port of this machine's loopback (0: any) that leads to the instance's, for other programs.
    pub async fn listen(&self, port: u16) -> std::io::Result<LocalPort> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let port = listener.local_addr()?.port();
        // A port keeps no tunnel alive.
        let inner = Arc::downgrade(&self.inner);
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Some(inner) = inner.upgrade() else { return };
                let tunnel = Tunnel { inner };
                tokio::spawn(async move {
                    match tunnel.dial().await {
                        Ok(mut stream) => {
                            if let Err(e) = tokio::io::copy_bidirectional(&mut client, &mut stream).await {
                                tracing::debug!("a connection through the local port ended: {e}");
                            }
                        }
                        Err(e) => tracing::debug!("a connection to the local port was not forwarded: {e}"),
                    }
                });
            }
        });
        Ok(LocalPort { port, task })
    }

    /// Ends all sessions. What can't be ended stays owed: unwinding tries again and tells.
    pub async fn close(&self) {
        self.inner.closed.store(true, Ordering::Relaxed);
        let sessions = std::mem::take(&mut *self.inner.sessions.lock().await);
        for session in sessions {
            self.inner.end(session).await;
        }
    }
}

#[async_trait]
impl Dial for Tunnel {
    /// [`CommError::Local`] where no new try can help.
    async fn dial(&self) -> Result<Box<dyn Stream>, CommError> {
        let inner = Arc::clone(&self.inner);
        // Whoever wants the stream may give up at any time; a call whose reply nobody reads would be a leak.
        let work = tokio::spawn(async move { inner.stream().await });
        match work.await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(CommError::Local(error.to_string())),
        }
    }
}

impl Inner {
    async fn stream(&self) -> Result<Box<dyn Stream>, CommError> {
        let mut sessions = self.sessions.lock().await;
        if self.closed.load(Ordering::Relaxed) || self.ends.run.cancel().is_cancelled() {
            return Err(CommError::Local("the build is over".into()));
        }
        let mut n = 0;
        while n < sessions.len() {
            if sessions[n].channel.ended() {
                self.end(sessions.remove(n)).await;
                continue;
            }
            if sessions[n].channel.takes_more() {
                match self.ask(sessions[n].channel.as_ref()).await {
                    Ok(stream) => return Ok(stream),
                    Err(StreamError::Port(why)) => return Err(self.no_port(&why)),
                    Err(StreamError::Session(why)) => {
                        tracing::debug!("session {} is replaced: {why}", sessions[n].held.id);
                        self.end(sessions.remove(n)).await;
                        continue;
                    }
                }
            }
            n += 1;
        }
        let session = self.start().await?;
        match self.ask(session.channel.as_ref()).await {
            Ok(stream) => {
                sessions.push(session);
                Ok(stream)
            }
            Err(StreamError::Port(why)) if session.channel.takes_more() => {
                sessions.push(session);
                Err(self.no_port(&why))
            }
            Err(StreamError::Port(why)) => {
                self.end(session).await;
                Err(self.no_port(&why))
            }
            Err(StreamError::Session(why)) => {
                self.end(session).await;
                Err(CommError::Unreachable(format!("the session to {}: {why}", self.ends.instance)))
            }
        }
    }

    async fn ask(&self, channel: &dyn SessionChannel) -> Result<Box<dyn Stream>, StreamError> {
        let late = || StreamError::Session(format!("the agent did not answer within {} s", LIVES.as_secs()));
        tokio::time::timeout(LIVES, channel.stream()).await.unwrap_or_else(|_| Err(late()))
    }

    fn no_port(&self, why: &str) -> CommError {
        CommError::Unreachable(format!("port {} of {}: {why}", self.ends.port, self.ends.instance))
    }

    async fn start(&self) -> Result<Open, CommError> {
        let Ends { run, ssm, place, instance, port, pause, .. } = &self.ends;
        let token = uuid::Uuid::new_v4().to_string();
        let intent = Intent {
            build: String::new(),
            kind: kind::SESSION.into(),
            place: place.clone(),
            token: Some(token.clone()),
            name: Some(instance.to_string()),
            tags: Tags::new(),
        };
        let started = run.acquire(intent, |_| async {
            match ssm.start_session(instance, *port, &reason(&token)).await {
                Ok(session) => Ok((session.id.clone(), session)),
                Err(error) => Err(CallFailed { certain: error.certain(), error }),
            }
        });
        let error = match started.await {
            Ok(held) => {
                let (held, session) = held.split();
                return match ssm.connect(instance, session).await {
                    Ok(channel) => Ok(Open { channel, held }),
                    Err(why) => {
                        self.release(held).await;
                        Err(CommError::Unreachable(format!("the session to {instance}: {why}")))
                    }
                };
            }
            Err(AcquireError::Journal(error)) => return Err(CommError::Local(error.to_string())),
            Err(AcquireError::Call(error)) => error,
        };
        if error.code == NOT_CONNECTED {
            // StartSession has a quota of its own, shared by all builds of an account.
            let refusals = self.refusals.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(*pause * refusals.min(4)).await;
            return Err(CommError::Unreachable(format!("{instance} is not connected to Session Manager ({error})")));
        }
        let text = format!("no session to {instance}: {error}");
        Err(match error.kind {
            ErrorKind::Throttled | ErrorKind::Uncertain => CommError::Unreachable(text),
            ErrorKind::Auth | ErrorKind::Certain | ErrorKind::NotFound => CommError::Local(text),
        })
    }

    async fn end(&self, session: Open) {
        let Open { channel, held } = session;
        drop(channel);
        self.release(held).await;
    }

    async fn release(&self, held: Held<()>) {
        if let Err(leak) = self.ends.run.release(held, &self.ends.releaser).await {
            tracing::debug!("a session could not be ended yet: {leak}");
        }
    }
}
