//! `ssh_config`: options of one `Host` in a configuration of OpenSSH's client. Only lines of that block are touched; what stands in
//! others, their spelling and comments, and `Match` blocks stay as they are.

use crate::args;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{files, users};
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The file of all users.
const SYSTEM: &str = "/etc/ssh/ssh_config";

/// Options of the module and the keywords that they set, in the order of a new block.
const KEYWORDS: [(&str, &str); 16] = [
    ("hostname", "hostname"),
    ("port", "port"),
    ("identity_file", "identityfile"),
    ("identities_only", "identitiesonly"),
    ("remote_user", "user"),
    ("strict_host_key_checking", "stricthostkeychecking"),
    ("user_known_hosts_file", "userknownhostsfile"),
    ("proxycommand", "proxycommand"),
    ("proxyjump", "proxyjump"),
    ("host_key_algorithms", "hostkeyalgorithms"),
    ("forward_agent", "forwardagent"),
    ("add_keys_to_agent", "addkeystoagent"),
    ("controlmaster", "controlmaster"),
    ("controlpath", "controlpath"),
    ("controlpersist", "controlpersist"),
    ("dynamicforward", "dynamicforward"),
];

type Pairs = Vec<(String, String)>;

/// What the block is to hold.
fn wanted(ctx: &Ctx) -> Result<Pairs, Fail> {
    let mut out = Pairs::new();
    for (option, keyword) in KEYWORDS {
        let Some(given) = ctx.args.given(option) else { continue };
        let value = match given {
            Value::Bool(on) => if *on { "yes" } else { "no" }.to_owned(),
            // Booleans that YAML has made of yes and no.
            other if option == "controlpersist" => match args::text(other).as_str() {
                "True" | "true" => "yes".into(),
                "False" | "false" => "no".into(),
                text => text.to_owned(),
            },
            _ => ctx.args.text(option),
        };
        if !value.is_empty() {
            out.push((keyword.to_owned(), value));
        }
    }
    if let Some(Value::Object(more)) = ctx.args.given("other_options") {
        for (keyword, value) in more {
            if keyword.to_lowercase() != *keyword {
                crate::fail!("The other_options key '{keyword}' must be lower case");
            }
            let Value::String(value) = value else {
                crate::fail!("The other_options value provided for key '{keyword}' must be a string");
            };
            if KEYWORDS.iter().any(|(option, word)| word == keyword || option == keyword) {
                crate::fail!("Multiple values provided for key '{keyword}'");
            }
            out.push((keyword.clone(), value.clone()));
        }
    }
    match out.iter().find(|(_, value)| value.contains('\n')) {
        Some((keyword, _)) => Err(Fail::new(format!("the value of {keyword} has more than one line"))),
        None => Ok(out),
    }
}

/// Keyword in lower case and value of a line; `None` for comments and blank lines.
fn parse(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
    let value = line[end..].trim_start().strip_prefix('=').unwrap_or(&line[end..]).trim();
    let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    Some((line[..end].to_lowercase(), value))
}

/// The lines of each block of this host, `Host` line first; comments and blank lines before the next block are that one's.
fn blocks(lines: &[String], host: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut open = None;
    let mut end = 0;
    for (at, line) in lines.iter().enumerate() {
        match parse(line) {
            Some((keyword, value)) if keyword == "host" || keyword == "match" => {
                out.extend(open.take().map(|start| start..end));
                open = (keyword == "host" && value == host).then_some(at);
                end = at + 1;
            }
            Some(_) => end = at + 1,
            None => {}
        }
    }
    out.extend(open.map(|start| start..end));
    out
}

/// A block's options, as results show them.
fn shown(lines: &[String]) -> Value {
    let mut out = Map::new();
    for (keyword, value) in lines.iter().skip(1).filter_map(|line| parse(line)) {
        match out.get_mut(&keyword) {
            Some(Value::Array(all)) => all.push(json!(value)),
            // Ssh takes the first of what may be given once.
            Some(_) => {}
            None => {
                let value = if keyword == "identityfile" { json!([value]) } else { json!(value) };
                out.insert(keyword, value);
            }
        }
    }
    Value::Object(out)
}

