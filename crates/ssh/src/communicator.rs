//! [`SshCommunicator`]: a connection that can be lost and made again.

use crate::connect::{Outside, establish};
use crate::live::Live;
use crate::pool::Pool;
use crate::process::{self, Ask};
use crate::transfer;
use async_trait::async_trait;
use imgbuild_engine::communicator::{CommError, Command, Communicator, Process, Progress};
use imgbuild_engine::connect::SshSpec;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A machine reached over SSH.
pub struct SshCommunicator {
    spec: SshSpec,
    outside: Arc<Outside>,
    pool: Mutex<Option<Arc<Pool>>>,
}

impl SshCommunicator {
    pub(crate) fn new(spec: SshSpec, outside: Arc<Outside>, live: Arc<Live>) -> Self {
        let pool = Pool::new(&spec, &outside, live);
        SshCommunicator { spec, outside, pool: Mutex::new(Some(pool)) }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Pool>>> {
        self.pool.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn pool(&self) -> Result<Arc<Pool>, CommError> {
        let pool = self.slot().clone();
        pool.filter(|pool| pool.is_up())
            .ok_or_else(|| CommError::Disconnected(format!("there is no connection to {}", self.spec.address())))
    }
}

#[async_trait]
impl Communicator for SshCommunicator {
    async fn start(&self, command: Command) -> Result<Process, CommError> {
        let agent = self.spec.agent_forwarding;
        process::start(&*self.pool()?, Ask::Exec { line: &command.line, pty: command.pty, agent }).await
    }

    async fn upload(
        &self,
        source: &mut (dyn AsyncRead + Send + Unpin),
        size: Option<u64>,
        destination: &str,
        mode: Option<u32>,
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        let pool = self.pool()?;
        let work = transfer::upload(&pool, self.spec.file_transfer, source, size, destination, mode, progress);
        transfer::while_up(&pool, work).await
    }

    async fn upload_dir(
        &self,
        source: &Path,
        contents_only: bool,
        destination: &str,
        exclude: &[String],
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        let pool = self.pool()?;
        let work =
            transfer::upload_dir(&pool, self.spec.file_transfer, source, contents_only, destination, exclude, progress);
        transfer::while_up(&pool, work).await
    }

    async fn download(
        &self,
        source: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        progress: Option<Progress>,
    ) -> Result<u64, CommError> {
        let pool = self.pool()?;
        transfer::while_up(&pool, transfer::download(&pool, self.spec.file_transfer, source, into, progress)).await
    }

    async fn download_dir(&self, source: &str, contents_only: bool, destination: &Path) -> Result<(), CommError> {
        let pool = self.pool()?;
        let work = transfer::download_dir(&pool, self.spec.file_transfer, source, contents_only, destination);
        transfer::while_up(&pool, work).await
    }

    fn connected(&self) -> bool {
        self.slot().as_ref().is_some_and(|pool| pool.is_up())
    }

    async fn reconnect(&self, within: Duration) -> Result<(), CommError> {
        let old = self.slot().take();
        if let Some(old) = old {
            old.end().await;
        }
        let spec = SshSpec { retry: true, ..self.spec.clone() };
        let live = establish(&spec, &self.outside, Some(within)).await?;
        *self.slot() = Some(Pool::new(&self.spec, &self.outside, live));
        Ok(())
    }

    async fn close(&self) {
        let old = self.slot().take();
        if let Some(old) = old {
            old.end().await;
        }
    }
}
