//! Digests, password hashes, UUIDs, vault.

mod crypt;

use super::{Call, Table, encoding, refuse};
use crate::eval::fail;
use crate::val::{R, Val};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use std::collections::BTreeMap;

pub(super) const TABLE: Table = &[
    ("checksum", digest),
    ("hash", hash),
    ("md5", digest),
    ("password_hash", crypt::password_hash),
    ("sha1", digest),
    ("to_uuid", to_uuid),
    ("unvault", unvault),
    ("vault", vault),
];

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The digest of that name in hexadecimal; `None`: there is none.
pub(crate) fn hexdigest(name: &str, data: &[u8]) -> Option<String> {
    Some(match name.to_lowercase().replace('-', "").as_str() {
        "md5" => hex(&Md5::digest(data)),
        "sha1" => hex(&Sha1::digest(data)),
        "sha224" => hex(&sha2::Sha224::digest(data)),
        "sha256" => hex(&sha2::Sha256::digest(data)),
        "sha384" => hex(&sha2::Sha384::digest(data)),
        "sha512" => hex(&sha2::Sha512::digest(data)),
        _ => return None,
    })
}

fn digest(c: Call<'_, '_>) -> R {
    let name = if c.name == "md5" { "md5" } else { "sha1" };
    let data = encoding::bytes(&c)?;
    Ok(Val::str(hexdigest(name, &data).unwrap_or_default()))
}

fn hash(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["hashtype"])?;
    let name = bound.text_or(0, "sha1");
    let data = encoding::bytes(&c)?;
    hexdigest(&name, &data).map(Val::str).ok_or_else(|| fail(format!("unsupported hash type {name}")))
}

/// A name-based UUID; the default namespace is Ansible's own.
fn to_uuid(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["namespace"])?;
    let namespace = bound.text_or(0, "361E6D51-FAEC-444A-9079-341386DA8E2E");
    let namespace = uuid::Uuid::parse_str(&namespace).map_err(|_| {
        fail(format!("Invalid value '{namespace}' for 'namespace': badly formed hexadecimal UUID string"))
    })?;
    Ok(Val::str(uuid::Uuid::new_v5(&namespace, c.text()?.as_bytes()).to_string()))
}

fn options(c: &Call<'_, '_>) -> R<BTreeMap<String, crate::Value>> {
    c.args.kw.iter().map(|(k, v)| Ok((k.to_string(), c.cx.finish(v)?))).collect()
}

fn secret(c: &Call<'_, '_>) -> R<String> {
    match c.args.pos.first().or_else(|| c.args.kw("secret")) {
        Some(Val::Str(s)) => Ok(s.text.to_string()),
        Some(Val::Marker(e)) => Err((**e).clone()),
        Some(other) => {
            refuse(format!("Secret passed is required to be a string, instead we got: {}", super::class(other)))
        }
        None => refuse("missing 1 required positional argument: 'secret'"),
    }
}

fn vault(c: Call<'_, '_>) -> R {
    if let Some(e) = c.input.marker() {
        return Err((**e).clone());
    }
    let plain = match &c.input {
        Val::Str(_) | Val::Bytes(_) => encoding::bytes(&c)?,
        other => return refuse(format!("Can only vault strings, instead we got: {}", super::class(other))),
    };
    let mut options = options(&c)?;
    options.remove("secret");
    for (i, name) in ["salt", "vault_id", "wrap_object", "vaultid"].iter().enumerate() {
        if let Some(v) = c.args.pos.get(i + 1) {
            options.insert((*name).to_owned(), c.cx.finish(v)?);
        }
    }
    let text = c.cx.templar.host().vault(&plain, &secret(&c)?, &options).map_err(fail)?;
    Ok(Val::str(text))
}

fn unvault(c: Call<'_, '_>) -> R {
    if let Some(e) = c.input.marker() {
        return Err((**e).clone());
    }
    let envelope = match &c.input {
        Val::Vault(s) => s.text.to_string(),
        Val::Str(s) => s.text.to_string(),
        other => {
            return refuse(format!("Vault should be in the form of a string, instead we got: {}", super::class(other)));
        }
    };
    let secret = secret(&c)?;
    if !envelope.starts_with("$ANSIBLE_VAULT;") {
        return Ok(Val::str(envelope));
    }
    let id = options(&c)?.get("vault_id").and_then(|v| v.as_str().map(str::to_owned));
    c.cx.templar.host().unvault(&envelope, &secret, id.as_deref()).map(Val::str).map_err(fail)
}
