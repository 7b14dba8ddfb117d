//! Modules of the user (`library/`) and of installed collections: read here, run on the host by the agent's `_custom`, which needs
//! nothing but what the module itself needs. Python modules get the helpers that they import along.

use super::{Call, Problem, refuse};
use crate::exec::result::Res;
use crate::python::{Sources, library};
use crate::target::Content;
use base64::Engine;
use imgbuild_jinja::{Key, Value};
use serde_json::{Map as Json, Value as JsonValue};
use std::path::Path;

/// The version of ansible-core that modules are told of.
const ANSIBLE: &str = "2.19.14";

/// The key under which the agent hands on the digits of an integer.
const INTEGER: &str = "!int";

/// How a module wants its arguments.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    Python,
    WantJson,
    JsonArgs,
    Old,
    Binary,
}

/// Whether a module of a collection imports the helpers that stand beside it (`from ..module_utils.x import y`).
fn imports_beside(module: &[u8]) -> bool {
    let text = String::from_utf8_lossy(module);
    text.lines().any(|line| line.trim_start().starts_with("from .") && line.contains("module_utils"))
}

impl Style {
    fn of(module: &[u8]) -> Self {
        let has = |what: &str| module.windows(what.len()).any(|w| w == what.as_bytes());
        if std::str::from_utf8(module).is_err() || module.contains(&0) {
            Style::Binary
        } else if has("ansible.module_utils") || has("ansible_collections.") || imports_beside(module) {
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

/// The full name of a module of a collection, from its path.
fn full_name(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.iter().filter_map(|p| p.to_str()).collect();
    let at = parts.iter().rposition(|p| *p == "ansible_collections")?;
    let inside = parts[at..].join(".");
    Some(inside.strip_suffix(".py").unwrap_or(&inside).to_owned())
}

/// Runs the module on the host.
pub async fn run(call: &Call<'_>, path: &Path) -> Result<Res, Problem> {
    let (args, content) = prepare(call, path)?;
    call.module("_custom", args, Some(content)).await.map(without_internals)
}

/// Integers beyond 64 bits, which the agent hands on as their digits in a mapping of one entry: up to 128 bits they are numbers.
pub fn with_integers(value: Value) -> Value {
    match &value {
        Value::Map(map) => match map.get(&Key::from(INTEGER)).filter(|_| map.len() == 1) {
            Some(digits) => {
                let digits = crate::text::of(digits);
                digits.parse().map_or_else(|_| Value::str(digits), Value::BigInt)
            }
            None => Value::map(map.iter().map(|(k, v)| (k.clone(), with_integers(v.clone()))).collect()),
        },
        Value::List(items) => Value::list(items.iter().cloned().map(with_integers).collect()),
        _ => value,
    }
}

/// A result without what only concerns modules themselves, wherever it stands in it (`strip_internal_keys`).
pub fn without_internals(res: Res) -> Res {
    fn clean(value: &Value) -> Value {
        match value {
            Value::Map(map) => Value::map(
                map.iter()
                    .filter(|(k, _)| !k.to_string().starts_with("_ansible_"))
                    .map(|(k, v)| (k.clone(), clean(v)))
                    .collect(),
            ),
            Value::List(items) => Value::list(items.iter().map(clean).collect()),
            other => other.clone(),
        }
    }
    res.into_iter().map(|(key, value)| (key, clean(&value))).collect()
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
        ("_ansible_version", ANSIBLE.into()),
        ("_ansible_shell_executable", "/bin/sh".into()),
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
            let full = full_name(path);
            let near = path.parent().and_then(Path::parent).map(|p| p.join("module_utils")).filter(|_| full.is_none());
            let named = call.run.engine.settings.module_utils_paths.iter().cloned();
            let beside = call.run.search_path(call.task).into_iter().map(|p| p.join("module_utils"));
            let collections = call.run.collections();
            let sources =
                Sources { folders: near.into_iter().chain(named).chain(beside).collect(), collections: &collections };
            let package = full.as_deref().and_then(|f| f.rsplit_once('.')).map_or("", |(package, _)| package);
            let files = sources.closure(&text, package).map_err(|e| refuse(e.to_string()))?;
            outer.insert("runner".into(), library::RUN.into());
            let short = call.action.name.rsplit('.').next().unwrap_or_default();
            outer.insert("full".into(), full.unwrap_or_else(|| format!("ansible.legacy.{short}")).into());
            let files: Json<String, JsonValue> = files
                .into_iter()
                .map(|(place, bytes)| (place, base64::engine::general_purpose::STANDARD.encode(bytes).into()))
                .collect();
            outer.insert("files".into(), files.into());
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
    fn styles_and_names() {
        for (text, want) in [
            (&b"#!/usr/bin/python\nfrom ansible.module_utils.basic import *\n"[..], Style::Python),
            (b"#!/bin/sh\n# WANT_JSON\n", Style::WantJson),
            (b"#!/bin/sh\necho '<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>'\n", Style::JsonArgs),
            (b"#!/usr/bin/python\nfrom ..module_utils.api import Module\n", Style::Python),
            (b"#!/bin/sh\n", Style::Old),
            (b"\x7fELF\0\0", Style::Binary),
        ] {
            assert_eq!(Style::of(text), want);
        }
        assert_eq!(
            full_name(Path::new("/x/ansible_collections/a/b/plugins/modules/sub/m.py")).as_deref(),
            Some("ansible_collections.a.b.plugins.modules.sub.m")
        );
        assert_eq!(full_name(Path::new("/x/library/m.py")), None);
    }
}
