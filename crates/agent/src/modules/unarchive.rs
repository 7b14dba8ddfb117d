//! `unarchive`: what is in an archive stands below a directory. tar and unzip unpack; what differs is found before.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::Attrs;
use crate::sys::{files, fnmatch, zip};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The kinds of archives, with Ansible's names for what handles them.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Zip,
    Tar(&'static str, Option<&'static str>),
}

/// Tells an archive by its first bytes.
fn kind_of(head: &[u8]) -> Option<Kind> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    Some(if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        Kind::Zip
    } else if starts(&[0x1f, 0x8b]) {
        Kind::Tar("TgzArchive", Some("-z"))
    } else if starts(b"BZh") {
        Kind::Tar("TarBzipArchive", Some("-j"))
    } else if starts(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Kind::Tar("TarXzArchive", Some("-J"))
    } else if starts(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Kind::Tar("TarZstdArchive", Some("--zstd"))
    } else if head.get(257..262) == Some(b"ustar") {
        Kind::Tar("TarArchive", None)
    } else {
        return None;
    })
}

struct Job<'a> {
    ctx: &'a Ctx,
    src: PathBuf,
    dest: PathBuf,
    exclude: Vec<String>,
    include: Vec<String>,
    extra: Vec<String>,
    attrs: Attrs,
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    if let Some(path) = args.path("creates").filter(|p| p.exists()) {
        return Ok(
            crate::out! {"changed": false, "skipped": true, "msg": format!("skipped, since {} exists", path.display())},
        );
    }
    let shown = args.req("src")?;
    let mut fetched = None;
    let src = match &ctx.blob {
        Some(blob) => {
            let file = ctx.temp()?;
            blob.write_to(&file, 0o600)?;
            fetched = Some(file.clone());
            file
        }
        None if shown.contains("://") => {
            let file = ctx.temp()?;
            crate::sys::http::download(ctx, &shown, &file)?;
            fetched = Some(file.clone());
            file
        }
        None => args.req_path("src")?,
    };
    let outcome = unpack(ctx, src, &shown);
    if let Some(file) = fetched {
        let _ = std::fs::remove_file(file);
    }
    outcome
}

fn unpack(ctx: &Ctx, src: PathBuf, shown: &str) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let dest = args.req_path("dest")?;
    if !src.exists() {
        crate::fail!("Source '{shown}' does not exist");
    }
    if !dest.is_dir() {
        crate::fail!("dest '{}' must be an existing dir", dest.display());
    }
    let mut head = [0u8; 512];
    let mut file = std::fs::File::open(&src).map_err(|e| Fail::new(format!("Source '{shown}' not readable: {e}")))?;
    let mut filled = 0;
    while filled < head.len() {
        match file.read(&mut head[filled..]).at("can't read", &src)? {
            0 => break,
            n => filled += n,
        }
    }
    if filled == 0 {
        crate::fail!("Invalid archive '{shown}', the file is 0 bytes");
    }
    let Some(kind) = kind_of(&head[..filled]) else {
        crate::fail!(
            "Failed to find handler for \"{shown}\". It is no tar archive (plain, gzip, bzip2, xz, zstd) and no zip archive."
        );
    };
    if ctx.check && matches!(kind, Kind::Tar(..)) {
        // As Ansible has it, whose playbooks may count on nothing being registered.
        let msg = "remote module (ansible.legacy.unarchive) does not support check mode when using gtar";
        return Ok(crate::out! {"changed": false, "skipped": true, "msg": msg});
    }
    let job = Job {
        ctx,
        src,
        dest: dest.clone(),
        exclude: args.strs("exclude"),
        include: args.strs("include"),
        extra: args.strs("extra_opts"),
        attrs: Attrs::from_args(args)?,
    };
    let (names, differs) = match kind {
        Kind::Zip => job.zip_state()?,
        Kind::Tar(_, flag) => job.tar_state(flag)?,
    };
    let handler = match kind {
        Kind::Zip => "ZipArchive",
        Kind::Tar(name, _) => name,
    };
    let mut changed = differs;
    let mut out = crate::out! {"dest": dest.to_string_lossy(), "src": shown, "handler": handler};
    if differs && !ctx.check {
        let ran = match kind {
            Kind::Zip => job.unzip()?,
            Kind::Tar(_, flag) => job.untar(flag)?,
        };
        out.insert("extract_results".into(), json!({"rc": ran.rc, "out": ran.stdout, "err": ran.stderr}));
        // unzip says with 1 that it had something to warn of.
        if !(ran.rc == 0 || (kind == Kind::Zip && ran.rc == 1)) {
            return Err(ran.fail(format!("failed to unpack {shown} to {}: {}", dest.display(), ran.complaint())));
        }
    }
    for name in &names {
        let path = dest.join(name);
        if path.symlink_metadata().is_ok() && job.attrs.apply(ctx, &path, ctx.check)?.changed() {
            changed = true;
        }
    }
    if args.bool("list_files") {
        out.insert("files".into(), json!(names));
    }
    out.insert("changed".into(), changed.into());
    files::add_info(&mut out, &dest);
    Ok(out)
}

