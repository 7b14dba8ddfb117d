//! Hashes, ids and keys: `md5`, `sha1`, `sha256`, `sha512`, `bcrypt`, `rsadecrypt`, `uuidv4`, `uuidv5`.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use sha2::Digest as _;
use uuid::Uuid;

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("bcrypt", &[p("str", Kind::String)], Kind::String, bcrypt).rest(p("cost", Kind::Number)),
    Spec::new("md5", &[p("str", Kind::String)], Kind::String, |c| Ok(hex(&md5::Md5::digest(c.text(0))))),
    Spec::new("rsadecrypt", &[p("ciphertext", Kind::String), p("privatekey", Kind::String)], Kind::String, rsadecrypt),
    Spec::new("sha1", &[p("str", Kind::String)], Kind::String, |c| Ok(hex(&sha1::Sha1::digest(c.text(0))))),
    Spec::new("sha256", &[p("str", Kind::String)], Kind::String, |c| Ok(hex(&sha2::Sha256::digest(c.text(0))))),
    Spec::new("sha512", &[p("str", Kind::String)], Kind::String, |c| Ok(hex(&sha2::Sha512::digest(c.text(0))))),
    Spec::new("uuidv4", &[], Kind::String, uuidv4),
    Spec::new("uuidv5", &[p("namespace", Kind::String), p("name", Kind::String)], Kind::String, uuidv5),
];

/// The highest cost of `bcrypt`: a minute or so. Packer takes 31, which is days.
const SLOWEST: i64 = 20;

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
}

fn bcrypt(c: &Call<'_>) -> Result {
    if c.args.len() > 2 {
        return c.fail("no more than two arguments are taken");
    }
    let cost = if c.args.len() == 2 { c.int(1)? } else { 10 };
    let cost = match cost {
        // Below the least cost the usual one is taken.
        ..4 => 10,
        4..=SLOWEST => cost as u32,
        more => {
            let message =
                format!("a cost of {more} takes too long: each one more doubles the time, and {SLOWEST} is the most");
            return c.bad(1, message);
        }
    };
    if c.text(0).len() > 72 {
        return c.bad(0, "bcrypt takes at most 72 bytes");
    }
    let mut salt = [0; 16];
    (c.ctx.random)(&mut salt);
    match bcrypt::hash_with_salt(c.text(0), cost, salt) {
        Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoA).into()),
        Err(error) => c.fail(format!("the hash can't be made: {error}")),
    }
}

fn rsadecrypt(c: &Call<'_>) -> Result {
    let Ok(cipher) = STANDARD.decode(c.text(0)) else {
        return c.bad(0, "the cipher text must be in base64");
    };
    if c.text(1).contains("Proc-Type: 4,ENCRYPTED") {
        return c.bad(1, "keys with a passphrase are not supported; decrypt the key first");
    }
    let Ok(key) = rsa::RsaPrivateKey::from_pkcs1_pem(c.text(1)) else {
        return c.bad(1, "no RSA private key in PEM form (BEGIN RSA PRIVATE KEY) found");
    };
    match key.decrypt(rsa::Pkcs1v15Encrypt, &cipher) {
        Ok(plain) => Ok(String::from_utf8_lossy(&plain).into_owned().into()),
        Err(_) => c.fail("the text can't be decrypted with this key"),
    }
}

fn uuidv4(c: &Call<'_>) -> Result {
    let mut bytes = [0; 16];
    (c.ctx.random)(&mut bytes);
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into())
}

fn uuidv5(c: &Call<'_>) -> Result {
    let namespace = match c.text(0) {
        "dns" => Uuid::NAMESPACE_DNS,
        "url" => Uuid::NAMESPACE_URL,
        "oid" => Uuid::NAMESPACE_OID,
        "x500" => Uuid::NAMESPACE_X500,
        other => match Uuid::parse_str(other) {
            Ok(id) => id,
            Err(_) => return c.bad(0, "a namespace is dns, url, oid, x500 or a UUID"),
        },
    };
    Ok(Uuid::new_v5(&namespace, c.text(1).as_bytes()).to_string().into())
}
