//! What a module answers: a result object, or a failure with a message and further fields.

use serde_json::{Map, Value};
use std::fmt::Display;
use std::path::Path;

/// A module's result object, as Ansible documents it.
pub type Outcome = Map<String, Value>;

/// Why a module failed.
#[derive(Debug, Clone)]
pub struct Fail {
    /// For people: `msg` of the result.
    pub msg: String,
    /// Further fields of the result (`rc`, `stdout`, ...).
    pub fields: Outcome,
}

impl Fail {
    /// A failure with this message.
    pub fn new(msg: impl Into<String>) -> Self {
        Fail { msg: without_numbers(msg.into()), fields: Outcome::new() }
    }

    /// Adds a field of the result.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_string(), value.into());
        self
    }

    /// Adds all fields of an object.
    pub fn with_all(mut self, fields: Value) -> Self {
        if let Value::Object(fields) = fields {
            self.fields.extend(fields);
        }
        self
    }

    /// The result object.
    pub fn into_outcome(self) -> Outcome {
        let mut out = Outcome::new();
        out.insert("failed".into(), true.into());
        out.insert("changed".into(), false.into());
        out.insert("msg".into(), self.msg.into());
        out.extend(self.fields);
        out
    }
}

/// Rust adds ` (os error 2)` to the system's sentences, which says nothing more.
fn without_numbers(mut text: String) -> String {
    while let Some(start) = text.find(" (os error ") {
        let Some(end) = text[start..].find(')') else { break };
        text.replace_range(start..=start + end, "");
    }
    text
}

/// Shorthand for `Err(Fail::new(format!(...)))`.
#[macro_export]
macro_rules! fail {
    ($($arg:tt)*) => { return Err($crate::outcome::Fail::new(format!($($arg)*))) };
}

/// Shorthand for a result object: `out!{"changed": true}`.
#[macro_export]
macro_rules! out {
    ($($body:tt)*) => {
        match serde_json::json!({ $($body)* }) { serde_json::Value::Object(map) => map, _ => serde_json::Map::new() }
    };
}

/// Turns system errors into failures that say what was tried.
pub trait OrFail<T> {
    /// `what` and the error.
    fn or_fail(self, what: impl Display) -> Result<T, Fail>;
    /// `what`, the path and the error.
    fn at(self, what: &str, path: &Path) -> Result<T, Fail>;
}

impl<T, E: Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, what: impl Display) -> Result<T, Fail> {
        self.map_err(|e| Fail::new(format!("{what}: {e}")))
    }

    fn at(self, what: &str, path: &Path) -> Result<T, Fail> {
        self.map_err(|e| Fail::new(format!("{what} {}: {e}", path.display())))
    }
}
