//! Files by SFTP.

use super::copy;
use crate::pool::{Pool, Sftp};
use crate::process::{self, Ask};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use imgbuild_engine::communicator::{CommError, Progress};
use imgbuild_engine::shell_quote::home_relative;
use imgbuild_engine::tree::TreeEntry;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

pub(crate) use russh_sftp::client::SftpSession as Session;

/// Files of a tree that travel at the same time: hides the round trips of small files.
const AT_ONCE: usize = 16;
/// Seconds for one answer: half a megabyte may be ahead of it on a slow line.
const ANSWER_SECONDS: u64 = 120;

/// The host's SFTP session, made when it is first asked for; `None` where the server has no such subsystem.
pub(super) async fn session(pool: &Arc<Pool>) -> Result<Option<Arc<Session>>, CommError> {
    let mut kept = pool.sftp.lock().await;
    if let Some(Sftp { live, session }) = kept.as_ref()
        && live.is_up()
    {
        return Ok(session.clone());
    }
    let opened = pool.session().await?;
    let live = Arc::clone(&opened.live);
    let process = process::run_in(opened, Ask::Subsystem("sftp")).await?;
    let config = russh_sftp::client::Config {
        request_timeout_secs: ANSWER_SECONDS,
        max_concurrent_reads: 32,
        max_concurrent_writes: 32,
        ..russh_sftp::client::Config::default()
    };
    let session = match Session::new_with_config(process::stream(process), config).await {
        Ok(session) => Some(Arc::new(session)),
        Err(_) if !live.is_up() => return Err(CommError::Disconnected("the host closed the connection".into())),
        Err(e) => {
            tracing::debug!("no SFTP: {e}");
            None
        }
    };
    *kept = Some(Sftp { live, session: session.clone() });
    Ok(session)
}

/// SFTP knows no `~`, but starts in the home directory.
fn path(text: &str) -> &str {
    match home_relative(text) {
        Some("") => ".",
        Some(rest) => rest,
        None => text,
    }
}

fn failed(path: &str) -> impl Fn(Error) -> CommError + '_ {
    move |e| {
        let why = match &e {
            Error::Status(status) => match status.status_code {
                StatusCode::NoSuchFile => "No such file or directory".to_owned(),
                StatusCode::PermissionDenied => "Permission denied".to_owned(),
                _ if !status.error_message.is_empty() => status.error_message.clone(),
                code => code.to_string(),
            },
            other => other.to_string(),
        };
        CommError::Remote(format!("{path}: {why}"))
    }
}

fn with_mode(mode: u32) -> FileAttributes {
    FileAttributes { permissions: Some(mode), ..FileAttributes::empty() }
}

pub(super) async fn upload(
    session: &Session,
    source: &mut (dyn AsyncRead + Send + Unpin),
    size: Option<u64>,
    destination: &str,
    mode: Option<u32>,
    progress: Option<Progress>,
) -> Result<(), CommError> {
    let name = path(destination);
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::WRITE;
    let attributes = mode.map_or_else(FileAttributes::empty, with_mode);
    let mut file =
        session.open_with_flags_and_attributes(name, flags, attributes).await.map_err(failed(destination))?;
    if let Some(mode) = mode {
        // The file may have been there with another mode, and the server's umask counts at creation.
        file.set_metadata(with_mode(mode)).await.map_err(failed(destination))?;
    }
    copy(source, &mut file, size, progress.as_ref(), CommError::Local, CommError::Remote)
        .await
        .map_err(|e| named(e, destination))?;
    file.shutdown().await.map_err(|e| CommError::Remote(format!("{destination}: {e}")))
}

fn named(error: CommError, path: &str) -> CommError {
    match error {
        CommError::Remote(why) => CommError::Remote(format!("{path}: {why}")),
        other => other,
    }
}

