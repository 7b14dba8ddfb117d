//! `patch`: applies a patch once, or takes it back. A patch of the controller's comes with the call.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use std::path::{Path, PathBuf};

struct Patch<'a> {
    ctx: &'a Ctx,
    program: String,
    file: PathBuf,
    basedir: PathBuf,
}

impl Patch<'_> {
    fn call(&self, first: &[&str], last: &[&str], dry: bool, reverse: bool) -> Result<Ran, Fail> {
        let args = &self.ctx.args;
        let mut words = vec![self.program.clone()];
        words.extend(first.iter().map(|w| w.to_string()));
        words.push(format!("--strip={}", args.int("strip").unwrap_or_default()));
        words.push(format!("--directory={}", self.basedir.display()));
        words.push(format!("--input={}", self.file.display()));
        for (on, word) in [
            (dry, "--dry-run"),
            (args.bool("binary"), "--binary"),
            (args.bool("ignore_whitespace"), "--ignore-whitespace"),
        ] {
            if on {
                words.push(word.into());
            }
        }
        words.extend(args.path("dest").map(|d| d.to_string_lossy().into_owned()));
        words.extend(last.iter().map(|w| w.to_string()));
        if reverse {
            words.push("--reverse".into());
        }
        self.ctx.run(&words)
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let dest = args.path("dest");
    let (file, own) = match &ctx.blob {
        Some(blob) => {
            let file = ctx.temp()?;
            blob.write_to(&file, 0o600)?;
            (file, true)
        }
        None => (args.req_path("src")?, false),
    };
    let done = (|| {
        if rustix::fs::access(&file, rustix::fs::Access::READ_OK).is_err() {
            crate::fail!("src {} doesn't exist or not readable", file.display());
        }
        if let Some(dest) = &dest
            && rustix::fs::access(dest, rustix::fs::Access::WRITE_OK).is_err()
        {
            crate::fail!("dest {} doesn't exist or not writable", dest.display());
        }
        let basedir = match (args.path("basedir"), &dest) {
            (Some(dir), _) if !dir.exists() => crate::fail!("basedir {} doesn't exist", dir.display()),
            (Some(dir), _) => dir,
            (None, Some(dest)) => dest.parent().unwrap_or(Path::new("/")).to_path_buf(),
            (None, None) => crate::fail!("one of the following is required: dest, basedir"),
        };
        let Some(program) = ctx.which("patch") else { crate::fail!("patch command not found") };
        let file = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
        let patch = Patch { ctx, program: program.to_string_lossy().into_owned(), file, basedir };
        let absent = args.text("state") == "absent";
        // What could be taken back has been applied, and the other way round.
        if patch.call(&["--quiet", "--forward"], &[], true, !absent)?.ok() {
            return Ok(false);
        }
        let backup: &[&str] = if args.bool("backup") { &["--backup", "--version-control=numbered"] } else { &[] };
        let ran = patch.call(&["--quiet", "--forward", "--batch", "--reject-file=-"], backup, ctx.check, absent)?;
        if ran.ok() {
            return Ok(true);
        }
        Err(Fail::new(if ran.stderr.is_empty() { ran.stdout } else { ran.stderr }))
    })();
    if own {
        let _ = std::fs::remove_file(&file);
    }
    Ok(crate::out! {"changed": done?})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn applied_once_and_taken_back() {
        if Ctx::test("patch", json!({})).which("patch").is_none() {
            crate::sys::files::skipped("patch is not installed");
            return;
        }
        let dir = Scratch::new();
        let (dest, src) =
            (dir.file("f", "a\nb\nc\n"), dir.file("p", "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"));
        let call = |state: &str, check| {
            let args = json!({"src": src, "dest": dest, "state": state, "backup": true});
            let mut ctx = Ctx::test("patch", args);
            ctx.check = check;
            run(&ctx).unwrap()["changed"] == true
        };
        assert!(call("present", true) && dir.read("f") == "a\nb\nc\n");
        assert!(call("present", false) && dir.read("f") == "a\nB\nc\n" && dir.read("f.~1~") == "a\nb\nc\n");
        assert!(!call("present", false));
        assert!(call("absent", false) && dir.read("f") == "a\nb\nc\n" && !call("absent", false));
        dir.file("f", "other\n");
        assert!(run(&Ctx::test("patch", json!({"src": src, "dest": dest}))).is_err());
    }
}
