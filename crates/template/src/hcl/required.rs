//! The plugins that a configuration names in `packer { required_plugins { … } }`, before anything else of it is looked at: `init`
//! works on configurations whose variables have no values yet.

use crate::json::{self, Duplicates};
use crate::value::{Map, Spanned};
use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::{Attribute, Block, Body};
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A plugin that a configuration requires.
#[derive(Debug, Clone, PartialEq)]
pub struct Required {
    /// The name that it is given there.
    pub name: Spanned<String>,
    /// `github.com/hashicorp/amazon`.
    pub source: String,
    /// The versions that would do; empty for any.
    pub version: String,
}

const HELP: &str = "write it as in amazon = { source = \"github.com/hashicorp/amazon\", version = \">= 1.2.0\" }";

/// The plugins that a file, or the `*.pkr.hcl` and `*.pkr.json` files of a folder, require; ordered by name.
///
/// # Errors
/// A file can't be read, has a mistake in its syntax, or names a plugin without its source.
pub fn plugins(path: &Path) -> Result<Vec<Required>, Diagnostics> {
    let mut diags = Diagnostics::new();
    let mut found: Vec<Required> = Vec::new();
    for file in files(path)? {
        let source = Source::new(file.to_string_lossy(), crate::load::read_text(&file)?);
        let read = if file.to_string_lossy().ends_with(".json") { of_json(&source) } else { of_hcl(&source) };
        match read {
            Err(errors) => diags.extend(errors),
            Ok(plugins) => {
                for plugin in plugins {
                    let parts: Vec<&str> = plugin.source.split('/').collect();
                    if parts.len() < 3 || parts.iter().any(|part| part.is_empty()) {
                        let message =
                            format!("{:?} is no plugin's source: a host, a namespace and a type", plugin.source);
                        diags.push(Diagnostic::error(message).at(&plugin.name.span).help(HELP));
                    } else if let Some(first) = found.iter().find(|p| p.name.value == plugin.name.value) {
                        if first.source != plugin.source {
                            let message =
                                format!("{:?} names another plugin at {}", plugin.name.value, first.name.span);
                            diags.push(Diagnostic::error(message).at(&plugin.name.span));
                        }
                    } else {
                        found.push(plugin);
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    diags.into_result(found).map(|(found, _)| found)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|e| Diagnostic::error(format!("{}: {e}", path.display())))?;
    let wanted = |path: &PathBuf| {
        let name = path.to_string_lossy();
        (name.ends_with(".pkr.hcl") || name.ends_with(".pkr.json")) && !path.is_dir()
    };
    let mut files: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).filter(wanted).collect();
    files.sort();
    if files.is_empty() {
        return Err(
            Diagnostic::error(format!("{}: the folder has no *.pkr.hcl or *.pkr.json file", path.display())).into()
        );
    }
    Ok(files)
}

fn of_hcl(source: &Arc<Source>) -> Result<Vec<Required>, Diagnostics> {
    super::format::check(source)?;
    let Ok(body) = hcl_edit::parser::parse_body(source.text()) else { return Ok(Vec::new()) };
    let mut diags = Diagnostics::new();
    let mut found = Vec::new();
    fn inside<'a>(body: &'a Body, kind: &'a str) -> impl Iterator<Item = &'a Body> {
        body.blocks().filter(move |block: &&Block| block.ident.as_str() == kind).map(|block| &block.body)
    }
    let lists = inside(&body, "packer").flat_map(|packer| inside(packer, "required_plugins"));
    for attribute in lists.flat_map(Body::attributes) {
        let place: Range<usize> = attribute.key.span().or_else(|| attribute.span()).unwrap_or_default();
        let name = Spanned::new(attribute.key.as_str().to_owned(), Span::new(source, place));
        match (member(attribute, "source"), member(attribute, "version")) {
            (Some(source), version) => {
                found.push(Required { name, source, version: version.unwrap_or_default() });
            }
            _ => diags.push(no_source(&name)),
        }
    }
    diags.into_result(found).map(|(found, _)| found)
}

/// A text in an object.
fn member(attribute: &Attribute, wanted: &str) -> Option<String> {
    let Expression::Object(object) = &attribute.value else { return None };
    let key = |key: &ObjectKey| match key {
        ObjectKey::Ident(name) => name.as_str() == wanted,
        ObjectKey::Expression(Expression::String(name)) => name.as_str() == wanted,
        ObjectKey::Expression(Expression::Variable(name)) => name.as_str() == wanted,
        ObjectKey::Expression(_) => false,
    };
    let (_, value) = object.iter().find(|(name, _)| key(name))?;
    value.expr().as_str().map(str::to_owned)
}

fn no_source(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(format!("the required plugin {:?} has no source", name.value)).at(&name.span).help(HELP)
}

fn of_json(source: &Arc<Source>) -> Result<Vec<Required>, Diagnostics> {
    let root = json::parse(source, Duplicates::Refuse)?;
    let mut diags = Diagnostics::new();
    let mut found = Vec::new();
    let empty = Map::new();
    // A block is an object, several are a list of objects.
    let blocks = |map: &Map, key: &str| -> Vec<Map> {
        let Some(entry) = map.get(key) else { return Vec::new() };
        match entry.node.as_list() {
            Some(list) => list.iter().filter_map(|n| n.as_map().cloned()).collect(),
            None => entry.node.as_map().cloned().into_iter().collect(),
        }
    };
    for packer in blocks(root.as_map().unwrap_or(&empty), "packer") {
        for list in blocks(&packer, "required_plugins") {
            for (name, entry) in &list {
                let name = Spanned::new(name.clone(), entry.key.clone());
                let text = |key: &str| Some(entry.node.as_map()?.get(key)?.node.as_str()?.to_owned());
                match text("source") {
                    Some(source) => found.push(Required { name, source, version: text("version").unwrap_or_default() }),
                    None => diags.push(no_source(&name)),
                }
            }
        }
    }
    diags.into_result(found).map(|(found, _)| found)
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
        let hcl = "packer {\n  required_plugins {\n    b = {\n      version = \"~> 1\"\n      source = \"h/n/b\"\n    }\n  }\n}\npacker {\n  required_plugins {\n    a = { \"source\" = \"h/n/a\" }\n  }\n}\nvariable \"x\" {}\n";
        assert_eq!(read("x.pkr.hcl", hcl).unwrap(), ["a h/n/a \"\"", "b h/n/b \"~> 1\""]);
        let json = r#"{"packer": [{"required_plugins": {"b": {"source": "h/n/b", "version": "1"}}}], "variable": {}}"#;
        assert_eq!(read("x.pkr.json", json).unwrap(), ["b h/n/b \"1\""]);
        assert!(read("x.pkr.hcl", "build {}\n").unwrap().is_empty());
    }

    #[test]
    fn mistakes() {
        for (text, want) in [
            ("packer {\n required_plugins {\n a = {}\n }\n}\n", "has no source"),
            ("packer {\n required_plugins {\n a = \"1.0\"\n }\n}\n", "has no source"),
            ("packer {\n required_plugins {\n a = { source = \"a\" }\n }\n}\n", "is no plugin's source"),
            (
                "packer {\n required_plugins {\n a = { source = \"h/n/a\" }\n }\n}\npacker {\n required_plugins {\n a = { source = \"h/n/b\" }\n }\n}\n",
                "names another plugin",
            ),
            ("packer {", "expected"),
        ] {
            let errors = read("x.pkr.hcl", text).unwrap_err();
            assert!(errors[0].contains(want), "{text}: {errors:?}");
        }
        assert!(read("x.txt", "").unwrap_err()[0].contains("no *.pkr.hcl"));
        assert!(plugins(Path::new("/nowhere/x.pkr.hcl")).is_err());
    }
}
