//! `file`: a path is a file, a directory, a link, a hard link, touched or absent, with these properties.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::{Attrs, Delta};
use crate::sys::{clock, files, random, users};
use serde_json::{Map, Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let mut path = args.req_path("path")?;
    // A trailing slash would make the system follow a link.
    let trimmed = path.to_string_lossy().trim_end_matches('/').to_string();
    if !trimmed.is_empty() {
        path = PathBuf::from(trimmed);
    }
    let src = args.path("src");
    let wanted = args.str("state");
    if !matches!(wanted.as_deref(), Some("link" | "absent")) && path.is_dir() {
        let name = args.str("_original_basename").map(PathBuf::from).or_else(|| src.clone());
        if let Some(name) = name.as_ref().and_then(|n| n.file_name()) {
            path.push(name);
        }
    }
    let before = state_of(&path);
    let recurse = args.bool("recurse");
    let state = wanted.unwrap_or_else(|| match (before, recurse) {
        ("absent", true) => "directory".into(),
        ("absent", false) => "file".into(),
        (now, _) => now.into(),
    });
    let shown = path.to_string_lossy().into_owned();
    if recurse && state != "directory" {
        return Err(Fail::new("recurse option requires state to be 'directory'").with("path", shown));
    }
    if src.is_some() && !matches!(state.as_str(), "link" | "hard") {
        return Err(Fail::new("src option requires state to be 'link' or 'hard'").with("path", shown));
    }
    let job = Job {
        ctx,
        attrs: Attrs::from_args(args)?,
        follow: args.opt_bool("follow").unwrap_or(true),
        force: args.bool("force"),
        times: Times::from_args(ctx, &state)?,
    };
    if ctx.check && state != "absent" {
        job.warn_of_unknown_owners();
    }
    let mut out = match state.as_str() {
        "absent" => job.absent(&path, before)?,
        "directory" => job.directory(&path, recurse)?,
        "link" => job.link(&path, before, src)?,
        "hard" => job.hard(&path, before, src)?,
        "touch" => job.touch(&path, before)?,
        _ => job.file(&path, before)?,
    };
    if !ctx.diff {
        out.remove("diff");
    }
    let told = out.get("path").or_else(|| out.get("dest")).and_then(Value::as_str).map(PathBuf::from).unwrap_or(path);
    files::add_info(&mut out, &told);
    Ok(out)
}

/// What a path is now, in the module's words.
pub fn state_of(path: &Path) -> &'static str {
    match path.symlink_metadata() {
        Err(_) => "absent",
        Ok(meta) if meta.is_symlink() => "link",
        Ok(meta) if meta.is_dir() => "directory",
        Ok(meta) if meta.nlink() > 1 => "hard",
        Ok(_) => "file",
    }
}

/// A time to set.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Time {
    Preserve,
    Now,
    At(i64),
}

#[derive(Debug, Clone, Copy)]
struct Times {
    modification: Time,
    access: Time,
}

impl Times {
    fn from_args(ctx: &Ctx, state: &str) -> Result<Self, Fail> {
        let one = |name: &str, format: &str| -> Result<Time, Fail> {
            let format = ctx.args.text(format);
            match ctx.args.str(name).as_deref() {
                None if state == "touch" => Ok(Time::Now),
                None | Some("preserve") => Ok(Time::Preserve),
                Some("now") => Ok(Time::Now),
                Some(text) => clock::parse_local(text, &format).map(Time::At).ok_or_else(|| {
                    Fail::new(format!("Error while obtaining timestamp for time {text} using format {format}"))
                }),
            }
        };
        Ok(Times {
            modification: one("modification_time", "modification_time_format")?,
            access: one("access_time", "access_time_format")?,
        })
    }
}

struct Job<'a> {
    ctx: &'a Ctx,
    attrs: Attrs,
    follow: bool,
    force: bool,
    times: Times,
}

