//! Files by a shell on the far side: `cat` for one, `tar` for a tree. For servers without SFTP, and for trees, which
//! travel in one stream.

use super::copy;
use crate::pool::Pool;
use crate::process::{self, Ask};
use imgbuild_engine::communicator::{CommError, Exit, Output, Process, Progress};
use imgbuild_engine::shell_quote::{quote_path, sh};
use imgbuild_engine::tree::TreeEntry;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// Why a tree did not travel.
pub(super) enum TreeError {
    /// The host has no tar.
    NoTar,
    /// Something else.
    Failed(CommError),
}

impl From<CommError> for TreeError {
    fn from(e: CommError) -> Self {
        TreeError::Failed(e)
    }
}

async fn start(pool: &Arc<Pool>, script: &str) -> Result<Process, CommError> {
    process::start(pool, Ask::Exec { line: &sh(script), pty: false, agent: false }).await
}

/// How a helper command ended, as an error that has the far side's own words.
fn outcome(exit: Result<Exit, CommError>, stderr: &[u8], path: &str) -> Result<(), CommError> {
    let exit = exit?;
    if exit.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(stderr);
    let said = said.trim();
    let why = if said.is_empty() { format!("{path}: the shell ended with {exit:?}") } else { said.to_owned() };
    Err(CommError::Remote(why))
}

/// The end of a process whose channel broke off.
fn dropped() -> CommError {
    CommError::Disconnected("the process's channel was dropped".into())
}

async fn errors_only(mut output: mpsc::Receiver<Output>) -> Vec<u8> {
    let mut stderr = Vec::new();
    while let Some(piece) = output.recv().await {
        if let Output::Stderr(bytes) = piece {
            stderr.extend_from_slice(&bytes);
        }
    }
    stderr
}

pub(super) async fn upload(
    pool: &Arc<Pool>,
    source: &mut (dyn AsyncRead + Send + Unpin),
    size: Option<u64>,
    destination: &str,
    mode: Option<u32>,
    progress: Option<Progress>,
) -> Result<(), CommError> {
    let to = quote_path(destination);
    let script = match mode {
        Some(mode) => format!("umask 077 && : > {to} && chmod {mode:o} {to} && cat > {to}"),
        None => format!("cat > {to}"),
    };
    let Process { mut stdin, output, exit, .. } = start(pool, &script).await?;
    let write = async {
        // A far side that stops reading says why by itself.
        let sent = copy(source, &mut stdin, size, progress.as_ref(), CommError::Local, CommError::Remote).await;
        let _ = stdin.shutdown().await;
        match sent {
            Err(e @ CommError::Local(_)) => Err(e),
            _ => Ok(()),
        }
    };
    let (sent, stderr) = tokio::join!(write, errors_only(output));
    outcome(exit.await.unwrap_or_else(|_| Err(dropped())), &stderr, destination)?;
    sent
}

pub(super) async fn download(
    pool: &Arc<Pool>,
    source: &str,
    into: &mut (dyn AsyncWrite + Send + Unpin),
    progress: Option<Progress>,
) -> Result<u64, CommError> {
    let Process { stdin, mut output, exit, .. } = start(pool, &format!("cat {}", quote_path(source))).await?;
    drop(stdin);
    let (mut done, mut stderr) = (0, Vec::new());
    while let Some(piece) = output.recv().await {
        match piece {
            Output::Stdout(bytes) => {
                into.write_all(&bytes).await.map_err(|e| CommError::Local(e.to_string()))?;
                done += bytes.len() as u64;
                if let Some(progress) = &progress {
                    progress(done, None);
                }
            }
            Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
        }
    }
    outcome(exit.await.unwrap_or_else(|_| Err(dropped())), &stderr, source)?;
    into.flush().await.map_err(|e| CommError::Local(e.to_string()))?;
    Ok(done)
}

/// Exit status by which our scripts say that there is no tar.
const NO_TAR: u32 = 127;

pub(super) async fn upload_dir(
    pool: &Arc<Pool>,
    entries: &[TreeEntry],
    base: &str,
    progress: Option<Progress>,
) -> Result<(), TreeError> {
    let to = quote_path(base);
    // -o: files belong to the user, not to whoever has that number here. -p: modes as they are, whatever the umask.
    let script =
        format!("command -v tar >/dev/null 2>&1 || exit {NO_TAR}; mkdir -p {to} && cd {to} && exec tar -xpof -");
    let Process { mut stdin, output, exit, .. } = start(pool, &script).await?;
    let total: u64 = entries.iter().map(|e| e.size).sum();
    let write = async {
        let sent = send_tree(entries, &mut stdin, total, progress.as_ref()).await;
        let _ = stdin.shutdown().await;
        sent
    };
    let (sent, stderr) = tokio::join!(write, errors_only(output));
    let exit = exit.await.unwrap_or_else(|_| Err(dropped()));
    if exit == Ok(Exit::Status(NO_TAR)) {
        return Err(TreeError::NoTar);
    }
    outcome(exit, &stderr, base)?;
    sent.map_err(TreeError::Failed)
}

