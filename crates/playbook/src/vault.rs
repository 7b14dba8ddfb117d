//! ansible-vault's format 1.1 and 1.2: AES-256 in counter mode, HMAC-SHA256, keys by PBKDF2-SHA256.

use crate::actions::hex;
use crate::settings::{Settings, VaultSecret, exit};
use aes::Aes256;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use imgbuild_diag::Diagnostic;
use sha2::Sha256;
use std::path::Path;

/// What an encrypted text starts with.
pub const HEADER: &str = "$ANSIBLE_VAULT;";
/// PBKDF2 rounds.
const ROUNDS: u32 = 10_000;

/// Why a file can't be read.
#[derive(Debug)]
pub struct Unread {
    message: String,
    /// It is a vault, and no password opens it.
    locked: bool,
}

impl Unread {
    /// The error. A vault that does not open ends ansible-core with 1, as what is missing does, and not with a parser's 4.
    pub fn diagnostic(self) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.message);
        if self.locked { diagnostic.exit(exit::ERROR) } else { diagnostic }
    }
}

impl From<Unread> for String {
    fn from(unread: Unread) -> Self {
        unread.message
    }
}

/// The text of a file, decrypted where it is a vault.
pub fn read_text(path: &Path, settings: &Settings) -> Result<String, Unread> {
    String::from_utf8(read(path, settings)?)
        .map_err(|_| Unread { message: format!("{}: the file is no UTF-8 text", path.display()), locked: false })
}

/// The bytes of a file, decrypted where it is a vault.
pub fn read(path: &Path, settings: &Settings) -> Result<Vec<u8>, Unread> {
    let bytes = fs_err::read(path).map_err(|e| Unread { message: e.to_string(), locked: false })?;
    if !is_encrypted(&bytes) {
        return Ok(bytes);
    }
    if settings.vault_secrets.is_empty() {
        let message = format!("A vault password or secret must be specified to decrypt {}", path.display());
        return Err(Unread { message, locked: true });
    }
    let envelope = String::from_utf8_lossy(&bytes);
    let opened = open(&envelope, None, &settings.vault_secrets, settings.vault_id_match);
    opened.map(|(plain, _)| plain).map_err(|e| Unread { message: format!("{}: {e}", path.display()), locked: true })
}

/// Decrypts an envelope with the first secret that fits; those of its label are tried first, and no others where labels are
/// `strict` (the setting `vault_id_match`).
pub fn decrypt_text(
    envelope: &str,
    vault_id: Option<&str>,
    secrets: &[VaultSecret],
    strict: bool,
) -> Result<String, String> {
    let (plain, _) = open(envelope, vault_id, secrets, strict)?;
    String::from_utf8(plain).map_err(|_| "the decrypted vault is no UTF-8 text".into())
}

/// Whether a file's content is an encrypted one.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(HEADER.as_bytes())
}

/// The label of an envelope (format 1.2).
pub fn label(envelope: &str) -> Result<Option<String>, String> {
    Envelope::parse(envelope).map(|e| e.label)
}

/// Decrypts as [`decrypt_text`] does, to bytes; with them comes the secret that fitted.
pub fn open<'s>(
    envelope: &str,
    vault_id: Option<&str>,
    secrets: &'s [VaultSecret],
    strict: bool,
) -> Result<(Vec<u8>, &'s VaultSecret), String> {
    let parsed = Envelope::parse(envelope)?;
    if secrets.is_empty() {
        return Err("Attempting to decrypt but no vault secrets found".into());
    }
    // Format 1.1 has no label: it is the default one's.
    let label = vault_id.or(parsed.label.as_deref()).or(strict.then_some("default"));
    let (mut order, rest): (Vec<&VaultSecret>, Vec<&VaultSecret>) =
        secrets.iter().partition(|s| label.is_some_and(|l| l == s.id));
    order.extend(rest.into_iter().filter(|_| !strict));
    for secret in order {
        if let Some(plain) = parsed.open(secret.password.expose()) {
            return Ok((plain, secret));
        }
    }
    Err("Decryption failed (no vault secrets were found that could decrypt).".into())
}

/// Decrypts with one secret.
pub fn decrypt_with(envelope: &str, secret: &str) -> Result<String, String> {
    let plain = Envelope::parse(envelope)?.open(secret).ok_or("Decryption failed: the secret does not fit")?;
    String::from_utf8(plain).map_err(|_| "the decrypted vault is no UTF-8 text".into())
}

/// Encrypts. `random` fills the salt where none is given.
pub fn encrypt(
    plain: &[u8],
    secret: &str,
    label: Option<&str>,
    salt: Option<&[u8]>,
    random: impl Fn(&mut [u8]),
) -> Result<String, String> {
    let salt = salt.map_or_else(
        || {
            let mut salt = vec![0; 32];
            random(&mut salt);
            salt
        },
        <[u8]>::to_vec,
    );
    let keys = Keys::derive(secret, &salt);
    let padding = 16 - plain.len() % 16;
    let mut body = plain.to_vec();
    body.extend(std::iter::repeat_n(padding as u8, padding));
    keys.apply(&mut body);
    let mac = keys.mac(&body).finalize().into_bytes();
    let inner = format!("{}\n{}\n{}", hex(&salt), hex(&mac), hex(&body));
    let outer = hex(inner.as_bytes());
    let header = match label.filter(|l| !l.is_empty() && *l != "default") {
        Some(label) => format!("{HEADER}1.2;AES256;{label}"),
        None => format!("{HEADER}1.1;AES256"),
    };
    let mut text = header;
    for chunk in outer.as_bytes().chunks(80) {
        text.push('\n');
        text.push_str(std::str::from_utf8(chunk).unwrap_or_default());
    }
    text.push('\n');
    Ok(text)
}

