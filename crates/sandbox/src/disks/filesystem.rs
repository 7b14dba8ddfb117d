//! Between trees and disks: a root volume that is attached as a disk gets a real file system, and a disk that becomes a root
//! volume is read into a tree.
//!
//! Mounting is done in a mount namespace of the helper's own, so that nothing stays mounted whatever happens to it.

use super::partition;
use crate::machine::{Loop, Part};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

/// Runs a script in a mount namespace of its own; the arguments are `$1`, `$2`, ….
fn run(what: &str, script: &str, arguments: &[String]) -> io::Result<()> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "/bin/sh", "-eu", "-c", script, "sh"]).args(arguments);
    let output = command
        .output()
        .map_err(|e| io::Error::other(format!("{what}: `unshare` (package util-linux) can't be run: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let said = if said.is_empty() { String::from_utf8_lossy(&output.stdout).trim().to_owned() } else { said };
    Err(io::Error::other(format!("{what}: {said}")))
}

/// Makes `disk`, a new file of `bytes`, with one partition whose ext4 file system holds what `trees` hold, topmost first.
pub fn pack(trees: &[PathBuf], disk: &Path, bytes: u64) -> io::Result<()> {
    let new = disk.with_extension("tmp");
    let file = fs::File::create(&new)?;
    file.set_len(bytes)?;
    partition::write_one(file.file(), bytes)?;
    drop(file);
    let scratch = disk.with_extension("mnt");
    for dir in ["tree", "disk"] {
        fs::create_dir_all(scratch.join(dir))?;
    }
    // Their paths go through links with short names: mount(2) takes one page of options, and colons would separate.
    let links = scratch.join("l");
    let _ = fs::remove_dir_all(&links);
    fs::create_dir(&links)?;
    for (n, tree) in trees.iter().enumerate() {
        fs::os::unix::fs::symlink(tree, links.join(n.to_string()))?;
    }
    const SCRIPT: &str = r#"
device=$1 scratch=$2 count=$3
if [ "$count" = 1 ]; then
    mount --bind "$(readlink "$scratch/l/0")" "$scratch/tree"
else
    cd "$scratch/l"
    mount -t overlay overlay -o "ro,lowerdir=$(seq -s : 0 $((count - 1)))" "$scratch/tree"
fi
mkfs.ext4 -q -F "$device"
mount "$device" "$scratch/disk"
cp -a "$scratch/tree/." "$scratch/disk/"
umount "$scratch/disk"
"#;
    let device = Loop::attach_part(&new, Part { offset: partition::FIRST * 512, ..Part::default() })?;
    let arguments = [device.path().display().to_string(), scratch.display().to_string(), trees.len().to_string()];
    run("making a disk of a root volume", SCRIPT, &arguments)?;
    device.detach()?;
    fs::remove_dir_all(&scratch)?;
    fs::rename(&new, disk)
}

/// Reads the root file system of a disk into the new directory `tree`.
pub fn unpack(disk: &Path, tree: &Path) -> io::Result<()> {
    let file = fs::File::open(disk)?;
    let (offset, length) = partition::root(file.file())?;
    let scratch = tree.with_extension("mnt");
    let new = tree.with_extension("tmp");
    fs::create_dir_all(&scratch)?;
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    fs::create_dir(&new)?;
    const SCRIPT: &str = r#"
mount -o ro "$1" "$2"
cp -a "$2/." "$3/"
umount "$2"
"#;
    let device = Loop::attach_part(disk, Part { offset, length, read_only: true, ..Part::default() })?;
    let arguments = [device.path().display().to_string(), scratch.display().to_string(), new.display().to_string()];
    run("reading the root file system of a disk", SCRIPT, &arguments)?;
    device.detach()?;
    fs::remove_dir(&scratch)?;
    // Of a new ext4 file system; a tree has no use for it.
    let lost = new.join("lost+found");
    if fs::read_dir(&lost).is_ok_and(|mut entries| entries.next().is_none()) {
        fs::remove_dir(&lost)?;
    }
    fs::rename(&new, tree)
}
