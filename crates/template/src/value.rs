//! The value tree that both front ends make of a file: what was written, and where.
//!
//! It knows no option names and renders nothing; a number is kept as JSON and HCL give it to a plugin, as a double.

use imgbuild_diag::Span;
use indexmap::IndexMap;
use std::fmt;

/// A value and the place where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where: for a string its literal with the quotes.
    pub span: Span,
}

/// What can be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string, escapes resolved, template expressions not.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// An object, in the order of the file.
    Map(Map),
}

/// An object: keys in the order of the file.
pub type Map = IndexMap<String, Entry>;

/// One value of an object and the place of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where the key was written.
    pub key: Span,
    /// The value.
    pub node: Node,
}

/// A decoded value that remembers its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Spanned { value, span }
    }

    /// The same place, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl Node {
    /// A value with its place.
    pub fn new(value: Value, span: Span) -> Self {
        Node { value, span }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// A scalar as text; what a list or an object is called.
    pub fn written(&self) -> String {
        match &self.value {
            Value::Bool(b) => b.to_string(),
            Value::Number(n) => number_text(*n),
            Value::String(s) => s.clone(),
            _ => self.kind().to_owned(),
        }
    }

    /// The value without places, keys in order: equal for values that are equal.
    pub fn outline(&self) -> serde_json::Value {
        use serde_json::json;
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => json!(b),
            Value::Number(n) => json!(number_text(*n)),
            Value::String(s) => json!(s),
            Value::List(list) => list.iter().map(Node::outline).collect(),
            Value::Map(map) => {
                json!(map.iter().map(|(k, e)| (k, e.node.outline())).collect::<std::collections::BTreeMap<_, _>>())
            }
        }
    }

    /// What it is called in messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }
}

/// A number as Go's `strconv.FormatFloat(f, 'f', -1, 64)` writes it: the shortest digits that read back the same, no exponent.
pub fn number_text(number: f64) -> String {
    // Rust's Display for f64 follows the same rule; only negative zero differs from what a person would write.
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::number_text;

    #[test]
    fn numbers_have_no_exponent() {
        for (number, text) in
            [(40.0, "40"), (1.5, "1.5"), (1e21, "1000000000000000000000"), (1e-7, "0.0000001"), (-3.0, "-3")]
        {
            assert_eq!(number_text(number), text);
        }
    }
}
