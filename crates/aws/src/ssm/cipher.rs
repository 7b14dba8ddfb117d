//! Sealing what travels with a data key of KMS, where the account's preferences ask for it.
//!
//! Of the 64 bytes of the key the first half is the agent's to seal with, the second ours. A sealed payload is a nonce of 12
//! bytes and the AES-256-GCM text. Source: `encrypter.go` of session-manager-plugin 1.2.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a data key.
pub const KEY_LENGTH: usize = 64;

/// The keys of a session.
pub struct Cipher {
    ours: LessSafeKey,
    theirs: LessSafeKey,
    random: SystemRandom,
}

impl Cipher {
    /// Of a data key; none if it has not the right length.
    pub fn new(key: &[u8]) -> Option<Self> {
        if key.len() != KEY_LENGTH {
            return None;
        }
        let (theirs, ours) = key.split_at(KEY_LENGTH / 2);
        let make = |half: &[u8]| UnboundKey::new(&AES_256_GCM, half).ok().map(LessSafeKey::new);
        Some(Cipher { ours: make(ours)?, theirs: make(theirs)?, random: SystemRandom::new() })
    }

    /// Seals.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| "this machine has no random numbers")?;
        let mut text = plain.to_vec();
        let sealed = self.ours.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text);
        sealed.map_err(|_| "a message could not be encrypted")?;
        Ok([&nonce[..], &text].concat())
    }

    /// Opens what the agent sealed.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        const WRONG: &str = "a message of the agent could not be decrypted with the session's key";
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(WRONG)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| WRONG)?;
        let mut text = text.to_vec();
        let length = self.theirs.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| WRONG)?.len();
        text.truncate(length);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_seals_with_its_own_half() {
        let key: Vec<u8> = (0..64).collect();
        let swapped = [&key[32..], &key[..32]].concat();
        let (ours, agent) = (Cipher::new(&key).unwrap(), Cipher::new(&swapped).unwrap());
        let sealed = ours.seal(b"text").unwrap();
        assert_eq!(sealed.len(), 12 + 4 + 16);
        assert_ne!(sealed, ours.seal(b"text").unwrap(), "no nonce twice");
        assert_eq!(agent.open(&sealed).unwrap(), b"text");
        assert_eq!(ours.open(&agent.seal(b"back").unwrap()).unwrap(), b"back");
        assert!(ours.open(&sealed).is_err(), "our own half does not open what we sealed");
        assert!(ours.open(b"short").is_err());
        assert!(Cipher::new(&key[..32]).is_none());
    }
}
