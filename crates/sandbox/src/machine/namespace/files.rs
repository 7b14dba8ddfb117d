//! The run directory of a machine: which file is where, and how they are written.
//!
//! ```text
//! RUN_DIR/INSTANCE/          0700
//!   address                  the private address, kept over stop and start
//!   lock                     held by the supervisor and its services from before they exist until they are gone
//!   spec.json                0600: what the supervisor is told (user data is in it); gone once it is read
//!   supervisor.pid init.pid  process ids with start time and boot
//!   volumes.json             data volumes that are attached now, with their loop devices
//!   control.sock             volumes and metadata of the running machine
//!   console.log              what the machine wrote to its console
//!   supervisor.log           what went wrong outside of the machine
//! ```

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The run directory of one machine.
#[derive(Debug, Clone)]
pub struct RunFiles {
    /// RUN_DIR/INSTANCE
    pub dir: PathBuf,
}

impl RunFiles {
    /// The place of a machine's files; nothing is made.
    pub fn new(run_dir: &Path, instance_id: &str) -> Self {
        Self { dir: run_dir.join(instance_id) }
    }

    /// Makes the directory, for root's eyes only.
    pub fn create(&self) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }

    /// See the module's table.
    pub fn address(&self) -> PathBuf {
        self.dir.join("address")
    }

    /// See the module's table.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// See the module's table.
    pub fn spec(&self) -> PathBuf {
        self.dir.join("spec.json")
    }

    /// See the module's table.
    pub fn supervisor_pid(&self) -> PathBuf {
        self.dir.join("supervisor.pid")
    }

    /// See the module's table.
    pub fn init_pid(&self) -> PathBuf {
        self.dir.join("init.pid")
    }

    /// See the module's table.
    pub fn volumes(&self) -> PathBuf {
        self.dir.join("volumes.json")
    }

    /// See the module's table.
    pub fn control(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// See the module's table.
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// See the module's table.
    pub fn supervisor_log(&self) -> PathBuf {
        self.dir.join("supervisor.log")
    }
}

/// Writes a file so that readers see the old or the new content, never a part.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.write_all(content)?;
    drop(file);
    fs_err::rename(&temporary, path)
}

/// Removes a file that may not be there.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
