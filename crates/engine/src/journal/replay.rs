//! Reading journals: what does a run still owe?

use super::file::JournalError;
use super::record::{Begin, Intent, Record};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The call may or may not have had its effect.
    Intended,
    /// It is there.
    Created {
        /// Its id.
        id: String,
    },
    /// Gone, or never made.
    Over,
    /// Part of the artifact.
    Kept {
        /// Its id.
        id: String,
    },
}

/// One intent and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Number in the run.
    pub seq: u64,
    /// What was meant.
    pub intent: Intent,
    /// What is known.
    pub state: State,
}

impl Entry {
    /// Must be removed, or looked for.
    pub fn owed(&self) -> bool {
        matches!(self.state, State::Intended | State::Created { .. })
    }
}

/// The entries of a journal's text in the order of their numbers, and whether the run ended well. A last line that was cut
/// off by a crash is ignored: its write had not returned, so nothing was done on the strength of it. A record that makes no
/// sense where it stands (created twice, released before created) is an error: better ask a person than delete on a guess.
pub fn replay(text: &str) -> Result<(Option<Begin>, Vec<Entry>, bool), String> {
    let mut begin = None;
    let mut entries: BTreeMap<u64, Entry> = BTreeMap::new();
    let mut ended = false;
    let whole = text.ends_with('\n');
    let count = text.lines().count();
    for (i, line) in text.lines().enumerate() {
        let record: Record = match serde_json::from_str(line) {
            Ok(record) => record,
            Err(_) if i + 1 == count && !whole => break,
            Err(e) => return Err(format!("line {}: {e}", i + 1)),
        };
        let mut step = |seq: u64, next: &dyn Fn(&State) -> Option<State>| match entries.get_mut(&seq) {
            Some(entry) => match next(&entry.state) {
                Some(state) => {
                    entry.state = state;
                    Ok(())
                }
                None => Err(format!("line {}: entry {seq} is {:?} and can't become this: {line}", i + 1, entry.state)),
            },
            None => Err(format!("line {}: entry {seq} was never begun", i + 1)),
        };
        match record {
            Record::Begin(b) => begin = Some(b),
            Record::Intent { seq, intent } => {
                if entries.insert(seq, Entry { seq, intent, state: State::Intended }).is_some() {
                    return Err(format!("line {}: entry {seq} begins twice", i + 1));
                }
            }
            Record::Created { seq, id } => {
                step(seq, &|s| matches!(s, State::Intended).then(|| State::Created { id: id.clone() }))?;
            }
            Record::Failed { seq } => step(seq, &|s| matches!(s, State::Intended).then_some(State::Over))?,
            Record::Released { seq } => {
                step(seq, &|s| matches!(s, State::Intended | State::Created { .. }).then_some(State::Over))?;
            }
            Record::Kept { seq } => step(seq, &|s| match s {
                State::Created { id } => Some(State::Kept { id: id.clone() }),
                _ => None,
            })?,
            Record::End => ended = true,
        }
    }
    Ok((begin, entries.into_values().collect(), ended))
}

/// A run that is over without having said so.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadRun {
    /// Its journal.
    pub path: PathBuf,
    /// How it began; `None` where the journal holds nothing yet.
    pub begin: Option<Begin>,
    /// What it owes, newest first.
    pub owed: Vec<Entry>,
    /// The number of its last entry.
    pub last_seq: u64,
}

/// A journal that can't be read, and why.
pub type Unreadable = (PathBuf, String);

