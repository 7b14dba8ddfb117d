//! Counts per host, as the recap shows them.

use crate::settings::exit;
use imgbuild_jinja::Map;
use std::collections::BTreeMap;

/// Counts of one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostStats {
    /// Tasks that were fine, changed ones included.
    pub ok: u64,
    /// Tasks that changed something.
    pub changed: u64,
    /// Times that the host could not be reached.
    pub unreachable: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Tasks whose condition was false.
    pub skipped: u64,
    /// Failures that a `rescue` took care of.
    pub rescued: u64,
    /// Failures that were ignored.
    pub ignored: u64,
}

/// Counts of all hosts.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Per host, by name.
    pub hosts: BTreeMap<String, HostStats>,
    /// `set_stats`: per host, and under `_run` those of the run.
    pub custom: BTreeMap<String, Map>,
}

impl Stats {
    /// The counts of a host; it is listed from now on.
    pub fn host(&mut self, name: &str) -> &mut HostStats {
        self.hosts.entry(name.to_owned()).or_default()
    }

    /// The exit code that these counts alone stand for: failed hosts before unreachable ones.
    pub fn exit_code(&self) -> u8 {
        let any = |f: fn(&HostStats) -> u64| self.hosts.values().any(|h| f(h) > 0);
        if any(|h| h.failed) {
            exit::FAILED
        } else if any(|h| h.unreachable) {
            exit::UNREACHABLE
        } else {
            exit::OK
        }
    }
}
