//! Making and reading SSH keys, with the fingerprints that EC2 computes: SHA-1 of the private key's PKCS#8 for RSA keys made
//! here, MD5 of the public key's DER for imported ones, SHA-256 for Ed25519 (EC2 user guide, "Verify keys").

use imgbuild_diag::Secret;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha1::{Digest as _, Sha1};
use ssh_key::{Algorithm, HashAlg, PrivateKey, PublicKey};

use crate::state::KeyType;

/// A key that was just made.
pub struct NewKey {
    /// As EC2 shows it.
    pub fingerprint: String,
    /// One OpenSSH line.
    pub public_key: String,
    /// PEM: PKCS#1 for RSA, OpenSSH's own for Ed25519.
    pub private_key: Secret<String>,
}

/// Why a key could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// RSA.
    #[error("RSA: {0}")]
    Rsa(String),
    /// The SSH format.
    #[error("not an SSH key: {0}")]
    Ssh(#[from] ssh_key::Error),
    /// DSA, ECDSA, …
    #[error("EC2 takes RSA and Ed25519 keys only, not {0}")]
    Kind(String),
}

fn rsa_error(e: impl std::fmt::Display) -> KeyError {
    KeyError::Rsa(e.to_string())
}

/// Makes a key; RSA has 2048 bits and takes a moment.
pub fn generate(kind: KeyType) -> Result<NewKey, KeyError> {
    match kind {
        KeyType::Ed25519 => {
            let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
            Ok(NewKey {
                fingerprint: sha256(key.public_key()),
                public_key: key.public_key().to_openssh()?,
                private_key: Secret::new(key.to_openssh(ssh_key::LineEnding::LF)?.to_string()),
            })
        }
        KeyType::Rsa => {
            let key = RsaPrivateKey::new(&mut rand::rng(), 2048).map_err(rsa_error)?;
            let der = key.to_pkcs8_der().map_err(rsa_error)?;
            let public = PublicKey::from(ssh_key::public::RsaPublicKey::try_from(&RsaPublicKey::from(&key))?);
            Ok(NewKey {
                fingerprint: colons(&Sha1::digest(der.as_bytes())),
                public_key: public.to_openssh()?,
                private_key: Secret::new(key.to_pkcs1_pem(LineEnding::LF).map_err(rsa_error)?.to_string()),
            })
        }
    }
}

/// Reads an OpenSSH public key line: kind, fingerprint, and the line without its comment's surroundings.
pub fn import(text: &str) -> Result<(KeyType, String, String), KeyError> {
    let key = PublicKey::from_openssh(text.trim())?;
    match key.algorithm() {
        Algorithm::Ed25519 => Ok((KeyType::Ed25519, sha256(&key), key.to_openssh()?)),
        Algorithm::Rsa { .. } => {
            let data = key.key_data().rsa().ok_or_else(|| KeyError::Kind("this".into()))?;
            let public = RsaPublicKey::try_from(data)?;
            let der = public.to_public_key_der().map_err(rsa_error)?;
            Ok((KeyType::Rsa, colons(&md5::Md5::digest(der.as_bytes())), key.to_openssh()?))
        }
        other => Err(KeyError::Kind(other.to_string())),
    }
}

/// Base64 with padding, as EC2 writes it, without OpenSSH's prefix.
fn sha256(key: &PublicKey) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(key.fingerprint(HashAlg::Sha256).as_bytes())
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ed25519_keys_round_trip() {
        let new = generate(KeyType::Ed25519).unwrap();
        assert!(new.private_key.expose().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
        let (kind, fingerprint, line) = import(&new.public_key).unwrap();
        assert_eq!((kind, fingerprint, line), (KeyType::Ed25519, new.fingerprint, new.public_key));
    }

    #[test]
    fn known_fingerprints() {
        // openssl rsa -in KEY -pubout -outform DER | openssl md5 -c, as the user guide has it.
        let line = include_str!("../tests/data/rsa.pub");
        let expected = include_str!("../tests/data/rsa.md5").trim();
        assert_eq!(import(line).unwrap().1, expected);
        assert!(import("ssh-rsa nonsense").is_err());
        assert!(matches!(import(include_str!("../tests/data/ecdsa.pub")), Err(KeyError::Kind(_))));
    }
}
