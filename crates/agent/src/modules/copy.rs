//! `copy` (and `template`): content that came with the call, or a file of the host, stands at a path.
//!
//! A call with a checksum and no content asks whether the content is needed: it is settled when the file has that checksum,
//! and fails with `needs_content` when it hasn't.

use crate::ctx::Ctx;
use crate::modules::copy_tree;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::Attrs;
use crate::sys::{files, hash, mode};
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files larger than this, and binary ones, are not shown in diffs.
const LARGEST_DIFF: u64 = 104_448;

/// Where the content comes from.
enum Source {
    Bytes(Vec<u8>),
    Blob,
    File(PathBuf),
    Unknown,
}

impl Source {
    fn open<'a>(&'a self, ctx: &'a Ctx) -> Result<Box<dyn Read + 'a>, Fail> {
        Ok(match (self, &ctx.blob) {
            (Source::Bytes(bytes), _) => Box::new(bytes.as_slice()),
            (Source::File(path), _) => Box::new(std::fs::File::open(path).at("can't read", path)?),
            (_, Some(blob)) => blob.reader()?,
            (_, None) => Box::new(std::io::empty()),
        })
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let remote = args.bool("remote_src");
    let src = args.str("src");
    let source = match (args.given("content"), &ctx.blob, remote, args.path("src")) {
        (Some(Value::String(text)), None, ..) => Source::Bytes(text.clone().into_bytes()),
        (Some(other), None, ..) => Source::Bytes(other.to_string().into_bytes()),
        (_, Some(_), ..) => Source::Blob,
        (None, None, true, Some(path)) => Source::File(path),
        (None, None, false, _) if args.given("checksum").is_some() => Source::Unknown,
        _ => crate::fail!("src (or content) is required"),
    };
    let dest_text = args.req_path("dest")?.to_string_lossy().into_owned();
    let as_dir = args.text("dest").ends_with('/');
    if let Source::File(path) = &source {
        if !path.exists() {
            crate::fail!("Source {} not found", path.display());
        }
        if rustix::fs::access(path, rustix::fs::Access::READ_OK).is_err() {
            crate::fail!("Source {} not readable", path.display());
        }
        if path.is_dir() {
            return copy_tree::run(ctx, &args.text("src"), path, &dest_text);
        }
        if !path.is_file() {
            crate::fail!("Cannot copy invalid source '{}': not a file", path.display());
        }
    }
    let expected = args.str("checksum").filter(|c| !c.is_empty());
    let checksum = match &source {
        Source::Unknown => expected.clone().unwrap_or_default(),
        known => digest("sha1", known, ctx)?,
    };
    if let Some(expected) = expected.filter(|e| *e != checksum) {
        return Err(Fail::new("Copied file does not match the expected checksum. Transfer failed.")
            .with("checksum", checksum)
            .with("expected_checksum", expected));
    }
    let mut changed = false;
    let mut dest = if dest_text.contains('/') { PathBuf::from(&dest_text) } else { Path::new("./").join(&dest_text) };
    let name = args
        .str("_original_basename")
        .or_else(|| src.as_deref().and_then(|s| Path::new(s).file_name()).map(|n| n.to_string_lossy().into_owned()));
    if as_dir && !dest.exists() {
        if ctx.check {
            let msg = format!("dest directory {} would be created", dest.display());
            return Ok(crate::out! {"msg": msg, "changed": true, "src": src});
        }
        copy_tree::make_dirs(ctx, &dest)?;
        changed = true;
    }
    if dest.is_dir() {
        match &name {
            Some(name) => dest.push(name),
            None => crate::fail!("can not use content with a dir as dest"),
        }
    }
    if dest.exists() {
        if args.bool("follow") && dest.is_symlink() {
            dest = files::real_path(&dest);
        }
        if !args.bool("force") {
            return Ok(crate::out! {
                "msg": "file already exists", "src": src, "dest": dest.to_string_lossy(), "changed": false,
            });
        }
    }
    let parent = dest.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What comes from the controller is only looked at in check mode: a task before this one would make the directory.
    if !parent.exists() && ctx.check && !args.bool("remote_src") {
        let mut out = crate::out! {"changed": true, "dest": dest.to_string_lossy(), "src": src, "checksum": checksum};
        if ctx.diff {
            out.insert("diff".into(), json!([difference(ctx, &source, &dest, src.as_deref())]));
        }
        return Ok(out);
    }
    if !parent.exists() {
        // An own problem to the user: is it not there, or may we not look?
        let denied = parent.metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
        let what = if denied { "is not accessible" } else { "does not exist" };
        crate::fail!("Destination directory {} {what}", parent.display());
    }
    if rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).is_err() && !args.bool("unsafe_writes") {
        crate::fail!("Destination {} not writable", parent.display());
    }
    let dest_sum = if dest.is_file() { hash::file("sha1", &dest).ok() } else { None };
    let differs = dest_sum.as_deref() != Some(checksum.as_str()) || dest.is_symlink();
    if differs && matches!(source, Source::Unknown) && !ctx.check {
        return Err(Fail::new("the content is needed").with("needs_content", true).with("checksum", dest_sum));
    }
    let diff = (ctx.diff && differs).then(|| difference(ctx, &source, &dest, src.as_deref()));
    let mut attrs = Attrs::from_args(args)?;
    if let (Source::File(path), Some("preserve")) = (&source, args.str("mode").as_deref()) {
        let bits = path.metadata().at("can't look at", path)?.mode() & 0o7777;
        attrs.mode = Some(mode::ModeSpec::Bits(bits));
    }
    let md5 = if matches!(source, Source::Unknown) { None } else { digest("md5", &source, ctx).ok() };
    let mut backup = None;
    if differs {
        if !ctx.check {
            backup = put(ctx, &source, &dest, &attrs)?;
        }
        changed = true;
    }
    changed |= if ctx.check && !dest.exists() { true } else { attrs.apply(ctx, &dest, ctx.check)?.changed() };
    let mut out = crate::out! {
        "dest": dest.to_string_lossy(), "src": src, "checksum": checksum, "changed": changed,
    };
    if differs || matches!(source, Source::File(_)) {
        out.insert("md5sum".into(), json!(md5));
    } else {
        out.insert("path".into(), dest.to_string_lossy().into());
    }
    if let Some(backup) = backup {
        out.insert("backup_file".into(), backup.into());
    }
    if let Some(diff) = diff {
        out.insert("diff".into(), json!([diff]));
    }
    files::add_info(&mut out, &dest);
    Ok(out)
}

