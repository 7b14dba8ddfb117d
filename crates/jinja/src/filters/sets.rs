//! Set theory on lists: the result keeps the order of the input.

use super::{Call, Table};
use crate::Key;
use crate::eval::Cx;
use crate::val::compare::equal;
use crate::val::{R, Val};
use std::collections::HashSet;

pub(super) const TABLE: Table = &[
    ("difference", difference),
    ("intersect", intersect),
    ("symmetric_difference", symmetric_difference),
    ("union", union),
];

/// What was seen so far. Scalars are found by hash, the rest one by one.
#[derive(Default)]
pub(crate) struct Seen {
    keys: HashSet<Key>,
    others: Vec<Val>,
}

impl Seen {
    /// Python's equality makes `1`, `1.0` and `true` one key.
    fn key(value: &Val) -> Option<Key> {
        match value {
            Val::Bool(b) => Some(Key::Int(i64::from(*b))),
            other => other.to_key(),
        }
    }

    /// Whether it is new. The value must be rendered.
    pub fn insert(&mut self, value: &Val) -> bool {
        if self.contains(value) {
            return false;
        }
        match Self::key(value) {
            Some(key) => drop(self.keys.insert(key)),
            None => self.others.push(value.clone()),
        }
        true
    }

    /// Whether it was seen.
    pub fn contains(&self, value: &Val) -> bool {
        match Self::key(value) {
            Some(key) => self.keys.contains(&key),
            None => self.others.iter().any(|o| equal(o, value)),
        }
    }
}

/// Rendered items and their set.
pub(crate) fn collect(cx: &Cx<'_>, list: &Val) -> R<Collected> {
    let mut seen = Seen::default();
    let mut items = Vec::new();
    for item in cx.each(list)? {
        let item = cx.open(&item)?;
        seen.insert(&item);
        items.push(item);
    }
    Ok((items, seen))
}

fn unique(items: impl IntoIterator<Item = Val>) -> Val {
    let mut seen = Seen::default();
    Val::list(items.into_iter().filter(|v| seen.insert(v)).collect())
}

/// The items of a list, rendered, and their set.
type Collected = (Vec<Val>, Seen);

fn both(c: &Call<'_, '_>) -> R<(Collected, Collected)> {
    let bound = c.args.bind(["b"])?;
    Ok((collect(c.cx, &c.input)?, collect(c.cx, bound.need(0)?)?))
}

fn union(c: Call<'_, '_>) -> R {
    let ((a, _), (b, _)) = both(&c)?;
    Ok(unique(a.into_iter().chain(b)))
}

fn intersect(c: Call<'_, '_>) -> R {
    let ((a, _), (_, b)) = both(&c)?;
    Ok(unique(a.into_iter().filter(|v| b.contains(v))))
}

fn difference(c: Call<'_, '_>) -> R {
    let ((a, _), (_, b)) = both(&c)?;
    Ok(unique(a.into_iter().filter(|v| !b.contains(v))))
}

fn symmetric_difference(c: Call<'_, '_>) -> R {
    let ((a, in_a), (b, in_b)) = both(&c)?;
    Ok(unique(a.into_iter().filter(|v| !in_b.contains(v)).chain(b.into_iter().filter(|v| !in_a.contains(v)))))
}