pub(super) async fn download(
    session: &Session,
    source: &str,
    into: &mut (dyn AsyncWrite + Send + Unpin),
    progress: Option<Progress>,
) -> Result<u64, CommError> {
    let mut file = session.open(path(source)).await.map_err(failed(source))?;
    let size = match &progress {
        Some(_) => file.metadata().await.ok().and_then(|m| m.size),
        None => None,
    };
    let done = copy(&mut file, into, size, progress.as_ref(), CommError::Remote, CommError::Local)
        .await
        .map_err(|e| named(e, source))?;
    into.flush().await.map_err(|e| CommError::Local(e.to_string()))?;
    let _ = file.shutdown().await;
    Ok(done)
}

/// Makes a directory and those above it.
async fn make_dirs(session: &Session, dir: &str) -> Result<(), CommError> {
    let mut at = String::new();
    for (index, name) in dir.split('/').enumerate() {
        if index > 0 {
            at.push('/');
        }
        at.push_str(name);
        if name.is_empty() || name == "." {
            continue;
        }
        if session.create_dir(at.as_str()).await.is_err() {
            // It is there already, or what is wrong shows here.
            let found = session.metadata(at.as_str()).await.map_err(failed(&at))?;
            if !found.is_dir() {
                return Err(CommError::Remote(format!("{at}: is not a directory")));
            }
        }
    }
    Ok(())
}

async fn upload_one(session: &Session, entry: &TreeEntry, to: String) -> Result<u64, CommError> {
    let mut file = fs_err::tokio::File::open(&entry.path).await.map_err(|e| CommError::Local(e.to_string()))?;
    upload(session, &mut file, None, &to, Some(entry.mode), None).await?;
    Ok(entry.size)
}

pub(super) async fn upload_dir(
    session: &Session,
    entries: &[TreeEntry],
    base: &str,
    progress: Option<Progress>,
) -> Result<(), CommError> {
    let base = path(base).trim_end_matches('/').to_owned();
    make_dirs(session, if base.is_empty() { "/" } else { &base }).await?;
    let remote = |entry: &TreeEntry| format!("{base}/{}", entry.relative);
    for dir in entries.iter().filter(|e| e.is_dir) {
        make_dirs(session, &remote(dir)).await?;
    }
    let total: u64 = entries.iter().map(|e| e.size).sum();
    let mut waiting = entries.iter().filter(|e| !e.is_dir);
    let mut running = FuturesUnordered::new();
    let mut done = 0;
    loop {
        while running.len() < AT_ONCE {
            let Some(entry) = waiting.next() else { break };
            running.push(upload_one(session, entry, remote(entry)));
        }
        let Some(sent) = running.next().await else { break };
        done += sent?;
        if let Some(progress) = &progress {
            progress(done, Some(total));
        }
    }
    // From the inside out: a directory without write permission must still take its contents.
    for dir in entries.iter().rev().filter(|e| e.is_dir) {
        let name = remote(dir);
        session.set_metadata(name.as_str(), with_mode(dir.mode)).await.map_err(failed(&name))?;
    }
    Ok(())
}

pub(super) async fn download_dir(session: &Session, source: &str, base: &Path) -> Result<(), CommError> {
    let local = |e: std::io::Error| CommError::Local(e.to_string());
    let mut todo = vec![(path(source).trim_end_matches('/').to_owned(), base.to_owned())];
    while let Some((from, to)) = todo.pop() {
        fs_err::tokio::create_dir_all(&to).await.map_err(local)?;
        let listed = session.read_dir(if from.is_empty() { "/" } else { &from }).await.map_err(failed(&from))?;
        for entry in listed {
            let name = entry.file_name();
            // The far side chooses the names: nothing may leave the directory.
            if name.is_empty() || name == "." || name == ".." || name.contains('/') {
                continue;
            }
            let (from, to) = (format!("{from}/{name}"), to.join(&name));
            // Links are followed, as scp does; what they point to decides.
            let meta = session.metadata(from.as_str()).await.map_err(failed(&from))?;
            if meta.is_dir() {
                todo.push((from, to));
                continue;
            }
            let mut file = fs_err::tokio::File::create(&to).await.map_err(local)?;
            download(session, &from, &mut file, None).await?;
            if let Some(mode) = meta.permissions {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(mode & 0o777);
                fs_err::tokio::set_permissions(&to, mode).await.map_err(local)?;
            }
        }
    }
    Ok(())
}
