//! This machine as a communicator (`connection: local`, `communicator: none` with local work).

use crate::communicator::{CommError, Command, Communicator, Exit, Output, Process, Progress, Reached};
use crate::tree;
use async_trait::async_trait;
use bytes::BytesMut;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

/// Runs commands by `/bin/sh` on this machine.
#[derive(Debug, Clone)]
pub struct LocalCommunicator {
    home: PathBuf,
    dir: Option<PathBuf>,
}

impl LocalCommunicator {
    /// `home` is what `~` means in paths.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        LocalCommunicator { home: home.into(), dir: None }
    }

    /// Commands run in this folder, and relative paths count from it.
    pub fn in_dir(self, dir: impl Into<PathBuf>) -> Self {
        LocalCommunicator { dir: Some(dir.into()).filter(|d| !d.as_os_str().is_empty()), ..self }
    }

    fn path(&self, path: &str) -> PathBuf {
        match crate::shell_quote::home_relative(path) {
            Some(rest) => self.home.join(rest),
            None => self.dir.as_ref().map_or_else(|| PathBuf::from(path), |dir| dir.join(path)),
        }
    }
}

fn remote(e: impl std::fmt::Display) -> CommError {
    CommError::Remote(e.to_string())
}

#[async_trait]
impl Communicator for LocalCommunicator {
    async fn start(&self, command: Command) -> Result<Process, CommError> {
        // No terminal here: the only thing it is asked for is sudo's requiretty, and this is the user's own machine.
        let mut shell = tokio::process::Command::new("/bin/sh");
        if let Some(dir) = &self.dir {
            shell.current_dir(dir);
        }
        let mut child = shell
            .args(["-c", &command.line])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| CommError::Local(format!("/bin/sh can't be started: {e}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CommError::Local("a started process has no pipes".into()));
        };
        let (output_in, output) = mpsc::channel(64);
        let (mut exit_in, exit) = oneshot::channel();
        let errors = output_in.clone();
        tokio::spawn(async move {
            let all = async {
                tokio::join!(pump(stdout, output_in, Output::Stdout), pump(stderr, errors, Output::Stderr));
                child.wait().await
            };
            tokio::select! {
                status = all => {
                    let status = status.map_err(|e| CommError::Local(e.to_string()));
                    let _ = exit_in.send(status.map(exit_of));
                }
                // Nobody waits any more: `child` is dropped here and killed.
                () = exit_in.closed() => {}
            }
        });
        Ok(Process { stdin: Box::new(stdin), output, exit, reached: Reached::default() })
    }

    async fn upload(
        &self,
        source: &mut (dyn AsyncRead + Send + Unpin),
        size: Option<u64>,
        destination: &str,
        mode: Option<u32>,
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        // A child writes, not this process: a file that this process has open for writing may be open in any other child
        // that is being forked at that moment, and then the kernel refuses to run it ("text file busy").
        let to = crate::shell_quote::quote(&self.path(destination).display().to_string());
        let line = match mode {
            Some(mode) => format!("umask 077; : > {to} && chmod {mode:o} {to} && exec cat > {to}"),
            None => format!("exec cat > {to}"),
        };
        let Process { mut stdin, mut output, exit, .. } = self.start(Command::new(line)).await?;
        let sent = copy(source, &mut stdin, size, progress).await;
        drop(stdin);
        let mut said = Vec::new();
        while let Some(Output::Stdout(bytes) | Output::Stderr(bytes)) = output.recv().await {
            said.extend_from_slice(&bytes);
        }
        match exit.await {
            Ok(Ok(exit)) if exit.success() => sent.map(drop),
            _ => Err(remote(String::from_utf8_lossy(&said).trim())),
        }
    }

    async fn upload_dir(
        &self,
        source: &Path,
        contents_only: bool,
        destination: &str,
        exclude: &[String],
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        let base = self.path(&tree::landing(source, contents_only, destination));
        copy_tree(source, &base, exclude, progress).await
    }

    async fn download(
        &self,
        source: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        progress: Option<Progress>,
    ) -> Result<u64, CommError> {
        let mut file = fs_err::tokio::File::open(self.path(source)).await.map_err(remote)?;
        let size = file.metadata().await.ok().map(|m| m.len());
        copy(&mut file, into, size, progress).await
    }

    async fn download_dir(&self, source: &str, contents_only: bool, destination: &Path) -> Result<(), CommError> {
        let source = self.path(source);
        let base = tree::landing(&source, contents_only, &destination.to_string_lossy());
        copy_tree(&source, Path::new(&base), &[], None).await
    }

    fn connected(&self) -> bool {
        true
    }

    async fn reconnect(&self, _: Duration) -> Result<(), CommError> {
        Ok(())
    }

    async fn close(&self) {}
}

async fn copy_tree(
    source: &Path,
    base: &Path,
    exclude: &[String],
    progress: Option<Progress>,
) -> Result<(), CommError> {
    let entries = tree::list(source, exclude)?;
    let total: u64 = entries.iter().map(|e| e.size).sum();
    fs_err::tokio::create_dir_all(base).await.map_err(remote)?;
    let mut done = 0;
    for entry in &entries {
        let target = base.join(&entry.relative);
        if entry.is_dir {
            fs_err::tokio::create_dir_all(&target).await.map_err(remote)?;
        } else {
            fs_err::tokio::copy(&entry.path, &target).await.map_err(remote)?;
            done += entry.size;
            if let Some(progress) = &progress {
                progress(done, Some(total));
            }
        }
    }
    // Modes last and from the inside out: a directory without write permission must still take its contents.
    for entry in entries.iter().rev() {
        let mode = std::fs::Permissions::from_mode(entry.mode);
        fs_err::tokio::set_permissions(base.join(&entry.relative), mode).await.map_err(remote)?;
    }
    Ok(())
}

/// Copies with progress. Shared by communicators: what can't be read is a local error, what can't be written a remote one.
pub(crate) async fn copy(
    from: &mut (dyn AsyncRead + Send + Unpin),
    to: &mut (dyn AsyncWrite + Send + Unpin),
    size: Option<u64>,
    progress: Option<Progress>,
) -> Result<u64, CommError> {
    let mut buffer = vec![0; 64 << 10];
    let mut done = 0;
    loop {
        let n = from.read(&mut buffer).await.map_err(|e| CommError::Local(e.to_string()))?;
        if n == 0 {
            to.flush().await.map_err(remote)?;
            return Ok(done);
        }
        to.write_all(&buffer[..n]).await.map_err(remote)?;
        done += n as u64;
        if let Some(progress) = &progress {
            progress(done, size);
        }
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, to: mpsc::Sender<Output>, kind: fn(bytes::Bytes) -> Output) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(32 << 10);
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            // A reader that is gone: the process may go on writing.
            Ok(_) => drop(to.send(kind(buffer.split().freeze())).await),
        }
    }
}

