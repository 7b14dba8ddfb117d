//! A communicator to nowhere: it connects at once, runs nothing, and remembers how it was asked.

use async_trait::async_trait;
use imgbuild_engine::communicator::{CommError, Command, Communicator, Process, Progress};
use imgbuild_engine::connect::{Connect, Route, SshSpec};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Makes [`NoMachine`]s.
#[derive(Default)]
pub struct FakeConnect {
    specs: Mutex<Vec<SshSpec>>,
    refuse: Mutex<Vec<CommError>>,
}

impl FakeConnect {
    /// The specs that were asked for.
    pub fn specs(&self) -> Vec<SshSpec> {
        self.specs.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Forgets the specs: what they hold goes with a program that dies.
    pub fn forget(&self) {
        self.specs.lock().unwrap_or_else(|e| e.into_inner()).clear();
    }

    /// The next tries fail so, last one first.
    pub fn refuse(&self, errors: Vec<CommError>) {
        *self.refuse.lock().unwrap_or_else(|e| e.into_inner()) = errors;
    }
}

#[async_trait]
impl Connect for FakeConnect {
    async fn connect(&self, spec: &SshSpec) -> Result<Arc<dyn Communicator>, CommError> {
        self.specs.lock().unwrap_or_else(|e| e.into_inner()).push(spec.clone());
        let refused = self.refuse.lock().unwrap_or_else(|e| e.into_inner()).pop();
        match refused {
            Some(error) => Err(error),
            None => {
                // A stream of someone else's is asked for, as by a real connection.
                if let Route::Dial(dial) = &spec.route {
                    dial.dial().await?;
                }
                Ok(Arc::new(NoMachine))
            }
        }
    }
}

/// Does nothing.
pub struct NoMachine;

fn nothing<T>() -> Result<T, CommError> {
    Err(CommError::Remote("there is no machine".into()))
}

#[async_trait]
impl Communicator for NoMachine {
    async fn start(&self, _: Command) -> Result<Process, CommError> {
        nothing()
    }
    async fn upload(
        &self,
        _: &mut (dyn AsyncRead + Send + Unpin),
        _: Option<u64>,
        _: &str,
        _: Option<u32>,
        _: Option<Progress>,
    ) -> Result<(), CommError> {
        nothing()
    }
    async fn upload_dir(&self, _: &Path, _: bool, _: &str, _: &[String], _: Option<Progress>) -> Result<(), CommError> {
        nothing()
    }
    async fn download(
        &self,
        _: &str,
        _: &mut (dyn AsyncWrite + Send + Unpin),
        _: Option<Progress>,
    ) -> Result<u64, CommError> {
        nothing()
    }
    async fn download_dir(&self, _: &str, _: bool, _: &Path) -> Result<(), CommError> {
        nothing()
    }
    fn connected(&self) -> bool {
        true
    }
    async fn reconnect(&self, _: Duration) -> Result<(), CommError> {
        Ok(())
    }
    async fn close(&self) {}
}
