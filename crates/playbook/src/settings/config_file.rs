//! `ansible.cfg`: INI with sections, `;` and `#` comments, continuation lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A parsed `ansible.cfg`.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Where it was read from; relative paths in it count from there.
    pub path: PathBuf,
    values: BTreeMap<(String, String), String>,
}

/// The file that Ansible would use: `ANSIBLE_CONFIG`, `./ansible.cfg`, `~/.ansible.cfg`, `/etc/ansible/ansible.cfg`.
/// A world-writable working directory is passed over, as in Ansible.
pub fn find_config_file(env: &BTreeMap<String, String>, cwd: &Path, home: &Path) -> Option<PathBuf> {
    if let Some(named) = env.get("ANSIBLE_CONFIG") {
        let path = cwd.join(named.strip_prefix("~/").map_or(PathBuf::from(named), |rest| home.join(rest)));
        return Some(if path.is_dir() { path.join("ansible.cfg") } else { path }).filter(|p| p.is_file());
    }
    use std::os::unix::fs::PermissionsExt;
    let open = fs_err::metadata(cwd).is_ok_and(|m| m.permissions().mode() & 0o002 != 0);
    let local = (!open).then(|| cwd.join("ansible.cfg"));
    local
        .into_iter()
        .chain([home.join(".ansible.cfg"), PathBuf::from("/etc/ansible/ansible.cfg")])
        .find(|p| p.is_file())
}

impl ConfigFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs_err::read_to_string(path).map_err(|e| e.to_string())?;
        ConfigFile::parse(path, &text)
    }

    /// Parses a text.
    pub fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let mut values: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut section = String::new();
        let mut last: Option<(String, String)> = None;
        for (number, raw) in text.lines().enumerate() {
            let line = raw.trim();
            if line.is_empty() {
                continue;
            }
            if line.starts_with('#') || line.starts_with(';') {
                continue;
            }
            if raw.starts_with([' ', '\t'])
                && let Some(value) = last.as_ref().and_then(|key| values.get_mut(key))
            {
                value.push('\n');
                value.push_str(line);
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.trim().to_owned();
                last = None;
                continue;
            }
            let Some((key, value)) = line.split_once(['=', ':']) else {
                return Err(format!("{}:{}: neither a section nor `key = value`: {line}", path.display(), number + 1));
            };
            let value = value.split(" ;").next().unwrap_or(value).trim().to_owned();
            let key = (section.clone(), key.trim().to_lowercase());
            last = Some(key.clone());
            values.insert(key, value);
        }
        Ok(ConfigFile { path: path.to_owned(), values })
    }

    /// A value.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.values.get(&(section.to_owned(), key.to_owned())).map(String::as_str)
    }

    /// The directory that relative paths count from.
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// All entries: section, key, value.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.values.iter().map(|((section, key), value)| (section.as_str(), key.as_str(), value.as_str()))
    }
}
