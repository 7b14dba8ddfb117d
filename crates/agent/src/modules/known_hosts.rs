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

/// Whether the host field of a line means this name: a hash, or OpenSSH's list of patterns.
fn means(field: &str, name: &str) -> bool {
    if let Some(rest) = field.strip_prefix("|1|") {
        let Some((salt, sum)) = rest.split_once('|') else { return false };
        let (Ok(salt), Ok(sum)) = (STANDARD.decode(salt), STANDARD.decode(sum)) else { return false };
        return hmac(&salt, name.as_bytes()) == sum;
    }
    let field = field.to_lowercase();
    let fits = |pattern: &str| glob(pattern.as_bytes(), name.as_bytes());
    if field.split(',').filter_map(|p| p.strip_prefix('!')).any(fits) {
        return false;
    }
    field.split(',').filter(|p| !p.starts_with('!')).any(fits)
}

/// `*` and `?`; brackets are themselves, as they enclose a name with a port.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| glob(rest, &name[skip..])),
        (Some((b'?', pattern)), Some((_, name))) => glob(pattern, name),
        (Some((p, pattern)), Some((n, name))) => p == n && glob(pattern, name),
        _ => false,
    }
}

/// A line that holds a key.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line<'a> {
    marker: Option<&'a str>,
    host: &'a str,
    kind: &'a str,
    data: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.split_whitespace().peekable();
        let marker = words.next_if(|w| w.starts_with('@'));
        Some(Line { marker, host: words.next()?, kind: words.next()?, data: words.next()? })
    }

    fn is_hashed(&self) -> bool {
        self.host.starts_with("|1|")
    }

    /// The same key for the same name; two hashes that mean the name are the same.
    fn same(&self, other: &Line<'_>) -> bool {
        let hosts = self.host == other.host || self.is_hashed() && other.is_hashed();
        hosts && (self.marker, self.kind, self.data) == (other.marker, other.kind, other.data)
    }
}

/// What the file holds of a host: nothing; just this key, in this line; or others, one of which this key replaces.
#[derive(Debug, PartialEq)]
enum Found {
    Nothing,
    Same(usize),
    Other(Option<usize>),
}

fn look(lines: &[&str], name: &str, key: &Line<'_>) -> Found {
    let mut found = Found::Nothing;
    for (number, line) in lines.iter().enumerate() {
        let Some(line) = Line::parse(line).filter(|l| means(l.host, name)) else { continue };
        if line.same(key) {
            return Found::Same(number);
        }
        let special = line.marker.is_some_and(|m| m.starts_with("@cert-authority") || m.starts_with("@revoke"));
        if !special && line.kind == key.kind {
            return Found::Other(Some(number));
        }
        found = Found::Other(None);
    }
    found
}

/// The file with this host's key in it (or not). A key of the same type is the host's old one and makes place. Pure but for
/// the salt of a hash.
fn plan(text: &str, name: &str, key: Option<&str>, present: bool, hash: bool) -> Result<(String, bool), Fail> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(key) = key else {
        // Lines of authorities and revocations outlive the host's own.
        let own = |line: &&str| Line::parse(line).is_some_and(|l| l.marker.is_none() && means(l.host, name));
        let kept: String = lines.iter().filter(|l| !own(l)).copied().collect();
        let changed = !present && kept != text;
        return Ok((if changed { kept } else { text.to_owned() }, changed));
    };
    if name.split(',').count() > 1 {
        crate::fail!(
            "Comma separated list of names is not supported. Please pass a single name to lookup in the known_hosts file."
        );
    }
    let Some(given) = Line::parse(key) else {
        crate::fail!("the key is no line of a known_hosts file: name, type and key are needed");
    };
    let field = if hash { hashed(name) } else { given.host.to_owned() };
    if !means(&field, name) {
        crate::fail!("Host parameter does not match hashed host field in supplied key");
    }
    let wanted = Line { host: &field, ..given };
    let (remove, add) = match look(&lines, name, &wanted) {
        Found::Nothing => (None, present),
        Found::Same(line) => (Some(line).filter(|_| !present), false),
        Found::Other(line) => (line, present),
    };
    let mut out: String = lines.iter().enumerate().filter(|(i, _)| Some(*i) != remove).map(|(_, line)| *line).collect();
    if add {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        if hash {
            let rest: Vec<&str> = key.split_whitespace().filter(|w| !w.starts_with('@')).skip(1).collect();
            let marker = given.marker.map(|m| format!("{m} ")).unwrap_or_default();
            out.push_str(&format!("{marker}{field} {}", rest.join(" ")));
        } else {
            out.push_str(key);
        }
        out.push('\n');
    }
    Ok((out, add || remove.is_some()))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
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
        let (new, did) = plan(&text, &name.to_lowercase(), key, present, args.bool("hash_host"))?;
        (text, changed) = (new, changed || did);
    }
    if changed && !ctx.check {
        if let Some(dir) = path.parent().filter(|d| !d.exists()) {
            std::fs::create_dir_all(dir).at("can't make the directory", dir)?;
            std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).at("can't set the mode of", dir)?;
        }
        files::write(ctx, &path, text.as_bytes(), false)?;
        if !existed {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).at("can't set the mode of", &path)?;
        }
    }
    let shown = path.to_string_lossy();
    // The difference is told whether it was asked for or not.
    Ok(crate::out! {
        "changed": changed, "name": name, "key": key, "path": shown, "hash_host": args.bool("hash_host"),
        "state": args.text("state"),
        "diff": files::diff(&old, &text, if existed { &shown } else { "/dev/null" }, &shown),
    })
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
        let ca = "@cert-authority *.h ssh-rsa AAAA";
        assert_eq!(
            with(&format!("{ca}\n"), "x.h", Some("x.h ssh-rsa B"), true, false).0,
            format!("{ca}\nx.h ssh-rsa B\n")
        );
        assert_eq!(with(&format!("{ca}\n"), "*.h", Some(ca), false, false), (String::new(), true));
        assert_eq!(with(&format!("{ca}\nx.h ssh-rsa B\n"), "x.h", None, false, false).0, format!("{ca}\n"));
        assert!(means("[h]:2222", "[h]:2222") && means("*.h,!b.h", "a.h") && !means("*.h,!b.h", "b.h"));
        assert!(!with("h ssh-rsa AAAA\n", "h", Some("h ssh-ed25519 X"), false, false).1, "another type stays");
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
        assert!(plan("", "h,i", Some("h,i ssh-rsa A"), true, false).is_err());
    }

    #[test]
    fn the_hash_is_openssh_s() {
        // HMAC-SHA1 test vector 1 of RFC 2202.
        assert_eq!(crate::sys::hash::hex(&hmac(&[0x0b; 20], b"Hi There")), "b617318655057264e28bc0b6fb378c8ef146be00");
    }
}
