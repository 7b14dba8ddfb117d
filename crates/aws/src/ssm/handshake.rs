//! What agent and client tell each other before data flows, as JSON.
//!
//! ```text
//! agent                                  we
//!   HandshakeRequest (version, actions) ─▶
//!                                       ◀─ HandshakeResponse (version, what became of each action)
//!   EncryptionChallengeRequest ─▶               only with KMS
//!                                       ◀─ EncryptionChallengeResponse
//!   HandshakeComplete ─▶
//! ```
//! Source: `handshakemessage.go` of session-manager-plugin 1.2.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the reference client whose protocol this is: agents decide by it between one connection and several
/// (1.1.70 on), and whether to keep the multiplexed session alive themselves (up to 1.2.331).
pub const CLIENT_VERSION: &str = "1.2.707.0";

/// The first message on a connection, as text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel<'a> {
    /// `1.0`
    pub message_schema_version: &'a str,
    /// Random.
    pub request_id: String,
    /// Of StartSession or ResumeSession.
    pub token_value: &'a str,
    /// The same on every connection of a session.
    pub client_id: &'a str,
    /// [`CLIENT_VERSION`]
    pub client_version: &'a str,
}

/// What the agent wants to be done.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// `3.2.2303.0`
    pub agent_version: String,
    /// Actions.
    #[serde(default)]
    pub requested_client_actions: Vec<RequestedAction>,
}

/// One action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// `SessionType`, `KMSEncryption`
    pub action_type: String,
    /// By type.
    #[serde(default)]
    pub action_parameters: Value,
}

/// What was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// [`CLIENT_VERSION`]
    pub client_version: &'static str,
    /// One for each action.
    pub processed_client_actions: Vec<ProcessedAction>,
    /// Of all actions.
    pub errors: Vec<String>,
}

/// One action's outcome.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// As asked.
    pub action_type: String,
    /// 1: done, 2: failed, 3: not known here.
    pub action_status: u8,
    /// By type.
    pub action_result: Value,
    /// Why it failed.
    pub error: String,
}

impl ProcessedAction {
    /// It went well.
    pub fn done(action_type: String, action_result: Value) -> Self {
        ProcessedAction { action_type, action_status: 1, action_result, error: String::new() }
    }

    /// It did not.
    pub fn failed(action_type: String, action_status: u8, error: String) -> Self {
        ProcessedAction { action_type, action_status, action_result: Value::Null, error }
    }
}

/// Both directions of the challenge: bytes that one side sealed, base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Challenge {
    /// Sealed.
    pub challenge: String,
}

/// Data flows from here on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// What the account's owner tells those who connect.
    #[serde(default)]
    pub customer_message: String,
}

/// What an acknowledgement holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Of the message that came.
    #[serde(rename = "AcknowledgedMessageType")]
    pub message_type: String,
    /// Its id.
    #[serde(rename = "AcknowledgedMessageId")]
    pub id: String,
    /// Its sequence number.
    #[serde(rename = "AcknowledgedMessageSequenceNumber")]
    pub sequence: i64,
    /// Always.
    #[serde(rename = "IsSequentialMessage")]
    pub sequential: bool,
}

/// Why the session is over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    /// A sentence, or nothing.
    pub output: String,
}

/// How an agent forwards a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// Several connections at once, over smux.
    pub multiplexed: bool,
    /// The agent ends a multiplexed session that is silent for 30 s.
    pub keep_alive: bool,
}

impl Forwarding {
    /// By the agent's version, as the reference client decides.
    pub fn of(version: &str) -> Self {
        let after = |limit: [u32; 4]| parse(version).is_some_and(|version| version > limit);
        let multiplexed = after([3, 0, 196, 0]);
        Forwarding { multiplexed, keep_alive: multiplexed && !after([3, 1, 1511, 0]) }
    }
}

fn parse(version: &str) -> Option<[u32; 4]> {
    let parts: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_version_decides() {
        for (version, multiplexed, keep_alive) in [
            ("2.3.722.0", false, false),
            ("3.0.196.0", false, false),
            ("3.0.197.0", true, true),
            ("3.1.1511.0", true, true),
            ("3.1.1512.0", true, false),
            ("3.2.2303.0", true, false),
            ("10.0.0.0", true, false),
            ("3.2", false, false),
            ("", false, false),
        ] {
            assert_eq!(Forwarding::of(version), Forwarding { multiplexed, keep_alive }, "{version}");
        }
    }
}
