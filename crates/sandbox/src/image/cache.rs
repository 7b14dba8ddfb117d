//! Directories that are made once, by whoever comes first, and are there whole or not at all.
//!
//! Invariant: what has its final name is complete. A maker that is killed leaves a `.part-…` directory, which the next
//! one clears; the lock is the kernel's and goes with the process.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::error::{Doing, ImageError};

/// The directory `name` of `place`, made by `make` if it is not there yet. `make` gets an empty directory to fill.
pub fn once(
    place: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), ImageError>,
) -> Result<PathBuf, ImageError> {
    let complete = place.join(name);
    if complete.is_dir() {
        return Ok(complete);
    }
    fs_err::create_dir_all(place).doing(format!("making {}", place.display()))?;
    let lock_path = place.join(format!(".lock-{name}"));
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
    let lock = lock.doing(format!("opening {}", lock_path.display()))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).doing(format!("locking {}", lock_path.display()))?;
    if complete.is_dir() {
        return Ok(complete);
    }
    let part = place.join(format!(".part-{name}"));
    clear(&part)?;
    fs_err::create_dir(&part).doing(format!("making {}", part.display()))?;
    if let Err(error) = make(&part) {
        // The first error is the one to tell; what stays is cleared by the next attempt.
        let _ = clear(&part);
        return Err(error);
    }
    fs_err::rename(&part, &complete).doing(format!("naming {}", complete.display()))?;
    Ok(complete)
}

/// Removes what an attempt left. Never through a mount: what is mounted below is not ours to delete.
fn clear(part: &Path) -> Result<(), ImageError> {
    let mounts = fs_err::read_to_string("/proc/self/mounts").doing("reading the mount table")?;
    if let Some(mounted) = mount_below(&mounts, part) {
        return Err(ImageError::Unavailable(format!(
            "{mounted} is still mounted in a half-made image: end what uses it, unmount it, and try again"
        )));
    }
    match fs_err::remove_dir_all(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).doing(format!("clearing {}", part.display()))
        }
        _ => Ok(()),
    }
}

/// The first mount point of the table at or below a directory. Blanks in names are `\\040` there, and so they are here.
fn mount_below<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let dir = dir.to_string_lossy().replace('\\', "\\134").replace(' ', "\\040");
    mounts.lines().filter_map(|line| line.split(' ').nth(1)).find(|target| Path::new(target).starts_with(&dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_are_seen() {
        let table = "proc /proc proc rw 0 0\nproc /a\\040b/x/proc proc rw 0 0\n";
        assert_eq!(mount_below(table, Path::new("/a b/x")), Some("/a\\040b/x/proc"));
        assert_eq!(mount_below(table, Path::new("/a b/xx")), None);
    }

    #[test]
    fn made_once_and_after_a_crash_again() {
        let dir = tempfile::tempdir().unwrap();
        // Left by a maker that was killed.
        fs_err::create_dir(dir.path().join(".part-x")).unwrap();
        fs_err::write(dir.path().join(".part-x/half"), "").unwrap();
        let made = once(dir.path(), "x", |part| {
            assert!(!part.join("half").exists());
            fs_err::write(part.join("whole"), "").doing("writing")
        });
        assert!(made.unwrap().join("whole").exists());
        once(dir.path(), "x", |_| panic!("it is there already")).unwrap();
    }

    #[test]
    fn a_failed_attempt_leaves_nothing_under_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let failed = once(dir.path(), "x", |_| Err(ImageError::Unavailable("no".into())));
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert!(!dir.path().join("x").exists());
        once(dir.path(), "x", |_| Ok(())).unwrap();
    }

    #[test]
    fn makers_wait_for_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let count = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    once(dir.path(), "x", |_| {
                        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(())
                    })
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
    }
}