/// Sets one option in a block; `None`: it is there already.
fn set(block: &[String], keyword: &str, value: &str) -> Option<Vec<String>> {
    let places: Vec<usize> =
        (1..block.len()).filter(|at| parse(&block[*at]).is_some_and(|(word, _)| word == keyword)).collect();
    // Of files of identities all are tried, of anything else the first counts.
    let known = if keyword == "identityfile" { &places[..] } else { &places[..places.len().min(1)] };
    if known.iter().any(|at| parse(&block[*at]).is_some_and(|(_, have)| have == value)) {
        return None;
    }
    let mut out = block.to_vec();
    match places.split_first() {
        Some((first, rest)) => {
            let line = &block[*first];
            let indent = line.len() - line.trim_start().len();
            let word = line.trim_start().split([' ', '\t', '=']).next().unwrap_or(keyword);
            out[*first] = format!("{}{word} {value}", &line[..indent]);
            rest.iter().rev().for_each(|at| _ = out.remove(*at));
        }
        None => {
            let last = block.iter().skip(1).rfind(|line| parse(line).is_some());
            let indent = last.map_or("    ", |line| &line[..line.len() - line.trim_start().len()]);
            out.push(format!("{indent}{keyword} {value}"));
        }
    }
    Some(out)
}

/// What has become of a file.
#[derive(Default)]
struct Edited {
    text: String,
    added: bool,
    removed: usize,
    changes: Vec<Value>,
}

fn edit(before: &str, host: &str, wanted: &Pairs, absent: bool) -> Edited {
    let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
    let mut edited = Edited::default();
    let found = blocks(&lines, host);
    for range in found.iter().rev() {
        if absent {
            edited.removed += 1;
            lines.drain(range.clone());
            continue;
        }
        let old = lines[range.clone()].to_vec();
        let mut new = old.clone();
        for (keyword, value) in wanted {
            if let Some(changed) = set(&new, keyword, value) {
                new = changed;
            }
        }
        if new != old {
            edited.changes.insert(0, json!({host: {"old": shown(&old), "new": shown(&new)}}));
            lines.splice(range.clone(), new);
        }
    }
    if found.is_empty() && !absent && !wanted.is_empty() {
        edited.added = true;
        lines.push(format!("Host {host}"));
        lines.extend(wanted.iter().map(|(keyword, value)| format!("    {keyword} {value}")));
    }
    edited.text = lines.iter().map(|line| format!("{line}\n")).collect();
    edited
}

