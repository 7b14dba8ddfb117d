//! Python's `glob.glob`: `*`, `?` and `[…]` within one path component; names with a leading dot only where the pattern has one.

use std::path::{Path, PathBuf};

/// All paths that match, sorted.
pub(super) fn glob(pattern: &str) -> Vec<String> {
    let (root, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (PathBuf::new(), pattern),
    };
    let parts: Vec<&str> = rest.split('/').filter(|p| !p.is_empty()).collect();
    let mut found = vec![root];
    for part in parts {
        let mut next = Vec::new();
        for base in &found {
            if !part.contains(['*', '?', '[']) {
                let path = base.join(part);
                if std::fs::symlink_metadata(&path).is_ok() {
                    next.push(path);
                }
                continue;
            }
            let dir = if base.as_os_str().is_empty() { Path::new(".") } else { base.as_path() };
            let Ok(entries) = std::fs::read_dir(dir) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if (!name.starts_with('.') || part.starts_with('.')) && matches(part.as_bytes(), name.as_bytes()) {
                    next.push(base.join(name));
                }
            }
        }
        found = next;
    }
    let mut out: Vec<String> = found.into_iter().map(|p| p.to_string_lossy().into_owned()).collect();
    out.sort();
    out
}

/// Whether a name matches one component of a pattern.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|i| matches(rest, &name[i..])),
        Some((b'?', rest)) => !name.is_empty() && matches(rest, &name[1..]),
        Some((b'[', rest)) => {
            let Some(end) = rest.iter().skip(1).position(|b| *b == b']').map(|p| p + 1) else {
                return name.first() == Some(&b'[') && matches(rest, &name[1..]);
            };
            let Some((c, tail)) = name.split_first() else { return false };
            let (set, negated) = match rest[..end].strip_prefix(b"!") {
                Some(set) => (set, true),
                None => (&rest[..end], false),
            };
            let mut inside = false;
            let mut i = 0;
            while i < set.len() {
                if i + 2 < set.len() && set[i + 1] == b'-' {
                    inside |= (set[i]..=set[i + 2]).contains(c);
                    i += 3;
                } else {
                    inside |= set[i] == *c;
                    i += 1;
                }
            }
            inside != negated && matches(&rest[end + 1..], tail)
        }
        Some((c, rest)) => name.first() == Some(c) && matches(rest, &name[1..]),
    }
}
