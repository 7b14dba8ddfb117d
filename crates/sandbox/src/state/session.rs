//! Sessions of Session Manager.

use serde::{Deserialize, Serialize};

use super::Time;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The caller's name and a number.
    pub id: String,
    /// `i-…`
    pub target: String,
    /// `AWS-StartPortForwardingSession`
    pub document: String,
    /// The port that it forwards.
    pub port: u16,
    /// As StartSession was told.
    pub reason: String,
    /// When it was started.
    pub started: Time,
    /// When it was ended.
    pub ended: Option<Time>,
}
