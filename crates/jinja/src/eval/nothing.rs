//! What an inline `if` without `else` gives where its condition is false: Jinja's own `Undefined`, whatever undefined variables are
//! elsewhere. It prints as nothing, is false and empty; to fetch something from it, or to calculate with it, is an error.

use super::object::{Object, Op, downcast};
use super::{Cx, undefined};
use crate::val::{R, Val};
use std::any::Any;
use std::sync::Arc;

struct Nothing;

/// The value.
pub(crate) fn nothing() -> Val {
    Val::Obj(Arc::new(Nothing))
}

/// Whether a value is that.
pub(crate) fn is_nothing(value: &Val) -> bool {
    downcast::<Nothing>(value).is_some()
}

fn used() -> Option<R> {
    Some(Ok(undefined("the inline if-expression evaluated to false and no else section was defined.", None)))
}

impl Object for Nothing {
    fn type_name(&self) -> &'static str {
        "Undefined"
    }
    fn str(&self) -> String {
        String::new()
    }
    fn repr(&self) -> String {
        "Undefined".into()
    }
    fn len(&self) -> Option<usize> {
        Some(0)
    }
    fn attr(&self, _: &Cx<'_>, _: &str) -> Option<R> {
        used()
    }
    fn item(&self, _: &Cx<'_>, _: &Val) -> Option<R> {
        used()
    }
    fn iter(&self, _: &Cx<'_>) -> Option<R<Vec<Val>>> {
        Some(Ok(Vec::new()))
    }
    fn operate(&self, _: Op, _: &Val, _: bool) -> Option<R> {
        used()
    }
    fn equal(&self, other: &Val) -> bool {
        is_nothing(other)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
