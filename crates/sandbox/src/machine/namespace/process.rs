//! Processes by more than their pid: a pid together with its start time and the boot it belongs to, so that a pid that
//! was given to another process since is never taken for ours.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sys;

/// A process of this host that can be told from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// As this host sees it.
    pub pid: u32,
    /// Clock ticks after boot (field 22 of proc(5)).
    start_time: u64,
    /// /proc/sys/kernel/random/boot_id at that time.
    boot_id: String,
}

impl ProcessId {
    /// Identifies a process that runs now.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start_time: start_time(pid)?, boot_id: boot_id()? })
    }

    /// Whether that very process still runs (a zombie has ended).
    pub fn alive(&self) -> bool {
        let Ok(stat) = fs_err::read_to_string(format!("/proc/{}/stat", self.pid)) else { return false };
        let Some((start, state)) = parse_stat(&stat) else { return false };
        start == self.start_time && !matches!(state, 'Z' | 'X') && boot_id().is_ok_and(|now| now == self.boot_id)
    }

    /// Signals it if it still runs.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        if !self.alive() {
            return Ok(());
        }
        match i32::try_from(self.pid) {
            Ok(pid) => sys::kill(pid, signal),
            Err(_) => Ok(()),
        }
    }

    /// Waits until it has ended; false when it still runs after `limit`.
    pub async fn ended_within(&self, limit: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + limit;
        let mut pause = Duration::from_millis(5);
        while self.alive() {
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        true
    }

    /// Reads what [`ProcessId::write`] wrote; `None` when there is no such file (or it is not readable as one).
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs_err::read(path).ok()?).ok()
    }

    /// Writes it to a file, atomically.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        super::files::write_atomic(path, &serde_json::to_vec(self)?, 0o600)
    }
}

fn start_time(pid: u32) -> io::Result<u64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&stat)
        .map(|(start, _)| start)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat has an unknown form")))
}

/// Start time and state out of a line of /proc/PID/stat. The program's name may itself hold spaces and parentheses.
fn parse_stat(stat: &str) -> Option<(u64, char)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 is taken; the start time is field 22.
    let start = fields.nth(18)?.parse().ok()?;
    Some((start, state))
}

/// This boot's id.
fn boot_id() -> io::Result<String> {
    Ok(fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_are_read_past_odd_program_names() {
        let line = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 99 100";
        assert_eq!(parse_stat(line), Some((123_456, 'S')));
        assert_eq!(parse_stat("42 (x) S 1"), None);
    }

    #[test]
    fn a_pid_of_another_time_is_not_ours() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.alive());
        let mut older = me.clone();
        older.start_time -= 1;
        assert!(!older.alive());
        let mut other_boot = me;
        other_boot.boot_id = "0".into();
        assert!(!other_boot.alive());
    }
}
