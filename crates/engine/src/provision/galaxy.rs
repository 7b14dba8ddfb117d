//! Requirements files (`galaxy_file`): what they ask for must be there, or be an archive on this machine, which is unpacked.
//! Nothing is downloaded yet: what would have to be is refused by name.

use super::ansible_options::Galaxy;
use super::requirements::{Requirement, requirements};
use crate::event::Reporter;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Checks a requirements file and unpacks the archives that it names.
pub(crate) fn satisfy(
    file: &Path,
    galaxy: &Galaxy,
    env: &BTreeMap<String, String>,
    home: &Path,
    reporter: &Reporter,
) -> Result<(), String> {
    let roles = search_path(
        galaxy.roles_path.as_ref(),
        env.get("ANSIBLE_ROLES_PATH"),
        home.join(".ansible/roles"),
        "/etc/ansible/roles",
    );
    let collections = search_path(
        galaxy.collections_path.as_ref(),
        env.get("ANSIBLE_COLLECTIONS_PATH"),
        home.join(".ansible/collections"),
        "/usr/share/ansible/collections",
    );
    let mut missing = Vec::new();
    for requirement in requirements(file)? {
        match requirement {
            Requirement::Role { name, source, .. } => {
                let there = roles.iter().map(|dir| dir.join(&name)).find(|dir| dir.is_dir());
                let archive = source.as_deref().map(|source| source.strip_prefix("file://").unwrap_or(source));
                let archive = archive.map(|source| beside(file, source)).filter(|path| path.is_file());
                match (there, archive) {
                    (Some(dir), _) if !galaxy.force => {
                        reporter.message(format!("{name} is installed: {}", dir.display()))
                    }
                    (there, Some(archive)) => {
                        let target = there.unwrap_or_else(|| roles[0].join(&name));
                        unpack(&archive, &target).map_err(|e| format!("the role {name} can't be unpacked: {e}"))?;
                        reporter.message(format!("{name} was installed to {}", target.display()));
                    }
                    (Some(dir), None) => reporter.message(format!("{name} is installed: {}", dir.display())),
                    (None, None) => missing.push(format!("role {name}")),
                }
            }
            Requirement::Collection { name, .. } => {
                let path = format!("ansible_collections/{}", name.replace('.', "/"));
                match collections.iter().map(|dir| dir.join(&path)).find(|dir| dir.is_dir()) {
                    Some(dir) => reporter.message(format!("{name} is installed: {}", dir.display())),
                    None => missing.push(format!("collection {name}")),
                }
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "galaxy_file {} asks for what is not installed: {}. Downloading is not supported: install it beforehand (ansible-galaxy install -r {})",
        file.display(),
        missing.join(", "),
        file.display()
    ))
}

/// Where a search goes: the option's place first, as `-p` has it.
fn search_path(own: Option<&PathBuf>, env: Option<&String>, home: PathBuf, system: &str) -> Vec<PathBuf> {
    let mut path: Vec<PathBuf> = own.cloned().into_iter().collect();
    match env {
        Some(list) => path.extend(list.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from)),
        None => path.extend([home, PathBuf::from(system)]),
    }
    path
}

fn beside(file: &Path, source: &str) -> PathBuf {
    file.parent().unwrap_or_else(|| Path::new(".")).join(source)
}

/// Unpacks a role's archive without its top directory.
fn unpack(archive: &Path, target: &Path) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs_err::File::open(archive)?));
    fs_err::create_dir_all(target)?;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let inside: PathBuf = path.components().skip(1).collect();
        let safe = inside.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if inside.as_os_str().is_empty() || !safe {
            continue;
        }
        let to = target.join(inside);
        if let Some(parent) = to.parent() {
            fs_err::create_dir_all(parent)?;
        }
        entry.unpack(to)?;
    }
    Ok(())
}
