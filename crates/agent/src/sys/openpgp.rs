//! OpenPGP public keys: taking them out of armour, telling them apart, their fingerprints. Enough to keep apt's and rpm's key
//! rings without gpg on the host; no signature is ever checked here.

use base64::Engine;
use sha1::digest::Digest;

/// A primary key with all that belongs to it, as it stands in a key ring.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Fingerprint of the primary key, upper-case hex.
    pub fingerprint: String,
    /// Fingerprints of the subkeys.
    pub subkeys: Vec<String>,
    /// User ids.
    pub users: Vec<String>,
    /// The packets.
    pub bytes: Vec<u8>,
}

impl Key {
    /// Whether an id (8, 16 or 40 hex digits, perhaps with 0x) means this key.
    pub fn is(&self, id: &str) -> bool {
        let id: String = id
            .trim()
            .trim_start_matches("0x")
            .trim_start_matches("0X")
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect();
        let id = id.to_ascii_uppercase();
        !id.is_empty() && std::iter::once(&self.fingerprint).chain(&self.subkeys).any(|f| f.ends_with(&id))
    }

    /// The long id: 16 digits.
    pub fn long_id(&self) -> &str {
        &self.fingerprint[self.fingerprint.len().saturating_sub(16)..]
    }
}

/// The bytes inside all armour blocks of a text; bytes without armour as they are.
pub fn dearmor(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        return Ok(bytes.to_vec());
    }
    let mut out = Vec::new();
    for block in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1) {
        let block = block.split("-----END PGP PUBLIC KEY BLOCK-----").next().unwrap_or_default();
        // Headers end with an empty line; blocks without headers exist too.
        let mut lines: Vec<&str> = block.lines().map(str::trim).collect();
        if let Some(blank) = lines.iter().skip(1).position(|l| l.is_empty())
            && lines[1..=blank].iter().all(|l| l.is_empty() || l.contains(": "))
        {
            lines.drain(..=blank);
        }
        let body: String = lines.iter().filter(|l| !l.is_empty() && !l.starts_with('=')).copied().collect();
        let decoded = base64::engine::general_purpose::STANDARD.decode(body.as_bytes());
        out.extend(decoded.map_err(|e| format!("the key's armour is broken: {e}"))?);
    }
    Ok(out)
}

struct Packet<'a> {
    tag: u8,
    whole: &'a [u8],
    body: &'a [u8],
}

fn next_packet(bytes: &[u8]) -> Result<Packet<'_>, String> {
    let cut = || "the key data ends in the middle of a packet".to_string();
    let first = *bytes.first().ok_or_else(cut)?;
    if first & 0x80 == 0 {
        return Err("the data is no OpenPGP key".into());
    }
    let byte = |i: usize| bytes.get(i).map(|b| *b as usize).ok_or_else(cut);
    let (tag, head, length) = if first & 0x40 != 0 {
        let (head, length) = match byte(1)? {
            l @ 0..=191 => (2, l),
            l @ 192..=223 => (3, ((l - 192) << 8) + byte(2)? + 192),
            255 => (6, (byte(2)? << 24) | (byte(3)? << 16) | (byte(4)? << 8) | byte(5)?),
            _ => return Err("the key data holds packets of unknown length".into()),
        };
        (first & 0x3f, head, length)
    } else {
        let (head, length) = match first & 3 {
            0 => (2, byte(1)?),
            1 => (3, (byte(1)? << 8) | byte(2)?),
            2 => (5, (byte(1)? << 24) | (byte(2)? << 16) | (byte(3)? << 8) | byte(4)?),
            _ => (1, bytes.len() - 1),
        };
        (first >> 2 & 0xf, head, length)
    };
    let whole = bytes.get(..head + length).ok_or_else(cut)?;
    Ok(Packet { tag, whole, body: &whole[head..] })
}

fn fingerprint(body: &[u8]) -> Option<String> {
    let hex = |bytes: &[u8]| super::hash::hex(bytes).to_ascii_uppercase();
    match body.first()? {
        4 => {
            let mut hasher = sha1::Sha1::new();
            hasher.update([0x99, (body.len() >> 8) as u8, body.len() as u8]);
            hasher.update(body);
            Some(hex(&hasher.finalize()))
        }
        5 | 6 => {
            let mut hasher = sha2::Sha256::new();
            let prefix = if body[0] == 6 { 0x9b } else { 0x9a };
            hasher.update([prefix]);
            hasher.update((body.len() as u32).to_be_bytes());
            hasher.update(body);
            Some(hex(&hasher.finalize()))
        }
        _ => None,
    }
}

/// The keys of a ring (armoured or not).
pub fn keys(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let binary = dearmor(bytes)?;
    let mut rest = binary.as_slice();
    let mut out: Vec<Key> = Vec::new();
    while !rest.is_empty() {
        let packet = next_packet(rest)?;
        rest = &rest[packet.whole.len()..];
        if packet.tag == 6 {
            let fingerprint = fingerprint(packet.body).ok_or("the key's version is not supported")?;
            out.push(Key { fingerprint, subkeys: Vec::new(), users: Vec::new(), bytes: Vec::new() });
        }
        let Some(key) = out.last_mut() else { return Err("the data holds no public key".into()) };
        match packet.tag {
            14 => key.subkeys.extend(fingerprint(packet.body)),
            13 => key.users.push(String::from_utf8_lossy(packet.body).into_owned()),
            // Trust packets are a local affair.
            12 => continue,
            _ => {}
        }
        key.bytes.extend_from_slice(packet.whole);
    }
    Ok(out)
}

/// Keys as armour.
pub fn armor(bytes: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut crc: u32 = 0x00b7_04ce;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    let sum = base64::engine::general_purpose::STANDARD.encode(&crc.to_be_bytes()[1..]);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|c| std::str::from_utf8(c).ok()).collect();
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n={sum}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A small key of the right shape: a version 4 primary key, a user id, a trust packet, a subkey.
    pub fn sample() -> Vec<u8> {
        let mut out = vec![0x98, 8, 4, 1, 2, 3, 4, 22, 0, 0];
        out.extend([0xb4, 3]);
        out.extend(b"a@b");
        out.extend([0xb0, 2, 0, 0]);
        out.extend([0xb8, 7, 4, 1, 2, 3, 4, 18, 9]);
        out
    }

    #[test]
    fn rings_armour_and_ids() {
        let ring = [sample(), sample()].concat();
        let found = keys(&ring).unwrap();
        assert_eq!(
            (found.len(), found[0].users.as_slice(), found[0].subkeys.len()),
            (2, ["a@b".to_string()].as_slice(), 1)
        );
        assert!(!found[0].bytes.contains(&0xb0), "trust packets stay behind");
        let again = keys(armor(&found[0].bytes).as_bytes()).unwrap();
        assert_eq!(again[0], found[0]);
        assert!(found[0].is(&format!("0x{}", found[0].long_id().to_lowercase())));
        assert!(found[0].is(&found[0].fingerprint) && !found[0].is("0x00000000") && !found[0].is(""));
        assert!(keys(b"\x98").is_err() && keys(b"hello").is_err() && keys(&[0xb4, 1, 1]).is_err());
        assert_eq!(keys(b"").unwrap(), []);
    }
}
