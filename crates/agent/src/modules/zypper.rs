//! `zypper`: packages of SUSE's distributions.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::mounts;
use crate::sys::run::Ran;
use serde_json::json;
use std::path::Path;

/// A package in zypper's XML, with the list that it stands in.
#[derive(Debug, Clone, PartialEq)]
struct Solvable {
    name: String,
    version: String,
    old: String,
    group: String,
}

/// An attribute's value in a tag's text.
fn attribute(tag: &str, name: &str) -> String {
    let start = tag.find(&format!(" {name}=\"")).map(|at| at + name.len() + 3);
    let value = start.and_then(|at| tag[at..].split('"').next()).unwrap_or_default();
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(value.to_string(), |text, (from, to)| text.replace(from, to))
}

/// The packages and the messages in zypper's XML; `None` if it is none.
fn parse(xml: &str) -> Option<(Vec<Solvable>, Vec<String>)> {
    if !xml.contains("<stream") {
        return None;
    }
    let (mut found, mut messages, mut open): (Vec<Solvable>, Vec<String>, Vec<String>) = Default::default();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>')? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name = tag.split([' ', '/', '\n']).next().unwrap_or_default();
        if tag.starts_with('/') {
            open.pop();
        } else if !tag.starts_with(['?', '!']) {
            match name {
                "solvable" => found.push(Solvable {
                    name: attribute(tag, "name"),
                    version: attribute(tag, "edition"),
                    old: attribute(tag, "edition-old"),
                    group: open.last().cloned().unwrap_or_default(),
                }),
                "message" => messages.push(rest.split('<').next().unwrap_or_default().trim().to_string()),
                _ => {}
            }
            if !tag.ends_with('/') {
                open.push(name.to_string());
            }
        }
    }
    Some((found, messages))
}

/// Sign, name and version of `+apache>=2.4`.
fn split(name: &str) -> (char, String, String) {
    let sign = name.chars().next().filter(|c| "+-~".contains(*c));
    let rest = &name[sign.map_or(0, char::len_utf8)..];
    let sign = sign.map_or(' ', |c| if c == '~' { '-' } else { c });
    match rest.find(['<', '>', '=']) {
        Some(at)
            if rest[at..]
                .trim_start_matches(['<', '>', '='])
                .chars()
                .all(|c| c.is_ascii_digit() || ".-".contains(c)) =>
        {
            (sign, rest[..at].to_string(), rest[at..].to_string())
        }
        _ => (sign, rest.to_string(), String::new()),
    }
}

struct Zypper<'a> {
    ctx: &'a Ctx,
    old: bool,
}

