//! `known_hosts` files: OpenSSH's sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::PublicKey;
use sha1::Sha1;
use std::path::Path;

/// What a file says about a host.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Entries {
    /// Keys that are right, with file and line.
    pub keys: Vec<(PublicKey, String)>,
    /// Keys that must never be taken (`@revoked`).
    pub revoked: Vec<PublicKey>,
    /// Lines of certificate authorities for this host (`@cert-authority`), which we can't use.
    pub authorities: Vec<String>,
}

/// Reads the lines of `text` that mean `host:port`. Lines that can't be read are passed over, as OpenSSH does.
pub(crate) fn lookup(text: &str, file: &str, host: &str, port: u16, into: &mut Entries) {
    let name = host_name(host, port);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split_ascii_whitespace();
        let Some(mut hosts) = fields.next() else { continue };
        let marker = if hosts.starts_with('@') {
            Some(std::mem::replace(&mut hosts, fields.next().unwrap_or("")))
        } else {
            None
        };
        if !matches(hosts, &name) {
            continue;
        }
        let (Some(kind), Some(blob)) = (fields.next(), fields.next()) else { continue };
        let place = format!("{file}:{}", index + 1);
        let Ok(key) = PublicKey::from_openssh(&format!("{kind} {blob}")) else { continue };
        match marker {
            None => into.keys.push((key, place)),
            Some("@revoked") => into.revoked.push(key),
            Some("@cert-authority") => into.authorities.push(place),
            Some(_) => {}
        }
    }
}

/// The name under which a host stands in the file.
pub(crate) fn host_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// Whether a line's first field means this name: hashed, or patterns separated by commas with `*`, `?` and `!`.
fn matches(field: &str, name: &str) -> bool {
    if let Some(rest) = field.strip_prefix("|1|") {
        let Some((salt, hash)) = rest.split_once('|') else { return false };
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
        let (Some(salt), Some(hash)) = (decode(salt), decode(hash)) else { return false };
        let Ok(mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
        return mac.chain_update(name.as_bytes()).verify_slice(&hash).is_ok();
    }
    let mut found = false;
    for pattern in field.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if glob(&not.to_ascii_lowercase(), name) => return false,
            Some(_) => {}
            None => found |= glob(&pattern.to_ascii_lowercase(), name),
        }
    }
    found
}

/// OpenSSH's `match_pattern`: `*` and `?`, nothing else is special.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*' {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some(p);
            mark = t;
            p += 1;
        } else if let Some(at) = star {
            p = at + 1;
            mark += 1;
            t = mark;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Adds a key to a file, which is made (mode 0600, its directory 0700) if it isn't there.
pub(crate) fn add(file: &Path, host: &str, port: u16, key: &PublicKey) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(parent) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut options = fs_err::OpenOptions::new();
    options.read(true).append(true).create(true);
    fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file)?;
    let mut last = [b'\n'];
    if out.seek(SeekFrom::End(-1)).is_ok() {
        out.read_exact(&mut last)?;
    }
    let lead = if last[0] == b'\n' { "" } else { "\n" };
    let line = key.to_openssh().map_err(std::io::Error::other)?;
    let line = line.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ");
    out.write_all(format!("{lead}{} {line}\n", host_name(host, port)).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

    fn found(line: &str, host: &str, port: u16) -> usize {
        let mut entries = Entries::default();
        lookup(line, "f", host, port, &mut entries);
        entries.keys.len()
    }

    #[test]
    fn hosts() {
        for (hosts, host, port, expected) in [
            ("example.com", "example.com", 22, 1),
            ("example.com", "EXAMPLE.com", 22, 1),
            ("example.com", "example.com", 2222, 0),
            ("[example.com]:2222,10.0.0.1", "example.com", 2222, 1),
            ("[example.com]:2222,10.0.0.1", "10.0.0.1", 22, 1),
            ("*.example.com,!bad.example.com", "a.example.com", 22, 1),
            ("*.example.com,!bad.example.com", "bad.example.com", 22, 0),
            ("10.0.0.?", "10.0.0.7", 22, 1),
            // ssh-keygen -H of "example.com".
            ("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak=", "example.com", 22, 1),
            ("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak=", "example.org", 22, 0),
        ] {
            assert_eq!(found(&format!("{hosts} {KEY} comment"), host, port), expected, "{hosts} {host}:{port}");
        }
    }

    #[test]
    fn markers_and_noise() {
        let mut entries = Entries::default();
        let text = format!("# c\n\n@revoked h {KEY}\n@cert-authority *.h,h {KEY}\nh broken\nh ssh-x AAAA\n");
        lookup(&text, "f", "h", 22, &mut entries);
        assert_eq!((entries.keys.len(), entries.revoked.len()), (0, 1));
        assert_eq!(entries.authorities, ["f:4"]);
    }

    #[test]
    fn added_keys_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ssh/known_hosts");
        let key = PublicKey::from_openssh(KEY).unwrap();
        add(&file, "h", 2222, &key).unwrap();
        std::fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut f| std::io::Write::write_all(&mut f, b"x y z"))
            .unwrap();
        add(&file, "i", 22, &key).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("[h]:2222 {KEY}\nx y z\ni {KEY}\n"));
    }
}
