//! Where a role lies.

use super::loader::Loader;
use super::paths::normal;
use super::scope::Scope;
use std::path::{Path, PathBuf};

/// A role's folder.
pub struct Found {
    /// Name that titles show.
    pub name: String,
    /// Folder.
    pub path: PathBuf,
    /// Collection.
    pub collection: Option<String>,
}

impl Loader<'_> {
    /// The folder of a role, behind all symbolic links; `Err` lists where it was looked for.
    pub fn find_role(&self, name: &str, scope: &Scope) -> Result<Found, Vec<PathBuf>> {
        let mut found = self.look_for_role(name, scope)?;
        if let Ok(real) = fs_err::canonicalize(&found.path) {
            found.path = real;
        }
        Ok(found)
    }

    fn look_for_role(&self, name: &str, scope: &Scope) -> Result<Found, Vec<PathBuf>> {
        let mut tried = Vec::new();
        if let [namespace, collection, role @ ..] = &name.split('.').collect::<Vec<_>>()[..]
            && !role.is_empty()
            && !name.contains('/')
        {
            for root in self.collection_roots() {
                let path = root.join(namespace).join(collection).join("roles").join(role.join("/"));
                if path.is_dir() {
                    let collection = Some(format!("{namespace}.{collection}"));
                    return Ok(Found { name: name.to_owned(), path, collection });
                }
                tried.push(path);
            }
        }
        // Roles of the collections that the role or play names, or that the asking role belongs to.
        let own = scope.role().and_then(|r| r.collection.clone());
        let named = scope.all_items("collections").into_iter().filter_map(|v| v.as_str().map(str::to_owned));
        for collection in own.into_iter().chain(named) {
            if let Some((namespace, short)) = collection.split_once('.') {
                for root in self.collection_roots() {
                    let path = root.join(namespace).join(short).join("roles").join(name);
                    if path.is_dir() {
                        return Ok(Found { name: format!("{collection}.{name}"), path, collection: Some(collection) });
                    }
                }
            }
        }
        let mut bases: Vec<PathBuf> = vec![self.dir.join("roles")];
        bases.extend(self.settings.roles_path.iter().cloned());
        bases.extend(scope.roles().first().and_then(|r| r.path.parent()).map(Path::to_owned));
        bases.push(self.dir.clone());
        for base in bases {
            let path = normal(&base.join(name));
            if path.is_dir() {
                return Ok(Found { name: name.to_owned(), path, collection: None });
            }
            if !tried.contains(&base) {
                tried.push(base);
            }
        }
        let direct = normal(&crate::settings::expand_home(name, self.settings));
        if direct.is_dir() {
            let name = direct.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| name.to_owned());
            return Ok(Found { name, path: direct, collection: None });
        }
        Err(tried)
    }

    /// Names of the roles that can be found, for suggestions.
    pub fn role_names(&self) -> Vec<String> {
        let bases = [self.dir.join("roles")].into_iter().chain(self.settings.roles_path.iter().cloned());
        bases
            .flat_map(|base| fs_err::read_dir(base).into_iter().flatten().flatten())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Folders named `ansible_collections`.
    pub fn collection_roots(&self) -> Vec<PathBuf> {
        self.collections.roots().to_vec()
    }
}
