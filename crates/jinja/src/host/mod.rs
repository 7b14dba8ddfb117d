//! The controller as templates see it: clock, random numbers, environment, home directories, files, vault.
//!
//! Time, randomness, environment and files enter through this trait and nowhere else.

mod glob;
mod local;

use crate::{Value, Warning};
use std::collections::BTreeMap;

pub use local::LocalHost;

/// A moment and the local time zone's offset at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds since 1970-01-01 UTC.
    pub nanoseconds: i128,
    /// Local time minus UTC, in seconds.
    pub offset_seconds: i32,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Anything else.
    Other,
}

/// What the path tests ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// What it is, links followed; `None`: a link to nothing.
    pub kind: Option<FileKind>,
    /// The path itself is a symbolic link.
    pub link: bool,
    /// A file system is mounted there.
    pub mount: bool,
    /// Device and inode, links followed.
    pub id: (u64, u64),
}

/// The controller.
pub trait Host: Send + Sync {
    /// The time.
    fn now(&self) -> Stamp;
    /// The offset of local time at a moment (seconds since 1970-01-01 UTC), in seconds; `strftime` needs it.
    fn offset_at(&self, seconds: i64) -> i32 {
        let _ = seconds;
        self.now().offset_seconds
    }
    /// The name of the local time zone at a moment (`CET`), for `%Z`.
    fn zone_at(&self, seconds: i64) -> Option<String> {
        let _ = seconds;
        None
    }
    /// Fills `buffer` with random bytes.
    fn random(&self, buffer: &mut [u8]);
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
    /// The home directory of a user, of the running one for `None`.
    fn home(&self, user: Option<&str>) -> Option<String>;
    /// What a path is; `None`: nothing there.
    fn stat(&self, path: &str) -> Option<FileStat>;
    /// The path without links and dots, as `realpath(3)` gives it; parts that do not exist are kept.
    fn realpath(&self, path: &str) -> String;
    /// Paths that match a shell pattern, sorted.
    fn glob(&self, pattern: &str) -> Vec<String>;
    /// The text of a file; used by `vaulted_file`.
    fn read(&self, path: &str) -> Result<String, String>;
    /// Decrypts a vault envelope. The text is data.
    fn decrypt(&self, envelope: &str, vault_id: Option<&str>) -> Result<String, String> {
        let _ = (envelope, vault_id);
        Err("no vault secrets are known".to_owned())
    }
    /// Encrypts with a given secret: the filters `vault(secret)` and `unvault(secret)`.
    fn vault(&self, plain: &[u8], secret: &str, options: &BTreeMap<String, Value>) -> Result<String, String> {
        let _ = (plain, secret, options);
        Err("vault encryption is not available here".to_owned())
    }
    /// Decrypts with a given secret.
    fn unvault(&self, envelope: &str, secret: &str, vault_id: Option<&str>) -> Result<String, String> {
        let _ = (envelope, secret, vault_id);
        Err("vault decryption is not available here".to_owned())
    }
    /// Takes a warning (deprecated forms, `lookup(errors='warn')`).
    fn warn(&self, warning: Warning) {
        let _ = warning;
    }
}
