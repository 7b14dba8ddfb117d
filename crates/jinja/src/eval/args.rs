//! Arguments of filters, tests, functions and methods, bound by Python's rules.

use crate::val::repr::to_str;
use crate::val::{R, Val};
use crate::{ErrorKind, TemplateError};
use std::sync::Arc;

/// Positional and keyword arguments.
#[derive(Clone, Default)]
pub(crate) struct Args {
    pub pos: Vec<Val>,
    pub kw: Vec<(Arc<str>, Val)>,
}

/// An error of kind [`ErrorKind::Value`].
pub(crate) fn fail(message: impl Into<String>) -> TemplateError {
    TemplateError::new(ErrorKind::Value, message)
}

impl Args {
    /// Binds to named parameters; all may be missing. Too many and unknown ones are errors, in Python's words.
    pub fn bind<const N: usize>(&self, names: [&str; N]) -> R<Bound<N>> {
        if self.pos.len() > N {
            return Err(fail(format!("takes at most {N} argument(s) ({} given)", self.pos.len())));
        }
        let mut values = [const { None }; N];
        for (slot, value) in values.iter_mut().zip(&self.pos) {
            *slot = Some(value.clone());
        }
        for (name, value) in &self.kw {
            let Some(i) = names.iter().position(|n| *n == &**name) else {
                return Err(fail(format!("got an unexpected keyword argument '{name}'")));
            };
            if values[i].is_some() {
                return Err(fail(format!("got multiple values for argument '{name}'")));
            }
            values[i] = Some(value.clone());
        }
        Ok(Bound { values, names: names.map(str::to_owned) })
    }

    /// A keyword argument.
    pub fn kw(&self, name: &str) -> Option<&Val> {
        self.kw.iter().find(|(n, _)| &**n == name).map(|(_, v)| v)
    }

    /// Takes a keyword argument out.
    pub fn take(&mut self, name: &str) -> Option<Val> {
        let i = self.kw.iter().position(|(n, _)| &**n == name)?;
        Some(self.kw.remove(i).1)
    }

    /// The first undefined argument.
    pub fn marker(&self) -> Option<&Val> {
        self.pos.iter().chain(self.kw.iter().map(|(_, v)| v)).find(|v| v.marker().is_some())
    }

    /// No keyword arguments are taken.
    pub fn no_kw(&self) -> R<()> {
        match self.kw.first() {
            Some((name, _)) => Err(fail(format!("got an unexpected keyword argument '{name}'"))),
            None => Ok(()),
        }
    }
}

/// Arguments bound to `N` parameters.
pub(crate) struct Bound<const N: usize> {
    pub values: [Option<Val>; N],
    names: [String; N],
}

impl<const N: usize> Bound<N> {
    /// The argument as it is.
    pub fn get(&self, i: usize) -> Option<&Val> {
        self.values.get(i).and_then(Option::as_ref)
    }

    /// The argument; missing is an error.
    pub fn need(&self, i: usize) -> R<&Val> {
        self.get(i).ok_or_else(|| fail(format!("missing 1 required positional argument: '{}'", self.names[i])))
    }

    /// The argument unless it is missing or `None`.
    pub fn some(&self, i: usize) -> Option<&Val> {
        self.get(i).filter(|v| !v.is_none())
    }

    /// Text; numbers and the like are turned into text.
    pub fn text(&self, i: usize) -> Option<String> {
        self.some(i).map(to_str)
    }

    /// Text with a default.
    pub fn text_or(&self, i: usize, default: &str) -> String {
        self.text(i).unwrap_or_else(|| default.to_owned())
    }

    /// An integer with a default.
    pub fn int_or(&self, i: usize, default: i64) -> R<i64> {
        match self.some(i) {
            None => Ok(default),
            Some(v) => {
                int(v).map_err(|_| fail(format!("'{}' must be an integer, not {}", self.names[i], v.type_name())))
            }
        }
    }

    /// Python's truth of an argument, with a default.
    pub fn flag(&self, i: usize, default: bool) -> bool {
        self.get(i).map_or(default, Val::truth)
    }
}

/// A Python `int`.
pub(crate) fn int(v: &Val) -> R<i64> {
    v.as_int()
        .and_then(|i| i64::try_from(i).ok())
        .ok_or_else(|| fail(format!("'{}' object cannot be interpreted as an integer", v.type_name())))
}
