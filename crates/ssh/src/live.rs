//! One established connection: made in one try, gone when the host or the network goes.

use crate::algorithms;
use crate::auth;
use crate::connect::Outside;
use crate::error::Failed;
use crate::handler::Client;
use crate::hostkey::Check;
use crate::stream::Counted;
use crate::{route, tunnel};
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::SshSpec;
use russh::client::{self, Handle};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keep-alives without an answer before a connection counts as lost: OpenSSH's ServerAliveCountMax at least, and for short
/// intervals (Packer's 5 s) as many as fill [`SILENCE`].
const KEEPALIVES: u64 = 3;
/// A machine that is busy (an upgrade, a snapshot, a paused VM) may be silent for this long and is not lost.
const SILENCE: Duration = Duration::from_secs(60);
/// Messages that russh holds for a channel before it stops reading. Ours are taken at once (process.rs).
const CHANNEL_BUFFER: usize = 256;

/// See [`Live::ended_lately`].
const LATELY: Duration = Duration::from_secs(1);

/// An authenticated connection.
pub(crate) struct Live {
    pub handle: Handle<Client>,
    /// The connection that this one runs through.
    _bastion: Option<Arc<Live>>,
    tunnels: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    sessions: Mutex<Sessions>,
    /// Bytes that went out to the host.
    pub written: Arc<AtomicU64>,
}

/// Session channels of a connection.
#[derive(Default)]
struct Sessions {
    /// Open, or being opened.
    open: usize,
    /// As many as were open when the server refused one more.
    most: Option<usize>,
    /// When one ended last.
    ended: Option<tokio::time::Instant>,
    /// Whether the server has ever taken one.
    used: bool,
}

/// The place of one session on a connection; free again when it is dropped.
pub(crate) struct Seat {
    live: Arc<Live>,
    taken: bool,
}

/// What it means that a server refused a session.
pub(crate) enum Refused {
    /// The connection is full, until one of its sessions ends.
    Full,
    /// It has none and takes none any more.
    Useless,
    /// It never took one, so no other connection would.
    Always,
}

impl Seat {
    /// The server has opened the session.
    pub(crate) fn taken(&mut self) {
        self.taken = true;
        self.live.sessions().used = true;
    }

    /// The server has refused it.
    pub(crate) fn refused(self) -> Refused {
        let mut sessions = self.live.sessions();
        let others = sessions.open.saturating_sub(1);
        match (others, sessions.used) {
            (0, false) => Refused::Always,
            (0, true) => Refused::Useless,
            _ => {
                sessions.most = Some(others);
                Refused::Full
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut sessions = self.live.sessions();
        sessions.open = sessions.open.saturating_sub(1);
        if self.taken {
            sessions.ended = Some(tokio::time::Instant::now());
        }
    }
}

impl Live {
    /// One try: stream, handshake, authentication.
    pub(crate) async fn open(
        spec: &SshSpec,
        outside: &Arc<Outside>,
        tcp_timeout: Duration,
    ) -> Result<Arc<Live>, Failed> {
        let check = Arc::new(Check::prepare(spec).map_err(Failed::Fatal)?);
        let (known, only_known) = check.algorithms();
        let preferred =
            algorithms::preferred(&spec.ciphers, &spec.kex_algorithms, spec.compression, &known, only_known);
        let mut preferred = preferred.map_err(Failed::Fatal)?;
        if let Some(list) = &spec.host_key_algorithms {
            algorithms::host_keys(&mut preferred, list).map_err(Failed::Fatal)?;
        }
        let config = client::Config {
            preferred,
            keepalive_interval: spec.keep_alive_interval.filter(|time| !time.is_zero()),
            keepalive_max: keepalives(spec),
            inactivity_timeout: spec.read_write_timeout,
            channel_buffer_size: CHANNEL_BUFFER,
            nodelay: true,
            ..client::Config::default()
        };
        let (stream, bastion) = route::open(spec, outside, tcp_timeout).await?;
        let late = |what: &str, time: Duration| {
            Failed::NotYet(CommError::Unreachable(format!(
                "{} {what} within {} s",
                spec.address(),
                time.as_secs_f64().round()
            )))
        };
        let client = Client {
            host: spec.host.clone(),
            check,
            forward_agent: outside.agent_socket.clone().filter(|_| spec.agent_forwarding),
            remote_tunnels: spec.remote_tunnels.clone(),
        };
        let written = Arc::default();
        let handshake = client::connect_stream(Arc::new(config), Counted::new(stream, &written), client);
        let mut handle = tokio::time::timeout(spec.attempt_timeout, handshake)
            .await
            .map_err(|_| late("took the connection but did not answer as an SSH server", spec.attempt_timeout))??;
        tokio::time::timeout(spec.attempt_timeout, auth::authenticate(&mut handle, spec, outside))
            .await
            .map_err(|_| late("did not finish authentication", spec.attempt_timeout))??;
        let live = Arc::new(Live {
            handle,
            _bastion: bastion,
            tunnels: Mutex::default(),
            sessions: Mutex::default(),
            written,
        });
        for wanted in &spec.local_tunnels {
            let task = tunnel::listen(&live, wanted).await.map_err(Failed::Fatal)?;
            live.tunnels.lock().unwrap_or_else(|e| e.into_inner()).push(task);
        }
        for wanted in &spec.remote_tunnels {
            live.handle.tcpip_forward(wanted.listen_host.as_str(), wanted.listen_port.into()).await.map_err(|_| {
                Failed::Fatal(CommError::Remote(format!(
                    "{} refused to listen on {}:{} for a tunnel",
                    spec.address(),
                    wanted.listen_host,
                    wanted.listen_port
                )))
            })?;
        }
        Ok(live)
    }

    /// Whether the connection still stands, as far as is known here.
    pub(crate) fn is_up(&self) -> bool {
        !self.handle.is_closed()
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A place for one more session, unless the server has refused as many.
    pub(crate) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let mut sessions = self.sessions();
        if sessions.most.is_some_and(|most| sessions.open >= most) {
            return None;
        }
        sessions.open += 1;
        drop(sessions);
        Some(Seat { live: Arc::clone(self), taken: false })
    }

    /// Whether a session has ended a moment ago: the server may not have freed its place yet.
    pub(crate) fn ended_lately(&self) -> bool {
        self.sessions().ended.is_some_and(|at| at.elapsed() < LATELY)
    }

    /// Says good-bye.
    pub(crate) async fn end(&self) {
        for task in self.tunnels.lock().unwrap_or_else(|e| e.into_inner()).drain(..) {
            task.abort();
        }
        let _ = self.handle.disconnect(russh::Disconnect::ByApplication, "", "en").await;
    }
}

fn keepalives(spec: &SshSpec) -> usize {
    if let Some(count) = spec.keep_alive_count {
        return usize::try_from(count).unwrap_or(usize::MAX);
    }
    let seconds = spec.keep_alive_interval.map_or(1, |interval| interval.as_secs().max(1));
    usize::try_from(SILENCE.as_secs().div_ceil(seconds).max(KEEPALIVES)).unwrap_or(usize::MAX)
}

impl Drop for Live {
    fn drop(&mut self) {
        for task in self.tunnels.get_mut().unwrap_or_else(|e| e.into_inner()).drain(..) {
            task.abort();
        }
    }
}
