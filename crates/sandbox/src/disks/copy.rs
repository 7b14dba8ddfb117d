//! Copies that stay sparse and share blocks where the file system can.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use fs_err as fs;
use rustix::fs::{SeekFrom, ioctl_ficlone, seek};

/// How much is copied at once.
const CHUNK: usize = 1 << 20;

/// Copies a file: by reference where the file system has reflinks, else the parts that hold data.
pub fn file(from: &Path, to: &Path) -> io::Result<()> {
    let source = fs::File::open(from)?;
    let target = fs::File::create(to)?;
    if ioctl_ficlone(target.file(), source.file()).is_ok() {
        return Ok(());
    }
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        let start = match seek(source.file(), SeekFrom::Data(at)) {
            Ok(start) => start,
            // No data up to the end.
            Err(rustix::io::Errno::NXIO) => break,
            Err(e) => return Err(e.into()),
        };
        let end = seek(source.file(), SeekFrom::Hole(start))?;
        at = start;
        while at < end {
            let most = usize::try_from(end - at).map_or(CHUNK, |n| n.min(CHUNK));
            let n = source.file().read_at(&mut buffer[..most], at)?;
            if n == 0 {
                // The file became shorter.
                return Ok(());
            }
            target.file().write_all_at(&buffer[..n], at)?;
            at += n as u64;
        }
    }
    target.file().sync_data()
}

/// Copies a tree with everything that belongs to it: owners, modes, times, links, extended attributes (overlayfs' own
/// too, which takes root) and its whiteouts. `cp -a` knows all of that.
pub fn tree(from: &Path, to: &Path) -> io::Result<()> {
    let output = Command::new("cp").arg("-a").arg("--reflink=auto").arg("--").arg(from).arg(to).output()?;
    if output.status.success() {
        return Ok(());
    }
    let what = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("cp -a {} failed: {}", from.display(), what.lines().next().unwrap_or("no message"))))
}
