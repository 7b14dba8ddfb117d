//! The state file: read whole, changed under a file lock, replaced atomically.
//!
//! Several processes may use one directory at once. A change is a function from state to state; when it fails, or changes
//! nothing, nothing is written.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{FlockOperation, flock};

use super::{SCHEMA, State};

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("the sandbox directory cannot be used")]
    Io(#[from] std::io::Error),
    /// The file is not a state, or of another version.
    #[error("{} is not a sandbox state that this program can read: {why}; move the directory away to start afresh", path.display())]
    Unreadable {
        /// The state file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Which version of the file the cached state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
    length: u64,
}

#[derive(Debug, Default)]
struct Cached {
    state: Arc<State>,
    stamp: Option<Stamp>,
}

/// The state of one directory.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    lock: PathBuf,
    cached: Mutex<Cached>,
}

impl Store {
    /// Opens the directory, which is made when it is not there.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir)?;
        let store =
            Self { path: dir.join("state.json"), lock: dir.join("lock"), cached: Mutex::new(Cached::default()) };
        store.read()?;
        Ok(store)
    }

    /// The state as it is now.
    pub fn read(&self) -> Result<Arc<State>, StoreError> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut cached)?;
        Ok(cached.state.clone())
    }

    /// Changes the state; when `change` fails, it stays as it was.
    pub fn write<T, E>(&self, change: impl FnOnce(&mut State) -> Result<T, E>) -> Result<Result<T, E>, StoreError> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.lock)?;
        // Blocks while another thread or process changes the state, which takes milliseconds; released when `file` closes.
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.map_err(std::io::Error::from)?,
            }
        }
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut cached)?;
        let mut state = State::clone(&cached.state);
        let done = change(&mut state);
        if done.is_ok() && state != *cached.state {
            self.save(&state)?;
            *cached = Cached { stamp: self.stamp()?, state: Arc::new(state) };
        }
        Ok(done)
    }

    fn stamp(&self) -> Result<Option<Stamp>, StoreError> {
        match fs::metadata(&self.path) {
            Ok(m) => Ok(Some(Stamp { inode: m.ino(), changed: (m.ctime(), m.ctime_nsec()), length: m.len() })),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn refresh(&self, cached: &mut Cached) -> Result<(), StoreError> {
        let stamp = self.stamp()?;
        if stamp == cached.stamp {
            return Ok(());
        }
        let state = match stamp {
            None => State::default(),
            Some(_) => {
                let unreadable = |why: String| StoreError::Unreadable { path: self.path.clone(), why };
                let state: State =
                    serde_json::from_slice(&fs::read(&self.path)?).map_err(|e| unreadable(e.to_string()))?;
                if state.schema != SCHEMA {
                    return Err(unreadable(format!("it has layout {}, not {SCHEMA}", state.schema)));
                }
                state
            }
        };
        *cached = Cached { state: Arc::new(state), stamp };
        Ok(())
    }

    /// Only the holder of the lock is here, so the new file's name can be a fixed one.
    fn save(&self, state: &State) -> Result<(), StoreError> {
        let new = self.path.with_extension("json.new");
        // User data is in it.
        let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(state).map_err(std::io::Error::from)?)?;
        file.sync_data()?;
        fs::rename(&new, &self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Region;

    fn add(state: &mut State, name: &str) -> Result<(), ()> {
        state.regions.insert(name.into(), Region { name: name.into(), ..Region::default() });
        Ok(())
    }

    #[test]
    fn changes_are_seen_by_another_store_and_failed_ones_by_none() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
        one.write(|s| add(s, "a")).unwrap().unwrap();
        two.write(|s| add(s, "b")).unwrap().unwrap();
        let failed = one.write(|s| {
            add(s, "c").unwrap();
            Err::<(), _>("no")
        });
        assert_eq!(failed.unwrap(), Err("no"));
        for store in [one, two] {
            assert_eq!(store.read().unwrap().regions.keys().collect::<Vec<_>>(), ["a", "b"]);
        }
    }

    #[test]
    fn concurrent_changes_all_arrive() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for t in 0..4 {
                let store = Store::open(dir.path()).unwrap();
                scope.spawn(move || {
                    for n in 0..10 {
                        store.write(|s| add(s, &format!("{t}-{n}"))).unwrap().unwrap();
                    }
                });
            }
        });
        assert_eq!(Store::open(dir.path()).unwrap().read().unwrap().regions.len(), 40);
    }

    #[test]
    fn a_foreign_or_newer_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["{}", "junk", r#"{"schema":99,"regions":{}}"#] {
            fs::write(dir.path().join("state.json"), text).unwrap();
            assert!(matches!(Store::open(dir.path()), Err(StoreError::Unreadable { .. })), "{text}");
        }
    }
}
