//! `apt_key`: a key is in apt's trust, or isn't. Works on the key rings themselves, so neither apt-key nor gpg need be there.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use crate::sys::http::Request;
use crate::sys::openpgp::{self, Key};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const TRUSTED: &str = "/etc/apt/trusted.gpg";
const PARTS: &str = "/etc/apt/trusted.gpg.d";

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let id = args.str("id").map(|id| id.trim().to_string());
    let keyring = args.path("keyring");
    let state = args.text("state");
    if let Some(id) = &id {
        let hex = id.trim_start_matches("0x").trim_start_matches("0X");
        if !hex.chars().all(|c| c.is_ascii_hexdigit()) || hex.len() < 8 {
            crate::fail!("Invalid key_id: {id}");
        }
    }
    let rings = match &keyring {
        Some(ring) => vec![ring.clone()],
        None => all_rings(),
    };
    let before = known(&rings)?;
    let ids = |keys: &[(PathBuf, Key)]| keys.iter().map(|(_, k)| k.long_id().to_string()).collect::<Vec<_>>();
    if state == "absent" {
        let Some(id) = id else { crate::fail!("key is required to remove a key: id") };
        let found: Vec<_> = before.iter().filter(|(_, key)| key.is(&id)).collect();
        let changed = !found.is_empty();
        if !ctx.check {
            for (ring, key) in found {
                remove(ctx, ring, key)?;
            }
        }
        return Ok(crate::out! {"changed": changed, "before": ids(&before), "key_id": id, "id": id});
    }
    if let Some((_, key)) = id.as_ref().and_then(|id| before.iter().find(|(_, key)| key.is(id))) {
        return Ok(result(key, false, ids(&before), ids(&before)));
    }
    let data = match (args.str("data"), args.path("file"), args.str("url"), args.str("keyserver")) {
        (Some(data), ..) => data.into_bytes(),
        (_, Some(file), ..) => std::fs::read(&file).at("can't read", &file)?,
        (_, _, Some(url), _) => fetch(ctx, &url)?,
        (_, _, _, Some(server)) => {
            let Some(id) = &id else { crate::fail!("keyserver needs the key's id") };
            // What a key server has is asked only where it is wanted, as in Ansible.
            if ctx.check {
                return Ok(crate::out! {
                    "changed": true, "before": ids(&before), "after": ids(&before), "key_id": id, "id": id,
                });
            }
            fetch(ctx, &server_address(&server, id))
                .map_err(|f| Fail::new(format!("Error fetching key {id} from keyserver: {server}: {}", f.msg)))?
        }
        _ => crate::fail!("Missing key_id, required with keyserver, or one of data, file, url"),
    };
    let keys = openpgp::keys(&data).map_err(|e| Fail::new(format!("no public key could be read: {e}")))?;
    if keys.is_empty() {
        crate::fail!("no public key was found in the given data");
    }
    if let Some(id) = id.as_ref().filter(|id| !keys.iter().any(|k| k.is(id))) {
        let names: Vec<&str> = keys.iter().map(Key::long_id).collect();
        crate::fail!(
            "key does not seem to have been added: {id} is not among the keys that were given ({})",
            names.join(", ")
        );
    }
    let fresh: Vec<Key> =
        keys.iter().filter(|k| !before.iter().any(|(_, b)| b.fingerprint == k.fingerprint)).cloned().collect();
    let named = id.as_ref().and_then(|id| keys.iter().find(|k| k.is(id))).unwrap_or(&keys[0]);
    if fresh.is_empty() {
        return Ok(result(named, false, ids(&before), ids(&before)));
    }
    if !ctx.check {
        let ring = keyring.unwrap_or_else(|| default_ring(ctx, &fresh));
        add(ctx, &ring, &fresh)?;
    }
    let after = if ctx.check { ids(&before) } else { ids(&known(&rings).or_else(|_| known(&all_rings()))?) };
    Ok(result(named, true, ids(&before), after))
}

fn result(key: &Key, changed: bool, before: Vec<String>, after: Vec<String>) -> Outcome {
    let long = key.long_id();
    crate::out! {
        "changed": changed, "before": before, "after": after, "fp": key.fingerprint, "id": long, "key_id": long,
        "short_id": &long[long.len().saturating_sub(8)..],
    }
}

/// apt reads one file and a directory of files. Where apt-key is gone, the file is not read any more.
fn default_ring(ctx: &Ctx, keys: &[Key]) -> PathBuf {
    if ctx.which("apt-key").is_some() && !is_keybox(Path::new(TRUSTED)) {
        return PathBuf::from(TRUSTED);
    }
    Path::new(PARTS).join(format!("{}.gpg", keys[0].long_id()))
}

fn all_rings() -> Vec<PathBuf> {
    let mut out = vec![PathBuf::from(TRUSTED)];
    let parts = std::fs::read_dir(PARTS).map(|d| d.flatten().map(|e| e.path()).collect::<Vec<_>>()).unwrap_or_default();
    out.extend(parts.into_iter().filter(|p| p.extension().is_some_and(|e| e == "gpg" || e == "asc")));
    out.sort();
    out
}

/// gpg 2's own store, which apt can't read either.
fn is_keybox(path: &Path) -> bool {
    std::fs::File::open(path).is_ok_and(|mut f| {
        let mut head = [0u8; 12];
        f.read_exact(&mut head).is_ok() && &head[8..] == b"KBXf"
    })
}

