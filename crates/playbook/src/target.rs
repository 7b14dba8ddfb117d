//! How the executor reaches a host. Implemented by `imgbuild-engine` (the agent over SSH, or over a pipe on this machine) and
//! by the tests.

use async_trait::async_trait;
use imgbuild_diag::Secret;
use imgbuild_proto::Stream;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How to connect to a host, resolved from its connection variables (`ansible_host`, `ansible_port`, …) and the command line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Connection {
    /// `inventory_hostname`, for messages.
    pub name: String,
    /// `ssh` or `local`, or any other plugin's name (refused by the connector with a clear sentence).
    pub plugin: String,
    /// Address.
    pub host: String,
    /// Port; `None` means the default or what the SSH configuration says.
    pub port: Option<u16>,
    /// Remote user; `None` means the local user's name or what the SSH configuration says.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Private key file.
    pub private_key_file: Option<PathBuf>,
    /// `ansible_ssh_args`, `_common_args`, `_extra_args` in this order: OpenSSH options (`-o StrictHostKeyChecking=no`).
    pub ssh_args: Vec<String>,
    /// Whether unknown host keys are refused (`host_key_checking`).
    pub host_key_checking: bool,
    /// Seconds for connecting.
    pub timeout: u64,
    /// The folder that relative paths count from where the host is this machine: the playbook's, as in Ansible.
    pub local_dir: Option<PathBuf>,
}

/// Who to be on the host, other than the user that connects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Become {
    /// `sudo`, `su`, `doas`.
    pub method: String,
    /// The user to become.
    pub user: String,
    /// `become_exe`; empty means the method's own.
    pub exe: String,
    /// `become_flags`; empty means the method's own.
    pub flags: String,
    /// `ansible_sudo_chdir`: the directory to be in before; empty means the connection's.
    pub chdir: String,
    /// `ansible_su_prompt_l10n`: the words that ask for su's password; none means any that end with a colon.
    pub prompts: Vec<String>,
    /// Seconds to wait for the user or for a question.
    pub wait: Option<u64>,
    /// Password, if one is asked for. Compared and hashed as "there is one", never printed.
    pub password: Option<BecomePassword>,
}

/// A become password.
#[derive(Clone)]
pub struct BecomePassword(pub Secret);

impl PartialEq for BecomePassword {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}
impl Eq for BecomePassword {}
impl std::hash::Hash for BecomePassword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        true.hash(state);
    }
}
impl std::fmt::Debug for BecomePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<sensitive>")
    }
}

/// Content that a call brings along (`copy`, `template`, `script`, `unarchive`).
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// A file on the controller, streamed.
    File(PathBuf),
}

/// A module call, ready to go: templated, checked against the module's spec.
#[derive(Debug, Clone, Default)]
pub struct ModuleCall {
    /// Short module name.
    pub module: String,
    /// Arguments under their canonical names.
    pub args: Map<String, Value>,
    /// Check mode.
    pub check: bool,
    /// Report differences.
    pub diff: bool,
    /// Run as another user.
    pub become_: Option<Become>,
    /// Environment of the call.
    pub environment: BTreeMap<String, String>,
    /// Time limit in seconds.
    pub timeout: Option<u64>,
    /// Content that travels with the call.
    pub content: Option<Content>,
    /// Stream the output of the module's commands to the sink.
    pub stream: bool,
    /// Calls with the same chain run in order, different chains side by side. 0 is the default chain.
    pub chain: u64,
    /// When this call fails, the queued rest of its chain does not run (each answers `cancelled: true`).
    pub stop_chain_on_failure: bool,
}

/// Takes a running call's output as it comes.
pub type OutputSink = Arc<dyn Fn(Stream, &[u8]) + Send + Sync>;

/// Why a host could not be reached, or was lost. Maps to Ansible's "unreachable".
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Unreachable {
    /// What happened, for people.
    pub message: String,
}

/// A remote shell that waits on a socket of this machine. Who connects speaks `imgbuild_proto::relay`.
pub struct Relay {
    /// The socket; only this user reaches it.
    pub socket: PathBuf,
    /// Serves while it is polled. It ends only with the reason why it can't go on; dropping it ends what was started.
    pub served: std::pin::Pin<Box<dyn Future<Output = String> + Send>>,
}

