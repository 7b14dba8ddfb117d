//! Waiting for the lock files of package managers (fcntl locks, as dpkg and apt take them).

use crate::ctx::Ctx;
use crate::outcome::Fail;
use rustix::fs::FlockOperation;
use std::path::Path;

/// Whether somebody holds the fcntl lock of this file. A file that isn't there, or may not be opened, is free.
pub fn held(path: &Path) -> bool {
    let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) else { return false };
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            let _ = rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingUnlock);
            false
        }
        Err(e) => matches!(e, rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS),
    }
}

/// Waits until none of these is held. Fails when the time (seconds) is up; says who waits on what.
pub fn wait_free(ctx: &Ctx, paths: &[&str], seconds: i64) -> Result<(), Fail> {
    let start = std::time::Instant::now();
    while let Some(path) = paths.iter().find(|p| held(Path::new(p))) {
        if start.elapsed().as_secs() as i64 >= seconds {
            crate::fail!("another process still holds the lock {path} after {seconds} seconds (lock_timeout)");
        }
        if !ctx.sleep(0.5) {
            crate::fail!("the call was ended while it waited for the lock {path}");
        }
    }
    Ok(())
}
