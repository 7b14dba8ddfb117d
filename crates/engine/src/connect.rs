//! What a connection needs to know, and the trait that makes one. Implemented by `imgbuild-ssh`; filled in by builders from a
//! template's `ssh_*` options and by [`crate::agent_link`] from an inventory.

use crate::communicator::{CommError, Communicator};
use async_trait::async_trait;
use imgbuild_diag::Secret;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Makes connections.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Connects and authenticates, trying again until `spec.timeout` has passed. Errors that a new try can't mend (a host
    /// key that is not the expected one, a key file that can't be read) end it at once. Dropping the future gives up.
    async fn connect(&self, spec: &SshSpec) -> Result<Arc<dyn Communicator>, CommError>;
}

/// One way to authenticate; those of a spec are tried in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// A private key in memory: OpenSSH, PKCS#1 or PKCS#8 PEM.
    Key {
        /// The key.
        pem: Secret,
        /// Its passphrase.
        passphrase: Option<Secret>,
        /// An OpenSSH certificate for it (one line, `ssh-ed25519-cert-v01@openssh.com AAAA…`).
        certificate: Option<String>,
    },
    /// A private key in a file, read when it is needed.
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Its passphrase.
        passphrase: Option<Secret>,
        /// A certificate file for it.
        certificate: Option<PathBuf>,
        /// A file that is not there is passed over (default identities), not an error.
        optional: bool,
    },
    /// The keys of an SSH agent.
    Agent {
        /// Its socket; `None` means the one that the program was started with (`SSH_AUTH_SOCK`).
        socket: Option<PathBuf>,
    },
    /// Those keys of an SSH agent whose public part these files hold: `FILE.pub`, or the file itself, a public key or a private one
    /// in OpenSSH's format (its public part can be read without the passphrase). What OpenSSH offers under `IdentitiesOnly`.
    AgentKeys {
        /// Its socket.
        socket: PathBuf,
        /// The files; what is not there is passed over.
        files: Vec<PathBuf>,
    },
    /// A password; questions of the server (keyboard-interactive) are answered with it, too.
    Password(Secret),
    /// The person at the terminal answers the server's questions (`ssh_bastion_interactive`).
    Ask,
    /// No authentication at all (`none`).
    None,
}

/// What to do with a host key that the known-hosts files don't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownKey {
    /// Refuse it (`StrictHostKeyChecking=yes`, Ansible's `host_key_checking`).
    #[default]
    Refuse,
    /// Take it and write it to the first file (`accept-new`).
    Add,
    /// Take it, write nothing. A *changed* key is still refused.
    Accept,
    /// Take it and write it to the first file; take a changed key, too (`StrictHostKeyChecking=no`).
    AddAndAllowChanged,
}

/// Which host keys are right. Checked before anything of ours is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum HostKeys {
    /// One of these lines (`ssh-ed25519 AAAA…`, with or without host names before and comment after).
    Expected(Vec<String>),
    /// The one that `known_hosts` files hold for this host and port.
    Known {
        /// The files, in order; missing ones are empty.
        files: Vec<PathBuf>,
        /// For hosts that they don't hold.
        unknown: UnknownKey,
        /// Look up this name instead of the address (`HostKeyAlias`).
        alias: Option<String>,
    },
    /// Any key, for a reason that is logged ("Packer does not check host keys of a builder's own instance").
    Any(&'static str),
}

/// How bytes get to the host.
#[derive(Clone, Default)]
pub enum Route {
    /// TCP.
    #[default]
    Direct,
    /// Through another SSH server.
    Bastion(Box<SshSpec>),
    /// A SOCKS5 proxy.
    Socks5(Proxy),
    /// An HTTP proxy that knows CONNECT.
    Http(Proxy),
    /// Standard input and output of a local command (`ProxyCommand`, `%h %p %r` already filled in), run by `/bin/sh`.
    Command(String),
    /// Anything else that yields a stream (Session Manager).
    Dial(Arc<dyn Dial>),
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Direct => f.write_str("Direct"),
            Route::Bastion(spec) => f.debug_tuple("Bastion").field(spec).finish(),
            Route::Socks5(proxy) => f.debug_tuple("Socks5").field(proxy).finish(),
            Route::Http(proxy) => f.debug_tuple("Http").field(proxy).finish(),
            Route::Command(line) => f.debug_tuple("Command").field(line).finish(),
            Route::Dial(_) => f.write_str("Dial"),
        }
    }
}

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes a stream to a host by means of its own.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A new stream to the host's SSH server. An error may be tried again, unless it is [`CommError::Local`].
    async fn dial(&self) -> Result<Box<dyn Stream>, CommError>;
}

/// A proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User, if it asks for one.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
}

