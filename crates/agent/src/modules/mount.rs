//! `mount`: a line in fstab and what is mounted agree with the task.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::run::Ran;
use crate::sys::{files, mounts};
use std::path::{Path, PathBuf};

/// The line that a task wants.
#[derive(Debug, Clone)]
struct Line {
    src: String,
    name: String,
    fstype: String,
    opts: String,
    dump: String,
    passno: String,
}

impl Line {
    fn show(&self) -> String {
        let Line { src, name, fstype, opts, dump, passno } = self;
        format!("{} {} {} {} {dump} {passno}\n", escape(src), escape(name), escape(fstype), escape(opts))
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('&', "\\046")
}

/// The fields of a mount line; `None` for comments and anything else.
fn fields(line: &str) -> Option<Vec<&str>> {
    let fields: Vec<&str> = line.split('#').next()?.split_whitespace().collect();
    (4..=6).contains(&fields.len()).then_some(fields)
}

/// fstab with the line in it, and whether that changes it. Pure.
fn plan_set(text: &str, wanted: &Line) -> (String, bool) {
    let mut out = String::new();
    let (mut seen, mut changed) = (false, false);
    for line in text.split_inclusive('\n') {
        let whole = if line.ends_with('\n') { line.to_string() } else { format!("{line}\n") };
        let ours = fields(&whole).filter(|f| {
            // Swap has no mount point: several lines say `none`.
            f[1] == escape(&wanted.name) && !(f[1] == "none" && f[2] == "swap" && f[0] != wanted.src)
        });
        let Some(f) = ours else {
            out.push_str(&whole);
            continue;
        };
        seen = true;
        let now = [f[0], f[2], f[3], f.get(4).copied().unwrap_or("0"), f.get(5).copied().unwrap_or("0")];
        let want = [
            escape(&wanted.src),
            escape(&wanted.fstype),
            escape(&wanted.opts),
            wanted.dump.clone(),
            wanted.passno.clone(),
        ];
        if now.iter().zip(&want).all(|(a, b)| a == b) {
            out.push_str(&whole);
        } else {
            changed = true;
            out.push_str(&wanted.show());
        }
    }
    if !seen {
        changed = true;
        out.push_str(&wanted.show());
    }
    (out, changed)
}

/// fstab without the line for a mount point. Pure.
fn plan_unset(text: &str, name: &str, src: Option<&str>) -> (String, bool) {
    let mut changed = false;
    let kept: String = text
        .split_inclusive('\n')
        .filter(|line| {
            let ours = fields(line)
                .is_some_and(|f| f[1] == escape(name) && !(f[1] == "none" && src.is_some_and(|s| f[0] != escape(s))));
            changed |= ours;
            !ours
        })
        .collect();
    (kept, changed)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.req_path("path")?;
    let name = match path.to_string_lossy().trim_end_matches('/') {
        "" => "/".to_string(),
        trimmed => trimmed.to_string(),
    };
    let state = args.req("state")?;
    let mut opts = args.str("opts").unwrap_or_else(|| "defaults".into());
    if !args.opt_bool("boot").unwrap_or(true) && !opts.split(',').any(|o| o == "noauto") {
        opts.push_str(",noauto");
    }
    let src = args.path("src").map(|p| p.to_string_lossy().into_owned());
    let fstab = args.path("fstab").unwrap_or_else(|| "/etc/fstab".into());
    let line = Line {
        src: src.clone().unwrap_or_default(),
        name: name.clone(),
        fstype: args.text("fstype"),
        opts: opts.clone(),
        dump: args.text("dump"),
        passno: args.text("passno"),
    };
    if matches!(state.as_str(), "present" | "mounted" | "ephemeral") {
        for option in ["src", "fstype"] {
            if args.text(option).is_empty() {
                crate::fail!("state is {state} but all of the following are missing: {option}");
            }
        }
    }
    let job = Job { ctx, line: &line, fstab: fstab.clone(), persistent: state != "ephemeral" };
    let (changed, backup) = match state.as_str() {
        "present" => job.set()?,
        "absent_from_fstab" => job.unset(src.as_deref())?,
        "absent" => {
            let (changed, backup) = job.unset(src.as_deref())?;
            if changed && !ctx.check {
                job.unmount()?;
                if path.exists() {
                    std::fs::remove_dir(&path).at("Error rmdir", &path)?;
                }
            }
            (changed, backup)
        }
        "unmounted" => {
            let mounted = mounts::at(&path).is_some();
            if mounted && !ctx.check {
                job.unmount()?;
            }
            (mounted, None)
        }
        "remounted" => {
            if !ctx.check {
                job.remount()?;
            }
            (true, None)
        }
        "mounted" | "ephemeral" => job.mount(&path)?,
        other => crate::fail!(
            "value of state must be one of: absent, absent_from_fstab, mounted, present, unmounted, remounted, ephemeral, got: {other}"
        ),
    };
    let shown = if args.bool("opts_no_log") { "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER".to_string() } else { opts };
    Ok(crate::out! {
        "changed": changed, "name": name, "src": src, "fstype": args.str("fstype"), "opts": shown, "dump": line.dump,
        "passno": line.passno, "fstab": fstab.to_string_lossy(), "boot": if args.opt_bool("boot").unwrap_or(true) { "yes" } else { "no" },
        "backup_file": backup.unwrap_or_default(),
    })
}

struct Job<'a> {
    ctx: &'a Ctx,
    line: &'a Line,
    fstab: PathBuf,
    /// The mount stands in fstab.
    persistent: bool,
}

