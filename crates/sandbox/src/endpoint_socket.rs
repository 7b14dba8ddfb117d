//! The sockets through which machines reach an endpoint: one per serving process, in the sandbox's directory.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{UnixListener, UnixStream};

/// Socket addresses have 107 bytes, directories may have longer names: the address goes through a descriptor of the directory.
fn short<T>(path: &Path, f: impl FnOnce(&str) -> io::Result<T>) -> io::Result<T> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let dir = fs_err::File::open(parent)?;
    f(&format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

/// Connects to one.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let stream = short(path, |p| std::os::unix::net::UnixStream::connect(p))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// A socket of this process; its file goes with it.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// Accepts.
    pub listener: UnixListener,
}

impl Socket {
    /// A new one in a directory that only root can enter. Sockets that nobody listens on any more are removed.
    pub fn bind(dir: &Path) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        fs_err::create_dir_all(dir)?;
        fs_err::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
        for entry in fs_err::read_dir(dir)?.filter_map(Result::ok) {
            let dead = short(&entry.path(), |p| std::os::unix::net::UnixStream::connect(p))
                .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
            if dead {
                let _ = fs_err::remove_file(entry.path());
            }
        }
        let path = dir.join(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let listener = short(&path, |p| std::os::unix::net::UnixListener::bind(p))?;
        listener.set_nonblocking(true)?;
        Ok(Self { path, listener: UnixListener::from_std(listener)? })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