/// How files travel (`ssh_file_transfer_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileTransfer {
    /// SFTP, and where the server has no such subsystem, a shell. Best where nothing else is said.
    #[default]
    Auto,
    /// Packer's `scp`: without the SFTP subsystem. The far side needs no `scp` program: a shell with `cat` and `tar` does.
    Scp,
    /// SFTP or an error.
    Sftp,
}

/// A forwarded port (`ssh_local_tunnels`, `ssh_remote_tunnels`: `8080:db.internal:5432`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// The address that listens; `localhost` where the option names only a port.
    pub listen_host: String,
    /// The port that listens.
    pub listen_port: u16,
    /// Where connections go.
    pub host: String,
    /// And to which port.
    pub port: u16,
}

impl Tunnel {
    /// `port:host:port`, as Packer writes it: the first port listens on localhost.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (listen, host, port) = (parts.next()?, parts.next()?, parts.next()?);
        if host.is_empty() || parts.next().is_some() {
            return None;
        }
        let (listen_port, port) = (listen.parse().ok()?, port.parse().ok()?);
        Some(Tunnel { listen_host: "localhost".into(), listen_port, host: host.to_owned(), port })
    }
}

/// Everything about one SSH connection. [`SshSpec::new`] has the defaults of Packer's communicator; names are those of its
/// `ssh_*` options where there is one.
#[derive(Debug, Clone)]
pub struct SshSpec {
    /// Address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub username: String,
    /// Ways to authenticate, in order.
    pub auth: Vec<Auth>,
    /// Right host keys.
    pub host_keys: HostKeys,
    /// How to get there.
    pub route: Route,
    /// All tries together may take this long (`ssh_timeout`). `None`: only `handshake_attempts` counts.
    pub timeout: Option<Duration>,
    /// Failed handshakes and log-ins before giving up (`ssh_handshake_attempts`); connections that are not taken don't
    /// count. `None`: only `timeout` counts.
    pub handshake_attempts: Option<u32>,
    /// One try (TCP and handshake) may take this long, so that a port which accepts and hangs doesn't eat the time-out.
    pub attempt_timeout: Duration,
    /// Whether a connection that can't be made is tried again at all (`ansible` tries once).
    pub retry: bool,
    /// Keep-alive interval (`ssh_keep_alive_interval`); `None` means none. Three without an answer end the connection.
    pub keep_alive_interval: Option<Duration>,
    /// How many keep-alives may go unanswered (`ServerAliveCountMax`). `None`: three, and for short intervals as many as a busy
    /// machine may miss.
    pub keep_alive_count: Option<u32>,
    /// A connection on which nothing comes for this long is dead (`ssh_read_write_timeout`); `None` means never.
    pub read_write_timeout: Option<Duration>,
    /// Ciphers, best first (`ssh_ciphers`); empty means the defaults.
    pub ciphers: Vec<String>,
    /// Key exchange algorithms (`ssh_key_exchange_algorithms`); empty means the defaults.
    pub kex_algorithms: Vec<String>,
    /// `HostKeyAlgorithms`, as it is written: a list, or one after `+`, `-` or `^`. `None` means the defaults.
    pub host_key_algorithms: Option<String>,
    /// Compress (`-C`).
    pub compression: bool,
    /// Commands of provisioners get a pseudo-terminal (`ssh_pty`).
    pub pty: bool,
    /// Offer our agent to the far side.
    pub agent_forwarding: bool,
    /// How files travel.
    pub file_transfer: FileTransfer,
    /// Ports that listen here.
    pub local_tunnels: Vec<Tunnel>,
    /// Ports that listen there.
    pub remote_tunnels: Vec<Tunnel>,
}

impl SshSpec {
    /// A spec with the defaults of Packer's communicator. Which host keys are right has no default.
    pub fn new(host: impl Into<String>, port: u16, username: impl Into<String>, host_keys: HostKeys) -> Self {
        SshSpec {
            host: host.into(),
            port,
            username: username.into(),
            auth: Vec::new(),
            host_keys,
            route: Route::Direct,
            timeout: Some(Duration::from_secs(300)),
            handshake_attempts: Some(10),
            attempt_timeout: Duration::from_secs(30),
            retry: true,
            keep_alive_interval: Some(Duration::from_secs(5)),
            keep_alive_count: None,
            read_write_timeout: None,
            ciphers: Vec::new(),
            kex_algorithms: Vec::new(),
            host_key_algorithms: None,
            compression: false,
            pty: false,
            agent_forwarding: false,
            file_transfer: FileTransfer::Auto,
            local_tunnels: Vec::new(),
            remote_tunnels: Vec::new(),
        }
    }

    /// `user@host:port`, for messages.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("{}@[{}]:{}", self.username, self.host, self.port)
        } else {
            format!("{}@{}:{}", self.username, self.host, self.port)
        }
    }
}