type Changed = (bool, Option<String>);

impl Job<'_> {
    fn set(&self) -> Result<Changed, Fail> {
        let text = files::read_text(&self.fstab)?.unwrap_or_default();
        let (new, changed) = plan_set(&text, self.line);
        Ok((changed, if changed { self.save(&new)? } else { None }))
    }

    fn unset(&self, src: Option<&str>) -> Result<Changed, Fail> {
        let text = files::read_text(&self.fstab)?.unwrap_or_default();
        let (new, changed) = plan_unset(&text, &self.line.name, src);
        Ok((changed, if changed { self.save(&new)? } else { None }))
    }

    fn save(&self, text: &str) -> Result<Option<String>, Fail> {
        if self.ctx.check {
            return Ok(None);
        }
        if let Some(dir) = self.fstab.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).at("Failed to open", &self.fstab)?;
        }
        let backup = if self.ctx.args.bool("backup") { files::backup(&self.fstab)? } else { None };
        // fstab may itself be a mount (a container): then it is written in place.
        files::write(self.ctx, &files::real_path(&self.fstab), text.as_bytes(), true)?;
        Ok(backup)
    }

    fn mount(&self, path: &Path) -> Result<Changed, Fail> {
        let ctx = self.ctx;
        let made: Vec<&Path> = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        if !ctx.check {
            std::fs::create_dir_all(path).at("Error making dir", path)?;
        }
        let before = files::read_text(&self.fstab)?;
        let (mut changed, backup) = if self.persistent { self.set()? } else { (false, None) };
        let mounted = mounts::at(path);
        let bind = self.line.opts.split(',').any(|o| matches!(o, "bind" | "rbind")) || self.line.fstype == "none";
        let outcome = match mounted {
            Some(now) if !self.persistent => {
                let same = bind || real(&now.source) == real(&self.line.src) || self.line.src == now.source;
                if !same {
                    crate::fail!(
                        "Ephemeral mount point is already mounted with a different source than the specified one. Failing in order to prevent an unwanted unmount or override operation. Try replacing this command with a \"state: unmounted\" followed by a \"state: ephemeral\", or use a different destination path."
                    );
                }
                changed = true;
                if ctx.check { Ok(()) } else { self.remount() }
            }
            Some(_) if changed && !ctx.check => self.remount(),
            Some(_) => Ok(()),
            None => {
                changed = true;
                if ctx.check { Ok(()) } else { self.mount_now() }
            }
        };
        if let Err(fail) = outcome {
            // As it was: the old fstab, no directories left over.
            if self.persistent
                && let Some(before) = before
            {
                let _ = files::write(ctx, &files::real_path(&self.fstab), before.as_bytes(), true);
            }
            // Deepest first.
            for dir in &made {
                let _ = std::fs::remove_dir(dir);
            }
            return Err(fail);
        }
        Ok((changed, backup))
    }

    fn custom_fstab(&self) -> bool {
        self.fstab != Path::new("/etc/fstab")
    }

    fn mount_now(&self) -> Result<(), Fail> {
        let Line { src, name, fstype, opts, .. } = self.line;
        if fstype == "swap" || name == "none" || name == "swap" {
            let ran = self.ctx.cmd("swapon").arg(src).english().run()?;
            return check(ran, name, "mounting");
        }
        let mut cmd = self.ctx.cmd("mount").english();
        if self.custom_fstab() || !self.persistent {
            // Not in the system's fstab: everything is said here.
            cmd = cmd.args(["-t", fstype, "-o", opts, src]);
        }
        check(cmd.arg(name).run()?, name, "mounting")
    }

    fn unmount(&self) -> Result<(), Fail> {
        let name = &self.line.name;
        if mounts::at(Path::new(name)).is_none() {
            return Ok(());
        }
        check(self.ctx.cmd("umount").arg(name).english().run()?, name, "unmounting")
    }

    /// Mounts again with other options; where that can't be, unmounts and mounts.
    fn remount(&self) -> Result<(), Fail> {
        let Line { src, name, fstype, opts, .. } = self.line;
        let mut cmd = self.ctx.cmd("mount").english();
        if self.custom_fstab() || !self.persistent {
            cmd = cmd.args(["-t", fstype, "-o", &format!("remount,{opts}"), src]);
        } else {
            cmd = cmd.args(["-o", "remount"]);
        }
        if cmd.arg(name).run()?.ok() {
            return Ok(());
        }
        self.unmount()?;
        self.mount_now()
    }
}

