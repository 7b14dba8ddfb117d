//! Where files, task files and roles are looked for.

use super::scope::Scope;
use crate::settings::Settings;
use std::path::{Component, Path, PathBuf};

/// Removes `.` and `..` without asking the file system.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    out
}

/// Folders in which a task's files are looked for, best first: its role, the roles around it, the folder of its file, the
/// playbook's folder (`ansible_search_path`).
pub fn search_path(scope: &Scope, task_dir: &Path, playbook_dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut add = |path: PathBuf| {
        if !paths.contains(&path) {
            paths.push(path);
        }
    };
    for role in scope.roles() {
        add(role.path.clone());
    }
    add(task_dir.to_owned());
    add(playbook_dir.to_owned());
    paths
}

/// The first of `search` that has `folder/name` or `name`; absolute names and `~` stand for themselves. `Err` lists what
/// was tried.
pub fn find(name: &str, folder: &str, search: &[PathBuf], settings: &Settings) -> Result<PathBuf, Vec<PathBuf>> {
    let given = match name.strip_prefix('~').map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some(("", rest)) => settings.home.join(rest),
        Some((user, rest)) => home_of(user).map_or_else(|| PathBuf::from(name), |home| home.join(rest)),
        None => PathBuf::from(name),
    };
    if given.is_absolute() {
        let given = keep_slash(normal(&given), name);
        return if given.exists() { Ok(given) } else { Err(vec![given]) };
    }
    let mut tried = Vec::new();
    for base in search {
        // A file of tasks/ sees its role's other folders.
        let mut bases = vec![base.join(folder), base.clone()];
        if base.ends_with("tasks")
            && let Some(role) = base.parent()
        {
            bases = vec![role.join(folder), base.join(folder), base.clone()];
        }
        if folder.is_empty() {
            bases.remove(0);
        }
        for dir in bases {
            let candidate = keep_slash(normal(&dir.join(&given)), name);
            if candidate.exists() {
                return Ok(candidate);
            }
            if !tried.contains(&candidate) {
                tried.push(candidate);
            }
        }
    }
    Err(tried)
}

/// The home of a user of this machine.
fn home_of(user: &str) -> Option<PathBuf> {
    let passwd = fs_err::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|l| l.split(':').next() == Some(user))?;
    line.split(':').nth(5).map(PathBuf::from)
}

/// A trailing slash means "what is in it" to `copy`.
fn keep_slash(path: PathBuf, name: &str) -> PathBuf {
    if name.ends_with('/') { path.join("") } else { path }
}

/// The file of an `import_tasks` or `include_tasks`.
pub fn task_file(name: &str, scope: &Scope, from: &Path, playbook_dir: &Path, handler: bool) -> Option<PathBuf> {
    let given = Path::new(name);
    if given.is_absolute() {
        return given.is_file().then(|| normal(given));
    }
    let folder = if handler { "handlers" } else { "tasks" };
    let mut bases: Vec<PathBuf> = vec![from.to_owned()];
    if let Some(role) = scope.roles().first() {
        bases.extend([role.path.join(folder), role.path.join("tasks"), role.path.clone()]);
    }
    bases.extend([playbook_dir.to_owned(), playbook_dir.join("tasks")]);
    bases.into_iter().map(|b| normal(&b.join(given))).find(|p| p.is_file())
}

/// `main`, or `NAME` of a folder: the first of the usual extensions.
pub fn main_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let with = |end: &str| folder.join(format!("{name}{end}"));
    let named = Path::new(name).extension().is_some().then(|| folder.join(name));
    named.into_iter().chain([".yml", ".yaml", ".json", ""].map(with)).find(|p| p.is_file())
}

/// A file of `vars_files`: in the playbook's `vars/`, then beside the playbook.
pub fn vars_file(name: &str, dir: &Path) -> Option<PathBuf> {
    [dir.join("vars").join(name), dir.join(name)].map(|p| normal(&p)).into_iter().find(|p| p.is_file())
}

/// That a file of tasks is missing. Told twice, as in Ansible: tools count these lines.
pub fn missing_tasks(path: &Path) -> String {
    let missing = format!("Could not find or access '{}' on the Ansible Controller", path.display());
    format!("{missing}: Unable to retrieve file contents.\n{missing}.")
}
