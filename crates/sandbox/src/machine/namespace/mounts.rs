//! mount(2) in the few forms that a machine needs, with errors that name the place.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::fault::{Fault, Step};
use crate::machine::RootDisk;

/// Mounts a new file system.
pub fn mount(kind: &str, target: &Path, flags: MountFlags, options: &str) -> Result<(), Fault> {
    let data = CString::new(options).map_err(|_| Fault::new(format!("mount options with a NUL byte: {options:?}")))?;
    rustix::mount::mount(kind, target, kind, flags, Some(data.as_c_str()))
        .step(format!("mounting {kind} on {}", target.display()))
}

/// Makes a directory or file appear at a second place.
pub fn bind(source: &Path, target: &Path) -> Result<(), Fault> {
    rustix::mount::mount_bind(source, target).step(format!("binding {} to {}", source.display(), target.display()))
}

/// The same with everything that is mounted below.
pub fn bind_tree(source: &Path, target: &Path) -> Result<(), Fault> {
    rustix::mount::mount_bind_recursive(source, target).step(format!(
        "binding {} to {}",
        source.display(),
        target.display()
    ))
}

/// Makes one mount read-only (what is mounted below stays as it is).
pub fn read_only(target: &Path, flags: MountFlags) -> Result<(), Fault> {
    rustix::mount::mount_remount(target, MountFlags::BIND | MountFlags::RDONLY | flags, "")
        .step(format!("making {} read-only", target.display()))
}

/// Moves a mount.
pub fn relocate(source: &Path, target: &Path) -> Result<(), Fault> {
    rustix::mount::mount_move(source, target).step(format!("moving {} to {}", source.display(), target.display()))
}

/// Cuts this mount namespace off from the host's: nothing mounted here is seen there, and the other way round.
pub fn make_private() -> Result<(), Fault> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("making the mount namespace private")
}

/// Makes `new_root` the root directory and drops the host's tree from this namespace.
pub fn enter_root(new_root: &Path) -> Result<(), Fault> {
    rustix::process::chdir(new_root).step("entering the machine's root")?;
    // With "." for both, the old root ends up on top of the new one, where it can be unmounted: pivot_root(2).
    rustix::process::pivot_root(".", ".").step("making the machine's root the root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step("letting go of the host's root")?;
    rustix::process::chdir("/").step("entering the machine's root")
}

/// Mounts a root disk.
pub fn mount_layers(disk: &RootDisk, target: &Path) -> Result<(), Fault> {
    /// overlayfs cannot lie on itself: OVERLAYFS_SUPER_MAGIC of linux/magic.h.
    const OVERLAY: u64 = 0x794c_7630;
    let kind = rustix::fs::statfs(&disk.upper).step(format!("looking at {}", disk.upper.display()))?.f_type;
    if u64::try_from(kind).is_ok_and(|kind| kind == OVERLAY) {
        return Err(Fault::new(format!(
            "{} is on an overlay file system (as in a container), which cannot hold a machine's root: use a sandbox \
             directory on a disk (--sandbox-dir)",
            disk.upper.display()
        )));
    }
    mount("overlay", target, MountFlags::empty(), &overlay_options(disk)?)
}

/// overlayfs' options for a root disk; commas, colons and backslashes in paths are escaped the way it wants them.
fn overlay_options(root: &RootDisk) -> Result<String, Fault> {
    let lower: Vec<String> = root.lower.iter().map(|path| escape(path, true)).collect::<Result<_, _>>()?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        escape(&root.upper, false)?,
        escape(&root.work, false)?
    );
    // mount(2) takes one page of options, the closing NUL byte included.
    if options.len() >= 4096 {
        return Err(Fault::new(format!(
            "the image has {} layers whose paths together are longer than a mount may say ({} bytes, 4095 allowed): \
             use a sandbox directory with a shorter path",
            root.lower.len(),
            options.len()
        )));
    }
    Ok(options)
}

fn escape(path: &Path, colons: bool) -> Result<String, Fault> {
    let text = std::str::from_utf8(path.as_os_str().as_bytes())
        .map_err(|_| Fault::new(format!("{} is not UTF-8 and cannot be a layer", path.display())))?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\\' || character == ',' || (colons && character == ':') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    Ok(escaped)
}

/// `root` joined with a path inside the machine.
pub fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_options_escape_what_separates() {
        let root = RootDisk { lower: vec!["/a:b".into(), "/c,d".into()], upper: "/u:p".into(), work: "/w".into() };
        assert_eq!(overlay_options(&root).unwrap(), r"lowerdir=/a\:b:/c\,d,upperdir=/u:p,workdir=/w");
        let many = RootDisk { lower: vec!["/0123456789".repeat(20).into(); 30], ..root };
        assert!(overlay_options(&many).unwrap_err().to_string().contains("30 layers"));
    }
}