fn digest(algorithm: &str, source: &Source, ctx: &Ctx) -> Result<String, Fail> {
    match hash::of(algorithm, source.open(ctx)?) {
        Some(digest) => digest.or_fail("can't read the content"),
        None => Err(Fail::new(format!("unknown digest {algorithm}"))),
    }
}

/// Validates, keeps a copy, writes. The copy's name.
fn put(ctx: &Ctx, source: &Source, dest: &Path, attrs: &Attrs) -> Result<Option<String>, Fail> {
    if let Some(command) = ctx.args.str("validate").filter(|c| !c.is_empty()) {
        let temp = ctx.temp()?;
        let checked = (|| {
            let mut file = std::fs::File::create(&temp).at("can't write", &temp)?;
            std::io::copy(&mut source.open(ctx)?, &mut file).at("can't write", &temp)?;
            // Some validators look at owner and mode. The private directory hides the file from others all the while.
            let plain = Attrs {
                mode: attrs.mode.clone(),
                owner: attrs.owner.clone(),
                group: attrs.group.clone(),
                ..Attrs::default()
            };
            plain.apply(ctx, &temp, false)?;
            files::validate(ctx, Some(&command), &temp)
        })();
        let _ = std::fs::remove_file(&temp);
        checked.map_err(|mut fail| {
            if fail.fields.contains_key("exit_status") {
                fail.msg = "failed to validate".into();
            }
            fail
        })?;
    }
    let backup = if ctx.args.bool("backup") { files::backup(dest)? } else { None };
    if dest.is_symlink() {
        // A link is turned into a file.
        std::fs::remove_file(dest).at("can't replace", dest)?;
    }
    let fresh = !dest.exists();
    files::write(ctx, dest, source.open(ctx)?, ctx.args.bool("unsafe_writes"))?;
    if let (Source::File(from), None, false) = (source, &attrs.mode, fresh) {
        // A file of the host that replaces another brings its mode along; a new one gets what the umask leaves.
        let bits = from.metadata().at("can't look at", from)?.mode() & 0o7777;
        let plain = Attrs { mode: Some(mode::ModeSpec::Bits(bits)), ..Attrs::default() };
        plain.apply(ctx, dest, false)?;
    }
    Ok(backup)
}

