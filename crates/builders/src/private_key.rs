//! Private keys: checks of files that a template names, and the keys that a build makes for itself in memory.

use imgbuild_diag::Secret;
use ssh_key::{Algorithm, EcdsaCurve, LineEnding, PrivateKey};
use std::path::Path;

/// Whether a file holds a private key that can be used without a passphrase. The error is one sentence for people.
pub fn check(path: &Path) -> Result<(), String> {
    let text = read(path)?;
    if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
        let key = PrivateKey::from_openssh(&text).map_err(|e| format!("{} can't be read: {e}", path.display()))?;
        return if key.is_encrypted() { Err(encrypted(path)) } else { Ok(()) };
    }
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(encrypted(path));
    }
    let pem =
        ["RSA ", "EC ", "DSA ", ""].iter().any(|kind| text.contains(&format!("-----BEGIN {kind}PRIVATE KEY-----")));
    if pem { Ok(()) } else { Err(format!("{} holds no private key in OpenSSH or PEM format", path.display())) }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("open {}: no such file or directory", path.display()),
        _ => format!("open {}: {error}", path.display()),
    })
}

fn encrypted(path: &Path) -> String {
    format!("{} is protected by a passphrase; add it to an agent and set \"ssh_agent_auth\"", path.display())
}

/// Whether a file holds an OpenSSH certificate.
pub fn check_certificate(path: &Path) -> Result<(), String> {
    let text = read(path)?;
    ssh_key::Certificate::from_openssh(text.trim())
        .map(|_| ())
        .map_err(|e| format!("{} can't be read as a certificate: {e}", path.display()))
}

/// Whether a text holds a public key: `ssh-ed25519 AAAA…`, with or without host names before and a comment after.
pub fn check_public(text: &str) -> Result<(), String> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let found = fields.windows(2).any(|pair| ssh_key::PublicKey::from_openssh(&pair.join(" ")).is_ok());
    if found { Ok(()) } else { Err("it has no type and key as in \"ssh-ed25519 AAAA…\"".into()) }
}

/// A key pair in memory.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// In OpenSSH's format.
    pub private: Secret,
    /// `type base64 comment`.
    pub public: String,
}

/// What kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Ed25519.
    Ed25519,
    /// RSA with this many bits.
    Rsa(u32),
    /// ECDSA on P-256: the newest type that cloud-init on Ubuntu 14.04 can install as a host key.
    EcdsaP256,
}

/// Makes a key pair. Fails only where the system has no randomness.
pub fn make(what: Make, comment: &str) -> Result<KeyPair, String> {
    let mut random = rand::rng();
    let mut key = match what {
        Make::Ed25519 => PrivateKey::random(&mut random, Algorithm::Ed25519),
        Make::EcdsaP256 => PrivateKey::random(&mut random, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }),
        Make::Rsa(bits) => ssh_key::private::RsaKeypair::random(&mut random, bits as usize).map(PrivateKey::from),
    }
    .map_err(|e| format!("no key could be made: {e}"))?;
    key.set_comment(comment);
    let private = key.to_openssh(LineEnding::LF).map_err(|e| format!("the key can't be written: {e}"))?;
    let public = key.public_key().to_openssh().map_err(|e| format!("the key can't be written: {e}"))?;
    Ok(KeyPair { private: Secret::new(private.to_string()), public })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_keys_that_read_back() {
        for (make_what, prefix) in [(Make::Ed25519, "ssh-ed25519 "), (Make::EcdsaP256, "ecdsa-sha2-nistp256 ")] {
            let pair = make(make_what, "c").unwrap();
            assert!(pair.public.starts_with(prefix) && pair.public.ends_with(" c"), "{}", pair.public);
            let read = PrivateKey::from_openssh(pair.private.expose()).unwrap();
            assert_eq!(read.public_key().to_openssh().unwrap(), pair.public);
        }
    }

    #[test]
    fn files_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, make(Make::Ed25519, "").unwrap().private.expose()).unwrap();
        assert_eq!(check(&path), Ok(()));
        std::fs::write(&path, "hello").unwrap();
        assert!(check(&path).unwrap_err().contains("no private key"));
        assert!(check(&dir.path().join("none")).is_err());
    }
}
