//! The files that a playbook uses, as far as they can be told without running it: what stands beside it under Ansible's names, the roles
//! that `ansible.cfg` and the environment name, and every file that a word in one of its files of YAML names. What only
//! a run knows (a path that is put together, an absolute one elsewhere) is not seen.

use super::content;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What stands beside a playbook and belongs to it. Other things there (manifests, logs) change with every build.
const BESIDE: &[&str] = &[
    "ansible.cfg",
    "ansible_collections",
    "collections",
    "defaults",
    "files",
    "filter_plugins",
    "group_vars",
    "handlers",
    "host_vars",
    "hosts",
    "inventory",
    "library",
    "lookup_plugins",
    "meta",
    "module_utils",
    "playbooks",
    "roles",
    "tasks",
    "templates",
    "test_plugins",
    "vars",
];

/// Settings whose values are folders of what playbooks use.
const FOLDERS: &[&str] =
    &["roles_path", "collections_path", "collections_paths", "library", "filter_plugins", "lookup_plugins"];

/// More files than a playbook has.
const MOST: usize = 20_000;

/// Adds a playbook and what it uses. `environment`: `NAME=value`, as the provisioner's `ansible_env_vars`.
pub(super) fn add(hash: &mut Sha256, playbook: &Path, cwd: &Path, environment: &[&str]) -> io::Result<()> {
    let home = playbook.parent().unwrap_or(cwd);
    let mut roots = vec![home.to_owned()];
    // Ansible reads its configuration where it is started.
    if cwd.join("ansible.cfg").is_file() && cwd != home {
        roots.push(cwd.to_owned());
    }
    let mut folders = Vec::new();
    for root in &roots {
        let text = std::fs::read_to_string(root.join("ansible.cfg")).unwrap_or_default();
        let settings = text.lines().filter_map(|line| line.split_once('='));
        let named = settings.filter(|(name, _)| FOLDERS.contains(&name.trim()));
        folders.extend(named.flat_map(|(_, value)| value.split(':')).map(|folder| root.join(folder.trim())));
    }
    let set = environment.iter().filter_map(|pair| pair.split_once('='));
    let paths =
        set.filter(|(name, _)| name.starts_with("ANSIBLE_") && (name.ends_with("_PATH") || name.ends_with("_PATHS")));
    folders.extend(paths.flat_map(|(_, value)| value.split(':')).map(|folder| cwd.join(folder)));
    let mut seen = BTreeSet::new();
    let mut queue = vec![playbook.to_owned()];
    for root in &roots {
        queue.extend(beside(root));
    }
    queue.extend(folders);
    while let Some(path) = queue.pop() {
        let path = clean(&path);
        if seen.len() > MOST || !path.exists() || !seen.insert(path.clone()) {
            continue;
        }
        if path.is_dir() {
            let entries = std::fs::read_dir(&path)?.filter_map(|entry| Some(entry.ok()?.path()));
            queue.extend(entries.filter(|entry| entry.file_name().is_some_and(|name| name != ".git")));
            continue;
        }
        if yaml(&path) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            queue.extend(named(&text, &path, home, cwd));
        }
    }
    for path in seen.iter().filter(|path| path.is_file()) {
        hash.update(path.strip_prefix(cwd).unwrap_or(path).as_os_str().as_encoded_bytes());
        content(hash, path, 0)?;
    }
    Ok(())
}

fn yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

/// Known names in a folder, and its files of YAML.
fn beside(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        BESIDE.contains(&name.as_ref()) || yaml(path) && path.is_file()
    };
    paths.filter(ours).collect()
}

/// The files that words of a text name: beside it, beside the playbook, in the working directory, and in the `files` and `templates`
/// next to it. Absolute ones are of the machine, unless they lie in the working directory.
fn named(text: &str, file: &Path, home: &Path, cwd: &Path) -> Vec<PathBuf> {
    let around = file.parent().unwrap_or(home);
    let roots = [around, home, cwd];
    let words = text.split(|c: char| c.is_whitespace() || "\"'`,;()[]{}<>=|#".contains(c));
    let like_files =
        words.map(|word| word.trim_end_matches([':', '.'])).filter(|word| word.len() > 2 && word.contains(['.', '/']));
    let mut found = Vec::new();
    for word in like_files.collect::<BTreeSet<_>>() {
        if word.starts_with('/') {
            found.extend(Some(PathBuf::from(word)).filter(|path| path.starts_with(cwd) && path.is_file()));
            continue;
        }
        let places = roots
            .iter()
            .flat_map(|root| [root.join(word), root.join("files").join(word), root.join("templates").join(word)]);
        found.extend(places.filter(|path| path.is_file()));
    }
    found
}

/// Without `.` and `..`, so that one file has one name. Links are not followed.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
