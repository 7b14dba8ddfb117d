//! Checksums, as lower-case hex.

use crate::outcome::{Fail, OrFail};
use sha1::digest::Digest;
use std::io::Read;
use std::path::Path;

fn digest<D: Digest>(mut reader: impl Read) -> std::io::Result<String> {
    let mut hasher = D::new();
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes as hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The digest by Ansible's name (`md5`, `sha1`, `sha224`, `sha256`, `sha384`, `sha512`, `sha3_256`, ...); `None`: unknown name.
pub fn of(algorithm: &str, reader: impl Read) -> Option<std::io::Result<String>> {
    Some(match algorithm {
        "md5" => digest::<md5::Md5>(reader),
        "sha1" | "sha" => digest::<sha1::Sha1>(reader),
        "sha224" => digest::<sha2::Sha224>(reader),
        "sha256" => digest::<sha2::Sha256>(reader),
        "sha384" => digest::<sha2::Sha384>(reader),
        "sha512" => digest::<sha2::Sha512>(reader),
        "sha3_224" => digest::<sha3::Sha3_224>(reader),
        "sha3_256" => digest::<sha3::Sha3_256>(reader),
        "sha3_384" => digest::<sha3::Sha3_384>(reader),
        "sha3_512" => digest::<sha3::Sha3_512>(reader),
        _ => return None,
    })
}

/// A file's digest.
pub fn file(algorithm: &str, path: &Path) -> Result<String, Fail> {
    let opened = std::fs::File::open(path).at("can't read", path)?;
    match of(algorithm, opened) {
        Some(digest) => digest.at("can't read", path),
        None => Err(Fail::new(format!("Could not hash file '{}' with algorithm '{algorithm}'", path.display()))),
    }
}

/// SHA-1 of bytes.
pub fn sha1(bytes: &[u8]) -> String {
    hex(&sha1::Sha1::digest(bytes))
}

/// MD5 of bytes.
#[cfg(test)]
pub fn md5(bytes: &[u8]) -> String {
    hex(&md5::Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_digests() {
        assert_eq!(super::sha1(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(super::md5(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        let sha3 = super::of("sha3_256", &b""[..]).unwrap().unwrap();
        assert_eq!(sha3, "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a");
        assert!(super::of("crc", &b""[..]).is_none());
    }
}
