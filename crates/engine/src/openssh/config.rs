//! Configuration files: `Host` and `Match` blocks, `Include`. Source: ssh_config(5).

use super::options::{Options, Taken, name_and_value, unquote};
use std::path::{Path, PathBuf};

/// Includes inside includes; OpenSSH stops at the same depth.
const DEEPEST: usize = 16;

/// What blocks are matched against.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    /// The name as it was given.
    pub host: &'a str,
    /// The remote user where the command line or the inventory names one.
    pub user: Option<&'a str>,
    /// The local user.
    pub local_user: &'a str,
    /// For `~` and for relative includes.
    pub home: &'a Path,
}

/// Reads a file into `options`. A file that isn't there is empty.
pub(crate) fn read_file(path: &Path, asked: &Asked<'_>, options: &mut Options, depth: usize) -> Result<(), String> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e.to_string()),
    };
    read(&text, path, asked, options, depth)
}

fn read(text: &str, path: &Path, asked: &Asked<'_>, options: &mut Options, depth: usize) -> Result<(), String> {
    let mut active = true;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || format!("{}:{}", path.display(), index + 1);
        let Some((name, value)) = name_and_value(line) else {
            return Err(format!("{}: {line:?} is no option with a value", place()));
        };
        match name.to_ascii_lowercase().as_str() {
            "host" => active = matches_host(value, asked.host),
            "match" => active = matches(value, asked, options, &place())?,
            "include" if active => {
                if depth >= DEEPEST {
                    return Err(format!("{}: includes are nested too deeply", place()));
                }
                for pattern in value.split_ascii_whitespace() {
                    for file in included(unquote(pattern), asked.home) {
                        read_file(&file, asked, options, depth + 1)?;
                    }
                }
            }
            _ if !active || name.eq_ignore_ascii_case("include") => {}
            _ => {
                if options.set(name, unquote(value)) == Taken::Unknown {
                    tracing::debug!("{}: the option {name} has no meaning to imgbuild", place());
                }
            }
        }
    }
    Ok(())
}

/// `Host` patterns: one must match, and none with `!`.
fn matches_host(patterns: &str, host: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split_ascii_whitespace().map(unquote) {
        match pattern.strip_prefix('!') {
            Some(not) if glob(not, host) => return false,
            Some(_) => {}
            None => found |= glob(pattern, host),
        }
    }
    found
}

fn matches(value: &str, asked: &Asked<'_>, options: &Options, place: &str) -> Result<bool, String> {
    let mut words = value.split_ascii_whitespace();
    let mut all = true;
    while let Some(word) = words.next() {
        let (negated, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
        let word = word.to_ascii_lowercase();
        let yes = match word.as_str() {
            "all" => true,
            // We read the files once and don't canonicalise.
            "final" | "canonical" => false,
            "host" | "originalhost" | "user" | "localuser" => {
                let patterns = words.next().unwrap_or_default().replace(',', " ");
                match word.as_str() {
                    "host" => matches_host(&patterns, options.get("hostname").unwrap_or(asked.host)),
                    "originalhost" => matches_host(&patterns, asked.host),
                    "user" => matches_host(&patterns, asked.user.or(options.get("user")).unwrap_or(asked.local_user)),
                    _ => matches_host(&patterns, asked.local_user),
                }
            }
            other => {
                return Err(format!(
                    "{place}: \"Match {other}\" is not supported: all, host, originalhost, user and localuser are"
                ));
            }
        };
        all &= yes != negated;
    }
    Ok(all)
}

fn included(pattern: &str, home: &Path) -> Vec<PathBuf> {
    let full = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => home.join(".ssh").join(pattern),
    };
    let Some((dir, name)) = full.parent().zip(full.file_name()) else { return Vec::new() };
    let name = name.to_string_lossy().into_owned();
    if !name.contains(['*', '?']) {
        return vec![full];
    }
    let Ok(entries) = fs_err::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let file = entry.file_name();
            let file = file.to_string_lossy();
            // As glob(3): a leading dot is matched by a dot only.
            glob(&name, &file) && (!file.starts_with('.') || name.starts_with('.'))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// `*` and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    p = star + 1;
                    t = from + 1;
                    back = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str, host: &str) -> Options {
        let asked = Asked { host, user: None, local_user: "me", home: Path::new("/nonexistent") };
        let mut options = Options::default();
        read(text, Path::new("config"), &asked, &mut options, 0).unwrap();
        options
    }

    #[test]
    fn blocks() {
        let text = "User top\nHost web* !webx\n  HostName %h.example\n  Port 2222\nHost *\n  Port 22\n  IdentityFile ~/.ssh/all\n\
                    Match originalhost web1 user top\n  ForwardAgent yes\nMatch user nobody\n  Compression yes\n";
        let web = options(text, "web1");
        assert_eq!(
            (web.get("hostname"), web.get("port"), web.get("user")),
            (Some("%h.example"), Some("2222"), Some("top"))
        );
        assert!(web.on("forwardagent", false) && !web.on("compression", false));
        let other = options(text, "webx");
        assert_eq!((other.get("hostname"), other.get("port")), (None, Some("22")));
        assert_eq!(other.all("identityfile"), ["~/.ssh/all"]);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let asked = Asked { host: "h", user: None, local_user: "me", home: Path::new("/") };
        let error = read("\nMatch exec true\n", Path::new("c"), &asked, &mut Options::default(), 0).unwrap_err();
        assert!(error.starts_with("c:2: \"Match exec\""), "{error}");
    }

    #[test]
    fn includes() {
        let dir = tempfile::tempdir().unwrap();
        let ssh = dir.path().join(".ssh/conf.d");
        std::fs::create_dir_all(&ssh).unwrap();
        std::fs::write(ssh.join("a.conf"), "Host h\nPort 7\n").unwrap();
        std::fs::write(ssh.join("b.txt"), "Port 8\n").unwrap();
        let asked = Asked { host: "h", user: None, local_user: "me", home: dir.path() };
        let mut options = Options::default();
        read("Include conf.d/*.conf\nPort 9", Path::new("c"), &asked, &mut options, 0).unwrap();
        assert_eq!(options.get("port"), Some("7"));
    }
}
