//! How deep renderings may nest, and stack for them.

use crate::val::R;
use crate::{ErrorKind, TemplateError};
use std::cell::Cell;

thread_local! {
    /// Renderings inside of each other on this thread, lookups that render included.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Counts one level until it is dropped.
pub(crate) struct Deeper(());

impl Drop for Deeper {
    fn drop(&mut self) {
        DEPTH.with(|d| d.set(d.get().saturating_sub(1)));
    }
}

/// One level deeper, or an error past `most`.
pub(crate) fn deeper(most: u32) -> R<Deeper> {
    DEPTH.with(|d| {
        if d.get() >= most {
            return Err(TemplateError::new(
                ErrorKind::Recursion,
                format!("Recursive loop detected in template: more than {most} levels"),
            ));
        }
        d.set(d.get() + 1);
        Ok(Deeper(()))
    })
}

/// Runs `f` with enough stack: expressions and templates nest as deep as the limits allow.
pub(crate) fn with_stack<T>(f: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(256 << 10, 2 << 20, f)
}
