//! The values that playbooks are made of.

use crate::Moment;
use imgbuild_diag::Span;
use indexmap::IndexMap;
use std::fmt;
use std::sync::Arc;

/// A string, where it was written, and whether it may be rendered as a template.
///
/// Only text from the user's own files (playbooks, roles, inventories, extra variables) is a template. Text from hosts, from
/// lookups and from templates' results is data, whatever it looks like: it is never rendered again (ansible-core 2.19,
/// "trusted as template").
#[derive(Clone, PartialEq)]
pub struct Str {
    /// The text.
    pub text: Arc<str>,
    /// May be rendered. `false` for `!unsafe` and everything from outside.
    pub template: bool,
    /// Where it was written, for messages.
    pub span: Option<Span>,
}

/// A mapping in the order in which it was written.
pub type Map = IndexMap<Key, Value>;

/// A mapping's key. YAML allows more than strings: `80: http` has an integer key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// Text.
    Str(Arc<str>),
    /// Integer.
    Int(i64),
    /// Boolean.
    Bool(bool),
    /// Floating point, by its bits.
    Float(u64),
    /// Null.
    Null,
}

/// A value of a playbook, an inventory, a variable or a module's result. Cloning is cheap.
#[derive(Clone, PartialEq, Default)]
pub enum Value {
    /// `null`, `~`, nothing.
    #[default]
    Null,
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Integer beyond 64 bits, as Python has them.
    BigInt(i128),
    /// Floating point.
    Float(f64),
    /// Text.
    Str(Str),
    /// A date, with or without a time.
    Moment(Moment),
    /// Bytes that are no text.
    Bytes(Arc<[u8]>),
    /// List.
    List(Arc<Vec<Value>>),
    /// Mapping.
    Map(Arc<Map>),
    /// A `!vault` scalar that has not been decrypted yet: its envelope text.
    Vault(Str),
    /// Ansible's `omit`: an argument with this value is left out.
    Omit,
}

/// The key of the mapping that stands for an undefined value; no file can hold it.
const UNDEFINED: &str = "\0undefined";

impl Value {
    /// Text that is data.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Value::Str(Str { text: text.into(), template: false, span: None })
    }

    /// Text that may be rendered.
    pub fn template(text: impl Into<Arc<str>>, span: Option<Span>) -> Self {
        Value::Str(Str { text: text.into(), template: true, span })
    }

    /// What a lookup that takes undefined values gets in the place of one: what is said of it.
    pub fn undefined(message: &str) -> Self {
        Value::map(Map::from_iter([(Key::from(UNDEFINED), Value::str(message))]))
    }

    /// What is said of a value that [`Value::undefined`] made.
    pub fn as_undefined(&self) -> Option<&str> {
        match self {
            Value::Map(map) if map.len() == 1 => map.get(&Key::from(UNDEFINED))?.as_str(),
            _ => None,
        }
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Self {
        Value::List(Arc::new(items))
    }

    /// A mapping.
    pub fn map(map: Map) -> Self {
        Value::Map(Arc::new(map))
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(&s.text),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(l) => Some(l),
            _ => None,
        }
    }

    /// An entry of a mapping by a string key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map().and_then(|m| m.get(&Key::from(key)))
    }

    /// Where it was written, as far as it is known: a string's own place, or that of the first string inside.
    pub fn span(&self) -> Option<&Span> {
        match self {
            Value::Str(s) | Value::Vault(s) => s.span.as_ref(),
            Value::List(l) => l.iter().find_map(Value::span),
            Value::Map(m) => m.values().find_map(Value::span),
            _ => None,
        }
    }

    /// Python's truth of the value.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Null | Value::Omit => false,
            Value::Bool(b) => *b,
            Value::Int(i) => *i != 0,
            Value::BigInt(i) => *i != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(s) | Value::Vault(s) => !s.text.is_empty(),
            Value::Moment(_) => true,
            Value::Bytes(b) => !b.is_empty(),
            Value::List(l) => !l.is_empty(),
            Value::Map(m) => !m.is_empty(),
        }
    }

    /// From JSON. `template` says whether its strings may be rendered (extra variables: yes; results of modules: no).
    pub fn from_json(json: serde_json::Value, template: bool) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(b),
            Json::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Value::Int(i),
                (None, Some(u)) => Value::BigInt(i128::from(u)),
                _ => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(s) => Value::Str(Str { text: s.into(), template, span: None }),
            Json::Array(a) => Value::list(a.into_iter().map(|v| Value::from_json(v, template)).collect()),
            Json::Object(o) => {
                Value::map(o.into_iter().map(|(k, v)| (Key::from(k), Value::from_json(v, template))).collect())
            }
        }
    }

    /// To JSON: keys become text as Python's `json.dumps` writes them, bytes become text, `omit` becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Value::Null | Value::Omit => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(i) => Json::from(*i),
            Value::BigInt(i) => u64::try_from(*i).map(Json::from).unwrap_or_else(|_| Json::from(*i as f64)),
            Value::Float(f) => Json::from(*f),
            Value::Str(s) | Value::Vault(s) => Json::String(s.text.to_string()),
            Value::Moment(m) => Json::String(m.isoformat()),
            Value::Bytes(b) => Json::String(String::from_utf8_lossy(b).into_owned()),
            Value::List(l) => Json::Array(l.iter().map(Value::to_json).collect()),
            Value::Map(m) => Json::Object(m.iter().map(|(k, v)| (k.to_string(), v.to_json())).collect()),
        }
    }
}

impl From<&str> for Key {
    fn from(s: &str) -> Self {
        Key::Str(s.into())
    }
}

impl From<String> for Key {
    fn from(s: String) -> Self {
        Key::Str(s.into())
    }
}

/// As Python's `json.dumps` writes a key.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Str(s) => f.write_str(s),
            Key::Int(i) => write!(f, "{i}"),
            Key::Bool(b) => write!(f, "{b}"),
            Key::Float(bits) => write!(f, "{}", f64::from_bits(*bits)),
            Key::Null => f.write_str("null"),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// As JSON, for test output.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Omit => f.write_str("omit"),
            Value::Vault(_) => f.write_str("!vault"),
            other => write!(f, "{}", other.to_json()),
        }
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}
impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::str(v)
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::str(v)
    }
}
