//! `git`: a checkout of a repository is at this version.

use crate::ctx::Ctx;
use crate::modules::git_cmd::{Git, is_hash};
use crate::outcome::{Fail, OrFail, Outcome};
use serde_json::json;
use std::path::PathBuf;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let clone = args.opt_bool("clone").unwrap_or(true);
    let Some(dest) = args.path("dest") else {
        if clone {
            crate::fail!("the destination directory must be specified unless clone=no");
        }
        let git = Git::new(ctx, PathBuf::from("/"))?;
        let after = git.remote_head(&args.text("version"), false)?;
        // Nothing is there, so what there would be is a change, as for Ansible.
        return Ok(crate::out! {"changed": true, "before": null, "after": after});
    };
    let git = Git::new(ctx, dest.clone())?;
    let version = args.text("version");
    let outcome = settle(ctx, &git, &version, clone);
    git.clean();
    let (mut out, before, after) = outcome?;
    if let Some(after) = after.as_ref().filter(|a| ctx.diff && before.as_ref() != Some(*a)) {
        let prepared = match &before {
            None => Some(format!(">> Newly checked out {after}")),
            Some(before) => git.run(&["diff", before, after]).ok().filter(|r| r.ok()).map(|r| {
                if r.stdout.is_empty() {
                    format!(">> No visual differences between {before} and {after}")
                } else {
                    r.stdout
                }
            }),
        };
        if let Some(prepared) = prepared {
            out.insert("diff".into(), json!({"prepared": prepared}));
        }
    }
    out.insert("before".into(), json!(before));
    out.insert("after".into(), json!(after));
    archive(ctx, &git, &version, &mut out)?;
    Ok(out)
}

type Settled = (Outcome, Option<String>, Option<String>);

fn settle(ctx: &Ctx, git: &Git<'_>, version: &str, clone: bool) -> Result<Settled, Fail> {
    let args = &ctx.args;
    let bare = args.bool("bare");
    let mut out = crate::out! {"changed": false, "remote_url_changed": false};
    if git.relocate()? {
        out.insert("changed".into(), true.into());
    }
    if !git.is_repository()? {
        out.insert("changed".into(), true.into());
        if !clone || ctx.check {
            return Ok((out, None, git.remote_head(version, false)?));
        }
        git.clone_to(version)?;
        if !bare {
            git.checkout(version)?;
            git.submodules()?;
        }
        git.verify(version)?;
        return Ok((out, None, Some(git.head()?)));
    }
    let before = git.head().ok();
    if !args.opt_bool("update").unwrap_or(true) {
        return Ok((out, before.clone(), before));
    }
    if !bare && git.modified()? {
        if !args.bool("force") {
            return Err(Fail::new(format!(
                "Local modifications exist in the destination: {} (force=no).",
                git.dest.display()
            ))
            .with("before", before));
        }
        out.insert("changed".into(), true.into());
        if !ctx.check {
            git.must(&["reset", "--hard", "HEAD"])?;
        }
    }
    let url_changed = git.set_url(ctx.check)?;
    out.insert("remote_url_changed".into(), url_changed.into());
    let remote = git.remote_head(version, true)?;
    let refspec = args.given("refspec").is_some();
    let same = remote.is_some() && remote == before && !refspec && !git.submodules_differ()?;
    // What is checked out already may have got a new tag: Ansible fetches, too, unless it only looks.
    if same && (ctx.check || is_hash(version)) {
        git.verify(version)?;
        let changed = out["changed"] == true || url_changed;
        out.insert("changed".into(), changed.into());
        return Ok((out, before.clone(), before));
    }
    if ctx.check {
        let after = remote.or_else(|| git.resolve(version));
        let changed = after != before || out["changed"] == true || url_changed;
        out.insert("changed".into(), changed.into());
        return Ok((out, before, after));
    }
    git.fetch(version)?;
    if !bare {
        git.checkout(version)?;
        if git.submodules()? {
            out.insert("changed".into(), true.into());
        }
    }
    git.verify(version)?;
    let after = git.head()?;
    let changed = before.as_ref() != Some(&after) || out["changed"] == true || url_changed;
    out.insert("changed".into(), changed.into());
    Ok((out, before, Some(after)))
}

