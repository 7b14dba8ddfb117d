//! `stat`: what the system knows of a path.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::{hash, mode, users};
use rustix::fs::{Access, access};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let path = ctx.args.req_path("path")?;
    let meta = if ctx.args.bool("follow") { path.metadata() } else { path.symlink_metadata() };
    let meta = match meta {
        Ok(meta) => meta,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound) => {
            return Ok(crate::out! {"changed": false, "stat": {"exists": false}});
        }
        Err(e) => return Err(Fail::new(reason(&e))),
    };
    let mut out = fields(&path, &meta);
    let readable = access(&path, Access::READ_OK).is_ok();
    out.insert("readable".into(), readable.into());
    out.insert("writeable".into(), access(&path, Access::WRITE_OK).is_ok().into());
    out.insert("executable".into(), access(&path, Access::EXEC_OK).is_ok().into());
    if meta.is_symlink() {
        out.insert("lnk_source".into(), crate::sys::files::real_path(&path).to_string_lossy().into());
        out.insert("lnk_target".into(), std::fs::read_link(&path).unwrap_or_default().to_string_lossy().into());
    }
    if let Some(user) = users::user_by_id(meta.uid()) {
        out.insert("pw_name".into(), user.name.into());
    }
    if let Some(group) = users::group_by_id(meta.gid()) {
        out.insert("gr_name".into(), group.name.into());
    }
    if meta.is_file() && readable && ctx.args.bool("get_checksum") {
        out.insert("checksum".into(), hash::file(&ctx.args.text("checksum_algorithm"), &path)?.into());
    }
    if ctx.args.bool("get_mime") {
        let (mime, charset) = mime(ctx, &path).unwrap_or(("unknown".into(), "unknown".into()));
        out.insert("mimetype".into(), mime.into());
        out.insert("charset".into(), charset.into());
    }
    if ctx.args.bool("get_attributes") {
        out.extend(attributes(ctx, &path));
    }
    Ok(crate::out! {"changed": false, "stat": out})
}

/// The text of a system error, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}

/// What comes from the inode alone.
pub fn fields(path: &Path, meta: &Metadata) -> Outcome {
    let kind = meta.file_type();
    let bit = |mask: u32| meta.mode() & mask != 0;
    let time = |s: i64, ns: i64| s as f64 + ns as f64 / 1e9;
    crate::out! {
        "exists": true, "path": path.to_string_lossy(), "mode": stat_mode(meta.mode()),
        "isdir": kind.is_dir(), "ischr": kind.is_char_device(), "isblk": kind.is_block_device(), "isreg": kind.is_file(),
        "isfifo": kind.is_fifo(), "islnk": kind.is_symlink(), "issock": kind.is_socket(),
        "uid": meta.uid(), "gid": meta.gid(), "size": meta.size(), "inode": meta.ino(), "dev": meta.dev(),
        "nlink": meta.nlink(), "atime": time(meta.atime(), meta.atime_nsec()), "mtime": time(meta.mtime(), meta.mtime_nsec()),
        "ctime": time(meta.ctime(), meta.ctime_nsec()), "wusr": bit(0o200), "rusr": bit(0o400), "xusr": bit(0o100),
        "wgrp": bit(0o020), "rgrp": bit(0o040), "xgrp": bit(0o010), "woth": bit(0o002), "roth": bit(0o004),
        "xoth": bit(0o001), "isuid": bit(0o4000), "isgid": bit(0o2000),
        "blocks": meta.blocks(), "block_size": meta.blksize(), "device_type": meta.rdev(),
    }
}

fn stat_mode(bits: u32) -> String {
    let shown = format!("{:04o}", bits & 0o7777);
    if shown.len() == 4 { shown } else { mode::show(bits) }
}

fn mime(ctx: &Ctx, path: &Path) -> Option<(String, String)> {
    let file = ctx.which("file")?;
    let ran = ctx.cmd(file).args(["--mime-type", "--mime-encoding"]).arg(path).run().ok().filter(|r| r.ok())?;
    let (mime, charset) = ran.stdout.rsplit_once(':')?.1.split_once(';')?;
    Some((mime.trim().to_string(), charset.split_once('=')?.1.trim().to_string()))
}

/// `version`, `attr_flags` and `attributes` of lsattr.
fn attributes(ctx: &Ctx, path: &Path) -> Outcome {
    const NAMES: &[(char, &str)] = &[
        ('A', "noatime"),
        ('a', "append"),
        ('c', "compressed"),
        ('C', "nocow"),
        ('d', "nodump"),
        ('D', "dirsync"),
        ('e', "extents"),
        ('E', "encrypted"),
        ('h', "blocksize"),
        ('i', "immutable"),
        ('I', "indexed"),
        ('j', "journalled"),
        ('N', "inline"),
        ('s', "zero"),
        ('S', "synchronous"),
        ('t', "notail"),
        ('T', "blockroot"),
        ('u', "undelete"),
        ('X', "compressedraw"),
        ('Z', "compresseddirty"),
    ];
    let none = crate::out! {"version": null, "attributes": [], "attr_flags": ""};
    let Some(lsattr) = ctx.which("lsattr") else { return none };
    let Ok(ran) = ctx.cmd(lsattr).arg("-vd").arg(path).english().run() else { return none };
    let mut words = ran.stdout.split_whitespace();
    let (Some(version), Some(flags), true) = (words.next(), words.next(), ran.ok()) else { return none };
    let flags = flags.replace('-', "");
    let names: Vec<&str> = flags.chars().filter_map(|c| NAMES.iter().find(|(f, _)| *f == c).map(|(_, n)| *n)).collect();
    crate::out! {"version": version, "attributes": names, "attr_flags": flags}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn files_links_and_nothing() {
        let dir = Scratch::new();
        let file = dir.file("a", "abc");
        std::os::unix::fs::symlink("a", dir.0.join("l")).unwrap();
        let out = run(&Ctx::test("stat", json!({"path": file}))).unwrap();
        let stat = &out["stat"];
        assert_eq!((&stat["exists"], &stat["isreg"], &stat["size"]), (&json!(true), &json!(true), &json!(3)));
        assert_eq!(stat["checksum"], "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(stat["mode"].as_str().map(str::len), Some(4));
        let out = run(&Ctx::test("stat", json!({"path": dir.path("l"), "get_mime": false}))).unwrap();
        assert_eq!((&out["stat"]["islnk"], &out["stat"]["lnk_target"]), (&json!(true), &json!("a")));
        let out = run(&Ctx::test("stat", json!({"path": dir.path("l"), "follow": true, "checksum_algorithm": "md5"})))
            .unwrap();
        assert_eq!(out["stat"]["checksum"], "900150983cd24fb0d6963f7d28e17f72");
        let out = run(&Ctx::test("stat", json!({"path": dir.path("none")}))).unwrap();
        assert_eq!(out["stat"], json!({"exists": false}));
    }
}
