//! The agent's handshake: what kind of session it is, and the key that both sides encrypt with.

use super::{Driver, Left};
use crate::ssm::cipher::Cipher;
use crate::ssm::frame::payload;
use crate::ssm::handshake::{
    CLIENT_VERSION, Challenge, Forwarding, HandshakeRequest, HandshakeResponse, ProcessedAction, RequestedAction,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

impl Driver {
    /// Answers the agent's handshake: all that it asks for is done or refused.
    pub(super) async fn shake(&mut self, request: &[u8]) -> Result<(), Left> {
        let unreadable = |e| Left::Over(format!("the agent's handshake can't be read: {e}"));
        let request: HandshakeRequest = serde_json::from_slice(request).map_err(unreadable)?;
        tracing::debug!("the agent is of version {}", request.agent_version);
        self.forwarding = Some(Forwarding::of(&request.agent_version));
        let mut processed = Vec::new();
        for action in request.requested_client_actions {
            processed.push(self.act(action).await);
        }
        let errors: Vec<String> = processed.iter().map(|p| p.error.clone()).filter(|e| !e.is_empty()).collect();
        let failed = (!errors.is_empty()).then(|| errors.join("; "));
        let answer = HandshakeResponse { client_version: CLIENT_VERSION, processed_client_actions: processed, errors };
        let answer = serde_json::to_vec(&answer).map_err(|e| Left::Over(e.to_string()))?;
        self.sender.push(payload::HANDSHAKE_RESPONSE, answer.into());
        // The agent ends the session; why is known best here.
        match (failed, self.ready.take()) {
            (Some(why), Some(ready)) => drop(ready.send(Err(why))),
            (_, ready) => self.ready = ready,
        }
        Ok(())
    }

    async fn act(&mut self, action: RequestedAction) -> ProcessedAction {
        let RequestedAction { action_type: name, action_parameters: asked } = action;
        let text = |key: &str| asked.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        match name.as_str() {
            "SessionType" => match text("SessionType").as_str() {
                "Port" => ProcessedAction::done(name, serde_json::Value::Null),
                other => {
                    let why = format!("the session is of type {other:?}, not a port's");
                    ProcessedAction::failed(name, 2, why)
                }
            },
            "KMSEncryption" => {
                let key = text("KMSKeyId");
                // Agents of 2025 on bind the key to a random text, if the client says that it knows how.
                let challenge = Some(text("Challenge")).filter(|text| !text.is_empty());
                let made = match self.service.data_key(&key, challenge.as_deref()).await {
                    Ok(made) => made,
                    Err(why) => {
                        let why = format!("the account's sessions are encrypted with KMS key {key}: {why}");
                        return ProcessedAction::failed(name, 2, why);
                    }
                };
                self.cipher = Cipher::new(made.plain.expose());
                if self.cipher.is_none() {
                    return ProcessedAction::failed(name, 2, "KMS made a data key of another length".into());
                }
                let sealed = STANDARD.encode(made.sealed);
                let mut result = serde_json::json!({ "KMSCipherTextKey": sealed });
                if challenge.is_some() {
                    result["ChallengeAcknowledgement"] = true.into();
                }
                ProcessedAction::done(name, result)
            }
            other => {
                let why = format!("the agent asks for {other:?}, which is not known here");
                ProcessedAction::failed(name, 3, why)
            }
        }
    }

    /// Proves to the agent that both have the same key.
    pub(super) fn challenge(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        let cipher = self.cipher.as_ref().ok_or("the agent challenges a session that is not encrypted")?;
        let request: Challenge = serde_json::from_slice(request).map_err(|e| e.to_string())?;
        let sealed = STANDARD.decode(request.challenge).map_err(|e| e.to_string())?;
        let answer = Challenge { challenge: STANDARD.encode(cipher.seal(&cipher.open(&sealed)?)?) };
        serde_json::to_vec(&answer).map_err(|e| e.to_string())
    }
}
