//! Archives in memory, and folders that take their place as a whole.

use flate2::read::GzDecoder;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// The largest archive, unpacked: beyond it is an attack or a mistake.
const MAX: u64 = 1 << 30;

/// The mode of a symbolic link, whose content is its target.
const LINK: u32 = 0o120_000;

/// Whether a link at `at` points to something inside.
fn stays_inside(at: &Path, to: &Path) -> bool {
    let mut depth = at.components().count() as i64 - 1;
    to.components().all(|part| {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            _ => return false,
        }
        depth >= 0
    })
}

/// Files of an archive: relative path, mode, content.
#[derive(Debug, Default)]
pub struct Files(pub Vec<(PathBuf, u32, Vec<u8>)>);

impl Files {
    /// Reads a tar, gzipped or not, whose first `strip` folders are left out. Devices, and links that lead outside, are refused.
    pub fn read(bytes: &[u8], strip: usize) -> Result<Self, String> {
        let gzipped = bytes.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn std::io::Read + '_> =
            if gzipped { Box::new(GzDecoder::new(bytes)) } else { Box::new(bytes) };
        let mut archive = tar::Archive::new(reader.take(MAX));
        let mut files = Vec::new();
        for entry in archive.entries().map_err(|e| e.to_string())? {
            let mut entry = entry.map_err(|e| format!("the archive can't be read: {e}"))?;
            let path = entry.path().map_err(|e| e.to_string())?.into_owned();
            let parts = path.components().filter(|c| !matches!(c, Component::CurDir));
            let inside: PathBuf = parts.clone().skip(strip).collect();
            if !parts.clone().all(|c| matches!(c, Component::Normal(_))) {
                return Err(format!("the archive holds {}, which would lie outside", path.display()));
            }
            let kind = entry.header().entry_type();
            if kind.is_dir() || inside.as_os_str().is_empty() || kind.is_pax_global_extensions() {
                continue;
            }
            if kind.is_symlink() {
                let to = entry.link_name().map_err(|e| e.to_string())?.unwrap_or_default().into_owned();
                if !stays_inside(&inside, &to) {
                    return Err(format!("the archive holds {}, a link to {}: outside", path.display(), to.display()));
                }
                files.push((inside, LINK, to.to_string_lossy().into_owned().into_bytes()));
                continue;
            }
            if !kind.is_file() {
                return Err(format!("the archive holds {}, which is no plain file", path.display()));
            }
            let mode = entry.header().mode().unwrap_or(0o644);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(|e| e.to_string())?;
            files.push((inside, mode, content));
        }
        if files.is_empty() {
            return Err("the archive holds no files".into());
        }
        Ok(Files(files))
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        let found = self.0.iter().find(|(p, ..)| p == Path::new(path))?;
        std::str::from_utf8(&found.2).ok()
    }

    /// `namespace.name`, version of a collection: from its MANIFEST.json, else its galaxy.yml.
    pub fn collection(&self) -> Option<(String, String)> {
        if let Some(json) = self.manifest() {
            let field = |name: &str| json.get(name).and_then(|v| v.as_str()).map(str::to_owned);
            return Some((format!("{}.{}", field("namespace")?, field("name")?), field("version")?));
        }
        let text = self.text("galaxy.yml")?;
        let field = |name: &str| crate::provision::requirements::top_field(text, name);
        Some((format!("{}.{}", field("namespace")?, field("name")?), field("version").unwrap_or_else(|| "*".into())))
    }

    fn manifest(&self) -> Option<serde_json::Value> {
        let json: serde_json::Value = serde_json::from_str(self.text("MANIFEST.json")?).ok()?;
        json.get("collection_info").cloned()
    }

    /// What a collection needs: names and ranges.
    pub fn collection_dependencies(&self) -> Vec<(String, String)> {
        let manifest = self.manifest();
        let all = manifest.as_ref().and_then(|m| m.get("dependencies")).and_then(|d| d.as_object());
        let pairs = all.into_iter().flatten();
        pairs.map(|(name, range)| (name.clone(), range.as_str().unwrap_or("*").to_owned())).collect()
    }
}

/// Puts files into a new folder, which then takes the place of `target`.
pub fn replace(files: &Files, target: &Path) -> Result<(), String> {
    let all = || -> std::io::Result<()> {
        let parent = target.parent().unwrap_or(Path::new("."));
        fs_err::create_dir_all(parent)?;
        let new = tempfile::Builder::new().prefix(".installing-").tempdir_in(parent)?;
        for (path, mode, content) in &files.0 {
            let to = new.path().join(path);
            if let Some(dir) = to.parent() {
                fs_err::create_dir_all(dir)?;
            }
            if *mode == LINK {
                fs_err::os::unix::fs::symlink(String::from_utf8_lossy(content).as_ref(), &to)?;
                continue;
            }
            fs_err::write(&to, content)?;
            let mode = if mode & 0o100 != 0 { 0o755 } else { 0o644 };
            fs_err::set_permissions(&to, std::fs::Permissions::from_mode(mode))?;
        }
        fs_err::set_permissions(new.path(), std::fs::Permissions::from_mode(0o755))?;
        if target.exists() {
            fs_err::remove_dir_all(target)?;
        }
        fs_err::rename(new.keep(), target)
    };
    all().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_stay_inside() {
        let pack = |name: &str| {
            let mut tar = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_old();
            let field = header.as_old_mut();
            field.name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(1);
            header.set_mode(0o755);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_cksum();
            tar.append(&header, &b"x"[..]).unwrap();
            tar.into_inner().unwrap()
        };
        let files = Files::read(&pack("top/tasks/main.yml"), 1).unwrap();
        assert_eq!(files.text("tasks/main.yml"), Some("x"));
        assert!(Files::read(&pack("../evil"), 0).unwrap_err().contains("outside"));
        assert!(Files::read(b"no archive", 0).is_err());
    }
}
