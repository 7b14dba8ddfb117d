//! `subversion`: a working copy or an export of a repository, by svn.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use crate::sys::version;
use serde_json::{Value, json};
use std::path::Path;

/// A line of `svn info` about the revision, in whatever language: a word, a colon, a number.
fn revision(text: &str) -> Option<&str> {
    text.lines().find(|line| {
        let Some((word, number)) = line.split_once(':') else { return false };
        let word = word.strip_suffix(' ').unwrap_or(word);
        !word.is_empty()
            && word.chars().all(|c| c.is_alphanumeric() || c == '_')
            && number.starts_with(char::is_whitespace)
            && !number.trim_start().is_empty()
            && number.trim_start().chars().all(|c| c.is_ascii_digit())
    })
}

fn url(text: &str) -> Option<&str> {
    text.lines().find(|l| l.strip_prefix("URL").is_some_and(|r| r.trim_start_matches(' ').starts_with(':')))
}

/// Whether `svn update` or `switch` reports a file.
fn touched(text: &str) -> bool {
    text.lines().any(|l| l.starts_with(['A', 'B', 'D', 'U', 'C', 'G', 'E']) && l[1..].starts_with(char::is_whitespace))
}

struct Svn<'a> {
    ctx: &'a Ctx,
    program: String,
    dest: String,
}

impl Svn<'_> {
    fn call(&self, words: &[&str]) -> Result<Ran, Fail> {
        let args = &self.ctx.args;
        let mut line = vec![self.program.clone(), "--non-interactive".into(), "--no-auth-cache".into()];
        if !args.bool("validate_certs") {
            line.push("--trust-server-cert".into());
        }
        if let Some(user) = args.str("username").filter(|u| !u.is_empty()) {
            line.extend(["--username".into(), user]);
        }
        let mut stdin = Vec::new();
        if let Some(password) = args.str("password").filter(|p| !p.is_empty()) {
            let known = self.ctx.must(&[&self.program, "--version", "--quiet"])?.stdout;
            if version::numbers(&known) < vec![1, 10] {
                crate::fail!(
                    "svn {} takes a password on its command line only, where everybody on the host can read it: 1.10.0 is needed",
                    known.trim()
                );
            }
            line.push("--password-from-stdin".into());
            stdin = password.into_bytes();
        }
        line.extend(words.iter().map(|w| w.to_string()));
        self.ctx.cmd(&line[0]).args(&line[1..]).stdin(stdin).english().run()
    }

    fn must(&self, words: &[&str]) -> Result<String, Fail> {
        let ran = self.call(words)?;
        if ran.ok() { Ok(ran.stdout) } else { Err(ran.fail(ran.complaint().to_string()).with("cmd", words.join(" "))) }
    }

    /// Revision and URL of the working copy.
    fn here(&self) -> Result<Value, Fail> {
        let text = self.must(&["info", &self.dest])?;
        Ok(json!([revision(&text).unwrap_or("Unable to get revision"), url(&text).unwrap_or("Unable to get URL")]))
    }

    /// Files under version control that differ.
    fn modified(&self) -> Result<bool, Fail> {
        let text = self.must(&["status", "--quiet", "--ignore-externals", &self.dest])?;
        Ok(text.lines().any(|l| !l.is_empty() && !l.starts_with(['?', 'X'])))
    }

    fn revert(&self) -> Result<bool, Fail> {
        Ok(self.must(&["revert", "-R", &self.dest])?.lines().any(|l| !l.starts_with("Reverted ")))
    }
}

