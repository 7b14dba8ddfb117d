//! `yarn`: packages of Node.js, by Yarn 1. Source: community.general's DOCUMENTATION and what `yarn --json` prints.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use serde_json::Value;
use std::path::PathBuf;

struct Yarn<'a> {
    ctx: &'a Ctx,
    command: Vec<String>,
    dir: PathBuf,
    global: bool,
}

impl Yarn<'_> {
    /// What Yarn says on both of its outputs. `global`: of what is for all.
    fn call(&self, words: &[&str], global: bool, strict: bool) -> Result<(String, String), Fail> {
        let args = &self.ctx.args;
        let mut line = self.command[1..].to_vec();
        line.extend(global.then(|| "global".to_string()));
        line.extend(words.iter().map(|w| w.to_string()));
        for (option, flag) in [("production", "--production"), ("ignore_scripts", "--ignore-scripts")] {
            line.extend(args.bool(option).then(|| flag.to_string()));
        }
        line.extend(args.str("registry").into_iter().flat_map(|r| ["--registry".to_string(), r]));
        let mut cmd = self.ctx.cmd(&self.command[0]).args(&line);
        if !global {
            std::fs::create_dir_all(&self.dir).at("can't make", &self.dir)?;
            if !self.dir.join("package.json").is_file() {
                crate::fail!("Package.json does not exist in provided path.");
            }
            cmd = cmd.cwd(&self.dir);
        }
        let ran = cmd.run()?;
        if strict && !ran.ok() {
            let cmd = format!("{} {}", self.command[0], line.join(" "));
            return Err(ran.fail(ran.complaint()).with("cmd", cmd));
        }
        // Warnings stand there, too.
        if !strict {
            for line in ran.stderr.lines().filter(|l| !l.trim().is_empty()) {
                match serde_json::from_str::<Value>(line) {
                    Ok(said) if said["type"] != "error" => {}
                    Ok(_) => return Err(ran.fail(ran.stderr.trim())),
                    Err(_) => {
                        return Err(ran.fail(format!("Unexpected stderr output from Yarn: {}", ran.stderr.trim())));
                    }
                }
            }
        }
        Ok((ran.stdout, ran.stderr))
    }

    fn has_lock(&self) -> bool {
        self.dir.join("yarn.lock").is_file()
    }

    /// Names that are installed. Yarn's list of what is global has programs only, so the place of it is looked into.
    fn installed(&self) -> Result<Vec<String>, Fail> {
        if !self.has_lock() {
            return Ok(Vec::new());
        }
        let (stdout, _) = self.call(&["list", "--depth=0", "--json"], false, false)?;
        Ok(trees(&stdout))
    }

    /// Names of what there is something newer of.
    fn outdated(&self) -> Result<Vec<String>, Fail> {
        if !self.has_lock() {
            return Ok(Vec::new());
        }
        let (stdout, _) = self.call(&["outdated", "--json"], false, false)?;
        let table = stdout.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()).find(|v| v["type"] == "table");
        let rows = table.and_then(|t| t["data"]["body"].as_array().cloned()).unwrap_or_default();
        Ok(rows.iter().map(|row| crate::args::text(&row[0])).collect())
    }
}

