//! What faults say about things that calls have made: until when they are hidden, whether they stay as they are, why they fail.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::FaultKind;
use crate::state::Time;

/// Marks, by id.
#[derive(Debug, Default)]
pub struct Marks {
    hidden: BTreeMap<String, Time>,
    doomed: BTreeMap<String, String>,
    held: BTreeSet<String>,
    mute: BTreeMap<String, Duration>,
}

impl Marks {
    /// Marks what a call with this fault has made.
    pub fn add(&mut self, fault: &FaultKind, now: Time, made: Vec<String>) {
        match fault {
            FaultKind::Hide { seconds } => {
                #[expect(clippy::cast_possible_truncation, reason = "a few seconds in milliseconds fit")]
                let until = Time(now.0.saturating_add((seconds * 1000.0) as i64));
                self.hidden.extend(made.into_iter().map(|id| (id, until)));
            }
            FaultKind::Fails { reason } => self.doomed.extend(made.into_iter().map(|id| (id, reason.clone()))),
            FaultKind::Stuck => self.held.extend(made),
            FaultKind::SshHangs { seconds } => {
                let time = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                self.mute.extend(made.into_iter().map(|id| (id, time)));
            }
            _ => {}
        }
    }

    /// What can't be found now.
    pub fn hidden(&mut self, now: Time) -> BTreeSet<String> {
        self.hidden.retain(|_, until| *until > now);
        self.hidden.keys().cloned().collect()
    }

    /// Why a thing fails.
    pub fn doom(&self, id: &str) -> Option<String> {
        self.doomed.get(id).cloned()
    }

    /// Whether a thing stays as it is.
    pub fn holds(&self, id: &str) -> bool {
        self.held.contains(id)
    }

    /// How long a machine's SSH server says nothing.
    pub fn mute(&self, id: &str) -> Option<Duration> {
        self.mute.get(id).copied()
    }
}
