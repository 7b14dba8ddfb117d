//! `snap`: packages of snapd, by snap.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What of a snap is there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Status {
    Missing,
    OtherChannel,
    Installed,
}

/// Names, channels and notes in `snap list`.
fn listed(text: &str) -> Vec<(String, String, String)> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some((words.first()?.to_string(), words.get(3)?.to_string(), words.get(5).unwrap_or(&"").to_string()))
    };
    text.lines().skip(1).filter_map(row).collect()
}

/// `a.b` and text for each leaf of `snap get -d`.
fn leaves(value: &Value, prefix: &str, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(value, &if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, out);
            }
        }
        Value::Array(_) => {}
        leaf => drop(out.insert(prefix.to_string(), crate::args::text(leaf))),
    }
}

struct Snaps<'a> {
    ctx: &'a Ctx,
    program: String,
    out: Outcome,
}

impl Snaps<'_> {
    fn call(&self, words: &[&str]) -> Result<Ran, Fail> {
        let mut line = vec![self.program.as_str()];
        line.extend(words);
        self.ctx.run(&line)
    }

    fn list(&self) -> Result<Vec<(String, String, String)>, Fail> {
        let ran = self.call(&["list"])?;
        // Without any snap it says so on standard error.
        Ok(listed(&ran.stdout))
    }

    /// Runs one command for all, or one for each.
    fn act(&mut self, verb: &str, options: &[String], names: &[String], each: bool) -> Result<(), Fail> {
        self.out.insert("changed".into(), true.into());
        if self.ctx.check {
            return Ok(());
        }
        let groups: Vec<&[String]> = if each { names.chunks(1).collect() } else { vec![names] };
        for group in groups {
            let mut words = vec![verb];
            words.extend(options.iter().map(String::as_str));
            words.extend(group.iter().map(String::as_str));
            let ran = self.call(&words)?;
            let cmd = words.join(" ");
            self.out.insert("cmd".into(), cmd.as_str().into());
            if ran.ok() {
                continue;
            }
            let classic =
                ran.stderr.split_once("This revision of snap \"").filter(|(_, r)| r.contains("classic confinement"));
            let msg = match classic.and_then(|(_, rest)| rest.split('"').next()) {
                Some(name) => format!("Couldn't install {name} because it requires classic confinement"),
                None => format!(
                    "Ooops! Snap operation failed while executing '{cmd}', please examine logs and error output for more details."
                ),
            };
            return Err(ran.fail(msg).with("cmd", cmd));
        }
        Ok(())
    }

    fn options(&mut self, names: &[String], statuses: &[Status]) -> Result<(), Fail> {
        let Some(wanted) = self.ctx.args.opt_strs("options") else { return Ok(()) };
        let mut all = Vec::new();
        for name in names.iter().zip(statuses).filter(|(_, s)| **s != Status::Missing).map(|(n, _)| n) {
            let ran = self.call(&["get", "-d", name])?;
            let mut have = BTreeMap::new();
            if ran.ok() {
                leaves(&serde_json::from_str(&ran.stdout).unwrap_or_default(), "", &mut have);
            }
            let mut changes = Vec::new();
            for option in &wanted {
                let Some((key, value)) = option.split_once('=').map(|(k, v)| (k.trim(), v.trim())) else {
                    crate::fail!("Cannot parse set option '{option}'");
                };
                let (of, key) = match key.split_once(':') {
                    Some((of, key)) => (Some(of), key),
                    None => (None, key),
                };
                if of.is_some_and(|of| !names.iter().any(|n| n == of)) {
                    crate::fail!("Snap option '{option}' refers to snap which is not in the list of snap names");
                }
                if of.is_none_or(|of| of == name) && have.get(key).map(String::as_str) != Some(value) {
                    changes.push(format!("{key}={value}"));
                    all.push(if of.is_some() { option.clone() } else { format!("{name}:{option}") });
                }
            }
            if changes.is_empty() {
                continue;
            }
            self.out.insert("changed".into(), true.into());
            if !self.ctx.check {
                let mut words = vec!["set", name.as_str()];
                words.extend(changes.iter().map(String::as_str));
                let ran = self.call(&words)?;
                if !ran.ok() {
                    if ran.stderr.contains("has no \"configure\" hook") {
                        crate::fail!("Snap '{name}' does not have any configurable options");
                    }
                    let error = ran.stderr.clone();
                    return Err(ran
                        .fail(format!("Cannot set options '{}' for snap '{name}': error={error}", changes.join(" "))));
                }
            }
        }
        if !all.is_empty() {
            self.out.insert("options_changed".into(), json!(all));
        }
        Ok(())
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (given, state, channel) = (args.strs("name"), args.text("state"), args.str("channel"));
    let program = ctx.need("snap")?.to_string_lossy().into_owned();
    let mut snaps = Snaps { ctx, program, out: crate::out! {"changed": false, "name": given, "state": state} };
    let mut names = Vec::new();
    for name in &given {
        // A file has its snap's name inside.
        let found = if state == "present" && (name.contains('/') || name.ends_with(".snap")) {
            let ran = snaps.call(&["info", name])?;
            ran.stdout.lines().find_map(|l| l.strip_prefix("name:").map(|n| n.trim().to_string()))
        } else {
            None
        };
        names.push(found.unwrap_or_else(|| name.clone()));
    }
    let have = snaps.list()?;
    let status = |name: &String| match have.iter().find(|(n, _, _)| n == name) {
        None => Status::Missing,
        Some((_, on, _)) => match &channel {
            Some(c) if on != c && *on != format!("latest/{c}") => Status::OtherChannel,
            _ => Status::Installed,
        },
    };
    let statuses: Vec<Status> = names.iter().map(status).collect();
    let with = |wanted: Status| -> Vec<String> {
        given.iter().zip(&statuses).filter(|(_, s)| **s == wanted).map(|(n, _)| n.clone()).collect()
    };
    if state == "present" {
        let mut options = Vec::new();
        if args.bool("classic") {
            options.push("--classic".to_string());
        }
        options.extend(channel.as_ref().map(|c| format!("--channel={c}")));
        if args.bool("dangerous") {
            options.push("--dangerous".into());
        }
        for (verb, wanted) in [("refresh", Status::OtherChannel), ("install", Status::Missing)] {
            let these = with(wanted);
            if !these.is_empty() {
                snaps.out.insert("snaps_installed".into(), json!(these));
                // These options are taken for one snap at a time.
                let each = these.len() > 1 && !options.is_empty();
                snaps.act(verb, &options, &these, each)?;
            }
        }
        snaps.options(&names, &statuses)?;
        let shown = channel.unwrap_or_else(|| "stable".into());
        snaps.out.insert("channel".into(), shown.into());
        snaps.out.insert("classic".into(), args.bool("classic").into());
        snaps.out.insert("snap_names".into(), json!(names));
        return Ok(snaps.out);
    }
    let disabled =
        |name: &String| have.iter().any(|(n, _, notes)| n == name && notes.split(',').any(|w| w == "disabled"));
    let installed = |name: &String| have.iter().any(|(n, _, _)| n == name);
    let (verb, key, these): (&str, &str, Vec<String>) = match state.as_str() {
        "absent" => ("remove", "snaps_removed", given.iter().filter(|n| installed(n)).cloned().collect()),
        "enabled" => ("enable", "snaps_enabled", given.iter().filter(|n| disabled(n)).cloned().collect()),
        _ => ("disable", "snaps_disabled", given.iter().filter(|n| installed(n) && !disabled(n)).cloned().collect()),
    };
    if !these.is_empty() {
        snaps.out.insert(key.into(), json!(these));
        snaps.act(verb, &[], &these, verb != "remove")?;
    }
    Ok(snaps.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn snaps_come_once() {
        let list = "Name  Version  Rev  Tracking  Publisher  Notes\ncore  16  1  latest/stable  canonical  core\nx  1  2  latest/edge  y  disabled\n";
        assert_eq!(listed(list)[1], ("x".into(), "latest/edge".into(), "disabled".into()));
        let mut out = BTreeMap::new();
        leaves(&json!({"a": {"b": 1, "c": true}, "d": "e"}), "", &mut out);
        assert_eq!(
            out.into_iter().collect::<Vec<_>>(),
            [("a.b".into(), "1".into()), ("a.c".into(), "True".into()), ("d".into(), "e".into())]
        );
        let dir = Scratch::new();
        dir.file("list", list);
        let snap = "#!/bin/sh\necho \"$*\" >>\"$STATE/log\"\ncase $1 in\nlist) cat \"$STATE/list\" ;;\ninstall) echo \"$2  1  1  latest/stable  p  -\" >>\"$STATE/list\" ;;\nget) echo '{\"k\": 1}' ;;\nesac\n";
        std::fs::set_permissions(dir.file("snap", snap), PermissionsExt::from_mode(0o755)).unwrap();
        let call = |args: Value| {
            let mut ctx = Ctx::test("snap", args);
            ctx.env.insert("PATH".into(), format!("{}:/bin:/usr/bin", dir.0.display()));
            ctx.env.insert("STATE".into(), dir.0.to_string_lossy().into_owned());
            run(&ctx).unwrap()
        };
        assert_eq!(call(json!({"name": "core"}))["changed"], false);
        assert_eq!(call(json!({"name": ["core", "new"]}))["snaps_installed"], json!(["new"]));
        assert_eq!(call(json!({"name": ["core", "new"]}))["changed"], false);
        assert_eq!(call(json!({"name": "x", "channel": "stable"}))["changed"], true);
        assert!(dir.read("log").contains("refresh --channel=stable x\n"));
        assert_eq!(call(json!({"name": "core", "options": ["k=1"]}))["changed"], false);
        assert_eq!(call(json!({"name": "core", "options": ["core:k=2"]}))["options_changed"], json!(["core:k=2"]));
        assert_eq!(call(json!({"name": ["x", "core"], "state": "enabled"}))["snaps_enabled"], json!(["x"]));
        assert_eq!(call(json!({"name": ["core", "none"], "state": "absent"}))["snaps_removed"], json!(["core"]));
    }
}