/// A command run without the agent (`raw`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawOutcome {
    /// Why the command never started: the user could not be become.
    pub refused: Option<String>,
    /// Exit status; a death by signal is 128 + signal.
    pub rc: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// A connected host. Calls may be made while others are under way; they travel back to back.
#[async_trait]
pub trait Target: Send + Sync {
    /// Runs a module. A module that fails is `Ok` with `failed: true`; `Err` means that the host is unreachable.
    async fn call(&self, call: ModuleCall, output: Option<OutputSink>) -> Result<Map<String, Value>, Unreachable>;

    /// Runs a command line by the user's shell, without the agent (`raw`).
    async fn raw(
        &self,
        command: &str,
        become_: Option<&Become>,
        environment: &BTreeMap<String, String>,
        timeout: Option<u64>,
    ) -> Result<RawOutcome, Unreachable>;

    /// Reads a file on the host, as that user, into a writer on the controller. `Ok(Err(msg))`: the file can't be read.
    async fn fetch(
        &self,
        path: &str,
        become_: Option<&Become>,
        into: &mut (dyn std::io::Write + Send),
    ) -> Result<Result<u64, String>, Unreachable>;

    /// A remote shell on this host for programs of this machine that want one of their own (`synchronize`'s rsync).
    async fn relay(&self, become_: Option<&Become>) -> Result<Relay, Unreachable>;

    /// Drops the connection and makes a new one (`meta: reset_connection`, after `reboot`).
    async fn reset(&self) -> Result<(), Unreachable>;

    /// Ends the agents and the connection; nothing is left on the host.
    async fn close(&self);
}

/// Makes connections.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Connects to a host.
    async fn connect(&self, connection: &Connection) -> Result<Arc<dyn Target>, Unreachable>;
}

/// A connector with hosts that are already connected (the machine that a build provisions); other hosts go to the next one.
pub struct Bound {
    targets: std::collections::HashMap<String, Arc<dyn Target>>,
    others: Option<Arc<dyn Connector>>,
}

impl Bound {
    /// No host yet; `others` connects to hosts that are not bound, `None` refuses them.
    pub fn new(others: Option<Arc<dyn Connector>>) -> Self {
        Bound { targets: std::collections::HashMap::new(), others }
    }

    /// Binds a host of the inventory. Its connection is not closed at the end of a run: it is the caller's.
    pub fn bind(mut self, host: impl Into<String>, target: Arc<dyn Target>) -> Self {
        self.targets.insert(host.into(), target);
        self
    }
}

#[async_trait]
impl Connector for Bound {
    async fn connect(&self, connection: &Connection) -> Result<Arc<dyn Target>, Unreachable> {
        match (self.targets.get(&connection.name), &self.others) {
            (Some(target), _) => Ok(Arc::new(Borrowed(Arc::clone(target)))),
            (None, Some(others)) => others.connect(connection).await,
            (None, None) => {
                Err(Unreachable { message: format!("no way to connect to host {:?} is known here", connection.name) })
            }
        }
    }
}

/// A target whose owner closes it.
struct Borrowed(Arc<dyn Target>);

#[async_trait]
impl Target for Borrowed {
    async fn call(&self, call: ModuleCall, output: Option<OutputSink>) -> Result<Map<String, Value>, Unreachable> {
        self.0.call(call, output).await
    }
    async fn raw(
        &self,
        command: &str,
        become_: Option<&Become>,
        environment: &BTreeMap<String, String>,
        timeout: Option<u64>,
    ) -> Result<RawOutcome, Unreachable> {
        self.0.raw(command, become_, environment, timeout).await
    }
    async fn fetch(
        &self,
        path: &str,
        become_: Option<&Become>,
        into: &mut (dyn std::io::Write + Send),
    ) -> Result<Result<u64, String>, Unreachable> {
        self.0.fetch(path, become_, into).await
    }
    async fn relay(&self, become_: Option<&Become>) -> Result<Relay, Unreachable> {
        self.0.relay(become_).await
    }
    async fn reset(&self) -> Result<(), Unreachable> {
        self.0.reset().await
    }
    async fn close(&self) {}
}
