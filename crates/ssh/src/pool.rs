//! The connections to one host. One is enough until its server refuses another session on it (OpenSSH's `MaxSessions`: ten
//! unless configured, one on some hardened hosts); then another connection is made, as `ssh` does when its control master
//! is refused (`mux_client_request_session` in OpenSSH's mux.c falls back to a connection of its own).

use crate::connect::{Outside, establish};
use crate::error::comm_error;
use crate::live::{Live, Refused, Seat};
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::SshSpec;
use russh::Channel;
use russh::client::Msg;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A further connection may take this long: firewalls and `MaxStartups` turn quick rows of connections away for a while.
const ANOTHER: Duration = Duration::from_secs(40);
/// A host that let nobody else in is not asked again for this long: it may count failed log-ins.
const AGAIN: Duration = Duration::from_secs(60);
/// A server frees the place of a session a little after the session's end.
const LAG: Duration = Duration::from_millis(100);

/// Connections to one host, from one log-in to the next [`reconnect`].
///
/// [`reconnect`]: imgbuild_engine::communicator::Communicator::reconnect
pub(crate) struct Pool {
    spec: SshSpec,
    outside: Arc<Outside>,
    open: Mutex<Vec<Arc<Live>>>,
    /// One new connection at a time: who waited for it finds room on it.
    opening: tokio::sync::Mutex<Option<Turned>>,
    /// SFTP, once it was asked for.
    pub sftp: tokio::sync::Mutex<Option<Sftp>>,
}

/// What became of asking for SFTP.
pub(crate) struct Sftp {
    /// The connection that it runs on.
    pub live: Arc<Live>,
    /// `None`: the server has none.
    pub session: Option<Arc<russh_sftp::client::SftpSession>>,
}

/// A further connection was not made: when, and why.
struct Turned {
    at: tokio::time::Instant,
    error: CommError,
}

/// A channel, the connection that it is on, and its place there.
pub(crate) struct Opened {
    pub channel: Channel<Msg>,
    pub live: Arc<Live>,
    pub seat: Seat,
}

impl Pool {
    /// A pool of this one connection.
    pub(crate) fn new(spec: &SshSpec, outside: &Arc<Outside>, first: Arc<Live>) -> Arc<Self> {
        // Ports that listen are the first connection's.
        let spec = SshSpec {
            local_tunnels: Vec::new(),
            remote_tunnels: Vec::new(),
            retry: true,
            handshake_attempts: Some(1),
            ..spec.clone()
        };
        Arc::new(Pool {
            spec,
            outside: Arc::clone(outside),
            open: Mutex::new(vec![first]),
            opening: tokio::sync::Mutex::default(),
            sftp: tokio::sync::Mutex::default(),
        })
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Live>>> {
        self.open.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether a connection stands, as far as is known here.
    pub(crate) fn is_up(&self) -> bool {
        self.list().iter().any(|live| live.is_up())
    }

    /// Says good-bye on all.
    pub(crate) async fn end(&self) {
        let all = std::mem::take(&mut *self.list());
        futures_util::future::join_all(all.iter().map(|live| live.end())).await;
    }

    /// A place on a connection that is not known to be full, and whether there is any connection.
    fn seat(&self) -> (Option<(Arc<Live>, Seat)>, bool) {
        let mut open = self.list();
        open.retain(|live| live.is_up());
        let found = open.iter().find_map(|live| Some((Arc::clone(live), live.seat()?)));
        (found, !open.is_empty())
    }

    /// Opens a session channel: on a connection that has room, else on a new one.
    pub(crate) async fn session(&self) -> Result<Opened, CommError> {
        let mut lost = None;
        loop {
            let (live, mut seat) = match self.seat() {
                (Some(found), _) => found,
                (None, true) => {
                    self.another().await?;
                    continue;
                }
                (None, false) => {
                    let gone = || CommError::Disconnected(format!("there is no connection to {}", self.spec.address()));
                    return Err(lost.unwrap_or_else(gone));
                }
            };
            let mut opened = live.handle.channel_open_session().await;
            if matches!(opened, Err(russh::Error::ChannelOpenFailure(_))) && live.ended_lately() {
                tokio::time::sleep(LAG).await;
                opened = live.handle.channel_open_session().await;
            }
            match opened {
                Ok(channel) => {
                    seat.taken();
                    return Ok(Opened { channel, live, seat });
                }
                Err(russh::Error::ChannelOpenFailure(reason)) => {
                    tracing::debug!(host = %self.spec.address(), "no further session on this connection: {reason:?}");
                    match seat.refused() {
                        Refused::Full => {}
                        Refused::Useless => {
                            self.another().await?;
                            self.remove(&live);
                        }
                        Refused::Always => return Err(comm_error(russh::Error::ChannelOpenFailure(reason))),
                    }
                }
                // The others may stand: firewalls forget connections one by one.
                Err(error) => {
                    lost = Some(comm_error(error));
                    self.remove(&live);
                }
            }
        }
    }

    fn remove(&self, live: &Arc<Live>) {
        self.list().retain(|other| !Arc::ptr_eq(other, live));
    }

    /// Makes another connection, unless there is room meanwhile: somebody else has made one, or a session has ended.
    async fn another(&self) -> Result<(), CommError> {
        let mut turned = self.opening.lock().await;
        if self.seat().0.is_some() {
            return Ok(());
        }
        if let Some(Turned { error, .. }) = turned.as_ref().filter(|turned| turned.at.elapsed() < AGAIN) {
            return Err(error.clone());
        }
        match establish(&self.spec, &self.outside, Some(ANOTHER)).await {
            Ok(live) => {
                *turned = None;
                self.list().push(live);
                Ok(())
            }
            Err(e) => {
                let error = CommError::Full(format!(
                    "{} opens no further session (MaxSessions of its sshd), and another connection could not be made: {e}",
                    self.spec.address()
                ));
                *turned = Some(Turned { at: tokio::time::Instant::now(), error: error.clone() });
                Err(error)
            }
        }
    }
}
