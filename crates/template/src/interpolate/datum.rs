//! Values inside a template expression, as Go's text/template sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A value inside a template expression. Maps are ordered by key, as text/template ranges over them.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// No value: a key that a map lacks.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Datum>),
    /// A map or a struct of a plugin's data. Shared: every expression is given all data.
    Map(Arc<BTreeMap<String, Datum>>),
}

impl From<&str> for Datum {
    fn from(s: &str) -> Self {
        Datum::String(s.to_owned())
    }
}

impl From<String> for Datum {
    fn from(s: String) -> Self {
        Datum::String(s)
    }
}

impl From<bool> for Datum {
    fn from(b: bool) -> Self {
        Datum::Bool(b)
    }
}

impl From<i64> for Datum {
    fn from(i: i64) -> Self {
        Datum::Int(i)
    }
}

impl From<u16> for Datum {
    fn from(i: u16) -> Self {
        Datum::Int(i.into())
    }
}

impl<T: Into<Datum>> From<Vec<T>> for Datum {
    fn from(list: Vec<T>) -> Self {
        Datum::List(list.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<String>, V: Into<Datum>> FromIterator<(K, V)> for Datum {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Datum::Map(Arc::new(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
    }
}
