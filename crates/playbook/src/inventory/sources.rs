//! From the sources of `-i` to an inventory.

use super::{Inventory, host_list, ini, script, yaml};
use crate::settings::Settings;
use imgbuild_diag::{Diagnostic, Diagnostics, Source};
use std::path::{Path, PathBuf};

/// Names in a directory that are no sources.
const IGNORED_NAMES: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
/// Ends of names in a directory that are no sources.
const IGNORED_ENDS: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

impl Inventory {
    /// Reads all sources of `settings`. What can't be read is a warning where anything else can be, as in Ansible; the
    /// warnings come with the inventory.
    pub fn load(settings: &Settings) -> Result<(Inventory, Diagnostics), Diagnostics> {
        let mut inventory = Inventory::default();
        let mut out = Diagnostics::new();
        let mut parsed = false;
        let sources: Vec<String> = if settings.inventory.is_empty() {
            vec!["/etc/ansible/hosts".to_owned()]
        } else {
            settings.inventory.clone()
        };
        for source in &sources {
            if source.is_empty() {
                continue;
            }
            if host_list::is_list(source) && !settings.cwd.join(source).exists() {
                inventory.sources.push(source.clone());
                host_list::parse(source, &mut inventory, &mut out);
                parsed = true;
                continue;
            }
            let path = crate::settings::expand_home(source, settings);
            inventory.sources.push(path.display().to_string());
            let dir = if path.is_dir() { path.clone() } else { path.parent().map(Path::to_owned).unwrap_or_default() };
            if !inventory.vars_dirs.contains(&dir) && path.exists() && path != Path::new("/dev/null") {
                inventory.vars_dirs.push(dir);
            }
            if !path.exists() {
                if !settings.inventory.is_empty() {
                    let message = format!("Unable to parse {} as an inventory source", path.display());
                    out.push(report(settings.inventory_unparsed_is_failed, message).help("there is no such file"));
                }
                continue;
            }
            parsed |= inventory.read(&path, settings, &mut out);
        }
        inventory.reconcile();
        if !parsed && inventory.hosts.is_empty() {
            let any = report(
                settings.inventory_any_unparsed_is_failed,
                "No inventory was parsed, only implicit localhost is available".to_owned(),
            );
            out.push(any);
        }
        out.into_result(inventory)
    }

    fn read(&mut self, path: &Path, settings: &Settings, out: &mut Diagnostics) -> bool {
        if path.is_dir() {
            let mut entries: Vec<PathBuf> = match fs_err::read_dir(path) {
                Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
                Err(error) => {
                    out.push(Diagnostic::error(error.to_string()));
                    return false;
                }
            };
            entries.sort();
            let mut parsed = false;
            for entry in entries {
                let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let ignored = name.starts_with('.')
                    || IGNORED_NAMES.contains(&name.as_str())
                    || IGNORED_ENDS.iter().any(|end| name.ends_with(end));
                if !ignored {
                    parsed |= self.read(&entry, settings, out);
                }
            }
            return parsed;
        }
        if executable(path) {
            script::parse(path, &settings.env, self, out);
            return true;
        }
        let text = match crate::vault::read_text(path, settings) {
            Ok(text) => text,
            Err(error) => {
                out.push(Diagnostic::error(error));
                return false;
            }
        };
        let source = Source::new(path.display().to_string(), text);
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let mut found = Diagnostics::new();
        let mut next = self.clone();
        match extension {
            "yml" | "yaml" | "json" => match crate::yaml::load(&source, &mut found) {
                Ok(Some(root)) => {
                    yaml::parse(&root, path, &mut next, &mut found);
                }
                Ok(None) => {
                    found.push(Diagnostic::warning(format!("{}: the inventory is empty", path.display())));
                }
                Err(()) => {}
            },
            _ => ini::parse(&source, path, &mut next, &mut found),
        }
        let good = !found.has_errors();
        if good {
            *self = next;
        }
        out.extend(found);
        good
    }
}

fn report(fatal: bool, message: String) -> Diagnostic {
    if fatal { Diagnostic::error(message) } else { Diagnostic::warning(message) }
}

fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.is_file() && fs_err::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o111 != 0)
}
