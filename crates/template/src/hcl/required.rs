//! The plugins that a configuration names in `packer { required_plugins { … } }`, before anything else of it is looked at: `init`
//! works on configurations whose variables have no values yet.

use super::config::core;
pub use super::config::core::RequiredPlugin;
use super::{files, syntax};
use imgbuild_diag::Diagnostics;
use std::path::Path;

/// The plugins that a file, or the `*.pkr.hcl` and `*.pkr.json` files of a folder, require; ordered by name.
///
/// # Errors
/// A file can't be read, has a mistake in its syntax, or names a plugin without its source.
pub fn plugins(path: &Path) -> Result<Vec<RequiredPlugin>, Diagnostics> {
    let mut diags = Diagnostics::new();
    let found = files::find(path, Path::new(""), &mut diags);
    let mut bodies = Vec::new();
    for (source, kind) in found.iter().flat_map(|found| &found.config) {
        match syntax::parse(source, *kind) {
            Ok(body) => bodies.push(body),
            Err(errors) => diags.extend(errors),
        }
    }
    let mut plugins = core::plugins(&bodies, &mut diags);
    plugins.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    diags.into_result(plugins).map(|(plugins, _)| plugins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<String>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        match plugins(folder.path()) {
            Ok(found) => Ok(found.iter().map(|p| format!("{} {} {:?}", p.name.value, p.source, p.version)).collect()),
            Err(errors) => Err(errors.iter().map(|e| e.message.clone()).collect()),
        }
    }

    #[test]
    fn both_syntaxes() {
        let hcl = "packer {\n  required_plugins {\n    b = {\n      version = \"~> 1\"\n      source = \"h/n/b\"\n    }\n  }\n}\npacker {\n  required_plugins {\n    a = { \"source\" = \"h/n/a\" }\n    b = { source = \"h/n/b\" }\n  }\n}\nvariable \"x\" {}\n";
        assert_eq!(read("x.pkr.hcl", hcl).unwrap(), ["a h/n/a \"\"", "b h/n/b \"~> 1\""]);
        let json = r#"{"packer": [{"required_plugins": {"b": {"source": "h/n/b", "version": "1"}}}], "variable": {}}"#;
        assert_eq!(read("x.pkr.json", json).unwrap(), ["b h/n/b \"1\""]);
        assert!(read("x.pkr.hcl", "build {}\n").unwrap().is_empty());
    }

    #[test]
    fn mistakes() {
        for (text, want) in [
            ("packer {\n required_plugins {\n a = {}\n }\n}\n", "has no source"),
            ("packer {\n required_plugins {\n a = \"1.0\"\n }\n}\n", "must be an object"),
            (
                "packer {\n required_plugins {\n a = { source = \"a\" }\n }\n}\n",
                "must have a host, a namespace and a type",
            ),
            ("packer {\n required_plugins {\n a = { source = \"h/n/a\", version = \"x\" }\n }\n}\n", "can't be read"),
            (
                "packer {\n required_plugins {\n a = { source = \"h/n/a\" }\n }\n}\npacker {\n required_plugins {\n a = { source = \"h/n/b\" }\n }\n}\n",
                "it is also required at",
            ),
            ("packer {", "expected"),
        ] {
            let errors = read("x.pkr.hcl", text).unwrap_err();
            assert!(errors[0].contains(want), "{text}: {errors:?}");
        }
        assert!(read("x.txt", "").unwrap_err()[0].contains("Could not find any config file"));
        assert!(plugins(Path::new("/nowhere/x.pkr.hcl")).is_err());
    }
}
