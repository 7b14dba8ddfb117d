//! `group_vars` and `host_vars` beside inventories and playbooks.

use super::Inventory;
use crate::settings::Settings;
use crate::yaml;
use imgbuild_diag::{Diagnostic, Diagnostics, Source};
use imgbuild_jinja::Map;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Which of the two folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// `group_vars`
    Group,
    /// `host_vars`
    Host,
}

type Cached = HashMap<(PathBuf, Of, String), Result<Arc<Map>, Diagnostics>>;

/// Reads the files when they are first asked for, once.
#[derive(Default)]
pub struct VarsFiles {
    cache: Mutex<Cached>,
}

impl VarsFiles {
    /// The variables that `dir` holds for a group or host.
    pub fn get(&self, dir: &Path, of: Of, name: &str, settings: &Settings) -> Result<Arc<Map>, Diagnostics> {
        let key = (dir.to_owned(), of, name.to_owned());
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.get(&key) {
            return known.clone();
        }
        let folder = dir.join(match of {
            Of::Group => "group_vars",
            Of::Host => "host_vars",
        });
        let read =
            if folder.is_dir() && !name.contains('/') { read_all(&folder, name, settings) } else { Ok(Map::new()) };
        let read = read.map(Arc::new);
        cache.insert(key, read.clone());
        read
    }
}

/// What an inventory and the files beside it say of a host, lowest first; `dir` is the playbook's folder.
pub fn layers(
    inventory: &Inventory,
    files: &VarsFiles,
    settings: &Settings,
    host: &str,
    dir: Option<&Path>,
) -> Result<Vec<Arc<Map>>, Diagnostics> {
    let mut lowest_first: Vec<Arc<Map>> = Vec::new();
    // Variables of `all` are every host's, also of those that no inventory names: `localhost`, and hosts to which tasks are
    // delegated. They are no members of the group for that.
    let mut groups = inventory.groups_of(host);
    if !groups.iter().any(|g| g.name == "all") {
        groups.splice(0..0, inventory.groups.get("all"));
    }
    let read = |of: Of, name: &str, dirs: &[PathBuf], out: &mut Vec<Arc<Map>>| -> Result<(), Diagnostics> {
        for dir in dirs {
            let map = files.get(dir, of, name, settings)?;
            if !map.is_empty() {
                out.push(map);
            }
        }
        Ok(())
    };
    let inventory_dirs = &inventory.vars_dirs;
    let own = |d: &&Path| !inventory_dirs.iter().any(|i| i == d);
    let play_dirs: Vec<PathBuf> = dir.into_iter().filter(own).map(Path::to_owned).collect();
    for group in &groups {
        if !group.vars.is_empty() {
            lowest_first.push(Arc::new(group.vars.clone()));
        }
    }
    for dirs in [inventory_dirs, &play_dirs] {
        read(Of::Group, "all", dirs, &mut lowest_first)?;
    }
    for dirs in [inventory_dirs, &play_dirs] {
        for group in groups.iter().filter(|g| g.name != "all") {
            read(Of::Group, &group.name, dirs, &mut lowest_first)?;
        }
    }
    if let Some(entry) = inventory.hosts.get(host)
        && !entry.vars.is_empty()
    {
        lowest_first.push(Arc::new(entry.vars.clone()));
    }
    read(Of::Host, host, inventory_dirs, &mut lowest_first)?;
    read(Of::Host, host, &play_dirs, &mut lowest_first)?;
    Ok(lowest_first)
}

fn read_all(folder: &Path, name: &str, settings: &Settings) -> Result<Map, Diagnostics> {
    let mut vars = Map::new();
    let mut out = Diagnostics::new();
    for file in files(folder, name) {
        read_file(&file, settings, &mut vars, &mut out);
    }
    out.into_result(vars).map(|(vars, _)| vars).map_err(|problems| {
        // Whatever is wrong with these files ends Ansible's run with a parser's code.
        let parsers = problems.into_iter().map(|problem| Diagnostic { exit: None, ..problem });
        parsers.fold(Diagnostics::new(), |mut all, problem| {
            all.push(problem);
            all
        })
    })
}

/// Reads one file of variables into `vars`; later values win.
pub fn read_file(file: &Path, settings: &Settings, vars: &mut Map, out: &mut Diagnostics) {
    read(file, settings, vars, out, false);
}

/// One of `vars_files`, which for Ansible may hold a list of dictionaries as well.
pub fn read_vars_file(file: &Path, settings: &Settings, vars: &mut Map, out: &mut Diagnostics) {
    read(file, settings, vars, out, true);
}

fn read(file: &Path, settings: &Settings, vars: &mut Map, out: &mut Diagnostics, lists: bool) {
    let text = match crate::vault::read_text(file, settings) {
        Ok(text) => text,
        Err(why) => {
            out.push(why.diagnostic());
            return;
        }
    };
    let source = Source::new(file.display().to_string(), text);
    let options = yaml::Options { duplicate_keys: settings.duplicate_dict_key, ..yaml::Options::default() };
    match yaml::load_with(&source, options, out) {
        Ok(Some(node)) if !node.is_null() => {
            let parts = node.as_seq().filter(|_| lists).unwrap_or(std::slice::from_ref(&node));
            for part in parts {
                if part.as_map().is_none() {
                    let message = format!("a file of variables must hold a dictionary, this is a {}", part.type_name());
                    out.push(Diagnostic::error(message).at(&part.span));
                } else if settings.hash_merge {
                    crate::vars::merge::deep(vars, part.to_map());
                } else {
                    vars.extend(part.to_map());
                }
            }
        }
        _ => {}
    }
}

/// `name`, `name.yml`, `name.yaml`, `name.json`: the first that is there; of a directory all files below, sorted.
fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    for extension in ["", ".yml", ".yaml", ".json"] {
        let path = folder.join(format!("{name}{extension}"));
        if path.is_dir() {
            let mut found = Vec::new();
            below(&path, &mut found, 0);
            return found;
        }
        if path.is_file() {
            return vec![path];
        }
    }
    Vec::new()
}

fn below(dir: &Path, found: &mut Vec<PathBuf>, depth: usize) {
    let mut entries: Vec<PathBuf> = fs_err::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if entry.is_dir() {
            if depth < 32 {
                below(&entry, found, depth + 1);
            }
        } else if matches!(entry.extension().and_then(|e| e.to_str()), None | Some("yml" | "yaml" | "json")) {
            found.push(entry);
        }
    }
}
