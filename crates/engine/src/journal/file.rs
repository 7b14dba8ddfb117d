//! Writing a journal.

use super::record::{Begin, Intent, Record};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Why the journal can't be used. Nothing may be created then.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its folder can't be written or read.
    #[error("the journal can't be written")]
    Io(#[from] std::io::Error),
    /// Another process holds it.
    #[error("the journal {0} is held by a live run")]
    Held(PathBuf),
}

/// Called around each write with its number from 1; the crash tests kill the program there.
pub type CrashPoint = Arc<dyn Fn(When, u64) + Send + Sync>;

/// Which side of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the record is written: the effect of a call is there, its record is not.
    Before,
    /// After the record is safe on disk.
    After,
}

/// A live run's journal. Clones write to the same file.
#[derive(Clone)]
pub struct Journal {
    path: PathBuf,
    inner: Arc<Mutex<Inner>>,
    crash: Option<CrashPoint>,
}

struct Inner {
    file: fs::File,
    seq: u64,
    writes: u64,
}

impl Journal {
    /// Makes the journal of a new run in `dir` and takes its lock.
    pub fn create(dir: &Path, begin: Begin, crash: Option<CrashPoint>) -> Result<Self, JournalError> {
        fs::create_dir_all(dir)?;
        let path = dir.join(format!("{}.jsonl", begin.run));
        let file = fs::OpenOptions::new().create_new(true).append(true).open(&path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| JournalError::Held(path.clone()))?;
        // The name itself must survive a power cut, or gc would not find the file.
        fs::File::open(dir)?.sync_all()?;
        let journal = Journal { path, inner: Arc::new(Mutex::new(Inner { file, seq: 0, writes: 0 })), crash };
        if let Err(error) = journal.write(&Record::Begin(begin)) {
            // A full disk: nothing was made, and an empty journal says nothing.
            let _ = fs::remove_file(&journal.path);
            return Err(error);
        }
        Ok(journal)
    }

    /// Takes over the journal of a dead run, to finish its job. Fails with `Held` while the run lives.
    pub fn take_over(path: &Path, next_seq: u64) -> Result<Self, JournalError> {
        let file = fs::OpenOptions::new().append(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| JournalError::Held(path.to_owned()))?;
        let inner = Inner { file, seq: next_seq, writes: 0 };
        Ok(Journal { path: path.to_owned(), inner: Arc::new(Mutex::new(inner)), crash: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records that a call is about to be made, and gives it its number.
    pub fn intent(&self, intent: Intent) -> Result<u64, JournalError> {
        let seq = {
            let mut inner = self.inner.lock().unwrap_or_else(|e| e.into_inner());
            inner.seq += 1;
            inner.seq
        };
        self.write(&Record::Intent { seq, intent })?;
        Ok(seq)
    }

    /// Writes a record and waits until it is on disk.
    pub fn write(&self, record: &Record) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(record).map_err(std::io::Error::other)?;
        line.push(b'\n');
        let mut inner = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        inner.writes += 1;
        let number = inner.writes;
        if let Some(crash) = &self.crash {
            crash(When::Before, number);
        }
        inner.file.write_all(&line)?;
        inner.file.sync_data()?;
        if let Some(crash) = &self.crash {
            crash(When::After, number);
        }
        Ok(())
    }

    /// The run is over and owes nothing: says so and removes the file.
    pub fn finish(self) -> Result<(), JournalError> {
        self.write(&Record::End)?;
        fs::remove_file(&self.path)?;
        Ok(())
    }
}
