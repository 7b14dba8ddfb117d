//! Values with behaviour: functions, macros, loops, ranges, dates, networks.

use super::{Args, Cx};
use crate::Value;
use crate::val::{R, Val};
use std::any::Any;
use std::cmp::Ordering;

/// Operators that an object may take part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

impl Op {
    pub fn sign(self) -> &'static str {
        match self {
            Op::Add => "+",
            Op::Sub => "-",
            Op::Mul => "*",
            Op::Div => "/",
            Op::FloorDiv => "//",
            Op::Mod => "%",
            Op::Pow => "** or pow()",
        }
    }
}

/// A value with behaviour. The defaults say "has none".
pub(crate) trait Object: Any + Send + Sync {
    /// Python's type name.
    fn type_name(&self) -> &'static str;
    /// Python's `str()`.
    fn str(&self) -> String {
        format!("<{}>", self.type_name())
    }
    /// Python's `repr()`.
    fn repr(&self) -> String {
        self.str()
    }
    /// Python's truth.
    fn truth(&self) -> bool {
        self.len().is_none_or(|n| n > 0)
    }
    /// `len()`.
    fn len(&self) -> Option<usize> {
        None
    }
    /// An attribute.
    fn attr(&self, cx: &Cx<'_>, name: &str) -> Option<R> {
        let _ = (cx, name);
        None
    }
    /// Sets an attribute (`{% set ns.x = 1 %}`); `false`: it can't.
    fn set_attr(&self, name: &str, value: Val) -> bool {
        let _ = (name, value);
        false
    }
    /// `object[key]`.
    fn item(&self, cx: &Cx<'_>, key: &Val) -> Option<R> {
        let _ = (cx, key);
        None
    }
    /// What a loop over it yields.
    fn iter(&self, cx: &Cx<'_>) -> Option<R<Vec<Val>>> {
        let _ = cx;
        None
    }
    /// `key in object`, where that is not a walk over `iter`.
    fn contains(&self, key: &Val) -> Option<bool> {
        let _ = key;
        None
    }
    /// A method; `None`: there is none of this name.
    fn method(&self, cx: &Cx<'_>, name: &str, args: &Args) -> Option<R> {
        let _ = (cx, name, args);
        None
    }
    /// Whether it can be called.
    fn callable(&self) -> bool {
        false
    }
    /// Calls it. Only asked of callable ones.
    fn call(&self, cx: &Cx<'_>, args: Args) -> R {
        let _ = (cx, args);
        Ok(Val::None)
    }
    /// Whether arguments that are undefined are handed to it (macros, `lookup`) instead of becoming the result.
    fn takes_markers(&self) -> bool {
        false
    }
    /// `self op other`, or `other op self` where `reflected`.
    fn operate(&self, op: Op, other: &Val, reflected: bool) -> Option<R> {
        let _ = (op, other, reflected);
        None
    }
    /// `==`.
    fn equal(&self, other: &Val) -> bool {
        let _ = other;
        false
    }
    /// `<`.
    fn order(&self, other: &Val) -> Option<Ordering> {
        let _ = other;
        None
    }
    /// As a mapping for filters that take mappings (`vars`, `hostvars`).
    fn is_mapping(&self) -> bool {
        false
    }
    /// Whether it can be printed; the reason why not.
    fn ready(&self) -> R<()> {
        Ok(())
    }
    /// What is left of it outside of templates; `None`: it can't leave.
    fn store(&self, cx: &Cx<'_>) -> Option<R<Value>> {
        let _ = cx;
        None
    }
    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

/// The object inside of a value, if it is of this type.
pub(crate) fn downcast<T: 'static>(value: &Val) -> Option<&T> {
    match value {
        Val::Obj(o) => o.as_any().downcast_ref::<T>(),
        _ => None,
    }
}
