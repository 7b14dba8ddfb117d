//! Modules of the user (`library/`): read here, run on the host by the agent's `_custom`, which needs nothing but what the
//! module itself needs. Python modules get the classes they import from `ansible.module_utils.basic` along.

use super::{Call, Problem, refuse};
use crate::exec::result::Res;
use crate::target::Content;
use base64::Engine;
use imgbuild_jinja::Value;
use serde_json::{Map as Json, Value as JsonValue};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Parts of `ansible.module_utils` that the agent brings along.
const BROUGHT: &[&str] = &["basic", "_text", "common.text.converters"];

/// How a module wants its arguments.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    Python,
    WantJson,
    JsonArgs,
    Old,
    Binary,
}

impl Style {
    fn of(module: &[u8]) -> Self {
        let has = |what: &str| module.windows(what.len()).any(|w| w == what.as_bytes());
        if std::str::from_utf8(module).is_err() || module.contains(&0) {
            Style::Binary
        } else if has("ansible.module_utils") || has("ansible_collections.") {
            Style::Python
        } else if has("<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>") {
            Style::JsonArgs
        } else if has("WANT_JSON") {
            Style::WantJson
        } else {
            Style::Old
        }
    }

    fn name(self) -> &'static str {
        match self {
            Style::Python => "python",
            Style::WantJson => "want_json",
            Style::JsonArgs => "json_args",
            Style::Old => "old",
            Style::Binary => "binary",
        }
    }
}

/// What a Python text imports from `ansible.module_utils`, as dotted paths below it.
fn imports(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    // Names in parentheses may go on over lines.
    let joined = text.replace("\\\n", " ");
    let mut rest = joined.lines();
    while let Some(line) = rest.next() {
        let line = line.trim().split(" #").next().unwrap_or_default();
        if let Some(path) = line.strip_prefix("import ansible.module_utils.") {
            out.push(path.split([' ', ',']).next().unwrap_or_default().to_owned());
        } else if let Some(path) = line.strip_prefix("from ansible.module_utils.") {
            let (path, names) = path.split_once(" import ").unwrap_or((path, ""));
            let _ = names;
            out.push(path.trim().to_owned());
        } else if let Some(names) = line.strip_prefix("from ansible.module_utils import ") {
            let mut names = names.to_owned();
            while names.contains('(') && !names.contains(')') {
                let Some(next) = rest.next() else { break };
                names.push_str(next);
            }
            let names = names.replace(['(', ')'], " ");
            out.extend(names.split(',').filter_map(|n| n.split_whitespace().next().map(str::to_owned)));
        }
    }
    out
}

/// The helper of this dotted path in one of the folders: its place below `module_utils`, and the file.
fn helper(folders: &[PathBuf], dotted: &str) -> Option<(String, PathBuf)> {
    let mut path = dotted.replace('.', "/");
    loop {
        for file in [format!("{path}.py"), format!("{path}/__init__.py")] {
            if let Some(found) = folders.iter().map(|f| f.join(&file)).find(|p| p.is_file()) {
                return Some((file, found));
            }
        }
        // The last part may be a name inside the file.
        path.truncate(path.rfind('/')?);
    }
}

/// Helpers by their place below `module_utils`.
type Helpers = BTreeMap<String, Vec<u8>>;

/// The helpers that a module needs, and the first import that only ansible-core has.
fn helpers(text: &str, folders: &[PathBuf]) -> std::io::Result<(Helpers, Option<String>)> {
    let (mut files, mut library) = (Helpers::new(), None);
    let mut queue = imports(text);
    while let Some(dotted) = queue.pop() {
        if BROUGHT.contains(&dotted.as_str()) {
            continue;
        }
        match helper(folders, &dotted) {
            Some((place, file)) if !files.contains_key(&place) => {
                let bytes = fs_err::read(&file)?;
                queue.extend(imports(&String::from_utf8_lossy(&bytes)));
                // The packages above it.
                for (at, _) in place.match_indices('/') {
                    files.entry(format!("{}/__init__.py", &place[..at])).or_insert_with(Vec::new);
                }
                files.insert(place, bytes);
            }
            Some(_) => {}
            None => library = Some(format!("ansible.module_utils.{dotted}")),
        }
    }
    Ok((files, library))
}

/// Runs the module on the host.
pub async fn run(call: &Call<'_>, path: &Path) -> Result<Res, Problem> {
    let (args, content) = prepare(call, path)?;
    call.module("_custom", args, Some(content)).await
}