impl Job<'_> {
    fn wanted(&self, name: &str) -> bool {
        let bare = name.trim_end_matches('/');
        let matches = |pattern: &String| {
            fnmatch::matches(pattern, bare) || bare.starts_with(&format!("{}/", pattern.trim_end_matches('/')))
        };
        !self.exclude.iter().any(matches) && (self.include.is_empty() || self.include.iter().any(matches))
    }

    fn tar(&self, verb: &str, flag: Option<&str>) -> Result<crate::sys::run::Ran, Fail> {
        // BSD's tar has other options; on a host with both, GNU's may be called gtar.
        let program = if self.ctx.which("gtar").is_some() { "gtar" } else { "tar" };
        self.ctx.need(program)?;
        let mut cmd = self.ctx.cmd(program).english().arg(verb).arg("-C").arg(&self.dest);
        if let Some(flag) = flag {
            cmd = cmd.arg(flag);
        }
        if verb == "--list" {
            cmd = cmd.arg("--show-transformed-names");
        } else {
            for (option, value) in [("--owner", &self.attrs.owner), ("--group", &self.attrs.group)] {
                if let Some(value) = value.as_ref().filter(|_| verb == "--extract") {
                    cmd = cmd.arg(format!("{option}={value}"));
                }
            }
            if self.ctx.args.bool("keep_newer") && verb == "--extract" {
                cmd = cmd.arg("--keep-newer-files");
            }
        }
        cmd =
            cmd.args(&self.extra).args(self.exclude.iter().map(|e| format!("--exclude={e}"))).arg("-f").arg(&self.src);
        if verb == "--extract" || verb == "--list" || verb == "--diff" {
            cmd = cmd.args(&self.include);
        }
        cmd.run()
    }

    fn untar(&self, flag: Option<&str>) -> Result<crate::sys::run::Ran, Fail> {
        self.tar("--extract", flag)
    }

    /// The names in the archive and whether anything of it differs on the disk.
    fn tar_state(&self, flag: Option<&str>) -> Result<(Vec<String>, bool), Fail> {
        let listed = self.tar("--list", flag)?;
        if !listed.ok() {
            return Err(listed.fail(format!("Unable to list files in the archive: {}", listed.complaint())));
        }
        if listed.stdout.trim().is_empty() {
            // What is packed need not be a tar archive: tar takes a short text for an empty one.
            crate::fail!(
                "Failed to find handler for \"{}\". Make sure the required command to extract the file is installed.\nCommand \"tar\" found no files in archive. Empty archive files are not supported.",
                self.src.display()
            );
        }
        let names: Vec<String> =
            listed.stdout.lines().map(unquote).filter(|n| !n.is_empty() && n != "./" && n != ".").collect();
        for name in &names {
            if Path::new(name).components().any(|c| matches!(c, std::path::Component::ParentDir)) {
                crate::fail!("the archive holds a path that leads out of the destination: {name}");
            }
        }
        let diff = self.tar("--diff", flag)?;
        let root = rustix::process::geteuid().is_root();
        let differs = diff.stdout.lines().chain(diff.stderr.lines()).any(|l| self.counts(l, root));
        Ok((names, differs))
    }

    /// Whether a line of `tar --diff` means that something is to be done.
    fn counts(&self, line: &str, root: bool) -> bool {
        if line.ends_with(": Mode differs") {
            self.attrs.mode.is_none()
        } else if line.ends_with(": Uid differs") {
            self.attrs.owner.is_none() && root
        } else if line.ends_with(": Gid differs") {
            self.attrs.group.is_none() && root
        } else if line.ends_with(": Mod time differs") {
            !self.ctx.args.bool("keep_newer")
        } else {
            line.contains(": Warning: Cannot stat: No such file or directory")
                || line.contains("differs")
                || line.ends_with(": Contents differ")
                || line.contains("Cannot open: No such file")
                || line.contains("Not linked to")
        }
    }

    fn zip_state(&self) -> Result<(Vec<String>, bool), Fail> {
        let file = std::fs::File::open(&self.src).at("can't read", &self.src)?;
        let entries = zip::entries(file).map_err(|e| Fail::new(format!("Unable to list files in the archive: {e}")))?;
        let mut differs = false;
        let mut names = Vec::new();
        for entry in entries.into_iter().filter(|e| self.wanted(&e.name)) {
            if Path::new(&entry.name).components().any(|c| matches!(c, std::path::Component::ParentDir)) {
                crate::fail!("the archive holds a path that leads out of the destination: {}", entry.name);
            }
            let path = self.dest.join(&entry.name);
            let link = entry.mode & 0o170_000 == 0o120_000;
            differs |= match path.symlink_metadata() {
                Err(_) => true,
                Ok(meta) if entry.name.ends_with('/') => !meta.is_dir(),
                Ok(meta) if link => !meta.is_symlink(),
                Ok(meta) => {
                    let newer_kept = self.ctx.args.bool("keep_newer");
                    let content = || std::fs::File::open(&path).and_then(zip::crc).ok() != Some(entry.crc);
                    let mode = entry.mode & 0o777;
                    let mode_differs = mode != 0
                        && self.attrs.mode.is_none()
                        && std::os::unix::fs::MetadataExt::mode(&meta) & 0o777 != mode;
                    !newer_kept && (meta.len() != entry.size || content() || mode_differs)
                }
            };
            names.push(entry.name);
        }
        Ok((names, differs))
    }

    fn unzip(&self) -> Result<crate::sys::run::Ran, Fail> {
        if self.ctx.which("unzip").is_none() {
            crate::fail!(
                "Failed to find handler for \"{}\". Make sure the required command to extract the file is installed. Unable to find required 'unzip' binary in the path.",
                self.src.display()
            );
        }
        let mut cmd =
            self.ctx.cmd("unzip").english().arg(if self.ctx.args.bool("keep_newer") { "-u" } else { "-o" }).arg("-q");
        cmd = cmd.arg("-o").args(&self.extra).arg(&self.src).args(&self.include);
        if !self.exclude.is_empty() {
            cmd = cmd.arg("-x").args(&self.exclude);
        }
        cmd.arg("-d").arg(&self.dest).run()
    }
}

