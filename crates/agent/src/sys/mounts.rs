//! The kernel's mount table and fstab's way to write paths.

use std::path::{Path, PathBuf};

/// A line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Device or source.
    pub source: String,
    /// Mount point.
    pub point: PathBuf,
    /// File system type.
    pub fstype: String,
    /// Options.
    pub options: String,
    /// Dump.
    pub dump: String,
    /// Order of fsck.
    pub passno: String,
}

/// Undoes `\040` and its kin.
pub fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let octal = bytes.get(i + 1..i + 4).filter(|d| bytes[i] == b'\\' && d.iter().all(|c| (b'0'..b'8').contains(c)));
        if let Some(d) = octal {
            out.push((d[0] - b'0').wrapping_mul(64).wrapping_add((d[1] - b'0') * 8 + (d[2] - b'0')));
            i += 4;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Parses /proc/mounts or fstab text; comments and short lines are passed over.
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines()
        .filter(|l| !l.trim_start().starts_with('#'))
        .filter_map(|line| {
            let mut f = line.split_whitespace();
            let (source, point, fstype) = (f.next()?, f.next()?, f.next()?);
            Some(Mount {
                source: unescape(source),
                point: PathBuf::from(unescape(point)),
                fstype: fstype.to_string(),
                options: f.next().unwrap_or("defaults").to_string(),
                dump: f.next().unwrap_or("0").to_string(),
                passno: f.next().unwrap_or("0").to_string(),
            })
        })
        .collect()
}

/// What is mounted now.
pub fn mounted() -> Vec<Mount> {
    parse(
        &std::fs::read_to_string("/proc/self/mounts")
            .or_else(|_| std::fs::read_to_string("/etc/mtab"))
            .unwrap_or_default(),
    )
}

/// The topmost mount at exactly this path.
pub fn at(path: &Path) -> Option<Mount> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    mounted().into_iter().rev().find(|m| m.point == path)
}

/// Where the sources of bind mounts are: mount point to (root inside its file system, device).
pub fn bind_roots() -> Vec<(PathBuf, String, String)> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let f: Vec<&str> = line.split(' ').collect();
            let dash = f.iter().position(|w| *w == "-")?;
            Some((PathBuf::from(unescape(f.get(4)?)), unescape(f.get(3)?), unescape(f.get(dash + 2)?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_escapes() {
        let text = "# c\n/dev/sda1 / ext4 rw,relatime 0 1\nLABEL=x /mnt/a\\040b xfs defaults\n\nshort\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[1].point, Path::new("/mnt/a b"));
        assert_eq!((mounts[1].dump.as_str(), mounts[0].passno.as_str()), ("0", "1"));
        assert_eq!(unescape("a\\134b\\9"), "a\\b\\9");
        assert!(at(Path::new("/")).is_some());
    }
}