/// Names in the output of `yarn list --json`.
fn trees(text: &str) -> Vec<String> {
    let said = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()).filter(|v| v["type"] == "tree");
    let name = |tree: &Value| tree["name"].as_str()?.rsplit_once('@').map(|(name, _)| name.to_string());
    said.flat_map(|v| v["data"]["trees"].as_array().cloned().unwrap_or_default()).filter_map(|t| name(&t)).collect()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, state, global) = (args.str("name").filter(|n| !n.is_empty()), args.text("state"), args.bool("global"));
    let path = args.path("path");
    match (&path, global) {
        (None, false) => crate::fail!("Path must be specified when not using global arg"),
        (Some(_), true) => crate::fail!("Cannot specify path if doing global installation"),
        _ => {}
    }
    if state == "absent" && name.is_none() {
        crate::fail!("Package must be explicitly named when uninstalling.");
    }
    let command: Vec<String> = match args.str("executable") {
        Some(text) => text.split(' ').filter(|w| !w.is_empty()).map(str::to_string).collect(),
        None => vec![ctx.need("yarn")?.to_string_lossy().into_owned()],
    };
    if command.is_empty() {
        crate::fail!("executable is empty");
    }
    let mut yarn = Yarn { ctx, command, dir: path.unwrap_or_default(), global };
    if global {
        let mut words = yarn.command.clone();
        words.extend(["global".into(), "dir".into()]);
        yarn.dir = PathBuf::from(ctx.must(&words)?.stdout.trim());
    }
    let version = if state == "latest" { Some("latest".to_string()) } else { args.str("version") };
    let wanted = name.as_ref().map(|n| version.filter(|v| !v.is_empty()).map_or(n.clone(), |v| format!("{n}@{v}")));
    let steps: Vec<Vec<&str>> = match (&name, &wanted) {
        // What package.json names: Yarn alone knows whether it is all there.
        (None, _) | (_, None) => vec![vec!["install", "--non-interactive"]],
        (Some(name), Some(wanted)) => {
            let there = yarn.installed()?.contains(name);
            match state.as_str() {
                "absent" => there.then(|| vec!["remove", name.as_str()]).into_iter().collect(),
                "present" => (!there).then(|| vec!["add", wanted.as_str()]).into_iter().collect(),
                _ => {
                    let upgrade = !yarn.outdated()?.is_empty();
                    let add = (!there).then(|| vec!["add", wanted.as_str()]);
                    add.into_iter().chain(upgrade.then(|| vec!["upgrade", "--latest"])).collect()
                }
            }
        }
    };
    let mut said = (String::new(), String::new());
    for words in steps.iter().filter(|_| !ctx.check) {
        said = yarn.call(words, yarn.global, true)?;
    }
    Ok(crate::out! {"changed": !steps.is_empty(), "out": said.0, "err": said.1})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::{Scratch, skipped};
    use serde_json::json;

    #[test]
    fn what_yarn_prints() {
        let text = "{\"type\":\"activity\"}\n{\"type\":\"tree\",\"data\":{\"type\":\"list\",\"trees\":[{\"name\":\"@a/b@1.0.0\"},{\"name\":\"c@2.0.0\"}]}}\n";
        assert_eq!(trees(text), ["@a/b", "c"]);
        let why = |args: Value| run(&Ctx::test("yarn", args)).unwrap_err().msg;
        assert_eq!(why(json!({})), "Path must be specified when not using global arg");
        assert_eq!(why(json!({"path": "/x", "global": true})), "Cannot specify path if doing global installation");
        assert!(why(json!({"path": "/x", "state": "absent"})).starts_with("Package must be explicitly named"));
    }

    /// With the real program, on a package of the test's own: nothing comes from the network.
    #[test]
    fn packages_come_once() {
        let path = std::env::var("PATH").unwrap_or_default();
        let Some(yarn) = ["yarnpkg", "yarn"].iter().find_map(|n| crate::sys::run::which_in(n, &path)) else {
            return skipped("no yarn here");
        };
        if !std::process::Command::new(&yarn).arg("--version").output().is_ok_and(|o| o.status.success()) {
            return skipped("the yarn here does not start");
        }
        let dir = Scratch::new();
        std::fs::create_dir_all(dir.path("tiny")).unwrap();
        std::fs::create_dir_all(dir.path("app")).unwrap();
        dir.file("tiny/package.json", r#"{"name": "tiny", "version": "1.0.0", "license": "MIT"}"#);
        dir.file("app/package.json", r#"{"name": "app", "version": "1.0.0", "license": "MIT", "private": true}"#);
        let call = |more: Value, check: bool| {
            let mut args = json!({"path": dir.path("app"), "executable": yarn.to_string_lossy()});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("yarn", args);
            ctx.check = check;
            for name in ["HOME", "YARN_CACHE_FOLDER"] {
                ctx.env.insert(name.into(), dir.path("home"));
            }
            run(&ctx)
        };
        let changed =
            |more: Value, check: bool| call(more, check).unwrap_or_else(|e| panic!("{}", e.msg))["changed"] == true;
        let tiny = json!({"name": "tiny", "version": format!("file:{}", dir.path("tiny"))});
        assert!(changed(tiny.clone(), true) && !std::path::Path::new(&dir.path("app/yarn.lock")).exists());
        assert!(changed(tiny.clone(), false) && !changed(tiny, false));
        assert!(std::path::Path::new(&dir.path("app/node_modules/tiny/package.json")).exists());
        assert!(changed(json!({}), false));
        let gone = json!({"name": "tiny", "state": "absent"});
        assert!(changed(gone.clone(), true) && changed(gone.clone(), false) && !changed(gone, false));
        let nowhere = call(json!({"path": dir.path("none"), "name": "tiny"}), false).unwrap_err().msg;
        assert_eq!(nowhere, "Package.json does not exist in provided path.");
    }
}