/// Writes a tar stream. Broken pipes are no error here: the far side's exit status tells.
async fn send_tree(
    entries: &[TreeEntry],
    to: &mut (dyn AsyncWrite + Send + Unpin),
    total: u64,
    progress: Option<&Progress>,
) -> Result<(), CommError> {
    let mut done = 0;
    for entry in entries {
        let mut head = Vec::new();
        let kind = if entry.is_dir { tar::EntryType::Directory } else { tar::EntryType::Regular };
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(entry.mode);
        header.set_size(entry.size);
        header.set_mtime(0);
        if let Ok(meta) = fs_err::metadata(&entry.path) {
            header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
            header.set_entry_type(kind);
            header.set_mode(entry.mode);
            header.set_size(entry.size);
            header.set_uid(0);
            header.set_gid(0);
        }
        // The builder writes long names as GNU extensions; the content follows by hand, as it is read without blocking.
        let mut builder = tar::Builder::new(&mut head);
        builder
            .append_data(&mut header, &entry.relative, std::io::empty())
            .map_err(|e| CommError::Local(e.to_string()))?;
        drop(builder);
        // Dropping the builder wrote the end of the archive: two empty blocks.
        head.truncate(head.len().saturating_sub(1024));
        if to.write_all(&head).await.is_err() {
            return Ok(());
        }
        if entry.is_dir || entry.size == 0 {
            continue;
        }
        let file = fs_err::tokio::File::open(&entry.path).await.map_err(|e| CommError::Local(e.to_string()))?;
        // As many bytes as the header says, even if the file grows meanwhile.
        let mut content = file.take(entry.size);
        let sent = match copy(&mut content, to, None, None, CommError::Local, CommError::Remote).await {
            Err(CommError::Remote(_)) => return Ok(()),
            other => other?,
        };
        let padding = usize::try_from(sent.next_multiple_of(512) - sent).unwrap_or(0);
        if sent < entry.size {
            return Err(CommError::Local(format!("{} became shorter while it was read", entry.path.display())));
        }
        if to.write_all(&[0; 512][..padding]).await.is_err() {
            return Ok(());
        }
        done += sent;
        if let Some(progress) = progress {
            progress(done, Some(total));
        }
    }
    let _ = to.write_all(&[0; 1024]).await;
    Ok(())
}

pub(super) async fn download_dir(pool: &Arc<Pool>, source: &str, base: &Path) -> Result<(), TreeError> {
    let from = quote_path(source);
    // -h: links are followed, as scp does.
    let script = format!("command -v tar >/dev/null 2>&1 || exit {NO_TAR}; cd {from} && exec tar -chf - .");
    let Process { stdin, mut output, exit, .. } = start(pool, &script).await?;
    drop(stdin);
    let (pieces_in, pieces) = mpsc::channel::<bytes::Bytes>(16);
    let base = base.to_owned();
    let unpack = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        fs_err::create_dir_all(&base)?;
        let mut archive = tar::Archive::new(Pieces { from: pieces, now: bytes::Bytes::new() });
        archive.set_preserve_permissions(true);
        // unpack refuses entries that would leave the directory.
        archive.unpack(&base)
    });
    let mut stderr = Vec::new();
    while let Some(piece) = output.recv().await {
        match piece {
            // An unpacker that failed is gone; its error is told below.
            Output::Stdout(bytes) => drop(pieces_in.send(bytes).await),
            Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
        }
    }
    drop(pieces_in);
    let unpacked = unpack.await.map_err(|e| CommError::Local(e.to_string()))?;
    let exit = exit.await.unwrap_or_else(|_| Err(dropped()));
    if exit == Ok(Exit::Status(NO_TAR)) {
        return Err(TreeError::NoTar);
    }
    outcome(exit, &stderr, source)?;
    unpacked.map_err(|e| TreeError::Failed(CommError::Local(e.to_string())))
}

/// A queue of pieces as a blocking reader.
struct Pieces {
    from: mpsc::Receiver<bytes::Bytes>,
    now: bytes::Bytes,
}

impl std::io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.now.is_empty() {
            match self.from.blocking_recv() {
                Some(piece) => self.now = piece,
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.now.len());
        buffer[..n].copy_from_slice(&self.now.split_to(n));
        Ok(n)
    }
}