fn known(rings: &[PathBuf]) -> Result<Vec<(PathBuf, Key)>, Fail> {
    let mut out = Vec::new();
    for ring in rings {
        let Ok(bytes) = std::fs::read(ring) else { continue };
        if is_keybox(ring) {
            continue;
        }
        // A broken ring is apt's trouble; keys of the others still count.
        out.extend(openpgp::keys(&bytes).unwrap_or_default().into_iter().map(|k| (ring.clone(), k)));
    }
    Ok(out)
}

fn save(ctx: &Ctx, ring: &Path, keys: &[u8]) -> Result<(), Fail> {
    let armored = ring.extension().is_some_and(|e| e == "asc");
    let fresh = !ring.exists();
    if let Some(dir) = ring.parent().filter(|d| !d.exists()) {
        std::fs::create_dir_all(dir).at("can't make the directory", dir)?;
    }
    if armored {
        files::write(ctx, ring, openpgp::armor(keys).as_bytes(), false)?
    } else {
        files::write(ctx, ring, keys, false)?
    }
    if fresh {
        // apt checks signatures as a user of its own.
        std::fs::set_permissions(ring, PermissionsExt::from_mode(0o644)).at("can't set the mode of", ring)?;
    }
    Ok(())
}

fn add(ctx: &Ctx, ring: &Path, keys: &[Key]) -> Result<(), Fail> {
    let mut bytes: Vec<u8> = match std::fs::read(ring) {
        Ok(old) => openpgp::dearmor(&old).map_err(Fail::new)?,
        Err(_) => Vec::new(),
    };
    keys.iter().for_each(|k| bytes.extend(&k.bytes));
    save(ctx, ring, &bytes)
}

fn remove(ctx: &Ctx, ring: &Path, key: &Key) -> Result<(), Fail> {
    let old = std::fs::read(ring).at("can't read", ring)?;
    let kept: Vec<Key> =
        openpgp::keys(&old).map_err(Fail::new)?.into_iter().filter(|k| k.fingerprint != key.fingerprint).collect();
    if kept.is_empty() && ring != Path::new(TRUSTED) {
        return std::fs::remove_file(ring).at("can't remove", ring);
    }
    save(ctx, ring, &kept.iter().flat_map(|k| k.bytes.clone()).collect::<Vec<_>>())
}

fn fetch(ctx: &Ctx, url: &str) -> Result<Vec<u8>, Fail> {
    let mut request = Request::get(url);
    request.verify = ctx.args.opt_bool("validate_certs").unwrap_or(true);
    let mut response = request.send(ctx)?;
    if response.status != 200 {
        crate::fail!("Failed to download key at {url}: {}", response.message());
    }
    let mut out = Vec::new();
    response.body.read_to_end(&mut out).or_fail(format!("error getting key id from url: {url}"))?;
    Ok(out)
}

/// Where a key server hands out a key.
fn server_address(server: &str, id: &str) -> String {
    let id = if id.starts_with("0x") { id.to_string() } else { format!("0x{id}") };
    let (scheme, host) = server.split_once("://").unwrap_or(("hkp", server));
    let host = host.trim_end_matches('/');
    let has_port = host.rsplit_once(':').is_some_and(|(_, p)| p.chars().all(|c| c.is_ascii_digit()));
    let base = match (scheme, has_port) {
        ("hkps" | "https", _) => format!("https://{host}"),
        ("http", _) => format!("http://{host}"),
        (_, true) => format!("http://{host}"),
        (_, false) => format!("http://{host}:11371"),
    };
    format!("{base}/pks/lookup?op=get&options=mr&search={id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::{Value, json};

    #[test]
    fn keys_come_and_go_in_a_ring() {
        let dir = Scratch::new();
        let key = openpgp::keys(&openpgp::tests::sample()).unwrap().remove(0);
        let call = |args: Value| run(&Ctx::test("apt_key", args));
        for ring in ["a.gpg", "b.asc"] {
            let args = json!({"data": openpgp::armor(&key.bytes), "keyring": dir.path(ring)});
            let out = call(args.clone()).unwrap();
            assert_eq!((&out["changed"], &out["fp"]), (&json!(true), &json!(key.fingerprint)));
            assert_eq!(out["after"], json!([key.long_id()]));
            assert_eq!(call(args).unwrap()["changed"], false);
            let by_id = json!({"id": key.long_id(), "url": "http://127.0.0.1:1/", "keyring": dir.path(ring)});
            assert_eq!(call(by_id).unwrap()["changed"], false, "a key that is there is not fetched");
            let gone = json!({"id": key.long_id(), "state": "absent", "keyring": dir.path(ring)});
            assert_eq!(call(gone.clone()).unwrap()["changed"], true);
            assert_eq!(call(gone).unwrap()["changed"], false);
        }
        let wrong =
            json!({"id": "0x1234567890ABCDEF", "data": openpgp::armor(&key.bytes), "keyring": dir.path("c.gpg")});
        assert!(call(wrong).unwrap_err().msg.contains("does not seem to have been added"));
        assert!(call(json!({"id": "xyz", "data": "", "keyring": dir.path("c.gpg")})).is_err());
        assert!(call(json!({"data": "nonsense", "keyring": dir.path("c.gpg")})).is_err());
    }

    #[test]
    fn servers() {
        for (server, want) in [
            ("keyserver.ubuntu.com", "http://keyserver.ubuntu.com:11371/pks"),
            ("hkp://p80.pool.sks-keyservers.net:80", "http://p80.pool.sks-keyservers.net:80/pks"),
            ("hkps://keys.openpgp.org", "https://keys.openpgp.org/pks"),
        ] {
            assert!(server_address(server, "AB").starts_with(want), "{server}");
        }
    }
}
