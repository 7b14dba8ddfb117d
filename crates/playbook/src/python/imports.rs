//! What a module in Python imports, and the files that it needs for that on a host: helpers of the user's (`module_utils/`), of
//! installed collections, and those of `ansible.module_utils` that imgbuild brings along ([`super::library`]).

use super::library;
use crate::collections::Collections;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Files by their place below the folder that Python searches.
pub type Files = BTreeMap<String, Vec<u8>>;

/// An import statement: `from ..a.b import c, d` has the level 2.
#[derive(Debug, PartialEq)]
struct Import {
    level: usize,
    module: String,
    names: Vec<String>,
}

/// The import statements of a Python text, wherever they stand. Lines of other texts that look like some do no harm: what is not
/// there is not brought along.
fn scan(text: &str) -> Vec<Import> {
    let mut out = Vec::new();
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut lines = joined.lines();
    let bare = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    while let Some(line) = lines.next() {
        let mut line = bare(line);
        if let Some(modules) = line.strip_prefix("import ") {
            for module in modules.split([',', ';']).filter_map(|m| m.split_whitespace().next()) {
                out.push(Import { level: 0, module: module.to_owned(), names: Vec::new() });
            }
            continue;
        }
        if !line.starts_with("from ") || !line.contains(" import") {
            continue;
        }
        // Names in parentheses may go on over lines.
        while line.contains('(') && !line.contains(')') {
            let Some(next) = lines.next() else { break };
            line.push(' ');
            line.push_str(&bare(next));
        }
        let Some((module, names)) = line["from ".len()..].split_once(" import") else { continue };
        // A name may go on over lines, too.
        let module: String = module.split_whitespace().collect();
        let level = module.len() - module.trim_start_matches('.').len();
        let names = names.replace(['(', ')'], " ");
        let names = names.split(';').next().unwrap_or_default().split(',');
        let names = names.filter_map(|n| n.split_whitespace().next().map(str::to_owned)).collect();
        out.push(Import { level, module: module[level..].to_owned(), names });
    }
    out
}

impl Import {
    /// The full names that it may mean, in a file of this package: the module, and each name in it, which may be a module too.
    fn targets(&self, package: &str) -> Vec<String> {
        let mut base = package;
        for _ in 1..self.level {
            base = base.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
        let module = match (self.level, self.module.as_str()) {
            (0, module) => module.to_owned(),
            (_, "") => base.to_owned(),
            (_, module) => format!("{base}.{module}"),
        };
        let names = self.names.iter().filter(|n| *n != "*").map(|name| format!("{module}.{name}"));
        [module.clone()].into_iter().chain(names).collect()
    }
}

/// Where helpers of modules are found.
pub struct Sources<'a> {
    /// `module_utils/` of playbooks and roles.
    pub folders: Vec<PathBuf>,
    /// Installed collections.
    pub collections: &'a Collections,
}

/// A file that a full name leads to.
struct Helper {
    /// Below the folder that Python searches.
    place: String,
    text: Vec<u8>,
}

impl Sources<'_> {
    /// The files that a module of this package needs, as far as somebody has them: a module may do without what is missing.
    pub fn closure(&self, text: &str, package: &str) -> std::io::Result<Files> {
        let mut found = Closure { sources: self, files: Files::new(), seen: HashSet::new() };
        found.add_imports(text, package)?;
        Ok(found.files)
    }

    /// The helper that this name, or the longest part of it that is one, stands for.
    fn find(&self, name: &str) -> std::io::Result<Option<Helper>> {
        let parts: Vec<&str> = name.split('.').collect();
        for length in (1..=parts.len()).rev() {
            let path = parts[..length].join("/");
            for place in [format!("{path}.py"), format!("{path}/__init__.py")] {
                if let Some(text) = self.text(&place)? {
                    return Ok(Some(Helper { place, text }));
                }
            }
        }
        Ok(None)
    }

    /// What stands at a place, if anybody has it.
    fn text(&self, place: &str) -> std::io::Result<Option<Vec<u8>>> {
        let read = |path: &Path| path.is_file().then(|| fs_err::read(path)).transpose();
        if let Some(below) = place.strip_prefix("ansible/module_utils/") {
            for folder in &self.folders {
                if let Some(text) = read(&folder.join(below))? {
                    return Ok(Some(text));
                }
            }
            return Ok(library::file(below).map(|text| text.as_bytes().to_vec()));
        }
        let Some(below) = place.strip_prefix("ansible_collections/") else { return Ok(None) };
        let parts: Vec<&str> = below.splitn(3, '/').collect();
        let [namespace, name, rest] = parts[..] else { return Ok(None) };
        let collection = format!("{namespace}.{name}");
        let Some(folder) = self.collections.folder(&collection) else { return Ok(None) };
        let helper = rest.strip_prefix("plugins/module_utils/").and_then(|r| r.strip_suffix(".py"));
        let runtime = self.collections.runtime(&collection);
        if let Some(to) = helper.and_then(|h| runtime.helper(&h.replace('/', "."))) {
            // The collection says that it went elsewhere.
            let to = match crate::collections::split(to) {
                Some((to, helper)) if !to.starts_with("ansible_collections") => {
                    format!("ansible_collections.{to}.plugins.module_utils.{helper}")
                }
                _ => to.to_owned(),
            };
            return Ok(Some(
                format!("import sys\nimport {to}\nsys.modules[__name__] = sys.modules['{to}']\n").into_bytes(),
            ));
        }
        read(&folder.join(rest))
    }
}

