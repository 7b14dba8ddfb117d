//! `archive`: files and trees in an archive, or one file compressed. tar packs, bzip2 and xz squeeze; gz and zip are made here.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{files, fnmatch, zip, zip_write};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Paths with patterns expanded, and whether there was a pattern.
fn expand(ctx: &Ctx, paths: &[String]) -> (Vec<String>, bool) {
    let (mut out, mut patterns) = (Vec::new(), false);
    for path in paths {
        let path = ctx.args.expand(path).to_string_lossy().into_owned();
        if path.contains(['*', '?', '[']) {
            patterns = true;
            out.extend(fnmatch::glob(&path).iter().map(|p| p.to_string_lossy().into_owned()));
        } else {
            out.push(path);
        }
    }
    (out, patterns)
}

/// The longest directory that all paths share, with a slash at its end.
fn common(paths: &[String]) -> String {
    let dirs: Vec<Vec<&str>> =
        paths.iter().map(|p| p.rsplit_once('/').map_or("", |(d, _)| d).split('/').collect()).collect();
    let Some(first) = dirs.first() else { return String::new() };
    let same = |at: usize| dirs.iter().all(|d| d.get(at) == first.get(at));
    let count = (0..first.len()).take_while(|at| same(*at)).count();
    format!("{}/", first[..count].join("/"))
}

/// A directory's content, each below its directory; links are not followed.
fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for entry in entries {
        let is_dir = entry.symlink_metadata().is_ok_and(|m| m.is_dir());
        out.push(entry.clone());
        if is_dir {
            walk(&entry, out);
        }
    }
}

/// Names and header sums of a tar archive: what tells two apart without unpacking.
fn tar_members(tar: &[u8]) -> BTreeSet<(String, String)> {
    let text = |b: &[u8]| String::from_utf8_lossy(b).trim_matches(['\0', ' ']).to_string();
    let (mut out, mut at) = (BTreeSet::new(), 0);
    while let Some(head) = tar.get(at..at + 512).filter(|h| h[0] != 0) {
        let size = usize::from_str_radix(&text(&head[124..136]), 8).unwrap_or(0);
        out.insert((text(&head[..100]), text(&head[148..156])));
        at += 512 + size.div_ceil(512) * 512;
    }
    out
}

/// The bytes of a compressed file, unpacked; `None` if it is none of this format.
fn unpack(ctx: &Ctx, path: &Path, format: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match format {
        "gz" => {
            flate2::read::MultiGzDecoder::new(std::fs::File::open(path).ok()?).read_to_end(&mut out).ok()?;
        }
        "bz2" | "xz" => {
            let temp = ctx.temp().ok()?;
            let program = if format == "xz" { "xz" } else { "bzip2" };
            let ran = shell(ctx, &[program, "-dc"], path, &temp).ok()?;
            let bytes = std::fs::read(&temp).ok();
            let _ = std::fs::remove_file(&temp);
            out = bytes.filter(|_| ran)?;
        }
        _ => out = std::fs::read(path).ok()?,
    }
    Some(out)
}

/// Runs a filter from a file to a file.
fn shell(ctx: &Ctx, words: &[&str], from: &Path, to: &Path) -> Result<bool, Fail> {
    ctx.need(words[0])?;
    let line = format!("exec {} < \"$1\" > \"$2\"", words.join(" "));
    Ok(ctx.cmd("/bin/sh").args(["-c", &line, "sh"]).arg(from).arg(to).run()?.ok())
}

