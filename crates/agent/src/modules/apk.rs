//! `apk`: packages of Alpine Linux.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::run::Ran;
use std::path::Path;

/// The names in `(1/2) Installing foo (1.0-r0)`.
fn packages(stdout: &str) -> Vec<String> {
    stdout
        .lines()
        .filter(|l| l.starts_with('('))
        .filter_map(|l| l.split_once(") ")?.1.split(' ').nth(1).map(str::to_string))
        .collect()
}

struct Apk<'a> {
    ctx: &'a Ctx,
    base: Vec<String>,
}

impl Apk<'_> {
    fn call(&self, words: &[&str]) -> Result<Ran, Fail> {
        let mut line = self.base.clone();
        line.extend(words.iter().map(|w| w.to_string()));
        self.ctx.run(&line)
    }

    /// Whether `/etc/apk/world` names it, with a version or without.
    fn in_world(&self, name: &str) -> Result<bool, Fail> {
        let world = self.ctx.args.text("world");
        let text = std::fs::read_to_string(&world).at("can't read", Path::new(&world))?;
        Ok(text.split_whitespace().any(|p| {
            p.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.len() > 1 && rest.starts_with(['@', '=', '<', '>', '~']))
        }))
    }

    fn is_latest(&self, name: &str) -> Result<bool, Fail> {
        let out = self.call(&["version", name])?.stdout;
        Ok(!out.lines().any(|l| {
            let mut words = l.split_whitespace();
            let package = words.next().unwrap_or_default();
            let ours = package.strip_prefix(name).is_some_and(|r| r.starts_with('-'));
            ours && words.next() == Some("<")
        }))
    }

    /// What a virtual package stands for; `None` for any other.
    fn dependencies(&self, name: &str) -> Result<Option<Vec<String>>, Fail> {
        let about = self.call(&["-v", "info", "--description", name])?.stdout;
        if !about.lines().any(|l| l.starts_with(&format!("{name}: virtual meta package"))) {
            return Ok(None);
        }
        let list = self.call(&["-v", "info", "--depends", name])?.stdout;
        Ok(Some(list.split_whitespace().skip(1).map(str::to_string).collect()))
    }

    fn finish(&self, words: &[&str], names: &[String], done: &str, failed: &str) -> Result<Outcome, Fail> {
        let mut line = words.to_vec();
        if self.ctx.check {
            line.push("--simulate");
        }
        line.extend(names.iter().map(String::as_str));
        let ran = self.call(&line)?;
        let list = packages(&ran.stdout);
        if !ran.ok() {
            return Err(ran.fail(failed).with("packages", list));
        }
        Ok(crate::out! {
            "changed": true, "msg": done, "stdout": ran.stdout, "stderr": ran.stderr, "packages": list,
        })
    }
}

fn shown(names: &[String]) -> String {
    format!("[{}]", names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", "))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let names = args.strs("name");
    if names.iter().any(|n| n.trim().is_empty()) {
        crate::fail!("Package name(s) cannot be empty or whitespace-only");
    }
    let mut base = vec![ctx.need("apk")?.to_string_lossy().into_owned()];
    if args.bool("no_cache") {
        base.push("--no-cache".into());
    }
    for repository in args.strs("repository") {
        base.extend(["--repository".into(), repository, "--repositories-file".into(), "/dev/null".into()]);
    }
    let apk = Apk { ctx, base };
    if args.bool("update_cache") {
        let ran = if ctx.check { Ran::default() } else { apk.call(&["update"])? };
        if !ran.ok() {
            return Err(ran.fail("could not update package db"));
        }
        if names.is_empty() && !args.bool("upgrade") {
            return Ok(crate::out! {
                "changed": true, "msg": "updated repository indexes", "stdout": ran.stdout, "stderr": ran.stderr,
            });
        }
    }
    if args.bool("upgrade") {
        let words: &[&str] = if args.bool("available") { &["upgrade", "--available"] } else { &["upgrade"] };
        let mut out = apk.finish(words, &[], "upgraded packages", "failed to upgrade packages")?;
        if out["stdout"].as_str().is_some_and(|t| t.lines().next().is_some_and(|l| l.starts_with("OK"))) {
            out.insert("changed".into(), false.into());
            out.insert("msg".into(), "packages already upgraded".into());
        }
        return Ok(out);
    }
    let state = args.text("state");
    if matches!(state.as_str(), "absent" | "removed") {
        let mut installed = Vec::new();
        for name in names {
            if apk.call(&["-v", "info", "--installed", &name])?.ok() {
                installed.push(name);
            }
        }
        if installed.is_empty() {
            return Ok(crate::out! {"changed": false, "msg": "package(s) already removed"});
        }
        let list = shown(&installed);
        let failed = format!("failed to remove {list} package(s)");
        let out = apk.finish(&["del", "--purge"], &installed, &format!("removed {list} package(s)"), &failed)?;
        for name in &installed {
            if !ctx.check && apk.call(&["-v", "info", "--installed", name])?.ok() {
                return Err(Fail::new(failed).with_all(serde_json::Value::Object(out)).with("changed", false));
            }
        }
        return Ok(out);
    }
    let latest = state == "latest";
    let (mut install, mut upgrade) = (Vec::new(), Vec::new());
    for name in names {
        if let Some(dependencies) = apk.dependencies(&name)? {
            for dependency in dependencies {
                if latest && !apk.is_latest(&dependency)? {
                    upgrade.push(dependency);
                }
            }
        } else if !apk.in_world(&name)? {
            install.push(name);
        } else if latest && !apk.is_latest(&name)? {
            upgrade.push(name);
        }
    }
    if install.is_empty() && upgrade.is_empty() {
        return Ok(crate::out! {"changed": false, "msg": "package(s) already installed"});
    }
    let words: &[&str] = if upgrade.is_empty() { &["add"] } else { &["add", "--upgrade"] };
    install.append(&mut upgrade);
    let list = shown(&install);
    apk.finish(words, &install, &format!("installed {list} package(s)"), &format!("failed to install {list}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done() {
        let text =
            "(1/2) Installing libfoo (1.0-r0)\n(2/2) Upgrading foo (1.0-r0 -> 1.1-r0)\nOK: 8 MiB in 2 packages\n";
        assert_eq!(packages(text), ["libfoo", "foo"]);
        assert_eq!(shown(&["a".into(), "b".into()]), "['a', 'b']");
    }
}