/// What the agent's `_custom` wants to know of a module, and the module.
pub fn prepare(call: &Call<'_>, path: &Path) -> Result<(Json<String, JsonValue>, Content), Problem> {
    let module = fs_err::read(path).map_err(|e| refuse(e.to_string()))?;
    let mut style = Style::of(&module);
    let text = String::from_utf8_lossy(&module);
    let shebang = text.lines().next().filter(|l| l.starts_with("#!") && style != Style::Binary);
    let mut args: Json<String, JsonValue> = Json::new();
    for (key, value) in &call.args {
        if !matches!(value, Value::Omit) {
            args.insert(key.to_string(), value.to_json());
        }
    }
    let verbosity = call.run.engine.settings.verbosity;
    for (key, value) in [
        ("_ansible_check_mode", JsonValue::from(call.check)),
        ("_ansible_diff", call.diff.into()),
        ("_ansible_verbosity", verbosity.into()),
        ("_ansible_no_log", call.no_log.into()),
        ("_ansible_debug", false.into()),
        ("_ansible_module_name", call.action.name.clone().into()),
    ] {
        args.insert(key.into(), value);
    }
    let mut outer = Json::new();
    outer.insert("name".into(), call.action.written.clone().into());
    let is_py = path.extension().is_some_and(|e| e == "py");
    outer.insert("shebang".into(), shebang.unwrap_or(if is_py { "#!/usr/bin/python" } else { "" }).into());
    if style == Style::Python && !shebang.is_none_or(|s| s.contains("python")) {
        // Text in another language that only speaks of Ansible's Python classes.
        style = if text.contains("WANT_JSON") { Style::WantJson } else { Style::Old };
    }
    match style {
        Style::Python => {
            let near = path.parent().and_then(Path::parent).map(|p| p.join("module_utils"));
            let beside = call.run.search_path(call.task).into_iter().map(|p| p.join("module_utils"));
            let folders: Vec<PathBuf> = near.into_iter().chain(beside).collect();
            let (files, library) = helpers(&text, &folders).map_err(|e| refuse(e.to_string()))?;
            let files: Json<String, JsonValue> = files
                .into_iter()
                .map(|(place, bytes)| (place, base64::engine::general_purpose::STANDARD.encode(bytes).into()))
                .collect();
            outer.insert("files".into(), files.into());
            outer.insert("library".into(), library.unwrap_or_default().into());
        }
        Style::Old => {
            let words = args.iter().map(|(k, v)| {
                let value = match v {
                    JsonValue::String(s) => s.clone(),
                    JsonValue::Bool(b) => if *b { "True" } else { "False" }.to_owned(),
                    JsonValue::Null => "None".to_owned(),
                    other => other.to_string(),
                };
                format!("{k}={}", super::raw::quote(&value))
            });
            outer.insert("text".into(), words.collect::<Vec<_>>().join(" ").into());
        }
        _ => {}
    }
    outer.insert("style".into(), style.name().into());
    outer.insert("args".into(), args.into());
    if let Some(python) = call.var_there("ansible_python_interpreter")?.map(|v| crate::text::of(&v))
        && !python.starts_with("auto")
    {
        outer.insert("python".into(), python.into());
    }
    Ok((outer, Content::Bytes(module.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_and_imports() {
        for (text, want) in [
            (&b"#!/usr/bin/python\nfrom ansible.module_utils.basic import *\n"[..], Style::Python),
            (b"#!/bin/sh\n# WANT_JSON\n", Style::WantJson),
            (b"#!/bin/sh\necho '<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>'\n", Style::JsonArgs),
            (b"#!/bin/sh\n", Style::Old),
            (b"\x7fELF\0\0", Style::Binary),
        ] {
            assert_eq!(Style::of(text), want);
        }
        let text = "from ansible.module_utils.basic import AnsibleModule\nimport ansible.module_utils.six as six\n\
                    from ansible.module_utils import (one,\n    two as t)\nfrom ansible.module_utils.a.b import c\n";
        assert_eq!(imports(text), ["basic", "six", "one", "two", "a.b"]);
    }

    #[test]
    fn helpers_of_helpers() {
        let dir = tempfile::tempdir().unwrap();
        let utils = dir.path().join("module_utils");
        std::fs::create_dir_all(utils.join("deep")).unwrap();
        std::fs::write(utils.join("one.py"), "from ansible.module_utils.deep.two import x\n").unwrap();
        std::fs::write(utils.join("deep/two.py"), "x = 1\n").unwrap();
        let (files, library) =
            helpers("from ansible.module_utils.one import y\n", std::slice::from_ref(&utils)).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["deep/__init__.py", "deep/two.py", "one.py"]);
        assert_eq!(library, None);
        let (_, library) = helpers("from ansible.module_utils.urls import open_url\n", &[utils]).unwrap();
        assert_eq!(library.as_deref(), Some("ansible.module_utils.urls"));
    }
}