fn exit_of(status: std::process::ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code as u32),
        (None, Some(signal)) => Exit::Signal(signal_name(signal)),
        (None, None) => Exit::Unknown,
    }
}

/// The names that SSH gives to signals (RFC 4254, 6.10), the number for others.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        8 => "FPE",
        9 => "KILL",
        10 => "USR1",
        11 => "SEGV",
        12 => "USR2",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::communicator::run;

    #[tokio::test]
    async fn commands_keep_outputs_apart() {
        let comm = LocalCommunicator::new("/");
        let done = run(&comm, Command::new("cat; echo err >&2; exit 3"), b"in").await.unwrap();
        assert_eq!(
            (done.exit, done.stdout.as_slice(), done.stderr.as_slice()),
            (Exit::Status(3), &b"in"[..], &b"err\n"[..])
        );
        let killed = run(&comm, Command::new("kill -9 $$"), b"").await.unwrap();
        assert_eq!(killed.exit, Exit::Signal("KILL".into()));
    }

    #[tokio::test]
    async fn trees_keep_modes() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("d")).unwrap();
        std::fs::write(from.join("d/x"), "x").unwrap();
        std::fs::set_permissions(from.join("d/x"), std::fs::Permissions::from_mode(0o741)).unwrap();
        std::fs::set_permissions(from.join("d"), std::fs::Permissions::from_mode(0o750)).unwrap();
        let comm = LocalCommunicator::new("/");
        comm.upload_dir(&from, false, to.to_str().unwrap(), &[], None).await.unwrap();
        let mode = |p: &str| std::fs::metadata(to.join(p)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("from/d/x"), mode("from/d")), (0o741, 0o750));
    }
}
