//! For `user`: a home directory that is missing, and an SSH key pair.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::users::User;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Makes a home from the skeleton and gives it to the user.
pub fn make_home(ctx: &Ctx, user: &User) -> Result<(), Fail> {
    let home = PathBuf::from(&user.home);
    let skeleton = PathBuf::from(ctx.args.str("skeleton").unwrap_or_else(|| "/etc/skel".into()));
    if let Some(parent) = home.parent() {
        std::fs::create_dir_all(parent).at("can't make the directory", parent)?;
    }
    copy(&skeleton, &home)?;
    let umask = ctx.args.str("umask").and_then(|u| u32::from_str_radix(&u, 8).ok());
    let mode = match umask {
        Some(umask) => 0o777 & !umask,
        None => home_mode(&std::fs::read_to_string("/etc/login.defs").unwrap_or_default()),
    };
    give(&home, user)?;
    std::fs::set_permissions(&home, PermissionsExt::from_mode(mode)).at("can't set the mode of", &home)
}

/// HOME_MODE, else UMASK, of login.defs.
fn home_mode(defs: &str) -> u32 {
    let value = |key: &str| {
        defs.lines()
            .filter_map(|l| l.split_once(char::is_whitespace))
            .find(|(k, _)| *k == key)
            .and_then(|(_, v)| u32::from_str_radix(v.trim(), 8).ok())
    };
    value("HOME_MODE").or_else(|| value("UMASK").map(|u| 0o777 & !u)).unwrap_or(0o755)
}

fn copy(from: &Path, to: &Path) -> Result<(), Fail> {
    std::fs::create_dir_all(to).at("can't make the directory", to)?;
    let Ok(entries) = std::fs::read_dir(from) else { return Ok(()) };
    for entry in entries.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_symlink() {
            let link = std::fs::read_link(&source).at("can't read", &source)?;
            std::os::unix::fs::symlink(link, &target).at("can't make the link", &target)?;
        } else if source.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).at("can't write", &target)?;
        }
    }
    Ok(())
}

fn give(path: &Path, user: &User) -> Result<(), Fail> {
    std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid)).at("can't give away", path)?;
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).at("can't read", path)?.flatten() {
            give(&entry.path(), user)?;
        }
    }
    Ok(())
}

/// Makes the key pair where it is missing; adds file, fingerprint and public key to the result.
pub fn generate(ctx: &Ctx, user: &User, out: &mut Outcome) -> Result<bool, Fail> {
    let args = &ctx.args;
    let kind = args.str("ssh_key_type").unwrap_or_else(|| "rsa".into());
    let given = args.path("ssh_key_file").unwrap_or_else(|| PathBuf::from(format!(".ssh/id_{kind}")));
    let file = Path::new(&user.home).join(given);
    let (exists, force) = (file.exists(), args.bool("force"));
    // Somebody else's public key, or a link, under that name.
    let taken = !exists && !force && public(&file).exists();
    if taken {
        ctx.warn(format!("{} exists: no key is made without \"force\"", public(&file).display()));
    }
    let changed = !taken && (!exists || force);
    if changed && !ctx.check {
        if let Some(dir) = file.parent().filter(|d| !d.exists()) {
            if !Path::new(&user.home).exists() {
                crate::fail!("User {} home directory does not exist", user.name);
            }
            std::fs::create_dir_all(dir).at("Failed to create", dir)?;
            std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).at("Failed to create", dir)?;
            give(dir, user)?;
        }
        for old in [&file, &public(&file)] {
            // A link goes itself, and not what it leads to.
            match std::fs::remove_file(old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("can't replace", old)?,
                _ => {}
            }
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let comment = args.str("ssh_key_comment").unwrap_or_else(|| format!("ansible-generated on {host}"));
        let mut cmd = ctx.cmd("ssh-keygen").args(["-q", "-t", &kind, "-C", &comment, "-f"]).arg(&file).english();
        if let Some(bits) = args.int("ssh_key_bits").filter(|b| *b > 0) {
            cmd = cmd.arg("-b").arg(bits.to_string());
        }
        let passphrase = args.str("ssh_key_passphrase").filter(|p| !p.is_empty());
        let helper = match &passphrase {
            // The passphrase must not be seen in the process list: ssh-keygen asks a private program for it.
            Some(text) => {
                let helper = ctx.workdir.file_name(true)?;
                std::fs::write(&helper, "#!/bin/sh\nprintf '%s\\n' \"$IMGBUILD_PASSPHRASE\"\n")
                    .at("can't write", &helper)?;
                std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o700)).at("can't write", &helper)?;
                cmd = cmd.env("SSH_ASKPASS", &helper).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
                cmd = cmd.env("IMGBUILD_PASSPHRASE", text);
                Some(helper)
            }
            None => {
                cmd = cmd.args(["-N", ""]);
                None
            }
        };
        let ran = cmd.run();
        if let Some(helper) = helper {
            let _ = std::fs::remove_file(helper);
        }
        let ran = ran?;
        if !ran.ok() {
            return Err(ran.fail(ran.complaint()));
        }
        give(&file, user)?;
        give(&public(&file), user)?;
    }
    out.insert("ssh_key_file".into(), file.to_string_lossy().into());
    if file.exists() {
        if let Ok(ran) = ctx.cmd("ssh-keygen").arg("-l").arg("-f").arg(&file).english().run() {
            out.insert("ssh_fingerprint".into(), ran.stdout.trim().into());
        }
        let key = std::fs::read_to_string(public(&file)).unwrap_or_default();
        out.insert("ssh_public_key".into(), json!(key.trim()));
    }
    Ok(changed)
}

fn public(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_os_string();
    name.push(".pub");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn keys_are_made_once() {
        let dir = Scratch::new();
        let user = User {
            name: "u".into(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            gecos: String::new(),
            home: dir.path(""),
            shell: String::new(),
        };
        let ctx = Ctx::test("user", json!({"name": "u", "ssh_key_type": "ed25519", "ssh_key_comment": "c"}));
        if ctx.which("ssh-keygen").is_none() {
            crate::sys::files::skipped("ssh-keygen is not installed");
            return;
        }
        let mut out = Outcome::new();
        assert!(generate(&ctx, &user, &mut out).unwrap());
        assert!(
            out["ssh_public_key"].as_str().is_some_and(|k| k.starts_with("ssh-ed25519 ") && k.ends_with(" c")),
            "{out:?}"
        );
        assert!(!generate(&ctx, &user, &mut out).unwrap());
        // What lies under the public key's name stays, unless it is forced; then a link goes, and its target stays.
        std::fs::remove_file(dir.path(".ssh/id_ed25519")).unwrap();
        std::fs::remove_file(dir.path(".ssh/id_ed25519.pub")).unwrap();
        std::fs::write(dir.path("flag"), "x").unwrap();
        std::os::unix::fs::symlink(dir.path("flag"), dir.path(".ssh/id_ed25519.pub")).unwrap();
        assert!(!generate(&ctx, &user, &mut out).unwrap());
        let ctx = Ctx::test("user", json!({"name": "u", "ssh_key_type": "ed25519", "force": true}));
        assert!(generate(&ctx, &user, &mut out).unwrap());
        assert!(!Path::new(&dir.path(".ssh/id_ed25519.pub")).is_symlink());
        assert_eq!(std::fs::read_to_string(dir.path("flag")).unwrap(), "x");
        assert_eq!(home_mode("# x\nUMASK\t\t022\n"), 0o755);
        assert_eq!(home_mode("UMASK 022\nHOME_MODE 0700\n"), 0o700);
    }
}
