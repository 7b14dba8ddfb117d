//! How a build reaches its machine. `imgbuild-ssh` implements it over SSH; `local` runs on this machine; `none` is absent.

use async_trait::async_trait;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, oneshot};

/// Why a communicator's operation failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommError {
    /// The connection is gone: the machine went away, or the network did. `expect_disconnect` waits for this.
    #[error("the connection was lost: {0}")]
    Disconnected(String),
    /// No connection could be made in the time allowed.
    #[error("{0}")]
    Unreachable(String),
    /// The user, key or password was refused.
    #[error("{0}")]
    Authentication(String),
    /// The host key is not the one that was expected.
    #[error("{0}")]
    HostKey(String),
    /// The far side refused or failed an operation (no such file, no space, permission).
    #[error("{0}")]
    Remote(String),
    /// The far side runs as many processes for us as it allows, and takes no other connection.
    #[error("{0}")]
    Full(String),
    /// This side failed (a local file can't be read).
    #[error("{0}")]
    Local(String),
    /// The operation took longer than it was given.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl CommError {
    /// Whether a new connection may help.
    pub fn is_disconnect(&self) -> bool {
        matches!(self, CommError::Disconnected(_))
    }
}

/// How a remote process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(u32),
    /// By a signal, named as SSH does (`KILL`, without `SIG`).
    Signal(String),
    /// The channel closed without a status.
    Unknown,
}

impl Exit {
    /// Status 0.
    pub fn success(&self) -> bool {
        *self == Exit::Status(0)
    }
}

/// The number of a signal that SSH names (RFC 4254, section 6.10) or numbers.
pub fn signal_number(name: &str) -> Option<i32> {
    Some(match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        other => return other.parse().ok(),
    })
}

/// A piece of a process's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
}

/// A running remote process. Dropping it ends the channel.
pub struct Process {
    /// Its standard input; dropping or shutting it down sends end of file.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its output, in order; ends when the process has closed both.
    pub output: mpsc::Receiver<Output>,
    /// How it ended. Resolves after `output` has ended.
    pub exit: oneshot::Receiver<Result<Exit, CommError>>,
    /// How much of its standard input may have come to it.
    pub reached: Reached,
}

/// How many bytes of a process's standard input may have come to the far side: asked once the connection is lost, it tells what
/// certainly has not.
#[derive(Clone, Default)]
pub struct Reached(Option<Arc<dyn Fn() -> u64 + Send + Sync>>);

impl Reached {
    /// At most as many as `count` says.
    pub fn new(count: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Reached(Some(Arc::new(count)))
    }

    /// Bytes from the start of standard input; all, where nothing is known.
    pub fn at_most(&self) -> u64 {
        self.0.as_ref().map_or(u64::MAX, |count| count())
    }
}

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The command line for the remote user's shell. Never holds a secret: command lines can be read by everyone on a host.
    pub line: String,
    /// Ask for a pseudo-terminal (`ssh_pty`).
    pub pty: bool,
}

impl Command {
    /// A command line without a terminal.
    pub fn new(line: impl Into<String>) -> Self {
        Command { line: line.into(), pty: false }
    }
}

/// Called with the number of bytes done and the total (if known) while a file travels.
pub type Progress = Arc<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// A connection to a machine. All methods may be called at the same time.
#[async_trait]
pub trait Communicator: Send + Sync {
    /// Starts a process.
    async fn start(&self, command: Command) -> Result<Process, CommError>;

    /// Writes a file. `mode` is applied before content arrives; `None` leaves it to the far side's umask.
    async fn upload(
        &self,
        source: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
        size: Option<u64>,
        destination: &str,
        mode: Option<u32>,
        progress: Option<Progress>,
    ) -> Result<(), CommError>;

    /// Writes a directory tree. As rsync and Packer: with a trailing slash on `source` its contents are written into
    /// `destination`, without it the directory itself. Files whose names match `exclude` globs are left out.
    async fn upload_dir(
        &self,
        source: &Path,
        contents_only: bool,
        destination: &str,
        exclude: &[String],
        progress: Option<Progress>,
    ) -> Result<(), CommError>;

    /// Reads a file.
    async fn download(
        &self,
        source: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        progress: Option<Progress>,
    ) -> Result<u64, CommError>;

    /// Reads a directory tree; trailing-slash rule as [`Communicator::upload_dir`].
    async fn download_dir(&self, source: &str, contents_only: bool, destination: &Path) -> Result<(), CommError>;

    /// Whether the connection is up right now, without sending anything.
    fn connected(&self) -> bool;

    /// Drops the connection and makes a new one, trying until `within` has passed (after a reboot).
    async fn reconnect(&self, within: Duration) -> Result<(), CommError>;

    /// Ends the connection.
    async fn close(&self);
}

/// What a finished command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a command to its end with `input` on its standard input and gathers its output. For output as it comes use
/// [`Communicator::start`].
pub async fn run(comm: &dyn Communicator, command: Command, input: &[u8]) -> Result<Finished, CommError> {
    finish(comm.start(command).await?, input).await
}

/// What [`run`] does with a process that was started.
pub async fn finish(process: Process, input: &[u8]) -> Result<Finished, CommError> {
    use tokio::io::AsyncWriteExt;
    let Process { mut stdin, mut output, exit, .. } = process;
    let write = async move {
        // A process that does not read its input is no error here: its exit status tells.
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    };
    let gather = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(piece) = output.recv().await {
            match piece {
                Output::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
            }
        }
        (stdout, stderr)
    };
    let ((), (stdout, stderr)) = tokio::join!(write, gather);
    let exit = exit.await.map_err(|_| CommError::Disconnected("the process's channel was dropped".into()))??;
    Ok(Finished { exit, stdout, stderr })
}
