//! Directory trees that travel: what is in them, in what order. Shared by all communicators.

use crate::communicator::CommError;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// One file or directory of a tree. Symbolic links are followed, as `scp -r` and Packer do.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeEntry {
    /// Where it is here.
    pub path: PathBuf,
    /// Its path below the tree's root, with `/`.
    pub relative: String,
    /// It is a directory.
    pub is_dir: bool,
    /// Permission bits.
    pub mode: u32,
    /// Size in bytes of a file.
    pub size: u64,
}

/// All entries below `root`, directories before what is in them, sorted by name. Files and directories whose name or
/// relative path matches one of the globs `exclude` are left out, with all that is in them. Sockets and devices are skipped.
pub fn list(root: &Path, exclude: &[String]) -> Result<Vec<TreeEntry>, CommError> {
    let excluded = globs(exclude)?;
    let mut entries = Vec::new();
    let walk = walkdir::WalkDir::new(root).follow_links(true).min_depth(1).sort_by_file_name();
    let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let keep = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !(excluded.is_match(entry.file_name()) || excluded.is_match(relative(entry.path())))
    };
    for entry in walk.into_iter().filter_entry(keep) {
        let entry = entry.map_err(|e| CommError::Local(e.to_string()))?;
        let meta = entry.metadata().map_err(|e| CommError::Local(e.to_string()))?;
        if !meta.is_dir() && !meta.is_file() {
            continue;
        }
        entries.push(TreeEntry {
            relative: relative(entry.path()),
            path: entry.into_path(),
            is_dir: meta.is_dir(),
            mode: meta.permissions().mode() & 0o7777,
            size: if meta.is_file() { meta.len() } else { 0 },
        });
    }
    Ok(entries)
}

fn globs(patterns: &[String]) -> Result<GlobSet, CommError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob =
            Glob::new(pattern).map_err(|e| CommError::Local(format!("the pattern {pattern:?} can't be read: {e}")))?;
        set.add(glob);
    }
    set.build().map_err(|e| CommError::Local(e.to_string()))
}

/// The directory that a tree becomes: `destination` itself for contents, else the tree's own name in it.
pub fn landing(source: &Path, contents_only: bool, destination: &str) -> String {
    let trimmed = destination.trim_end_matches('/');
    let base = if trimmed.is_empty() && destination.starts_with('/') { "/" } else { trimmed };
    match source.file_name() {
        Some(name) if !contents_only => format!("{}/{}", base.trim_end_matches('/'), name.to_string_lossy()),
        _ => base.to_owned(),
    }
}

/// The last name of a remote path.
pub fn remote_name(path: &str) -> Option<&str> {
    path.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty() && *name != "." && *name != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landing_rules() {
        for (source, contents, destination, expected) in [
            ("/a/app", false, "/tmp", "/tmp/app"),
            ("/a/app", true, "/tmp/x", "/tmp/x"),
            ("/a/app", false, "/tmp/", "/tmp/app"),
            ("/a/app", false, "/", "/app"),
            ("/a/app", true, "/", "/"),
        ] {
            assert_eq!(landing(Path::new(source), contents, destination), expected);
        }
    }

    #[test]
    fn lists_in_order_and_leaves_out() {
        let dir = tempfile::tempdir().unwrap();
        for d in ["b/c", ".git/x", "e"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        for f in ["b/c/1", "a.txt", "z.pyc", ".git/x/y"] {
            std::fs::write(dir.path().join(f), "12").unwrap();
        }
        std::os::unix::fs::symlink("a.txt", dir.path().join("link")).unwrap();
        let entries = list(dir.path(), &[".git".into(), "*.pyc".into()]).unwrap();
        let names: Vec<_> = entries.iter().map(|e| (e.relative.as_str(), e.is_dir, e.size)).collect();
        assert_eq!(
            names,
            [
                ("a.txt", false, 2),
                ("b", true, 0),
                ("b/c", true, 0),
                ("b/c/1", false, 2),
                ("e", true, 0),
                ("link", false, 2)
            ]
        );
    }
}