const MODIFIED: &str = "ERROR: modified files exist in the repository.";

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let repo = args.req("repo")?;
    let wanted = args.text("revision");
    let (export, checkout, update) = (args.bool("export"), args.bool("checkout"), args.bool("update"));
    let force = args.bool("force");
    let dest = args.str("dest").filter(|d| !d.is_empty());
    if dest.is_none() && (checkout || update || export) {
        crate::fail!("the destination directory must be specified unless checkout=no, update=no, and export=no");
    }
    let program = match args.str("executable").filter(|e| !e.is_empty()) {
        Some(program) => program,
        None => ctx.need("svn")?.to_string_lossy().into_owned(),
    };
    let svn = Svn { ctx, program, dest: dest.unwrap_or_default() };
    let fetch = |verb: &str, force: bool| {
        let mut words = vec![verb];
        if force {
            words.push("--force");
        }
        words.extend(["-r", &wanted, &repo, &svn.dest]);
        svn.must(&words)
    };
    if !export && !update && !checkout {
        let text = svn.must(&["info", &repo])?;
        return Ok(crate::out! {
            "changed": false, "after": revision(&text).unwrap_or("Unable to get remote revision"),
        });
    }
    let mut before = Value::Null;
    let mut changed = true;
    if export || !Path::new(&svn.dest).exists() {
        if ctx.check {
            return Ok(crate::out! {"changed": true});
        }
        if !export && !checkout {
            return Ok(crate::out! {"changed": false});
        }
        fetch(if export { "export" } else { "checkout" }, export && force)?;
    } else if svn.call(&["info", &svn.dest])?.ok() {
        if !update {
            return Ok(crate::out! {"changed": false});
        }
        let modified = svn.modified()?;
        if modified && !force {
            if !ctx.check && args.bool("switch") {
                svn.must(&["switch", "--revision", &wanted, &repo, &svn.dest])?;
            }
            crate::fail!("{MODIFIED}");
        }
        if ctx.check {
            let now = svn.must(&["info", &svn.dest])?;
            let then = svn.must(&["info", "-r", &wanted, &svn.dest])?;
            let number = |text: &str| {
                revision(text).and_then(|l| l.rsplit(':').next()?.trim().parse::<u64>().ok()).unwrap_or_default()
            };
            return Ok(crate::out! {
                "changed": number(&now) < number(&then), "before": revision(&now), "after": revision(&then),
            });
        }
        before = svn.here()?;
        changed = modified;
        if args.bool("switch") {
            changed |= touched(&svn.must(&["switch", "--revision", &wanted, &repo, &svn.dest])?);
        }
        if modified {
            changed |= svn.revert()?;
        }
        changed |= touched(&svn.must(&["update", "-r", &wanted, &svn.dest])?);
    } else if args.bool("in_place") {
        if ctx.check {
            return Ok(crate::out! {"changed": true});
        }
        fetch("checkout", true)?;
        if svn.modified()? && force {
            svn.revert()?;
        }
    } else {
        crate::fail!("ERROR: {} folder already exists, but its not a subversion repository.", svn.dest);
    }
    if export {
        return Ok(crate::out! {"changed": true});
    }
    Ok(crate::out! {"changed": changed, "before": before, "after": svn.here()?})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn what_svn_says() {
        let info =
            "Path: a\nURL: file:///r\nRelative URL: ^/\nRevision: 12\nNode Kind: directory\nLast Changed Rev: 3\n";
        assert_eq!((revision(info), url(info)), (Some("Revision: 12"), Some("URL: file:///r")));
        assert_eq!(revision("Révision : 7\n"), Some("Révision : 7"));
        assert_eq!(revision("Last Changed Rev: 3\n"), None);
        assert!(touched("Updating 'x':\nU    x/a\n") && !touched("Updating 'x':\nAt revision 3.\n"));
    }

    #[test]
    fn a_repository_of_ones_own() {
        let probe = Ctx::test("subversion", json!({"repo": "x"}));
        if probe.which("svnadmin").is_none() {
            crate::sys::files::skipped("subversion is not installed");
            return;
        }
        let dir = Scratch::new();
        let (repo, copy) = (dir.path("r"), dir.path("w"));
        let url = format!("file://{repo}");
        probe.must(&["svnadmin", "create", &repo]).unwrap();
        probe.must(&["svn", "mkdir", "-m", "x", &format!("{url}/d")]).unwrap();
        let call = |more: Value, check| {
            let mut args = json!({"repo": url, "dest": copy});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("subversion", args);
            ctx.check = check;
            run(&ctx)
        };
        assert_eq!(call(json!({}), true).unwrap(), crate::out! {"changed": true});
        let first = call(json!({}), false).unwrap();
        assert_eq!((&first["changed"], &first["after"][0]), (&json!(true), &json!("Revision: 1")));
        assert_eq!(call(json!({}), false).unwrap()["changed"], false);
        probe.must(&["svn", "mkdir", "-m", "y", &format!("{url}/e")]).unwrap();
        assert_eq!(call(json!({}), true).unwrap()["after"], "Revision: 2");
        assert_eq!(call(json!({}), false).unwrap()["changed"], true);
        std::fs::remove_dir(format!("{copy}/e")).unwrap();
        assert_eq!(call(json!({}), false).unwrap_err().msg, MODIFIED);
        assert_eq!(call(json!({"force": true}), false).unwrap()["changed"], true);
        assert_eq!(call(json!({"export": true, "dest": dir.path("x")}), false).unwrap(), crate::out! {"changed": true});
        assert!(dir.0.join("x/e").is_dir() && !dir.0.join("x/.svn").exists());
    }
}
