//! `tempfile`: a fresh file or directory.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::random;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let dir = args.path("path").or_else(|| ctx.env("TMPDIR").map(PathBuf::from)).unwrap_or_else(|| "/tmp".into());
    let directory = args.text("state") == "directory";
    for name in ["prefix", "suffix"] {
        if args.text(name).contains('/') {
            crate::fail!("{name} must be a valid file name component");
        }
    }
    if ctx.check {
        return Ok(crate::out! {"changed": true, "path": null, "state": args.text("state")});
    }
    loop {
        let path = dir.join(format!("{}{}{}", args.text("prefix"), &random::token()[..8], args.text("suffix")));
        let made = if directory {
            std::fs::DirBuilder::new().mode(0o700).create(&path)
        } else {
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map(drop)
        };
        match made {
            Ok(()) => {
                let mut out = crate::out! {"changed": true, "path": path.to_string_lossy()};
                crate::sys::files::add_info(&mut out, &path);
                return Ok(out);
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => crate::fail!("can't make a temporary {} in {}: {e}", args.text("state"), dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn files_and_directories() {
        let dir = Scratch::new();
        for (state, mode) in [("file", "0600"), ("directory", "0700")] {
            let args = json!({"path": dir.path(""), "state": state, "suffix": ".x"});
            let out = run(&Ctx::test("tempfile", args)).unwrap();
            let path = out["path"].as_str().unwrap();
            assert!(path.contains("/ansible.") && path.ends_with(".x"), "{path}");
            assert_eq!((&out["mode"], &out["state"]), (&json!(mode), &json!(state)));
        }
        assert!(run(&Ctx::test("tempfile", json!({"path": dir.path("no")}))).is_err());
        assert!(run(&Ctx::test("tempfile", json!({"path": dir.path(""), "suffix": "../x"}))).is_err());
    }
}
