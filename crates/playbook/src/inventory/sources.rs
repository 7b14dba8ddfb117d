//! From the sources of `-i` to an inventory.

use super::{GroupChars, Inventory, host_list, ini, plugin, script, toml, yaml};
use crate::settings::Settings;
use imgbuild_diag::{Diagnostic, Diagnostics, Severity, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names in a directory that are no sources.
const IGNORED_NAMES: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
/// Ends of names in a directory that are no sources, unless the settings say others.
pub const IGNORED_ENDS: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

impl Inventory {
    /// Reads all sources of `settings`. What can't be read is a warning where anything else can be, as in Ansible; the
    /// warnings come with the inventory.
    pub fn load(settings: &Settings) -> Result<(Inventory, Diagnostics), Diagnostics> {
        let mut inventory = Inventory { group_chars: settings.group_chars, ..Inventory::default() };
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
        if inventory.odd_group_names {
            let done = match inventory.group_chars {
                GroupChars::Never => Some("found in group names but not replaced"),
                GroupChars::Always => Some("found in group names and automatically replaced"),
                GroupChars::Ignore | GroupChars::Silently => None,
            };
            let odd = inventory.groups.keys().find(|name| name.chars().any(|c| !(c.is_alphanumeric() || c == '_')));
            out.extend(
                done.map(|done| {
                    let named = odd.map(|name| format!(" (as in '{name}')")).unwrap_or_default();
                    Diagnostic::warning(format!("Invalid characters were {done}{named}")).into()
                })
                .unwrap_or_default(),
            );
        }
        if !parsed && inventory.hosts.is_empty() {
            let any = report(
                settings.inventory_any_unparsed_is_failed,
                "No inventory was parsed, only implicit localhost is available".to_owned(),
            );
            if settings.inventory_any_unparsed_is_failed || settings.inventory_unparsed_warning {
                out.push(any);
            }
        }
        out.into_result(inventory)
    }

    /// Takes in the text of one source: YAML or JSON where `yaml` is set, otherwise INI. What is wrong in it comes back.
    pub fn read_source(&mut self, source: &Arc<Source>, yaml: bool, settings: &Settings) -> Diagnostics {
        let mut out = Diagnostics::new();
        let path = Path::new(source.name());
        if yaml {
            read_yaml(source, path, settings, self, &mut out);
        } else {
            ini::parse(source, path, self, &mut out);
        }
        self.reconcile();
        out
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
                    || settings.inventory_ignore_ends.iter().any(|end| name.ends_with(end.as_str()))
                    || settings.inventory_ignore_patterns.iter().any(|p| p.is_match(&name));
                if !ignored {
                    parsed |= self.read(&entry, settings, out);
                }
            }
            return parsed;
        }
        let mut found = Diagnostics::new();
        // What was read before a mistake stays, as in Ansible.
        parse_file(path, settings, self, &mut found);
        if !found.has_errors() {
            out.extend(found);
            return true;
        }
        if settings.inventory_unparsed_is_failed {
            out.extend(found);
            return false;
        }
        // Other sources may do: a warning with the reason, as in Ansible.
        for mut problem in found.iter().cloned() {
            problem.severity = Severity::Warning;
            out.push(problem);
        }
        out.push(Diagnostic::warning(format!("Unable to parse {} as an inventory source", path.display())));
        false
    }
}

fn parse_file(path: &Path, settings: &Settings, inventory: &mut Inventory, out: &mut Diagnostics) {
    if executable(path) {
        return script::parse(path, &settings.env, inventory, out);
    }
    let text = match crate::vault::read_text(path, settings) {
        Ok(text) => text,
        Err(error) => return out.push(error.diagnostic()),
    };
    let source = Source::new(path.display().to_string(), text);
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    // Without an extension, or as `.config`, a plugin's file is one where the settings enable that plugin.
    let configured = matches!(extension, "" | "config")
        && settings.inventory_plugins.iter().any(|p| plugin::CONFIGURED.contains(&p.as_str()))
        && source.text().lines().any(|line| line.starts_with("plugin:"));
    match extension {
        "toml" => toml::parse(&source, path, inventory, out),
        "yml" | "yaml" | "json" => read_yaml(&source, path, settings, inventory, out),
        _ if configured => read_yaml(&source, path, settings, inventory, out),
        _ => ini::parse(&source, path, inventory, out),
    }
}

fn read_yaml(source: &Arc<Source>, path: &Path, settings: &Settings, inventory: &mut Inventory, out: &mut Diagnostics) {
    match crate::yaml::load(source, out) {
        Ok(Some(root)) if root.get("plugin").is_some() => plugin::parse(&root, path, inventory, settings, out),
        Ok(Some(root)) => _ = yaml::parse(&root, path, inventory, out),
        Ok(None) => out.push(Diagnostic::warning(format!("{}: the inventory is empty", path.display()))),
        Err(()) => {}
    }
}

fn report(fatal: bool, message: String) -> Diagnostic {
    if fatal { Diagnostic::error(message) } else { Diagnostic::warning(message) }
}

fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.is_file() && fs_err::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o111 != 0)
}
