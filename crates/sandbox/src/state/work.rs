//! Who is working on what. A claim of a process that is gone counts for nothing, so another one takes the work up.

use std::sync::OnceLock;

use fs_err as fs;
use serde::{Deserialize, Serialize};

/// A process: its id alone would be reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub started: u64,
    /// Which boot.
    pub boot: String,
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
    /// This process.
    pub fn me() -> Self {
        static ME: OnceLock<Owner> = OnceLock::new();
        ME.get_or_init(|| {
            let pid = std::process::id();
            Self { pid, started: start_time(pid).unwrap_or(0), boot: boot_id() }
        })
        .clone()
    }

    /// Whether that process still is there.
    pub fn alive(&self) -> bool {
        self.boot == boot_id() && start_time(self.pid) == Some(self.started)
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
    fn this_process_is_alive_and_others_by_its_id_are_not() {
        let me = Owner::me();
        assert!(me.alive());
        assert!(!Owner { started: me.started + 1, ..me.clone() }.alive());
        assert!(!Owner { boot: "another".into(), ..me }.alive());
    }
}
