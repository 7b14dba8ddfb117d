//! A log of the calls that came in, for tests and for `GET /_sandbox/calls`. Parameters are not in it: they hold user data.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// How many calls are kept.
const KEPT: usize = 10_000;

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct CallRecord {
    /// As policies name it: `ec2`, `iam`, `ssm`.
    pub service: String,
    /// `RunInstances`
    pub action: String,
    /// `us-east-1`
    pub region: String,
    /// When it came in, RFC 3339.
    pub time: String,
    /// How long it took.
    pub milliseconds: u64,
    /// HTTP status; 0 when the connection was dropped.
    pub status: u16,
    /// The error's code, if it failed.
    pub error: Option<String>,
    /// The fault that was injected, if any.
    pub fault: Option<String>,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// As answered.
    pub request_id: String,
}

/// The log.
#[derive(Debug, Default)]
pub struct Calls(Mutex<VecDeque<CallRecord>>);

impl Calls {
    /// Adds a call.
    pub fn add(&self, record: CallRecord) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(record);
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<CallRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forgets them.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
