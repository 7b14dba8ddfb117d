//! Typed access to a call's arguments. Names are checked by the controller; defaults come from the module's spec here, values
//! are turned into the type that a module asks for with Ansible's rules.

use crate::outcome::Fail;
use imgbuild_proto::spec::{self, Module};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A call's arguments.
#[derive(Debug, Clone, Default)]
pub struct Args {
    map: Map<String, Value>,
    spec: Option<&'static Module>,
    env: BTreeMap<String, String>,
}

impl Args {
    /// Wraps arguments. `env` is the call's environment (for `$VAR` in paths).
    pub fn new(module: &str, map: Map<String, Value>, env: BTreeMap<String, String>) -> Self {
        Args { map, spec: spec::module(module), env }
    }

    /// All arguments as they came.
    pub fn map(&self) -> &Map<String, Value> {
        &self.map
    }

    /// The value that was given, or the spec's default; `None` for null and absent.
    pub fn raw(&self, name: &str) -> Option<Value> {
        self.given(name).cloned().or_else(|| {
            let module = self.spec?;
            let common: &[spec::Opt] = if module.file_common { spec::FILE_COMMON } else { &[] };
            let option = module.options.iter().chain(common).find(|o| o.name == name)?;
            serde_json::from_str(option.default?).ok()
        })
    }

    /// The value that was given; `None` for null and absent.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|v| !v.is_null())
    }

    /// Text; of an option that is a path, with `~` and variables expanded.
    pub fn str(&self, name: &str) -> Option<String> {
        let value = self.raw(name).map(|v| text(&v))?;
        let is_path = self.spec.is_some_and(|m| m.options.iter().any(|o| o.name == name && o.kind == spec::Type::Path));
        Some(if is_path { self.expand(&value).to_string_lossy().into_owned() } else { value })
    }

    /// Text, empty if absent.
    pub fn text(&self, name: &str) -> String {
        self.str(name).unwrap_or_default()
    }

    /// Text that must be there.
    pub fn req(&self, name: &str) -> Result<String, Fail> {
        self.str(name).ok_or_else(|| Fail::new(format!("missing required arguments: {name}")))
    }

    /// A boolean; false if absent or no boolean.
    pub fn bool(&self, name: &str) -> bool {
        self.opt_bool(name).unwrap_or(false)
    }

    /// A boolean, if one was given or is the default.
    pub fn opt_bool(&self, name: &str) -> Option<bool> {
        self.raw(name).as_ref().and_then(boolean)
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.raw(name)? {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)),
            Value::String(s) => s.trim().parse().ok(),
            _ => None,
        }
    }

    /// A number.
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.raw(name)? {
            Value::Number(n) => n.as_f64(),
            Value::String(s) => s.trim().parse().ok(),
            _ => None,
        }
    }

    /// A list; text is split at commas. `None` if absent.
    pub fn list(&self, name: &str) -> Option<Vec<Value>> {
        self.raw(name).map(|v| match v {
            Value::Array(items) => items,
            Value::String(s) => s.split(',').map(|s| Value::String(s.trim().to_string())).collect(),
            other => vec![other],
        })
    }

    /// A list of texts; empty if absent.
    pub fn strs(&self, name: &str) -> Vec<String> {
        self.opt_strs(name).unwrap_or_default()
    }

    /// A list of texts, if given.
    pub fn opt_strs(&self, name: &str) -> Option<Vec<String>> {
        self.list(name).map(|items| items.iter().map(text).collect())
    }

    /// A path with `~`, `~user` and `$VAR` expanded.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(|v| self.expand(&text(&v)))
    }

    /// A path that must be there.
    pub fn req_path(&self, name: &str) -> Result<PathBuf, Fail> {
        self.path(name).ok_or_else(|| Fail::new(format!("missing required arguments: {name}")))
    }

    /// Expands `~`, `~user`, `$VAR` and `${VAR}` as `os.path.expanduser(os.path.expandvars())` does.
    pub fn expand(&self, path: &str) -> PathBuf {
        let path = expand_vars(path, |name| self.env.get(name).cloned().or_else(|| std::env::var(name).ok()));
        let Some(rest) = path.strip_prefix('~') else { return PathBuf::from(path) };
        let (user, rest) = rest.split_once('/').map_or((rest, None), |(u, r)| (u, Some(r)));
        let home = if user.is_empty() {
            self.env
                .get("HOME")
                .cloned()
                .or_else(|| std::env::var("HOME").ok())
                .or_else(|| crate::sys::users::user_by_id(rustix::process::geteuid().as_raw()).map(|u| u.home))
        } else {
            crate::sys::users::user_by_name(user).map(|u| u.home)
        };
        match (home, rest) {
            (Some(home), Some(rest)) => Path::new(&home).join(rest),
            (Some(home), None) => PathBuf::from(home),
            (None, _) => PathBuf::from(path),
        }
    }
}

/// A value as text: strings as they are, booleans as Python writes them, containers as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Ansible's booleans.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Number(n) => match n.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(s) => match s.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
            "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Expands `$NAME` and `${NAME}`; unknown names stay as they are.
pub fn expand_vars(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, used) = if let Some(braced) = after.strip_prefix('{') {
            match braced.find('}') {
                Some(end) => (&braced[..end], end + 2),
                None => ("", 0),
            }
        } else {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            (&after[..end], end)
        };
        match lookup(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..at + 1 + used]),
        }
        rest = &after[used..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_expand_as_pythons_do() {
        let lookup = |name: &str| (name == "A").then(|| "x".to_string());
        for (input, want) in [
            ("/$A/b", "/x/b"),
            ("${A}b", "xb"),
            ("$Ab", "$Ab"),
            ("$B", "$B"),
            ("a$", "a$"),
            ("${A", "${A"),
            ("$$A", "$x"),
        ] {
            assert_eq!(expand_vars(input, lookup), want, "{input}");
        }
    }

    #[test]
    fn defaults_come_from_the_spec() {
        let args = Args::new("copy", Map::from_iter([("force".to_string(), json!("no"))]), BTreeMap::new());
        assert!(!args.bool("force"));
        assert_eq!(args.opt_bool("backup"), Some(false));
        assert_eq!(args.str("validate"), None);
        let args = Args::new("apt", Map::from_iter([("name".to_string(), json!("a, b"))]), BTreeMap::new());
        assert_eq!(args.strs("name"), ["a", "b"]);
        assert_eq!(args.str("state").as_deref(), Some("present"));
    }
}
