//! Opening a sandbox directory and serving it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::caller::Caller;
use crate::calls::{CallRecord, Calls};
use crate::core::{Call, Core, Signer};
use crate::disks::Disks;
use crate::endpoint_socket::Socket;
use crate::faults::{Fault, Faults};
use crate::http::Peer;
use crate::image::{Catalogue, HostCatalogue, Mirrors, Progress, fixture};
use crate::latency::Latencies;
use crate::machine::{MachineError, MachineKind, Namespace, Supervisor};
use crate::ssm::{DataKeys, Sessions};
use crate::state::{State, Store, StoreError, Time};
use crate::wire::ApiError;
use crate::{http, peer, worker};

/// How long a shut-down endpoint may take to finish work that is under way.
const DRAIN: Duration = Duration::from_secs(120);

/// Where endpoints listen for machines, in the sandbox's directory.
pub const ENDPOINTS: &str = "endpoints";

/// Why a sandbox cannot be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The state file.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The directory.
    #[error("the sandbox directory {} cannot be used", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address.
    #[error("the endpoint cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What the host lacks.
    #[error(transparent)]
    Host(#[from] MachineError),
    /// Everyone who reaches the endpoint may use it.
    #[error("the sandbox listens on loopback addresses only, not on {0}")]
    NotLoopback(SocketAddr),
}

/// What a sandbox is made of.
pub struct Options {
    /// Where state, volumes and snapshots are.
    pub dir: PathBuf,
    /// What runs instances.
    pub machines: Arc<dyn MachineKind>,
    /// Base images.
    pub catalogue: Arc<dyn Catalogue>,
    /// How long things take; nothing extra by default.
    pub latencies: Latencies,
}

impl Options {
    /// Machines of kind `namespace` and the base images that this host can make: state in `dir`, trees in `cache` (hundreds
    /// of MB each, shared by all directories). `progress` is told what is being done while a base image is made. Fails with
    /// everything that the host lacks.
    pub fn host(
        dir: &Path,
        cache: &Path,
        supervisor: Supervisor,
        progress: Arc<Progress>,
    ) -> Result<Self, SandboxError> {
        Namespace::check_host()?;
        let unusable = |source| SandboxError::Directory { path: dir.to_owned(), source };
        fs_err::create_dir_all(dir).map_err(unusable)?;
        let dir = fs_err::canonicalize(dir).map_err(unusable)?;
        let machines = Namespace::new(dir.join("run"), supervisor).map_err(unusable)?;
        let machines = machines.with_fixtures(Some(fixture::directory(cache))).with_endpoints(dir.join(ENDPOINTS));
        let catalogue = HostCatalogue::new(cache, Mirrors::of_host(), progress);
        Ok(Self { dir, machines: Arc::new(machines), catalogue: Arc::new(catalogue), latencies: Latencies::default() })
    }
}

/// A sandbox directory with what runs its instances.
#[derive(Clone)]
pub struct Sandbox {
    core: Arc<Core>,
    dir: PathBuf,
}

impl Sandbox {
    /// Opens the directory; several processes may do so at once.
    pub fn open(options: Options) -> Result<Self, SandboxError> {
        let Options { dir, machines, catalogue, latencies } = options;
        let unusable = |source| SandboxError::Directory { path: dir.clone(), source };
        fs_err::create_dir_all(&dir).map_err(unusable)?;
        // Machines mount what is in it, wherever the next process is started.
        let dir = fs_err::canonicalize(&dir).map_err(unusable)?;
        let core = Core {
            store: Store::open(&dir)?,
            disks: Disks::open(&dir).map_err(|source| SandboxError::Directory { path: dir.clone(), source })?,
            machines,
            catalogue,
            latencies,
            faults: Faults::default(),
            calls: Calls::default(),
            sessions: Sessions::default(),
            data_keys: DataKeys::default(),
            users: RwLock::new(BTreeSet::from([rustix::process::geteuid().as_raw()])),
            caller: Caller::default(),
            work: Notify::new(),
        };
        let regions: Vec<String> = core.store.read()?.regions.keys().cloned().collect();
        if !regions.is_empty() {
            let done = core.store.write(|state| {
                regions.iter().for_each(|r| state.ensure_region(r, core.catalogue.images()));
                Ok::<_, std::convert::Infallible>(())
            })?;
            match done {
                Ok(()) => {}
                Err(never) => match never {},
            }
        }
        Ok(Self { core: Arc::new(core), dir })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The state as it is now.
    pub fn state(&self) -> Result<Arc<State>, SandboxError> {
        Ok(self.core.store.read()?)
    }

    /// Lets a further user of this host use the endpoint: the one behind `sudo`, for one. Whoever may use it can run
    /// things as root in machines, which share the host's kernel.
    pub fn admit_user(&self, user: u32) {
        self.core.users.write().unwrap_or_else(PoisonError::into_inner).insert(user);
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.core.faults.set(faults);
    }

    /// The calls that the endpoint answered so far.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.core.calls.all()
    }