/// tar writes unusual characters as octal escapes.
fn unquote(line: &str) -> String {
    crate::sys::mounts::unescape(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::Value;
    use std::process::Command;

    #[test]
    fn tar_archives_unpack_once() {
        let dir = Scratch::new();
        std::fs::create_dir_all(dir.0.join("in/sub")).unwrap();
        std::fs::create_dir(dir.0.join("out")).unwrap();
        dir.file("in/a", "1");
        dir.file("in/sub/b", "2");
        let made =
            Command::new("tar").args(["-C", &dir.path("in"), "-czf", &dir.path("x.tgz"), "a", "sub"]).status().unwrap();
        assert!(made.success());
        let call = |args: Value, check: bool| {
            let mut ctx = Ctx::test("unarchive", args);
            ctx.check = check;
            run(&ctx)
        };
        let args = json!({"src": dir.path("x.tgz"), "dest": dir.path("out"), "remote_src": true, "list_files": true});
        assert_eq!(call(args.clone(), true).unwrap()["skipped"], true);
        assert!(!dir.0.join("out/a").exists());
        let out = call(args.clone(), false).unwrap();
        assert_eq!(
            (&out["changed"], &out["handler"], &out["files"]),
            (&json!(true), &json!("TgzArchive"), &json!(["a", "sub/", "sub/b"]))
        );
        assert_eq!(dir.read("out/sub/b"), "2");
        assert_eq!(call(args.clone(), false).unwrap()["changed"], false);
        dir.file("out/a", "changed");
        assert_eq!(call(args, false).unwrap()["changed"], true);
        assert_eq!(dir.read("out/a"), "1");
        std::fs::create_dir(dir.0.join("part")).unwrap();
        let args = json!({"src": dir.path("x.tgz"), "dest": dir.path("part"), "exclude": ["sub"], "mode": "0600"});
        call(args, false).unwrap();
        assert!(dir.0.join("part/a").exists() && !dir.0.join("part/sub").exists());
        let args = json!({"src": dir.path("x.tgz"), "dest": dir.path("none")});
        assert!(call(args, false).unwrap_err().msg.contains("must be an existing dir"));
        let args = json!({"src": dir.file("text", "no archive"), "dest": dir.path("out")});
        assert!(call(args, false).unwrap_err().msg.contains("Failed to find handler"));
        let args = json!({"src": "/none", "dest": dir.path("out"), "creates": dir.path("out/a")});
        assert_eq!(call(args, false).unwrap()["skipped"], true);
    }
}
