//! `timezone`: the host's zone, and whether its clock runs in UTC.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{files, init};
use serde_json::{Map, json};
use std::path::{Path, PathBuf};

const ZONES: &str = "/usr/share/zoneinfo";

/// The zone's name behind /etc/localtime, or in /etc/timezone.
fn current(root: &Path) -> Option<String> {
    let link = std::fs::read_link(root.join("etc/localtime")).ok();
    let from_link = link.and_then(|t| t.to_string_lossy().split_once("zoneinfo/").map(|(_, z)| z.to_string()));
    from_link.or_else(|| {
        std::fs::read_to_string(root.join("etc/timezone")).ok().map(|t| t.trim().to_string()).filter(|t| !t.is_empty())
    })
}

/// `LOCAL` or `UTC`: the third line of /etc/adjtime.
fn clock(root: &Path) -> String {
    let text = std::fs::read_to_string(root.join("etc/adjtime")).unwrap_or_default();
    if text.lines().nth(2).map(str::trim) == Some("LOCAL") { "local".into() } else { "UTC".into() }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    run_in(ctx, Path::new("/"))
}

fn run_in(ctx: &Ctx, root: &Path) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, hwclock) = (args.str("name"), args.str("hwclock"));
    let mut before = Map::new();
    let mut after = Map::new();
    if let Some(name) = &name {
        let zone = Path::new(ZONES).join(name);
        if !zone.is_file() || Path::new(name).components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
            crate::fail!(
                "given timezone \"{name}\" is not available: {} is missing (is the package tzdata installed?)",
                zone.display()
            );
        }
        before.insert("name".into(), json!(current(root).unwrap_or_else(|| "n/a".into())));
        after.insert("name".into(), json!(name));
    }
    if let Some(hwclock) = &hwclock {
        before.insert("hwclock".into(), json!(clock(root)));
        after.insert("hwclock".into(), json!(hwclock));
    }
    let changed = before != after;
    if changed && !ctx.check {
        let systemd = root == Path::new("/") && init::systemd_runs() && ctx.which("timedatectl").is_some();
        if let Some(name) = name.as_ref().filter(|_| before.get("name") != after.get("name")) {
            if systemd { command(ctx, &["timedatectl", "set-timezone", name])? } else { set_zone(ctx, root, name)? }
        }
        if let Some(hwclock) = hwclock.as_ref().filter(|_| before.get("hwclock") != after.get("hwclock")) {
            let local = hwclock == "local";
            if systemd {
                command(ctx, &["timedatectl", "set-local-rtc", if local { "yes" } else { "no" }])?;
            } else {
                set_clock(ctx, root, local)?;
            }
        }
    }
    Ok(crate::out! {"changed": changed, "diff": {"before": before, "after": after}})
}

fn command(ctx: &Ctx, words: &[&str]) -> Result<(), Fail> {
    let ran = ctx.run(words)?;
    if ran.ok() { Ok(()) } else { Err(ran.fail(format!("{} failed: {}", words.join(" "), ran.complaint()))) }
}

fn set_zone(ctx: &Ctx, root: &Path, name: &str) -> Result<(), Fail> {
    let (local, temp): (PathBuf, PathBuf) = (root.join("etc/localtime"), root.join("etc/.localtime.new"));
    let _ = std::fs::remove_file(&temp);
    std::os::unix::fs::symlink(Path::new(ZONES).join(name), &temp).at("can't make the link", &temp)?;
    std::fs::rename(&temp, &local).at("can't replace", &local)?;
    // Debian keeps the name beside the link, Red Hat's older releases in another file.
    let timezone = root.join("etc/timezone");
    if timezone.exists() || root.join("etc/debian_version").exists() {
        files::write(ctx, &timezone, format!("{name}\n").as_bytes(), true)?;
    }
    let sysconfig = root.join("etc/sysconfig/clock");
    if let Some(text) = files::read_text(&sysconfig)? {
        let kept: String = text
            .lines()
            .filter(|l| !l.starts_with("ZONE=") && !l.starts_with("TIMEZONE="))
            .map(|l| format!("{l}\n"))
            .collect();
        files::write(ctx, &sysconfig, format!("{kept}ZONE=\"{name}\"\n").as_bytes(), true)?;
    }
    Ok(())
}

fn set_clock(ctx: &Ctx, root: &Path, local: bool) -> Result<(), Fail> {
    let path = root.join("etc/adjtime");
    let text = files::read_text(&path)?.unwrap_or_else(|| "0.0 0 0.0\n0\nUTC\n".into());
    let mut lines: Vec<&str> = text.lines().collect();
    lines.resize(3, "0");
    lines[2] = if local { "LOCAL" } else { "UTC" };
    files::write(ctx, &path, format!("{}\n", lines.join("\n")).as_bytes(), true)?;
    let rcs = root.join("etc/default/rcS");
    if let Some(text) = files::read_text(&rcs)? {
        let kept: String = text.lines().filter(|l| !l.starts_with("UTC=")).map(|l| format!("{l}\n")).collect();
        files::write(ctx, &rcs, format!("{kept}UTC={}\n", if local { "no" } else { "yes" }).as_bytes(), true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn a_tree_of_ones_own() {
        if !Path::new(ZONES).join("Europe/Berlin").exists() {
            crate::sys::files::skipped("tzdata is not installed");
            return;
        }
        let dir = Scratch::new();
        std::fs::create_dir(dir.0.join("etc")).unwrap();
        dir.file("etc/timezone", "UTC\n");
        let call = |args: serde_json::Value| run_in(&Ctx::test("timezone", args), &dir.0);
        let out = call(json!({"name": "Europe/Berlin", "hwclock": "local"})).unwrap();
        assert_eq!((&out["changed"], &out["diff"]["before"]["name"]), (&json!(true), &json!("UTC")));
        assert_eq!(call(json!({"name": "Europe/Berlin", "hwclock": "local"})).unwrap()["changed"], false);
        assert_eq!(dir.read("etc/timezone"), "Europe/Berlin\n");
        assert!(call(json!({"name": "Mars/Olympus"})).is_err());
        assert!(call(json!({"name": "../passwd"})).is_err());
    }
}
