//! `community.general.filetree`: all that is below some folders, with what `copy`, `file` and `template` want to know of it.

use super::{Answer, Ask, failed};
use imgbuild_jinja::{Map, Value};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The entries of each term's folder, its own before those of the folders in it. Of two with one path below their folders the
/// first counts.
pub fn run(ask: &Ask<'_>) -> Answer {
    if let Some(option) = ask.kwargs.keys().next() {
        return Err(failed(format!("filetree: there is no option '{option}'")));
    }
    let mut found = Vec::new();
    let mut known = HashSet::new();
    for term in ask.terms {
        let term = crate::text::of(term);
        let Some(root) = ask.find("files", term.trim_end_matches('/')) else { continue };
        let mut folders = vec![root.clone()];
        // A folder's entries come before those of the folders in it, one folder after the other.
        while let Some(folder) = folders.pop() {
            let (dirs, files) = entries(&folder);
            for path in dirs.iter().chain(&files) {
                let below = path.strip_prefix(&root).unwrap_or(path).display().to_string();
                if known.contains(&below) {
                    continue;
                }
                // As the term says it, a slash at its end included.
                let root = format!("{}{}", root.display(), &term[term.trim_end_matches('/').len()..]);
                if let Some(entry) = entry(&root, path, &below) {
                    known.insert(below);
                    found.push(Value::Map(entry.into()));
                }
            }
            folders.extend(dirs.into_iter().filter(|dir| !dir.is_symlink()).rev());
        }
    }
    Ok(found)
}

/// Folders, links to folders among them, and everything else, in the order of the file system.
fn entries(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let all = fs_err::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    all.partition(|path| path.is_dir())
}

/// What is known of one; nothing of what is neither file, folder nor link.
fn entry(root: &str, path: &Path, below: &str) -> Option<Map> {
    let meta = fs_err::symlink_metadata(path).ok()?;
    let mut entry = Map::new();
    let mut set = |name: &str, value: Value| entry.insert(name.into(), value);
    set("root", Value::str(root));
    set("path", Value::str(below));
    if meta.is_symlink() {
        set("state", Value::str("link"));
        set("src", Value::str(fs_err::read_link(path).ok()?.display().to_string()));
    } else if meta.is_dir() {
        set("state", Value::str("directory"));
    } else if meta.is_file() {
        set("state", Value::str("file"));
        set("src", Value::str(path.display().to_string()));
    } else {
        return None;
    }
    set("uid", Value::Int(meta.uid().into()));
    set("gid", Value::Int(meta.gid().into()));
    set("owner", named("/etc/passwd", meta.uid()));
    set("group", named("/etc/group", meta.gid()));
    set("mode", Value::str(format!("0{:03o}", meta.mode() & 0o7777)));
    set("size", Value::Int(i64::try_from(meta.size()).unwrap_or(i64::MAX)));
    set("mtime", Value::Float(meta.mtime() as f64 + meta.mtime_nsec() as f64 / 1e9));
    set("ctime", Value::Float(meta.ctime() as f64 + meta.ctime_nsec() as f64 / 1e9));
    Some(entry)
}

/// The name of an id; the id itself where it has none.
fn named(file: &str, id: u32) -> Value {
    let text = fs_err::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.split(':').nth(2).is_some_and(|field| field == id.to_string()));
    match line.and_then(|line| line.split(':').next()) {
        Some(name) => Value::str(name),
        None => Value::Int(id.into()),
    }
}
