//! Who is working on what. A claim of a worker that is gone counts for nothing, so another one takes the work up.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use fs_err as fs;
use serde::{Deserialize, Serialize};

/// The workers of this process that are at work.
static HERE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A worker: one endpoint of one process. A process id alone would be reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub started: u64,
    /// Which boot.
    pub boot: String,
    /// Which of the process's workers.
    pub worker: String,
}

/// A worker of this process, for as long as this value lives.
#[derive(Debug)]
pub struct Worker(Owner);

impl Worker {
    /// Begins.
    pub fn begin() -> Self {
        let pid = std::process::id();
        let worker = uuid::Uuid::new_v4().to_string();
        HERE.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.clone());
        Self(Owner { pid, started: start_time(pid).unwrap_or(0), boot: boot_id(), worker })
    }

    /// As claims name it.
    pub fn owner(&self) -> Owner {
        self.0.clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        HERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0.worker);
    }
}

/// Work under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who does it.
    pub owner: Owner,
    /// Ids of instances, volumes, … that no other work may touch meanwhile.
    pub locks: Vec<String>,
}

impl Owner {
    /// Whether that worker still is at work. Of another process only its own end is seen.
    pub fn alive(&self) -> bool {
        if self.boot != boot_id() || start_time(self.pid) != Some(self.started) {
            return false;
        }
        self.pid != std::process::id() || HERE.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.worker)
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned()).unwrap_or_default()
}

/// Field 22 of `/proc/PID/stat`; the second field is in parentheses and may hold anything. A zombie counts as gone.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = &stat[stat.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_alive_until_they_end() {
        let worker = Worker::begin();
        let me = worker.owner();
        assert!(me.alive());
        assert!(!Owner { started: me.started + 1, ..me.clone() }.alive());
        assert!(!Owner { boot: "another".into(), ..me.clone() }.alive());
        drop(worker);
        assert!(!me.alive());
    }
}
