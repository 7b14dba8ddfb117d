//! How long the sandbox pretends that things take. Real work comes on top.

use std::time::Duration;

/// Extra time of state changes; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latencies {
    /// pending → running
    pub instance: Duration,
    /// stopping → stopped
    pub stop: Duration,
    /// An image's pending → available.
    pub image: Duration,
    /// shutting-down → terminated
    pub terminate: Duration,
    /// A snapshot's pending → completed.
    pub snapshot: Duration,
}

impl Latencies {
    /// As small images on AWS usually take.
    pub fn aws() -> Self {
        let s = Duration::from_secs;
        Self { instance: s(14), stop: s(25), image: s(90), terminate: s(25), snapshot: s(60) }
    }
}
