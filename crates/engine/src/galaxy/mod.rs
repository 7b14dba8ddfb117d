//! Roles and collections from git, URLs, archives and Galaxy servers, with a lock file of exact versions and hashes. What
//! `ansible-galaxy role|collection install` does. Nothing here runs a downloaded file.

mod api;
mod fetch;
mod lock;
#[cfg(test)]
mod tests;
mod unpack;
mod version;

pub use crate::provision::requirements::{Requirement, collection, read_file, role};
pub use lock::{Lock, Locked};

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// How to install.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where roles go.
    pub roles: PathBuf,
    /// Where `ansible_collections` is, or comes to be.
    pub collections: PathBuf,
    /// Galaxy server.
    pub server: String,
    /// Replace what is installed.
    pub force: bool,
    /// Leave dependencies out.
    pub no_deps: bool,
    /// Relative sources count from here.
    pub dir: PathBuf,
}

/// What one thing is and where it came from.
struct Fetched {
    /// Files: path inside, mode, content.
    files: unpack::Files,
    locked: Locked,
}

/// Installs requirements and what they depend on; `lock` fixes versions, and holds afterwards what was installed. `say` takes
/// lines for the person. The error names the requirement.
pub fn install(
    wanted: Vec<Requirement>,
    options: &Options,
    lock: &mut Lock,
    say: &mut dyn FnMut(String),
) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut todo: VecDeque<Requirement> = wanted.into();
    while let Some(requirement) = todo.pop_front() {
        let key = format!("{} {}", requirement.kind(), requirement.name());
        if !requirement.name().is_empty() && !seen.insert(key) {
            continue;
        }
        let more = match requirement {
            Requirement::Role { .. } => install_role(&requirement, options, lock, say),
            Requirement::Collection { .. } => install_collection(&requirement, options, lock, say),
        };
        let more = more.map_err(|why| format!("{} {}: {why}", requirement.kind(), requirement.label()))?;
        if !options.no_deps {
            todo.extend(more);
        }
    }
    Ok(())
}

fn install_role(
    requirement: &Requirement,
    options: &Options,
    lock: &mut Lock,
    say: &mut dyn FnMut(String),
) -> Result<Vec<Requirement>, String> {
    let name = requirement.name();
    let target = options.roles.join(name);
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err("the name of a role must be no path".into());
    }
    let pinned = lock.get(requirement);
    if target.is_dir() && !options.force {
        let there = installed_version(&target);
        let want = pinned.as_ref().map(|l| l.version.clone()).or(requirement.version().map(str::to_owned));
        match (&there, &want) {
            (_, None) => say(format!("- {name}{} is already installed, skipping.", shown(&there))),
            (Some(t), Some(w)) if t == w => say(format!("- {name}{} is already installed, skipping.", shown(&there))),
            (_, Some(want)) => {
                return Err(format!(
                    "{} is already installed - use --force to change version to {want}",
                    label(name, &there)
                ));
            }
        }
        return dependencies_of_role(&target);
    }
    let fetched = fetch::role(requirement, options, pinned.as_ref(), say)?;
    say(format!("- extracting {name} to {}", target.display()));
    unpack::replace(&fetched.files, &target)?;
    let info = format!("install_date: '{}'\nversion: {}\n", jiff::Timestamp::now(), fetched.locked.version);
    let meta = target.join("meta");
    fs_err::create_dir_all(&meta).map_err(|e| e.to_string())?;
    fs_err::write(meta.join(INFO), info).map_err(|e| e.to_string())?;
    say(format!("- {name} ({}) was installed successfully", fetched.locked.version));
    lock.put(requirement, fetched.locked);
    dependencies_of_role(&target)
}

fn install_collection(
    requirement: &Requirement,
    options: &Options,
    lock: &mut Lock,
    say: &mut dyn FnMut(String),
) -> Result<Vec<Requirement>, String> {
    let root = options.collections.join("ansible_collections");
    let folder = |name: &str| name.split_once('.').map(|(a, b)| root.join(a).join(b));
    if let Some(target) = folder(requirement.name()).filter(|t| t.is_dir() && !options.force) {
        let there = collection_version(&target);
        let fits = match (&there, requirement.version()) {
            (Some(there), Some(range)) => version::fits(there, range),
            _ => true,
        };
        if fits {
            say(format!("'{}{}' is already installed, skipping it.", requirement.name(), colon(&there)));
            return Ok(Vec::new());
        }
    }
    let pinned = lock.get(requirement);
    let (name, fetched) = fetch::collection(requirement, options, pinned.as_ref(), say)?;
    let target = folder(&name).ok_or_else(|| format!("{name:?} is no namespace.name"))?;
    say(format!("Installing '{name}:{}' to '{}'", fetched.locked.version, target.display()));
    unpack::replace(&fetched.files, &target)?;
    say(format!("{name}:{} was installed successfully", fetched.locked.version));
    let dependencies = fetched.files.collection_dependencies();
    lock.put(requirement, fetched.locked);
    Ok(dependencies.into_iter().map(|(name, range)| collection(&format!("{name}:{range}"))).collect())
}

/// Where ansible-galaxy writes down what it installed.
const INFO: &str = ".galaxy_install_info";

fn shown(version: &Option<String>) -> String {
    version.as_ref().map(|v| format!(" ({v})")).unwrap_or_default()
}

fn colon(version: &Option<String>) -> String {
    version.as_ref().map(|v| format!(":{v}")).unwrap_or_default()
}

fn label(name: &str, version: &Option<String>) -> String {
    format!("{name}{}", shown(version))
}

/// The version that a role was installed with.
pub fn installed_version(role: &Path) -> Option<String> {
    let text = fs_err::read_to_string(role.join("meta").join(INFO)).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("version:"))?.trim().trim_matches(['\'', '"']).to_owned();
    Some(line).filter(|v| !v.is_empty())
}

/// The version of an installed collection.
pub fn collection_version(dir: &Path) -> Option<String> {
    let text = fs_err::read_to_string(dir.join("MANIFEST.json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    json.get("collection_info")?.get("version")?.as_str().map(str::to_owned)
}

fn dependencies_of_role(role: &Path) -> Result<Vec<Requirement>, String> {
    let mut found = Vec::new();
    for file in ["meta/main.yml", "meta/main.yaml"] {
        let path = role.join(file);
        if path.is_file() {
            let text = fs_err::read_to_string(&path).map_err(|e| e.to_string())?;
            found.extend(crate::provision::requirements::dependencies(&text)?);
        }
    }
    let own = role.join("meta/requirements.yml");
    if own.is_file() {
        found.extend(read_file(&own)?);
    }
    // A bare name is a role beside it, not one on Galaxy.
    found.retain(|r| {
        matches!(r, Requirement::Role { name, source, .. }
        if name.contains('.') || source.as_deref().is_some_and(|s| s.contains('.')))
    });
    Ok(found)
}