struct Envelope {
    label: Option<String>,
    salt: Vec<u8>,
    mac: Vec<u8>,
    body: Vec<u8>,
}

/// Why a part of a vault can't be read, in Ansible's words: scripts look for them.
fn broken(text: &str) -> String {
    let why = if text.len().is_multiple_of(2) { "Non-hexadecimal digit found" } else { "Odd-length string" };
    format!("Vault format unhexlify error: {why}")
}

impl Envelope {
    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.trim().lines().map(str::trim);
        let header = lines.next().unwrap_or_default();
        let fields: Vec<&str> = header.split(';').collect();
        let label = match &fields[..] {
            ["$ANSIBLE_VAULT", "1.1", "AES256"] => None,
            ["$ANSIBLE_VAULT", "1.2", "AES256", label] => Some((*label).to_owned()),
            ["$ANSIBLE_VAULT", version, cipher, ..] => {
                return Err(format!("vault version {version} with cipher {cipher} is not supported"));
            }
            _ => return Err("the text is no vault: its first line must be $ANSIBLE_VAULT;1.1;AES256".into()),
        };
        let outer: String = lines.collect();
        let inner = String::from_utf8(unhex(&outer).ok_or_else(|| broken(&outer))?).map_err(|_| broken(&outer))?;
        let mut parts = inner.split('\n');
        let mut part = || {
            let text = parts.next().unwrap_or_default();
            unhex(text).filter(|bytes| !bytes.is_empty()).ok_or_else(|| broken(text))
        };
        Ok(Envelope { label, salt: part()?, mac: part()?, body: part()? })
    }

    fn open(&self, secret: &str) -> Option<Vec<u8>> {
        let keys = Keys::derive(secret, &self.salt);
        keys.mac(&self.body).verify_slice(&self.mac).ok()?;
        let mut body = self.body.clone();
        keys.apply(&mut body);
        let padding = usize::from(*body.last()?);
        if padding == 0 || padding > 16 || padding > body.len() {
            return None;
        }
        body.truncate(body.len() - padding);
        Some(body)
    }
}

struct Keys {
    cipher: [u8; 32],
    mac: [u8; 32],
    counter: [u8; 16],
}

impl Keys {
    fn derive(secret: &str, salt: &[u8]) -> Self {
        let mut all = [0; 80];
        pbkdf2(secret.as_bytes(), salt, &mut all);
        let mut keys = Keys { cipher: [0; 32], mac: [0; 32], counter: [0; 16] };
        keys.cipher.copy_from_slice(&all[..32]);
        keys.mac.copy_from_slice(&all[32..64]);
        keys.counter.copy_from_slice(&all[64..]);
        keys
    }

    fn apply(&self, body: &mut [u8]) {
        ctr::Ctr128BE::<Aes256>::new(&self.cipher.into(), &self.counter.into()).apply_keystream(body);
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.mac) {
            Ok(mac) => mac,
            Err(_) => unreachable!("HMAC takes keys of any length"),
        };
        mac.update(body);
        mac
    }
}

/// RFC 8018, PBKDF2 with HMAC-SHA256.
fn pbkdf2(secret: &[u8], salt: &[u8], out: &mut [u8]) {
    let Ok(base) = Hmac::<Sha256>::new_from_slice(secret) else { return };
    for (index, block) in out.chunks_mut(32).enumerate() {
        let mut mac = base.clone();
        mac.update(salt);
        mac.update(&(index as u32 + 1).to_be_bytes());
        let mut round = mac.finalize().into_bytes();
        let mut sum = round;
        for _ in 1..ROUNDS {
            let mut mac = base.clone();
            mac.update(&round);
            round = mac.finalize().into_bytes();
            sum.iter_mut().zip(round.iter()).for_each(|(s, r)| *s ^= r);
        }
        block.copy_from_slice(&sum[..block.len()]);
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Secret;

    #[test]
    fn there_and_back() {
        let text = encrypt(b"hello\n", "pw", Some("dev"), None, |b| b.fill(7)).unwrap();
        assert!(text.starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"));
        let secret = |id: &str, pw: &str| VaultSecret { id: id.into(), password: Secret::new(pw.to_owned()) };
        let both = [secret("default", "x"), secret("dev", "pw")];
        assert_eq!(decrypt_text(&text, None, &both, false).unwrap(), "hello\n");
        assert_eq!(decrypt_text(&text, None, &both, true).unwrap(), "hello\n");
        assert!(decrypt_text(&text, None, &[secret("dev", "x")], false).is_err());
        assert!(decrypt_text("$ANSIBLE_VAULT;1.1;AES256\nzz\n", None, &[secret("dev", "x")], false).is_err());
        // Labels that must match: only the right password under the right name opens it.
        let other = [secret("prod", "pw")];
        assert!(decrypt_text(&text, None, &other, false).is_ok() && decrypt_text(&text, None, &other, true).is_err());
        let plain = encrypt(b"hello\n", "pw", None, None, |b| b.fill(7)).unwrap();
        assert!(decrypt_text(&plain, None, &[secret("default", "pw")], true).is_ok());
        assert!(decrypt_text(&plain, None, &other, true).is_err());
    }

    #[test]
    fn damaged_vaults_are_told_in_ansibles_words() {
        // The last one ends after its salt.
        for (body, want) in [
            ("6", "Odd-length string"),
            ("6x", "Non-hexadecimal digit found"),
            ("36330a", "Non-hexadecimal digit found"),
        ] {
            let told = Envelope::parse(&format!("$ANSIBLE_VAULT;1.1;AES256\n{body}\n")).err();
            assert_eq!(told, Some(format!("Vault format unhexlify error: {want}")), "{body}");
        }
    }
}
