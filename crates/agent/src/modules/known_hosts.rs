//! `known_hosts`: the keys by which hosts are known.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{files, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::digest::Digest;
use std::os::unix::fs::PermissionsExt;

/// HMAC-SHA1, as OpenSSH hashes names.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    block[..key.len().min(64)].copy_from_slice(&key[..key.len().min(64)]);
    let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let mut inner = sha1::Sha1::new();
    inner.update(pad(0x36));
    inner.update(text);
    let mut outer = sha1::Sha1::new();
    outer.update(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().to_vec()
}

fn hashed(name: &str) -> String {
    let salt = random::bytes::<20>();
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hmac(&salt, name.as_bytes())))
}

/// Whether the host field of a line means this name.
fn means(field: &str, name: &str) -> bool {
    if let Some(rest) = field.strip_prefix("|1|") {
        let Some((salt, sum)) = rest.split_once('|') else { return false };
        let (Ok(salt), Ok(sum)) = (STANDARD.decode(salt), STANDARD.decode(sum)) else { return false };
        return hmac(&salt, name.as_bytes()) == sum;
    }
    field.split(',').any(|f| f == name)
}

/// Host field, key type and key of a line, without its marker.
fn fields(line: &str) -> Option<(&str, &str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut words = line.split_whitespace().filter(|w| !w.starts_with('@'));
    Some((words.next()?, words.next()?, words.next()?))
}

/// The file with this host's key in it (or not). Pure but for the salt.
fn plan(text: &str, name: &str, key: Option<&str>, present: bool, hash: bool) -> Result<(String, bool), Fail> {
    let wanted = key.and_then(fields);
    if key.is_some() && wanted.is_none() {
        crate::fail!("the key is no line of a known_hosts file: name, type and key are needed");
    }
    if let Some((host, ..)) = wanted.filter(|(host, ..)| present && !means(host, name)) {
        crate::fail!("Host parameter \"{name}\" does not match hashed host field in supplied key ({host})");
    }
    let mut out = String::new();
    let (mut there, mut changed) = (false, false);
    for line in text.lines() {
        let keep = match (fields(line), wanted) {
            (Some((host, ..)), _) if !means(host, name) => true,
            (Some(_), None) => present,
            (Some((host, kind, data)), Some((_, want_kind, want_data))) => {
                let same = kind == want_kind && data == want_data;
                match (present, same) {
                    (true, true) if there || host.starts_with("|1|") != hash => false,
                    (true, true) => {
                        there = true;
                        true
                    }
                    // Another key of this type is the host's old one.
                    (true, false) => kind != want_kind,
                    (false, same) => !same,
                }
            }
            (None, _) => true,
        };
        if keep {
            out.push_str(line);
            out.push('\n');
        } else {
            changed = true;
        }
    }
    if let Some((host, kind, data)) = wanted.filter(|_| present && !there) {
        let field = if hash { hashed(name) } else { host.to_string() };
        let marker = key
            .unwrap_or_default()
            .split_whitespace()
            .next()
            .filter(|w| w.starts_with('@'))
            .map(|m| format!("{m} "))
            .unwrap_or_default();
        out.push_str(&format!("{marker}{field} {kind} {data}\n"));
        changed = true;
    }
    Ok((out, changed))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?.to_lowercase();
    let path = args.req_path("path")?;
    let present = args.text("state") != "absent";
    let key = args.str("key").filter(|k| !k.trim().is_empty());
    if present && key.is_none() {
        crate::fail!("No key specified when adding a host");
    }
    let existed = path.exists();
    let old = files::read_text(&path)?.unwrap_or_default();
    let mut text = old.clone();
    let mut changed = false;
    let keys: Vec<Option<&str>> = match &key {
        Some(key) => key.lines().filter(|l| !l.trim().is_empty()).map(Some).collect(),
        None => vec![None],
    };
    for key in keys {
        let (new, did) = plan(&text, &name, key, present, args.bool("hash_host"))?;
        (text, changed) = (new, changed || did);
    }
    if changed && !ctx.check {
        let fresh = !path.exists();
        if let Some(dir) = path.parent().filter(|d| !d.exists()) {
            std::fs::create_dir_all(dir).at("can't make the directory", dir)?;
            std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).at("can't set the mode of", dir)?;
        }
        files::write(ctx, &path, text.as_bytes(), false)?;
        if fresh {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).at("can't set the mode of", &path)?;
        }
    }
    let mut out = crate::out! {
        "changed": changed, "name": name, "key": key, "path": path.to_string_lossy(), "hash_host": args.bool("hash_host"),
        "state": args.text("state"),
    };
    if ctx.diff {
        let shown = path.to_string_lossy();
        out.insert("diff".into(), files::diff(&old, &text, if existed { &shown } else { "/dev/null" }, &shown));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_keys() {
        let with = |text: &str, name: &str, key: Option<&str>, present: bool, hash: bool| {
            plan(text, name, key, present, hash).unwrap()
        };
        let key = "h ssh-rsa AAAA";
        assert_eq!(with("# c\n", "h", Some(key), true, false), ("# c\nh ssh-rsa AAAA\n".into(), true));
        assert!(!with("h ssh-rsa AAAA\n", "h", Some(key), true, false).1);
        assert_eq!(
            with("h ssh-rsa OLD\nh ssh-ed25519 X\n", "h", Some(key), true, false).0,
            "h ssh-ed25519 X\nh ssh-rsa AAAA\n"
        );
        let (text, changed) = with("h ssh-rsa AAAA\n", "h", Some(key), true, true);
        assert!(changed && text.starts_with("|1|"), "{text}");
        assert!(!with(&text, "h", Some(key), true, true).1, "a hashed name is known again");
        assert_eq!(with("a,h ssh-rsa AAAA\nx ssh-rsa B\n", "h", None, false, false), ("x ssh-rsa B\n".into(), true));
        assert_eq!(with("h ssh-rsa AAAA\nh ssh-dss B\n", "h", Some(key), false, false).0, "h ssh-dss B\n");
        assert!(plan("", "h", Some("other ssh-rsa A"), true, false).is_err());
        assert!(plan("", "h", Some("nonsense"), true, false).is_err());
    }

    #[test]
    fn the_hash_is_openssh_s() {
        // HMAC-SHA1 test vector 1 of RFC 2202.
        assert_eq!(crate::sys::hash::hex(&hmac(&[0x0b; 20], b"Hi There")), "b617318655057264e28bc0b6fb378c8ef146be00");
    }
}