/// What was found so far.
struct Closure<'a> {
    sources: &'a Sources<'a>,
    files: Files,
    seen: HashSet<String>,
}

impl Closure<'_> {
    fn add_imports(&mut self, text: &str, package: &str) -> std::io::Result<()> {
        for import in scan(text) {
            let targets = import.targets(package);
            for name in targets {
                let ours = name.starts_with("ansible.module_utils.") || name.starts_with("ansible_collections.");
                if !ours || !self.seen.insert(name.clone()) {
                    continue;
                }
                if let Some(helper) = self.sources.find(&name)? {
                    self.add(helper)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, helper: Helper) -> std::io::Result<()> {
        if self.files.contains_key(&helper.place) {
            return Ok(());
        }
        let name = helper.place.trim_end_matches(".py").replace('/', ".");
        let package = match name.strip_suffix(".__init__") {
            Some(package) => package.to_owned(),
            None => name.rsplit_once('.').map_or(String::new(), |(package, _)| package.to_owned()),
        };
        let text = String::from_utf8_lossy(&helper.text).into_owned();
        let place = helper.place.clone();
        self.files.insert(helper.place, helper.text);
        // The packages above it, with what they import.
        for (at, _) in place.match_indices('/') {
            let above = format!("{}/__init__.py", &place[..at]);
            if above == "ansible/__init__.py" || self.files.contains_key(&above) {
                continue;
            }
            let text = self.sources.text(&above)?.unwrap_or_default();
            self.add(Helper { place: above, text })?;
        }
        self.add_imports(&text, &package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn statements() {
        let text = "from ansible.module_utils.basic import AnsibleModule  # why\nimport ansible.module_utils.six as six, os\n\
                    from ansible.module_utils import (one,\n    two as t,  # 2\n)\n    from ..module_utils.a.b \\\n  import c\nfrom . import x\nfrom a.\\\n  b import d\n";
        let found: Vec<(usize, String, String)> =
            scan(text).into_iter().map(|i| (i.level, i.module, i.names.join(" "))).collect();
        let want = [
            (0, "ansible.module_utils.basic", "AnsibleModule"),
            (0, "ansible.module_utils.six", ""),
            (0, "os", ""),
            (0, "ansible.module_utils", "one two"),
            (2, "module_utils.a.b", "c"),
            (1, "", "x"),
            (0, "a.b", "d"),
        ];
        assert_eq!(found, want.map(|(l, m, n)| (l, m.to_owned(), n.to_owned())));
        let relative = Import { level: 2, module: "module_utils.a".into(), names: vec!["b".into()] };
        assert_eq!(
            relative.targets("ansible_collections.x.y.plugins.modules"),
            ["ansible_collections.x.y.plugins.module_utils.a", "ansible_collections.x.y.plugins.module_utils.a.b"]
        );
    }

    #[test]
    fn helpers_of_helpers() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("module_utils/one.py", "from ansible.module_utils.deep.two import x\n");
        put("module_utils/deep/two.py", "from .three import y\n");
        put("module_utils/deep/three.py", "y = 1\n");
        let of = "collections/ansible_collections/a/b";
        put(&format!("{of}/plugins/module_utils/__init__.py"), "from .base import z\n");
        put(&format!("{of}/plugins/module_utils/base.py"), "z = 2\n");
        put(&format!("{of}/plugins/module_utils/sub/far.py"), "from ..base import z\n");
        put(&format!("{of}/meta/runtime.yml"), "plugin_routing: {module_utils: {moved: {redirect: a.b.base}}}\n");
        let collections = Collections::new(&Settings::new(dir.path(), dir.path()), dir.path());
        let sources = Sources { folders: vec![dir.path().join("module_utils")], collections: &collections };
        let keys = |text: &str, package: &str| sources.closure(text, package).unwrap().into_keys().collect::<Vec<_>>();
        let files = keys("from ansible.module_utils.one import y\n", "");
        assert_eq!(
            files,
            [
                "ansible/module_utils/__init__.py",
                "ansible/module_utils/deep/__init__.py",
                "ansible/module_utils/deep/three.py",
                "ansible/module_utils/deep/two.py",
                "ansible/module_utils/one.py"
            ]
        );
        let modules = "ansible_collections.a.b.plugins.modules";
        let files = keys("from ..module_utils.sub.far import z\n", modules);
        assert!(files.contains(&"ansible_collections/a/b/plugins/module_utils/sub/far.py".to_owned()), "{files:?}");
        assert!(files.contains(&"ansible_collections/a/b/plugins/module_utils/base.py".to_owned()), "{files:?}");
        assert!(files.contains(&"ansible_collections/a/b/plugins/__init__.py".to_owned()), "{files:?}");
        let files = keys("from ansible_collections.a.b.plugins.module_utils.moved import z\n", "");
        assert!(files.contains(&"ansible_collections/a/b/plugins/module_utils/moved.py".to_owned()), "{files:?}");
        assert_eq!(
            keys("from ansible.module_utils.no_such_thing import x\n", ""),
            ["ansible/module_utils/__init__.py"]
        );
    }
}
