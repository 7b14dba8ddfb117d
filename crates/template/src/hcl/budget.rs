//! How much the expressions of one configuration may do and make. Each small step can double what the one before made, so the size of
//! a single result is no bound: what counts is the sum. Packer has no such bounds; it takes all memory instead.

use super::value::{Data, Value};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Steps of evaluation: expressions, rounds of loops.
const STEPS: u64 = 500_000;
/// Elements of all lists and objects that are made, those inside of others counted with each.
const ELEMENTS: u64 = 500_000;
/// Bytes of all texts that are made.
const BYTES: u64 = 64 << 20;
/// Lists in lists in lists: what goes through a value does so recursively.
const DEPTH: u32 = 500;

/// What is left. One configuration shares it; each read of a plugin's options has its own.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: AtomicU64,
    elements: AtomicU64,
    bytes: AtomicU64,
}

/// The size of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) elements: u64,
    pub(crate) bytes: u64,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Budget { steps: STEPS.into(), elements: ELEMENTS.into(), bytes: BYTES.into() }
    }

    /// What a person may want to see.
    pub(crate) fn shown() -> Self {
        Budget { steps: 0.into(), elements: 20_000.into(), bytes: (4 << 20).into() }
    }

    /// Takes steps. Once they don't suffice nothing is left.
    pub(crate) fn step(&self, amount: u64) -> bool {
        let left = self.steps.load(Relaxed);
        self.steps.store(left.saturating_sub(amount), Relaxed);
        amount <= left
    }

    /// Takes what a text needs.
    pub(crate) fn text(&self, bytes: usize) -> bool {
        self.take(Size { elements: 0, bytes: bytes as u64 })
    }

    /// Takes what a value needs that was made.
    pub(crate) fn value(&self, value: &Value) -> bool {
        self.measure(std::slice::from_ref(value)).is_some_and(|size| self.take(size))
    }

    fn take(&self, size: Size) -> bool {
        let (elements, bytes) = (self.elements.load(Relaxed), self.bytes.load(Relaxed));
        if size.elements > elements || size.bytes > bytes {
            return false;
        }
        self.elements.store(elements - size.elements, Relaxed);
        self.bytes.store(bytes - size.bytes, Relaxed);
        true
    }

    /// The size of values together; none if it is more than what is left, which is as far as they are gone through.
    pub(crate) fn measure(&self, values: &[Value]) -> Option<Size> {
        let left = Size { elements: self.elements.load(Relaxed), bytes: self.bytes.load(Relaxed) };
        let mut size = Size::default();
        values.iter().all(|value| add(value, &mut size, left, 0)).then_some(size)
    }
}

/// Adds a value; whether it is still within the limits.
fn add(value: &Value, size: &mut Size, limit: Size, depth: u32) -> bool {
    match value.data() {
        Data::String(text) => size.bytes += text.len() as u64,
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
            size.elements += elements.len() as u64;
            let fits = depth < DEPTH && size.elements <= limit.elements;
            return fits && elements.iter().all(|element| add(element, size, limit, depth + 1));
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            size.elements += entries.len() as u64;
            let fits = depth < DEPTH && size.elements <= limit.elements;
            return fits
                && entries.iter().all(|(key, element)| {
                    size.bytes += key.len() as u64;
                    add(element, size, limit, depth + 1)
                });
        }
        _ => {}
    }
    size.bytes <= limit.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_counts_at_every_depth() {
        let budget = Budget::new();
        let pair = Value::tuple(vec![Value::string("ab"), Value::int(1)]);
        let object = Value::object([("key", pair.clone()), ("k", Value::null())]);
        assert_eq!(budget.measure(&[pair]), Some(Size { elements: 2, bytes: 2 }));
        assert_eq!(budget.measure(&[object]), Some(Size { elements: 4, bytes: 6 }));
        // Doubled without end, but nothing that would be is gone through to its end.
        let mut value = Value::tuple(Vec::new());
        for _ in 0..100 {
            value = Value::tuple(vec![value.clone(), value]);
        }
        assert_eq!(budget.measure(&[value]), None);
        let mut deep = Value::int(1);
        for _ in 0..=DEPTH {
            deep = Value::tuple(vec![deep]);
        }
        assert!(!budget.value(&deep));
    }

    #[test]
    fn what_fails_takes_nothing() {
        let budget = Budget::new();
        assert!(!budget.text(BYTES as usize + 1));
        assert!(budget.text(BYTES as usize));
        assert!(!budget.text(1));
        assert!(budget.step(STEPS) && !budget.step(1));
    }
}
