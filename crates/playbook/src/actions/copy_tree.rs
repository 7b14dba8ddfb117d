//! `copy` of a folder: folders first, then files, then links.

use super::copy::{Source, send};
use super::{Call, Problem, refuse};
use crate::exec::result::{Res, flag, set};
use imgbuild_jinja::{Key, Map, Value};
use std::path::{Path, PathBuf};

/// Copies a folder; with a trailing slash what is in it, else the folder itself.
pub async fn run(call: &Call<'_>, args: Map, root: &Path, contents_only: bool) -> Result<Res, Problem> {
    let dest = call.text("dest").unwrap_or_default();
    let prefix = if contents_only { PathBuf::new() } else { PathBuf::from(root.file_name().unwrap_or_default()) };
    let follow = call.bool("local_follow", true)?;
    let (mut dirs, mut files, mut links) = (Vec::new(), Vec::new(), Vec::new());
    walk(root, &prefix, follow, &mut dirs, &mut files, &mut links, 0)?;
    let mut changed = false;
    let base =
        |rest: &Path| format!("{}/{}", dest.trim_end_matches('/'), rest.display()).trim_end_matches('/').to_owned();
    let directory_mode = args.get(&Key::from("directory_mode")).cloned();
    let mut ownership = Map::new();
    for key in ["owner", "group", "seuser", "serole", "setype", "selevel", "attributes", "attr"] {
        if let Some(value) = args.get(&Key::from(key)) {
            ownership.insert(Key::from(key), value.clone());
        }
    }
    for dir in &dirs {
        let mut make = ownership.clone();
        make.insert("path".into(), Value::str(base(dir)));
        make.insert("state".into(), Value::str("directory"));
        if let Some(mode) = &directory_mode {
            make.insert("mode".into(), mode.clone());
        }
        let res = call.module("file", call.checked("file", &make)?, None).await?;
        if flag(&res, "failed") {
            return Ok(res);
        }
        changed |= flag(&res, "changed");
    }
    for (path, rest) in files {
        let mut one = args.clone();
        one.insert("dest".into(), Value::str(base(&rest)));
        let res = send(call, one, Source::File(path)).await?;
        if flag(&res, "failed") {
            return Ok(res);
        }
        changed |= flag(&res, "changed");
    }
    for (target, rest) in links {
        let mut link = ownership.clone();
        link.insert("path".into(), Value::str(base(&rest)));
        link.insert("src".into(), Value::str(target.display().to_string()));
        link.insert("state".into(), Value::str("link"));
        link.insert("force".into(), Value::Bool(true));
        let res = call.module("file", call.checked("file", &link)?, None).await?;
        if flag(&res, "failed") {
            return Ok(res);
        }
        changed |= flag(&res, "changed");
    }
    let mut res = Call::done(changed);
    set(&mut res, "dest", format!("{}/", dest.trim_end_matches('/')));
    set(&mut res, "src", format!("{}/", root.display()));
    Ok(res)
}

type Found = Vec<(PathBuf, PathBuf)>;

fn walk(
    dir: &Path,
    rest: &Path,
    follow: bool,
    dirs: &mut Vec<PathBuf>,
    files: &mut Found,
    links: &mut Found,
    depth: usize,
) -> Result<(), Problem> {
    if depth > 200 {
        return Err(refuse(format!("{}: folders are nested deeper than 200 levels", dir.display())));
    }
    dirs.push(rest.to_owned());
    let mut entries: Vec<PathBuf> =
        fs_err::read_dir(dir).map_err(|e| refuse(e.to_string()))?.flatten().map(|e| e.path()).collect();
    entries.sort();
    for entry in entries {
        let below = rest.join(entry.file_name().unwrap_or_default());
        if entry.is_symlink() && !follow {
            let target = fs_err::read_link(&entry).map_err(|e| refuse(e.to_string()))?;
            links.push((target, below));
        } else if entry.is_dir() {
            walk(&entry, &below, follow, dirs, files, links, depth + 1)?;
        } else {
            files.push((entry, below));
        }
    }
    Ok(())
}
