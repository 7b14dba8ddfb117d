//! As much of KMS as encrypted sessions need: data keys, and opening them with the context that they were made for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::wire::{ApiError, Result};

/// A data key and the context that it was made for.
type Made = (Vec<u8>, BTreeMap<String, String>);

/// The data keys that were made, by what stands for the sealed one.
#[derive(Default)]
pub struct DataKeys(Mutex<BTreeMap<Vec<u8>, Made>>);

impl DataKeys {
    /// A new one: plain, and sealed.
    pub fn make(&self, length: usize, context: BTreeMap<String, String>) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut plain = vec![0; length];
        getrandom::fill(&mut plain).map_err(|e| ApiError::internal(e.to_string()))?;
        let sealed = uuid::Uuid::new_v4().as_bytes().to_vec();
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(sealed.clone(), (plain.clone(), context));
        Ok((plain, sealed))
    }

    /// Opens a sealed one; none with another context.
    pub fn open(&self, sealed: &[u8], context: &BTreeMap<String, String>) -> Option<Vec<u8>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(sealed).filter(|made| made.1 == *context).map(|made| made.0.clone())
    }
}

/// The agent's keys of a session: the first half of the data key seals, the second opens what the client sealed.
pub struct Seal {
    out: LessSafeKey,
    back: LessSafeKey,
    count: u64,
}

impl Seal {
    /// Of a data key of 64 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        let make = |half: &[u8]| UnboundKey::new(&AES_256_GCM, half).ok().map(LessSafeKey::new);
        let (out, back) = key.split_at_checked(32)?;
        Some(Self { out: make(out)?, back: make(back)?, count: 0 })
    }

    /// Nonce and text.
    pub fn close(&mut self, plain: &[u8]) -> Vec<u8> {
        self.count += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.count.to_be_bytes());
        let mut text = plain.to_vec();
        let sealed = self.out.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text);
        if sealed.is_err() {
            return Vec::new();
        }
        [&nonce[..], &text].concat()
    }

    /// What the client sealed.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(12)?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.back.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
        Some(plain.to_vec())
    }
}