    /// Calls an EC2 action without HTTP; the answer is the inside of its XML document. Its work is done by whoever serves
    /// the directory.
    pub async fn call(&self, region: &str, action: &str, params: &[(&str, &str)]) -> Result<String, ApiError> {
        let call = Call {
            service: "ec2".into(),
            region: region.to_owned(),
            action: action.to_owned(),
            time: Time::now(),
            signer: Signer::default(),
            params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            fault: None,
        };
        self.core.clone().run(call).await.map(crate::wire::Xml::finish)
    }

    /// Serves the directory on a loopback address (port 0 is any) until the endpoint is shut down, and does its work.
    pub async fn serve(&self, address: SocketAddr) -> Result<Endpoint, SandboxError> {
        if !address.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(address));
        }
        let listen = |source| SandboxError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let dir = self.dir.join(ENDPOINTS);
        let socket = Socket::bind(&dir).map_err(|source| SandboxError::Directory { path: dir, source })?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(self.core.clone(), listener, stopped.clone()));
        let inside = tokio::spawn(accept_inside(self.core.clone(), socket, stopped.clone()));
        let working = tokio::spawn(worker::work(self.core.clone(), stopped));
        let core = self.core.clone();
        Ok(Endpoint { url: format!("http://{address}"), address, stop, tasks: [accepting, inside, working], core })
    }
}

/// A served sandbox. Dropping it asks it to end; [`Endpoint::shutdown`] also waits until it has.
pub struct Endpoint {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The same as an address.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 3],
    core: Arc<Core>,
}

impl Endpoint {
    /// Takes no more requests, finishes the work that is under way, and ends. Machines go on running.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        // An agent stays with its machine; that of this sandbox goes with the process that is the service.
        self.core.sessions.end_all();
        for mut task in self.tasks {
            if tokio::time::timeout(DRAIN, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

async fn accept(core: Arc<Core>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    // Out of file descriptors, or the peer is gone already: neither is a reason to end.
                    tracing::warn!("a connection could not be accepted: {e}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = stopped.changed() => return,
        };
        let _ = stream.set_nodelay(true);
        let user = stream.local_addr().ok().and_then(|local| peer::user(peer, local));
        tokio::spawn(converse(core.clone(), stream, Peer::User(user), stopped.clone()));
    }
}

/// The connections of machines: each begins with a line that names the instance. Only root can make one.
async fn accept_inside(core: Arc<Core>, socket: Socket, mut stopped: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (core, stopped) = (core.clone(), stopped.clone());
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            if tokio::time::timeout(Duration::from_secs(5), stream.read_line(&mut line)).await.is_ok_and(|r| r.is_ok())
            {
                converse(core, stream, Peer::Instance(line.trim().to_owned()), stopped).await;
            }
        });
    }
}

/// Answers the requests of one connection.
async fn converse(
    core: Arc<Core>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    caller: Peer,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| http::answer(core.clone(), caller.clone(), request));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let connection = connection.with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            // The request that is being answered gets its answer.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!("a connection ended: {e}");
    }
}
