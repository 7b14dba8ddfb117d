//! `authorized_key`: SSH keys that may log in as a user.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::http::Request;
use crate::sys::{files, users};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A line of authorized_keys.
#[derive(Debug, Clone, PartialEq)]
enum Line {
    Other(String),
    Key(Key),
}

#[derive(Debug, Clone, PartialEq)]
struct Key {
    options: String,
    kind: String,
    data: String,
    comment: String,
}

impl Key {
    /// Options may hold spaces inside quotes.
    fn parse(line: &str) -> Option<Key> {
        let line = line.trim();
        let (mut quoted, mut escaped) = (false, false);
        let mut words: Vec<String> = vec![String::new()];
        for c in line.chars() {
            match c {
                '"' if !escaped => quoted = !quoted,
                ' ' | '\t' if !quoted => {
                    if words.last().is_some_and(|w| !w.is_empty()) {
                        words.push(String::new());
                    }
                    continue;
                }
                _ => {}
            }
            escaped = c == '\\' && !escaped;
            if let Some(word) = words.last_mut() {
                word.push(c);
            }
        }
        let is_kind = |w: &str| {
            w.starts_with("ssh-")
                || w.starts_with("ecdsa-sha2-")
                || w.starts_with("sk-ssh-")
                || w.starts_with("sk-ecdsa-")
        };
        let at = words.iter().take(2).position(|w| is_kind(w))?;
        let data = words.get(at + 1).filter(|d| !d.is_empty())?.clone();
        let comment = words[at + 2..].iter().filter(|w| !w.is_empty()).cloned().collect::<Vec<_>>().join(" ");
        Some(Key {
            options: if at == 1 { words[0].clone() } else { String::new() },
            kind: words[at].clone(),
            data,
            comment,
        })
    }

    fn show(&self) -> String {
        [&self.options, &self.kind, &self.data, &self.comment]
            .into_iter()
            .filter(|p| !p.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn parse(text: &str) -> Vec<Line> {
    text.lines()
        .map(|l| match Key::parse(l).filter(|_| !l.trim_start().starts_with('#')) {
            Some(key) => Line::Key(key),
            None => Line::Other(l.to_string()),
        })
        .collect()
}

fn show(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|l| match l {
            Line::Other(text) => format!("{text}\n"),
            Line::Key(key) => format!("{}\n", key.show()),
        })
        .collect()
}

/// The file with the keys in it (or not). Pure.
fn plan(old: &[Line], keys: &[Key], present: bool, exclusive: bool, options: bool, comment: bool) -> Vec<Line> {
    let same = |a: &Key, b: &Key| a.kind == b.kind && a.data == b.data;
    let mut lines = old.to_vec();
    if !present {
        lines.retain(|l| !matches!(l, Line::Key(k) if keys.iter().any(|n| same(k, n))));
        return lines;
    }
    for new in keys {
        let found = lines.iter_mut().find_map(|l| match l {
            Line::Key(k) if same(k, new) => Some(k),
            _ => None,
        });
        match found {
            Some(old) => {
                if options || !new.options.is_empty() {
                    old.options = new.options.clone();
                }
                if comment {
                    old.comment = new.comment.clone();
                }
            }
            None => lines.push(Line::Key(new.clone())),
        }
    }
    if exclusive {
        lines.retain(|l| matches!(l, Line::Key(k) if keys.iter().any(|n| same(k, n))));
    }
    lines
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("user")?;
    let user = users::user_by_name(&name);
    let path = match (args.str("path"), &user) {
        (Some(path), user) => {
            let home = user.as_ref().map_or("", |u| u.home.as_str());
            args.expand(&path.replace("%h", home).replace("%u", &name).replace("%%", "%"))
        }
        (None, Some(user)) => Path::new(&user.home).join(".ssh/authorized_keys"),
        (None, None) if ctx.check => {
            crate::fail!("Either user must exist or you must provide full path to key file in check mode")
        }
        (None, None) => crate::fail!("Failed to lookup user {name}: \"getpwnam(): name not found: '{name}'\""),
    };
    let text = args.req("key")?;
    let text = if ["http://", "https://", "ftp://", "file://"].iter().any(|s| text.starts_with(s)) {
        fetch(ctx, &text)?
    } else {
        text
    };
    let present = args.text("state") != "absent";
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let Some(mut key) = Key::parse(line) else { crate::fail!("invalid key specified: {line}") };
        if let Some(options) = args.str("key_options") {
            key.options = options;
        }
        if let Some(comment) = args.str("comment") {
            key.comment = comment;
        }
        keys.push(key);
    }
    let real = if args.bool("follow") { files::real_path(&path) } else { path.clone() };
    let old_text = files::read_text(&real)?.unwrap_or_default();
    let old = parse(&old_text);
    let new = plan(
        &old,
        &keys,
        present,
        args.bool("exclusive"),
        args.given("key_options").is_some(),
        args.given("comment").is_some(),
    );
    let changed = old != new;
    if changed && !ctx.check {
        let owner = user.as_ref().map(|u| (u.uid, u.gid));
        if args.opt_bool("manage_dir").unwrap_or(true) {
            prepare_dir(ctx, &real, owner)?;
        }
        let fresh = !real.exists();
        files::write(ctx, &real, show(&new).as_bytes(), false)?;
        if fresh || args.opt_bool("manage_dir").unwrap_or(true) {
            std::fs::set_permissions(&real, PermissionsExt::from_mode(0o600)).at("can't set the mode of", &real)?;
            if let Some((uid, gid)) = owner {
                let _ = std::os::unix::fs::lchown(&real, Some(uid), Some(gid));
            }
        }
    }
    let mut out = crate::out! {
        "changed": changed, "user": name, "key": text.trim(), "keyfile": real.to_string_lossy(), "path": args.str("path"),
        "state": args.text("state"), "exclusive": args.bool("exclusive"), "key_options": args.str("key_options"),
        "comment": args.str("comment"), "manage_dir": args.opt_bool("manage_dir"), "follow": args.bool("follow"),
        "validate_certs": args.opt_bool("validate_certs"),
    };
    if ctx.diff && changed {
        let shown = real.to_string_lossy();
        out.insert("diff".into(), json!(files::diff(&old_text, &show(&new), &shown, &shown)));
    }
    Ok(out)
}

fn prepare_dir(ctx: &Ctx, file: &Path, owner: Option<(u32, u32)>) -> Result<(), Fail> {
    let Some(dir) = file.parent().map(PathBuf::from).filter(|d| !d.exists()) else { return Ok(()) };
    std::fs::create_dir_all(&dir)
        .map_err(|e| Fail::new(format!("Failed to create directory {} : {e}", dir.display())))?;
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).at("can't set the mode of", &dir)?;
    if let Some((uid, gid)) = owner {
        let _ = std::os::unix::fs::lchown(&dir, Some(uid), Some(gid));
    }
    files::label(ctx, &dir);
    Ok(())
}

