//! The lock file: for each requirement the exact version and the hash of what was installed.

use super::Requirement;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a requirement was resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// `role` or `collection`.
    pub kind: String,
    /// As the requirement names it.
    pub name: String,
    /// Its source as it was written; empty for Galaxy.
    #[serde(default)]
    pub source: String,
    /// The version that was asked for.
    #[serde(default)]
    pub wanted: String,
    /// The version that was installed.
    pub version: String,
    /// Where it was downloaded; the commit for git.
    pub resolved: String,
    /// `sha256:…` of the archive, `git-tree:…` of a commit's content.
    pub hash: String,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Version of this format.
    version: u32,
    /// Entries by kind and name.
    packages: Vec<Locked>,
}

impl Lock {
    /// Reads a lock file; an empty one where there is none.
    pub fn read(path: &Path) -> Result<Self, String> {
        if !path.exists() {
            return Ok(Lock::default());
        }
        let text = fs_err::read_to_string(path).map_err(|e| e.to_string())?;
        let lock: Lock = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        if lock.version > 1 {
            return Err(format!("{}: made by a later version of this program", path.display()));
        }
        Ok(lock)
    }

    /// Writes it, sorted.
    pub fn write(&mut self, path: &Path) -> Result<(), String> {
        self.version = 1;
        self.packages.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        fs_err::write(path, text + "\n").map_err(|e| e.to_string())
    }

    /// The entry that still answers this requirement.
    pub fn get(&self, requirement: &Requirement) -> Option<Locked> {
        let same = |l: &&Locked| {
            l.kind == requirement.kind()
                && l.name == requirement.name()
                && l.source == requirement.source().unwrap_or_default()
                && l.wanted == requirement.version().unwrap_or_default()
        };
        self.packages.iter().find(same).cloned()
    }

    /// Puts what was installed in the place of what was there.
    pub fn put(&mut self, requirement: &Requirement, mut locked: Locked) {
        locked.kind = requirement.kind().into();
        locked.name = requirement.name().into();
        locked.source = requirement.source().unwrap_or_default().into();
        locked.wanted = requirement.version().unwrap_or_default().into();
        self.packages.retain(|l| (&l.kind, &l.name) != (&locked.kind, &locked.name));
        self.packages.push(locked);
    }
}