/// The dead runs whose journals stand in `dir`, oldest first, and the journals that can't be read. Live runs (their lock is
/// held) are left out.
pub fn dead_runs(dir: &Path) -> Result<(Vec<DeadRun>, Vec<Unreadable>), JournalError> {
    let (mut runs, mut broken) = (Vec::new(), Vec::new());
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((runs, broken)),
        Err(e) => return Err(e.into()),
    };
    for item in listing {
        let path = item?.path();
        if path.extension().is_none_or(|e| e != "jsonl") {
            continue;
        }
        let Ok(file) = fs::File::open(&path) else { continue };
        // Shared is enough to learn whether a live run holds it, and lets two `gc --dry-run` look at once.
        if flock(&file, FlockOperation::NonBlockingLockShared).is_err() {
            continue;
        }
        match fs::read_to_string(&path).map_err(|e| e.to_string()).and_then(|text| replay(&text)) {
            Ok((begin, entries, _)) => {
                let last_seq = entries.last().map_or(0, |e| e.seq);
                let owed = entries.into_iter().rev().filter(Entry::owed).collect();
                runs.push(DeadRun { path, begin, owed, last_seq });
            }
            Err(why) => broken.push((path, why)),
        }
    }
    runs.sort_by_key(|run| run.begin.as_ref().map_or(0, |b| b.started));
    Ok((runs, broken))
}

/// The ids of the runs in `dir` that are alive: their journals are held.
pub fn live_runs(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).map(|item| item.path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .filter(|path| {
            fs::File::open(path).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
        })
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            replay(&text).ok()?.0.map(|begin| begin.run)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{CrashPoint, Journal, When};
    use std::sync::{Arc, Mutex};

    fn intent(kind: &str) -> Intent {
        Intent { build: "b".into(), kind: kind.into(), ..Intent::default() }
    }
    fn begin(run: &str) -> Begin {
        Begin { run: run.into(), started: 1, version: "0".into(), pid: 1, template: "t".into() }
    }

    #[test]
    fn what_is_owed_at_every_cut() {
        let dir = tempfile::tempdir().unwrap();
        let texts: Arc<Mutex<Vec<String>>> = Arc::default();
        let path = dir.path().join("r1.jsonl");
        let seen = (Arc::clone(&texts), path.clone());
        let watch: CrashPoint = Arc::new(move |when, _| {
            if when == When::After {
                seen.0.lock().unwrap().push(std::fs::read_to_string(&seen.1).unwrap());
            }
        });
        let journal = Journal::create(dir.path(), begin("r1"), Some(watch)).unwrap();
        let key = journal.intent(intent("key-pair")).unwrap();
        journal.write(&Record::Created { seq: key, id: "key-1".into() }).unwrap();
        let image = journal.intent(intent("image")).unwrap();
        journal.write(&Record::Created { seq: image, id: "ami-1".into() }).unwrap();
        journal.write(&Record::Kept { seq: image }).unwrap();
        journal.write(&Record::Released { seq: key }).unwrap();
        let owed: Vec<usize> = texts
            .lock()
            .unwrap()
            .iter()
            .map(|text| replay(text).unwrap().1.iter().filter(|e| e.owed()).count())
            .collect();
        assert_eq!(owed, [0, 1, 1, 2, 2, 1, 0]);
    }

    #[test]
    fn a_cut_last_line_is_ignored_and_nonsense_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::create(dir.path(), begin("r2"), None).unwrap();
        journal.intent(intent("instance")).unwrap();
        let text = fs::read_to_string(journal.path()).unwrap();
        assert_eq!(replay(&format!("{text}{{\"crea")).unwrap().1.len(), 1);
        assert!(replay(&format!("{text}{{\"crea\n")).is_err());
        assert!(replay(&format!("{text}{{\"kept\":{{\"seq\":1}}}}\n")).is_err());
        assert!(replay(&format!("{text}{{\"released\":{{\"seq\":7}}}}\n")).is_err());
    }

    #[test]
    fn live_runs_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::create(dir.path(), begin("r3"), None).unwrap();
        journal.intent(intent("instance")).unwrap();
        assert!(dead_runs(dir.path()).unwrap().0.is_empty());
        let path = journal.path().to_owned();
        drop(journal);
        let (dead, broken) = dead_runs(dir.path()).unwrap();
        assert!(broken.is_empty());
        assert_eq!((dead.len(), dead[0].owed.len(), dead[0].last_seq), (1, 1, 1));
        Journal::take_over(&path, 1).unwrap().finish().unwrap();
        assert!(dead_runs(dir.path()).unwrap().0.is_empty());
    }
}