fn fetch(ctx: &Ctx, url: &str) -> Result<String, Fail> {
    let mut request = Request::get(url);
    request.verify = ctx.args.opt_bool("validate_certs").unwrap_or(true);
    let mut response = request.send(ctx)?;
    if response.status != 200 {
        crate::fail!("Error getting key from: {url}: {}", response.message());
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut response.body, &mut text).or_fail(format!("Error getting key from: {url}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::Value;

    #[test]
    fn lines() {
        let key = Key::parse("command=\"echo \\\"a b\\\"\",no-pty ssh-rsa AAAA me@host two").unwrap();
        assert_eq!(
            (key.options.as_str(), key.data.as_str(), key.comment.as_str()),
            ("command=\"echo \\\"a b\\\"\",no-pty", "AAAA", "me@host two")
        );
        assert_eq!(Key::parse("ssh-ed25519 BBBB").unwrap().show(), "ssh-ed25519 BBBB");
        assert_eq!(Key::parse("nonsense here"), None);
    }

    #[test]
    fn keys_come_and_go() {
        let dir = Scratch::new();
        let me = users::user_by_id(rustix::process::geteuid().as_raw()).unwrap().name;
        let file = dir.path(".ssh/authorized_keys");
        let call = |extra: Value| {
            let mut args = json!({"user": me, "path": file});
            args.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            run(&Ctx::test("authorized_key", args))
        };
        let key = json!({"key": "ssh-ed25519 AAAA a@b"});
        assert_eq!(call(key.clone()).unwrap()["changed"], true);
        assert_eq!(call(key).unwrap()["changed"], false);
        assert_eq!(call(json!({"key": "ssh-ed25519 AAAA", "key_options": "no-pty"})).unwrap()["changed"], true);
        assert_eq!(dir.read(".ssh/authorized_keys"), "no-pty ssh-ed25519 AAAA a@b\n");
        assert_eq!(call(json!({"key": "ssh-rsa CCCC x\nssh-rsa DDDD y"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"key": "ssh-rsa CCCC x", "exclusive": true})).unwrap()["changed"], true);
        assert_eq!(dir.read(".ssh/authorized_keys"), "ssh-rsa CCCC x\n");
        assert_eq!(call(json!({"key": "ssh-rsa CCCC", "state": "absent"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"key": "ssh-rsa CCCC", "state": "absent"})).unwrap()["changed"], false);
        assert!(call(json!({"key": "no key"})).is_err());
        assert!(run(&Ctx::test("authorized_key", json!({"user": "no-such-user-here", "key": "ssh-rsa A"}))).is_err());
    }
}
