//! Files: by SFTP where the server has it, else by a shell (`cat`, `tar`). `ssh_file_transfer_method` chooses.

mod sftp;
mod shell;

use crate::pool::Pool;
use imgbuild_engine::communicator::{CommError, Progress};
use imgbuild_engine::connect::FileTransfer;
use imgbuild_engine::tree;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// `work`, unless the connection goes first.
pub(crate) async fn while_up<T>(
    pool: &Arc<Pool>,
    work: impl Future<Output = Result<T, CommError>>,
) -> Result<T, CommError> {
    let lost = async {
        while pool.is_up() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        biased;
        result = work => result.map_err(|e| match e {
            // The reason behind a broken transfer.
            CommError::Remote(why) if !pool.is_up() => CommError::Disconnected(why),
            other => other,
        }),
        () = lost => Err(CommError::Disconnected("the host closed the connection during a transfer".into())),
    }
}

/// Whether SFTP is to be used: the session, or `None` for the shell.
async fn choose(pool: &Arc<Pool>, method: FileTransfer) -> Result<Option<Arc<sftp::Session>>, CommError> {
    match method {
        FileTransfer::Scp => Ok(None),
        FileTransfer::Auto => sftp::session(pool).await,
        FileTransfer::Sftp => sftp::session(pool).await?.map(Some).ok_or_else(|| {
            CommError::Remote("the server has no SFTP subsystem (ssh_file_transfer_method \"scp\" does without)".into())
        }),
    }
}

pub(crate) async fn upload(
    pool: &Arc<Pool>,
    method: FileTransfer,
    source: &mut (dyn AsyncRead + Send + Unpin),
    size: Option<u64>,
    destination: &str,
    mode: Option<u32>,
    progress: Option<Progress>,
) -> Result<(), CommError> {
    match choose(pool, method).await? {
        Some(session) => sftp::upload(&session, source, size, destination, mode, progress).await,
        None => shell::upload(pool, source, size, destination, mode, progress).await,
    }
}

pub(crate) async fn upload_dir(
    pool: &Arc<Pool>,
    method: FileTransfer,
    source: &Path,
    contents_only: bool,
    destination: &str,
    exclude: &[String],
    progress: Option<Progress>,
) -> Result<(), CommError> {
    let entries = tree::list(source, exclude)?;
    let base = tree::landing(source, contents_only, destination);
    // One stream is quicker than a round trip per file, so a shell with tar comes first unless SFTP is asked for.
    if method != FileTransfer::Sftp {
        match shell::upload_dir(pool, &entries, &base, progress.clone()).await {
            Err(shell::TreeError::NoTar) => {}
            Err(shell::TreeError::Failed(e)) => return Err(e),
            Ok(()) => return Ok(()),
        }
    }
    match choose(pool, method).await? {
        Some(session) => sftp::upload_dir(&session, &entries, &base, progress).await,
        None => Err(CommError::Remote("the host has neither tar nor SFTP: a directory can't be uploaded".into())),
    }
}

pub(crate) async fn download(
    pool: &Arc<Pool>,
    method: FileTransfer,
    source: &str,
    into: &mut (dyn AsyncWrite + Send + Unpin),
    progress: Option<Progress>,
) -> Result<u64, CommError> {
    match choose(pool, method).await? {
        Some(session) => sftp::download(&session, source, into, progress).await,
        None => shell::download(pool, source, into, progress).await,
    }
}

pub(crate) async fn download_dir(
    pool: &Arc<Pool>,
    method: FileTransfer,
    source: &str,
    contents_only: bool,
    destination: &Path,
) -> Result<(), CommError> {
    let base = match tree::remote_name(source) {
        Some(name) if !contents_only => destination.join(name),
        _ => destination.to_owned(),
    };
    if method != FileTransfer::Sftp {
        match shell::download_dir(pool, source, &base).await {
            Err(shell::TreeError::NoTar) => {}
            Err(shell::TreeError::Failed(e)) => return Err(e),
            Ok(()) => return Ok(()),
        }
    }
    match choose(pool, method).await? {
        Some(session) => sftp::download_dir(&session, source, &base).await,
        None => Err(CommError::Remote("the host has neither tar nor SFTP: a directory can't be downloaded".into())),
    }
}

/// Copies with progress; `write_error` says which side a failed write is on.
async fn copy(
    from: &mut (dyn AsyncRead + Send + Unpin),
    to: &mut (dyn AsyncWrite + Send + Unpin),
    size: Option<u64>,
    progress: Option<&Progress>,
    read_error: fn(String) -> CommError,
    write_error: fn(String) -> CommError,
) -> Result<u64, CommError> {
    let mut buffer = vec![0; 128 << 10];
    let mut done = 0;
    loop {
        let n = from.read(&mut buffer).await.map_err(|e| read_error(e.to_string()))?;
        if n == 0 {
            return Ok(done);
        }
        to.write_all(&buffer[..n]).await.map_err(|e| write_error(e.to_string()))?;
        done += n as u64;
        if let Some(progress) = progress {
            progress(done, size);
        }
    }
}