/// `archive`: the version as a tar or zip file.
fn archive(ctx: &Ctx, git: &Git<'_>, version: &str, out: &mut Outcome) -> Result<(), Fail> {
    let Some(target) = ctx.args.path("archive") else { return Ok(()) };
    let name = target.to_string_lossy().into_owned();
    let format = [(".zip", "zip"), (".gz", "tar.gz"), (".tgz", "tgz"), (".tar", "tar")]
        .into_iter()
        .find(|(end, _)| name.ends_with(end))
        .map(|(_, f)| f);
    let Some(format) = format else { crate::fail!("Unsupported archive format: {name}; zip, tar, tar.gz and tgz are") };
    if ctx.check {
        out.insert("changed".into(), true.into());
        return Ok(());
    }
    let temp = ctx.temp()?;
    let mut words = vec!["archive".to_string(), format!("--format={format}"), format!("--output={}", temp.display())];
    if let Some(prefix) = ctx.args.str("archive_prefix") {
        words.push(format!("--prefix={prefix}"));
    }
    words.push(git.resolve(version).unwrap_or_else(|| version.to_string()));
    git.must(&words)?;
    let same = target.is_file() && crate::sys::hash::file("sha1", &temp)? == crate::sys::hash::file("sha1", &target)?;
    if !same {
        let content = std::fs::File::open(&temp).at("can't read", &temp)?;
        crate::sys::files::write(ctx, &target, content, false)?;
        out.insert("changed".into(), true.into());
    }
    let _ = std::fs::remove_file(&temp);
    out.insert("archive".into(), name.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::Value;
    use std::process::Command;

    fn git(dir: &std::path::Path, words: &[&str]) -> String {
        let out = Command::new("git")
            .current_dir(dir)
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@t",
                "-c",
                "init.defaultBranch=main",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(words)
            .output()
            .unwrap();
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_string()
    }

    #[test]
    fn clones_updates_and_local_changes() {
        if Command::new("git").arg("--version").output().is_err() {
            crate::sys::files::skipped("git is not installed");
            return;
        }
        let dir = Scratch::new();
        let repo = dir.0.join("repo");
        std::fs::create_dir(&repo).unwrap();
        git(&repo, &["init", "-q"]);
        std::fs::write(repo.join("f"), "1").unwrap();
        git(&repo, &["add", "f"]);
        git(&repo, &["commit", "-qm", "one"]);
        git(&repo, &["tag", "v1"]);
        let first = git(&repo, &["rev-parse", "HEAD"]);
        let call = |extra: Value| {
            let mut args = json!({"repo": repo.display().to_string(), "dest": dir.path("co")});
            args.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            run(&Ctx::test("git", args))
        };
        let out = call(json!({})).unwrap();
        assert_eq!((&out["changed"], &out["before"], &out["after"]), (&json!(true), &Value::Null, &json!(first)));
        assert_eq!(call(json!({})).unwrap()["changed"], false);
        std::fs::write(repo.join("f"), "2").unwrap();
        git(&repo, &["commit", "-qam", "two"]);
        let second = git(&repo, &["rev-parse", "HEAD"]);
        let out = call(json!({})).unwrap();
        assert_eq!((&out["before"], &out["after"]), (&json!(first), &json!(second)));
        let out = call(json!({"version": "v1"})).unwrap();
        assert_eq!((&out["after"], dir.read("co/f").as_str()), (&json!(first), "1"));
        assert_eq!(call(json!({"version": "v1"})).unwrap()["changed"], false);
        assert_eq!(call(json!({"version": second})).unwrap()["after"], json!(second));
        dir.file("co/f", "mine");
        assert!(call(json!({})).unwrap_err().msg.contains("Local modifications exist"));
        assert_eq!(call(json!({"force": true})).unwrap()["changed"], true);
        assert_eq!(dir.read("co/f"), "2");
        assert!(call(json!({"version": "no-such-branch"})).is_err());
        let out = call(json!({"archive": dir.path("a.tar.gz")})).unwrap();
        assert_eq!(out["changed"], true);
        let out = call(json!({"dest": dir.path("shallow"), "depth": 1, "version": "main"})).unwrap();
        assert_eq!(out["after"], json!(second));
        assert!(dir.0.join("shallow/.git/shallow").exists(), "a path is cloned with depth, too");
        call(json!({"dest": dir.path("shallow"), "depth": 1})).unwrap();
        assert_eq!(
            git(&dir.0.join("shallow"), &["rev-list", "--all", "--count"]),
            "1",
            "a fetch brings no more than depth says"
        );
        // Another branch than the one that was cloned; nothing to clone is still what would change.
        git(&repo, &["branch", "early", "v1"]);
        let early = || call(json!({"dest": dir.path("shallow"), "depth": 1, "version": "early"})).unwrap();
        assert_eq!((&early()["after"], &early()["changed"]), (&json!(first), &json!(false)));
        // A repository that stands elsewhere, is moved, and is lost.
        let apart = |to: &str| call(json!({"dest": dir.path("apart"), "separate_git_dir": dir.path(to)}));
        apart("git1").unwrap();
        assert_eq!(apart("git1").unwrap()["changed"], false);
        assert_eq!((&apart("git2").unwrap()["changed"], dir.0.join("git2/config").exists()), (&json!(true), true));
        dir.file("apart/.git", "gitdir: /dev/null/none");
        let lost = apart("git2").unwrap_err().msg;
        assert!(lost.contains("valid reference to a separate Git dir"), "{lost}");
        let out = call(json!({"dest": dir.path("none"), "clone": false})).unwrap();
        assert_eq!(
            (&out["after"], &out["changed"], dir.0.join("none").exists()),
            (&json!(second), &json!(true), false)
        );
    }
}
