//! The evaluator's values: Python's, as far as a template can see them.
//!
//! A [`Val`] made from a variable is lazy: its containers are the raw ones and their template strings are rendered when they
//! are fetched (`Cx::resolve`). Containers are shared and can be changed in place, as in Python (`list.append`).

pub(crate) mod compare;
mod container;
pub(crate) mod repr;

use crate::{Key, Str, TemplateError, Value};
pub(crate) use container::{Dict, Entries, List};
use std::sync::Arc;

use crate::eval::object::Object;

/// The evaluator's result.
pub(crate) type R<T = Val> = Result<T, TemplateError>;

/// A value inside of a template.
#[derive(Clone)]
pub(crate) enum Val {
    /// Something undefined: the error that using it raises.
    Marker(Arc<TemplateError>),
    /// `None`.
    None,
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Integer beyond 64 bits.
    Big(i128),
    /// Floating point.
    Float(f64),
    /// Text. With `template` set and template marks inside it has not been rendered yet.
    Str(Str),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// List.
    List(List),
    /// Tuple.
    Tuple(Arc<Vec<Val>>),
    /// Mapping.
    Dict(Dict),
    /// Anything with behaviour: functions, loops, dates, ranges.
    Obj(Arc<dyn Object>),
    /// An encrypted scalar.
    Vault(Str),
    /// `omit`.
    Omit,
}

impl Val {
    /// Text that is data.
    pub fn str(text: impl Into<Arc<str>>) -> Val {
        Val::Str(Str { text: text.into(), template: false, span: None })
    }

    /// A new list.
    pub fn list(items: Vec<Val>) -> Val {
        Val::List(List::new(items))
    }

    /// A new list of texts.
    pub fn strs<S: Into<Arc<str>>>(items: impl IntoIterator<Item = S>) -> Val {
        Val::list(items.into_iter().map(Val::str).collect())
    }

    /// A tuple.
    pub fn tuple(items: Vec<Val>) -> Val {
        Val::Tuple(Arc::new(items))
    }

    /// A new mapping.
    pub fn dict(entries: Entries) -> Val {
        Val::Dict(Dict::new(entries))
    }

    /// An object.
    pub fn obj(object: impl Object + 'static) -> Val {
        Val::Obj(Arc::new(object))
    }

    /// The smallest integer type that holds it.
    pub fn int(i: i128) -> Val {
        i64::try_from(i).map_or(Val::Big(i), Val::Int)
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Val::Str(s) => Some(&s.text),
            _ => None,
        }
    }

    /// Python's `int` and `bool`.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Val::Bool(b) => Some(i128::from(*b)),
            Val::Int(i) => Some(i128::from(*i)),
            Val::Big(i) => Some(*i),
            _ => None,
        }
    }

    /// Python's numbers as a float.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Val::Float(f) => Some(*f),
            other => other.as_int().map(|i| i as f64),
        }
    }

    /// The error that using it raises, if it is undefined.
    pub fn marker(&self) -> Option<&Arc<TemplateError>> {
        match self {
            Val::Marker(error) => Some(error),
            _ => None,
        }
    }

    /// `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Val::None)
    }

    /// Python's truth. Undefined values are the caller's matter.
    pub fn truth(&self) -> bool {
        match self {
            Val::Marker(_) | Val::None => false,
            Val::Bool(b) => *b,
            Val::Int(i) => *i != 0,
            Val::Big(i) => *i != 0,
            Val::Float(f) => *f != 0.0,
            Val::Str(s) => !s.text.is_empty(),
            Val::Bytes(b) => !b.is_empty(),
            Val::List(l) => l.len() > 0,
            Val::Tuple(t) => !t.is_empty(),
            Val::Dict(d) => d.len() > 0,
            Val::Obj(o) => o.truth(),
            Val::Vault(_) | Val::Omit => true,
        }
    }

    /// The name of the type as Python says it, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Val::Marker(_) => "UndefinedMarker",
            Val::None => "NoneType",
            Val::Bool(_) => "bool",
            Val::Int(_) | Val::Big(_) => "int",
            Val::Float(_) => "float",
            Val::Str(_) => "str",
            Val::Bytes(_) => "bytes",
            Val::List(_) => "list",
            Val::Tuple(_) => "tuple",
            Val::Dict(_) => "dict",
            Val::Obj(o) => o.type_name(),
            Val::Vault(_) => "EncryptedString",
            Val::Omit => "_OmitType",
        }
    }

    /// As a mapping's key. Tuples and containers can't be one here.
    pub fn to_key(&self) -> Option<Key> {
        Some(match self {
            Val::None => Key::Null,
            Val::Bool(b) => Key::Bool(*b),
            Val::Int(i) => Key::Int(*i),
            Val::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => Key::Int(*f as i64),
            Val::Float(f) => Key::Float(f.to_bits()),
            Val::Str(s) => Key::Str(s.text.clone()),
            _ => return None,
        })
    }
}

impl From<&Key> for Val {
    fn from(key: &Key) -> Val {
        match key {
            Key::Str(s) => Val::str(s.clone()),
            Key::Int(i) => Val::Int(*i),
            Key::Bool(b) => Val::Bool(*b),
            Key::Float(bits) => Val::Float(f64::from_bits(*bits)),
            Key::Null => Val::None,
        }
    }
}

/// Cheap: containers stay as they are and are opened when something is fetched from them.
impl From<Value> for Val {
    fn from(value: Value) -> Val {
        match value {
            Value::Null => Val::None,
            Value::Bool(b) => Val::Bool(b),
            Value::Int(i) => Val::Int(i),
            Value::BigInt(i) => Val::int(i),
            Value::Float(f) => Val::Float(f),
            Value::Str(s) => Val::Str(s),
            Value::Moment(m) => crate::filters::time::moment(m),
            Value::Bytes(b) => Val::Bytes(b),
            Value::List(l) => Val::List(List::raw(l)),
            Value::Map(m) => Val::Dict(Dict::raw(m)),
            Value::Vault(s) => Val::Vault(s),
            Value::Omit => Val::Omit,
        }
    }
}

impl From<&str> for Val {
    fn from(s: &str) -> Val {
        Val::str(s)
    }
}
impl From<String> for Val {
    fn from(s: String) -> Val {
        Val::str(s)
    }
}
impl From<bool> for Val {
    fn from(b: bool) -> Val {
        Val::Bool(b)
    }
}
impl From<i64> for Val {
    fn from(i: i64) -> Val {
        Val::Int(i)
    }
}
impl From<usize> for Val {
    fn from(i: usize) -> Val {
        Val::Int(i as i64)
    }
}
impl From<f64> for Val {
    fn from(f: f64) -> Val {
        Val::Float(f)
    }
}
