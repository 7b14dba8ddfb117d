//! `password_hash`: crypt(3) hashes. The salt decides the result; without one it is random.

use super::super::{Call, refuse};
use crate::eval::fail;
use crate::filters::random::Generator;
use crate::val::{R, Val};
use md5::{Digest as _, Md5};
use sha_crypt::{Params, sha256_crypt, sha512_crypt};

const ITOA64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// bcrypt's own order of the same characters.
const BCRYPT64: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Rounds that crypt(3) takes without being told, and that are not written into the hash.
const IMPLIED_ROUNDS: u32 = 5000;

pub(super) fn password_hash(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["hashtype", "salt", "salt_size", "rounds", "ident"])?;
    let password = match &c.input {
        Val::Str(s) => s.text.to_string(),
        Val::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
        other => return refuse(format!("secret must be unicode or bytes, not {}", other.type_name())),
    };
    let kind = bound.text_or(0, "sha512");
    let kind = match kind.as_str() {
        "md5" | "md5_crypt" => "md5",
        "sha256" | "sha256_crypt" => "sha256",
        "sha512" | "sha512_crypt" => "sha512",
        "blowfish" | "bcrypt" => "bcrypt",
        other => {
            return refuse(format!(
                "{other} is not in the list of supported passlib algorithms: md5, blowfish, sha256, sha512"
            ));
        }
    };
    let (default_size, most) = match kind {
        "md5" => (8, 8),
        "bcrypt" => (22, 22),
        _ => (16, 16),
    };
    let salt = match bound.some(1) {
        Some(salt) => c.cx.text(salt)?,
        None => {
            let Ok(size) = bound.int_or(2, default_size) else { return refuse("salt_size must be an integer") };
            let size = usize::try_from(size).unwrap_or(0).clamp(1, most);
            let mut random = Generator::fresh(c.cx);
            (0..size).map(|_| char::from(ITOA64[random.below(64) as usize])).collect()
        }
    };
    if kind != "bcrypt" && salt.chars().count() > most {
        return refuse(format!("Could not hash the secret: salt too large ({kind}_crypt requires <= {most} chars)"));
    }
    let alphabet = if kind == "bcrypt" { BCRYPT64 } else { ITOA64 };
    if !salt.bytes().all(|b| alphabet.contains(&b)) {
        return refuse(format!("Could not hash the secret: invalid characters in {kind}_crypt salt"));
    }
    let rounds = bound.some(3).map(|_| bound.int_or(3, 0)).transpose()?;
    let hashed = match kind {
        "md5" => md5_crypt(password.as_bytes(), salt.as_bytes()),
        "bcrypt" => bcrypt_hash(&password, &salt, rounds.unwrap_or(12), &bound.text_or(4, "2b"))?,
        _ => sha(kind == "sha512", &password, &salt, rounds)?,
    };
    Ok(Val::str(hashed))
}

/// Groups of bytes as crypt(3)'s base 64: least significant bits first.
fn encode(out: &mut String, mut value: u32, chars: usize) {
    for _ in 0..chars {
        out.push(char::from(ITOA64[(value & 0x3f) as usize]));
        value >>= 6;
    }
}