impl Job<'_> {
    /// Properties and times of one path; links are followed where the task says so. Whether anything changed.
    fn settle(&self, path: &Path, diff: &mut Diff) -> Result<bool, Fail> {
        let target = if self.follow && path.is_symlink() { files::real_path(path) } else { path.to_path_buf() };
        let delta = self.attrs.apply(self.ctx, &target, self.ctx.check)?;
        let changed = delta.changed();
        diff.add(delta);
        Ok(self.set_times(&target, diff)? || changed)
    }

    fn set_times(&self, path: &Path, diff: &mut Diff) -> Result<bool, Fail> {
        let Times { modification, access } = self.times;
        if (modification, access) == (Time::Preserve, Time::Preserve) {
            return Ok(false);
        }
        let Ok(meta) = path.metadata() else { return Ok(self.ctx.check) };
        let now = clock::now();
        let now = (now as i64, (now.fract() * 1e9) as i64);
        let pick = |time: Time, old: (i64, i64)| match time {
            Time::Preserve => old,
            Time::Now => now,
            Time::At(seconds) => (seconds, 0),
        };
        let (old_m, old_a) = ((meta.mtime(), meta.mtime_nsec()), (meta.atime(), meta.atime_nsec()));
        let (new_m, new_a) = (pick(modification, old_m), pick(access, old_a));
        if (new_m, new_a) == (old_m, old_a) {
            return Ok(false);
        }
        if !self.ctx.check {
            // Who may write a file, but does not own it, may set its times to now and to nothing else.
            let set = if (modification, access) == (Time::Now, Time::Now) {
                files::set_times_now(path)
            } else {
                files::set_times(path, Some(new_a), Some(new_m))
            };
            set.at("Error while updating modification or access time of", path)?;
        }
        let float = |t: (i64, i64)| json!(t.0 as f64 + t.1 as f64 / 1e9);
        for (name, old, new) in [("mtime", old_m, new_m), ("atime", old_a, new_a)] {
            if old != new {
                diff.before.insert(name.into(), float(old));
                diff.after.insert(name.into(), float(new));
            }
        }
        Ok(true)
    }

    fn file(&self, path: &Path, before: &str) -> Result<Outcome, Fail> {
        let mut path = path.to_path_buf();
        let mut now = before;
        if now == "link" && self.follow {
            path = files::real_path(&path);
            now = state_of(&path);
        }
        if !matches!(now, "file" | "hard") {
            return Err(Fail::new(format!("file ({}) is {now}, cannot continue", path.display()))
                .with("path", path.to_string_lossy())
                .with("state", now));
        }
        let mut diff = Diff::new(&path, "file", now);
        let changed = self.settle(&path, &mut diff)?;
        Ok(crate::out! {"path": path.to_string_lossy(), "changed": changed, "diff": diff.show()})
    }

    fn touch(&self, path: &Path, before: &str) -> Result<Outcome, Fail> {
        let dest = path.to_string_lossy();
        if before == "absent" {
            if self.ctx.check {
                return Ok(crate::out! {"dest": dest, "changed": true});
            }
            std::fs::File::create(path)
                .map_err(|e| Fail::new(format!("Error, could not touch target: {e}")).with("path", dest.clone()))?;
            files::label(self.ctx, path);
        }
        let mut diff = Diff::new(path, "touch", before);
        let changed = match self.settle(path, &mut diff) {
            Ok(changed) => changed || before == "absent",
            Err(fail) => {
                if before == "absent" {
                    let _ = std::fs::remove_file(path);
                }
                return Err(fail);
            }
        };
        Ok(crate::out! {"dest": dest, "changed": changed, "diff": diff.show()})
    }

    fn absent(&self, path: &Path, before: &str) -> Result<Outcome, Fail> {
        let shown = path.to_string_lossy();
        if before == "absent" {
            return Ok(crate::out! {"path": shown, "changed": false, "state": "absent"});
        }
        let mut diff = Diff::new(path, "absent", before);
        if before == "directory" && self.ctx.diff {
            let mut content = (Vec::new(), Vec::new());
            walk(path, &mut |p, dir| {
                let list = if dir { &mut content.0 } else { &mut content.1 };
                list.push(p.to_string_lossy().into_owned());
            });
            diff.before.insert("path_content".into(), json!({"directories": content.0, "files": content.1}));
        }
        if !self.ctx.check {
            if before == "directory" {
                std::fs::remove_dir_all(path).map_err(|e| Fail::new(format!("rmtree failed: {e}")))?;
            } else {
                std::fs::remove_file(path)
                    .map_err(|e| Fail::new(format!("Unlinking failed: {e}")).with("path", shown.clone()))?;
            }
        }
        Ok(crate::out! {"path": shown, "changed": true, "state": "absent", "diff": diff.show()})
    }

    fn directory(&self, path: &Path, recurse: bool) -> Result<Outcome, Fail> {
        let mut path = path.to_path_buf();
        if self.follow && path.is_symlink() {
            path = files::real_path(&path);
        }
        let before = state_of(&path);
        let shown = path.to_string_lossy().into_owned();
        let mut diff = Diff::new(&path, "directory", before);
        match before {
            "absent" => {
                if !self.ctx.check {
                    let mut made: Vec<&Path> =
                        path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
                    made.reverse();
                    for dir in made {
                        let issue = |e: String| {
                            Fail::new(format!("There was an issue creating {} as requested: {e}", dir.display()))
                                .with("path", shown.clone())
                        };
                        match std::fs::create_dir(dir) {
                            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                            other => other.map_err(|e| issue(e.to_string()))?,
                        }
                        files::label(self.ctx, dir);
                        self.settle(dir, &mut diff).map_err(|f| issue(f.msg))?;
                    }
                }
                return Ok(crate::out! {"path": shown, "changed": true, "diff": diff.show()});
            }
            "directory" => {}
            other => {
                return Err(Fail::new(format!("{shown} already exists as a {other}")).with("path", shown));
            }
        }
        let mut changed = self.settle(&path, &mut diff)?;
        if recurse {
            changed |= self.recurse(&path, 0)?;
        }
        Ok(crate::out! {"path": shown, "changed": changed, "diff": diff.show()})
    }

    /// Properties of everything below a directory; links to directories are entered where the task follows links.
    fn recurse(&self, dir: &Path, depth: usize) -> Result<bool, Fail> {
        if depth > 100 {
            crate::fail!("Could not recursively set attributes on {}: links go in a circle", dir.display());
        }
        let mut changed = false;
        let mut paths = Vec::new();
        walk(dir, &mut |path, _| paths.push(path.to_path_buf()));
        for path in paths {
            let mut unused = Diff::default();
            if !path.is_symlink() {
                changed |= self.settle(&path, &mut unused)?;
                continue;
            }
            changed |= self.attrs.apply(self.ctx, &path, self.ctx.check)?.changed();
            if self.follow
                && let Ok(target) = path.canonicalize()
            {
                if target.is_dir() {
                    changed |= self.recurse(&target, depth + 1)?;
                }
                changed |= self.settle(&target, &mut unused)?;
            }
        }
        Ok(changed)
    }

    fn link(&self, path: &Path, before: &str, src: Option<PathBuf>) -> Result<Outcome, Fail> {
        let shown = path.to_string_lossy().into_owned();
        let src = match src {
            None if self.follow && path.exists() => std::fs::read_link(path).ok(),
            other => other,
        };
        let src_shown = src.as_ref().map(|s| s.to_string_lossy().into_owned());
        let base = if before == "directory" { Some(path) } else { path.parent() };
        let absolute = src.as_ref().map(|s| base.map_or(s.clone(), |b| b.join(s)));
        if !self.force
            && let Some(absolute) = absolute.filter(|a| !a.exists())
        {
            return Err(Fail::new(format!(
                "src file does not exist, use 'force=yes' if you really want to create the link: {}",
                absolute.display()
            ))
            .with("path", shown)
            .with("src", src_shown));
        }
        let refuse = |msg: String| Err(Fail::new(msg).with("path", shown.clone()));
        match before {
            "directory" if !self.force => {
                return refuse(format!("refusing to convert from {before} to symlink for {shown}"));
            }
            "directory" if std::fs::read_dir(path).is_ok_and(|mut d| d.next().is_some()) => {
                return refuse(format!("the directory {shown} is not empty, refusing to convert it"));
            }
            "file" | "hard" if !self.force => {
                return refuse(format!("refusing to convert from {before} to symlink for {shown}"));
            }
            _ => {}
        }
        let mut diff = Diff::new(path, "link", before);
        let mut changed = before != "link";
        if changed && src.is_none() {
            crate::fail!("src is required for creating new symlinks");
        }
        if before == "link"
            && let Some(src) = &src
        {
            let old = std::fs::read_link(path).unwrap_or_default();
            if old != *src {
                diff.before.insert("src".into(), old.to_string_lossy().into());
                diff.after.insert("src".into(), src.to_string_lossy().into());
                changed = true;
            }
        }
        if let Some(src) = src.as_ref().filter(|_| changed && !self.ctx.check) {
            replace_with(path, before, |at| std::os::unix::fs::symlink(src, at))?;
        }
        let mut out = crate::out! {"dest": shown, "src": src_shown, "changed": changed};
        if !self.ctx.check || path.exists() {
            if self.follow && path.is_symlink() && !path.exists() {
                self.ctx.warn("Cannot set fs attributes on a non-existent symlink target. follow should be set to False to avoid this.");
            } else if self.settle(path, &mut diff)? {
                out.insert("changed".into(), true.into());
            }
        }
        out.insert("diff".into(), diff.show());
        Ok(out)
    }

    fn hard(&self, path: &Path, before: &str, src: Option<PathBuf>) -> Result<Outcome, Fail> {
        let dest = path.to_string_lossy().into_owned();
        let shown = src.as_ref().map(|s| s.to_string_lossy().into_owned());
        let refuse = |msg: &str| Err(Fail::new(msg).with("dest", dest.clone()).with("src", shown.clone()));
        match &src {
            None if before != "hard" => crate::fail!("src is required for creating new hardlinks"),
            Some(src) if !src.exists() => return refuse("src does not exist"),
            _ => {}
        }
        let same = src.as_ref().is_some_and(|s| match (s.metadata(), path.metadata()) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        });
        let mut diff = Diff::new(path, "hard", before);
        let changed = match before {
            "hard" => src.is_some() && !same,
            "link" => src.as_ref().is_some_and(|s| std::fs::read_link(path).ok().as_ref() != Some(s)),
            _ => true,
        };
        if changed && !self.force {
            match before {
                "hard" => return refuse("Cannot link, different hard link exists at destination"),
                "file" => return refuse("Cannot link, file exists at destination"),
                "directory" => return refuse("Cannot link: different hard link exists at destination"),
                _ => {}
            }
        }
        if let Some(src) = src.as_ref().filter(|_| changed && !self.ctx.check) {
            let real = if self.follow { files::real_path(src) } else { src.clone() };
            replace_with(path, before, |at| std::fs::hard_link(&real, at))?;
        }
        let mut out = crate::out! {"dest": dest, "src": shown, "changed": changed};
        if (!self.ctx.check || path.exists()) && self.settle(path, &mut diff)? {
            out.insert("changed".into(), true.into());
        }
        out.insert("diff".into(), diff.show());
        Ok(out)
    }

    fn warn_of_unknown_owners(&self) {
        let warn = |kind: &str, id: &str, name: &str, numbered: bool| {
            let with = if numbered { format!(" with {id}") } else { String::new() };
            self.ctx
                .warn(format!("failed to look up {kind}{with} {name}. Create {kind} up to this point in real play"));
        };
        if let Some(owner) = &self.attrs.owner {
            let uid = owner.parse::<u32>().ok();
            if uid.map_or_else(|| users::user_by_name(owner), users::user_by_id).is_none() {
                warn("user", "uid", owner, uid.is_some());
            }
        }
        if let Some(group) = &self.attrs.group {
            let gid = group.parse::<u32>().ok();
            if gid.map_or_else(|| users::group_by_name(group), users::group_by_id).is_none() {
                warn("group", "gid", group, gid.is_some());
            }
        }
    }
}