impl Zypper<'_> {
    fn words(&self, verb: &str) -> Result<Vec<String>, Fail> {
        let args = &self.ctx.args;
        let install = matches!(verb, "install" | "update" | "patch" | "dist-upgrade");
        let mut words = Vec::new();
        let mut add = |more: &[&str]| words.extend(more.iter().map(|w| w.to_string()));
        let transactional = Path::new("/usr/sbin/transactional-update").exists()
            && mounts::at(Path::new("/"))
                .is_some_and(|m| m.fstype == "btrfs" && m.options.split(',').any(|o| o == "ro"));
        if transactional {
            add(&["transactional-update", "--continue", "--drop-if-no-change", "--quiet", "run"]);
        }
        add(&[&self.ctx.need("zypper")?.to_string_lossy(), "--non-interactive", "--xmlout"]);
        if args.bool("quiet") {
            add(&["--quiet"]);
        }
        for word in args.text("extra_args_precommand").split_whitespace() {
            add(&[word]);
        }
        if (install || verb == "refresh") && args.bool("disable_gpg_check") {
            add(&["--no-gpg-checks"]);
        }
        if install && args.bool("auto_import_keys") {
            add(&["--gpg-auto-import-keys"]);
        }
        if verb == "search" {
            add(&["--disable-repositories"]);
        }
        add(&[verb]);
        if !matches!(verb, "patch" | "dist-upgrade" | "refresh") {
            add(&["--type", &args.text("type")]);
        }
        if self.ctx.check && verb != "search" {
            add(&["--dry-run"]);
        }
        if install {
            add(&["--auto-agree-with-licenses"]);
            for (option, on) in [
                ("--no-recommends", args.bool("disable_recommends")),
                ("--force", args.bool("force")),
                ("--force-resolution", args.bool("force_resolution")),
                ("--oldpackage", args.bool("oldpackage") || self.old),
                ("--replacefiles", args.bool("replacefiles")),
                ("--allow-vendor-change", verb == "dist-upgrade" && args.bool("allow_vendor_change")),
            ] {
                if on {
                    add(&[option]);
                }
            }
        }
        if verb == "remove" && args.bool("clean_deps") {
            add(&["--clean-deps"]);
        }
        for word in args.text("extra_args").split_whitespace() {
            add(&[word]);
        }
        Ok(words)
    }

    /// Runs it; what zypper lists, and how it ended. `missing`: nothing found is no failure.
    fn call(&self, words: &[String], missing: bool) -> Result<(Vec<Solvable>, Ran), Fail> {
        let args = &self.ctx.args;
        let mut all = Vec::new();
        for attempt in 0..2 {
            let mut ran = self.ctx.run(words)?;
            let Some((found, messages)) = parse(&ran.stdout) else {
                return Err(ran.fail("Failed to parse zypper xml output").with("cmd", words.join(" ")));
            };
            let said = messages.join(" \n");
            if args.bool("simple_errors") && !said.is_empty() {
                ran.stdout = said.clone();
            }
            match ran.rc {
                104 if missing => return Ok((Vec::new(), ran)),
                104 => {
                    let last = messages.last().cloned().unwrap_or_default();
                    return Err(ran.fail(last).with("cmd", words.join(" ")));
                }
                0 | 102 | 103 | 106 | 107 => {
                    all.extend(found);
                    // 103: zypper updated itself first. 107: a script of a package failed.
                    let again = ran.rc == 103 || ran.rc == 107 && args.bool("skip_post_errors");
                    if !again || attempt == 1 {
                        return Ok((all, ran));
                    }
                }
                rc => {
                    return Err(ran
                        .fail(format!("Zypper run command failed with return code {rc}."))
                        .with("cmd", words.join(" ")));
                }
            }
        }
        Ok((all, Ran::default()))
    }

    fn installed(&self, names: &[&str]) -> Result<Vec<String>, Fail> {
        let mut words = self.words("search")?;
        words.extend(["--match-exact", "--details", "--installed-only"].map(String::from));
        words.extend(names.iter().map(|n| n.to_string()));
        Ok(self.call(&words, true)?.0.into_iter().map(|s| s.name).collect())
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let names: Vec<String> = args.strs("name").into_iter().filter(|n| !n.is_empty()).collect();
    let state = args.text("state");
    let mut zypper = Zypper { ctx, old: false };
    if args.bool("update_cache") && !ctx.check {
        zypper.call(&zypper.words("refresh")?, false)?;
    }
    let all = names == ["*"];
    let absent = matches!(state.as_str(), "absent" | "removed");
    let mut words = Vec::new();
    if all && matches!(state.as_str(), "latest" | "dist-upgrade") {
        let verb = match (args.text("type").as_str(), state.as_str()) {
            ("patch", _) => "patch",
            (_, "dist-upgrade") => "dist-upgrade",
            _ => "update",
        };
        words = zypper.words(verb)?;
    } else if state == "dist-upgrade" {
        crate::fail!("Can not dist-upgrade specific packages.");
    } else {
        let (urls, packages): (Vec<_>, Vec<_>) = names.iter().partition(|n| n.contains("://") || n.ends_with(".rpm"));
        let mut wanted: Vec<(char, String, String)> = packages.iter().map(|n| split(n)).collect();
        let own = if absent { '-' } else { '+' };
        wanted.iter_mut().filter(|w| w.0 == ' ').for_each(|w| w.0 = own);
        if absent {
            if wanted.iter().any(|w| w.0 == '+') {
                crate::fail!("Can not combine '+' prefix with state=remove/absent.");
            }
            if !urls.is_empty() {
                crate::fail!("Can not remove via URL.");
            }
            if args.text("type") == "patch" {
                crate::fail!("Can not remove patches.");
            }
        }
        let plain: Vec<&str> = wanted.iter().filter(|w| absent || w.2.is_empty()).map(|w| w.1.as_str()).collect();
        if state != "latest" && !plain.is_empty() {
            let have = zypper.installed(&plain)?;
            wanted.retain(|w| {
                if absent { have.contains(&w.1) } else { (w.0 == '+') != have.contains(&w.1) || !w.2.is_empty() }
            });
        }
        zypper.old = wanted.iter().any(|w| !w.2.is_empty());
        if !wanted.is_empty() || !urls.is_empty() {
            words = zypper.words(if absent { "remove" } else { "install" })?;
            if !absent {
                words.push("--".into());
                words.extend(urls.into_iter().cloned());
            }
            words.extend(wanted.into_iter().map(|(sign, name, version)| {
                if absent { format!("{name}{version}") } else { format!("{sign}{name}{version}") }
            }));
        }
    }
    let mut out = crate::out! {"name": names, "state": state, "update_cache": args.bool("update_cache"), "rc": 0};
    if words.is_empty() {
        out.insert("changed".into(), false.into());
        return Ok(out);
    }
    let (list, ran) = zypper.call(&words, false)?;
    let changed = matches!(ran.rc, 0 | 102) && !list.is_empty();
    out.insert("changed".into(), changed.into());
    out.insert("rc".into(), ran.rc.into());
    out.insert("cmd".into(), json!(words));
    if ctx.diff {
        let of = |group: &str| list.iter().filter(|s| s.group == group).collect::<Vec<_>>();
        let mut text = String::new();
        let plain = |s: &&Solvable| s.name.clone();
        let moved = |s: &&Solvable| format!("{} ({} => {})", s.name, s.old, s.version);
        let lists: [(&str, Vec<String>); 3] = [
            ("installed", of("to-install").iter().map(plain).collect()),
            ("removed", of("to-remove").iter().map(plain).collect()),
            ("upgraded", of("to-upgrade").iter().map(moved).collect()),
        ];
        for (what, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
            text.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
        out.insert("diff".into(), json!({"prepared": text}));
    }
    if !matches!(ran.rc, 0 | 102) {
        return Err(ran.fail("Zypper run failed.").with_all(out.into()));
    }
    if changed {
        out.insert("stdout".into(), ran.stdout.into());
        out.insert("stderr".into(), ran.stderr.into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_xml() {
        for (text, want) in [
            ("apache2", (' ', "apache2", "")),
            ("+a>=2.4", ('+', "a", ">=2.4")),
            ("~b", ('-', "b", "")),
            ("libstdc++", (' ', "libstdc++", "")),
        ] {
            assert_eq!(split(text), (want.0, want.1.to_string(), want.2.to_string()), "{text}");
        }
        let xml = "<?xml version='1.0'?>\n<stream>\n<message type=\"info\">Loading</message>\n<install-summary>\n<to-upgrade>\
                   <solvable type=\"package\" name=\"vim\" edition=\"9\" edition-old=\"8\"/></to-upgrade></install-summary></stream>";
        let (found, messages) = parse(xml).unwrap();
        let want = Solvable { name: "vim".into(), version: "9".into(), old: "8".into(), group: "to-upgrade".into() };
        assert_eq!((found, messages), (vec![want], vec!["Loading".to_string()]));
        assert_eq!(parse("no xml"), None);
    }
}