fn squeeze(ctx: &Ctx, from: &Path, to: &Path, format: &str) -> Result<(), Fail> {
    match format {
        "gz" => {
            let mut out = flate2::write::GzEncoder::new(
                std::fs::File::create(to).at("can't write", to)?,
                flate2::Compression::best(),
            );
            std::io::copy(&mut std::fs::File::open(from).at("can't read", from)?, &mut out).at("can't write", to)?;
            out.finish().and_then(|mut f| f.flush()).at("can't write", to)
        }
        "bz2" | "xz" => {
            let program = if format == "xz" { "xz" } else { "bzip2" };
            if shell(ctx, &[program, "-c"], from, to)? { Ok(()) } else { Err(Fail::new(format!("{program} failed"))) }
        }
        _ => std::fs::copy(from, to).map(|_| ()).at("can't write", to),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (format, remove) = (args.text("format"), args.bool("remove"));
    let given = args.strs("path");
    let (expanded, patterns) = expand(ctx, &given);
    let (excluded, _) = expand(ctx, &args.strs("exclude_path"));
    let mut paths: Vec<String> = expanded.iter().filter(|p| !excluded.contains(p)).cloned().collect();
    paths.sort();
    paths.dedup();
    if paths.is_empty() {
        return Err(Fail::new("Error, no source paths were found")
            .with("path", given.join(", "))
            .with("expanded_paths", expanded.join(", "))
            .with("expanded_exclude_paths", excluded.join(", ")));
    }
    let root = common(&paths);
    let many = args.bool("force_archive") || patterns || Path::new(&paths[0]).is_dir() || paths.len() > 1;
    let dest = match args.path("dest") {
        Some(dest) => dest,
        None if many => crate::fail!("Error, must specify \"dest\" when archiving multiple files or trees"),
        None => PathBuf::from(format!("{}.{format}", paths[0])),
    };
    if remove && paths.iter().any(|p| Path::new(p).is_dir() && dest.starts_with(p)) {
        crate::fail!("Error, created archive can not be contained in source paths when remove=true");
    }
    let (targets, missing): (Vec<&String>, Vec<&String>) =
        paths.iter().partition(|p| Path::new(p).symlink_metadata().is_ok());
    let ignored = args.strs("exclusion_patterns");
    let mut members: Vec<PathBuf> = Vec::new();
    for target in &targets {
        let target = Path::new(target);
        if many && target.is_dir() {
            let mut below = Vec::new();
            walk(target, &mut below);
            members.extend(below);
        } else {
            members.push(target.to_path_buf());
        }
    }
    let name = |path: &Path| {
        let text = path.to_string_lossy().into_owned();
        text.strip_prefix(&root).map_or(text.clone(), str::to_string)
    };
    members.retain(|m| *m != dest && !ignored.iter().any(|p| fnmatch::matches(p, &name(m))));
    let known = ["tar", "tar.gz", "tar.bz2", "tar.xz", "tgz", "tbz2", "zip"];
    let archive_name = |p: &Path| known.iter().any(|k| p.to_string_lossy().to_lowercase().ends_with(&format!(".{k}")));
    let (mut changed, mut state) = (false, "absent");
    if targets.is_empty() {
        if dest.exists() {
            state = if archive_name(&dest) { "archive" } else { "compress" };
        }
    } else if ctx.check {
        changed = many || !dest.exists();
    } else {
        let temp = ctx.temp()?;
        let new = if format == "zip" {
            state = "archive";
            let mut zip = zip_write::Writer::new(std::fs::File::create(&temp).at("can't write", &temp)?);
            for member in &members {
                zip.add(member, &name(member)).at("can't pack", member)?;
            }
            zip.finish().at("can't write", &temp)?;
            let entries = |p: &Path| -> BTreeSet<(String, String)> {
                let file = std::fs::File::open(p).ok();
                let list = file.and_then(|f| zip::entries(f).ok()).unwrap_or_default();
                list.into_iter().map(|e| (e.name, e.crc.to_string())).collect()
            };
            entries(&temp) != entries(&dest) || !dest.exists()
        } else if many || format == "tar" {
            state = if missing.is_empty() { "archive" } else { "incomplete" };
            pack(ctx, &root, &members.iter().map(|m| name(m)).collect::<Vec<_>>(), &temp)?;
            let old = unpack(ctx, &dest, &format).unwrap_or_default();
            let fresh = std::fs::read(&temp).at("can't read", &temp)?;
            !dest.exists() || tar_members(&old) != tar_members(&fresh)
        } else {
            state = "compress";
            std::fs::copy(&members[0], &temp).at("can't read", &members[0])?;
            unpack(ctx, &dest, &format) != std::fs::read(&temp).ok()
        };
        if new {
            let packed = ctx.temp()?;
            let how = if format == "zip" { "tar" } else { format.as_str() };
            squeeze(ctx, &temp, &packed, how)?;
            let file = std::fs::File::open(&packed).at("can't read", &packed)?;
            files::write(ctx, &dest, file, args.bool("unsafe_writes"))?;
            let _ = std::fs::remove_file(&packed);
        }
        let _ = std::fs::remove_file(&temp);
        changed = new;
        for target in targets.iter().filter(|_| remove) {
            let path = Path::new(target);
            let is_dir = path.symlink_metadata().is_ok_and(|m| m.is_dir());
            let gone = if is_dir { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            gone.at("can't remove", path)?;
            changed = true;
        }
    }
    if dest.exists() {
        changed |= files::apply_attrs(ctx, args, &dest)?;
    }
    let archived: Vec<String> = members.iter().map(|m| m.to_string_lossy().into_owned()).collect();
    Ok(crate::out! {
        "archived": if ctx.check { json!([]) } else { json!(archived) }, "dest": dest.to_string_lossy(), "dest_state": state,
        "changed": changed, "arcroot": root, "missing": missing, "expanded_paths": expanded,
        "expanded_exclude_paths": excluded,
    })
}

/// A tar file of these members below the root.
fn pack(ctx: &Ctx, root: &str, members: &[String], to: &Path) -> Result<(), Fail> {
    let list: Vec<u8> = members.iter().flat_map(|m| [m.as_bytes(), b"\0"].concat()).collect();
    let ran = ctx
        .cmd(ctx.need("tar")?)
        .args(["--no-recursion", "--null", "-C", if root.is_empty() { "." } else { root }, "-T", "-", "-cf"])
        .arg(to)
        .english()
        .stdin(list)
        .run()?;
    if ran.ok() { Ok(()) } else { Err(ran.fail(format!("Error when writing archive: {}", ran.complaint()))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn packed_once() {
        let dir = Scratch::new();
        std::fs::create_dir_all(dir.0.join("t/d")).unwrap();
        dir.file("t/a", "one");
        dir.file("t/d/b", "two");
        let call = |more: serde_json::Value| {
            let mut args = json!({"path": [dir.path("t")]});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let ctx = Ctx::test("archive", args);
            let out = run(&ctx);
            ctx.workdir.remove();
            out
        };
        for format in ["gz", "tar", "zip"] {
            let dest = dir.path(&format!("x.{format}"));
            let args = json!({"dest": dest, "format": format});
            let first = call(args.clone()).unwrap();
            assert_eq!((&first["changed"], &first["dest_state"]), (&json!(true), &json!("archive")), "{format}");
            assert_eq!(first["archived"].as_array().map(Vec::len), Some(3));
            assert_eq!(call(args.clone()).unwrap()["changed"], false, "{format}");
            dir.file("t/a", format);
            assert_eq!(call(args).unwrap()["changed"], true, "{format}");
        }
        let one = json!({"path": [dir.path("t/a")], "exclusion_patterns": []});
        let first = call(one.clone()).unwrap();
        assert_eq!((&first["dest_state"], &first["dest"]), (&json!("compress"), &json!(dir.path("t/a.gz"))));
        assert_eq!(call(one).unwrap()["changed"], false);
        let out =
            call(json!({"dest": dir.path("y.tar"), "format": "tar", "exclusion_patterns": ["*b", "*.gz"]})).unwrap();
        assert_eq!(out["archived"].as_array().map(Vec::len), Some(2));
        assert!(call(json!({"path": [dir.path("none*")], "dest": dir.path("z")})).is_err());
        assert!(call(json!({})).is_err());
        assert_eq!(common(&["/a/b/c".into(), "/a/b/d/e".into()]), "/a/b/");
    }
}