/// Ansible asks passlib for 656,000 (sha512) and 535,000 (sha256) rounds.
fn sha(long: bool, password: &str, salt: &str, rounds: Option<i64>) -> R<String> {
    let rounds = match rounds {
        Some(n) => u32::try_from(n)
            .ok()
            .filter(|n| (1000..=999_999_999).contains(n))
            .ok_or_else(|| fail("Could not hash the secret: rounds must be between 1000 and 999999999"))?,
        None if long => 656_000,
        None => 535_000,
    };
    let params = Params::new(rounds).map_err(|_| fail("the number of rounds is not allowed"))?;
    let (id, digest): (_, Vec<u8>) = if long {
        ('6', sha512_crypt(password.as_bytes(), salt.as_bytes(), params).to_vec())
    } else {
        ('5', sha256_crypt(password.as_bytes(), salt.as_bytes(), params).to_vec())
    };
    let mut out = format!("${id}$");
    if rounds != IMPLIED_ROUNDS {
        out.push_str(&format!("rounds={rounds}$"));
    }
    out.push_str(salt);
    out.push('$');
    let at = |i: usize| u32::from(digest.get(i).copied().unwrap_or(0));
    if long {
        let (mut a, mut b, mut c) = (0, 21, 42);
        for _ in 0..21 {
            encode(&mut out, at(a) << 16 | at(b) << 8 | at(c), 4);
            (a, b, c) = (b + 1, c + 1, a + 1);
        }
        encode(&mut out, at(63), 2);
    } else {
        let (mut a, mut b, mut c) = (0, 10, 20);
        for _ in 0..10 {
            encode(&mut out, at(a) << 16 | at(b) << 8 | at(c), 4);
            (a, b, c) = (c + 1, a + 1, b + 1);
        }
        encode(&mut out, at(31) << 8 | at(30), 3);
    }
    Ok(out)
}

/// The `$1$` scheme.
fn md5_crypt(password: &[u8], salt: &[u8]) -> String {
    let mut inner = Md5::new();
    inner.update(password);
    inner.update(salt);
    inner.update(password);
    let inner = inner.finalize();
    let mut outer = Md5::new();
    outer.update(password);
    outer.update(b"$1$");
    outer.update(salt);
    outer.update(inner.iter().copied().cycle().take(password.len()).collect::<Vec<u8>>());
    let mut bits = password.len();
    while bits > 0 {
        outer.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut digest = outer.finalize();
    for i in 0..1000 {
        let mut round = Md5::new();
        if i % 2 == 1 {
            round.update(password)
        } else {
            round.update(digest)
        }
        if i % 3 != 0 {
            round.update(salt);
        }
        if i % 7 != 0 {
            round.update(password);
        }
        if i % 2 == 1 {
            round.update(digest)
        } else {
            round.update(password)
        }
        digest = round.finalize();
    }
    let mut out = format!("$1${}$", String::from_utf8_lossy(salt));
    let at = |i: usize| u32::from(digest[i]);
    for (a, b, c) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
        encode(&mut out, at(a) << 16 | at(b) << 8 | at(c), 4);
    }
    encode(&mut out, at(11), 2);
    out
}

fn bcrypt_hash(password: &str, salt: &str, rounds: i64, ident: &str) -> R<String> {
    let cost = u32::try_from(rounds)
        .ok()
        .filter(|n| (4..=31).contains(n))
        .ok_or_else(|| fail("rounds must be between 4 and 31"))?;
    let version = match ident.trim_matches('$') {
        "2" | "2a" => bcrypt::Version::TwoA,
        "2y" => bcrypt::Version::TwoY,
        "2b" => bcrypt::Version::TwoB,
        other => return refuse(format!("unknown bcrypt ident '{other}'")),
    };
    if salt.len() != 22 {
        return refuse("invalid salt size: bcrypt needs 22 characters");
    }
    // 22 characters of 6 bits hold 16 bytes and 4 bits that are cut off.
    let mut bytes = [0u8; 16];
    let bit = |i: usize| {
        let value = BCRYPT64.iter().position(|b| Some(b) == salt.as_bytes().get(i / 6)).unwrap_or(0);
        (value >> (5 - i % 6)) & 1
    };
    for i in 0..128 {
        bytes[i / 8] |= (bit(i) as u8) << (7 - i % 8);
    }
    let parts = bcrypt::non_truncating_hash_with_salt(password, cost, bytes).map_err(|_| {
        fail("Could not hash the secret: password cannot be longer than 72 bytes, truncate manually if necessary (e.g. my_password[:72])")
    })?;
    Ok(parts.format_for_version(version))
}
