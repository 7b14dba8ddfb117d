//! Comparisons and sets.

use super::{Call, Table};
use crate::filters::is_sequence;
use crate::val::compare::{equal, order};
use crate::val::{R, Val};
use std::cmp::Ordering;

pub(super) const TABLE: Table = &[
    ("!=", |c| same(&c).map(|b| !b)),
    ("<", |c| ordered(&c)),
    ("<=", |c| ordered(&c)),
    ("==", |c| same(&c)),
    (">", |c| ordered(&c)),
    (">=", |c| ordered(&c)),
    ("all", |c| each(&c).map(|all| all.iter().all(Val::truth))),
    ("any", |c| each(&c).map(|all| all.iter().any(Val::truth))),
    ("contains", contains),
    ("eq", |c| same(&c)),
    ("equalto", |c| same(&c)),
    ("ge", |c| ordered(&c)),
    ("greaterthan", |c| ordered(&c)),
    ("gt", |c| ordered(&c)),
    ("in", inside),
    ("issubset", |c| subset(&c, false)),
    ("issuperset", |c| subset(&c, true)),
    ("le", |c| ordered(&c)),
    ("lessthan", |c| ordered(&c)),
    ("lt", |c| ordered(&c)),
    ("ne", |c| same(&c).map(|b| !b)),
    ("sameas", sameas),
    ("subset", |c| subset(&c, false)),
    ("superset", |c| subset(&c, true)),
];

fn pair(c: &Call<'_, '_>) -> R<(Val, Val)> {
    let bound = c.args.bind(["other"])?;
    Ok((c.cx.open(&c.input)?, c.cx.open(bound.need(0)?)?))
}

fn same(c: &Call<'_, '_>) -> R<bool> {
    pair(c).map(|(a, b)| equal(&a, &b))
}

fn ordered(c: &Call<'_, '_>) -> R<bool> {
    let (a, b) = pair(c)?;
    let sign = match c.name {
        "lt" | "lessthan" | "<" => "<",
        "le" | "<=" => "<=",
        "gt" | "greaterthan" | ">" => ">",
        _ => ">=",
    };
    let found = order(&a, &b, sign)?;
    Ok(match sign {
        "<" => found == Some(Ordering::Less),
        "<=" => matches!(found, Some(Ordering::Less | Ordering::Equal)),
        ">" => found == Some(Ordering::Greater),
        _ => matches!(found, Some(Ordering::Greater | Ordering::Equal)),
    })
}

fn each(c: &Call<'_, '_>) -> R<Vec<Val>> {
    c.args.bind::<0>([])?;
    c.cx.each(&c.input)
}

fn inside(c: Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(["seq"])?;
    crate::eval::contains(c.cx, bound.need(0)?, &c.input)
}

fn contains(c: Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(["value"])?;
    crate::eval::contains(c.cx, &c.input, bound.need(0)?)
}

fn subset(c: &Call<'_, '_>, flip: bool) -> R<bool> {
    let bound = c.args.bind(["b"])?;
    let (small, large) = if flip { (bound.need(0)?, &c.input) } else { (&c.input, bound.need(0)?) };
    let (_, inside) = crate::filters::set_of(c.cx, large)?;
    let (items, _) = crate::filters::set_of(c.cx, small)?;
    Ok(items.iter().all(|v| inside.contains(v)))
}

/// Python's `is`: for values that are shared, the same object; for scalars, the same value and type.
fn sameas(c: Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(["other"])?;
    Ok(match (&c.input, bound.need(0)?) {
        (Val::List(a), Val::List(b)) => a.same(b),
        (Val::Dict(a), Val::Dict(b)) => a.same(b),
        (a, b) if is_sequence(a) || is_sequence(b) => false,
        (a, b) => a.type_name() == b.type_name() && equal(a, b),
    })
}