/// The file, and whom it belongs to.
fn place(ctx: &Ctx) -> Result<PathBuf, Fail> {
    if let Some(file) = ctx.args.path("ssh_config_file") {
        return Ok(file);
    }
    match ctx.args.str("user") {
        Some(name) => match users::user_by_name(&name) {
            Some(user) => Ok(Path::new(&user.home).join(".ssh/config")),
            None => Err(Fail::new(format!("there is no user {name:?}"))),
        },
        None => Ok(SYSTEM.into()),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (host, absent) = (args.req("host")?, args.text("state") == "absent");
    let file = place(ctx)?;
    let dir = file.parent().unwrap_or(Path::new("/")).to_owned();
    if let Some(identity) = args.path("identity_file").filter(|_| file.exists())
        && !dir.join(&identity).exists()
    {
        crate::fail!("IdentityFile {} does not exist", identity.display());
    }
    let wanted = wanted(ctx)?;
    let before = files::read_text(&file)?.unwrap_or_default();
    let edited = edit(&before, &host, &wanted, absent);
    let changed = edited.added || edited.removed > 0 || !edited.changes.is_empty();
    if changed && !ctx.check {
        let (user, group) = (args.str("user"), args.str("group").or_else(|| args.str("user")));
        let owner = user.as_ref().and_then(|name| users::user_by_name(name)).map(|user| user.uid);
        let group = match &group {
            Some(name) => match users::group_by_name(name) {
                Some(group) => Some(group.gid),
                None => crate::fail!("chgrp failed: failed to look up group {name}"),
            },
            None => None,
        };
        if !dir.exists() {
            std::fs::create_dir_all(&dir).at("can't make the directory", &dir)?;
            std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).at("can't set the mode of", &dir)?;
            std::os::unix::fs::chown(&dir, owner, group).at("can't give away", &dir)?;
        }
        files::write(ctx, &file, edited.text.as_bytes(), false)?;
        let mode = if file == Path::new(SYSTEM) { 0o644 } else { 0o600 };
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).at("can't set the mode of", &file)?;
        std::os::unix::fs::chown(&file, owner, group).at("can't give away", &file)?;
    }
    let hosts = |some: bool| if some { vec![host.as_str()] } else { Vec::new() };
    let mut out = crate::out! {
        "changed": changed, "hosts_added": hosts(edited.added),
        "hosts_changed": vec![host.as_str(); edited.changes.len()],
        "hosts_removed": vec![host.as_str(); edited.removed], "hosts_change_diff": edited.changes,
    };
    if ctx.diff {
        let name = file.to_string_lossy();
        out.insert("diff".into(), files::diff(&before, if changed { &edited.text } else { &before }, &name, &name));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    const FILE: &str = "# top\nHost *\n  ForwardAgent no\n\n# about a\nHost a b\n\tHostName 1.2.3.4\n\tPort=22\n  IdentityFile ~/x\n  IdentityFile ~/y\n\nMatch user x\n  Port 1\n";

    fn pairs(all: &[(&str, &str)]) -> Pairs {
        all.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn only_the_hosts_lines_change() {
        for (host, wanted, absent, want) in [
            ("a b", &[("hostname", "1.2.3.4"), ("port", "22"), ("identityfile", "~/y")][..], false, None),
            ("a b", &[("hostname", "h")], false, Some(("\tHostName 1.2.3.4\n", "\tHostName h\n"))),
            ("a b", &[("port", "23")], false, Some(("\tPort=22\n", "\tPort 23\n"))),
            (
                "a b",
                &[("identityfile", "~/z")],
                false,
                Some(("  IdentityFile ~/x\n  IdentityFile ~/y\n", "  IdentityFile ~/z\n")),
            ),
            ("a b", &[("user", "u")], false, Some(("~/y\n", "~/y\n  user u\n"))),
            ("*", &[("forwardagent", "yes")], false, Some(("ForwardAgent no", "ForwardAgent yes"))),
            ("a", &[("port", "1")], false, Some(("  Port 1\n", "  Port 1\nHost a\n    port 1\n"))),
            (
                "a b",
                &[],
                true,
                Some(("Host a b\n\tHostName 1.2.3.4\n\tPort=22\n  IdentityFile ~/x\n  IdentityFile ~/y\n", "")),
            ),
            ("z", &[], true, None),
        ] {
            let wanted = pairs(wanted);
            let edited = edit(FILE, host, &wanted, absent);
            let expected = want.map_or(FILE.to_owned(), |(from, to)| FILE.replacen(from, to, 1));
            assert_eq!(edited.text, expected, "{host} {wanted:?}");
            let again = edit(&edited.text, host, &wanted, absent);
            assert!(!again.added && again.removed == 0 && again.changes.is_empty(), "{host} {wanted:?}");
        }
        let edited = edit(FILE, "a b", &pairs(&[("port", "23")]), false);
        assert_eq!(
            edited.changes[0]["a b"]["new"],
            json!({"hostname": "1.2.3.4", "port": "23", "identityfile": ["~/x", "~/y"]})
        );
    }

    #[test]
    fn as_ssh_reads_it() {
        let dir = Scratch::new();
        let key = dir.file("key", "");
        let file = dir.path("ssh/config");
        let call = |more: Value| {
            let mut args = json!({"host": "new", "ssh_config_file": file});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("ssh_config", args))
        };
        let entry = json!({"hostname": "n.example", "port": "2222", "remote_user": "u", "identity_file": key,
            "forward_agent": true, "identities_only": false, "controlpersist": "True",
            "other_options": {"serveraliveinterval": "30"}});
        let first = call(entry.clone()).unwrap();
        assert_eq!((&first["changed"], &first["hosts_added"]), (&json!(true), &json!(["new"])));
        assert_eq!(call(entry).unwrap()["changed"], false);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let probe = Ctx::test("ssh_config", json!({}));
        if probe.which("ssh").is_none() {
            crate::sys::files::skipped("ssh is not installed");
        } else {
            let read = probe.must(&["ssh", "-G", "-F", &file, "new"]).unwrap().stdout;
            for line in ["hostname n.example", "port 2222", "user u", "forwardagent yes", "identitiesonly no"] {
                assert!(read.lines().any(|l| l == line), "{line} in\n{read}");
            }
            assert!(read.contains("controlpersist yes") && read.contains("serveraliveinterval 30"), "{read}");
        }
        assert!(call(json!({"identity_file": "/no/such"})).unwrap_err().msg.contains("does not exist"));
        assert!(call(json!({"other_options": {"Port": "1"}})).unwrap_err().msg.contains("lower case"));
        assert!(call(json!({"other_options": {"port": "1"}})).unwrap_err().msg.contains("Multiple values"));
        assert_eq!(call(json!({"state": "absent"})).unwrap()["hosts_removed"], json!(["new"]));
        assert_eq!(call(json!({"state": "absent"})).unwrap()["changed"], false);
    }
}
