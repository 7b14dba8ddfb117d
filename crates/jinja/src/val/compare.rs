//! Python's `==`, `<` and `in`.

use super::{R, Val};
use crate::{ErrorKind, TemplateError};
use std::cmp::Ordering;

/// `a == b`. Values must be resolved; strings inside containers that are still templates compare as they are written, so
/// callers resolve deeply first (`Cx::open`).
pub(crate) fn equal(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::None, Val::None) | (Val::Omit, Val::Omit) => true,
        (Val::Str(a), Val::Str(b)) => a.text == b.text,
        (Val::Bytes(a), Val::Bytes(b)) => a == b,
        (Val::List(a), Val::List(b)) => a.same(b) || equal_items(&a.items(), &b.items()),
        (Val::Tuple(a), Val::Tuple(b)) => equal_items(a, b),
        (Val::Dict(a), Val::Dict(b)) => {
            if a.same(b) {
                return true;
            }
            let left = a.entries();
            left.len() == b.len() && left.iter().all(|(k, v)| b.get(k).is_some_and(|w| equal(v, &w)))
        }
        (Val::Obj(a), b) => a.equal(b),
        (a, Val::Obj(b)) => b.equal(a),
        _ => numbers(a, b) == Some(Ordering::Equal),
    }
}

fn equal_items(a: &[Val], b: &[Val]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
}

/// The order of two numbers, exact for integers beyond 2^53.
fn numbers(a: &Val, b: &Val) -> Option<Ordering> {
    match (a.as_int(), b.as_int()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_float()?.partial_cmp(&b.as_float()?),
    }
}

/// The order of `a` and `b`, as `<` sees it; an error where Python has none. `op` is the operator for the message.
pub(crate) fn order(a: &Val, b: &Val, op: &str) -> R<Option<Ordering>> {
    let found = match (a, b) {
        (Val::Str(a), Val::Str(b)) => Some(a.text.as_ref().cmp(b.text.as_ref())),
        (Val::Bytes(a), Val::Bytes(b)) => Some(a.cmp(b)),
        (Val::List(a), Val::List(b)) => return order_items(&a.items(), &b.items(), op),
        (Val::Tuple(a), Val::Tuple(b)) => return order_items(a, b, op),
        (Val::Obj(x), y) => match x.order(y) {
            Some(found) => Some(found),
            None => return Err(unordered(a, b, op)),
        },
        _ => match (a.as_float(), b.as_float()) {
            (Some(_), Some(_)) => numbers(a, b),
            _ => return Err(unordered(a, b, op)),
        },
    };
    Ok(found)
}

fn order_items(a: &[Val], b: &[Val], op: &str) -> R<Option<Ordering>> {
    for (x, y) in a.iter().zip(b) {
        if !equal(x, y) {
            return order(x, y, op);
        }
    }
    Ok(Some(a.len().cmp(&b.len())))
}

fn unordered(a: &Val, b: &Val, op: &str) -> TemplateError {
    TemplateError::new(
        ErrorKind::Value,
        format!("'{op}' not supported between instances of '{}' and '{}'", a.type_name(), b.type_name()),
    )
}

/// Python's `sorted` by keys: stable, and an error where two keys have no order. A merge sort of our own, because the standard
/// library may panic on orders that are not total (NaN, lists of mixed types).
pub(crate) fn sort_by_key(items: Vec<(Val, Val)>, reverse: bool) -> R<Vec<Val>> {
    let mut less = |a: &(Val, Val), b: &(Val, Val)| {
        let (a, b) = if reverse { (b, a) } else { (a, b) };
        order(&a.0, &b.0, "<").map(|o| o == Some(Ordering::Less))
    };
    Ok(merge_sort(items, &mut less)?.into_iter().map(|(_, v)| v).collect())
}

/// Sorts stably by `less(later, earlier)`.
fn merge_sort<T>(mut items: Vec<T>, less: &mut impl FnMut(&T, &T) -> R<bool>) -> R<Vec<T>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let right = items.split_off(items.len() / 2);
    let mut left = merge_sort(items, less)?.into_iter().peekable();
    let mut right = merge_sort(right, less)?.into_iter().peekable();
    let mut out = Vec::with_capacity(left.len() + right.len());
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        if less(r, l)? {
            out.extend(right.next());
        } else {
            out.extend(left.next());
        }
    }
    out.extend(left);
    out.extend(right);
    Ok(out)
}
