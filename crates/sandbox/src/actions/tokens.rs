//! `ClientToken`: the same call with the same token makes nothing new; another call with it is refused
//! (EC2 developer guide, "Ensuring idempotency").

use crate::state::{Region, Time, Token};
use crate::wire::{ApiError, Params, Result};

/// A call's client token.
pub struct ClientToken {
    key: Option<String>,
    fingerprint: String,
}

impl ClientToken {
    /// Reads the token of this action's call.
    pub fn parse(p: &Params, action: &str) -> Result<Self> {
        let token = p.text("ClientToken");
        if let Some(t) = token.as_ref().filter(|t| t.len() > 64 || !t.bytes().all(|b| (33..=126).contains(&b))) {
            return Err(ApiError::value("clientToken", t, "Expected up to 64 ASCII characters."));
        }
        Ok(Self { key: token.map(|t| format!("{action} {t}")), fingerprint: p.fingerprint() })
    }

    /// What an earlier call with this token made.
    pub fn made(&self, region: &Region) -> Result<Option<String>> {
        match self.key.as_ref().and_then(|k| region.tokens.get(k)) {
            None => Ok(None),
            Some(token) if token.fingerprint == self.fingerprint => Ok(Some(token.id.clone())),
            Some(_) => Err(ApiError::new(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )),
        }
    }

    /// Remembers what this call made.
    pub fn remember(self, region: &mut Region, id: &str, time: Time) {
        if let Some(key) = self.key {
            region.tokens.insert(key, Token { fingerprint: self.fingerprint, id: id.to_owned(), time });
        }
    }
}
