//! `openssh_keypair`: a key pair for SSH, by ssh-keygen.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use crate::sys::run::Ran;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `(bits, fingerprint, type)` of `ssh-keygen -l`: `256 SHA256:… comment (ED25519)`.
fn about(text: &str) -> Option<(i64, String, String)> {
    let line = text.lines().next()?;
    let mut words = line.split(' ');
    let (bits, fingerprint) = (words.next()?.parse().ok()?, words.next()?.to_string());
    let kind = line.rsplit_once('(')?.1.trim_end().trim_end_matches(')').to_lowercase();
    Some((bits, fingerprint, kind))
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// The public key's two words, and its comment.
fn public(text: &str) -> (String, String) {
    let mut words = text.trim().splitn(3, ' ');
    let key = format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default());
    (key, words.next().unwrap_or_default().to_string())
}

/// Runs ssh-keygen; a passphrase goes through a private program that it asks, as an argument would be seen by everybody.
fn keygen(ctx: &Ctx, words: &[&str], option: &str, phrase: &str, path: &Path) -> Result<Ran, Fail> {
    let cmd = ctx.cmd("ssh-keygen").args(words).english();
    if phrase.is_empty() {
        return cmd.args([option, "", "-f"]).arg(path).run();
    }
    let helper = ctx.workdir.file_name(true)?;
    std::fs::write(&helper, "#!/bin/sh\nprintf '%s\\n' \"$IMGBUILD_PASSPHRASE\"\n").at("can't write", &helper)?;
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o700)).at("can't write", &helper)?;
    let ran = cmd
        .arg("-f")
        .arg(path)
        .env("SSH_ASKPASS", &helper)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":0")
        .env("IMGBUILD_PASSPHRASE", phrase)
        .run();
    let _ = std::fs::remove_file(helper);
    ran
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.req_path("path")?;
    let pubfile = with(&path, ".pub");
    ctx.need("ssh-keygen")?;
    if path.is_dir() {
        crate::fail!("{} is a directory. Please specify a path to a file.", path.display());
    }
    if args.text("state") == "absent" {
        let mut changed = false;
        for file in [&path, &pubfile] {
            if file.exists() {
                changed = true;
                if !ctx.check {
                    std::fs::remove_file(file).at("can't remove", file)?;
                }
            }
        }
        return Ok(crate::out! {"changed": changed});
    }
    let (kind, phrase) = (args.text("type"), args.text("passphrase"));
    let default = match kind.as_str() {
        "rsa" | "rsa1" => 4096,
        "dsa" => 1024,
        _ => 256,
    };
    let size = args.int("size").unwrap_or(default);
    let comment = args.str("comment");
    let derive = || -> Result<Option<String>, Fail> {
        let ran = keygen(ctx, &["-y"], "-P", &phrase, &path)?;
        Ok(ran.ok().then(|| ran.stdout.trim().to_string()))
    };
    let existing = if path.exists() { derive()? } else { None };
    let facts = |file: &Path| -> Result<Option<(i64, String, String)>, Fail> {
        Ok(about(&ctx.cmd("ssh-keygen").args(["-l", "-f"]).arg(file).english().run()?.stdout))
    };
    let valid = existing.is_some();
    let matches = valid
        && facts(&path)?
            .is_some_and(|(bits, _, of)| of == kind && (bits == size || matches!(kind.as_str(), "ed25519")));
    let regenerate = args.text("regenerate");
    let force = args.bool("force") || regenerate == "always";
    let make = force
        || !path.exists()
        || match regenerate.as_str() {
            "never" => false,
            "fail" if !valid || !matches => {
                crate::fail!(
                    "Unable to read the key, or it has another type or size. Will not proceed. To force regeneration, call the module with `generate` set to `partial_idempotence`, `full_idempotence` or `always`, or with `force=true`."
                )
            }
            "partial_idempotence" if !valid => {
                crate::fail!(
                    "Unable to read the key. The key is protected with a passphrase or broken. Will not proceed."
                )
            }
            "partial_idempotence" => !matches,
            _ => !valid || !matches,
        };
    let mut changed = make;
    let mut out = crate::out! {"filename": path.to_string_lossy(), "type": kind, "size": size};
    if make && !ctx.check {
        for file in [&path, &pubfile] {
            let _ = std::fs::remove_file(file);
        }
        let bits = size.to_string();
        let mut words = vec!["-q", "-t", &kind, "-C", comment.as_deref().unwrap_or("")];
        if kind != "ed25519" {
            words.extend(["-b", &bits]);
        }
        match args.text("private_key_format").as_str() {
            "pkcs1" => words.extend(["-m", "PEM"]),
            "pkcs8" => words.extend(["-m", "PKCS8"]),
            _ => {}
        }
        let ran = keygen(ctx, &words, "-N", &phrase, &path)?;
        if !ran.ok() {
            return Err(ran.fail(format!("ssh-keygen failed: {}", ran.complaint())));
        }
    } else if let Some(key) = existing.filter(|_| !make) {
        let text = files::read_text(&pubfile)?;
        let (have, said) = public(text.as_deref().unwrap_or_default());
        let wanted = comment.clone().unwrap_or_else(|| said.clone());
        if have != public(&key).0 || wanted != said {
            changed = true;
            if !ctx.check {
                let line = format!("{} {wanted}\n", public(&key).0);
                files::write(ctx, &pubfile, line.as_bytes(), false)?;
            }
        }
    }
    changed |= files::apply_attrs(ctx, args, &path)?;
    if let Some((_, fingerprint, _)) = facts(&path)? {
        out.insert("fingerprint".into(), fingerprint.into());
    }
    let (key, said) = public(&files::read_text(&pubfile)?.unwrap_or_default());
    out.insert("public_key".into(), key.trim().into());
    out.insert("comment".into(), said.into());
    out.insert("changed".into(), json!(changed));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn made_once() {
        if Ctx::test("openssh_keypair", json!({})).which("ssh-keygen").is_none() {
            crate::sys::files::skipped("no ssh-keygen");
            return;
        }
        let dir = Scratch::new();
        let call = |more: serde_json::Value| {
            let mut args = json!({"path": dir.path("k"), "type": "ed25519"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("openssh_keypair", args)).unwrap()
        };
        let first = call(json!({"comment": "me"}));
        assert_eq!((&first["changed"], &first["comment"]), (&json!(true), &json!("me")));
        assert!(first["public_key"].as_str().is_some_and(|k| k.starts_with("ssh-ed25519 ")));
        assert_eq!(call(json!({}))["changed"], false);
        assert_eq!(call(json!({"comment": "you"}))["changed"], true);
        assert_eq!(call(json!({"comment": "you"}))["public_key"], first["public_key"]);
        assert_ne!(call(json!({"force": true}))["public_key"], first["public_key"]);
        assert_eq!(
            (call(json!({"state": "absent"}))["changed"].clone(), call(json!({"state": "absent"}))["changed"].clone()),
            (json!(true), json!(false))
        );
        let locked = json!({"path": dir.path("p"), "passphrase": "over nine"});
        assert_eq!(
            (call(locked.clone())["changed"].clone(), call(locked)["changed"].clone()),
            (json!(true), json!(false))
        );
        assert_eq!(about("256 SHA256:x a (b) c (ED25519)\n"), Some((256, "SHA256:x".into(), "ed25519".into())));
    }
}
