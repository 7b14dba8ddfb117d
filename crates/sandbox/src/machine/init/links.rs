//! What udev would do for the machine's volumes: /dev/disk/by-uuid and by-label, kept right as file systems are made.
//!
//! Like udev it watches the device nodes: when a writer closes one, it is probed again (by the image's own blkid).

use std::collections::HashMap;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};

use super::super::namespace::sys;
use super::boot::program;

/// Makes the links for the volumes that are there and leaves a process behind that keeps them right.
pub fn start() {
    refresh_all();
    match sys::fork() {
        Ok(sys::Fork::Child) => {
            let _ = rustix::thread::set_name(c"udevd");
            watch();
            sys::exit_now(0)
        }
        Ok(sys::Fork::Parent(_)) | Err(_) => {}
    }
}

/// Blocks on inotify; a node that appears or is closed after writing is probed.
fn watch() {
    let Ok(mut events) = sys::Inotify::new() else { return };
    if events.watch(Path::new("/dev"), libc::IN_CREATE | libc::IN_DELETE).is_err() {
        return;
    }
    let mut watched: HashMap<PathBuf, ()> = HashMap::new();
    loop {
        let present = nodes();
        watched.retain(|path, ()| present.contains(path));
        for path in &present {
            if !watched.contains_key(path) && events.watch(path, libc::IN_CLOSE_WRITE).is_ok() {
                watched.insert(path.clone(), ());
            }
        }
        if events.wait().is_err() {
            return;
        }
        refresh_all();
    }
}

/// The block device nodes of /dev.
fn nodes() -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir("/dev") else { return Vec::new() };
    let mut nodes: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_block_device()))
        .map(|entry| entry.path())
        .collect();
    nodes.sort();
    nodes
}

fn refresh_all() {
    let mut wanted: HashMap<PathBuf, PathBuf> = HashMap::new();
    for node in nodes() {
        let Ok(output) = program("blkid").args(["-p", "-o", "udev"]).arg(&node).output() else { return };
        for (place, value) in found(&String::from_utf8_lossy(&output.stdout)) {
            let target = Path::new("../..").join(node.strip_prefix("/dev").unwrap_or(&node));
            wanted.insert(Path::new("/dev/disk").join(place).join(value), target);
        }
    }
    for place in ["by-uuid", "by-label"] {
        let Ok(entries) = fs_err::read_dir(Path::new("/dev/disk").join(place)) else { continue };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if fs_err::read_link(&path).ok() == wanted.get(&path).cloned() {
                wanted.remove(&path);
            } else {
                let _ = fs_err::remove_file(&path);
            }
        }
    }
    for (path, target) in wanted {
        let _ = symlink(target, path);
    }
}

/// Links that the output of `blkid -o udev` asks for: directory and name (already encoded as udev does).
fn found(output: &str) -> Vec<(&'static str, String)> {
    output
        .lines()
        .filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            let place = match key {
                "ID_FS_UUID_ENC" => "by-uuid",
                "ID_FS_LABEL_ENC" => "by-label",
                _ => return None,
            };
            (!value.is_empty() && !value.contains('/')).then(|| (place, value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_from_blkid() {
        let output =
            "ID_FS_LABEL=my data\nID_FS_LABEL_ENC=my\\x20data\nID_FS_UUID=1-2\nID_FS_UUID_ENC=1-2\nID_FS_TYPE=ext4\n";
        assert_eq!(found(output), [("by-label", "my\\x20data".to_owned()), ("by-uuid", "1-2".to_owned())]);
        assert_eq!(found(""), []);
    }
}
