//! Configuration files: `Host` and `Match` blocks, `Include`. Source: ssh_config(5).

use super::options::{Options, Taken, name_and_value, unquote};
use std::cell::Cell;
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
    /// Where the command line or the inventory names a port.
    pub port: Option<u16>,
    /// The local user's shell.
    pub shell: &'a Path,
    /// Whether the files are read for the second time, which a `Match final` asks for.
    pub last: Cell<bool>,
    /// A `Match final` was seen.
    pub wants_last: Cell<bool>,
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

/// A `Match` line. Source: ssh_config(5) and `match_cfg_line` of OpenSSH's readconf.c: from left to right; what comes after one
/// that does not match is read, but no command is run for it.
fn matches(value: &str, asked: &Asked<'_>, options: &Options, place: &str) -> Result<bool, String> {
    let words = super::split(value).map_err(|why| format!("{place}: {why}"))?;
    let mut words = words.iter().map(String::as_str).take_while(|word| !word.starts_with('#'));
    let mut so_far = true;
    while let Some(word) = words.next() {
        let (negated, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
        let word = word.to_ascii_lowercase();
        let mut patterns = || {
            let lacks = || format!("{place}: \"Match {word}\" lacks what to compare with");
            words.next().map(str::to_owned).ok_or_else(lacks)
        };
        let mut compare = |with: &str| Ok::<_, String>(matches_host(&patterns()?.replace(',', " "), with));
        let yes = match word.as_str() {
            "all" => true,
            // Both mean the second time; names are never made canonical here.
            "final" | "canonical" => {
                asked.wants_last.set(asked.wants_last.get() || word == "final");
                asked.last.get()
            }
            "host" => compare(options.get("hostname").unwrap_or(asked.host))?,
            "originalhost" => compare(asked.host)?,
            "user" => compare(asked.user.or(options.get("user")).unwrap_or(asked.local_user))?,
            "localuser" => compare(asked.local_user)?,
            "tagged" => compare(options.get("tag").unwrap_or_default())?,
            "exec" => {
                let command = patterns()?;
                so_far && succeeds(&command, asked, options).map_err(|why| format!("{place}: {why}"))?
            }
            // Neither a command nor a subsystem is given on a command line.
            "command" => compare("")?,
            "sessiontype" => compare("exec")?,
            other => {
                let argument = words.next().is_some();
                if so_far || !argument {
                    let known = "all, host, originalhost, user, localuser, tagged, exec, final and canonical are";
                    return Err(format!("{place}: \"Match {other}\" is not supported: {known}"));
                }
                false
            }
        };
        so_far &= yes != negated;
    }
    Ok(so_far)
}

/// Runs a `Match exec`: by the user's shell, without input and output, as `execute_in_shell` of OpenSSH does.
fn succeeds(command: &str, asked: &Asked<'_>, options: &Options) -> Result<bool, String> {
    let host = match options.get("hostname") {
        Some(name) => super::tokens(name, &[('h', asked.host)])?,
        None => asked.host.to_owned(),
    };
    let port = asked.port.map(|port| port.to_string());
    let port = port.as_deref().or(options.get("port")).unwrap_or("22");
    let user = asked.user.or(options.get("user")).unwrap_or(asked.local_user);
    let key_alias = options.get("hostkeyalias").unwrap_or(asked.host);
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let short = here.split('.').next().unwrap_or_default();
    let id = rustix::process::getuid().as_raw().to_string();
    let home = asked.home.display().to_string();
    let line = super::tokens(
        command,
        &[
            ('h', host.as_str()),
            ('p', port),
            ('r', user),
            ('n', asked.host),
            ('u', asked.local_user),
            ('k', key_alias),
            ('l', &here),
            ('L', short),
            ('i', &id),
            ('d', &home),
        ],
    )?;
    // As OpenSSH refuses them: they become part of a shell's line.
    let unsafe_ =
        |text: &str| text.starts_with('-') || text.contains(|c: char| c.is_control() || "'`\"$\\;&<>|(){}".contains(c));
    if let Some(text) = [host.as_str(), asked.host, user, key_alias].into_iter().find(|text| unsafe_(text)) {
        return Err(format!("{text:?} is not handed to a shell"));
    }
    let nothing = std::process::Stdio::null;
    let mut child = std::process::Command::new(asked.shell);
    child.args(["-c", &line]).stdin(nothing()).stdout(nothing()).stderr(nothing());
    child.status().map(|status| status.success()).map_err(|e| format!("{}: {e}", asked.shell.display()))
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

    fn asked<'a>(host: &'a str, home: &'a Path) -> Asked<'a> {
        let shell = Path::new("/bin/sh");
        let (last, wants_last) = (Cell::new(false), Cell::new(false));
        Asked { host, user: None, local_user: "me", home, port: None, shell, last, wants_last }
    }

    fn options(text: &str, host: &str) -> Options {
        let asked = asked(host, Path::new("/nonexistent"));
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
    fn conditions_are_looked_at_from_left_to_right() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ran");
        let run = format!("exec \"touch {}\"", file.display());
        assert_eq!(options(&format!("Match host \"other\" {run}\nPort 9"), "h").get("port"), None);
        assert!(!file.exists());
        assert_eq!(options(&format!("Match host h {run} # why\nPort 9"), "h").get("port"), Some("9"));
        assert!(file.exists());
        let asked = asked("$(touch x)", Path::new("/nonexistent"));
        let refused = read("Match exec \"test %n\"", Path::new("c"), &asked, &mut Options::default(), 0);
        assert!(refused.unwrap_err().contains("is not handed to a shell"));
        let text = "User u\nHostName %h.example\nMatch exec \"test %h,%n,%p,%r,%u,%% = h.example,h,22,u,me,%%\"\nPort 9\n\
                    Match !exec false exec 'exit 3'\nCompression yes\nMatch !exec \"exit 3\" tagged t*\nForwardAgent yes\n\
                    Match originalhost x localnetwork 10.0.0.0/8\nTag late\nMatch all\nTag all\n";
        let found = options(&format!("Tag tt\n{text}"), "h");
        assert_eq!((found.get("port"), found.get("compression"), found.get("tag")), (Some("9"), None, Some("tt")));
        assert!(found.on("forwardagent", false));
        assert_eq!(options(text, "h").get("tag"), Some("all"));
    }

    #[test]
    fn a_match_of_the_last_reading_asks_for_one() {
        let text = "Match final host h.example\nPort 9\nHost h\nHostName h.example\nIdentityFile k\n";
        let asked = asked("h", Path::new("/nonexistent"));
        let mut found = Options::default();
        read(text, Path::new("c"), &asked, &mut found, 0).unwrap();
        assert_eq!((found.get("port"), asked.wants_last.get()), (None, true));
        asked.last.set(true);
        read(text, Path::new("c"), &asked, &mut found, 0).unwrap();
        assert_eq!((found.get("port"), found.all("identityfile")), (Some("9"), &["k".to_owned()][..]));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for text in ["localnetwork 10.0.0.0/8", "version 1", "host"] {
            let asked = asked("h", Path::new("/"));
            let text = format!("\nMatch {text}\n");
            let error = read(&text, Path::new("c"), &asked, &mut Options::default(), 0).unwrap_err();
            assert!(error.starts_with("c:2: \"Match "), "{error}");
        }
    }

    #[test]
    fn includes() {
        let dir = tempfile::tempdir().unwrap();
        let ssh = dir.path().join(".ssh/conf.d");
        std::fs::create_dir_all(&ssh).unwrap();
        std::fs::write(ssh.join("a.conf"), "Host h\nPort 7\n").unwrap();
        std::fs::write(ssh.join("b.txt"), "Port 8\n").unwrap();
        let asked = asked("h", dir.path());
        let mut options = Options::default();
        read("Include conf.d/*.conf\nPort 9", Path::new("c"), &asked, &mut options, 0).unwrap();
        assert_eq!(options.get("port"), Some("7"));
    }
}
