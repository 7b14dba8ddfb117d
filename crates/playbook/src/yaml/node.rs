//! A YAML tree with places.

use imgbuild_diag::Span;
use imgbuild_jinja::{Key, Map, Moment, Str, Value};
use std::sync::Arc;

/// A node and where it was written.
#[derive(Debug, Clone)]
pub struct Node {
    /// The place: of a scalar its text without quotes, of a container its start.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Integer beyond 64 bits.
    BigInt(i128),
    /// Float.
    Float(f64),
    /// Text.
    Str {
        /// The text.
        text: Arc<str>,
        /// May be rendered (not `!unsafe`).
        template: bool,
        /// Written without quotes.
        plain: bool,
    },
    /// A date, with or without a time.
    Moment {
        /// As it was written.
        text: Arc<str>,
        /// What it is.
        moment: Moment,
    },
    /// `!vault`.
    Vault(Arc<str>),
    /// `!!binary`.
    Bytes(Arc<[u8]>),
    /// List.
    Seq(Arc<Vec<Node>>),
    /// Mapping, in order, duplicate keys already gone.
    Map(Arc<Vec<(Node, Node)>>),
}

impl Node {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Str { text, .. } | Kind::Moment { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The entry of a mapping by name.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// What it is, for messages, in Python's words as Ansible uses them.
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "NoneType",
            Kind::Bool(_) => "bool",
            Kind::Int(_) | Kind::BigInt(_) => "int",
            Kind::Float(_) => "float",
            Kind::Str { .. } | Kind::Vault(_) => "str",
            Kind::Moment { moment, .. } => moment.type_name(),
            Kind::Bytes(_) => "bytes",
            Kind::Seq(_) => "list",
            Kind::Map(_) => "dict",
        }
    }

    /// As a mapping's key.
    pub fn to_key(&self) -> Key {
        match &self.kind {
            Kind::Null | Kind::Seq(_) | Kind::Map(_) | Kind::Bytes(_) => Key::Null,
            Kind::Bool(b) => Key::Bool(*b),
            Kind::Int(i) => Key::Int(*i),
            Kind::BigInt(i) => Key::Str(i.to_string().into()),
            Kind::Float(f) => Key::Float(f.to_bits()),
            Kind::Str { text, .. } | Kind::Vault(text) | Kind::Moment { text, .. } => Key::Str(Arc::clone(text)),
        }
    }

    /// The text of a scalar as it would be written into a name: `80`, `True`.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Bool(b) => Some(if *b { "True" } else { "False" }.to_owned()),
            Kind::Int(i) => Some(i.to_string()),
            Kind::BigInt(i) => Some(i.to_string()),
            Kind::Float(f) => Some(format!("{f:?}")),
            Kind::Str { text, .. } | Kind::Moment { text, .. } => Some(text.to_string()),
            _ => None,
        }
    }

    /// As the value of a variable.
    pub fn to_value(&self) -> Value {
        let str = |text: &Arc<str>, template| Str { text: Arc::clone(text), template, span: Some(self.span.clone()) };
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Int(i) => Value::Int(*i),
            Kind::BigInt(i) => Value::BigInt(*i),
            Kind::Float(f) => Value::Float(*f),
            Kind::Str { text, template, .. } => Value::Str(str(text, *template)),
            Kind::Moment { moment, .. } => Value::Moment(*moment),
            Kind::Vault(text) => Value::Vault(str(text, false)),
            Kind::Bytes(bytes) => Value::Bytes(Arc::clone(bytes)),
            Kind::Seq(items) => Value::list(items.iter().map(Node::to_value).collect()),
            Kind::Map(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, value) in entries.iter() {
                    map.insert(key.to_key(), value.to_value());
                }
                Value::map(map)
            }
        }
    }

    /// A mapping as variables; anything else is none.
    pub fn to_map(&self) -> Map {
        match self.to_value() {
            Value::Map(map) => Arc::unwrap_or_clone(map),
            _ => Map::new(),
        }
    }
}
