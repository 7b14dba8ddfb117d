//! Python's methods of text, lists, mappings, numbers and bytes.

pub(crate) mod dict;
pub(crate) mod format;
mod list;
mod scalar;
pub(crate) mod str;

use crate::eval::object::Object;
use crate::eval::{Args, Cx};
use crate::val::{R, Val};
use std::any::Any;

/// Whether a value has a method of this name.
pub(crate) fn exists(value: &Val, name: &str) -> bool {
    match value {
        Val::Str(_) => str::NAMES.contains(&name),
        Val::List(_) => list::NAMES.contains(&name),
        Val::Tuple(_) => matches!(name, "count" | "index"),
        Val::Dict(_) => dict::NAMES.contains(&name),
        Val::Bytes(_) => matches!(name, "decode" | "hex"),
        Val::Float(_) => matches!(name, "is_integer" | "hex"),
        Val::Int(_) | Val::Big(_) | Val::Bool(_) => scalar::INT_NAMES.contains(&name),
        _ => false,
    }
}

/// Calls a method. `None`: there is none of this name.
pub(crate) fn call(cx: &Cx<'_>, value: &Val, name: &str, args: &Args) -> Option<R> {
    match value {
        Val::Str(s) => str::call(cx, &s.text, name, args),
        Val::List(l) => list::call(cx, l, name, args),
        Val::Tuple(t) => list::call_tuple(cx, t, name, args),
        Val::Dict(d) => dict::call(cx, value, d, name, args),
        Val::Obj(o) => o.method(cx, name, args),
        other => scalar::call(other, name, args),
    }
}

/// Attributes that are no methods.
pub(crate) fn property(value: &Val, name: &str) -> Option<Val> {
    match (value, name) {
        (Val::Int(_) | Val::Big(_) | Val::Bool(_) | Val::Float(_), "real") => Some(value.clone()),
        (Val::Int(_) | Val::Big(_) | Val::Bool(_), "imag") => Some(Val::Int(0)),
        (Val::Int(_) | Val::Big(_) | Val::Bool(_), "numerator") => Some(value.clone()),
        (Val::Int(_) | Val::Big(_) | Val::Bool(_), "denominator") => Some(Val::Int(1)),
        (Val::Float(_), "imag") => Some(Val::Float(0.0)),
        _ => None,
    }
}

/// A method without its call: `{{ text.upper }}`.
pub(crate) struct Bound {
    pub value: Val,
    pub name: String,
}

impl Object for Bound {
    fn type_name(&self) -> &'static str {
        "builtin_function_or_method"
    }
    fn str(&self) -> String {
        format!("<built-in method {} of {} object>", self.name, self.value.type_name())
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, cx: &Cx<'_>, args: Args) -> R {
        call(cx, &self.value, &self.name, &args).unwrap_or(Ok(Val::None))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