fn difference(ctx: &Ctx, source: &Source, dest: &Path, src: Option<&str>) -> Value {
    let mut out = serde_json::Map::new();
    let old_size = dest.metadata().map_or(0, |m| m.len());
    if !dest.exists() {
        out.insert("before".into(), "".into());
    } else if old_size > LARGEST_DIFF {
        out.insert("dst_larger".into(), LARGEST_DIFF.into());
    } else if dest.is_dir() {
        out.insert("before".into(), "".into());
    } else {
        let old = std::fs::read(dest).unwrap_or_default();
        if old.contains(&0) {
            out.insert("dst_binary".into(), 1.into());
        } else {
            out.insert("before_header".into(), dest.to_string_lossy().into());
            out.insert("before".into(), String::from_utf8_lossy(&old).into());
        }
    }
    let mut new = Vec::new();
    let read = source.open(ctx).map(|reader| reader.take(LARGEST_DIFF + 1).read_to_end(&mut new));
    if !matches!(read, Ok(Ok(_))) || matches!(source, Source::Unknown) {
        return Value::Object(out);
    }
    if new.len() as u64 > LARGEST_DIFF {
        out.insert("src_larger".into(), LARGEST_DIFF.into());
    } else if new.contains(&0) {
        out.insert("src_binary".into(), 1.into());
    } else {
        out.insert("after_header".into(), src.map_or_else(|| dest.to_string_lossy(), Into::into).into());
        out.insert("after".into(), String::from_utf8_lossy(&new).into());
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Blob;
    use crate::sys::files::Scratch;

    fn call(args: Value, blob: Option<&str>) -> Result<Outcome, Fail> {
        let mut ctx = Ctx::test("copy", args);
        ctx.blob = blob.map(|b| Blob::Bytes(b.as_bytes().to_vec()));
        run(&ctx)
    }

    #[test]
    fn content_arrives_once() {
        let dir = Scratch::new();
        let args = json!({"dest": dir.path("f"), "mode": "0600", "src": "files/f", "checksum": hash::sha1(b"hello\n")});
        let out = call(args.clone(), Some("hello\n")).unwrap();
        assert_eq!((&out["changed"], &out["mode"], &out["state"]), (&json!(true), &json!("0600"), &json!("file")));
        assert_eq!(out["md5sum"], hash::md5(b"hello\n"));
        assert_eq!(out["diff"][0]["after"], "hello\n");
        assert_eq!(call(args.clone(), Some("hello\n")).unwrap()["changed"], false);
        // The checksum alone is enough where nothing changes, and asks for the content where it does.
        assert_eq!(call(args, None).unwrap()["changed"], false);
        let fail = call(json!({"dest": dir.path("f"), "checksum": "00"}), None).unwrap_err();
        assert_eq!(fail.fields["needs_content"], true);
        assert!(
            call(json!({"dest": dir.path("f"), "checksum": "00"}), Some("x")).unwrap_err().msg.contains("checksum")
        );
        let out = call(json!({"dest": dir.path("f"), "content": "new", "backup": true}), None).unwrap();
        assert_eq!(std::fs::read_to_string(out["backup_file"].as_str().unwrap()).unwrap(), "hello\n");
        assert_eq!(out["mode"], "0600");
        let out = call(json!({"dest": dir.path("f"), "content": "other", "force": false}), None).unwrap();
        assert_eq!((&out["changed"], dir.read("f").as_str()), (&json!(false), "new"));
        assert_eq!(call(json!({"dest": dir.path("g"), "content": {"a": [1]}}), None).unwrap()["changed"], true);
        assert_eq!(dir.read("g"), "{\"a\":[1]}");
    }

    #[test]
    fn places() {
        let dir = Scratch::new();
        let out = call(json!({"dest": format!("{}/", dir.path("x/y")), "src": "a/n.txt"}), Some("1")).unwrap();
        assert_eq!((&out["dest"], dir.read("x/y/n.txt").as_str()), (&json!(dir.path("x/y/n.txt")), "1"));
        let out = call(json!({"dest": dir.path("x/y"), "src": "a/m.txt"}), Some("2")).unwrap();
        assert_eq!(out["dest"], dir.path("x/y/m.txt"));
        let fail = call(json!({"dest": dir.path("no/f"), "src": "f"}), Some("3")).unwrap_err();
        assert_eq!(fail.msg, format!("Destination directory {} does not exist", dir.path("no")));
        let mut ctx = Ctx::test("copy", json!({"dest": dir.path("no/f"), "src": "f"}));
        (ctx.check, ctx.blob) = (true, Some(Blob::Bytes(b"3".to_vec())));
        assert_eq!(run(&ctx).unwrap()["changed"], true);
        // Links are replaced, or followed.
        dir.file("t", "old");
        std::os::unix::fs::symlink("t", dir.0.join("l")).unwrap();
        call(json!({"dest": dir.path("l"), "src": "f", "follow": true}), Some("via link")).unwrap();
        assert!(dir.0.join("l").is_symlink());
        assert_eq!(dir.read("t"), "via link");
        call(json!({"dest": dir.path("l"), "src": "f"}), Some("no link")).unwrap();
        assert!(!dir.0.join("l").is_symlink());
        assert_eq!((dir.read("t").as_str(), dir.read("l").as_str()), ("via link", "no link"));
    }

    #[test]
    fn validation_and_check_mode_leave_the_file() {
        let dir = Scratch::new();
        let file = dir.file("f", "old");
        let fail = call(json!({"dest": file, "content": "bad", "validate": "grep good %s"}), None).unwrap_err();
        assert_eq!((fail.msg.as_str(), &fail.fields["exit_status"]), ("failed to validate", &json!(1)));
        call(json!({"dest": file, "content": "good", "validate": "grep good %s"}), None).unwrap();
        let mut ctx = Ctx::test("copy", json!({"dest": file, "content": "newer"}));
        ctx.check = true;
        assert_eq!(run(&ctx).unwrap()["changed"], true);
        assert_eq!(dir.read("f"), "good");
    }

    #[test]
    fn sources_on_the_host() {
        let dir = Scratch::new();
        let src = dir.file("s", "x");
        std::fs::set_permissions(&src, std::os::unix::fs::PermissionsExt::from_mode(0o751)).unwrap();
        let out =
            call(json!({"src": src, "dest": dir.path("d"), "remote_src": true, "mode": "preserve"}), None).unwrap();
        assert_eq!((&out["mode"], &out["changed"]), (&json!("0751"), &json!(true)));
        let over = |dest: String| call(json!({"src": src, "dest": dest, "remote_src": true}), None).unwrap();
        assert_ne!(over(dir.path("new"))["mode"], "0751");
        assert_eq!(over(dir.file("old", "y"))["mode"], "0751");
        std::fs::create_dir_all(dir.0.join("tree/sub")).unwrap();
        dir.file("tree/sub/f", "1");
        std::os::unix::fs::symlink("f", dir.0.join("tree/sub/l")).unwrap();
        let args = json!({"src": dir.path("tree"), "dest": dir.path("out"), "remote_src": true});
        assert_eq!(call(args.clone(), None).unwrap()["changed"], true);
        assert_eq!(dir.read("out/tree/sub/f"), "1");
        assert!(dir.0.join("out/tree/sub/l").is_symlink());
        assert_eq!(call(args, None).unwrap()["changed"], false);
        let args = json!({"src": format!("{}/", dir.path("tree")), "dest": dir.path("flat"), "remote_src": true, "mode": "0640", "directory_mode": "0710"});
        call(args, None).unwrap();
        assert_eq!(dir.0.join("flat/sub/f").metadata().unwrap().mode() & 0o777, 0o640);
        assert_eq!(dir.0.join("flat/sub").metadata().unwrap().mode() & 0o777, 0o710);
    }
}
