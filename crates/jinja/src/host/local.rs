//! This machine as [`Host`]: for the command line, which hands in the environment and the home directory.

use super::{FileKind, FileStat, Host, Stamp};
use crate::Warning;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// This machine. Vault secrets are added by wrapping it.
pub struct LocalHost {
    env: BTreeMap<String, String>,
    home: Option<String>,
    zone: jiff::tz::TimeZone,
    warn: Arc<dyn Fn(Warning) + Send + Sync>,
}

impl LocalHost {
    /// With the environment and home directory that the program was started with. `warn` takes warnings.
    pub fn new(
        env: BTreeMap<String, String>,
        home: Option<String>,
        warn: impl Fn(Warning) + Send + Sync + 'static,
    ) -> Self {
        LocalHost { env, home, zone: jiff::tz::TimeZone::system(), warn: Arc::new(warn) }
    }

    /// With another time zone than the machine's.
    pub fn in_zone(mut self, zone: jiff::tz::TimeZone) -> Self {
        self.zone = zone;
        self
    }
}

impl Host for LocalHost {
    fn now(&self) -> Stamp {
        let now = jiff::Timestamp::now();
        Stamp { nanoseconds: now.as_nanosecond(), offset_seconds: self.offset_at(now.as_second()) }
    }

    fn offset_at(&self, seconds: i64) -> i32 {
        jiff::Timestamp::from_second(seconds).map_or(0, |t| self.zone.to_offset(t).seconds())
    }

    fn zone_at(&self, seconds: i64) -> Option<String> {
        let at = jiff::Timestamp::from_second(seconds).ok()?;
        Some(self.zone.to_offset_info(at).abbreviation().to_owned())
    }

    fn random(&self, buffer: &mut [u8]) {
        // The kernel's generator does not fail once the machine is up; zeros would only make choices predictable.
        let _ = getrandom::fill(buffer);
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        match user {
            None => self.home.clone(),
            Some(user) => std::fs::read_to_string("/etc/passwd").ok()?.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                (fields.first() == Some(&user)).then(|| fields.get(5).map(|h| (*h).to_owned())).flatten()
            }),
        }
    }

    fn stat(&self, path: &str) -> Option<FileStat> {
        let own = std::fs::symlink_metadata(path).ok()?;
        let target = std::fs::metadata(path).ok();
        let kind = target.as_ref().map(|m| match m {
            m if m.is_file() => FileKind::File,
            m if m.is_dir() => FileKind::Directory,
            _ => FileKind::Other,
        });
        let id = target.as_ref().map_or((own.dev(), own.ino()), |m| (m.dev(), m.ino()));
        let parent = std::fs::symlink_metadata(Path::new(path).join("..")).ok();
        let mount =
            !own.is_symlink() && own.is_dir() && parent.is_some_and(|p| p.dev() != own.dev() || p.ino() == own.ino());
        Some(FileStat { kind, link: own.is_symlink(), mount, id })
    }

    fn realpath(&self, path: &str) -> String {
        let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
        if let Ok(found) = std::fs::canonicalize(&path) {
            return found.to_string_lossy().into_owned();
        }
        let mut out = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => {
                    out.pop();
                }
                Component::CurDir => {}
                other => {
                    out.push(other);
                    if let Ok(found) = std::fs::canonicalize(&out) {
                        out = found;
                    }
                }
            }
        }
        out.to_string_lossy().into_owned()
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        super::glob::glob(pattern)
    }

    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).map_err(|e| e.to_string())
    }

    fn warn(&self, warning: Warning) {
        (self.warn)(warning);
    }
}