/// Makes something at a path, in one step where something is there already.
fn replace_with(path: &Path, before: &str, make: impl Fn(&Path) -> std::io::Result<()>) -> Result<(), Fail> {
    let shown = path.to_string_lossy().into_owned();
    if before == "absent" {
        return make(path).map_err(|e| Fail::new(format!("Error while linking: {e}")).with("path", shown));
    }
    let temp = path.with_file_name(format!(".{}.tmp", random::token()));
    let done = (|| {
        if before == "directory" {
            std::fs::remove_dir(path)?;
        }
        make(&temp)?;
        std::fs::rename(&temp, path)
    })();
    done.map_err(|e| {
        let _ = std::fs::remove_file(&temp);
        Fail::new(format!("Error while replacing: {e}")).with("path", shown)
    })
}

/// Everything below a directory, directories before what is in them; links are not followed.
pub fn walk(dir: &Path, visit: &mut dyn FnMut(&Path, bool)) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        let is_dir = path.is_dir() && !path.is_symlink();
        visit(&path, is_dir);
        if is_dir {
            walk(&path, visit);
        }
    }
}

/// `before` and `after` of the module's diff.
#[derive(Default)]
struct Diff {
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Diff {
    fn new(path: &Path, state: &str, before: &str) -> Self {
        let mut diff = Diff {
            before: crate::out! {"path": path.to_string_lossy()},
            after: crate::out! {"path": path.to_string_lossy()},
        };
        if state != before {
            diff.before.insert("state".into(), before.into());
            diff.after.insert("state".into(), state.into());
        }
        diff
    }

    fn add(&mut self, delta: Delta) {
        self.before.extend(delta.before);
        self.after.extend(delta.after);
    }

    fn show(self) -> Value {
        json!({"before": self.before, "after": self.after})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    fn call(args: Value) -> Result<Outcome, Fail> {
        run(&Ctx::test("file", args))
    }

    #[test]
    fn directories_files_and_absence() {
        let dir = Scratch::new();
        let args = json!({"path": dir.path("a/b"), "state": "directory", "mode": "0750"});
        let out = call(args.clone()).unwrap();
        assert_eq!((&out["changed"], &out["mode"], &out["state"]), (&json!(true), &json!("0750"), &json!("directory")));
        assert_eq!(dir.0.join("a").metadata().unwrap().mode() & 0o777, 0o750);
        assert_eq!(call(args).unwrap()["changed"], false);
        dir.file("a/b/f", "x");
        let out =
            call(json!({"path": dir.path("a"), "state": "directory", "recurse": true, "mode": "u=rwX,go="})).unwrap();
        assert_eq!(out["changed"], true);
        assert_eq!(dir.0.join("a/b/f").metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(dir.0.join("a/b").metadata().unwrap().mode() & 0o777, 0o700);
        let out = call(json!({"path": dir.path("a/b/f")})).unwrap();
        assert_eq!((&out["changed"], &out["state"], &out["size"]), (&json!(false), &json!("file"), &json!(1)));
        assert!(
            call(json!({"path": dir.path("a/b/f"), "state": "directory"}))
                .unwrap_err()
                .msg
                .contains("already exists as a file")
        );
        assert!(
            call(json!({"path": dir.path("none"), "state": "file"}))
                .unwrap_err()
                .msg
                .contains("is absent, cannot continue")
        );
        let out = call(json!({"path": dir.path("a"), "state": "absent"})).unwrap();
        assert_eq!(out["diff"]["before"]["path_content"]["files"], json!([dir.path("a/b/f")]));
        assert_eq!((&out["changed"], &out["state"]), (&json!(true), &json!("absent")));
        assert_eq!(call(json!({"path": dir.path("a"), "state": "absent"})).unwrap()["changed"], false);
    }

    #[test]
    fn links_of_both_kinds() {
        let dir = Scratch::new();
        let file = dir.file("f", "x");
        let link = json!({"path": dir.path("l"), "src": file, "state": "link"});
        assert_eq!(call(link.clone()).unwrap()["changed"], true);
        let out = call(link).unwrap();
        assert_eq!((&out["changed"], &out["state"], &out["src"]), (&json!(false), &json!("link"), &json!(file)));
        assert!(call(json!({"path": dir.path("m"), "src": "nowhere", "state": "link"})).is_err());
        let out =
            call(json!({"path": dir.path("m"), "src": "nowhere", "state": "link", "force": true, "follow": false}))
                .unwrap();
        assert_eq!(out["changed"], true);
        assert!(
            call(json!({"path": file, "src": "l", "state": "link"})).unwrap_err().msg.contains("refusing to convert")
        );
        let hard = json!({"path": dir.path("h"), "src": file, "state": "hard"});
        let out = call(hard.clone()).unwrap();
        assert_eq!((&out["changed"], &out["state"]), (&json!(true), &json!("hard")));
        assert_eq!(call(hard).unwrap()["changed"], false);
        // The mode goes through a link to its target.
        call(json!({"path": dir.path("l"), "mode": "0604"})).unwrap();
        assert_eq!(dir.0.join("f").metadata().unwrap().mode() & 0o777, 0o604);
    }

    #[test]
    fn touch_and_times() {
        let dir = Scratch::new();
        let path = dir.path("t");
        let mut ctx = Ctx::test("file", json!({"path": path, "state": "touch"}));
        ctx.check = true;
        assert_eq!(run(&ctx).unwrap()["changed"], true);
        assert!(!dir.0.join("t").exists());
        assert_eq!(call(json!({"path": path, "state": "touch", "mode": "0600"})).unwrap()["mode"], "0600");
        let times =
            json!({"path": path, "state": "touch", "access_time": "preserve", "modification_time": "202001020304.05"});
        assert_eq!(call(times.clone()).unwrap()["changed"], true);
        assert_eq!(call(times).unwrap()["changed"], false);
        let keep = json!({"path": path, "state": "touch", "access_time": "preserve", "modification_time": "preserve"});
        assert_eq!(call(keep).unwrap()["changed"], false);
        assert!(call(json!({"path": path, "modification_time": "x"})).is_err());
    }
}
