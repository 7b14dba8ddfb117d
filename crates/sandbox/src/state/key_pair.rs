//! Key pairs: only the public half is kept.

use serde::{Deserialize, Serialize};

use super::Time;

/// The kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// 2048 bits when made here.
    Rsa,
    /// Ed25519.
    Ed25519,
}

impl KeyType {
    /// As EC2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// `key-…`
    pub id: String,
    /// Unique in a region.
    pub name: String,
    /// Kind.
    pub key_type: KeyType,
    /// As EC2 computes it, which depends on the kind and on who made the key.
    pub fingerprint: String,
    /// The OpenSSH public key line.
    pub public_key: String,
    /// When.
    pub created: Time,
}
