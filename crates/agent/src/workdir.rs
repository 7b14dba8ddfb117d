//! The agent's private directory: made when first needed, in a place that can be written (and executed from, where that is
//! needed), removed with all its content at the end.

use crate::outcome::Fail;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// See the module.
#[derive(Debug)]
pub struct Workdir {
    made: Mutex<Made>,
    counter: AtomicU64,
    remove_self: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Made {
    plain: Option<PathBuf>,
    executable: Option<PathBuf>,
}

impl Workdir {
    /// Nothing is made yet. `remove_self` is the agent's own executable, removed at the end.
    pub fn new(remove_self: Option<PathBuf>) -> Self {
        Workdir { made: Mutex::default(), counter: AtomicU64::new(0), remove_self }
    }

    /// A fresh file name inside the directory. `executable`: on a file system that allows programs to run.
    pub fn file_name(&self, executable: bool) -> Result<PathBuf, Fail> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        Ok(self.dir(executable)?.join(format!("f{number}")))
    }

    fn dir(&self, executable: bool) -> Result<PathBuf, Fail> {
        let mut made = self.made.lock().unwrap_or_else(|e| e.into_inner());
        let slot = if executable { &made.executable } else { &made.plain };
        if let Some(dir) = slot {
            return Ok(dir.clone());
        }
        let mut tried = Vec::new();
        // Full ones come last, before it is given up.
        let mut bases = candidates(self.remove_self.as_deref());
        bases.sort_by_key(|base| !has_room(base));
        for base in bases {
            if executable && mounted_noexec(&base) {
                continue;
            }
            let dir = base.join(format!(".imgbuild-{}", crate::sys::random::token()));
            match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => {
                    if executable {
                        made.executable = Some(dir.clone());
                    } else if mounted_noexec(&base) {
                        made.plain = Some(dir.clone());
                    } else {
                        made.plain.get_or_insert_with(|| dir.clone());
                        made.executable.get_or_insert_with(|| dir.clone());
                    }
                    return Ok(dir);
                }
                Err(e) => tried.push(format!("{}: {e}", base.display())),
            }
        }
        Err(Fail::new(format!("no directory for temporary files can be made ({})", tried.join("; "))))
    }

    /// Removes everything, the agent's executable too. Errors are of no use to anybody then.
    pub fn remove(&self) {
        let mut made = self.made.lock().unwrap_or_else(|e| e.into_inner());
        for dir in [made.plain.take(), made.executable.take()].into_iter().flatten() {
            let _ = std::fs::remove_dir_all(dir);
        }
        if let Some(path) = &self.remove_self {
            let _ = std::fs::remove_file(path);
            // A directory that was made for the agent alone goes with it; one that holds more stays.
            if let Some(parent) = path.parent()
                && parent.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".imgbuild"))
            {
                let _ = std::fs::remove_dir(parent);
            }
        }
    }
}

fn candidates(remove_self: Option<&Path>) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = Vec::new();
    out.extend(std::env::var_os("TMPDIR").map(PathBuf::from));
    out.extend(["/tmp", "/var/tmp"].map(PathBuf::from));
    out.extend(remove_self.and_then(Path::parent).map(Path::to_path_buf));
    out.extend(std::env::var_os("HOME").map(PathBuf::from));
    out.push(PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw())));
    out.extend(["/dev/shm", "/run", "/"].map(PathBuf::from));
    out.retain(|p| p.is_absolute() && p.is_dir());
    out
}

fn mounted_noexec(dir: &Path) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|s| s.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
}

/// Whether a module, or a file on its way to its place, fits in.
fn has_room(dir: &Path) -> bool {
    const ENOUGH: u64 = 16 << 20;
    rustix::fs::statvfs(dir).is_ok_and(|s| s.f_bavail.saturating_mul(s.f_frsize) >= ENOUGH)
}
