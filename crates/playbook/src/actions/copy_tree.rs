//! `copy` of a folder: folders first, then files, then links.

use super::copy::{Source, send};
use super::{Call, Problem, refuse};
use crate::exec::result::{Res, flag, set};
use imgbuild_jinja::{Key, Map, Value};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Copies a folder; with a trailing slash what is in it, else the folder itself.
pub async fn run(call: &Call<'_>, args: Map, root: &Path, contents_only: bool) -> Result<Res, Problem> {
    let dest = call.text("dest").unwrap_or_default();
    let prefix = if contents_only { PathBuf::new() } else { PathBuf::from(root.file_name().unwrap_or_default()) };
    let follow = call.bool("local_follow", true)?;
    let mut tree = Tree { follow, ..Tree::default() };
    tree.walk(root, &prefix, &mut Vec::new())?;
    let single = tree.files.len() == 1;
    let mut last = Res::new();
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
    for dir in &tree.dirs {
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
    for (path, rest) in tree.files {
        let mut one = args.clone();
        one.insert("follow".into(), Value::Bool(false));
        one.insert("dest".into(), Value::str(base(&rest)));
        let res = send(call, one, Source::File(path)).await?;
        if flag(&res, "failed") {
            return Ok(res);
        }
        changed |= flag(&res, "changed");
        last = res;
    }
    for (target, rest) in tree.links {
        let mut link = ownership.clone();
        link.insert("path".into(), Value::str(base(&rest)));
        link.insert("src".into(), Value::str(target.display().to_string()));
        link.insert("state".into(), Value::str("link"));
        link.insert("force".into(), Value::Bool(true));
        link.insert("follow".into(), Value::Bool(false));
        let res = call.module("file", call.checked("file", &link)?, None).await?;
        if flag(&res, "failed") {
            return Ok(res);
        }
        changed |= flag(&res, "changed");
    }
    // Of a folder with one file that file is told of.
    if single {
        set(&mut last, "changed", changed);
        return Ok(last);
    }
    let mut res = Call::done(changed);
    set(&mut res, "dest", format!("{}/", dest.trim_end_matches('/')));
    set(&mut res, "src", format!("{}/", root.display()));
    Ok(res)
}

/// What a folder holds, with places below the destination.
#[derive(Default)]
struct Tree {
    follow: bool,
    dirs: Vec<PathBuf>,
    files: Vec<(PathBuf, PathBuf)>,
    /// What a link says, and where it is to stand.
    links: Vec<(PathBuf, PathBuf)>,
}

impl Tree {
    /// `above`: the folders that this one is in. A link that leads back to one of them stays a link, as does one that leads
    /// nowhere.
    fn walk(&mut self, dir: &Path, rest: &Path, above: &mut Vec<(u64, u64)>) -> Result<(), Problem> {
        let meta = fs_err::metadata(dir).map_err(|e| refuse(e.to_string()))?;
        above.push((meta.dev(), meta.ino()));
        self.dirs.push(rest.to_owned());
        let mut entries: Vec<PathBuf> =
            fs_err::read_dir(dir).map_err(|e| refuse(e.to_string()))?.flatten().map(|e| e.path()).collect();
        entries.sort();
        // A folder's own files come before those of the folders in it.
        entries.sort_by_key(|e| e.is_dir());
        for entry in entries {
            let below = rest.join(entry.file_name().unwrap_or_default());
            let found = entry.metadata().ok();
            let back = found.as_ref().is_some_and(|m| m.is_dir() && above.contains(&(m.dev(), m.ino())));
            if entry.is_symlink() && (!self.follow || back || found.is_none()) {
                let target = fs_err::read_link(&entry).map_err(|e| refuse(e.to_string()))?;
                self.links.push((target, below));
            } else if found.is_some_and(|m| m.is_dir()) {
                self.walk(&entry, &below, above)?;
            } else {
                self.files.push((entry, below));
            }
        }
        above.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_unless_they_lead_back_or_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        std::fs::write(root.join("f"), "").unwrap();
        for (target, name) in
            [("..", "circle"), ("nowhere", "dangling"), ("../f", "file"), ("self", "self"), ("../../outside", "dir")]
        {
            symlink(target, root.join("sub").join(name)).unwrap();
        }
        symlink("../outside", dir.path().join("outside/round")).unwrap();
        let names = |list: &[(PathBuf, PathBuf)]| {
            list.iter().map(|(_, p)| p.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let mut tree = Tree { follow: true, ..Tree::default() };
        tree.walk(&root, Path::new(""), &mut Vec::new()).unwrap();
        assert_eq!(names(&tree.files), "f sub/file");
        assert_eq!(names(&tree.links), "sub/dangling sub/self sub/circle sub/dir/round");
        assert_eq!(tree.dirs, [Path::new(""), Path::new("sub"), Path::new("sub/dir")]);
        let mut tree = Tree::default();
        tree.walk(&root, Path::new(""), &mut Vec::new()).unwrap();
        assert_eq!(names(&tree.links), "sub/dangling sub/file sub/self sub/circle sub/dir");
    }
}
