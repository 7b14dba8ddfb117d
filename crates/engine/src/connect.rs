//! How a builder gets a [`Communicator`]: what to connect to, as whom, and which host key is right. `imgbuild-ssh` implements
//! [`Connect`]; nothing here opens a socket.

use crate::communicator::{CommError, Communicator};
use async_trait::async_trait;
use imgbuild_diag::Secret;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Makes connections.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Connects and logs in. Tries again until [`SshSpec::timeout`] has passed or [`SshSpec::handshake_attempts`] handshakes
    /// have failed; a wrong host key ends it at once. Dropping the future gives up.
    async fn connect(&self, spec: &SshSpec) -> Result<Arc<dyn Communicator>, CommError>;
}

/// What to connect to and how. Field names are those of Packer's `ssh_*` options where there is one.
#[derive(Debug, Clone)]
pub struct SshSpec {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User to log in as.
    pub username: String,
    /// Tried in this order.
    pub auth: Vec<Auth>,
    /// Which host key is accepted.
    pub host_keys: HostKeys,
    /// Give up this long after the first try (`ssh_timeout`). None: only `handshake_attempts` bounds it.
    pub timeout: Option<Duration>,
    /// Give up after this many handshakes that failed (`ssh_handshake_attempts`). Refused TCP connections do not count.
    /// None: only `timeout` bounds it.
    pub handshake_attempts: Option<u32>,
    /// Commands get a pseudo-terminal (`ssh_pty`).
    pub pty: bool,
    /// Keep-alive messages this often (`ssh_keep_alive_interval`); none: never.
    pub keep_alive_interval: Option<Duration>,
    /// A read or write that takes longer breaks the connection (`ssh_read_write_timeout`); none: never.
    pub read_write_timeout: Option<Duration>,
    /// Go through this host (`ssh_bastion_*`).
    pub bastion: Option<Bastion>,
    /// Go through this SOCKS5 proxy (`ssh_proxy_*`).
    pub proxy: Option<Proxy>,
    /// Offer this side's agent to the far side (`ssh_disable_agent_forwarding` is its opposite). Needs [`Auth::Agent`].
    pub agent_forwarding: bool,
    /// How files travel (`ssh_file_transfer_method`).
    pub file_transfer: FileTransfer,
    /// Ciphers to offer, best first; empty: the implementation's own (`ssh_ciphers`).
    pub ciphers: Vec<String>,
    /// Key exchange algorithms to offer, best first; empty: the implementation's own (`ssh_key_exchange_algorithms`).
    pub kex_algorithms: Vec<String>,
    /// `port:host:port`, listening on this side (`ssh_local_tunnels`).
    pub local_tunnels: Vec<String>,
    /// `port:host:port`, listening on the far side (`ssh_remote_tunnels`).
    pub remote_tunnels: Vec<String>,
}

impl SshSpec {
    /// A spec with Packer's defaults: 5 minutes, 10 handshakes, keep-alive every 5 s. No way to log in yet.
    pub fn new(host: impl Into<String>, port: u16, username: impl Into<String>, host_keys: HostKeys) -> Self {
        SshSpec {
            host: host.into(),
            port,
            username: username.into(),
            auth: Vec::new(),
            host_keys,
            timeout: Some(Duration::from_secs(300)),
            handshake_attempts: Some(10),
            pty: false,
            keep_alive_interval: Some(Duration::from_secs(5)),
            read_write_timeout: None,
            bastion: None,
            proxy: None,
            agent_forwarding: false,
            file_transfer: FileTransfer::Scp,
            ciphers: Vec::new(),
            kex_algorithms: Vec::new(),
            local_tunnels: Vec::new(),
            remote_tunnels: Vec::new(),
        }
    }
}

/// A way to log in.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A private key in memory.
    Key {
        /// In OpenSSH's or a PEM format.
        private: Secret,
        /// An OpenSSH certificate for it, as one line.
        certificate: Option<String>,
    },
    /// A private key in a file.
    KeyFile {
        /// The file; `~` is already resolved.
        path: PathBuf,
        /// For an encrypted key.
        passphrase: Option<Secret>,
        /// A file with an OpenSSH certificate for it.
        certificate: Option<PathBuf>,
    },
    /// The keys of the agent at `SSH_AUTH_SOCK`.
    Agent,
    /// A password; also answers keyboard-interactive prompts.
    Password(Secret),
}

/// Which host key is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeys {
    /// One of these, each as `type base64 [comment]`.
    Expected(Vec<String>),
    /// Those that a `known_hosts` file lists for this host.
    KnownHostsFile(PathBuf),
    /// Any; the text says why nothing better is known, for the log.
    Any(&'static str),
}

/// How files travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileTransfer {
    /// Packer's default. An implementation may use SFTP where the far side has it and the result is the same.
    #[default]
    Scp,
    /// SFTP.
    Sftp,
}

/// A host to go through.
#[derive(Debug, Clone)]
pub struct Bastion {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User to log in as.
    pub username: String,
    /// Tried in this order.
    pub auth: Vec<Auth>,
    /// Ask the person at the terminal for what the bastion wants to know (`ssh_bastion_interactive`).
    pub interactive: bool,
    /// Which host key is accepted.
    pub host_keys: HostKeys,
}

/// A SOCKS5 proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User, if it wants one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}