fn check(ran: Ran, name: &str, what: &str) -> Result<(), Fail> {
    if ran.ok() { Ok(()) } else { Err(ran.fail(format!("Error {what} {name}: {}", ran.complaint()))) }
}

/// A device's path behind `UUID=`, `LABEL=` and links.
fn real(source: &str) -> PathBuf {
    let by =
        [("UUID=", "by-uuid"), ("LABEL=", "by-label"), ("PARTUUID=", "by-partuuid"), ("PARTLABEL=", "by-partlabel")];
    let path = by
        .iter()
        .find_map(|(prefix, dir)| {
            source.strip_prefix(prefix).map(|v| Path::new("/dev/disk").join(dir).join(v.trim_matches('"')))
        })
        .unwrap_or_else(|| PathBuf::from(source));
    files::real_path(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    fn line(src: &str, opts: &str) -> Line {
        Line {
            src: src.into(),
            name: "/data".into(),
            fstype: "ext4".into(),
            opts: opts.into(),
            dump: "0".into(),
            passno: "2".into(),
        }
    }

    #[test]
    fn lines_of_fstab() {
        let old = "# c\n/dev/sda1 / ext4 defaults 0 1\nUUID=x /data ext4 defaults 0 2";
        let (text, changed) = plan_set(old, &line("UUID=x", "defaults"));
        assert_eq!((text.as_str(), changed), (&*format!("{old}\n"), false));
        let (text, changed) = plan_set(old, &line("UUID=x", "defaults,nofail"));
        assert_eq!((text.lines().last(), changed), (Some("UUID=x /data ext4 defaults,nofail 0 2"), true));
        let (text, changed) = plan_set("/dev/sda1 / ext4 defaults\n", &line("/dev/x y", "defaults"));
        assert_eq!((text.lines().last(), changed), (Some("/dev/x\\040y /data ext4 defaults 0 2"), true));
        let (text, changed) = plan_unset(old, "/data", None);
        assert_eq!((text.as_str(), changed), ("# c\n/dev/sda1 / ext4 defaults 0 1\n", true));
        assert!(!plan_unset(old, "/other", None).1);
        let swap = Line { name: "none".into(), fstype: "swap".into(), ..line("/dev/b", "sw") };
        let (text, _) = plan_set("/dev/a none swap sw 0 0\n", &swap);
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn present_and_absent_in_a_file_of_ones_own() {
        let dir = Scratch::new();
        let fstab = dir.file("fstab", "# mine\n");
        let call = |state: &str, check: bool| {
            let args = json!({"path": dir.path("mnt"), "src": "UUID=1", "fstype": "ext4", "opts": "defaults,nofail", "state": state, "fstab": fstab, "backup": true, "boot": false});
            let mut ctx = Ctx::test("mount", args);
            ctx.check = check;
            run(&ctx).unwrap()
        };
        assert_eq!(call("present", true)["changed"], true);
        assert_eq!(dir.read("fstab"), "# mine\n");
        let out = call("present", false);
        assert_eq!((&out["changed"], &out["opts"]), (&json!(true), &json!("defaults,nofail,noauto")));
        assert!(out["backup_file"].as_str().is_some_and(|b| b.ends_with('~')));
        assert_eq!(call("present", false)["changed"], false);
        assert_eq!(call("unmounted", false)["changed"], false);
        assert_eq!(call("absent_from_fstab", false)["changed"], true);
        assert_eq!(call("absent_from_fstab", false)["changed"], false);
        assert!(run(&Ctx::test("mount", json!({"path": "/x", "state": "mounted"}))).is_err());
    }
}
