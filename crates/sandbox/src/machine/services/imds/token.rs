//! Session tokens of version 2: random, with a lifetime, gone when the service ends.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;

/// The tokens that are valid.
#[derive(Debug, Default)]
pub struct Tokens {
    until: HashMap<String, Instant>,
}

impl Tokens {
    /// A new token that lives for `seconds`; `None` when the system has no randomness to give.
    pub fn issue(&mut self, seconds: u32, now: Instant) -> Option<String> {
        // Expired ones are dropped here, so that a client that asks for each request does not fill the memory.
        self.until.retain(|_, until| *until > now);
        let mut random = [0; 40];
        getrandom::fill(&mut random).ok()?;
        let token = base64::engine::general_purpose::URL_SAFE.encode(random);
        self.until.insert(token.clone(), now + Duration::from_secs(u64::from(seconds)));
        Some(token)
    }

    /// The seconds that a token has left; `None` when it is unknown or over.
    pub fn lifetime_left(&self, token: &str, now: Instant) -> Option<u64> {
        let until = self.until.get(token)?;
        (*until > now).then(|| (*until - now).as_secs())
    }
}
