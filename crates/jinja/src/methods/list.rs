//! Methods of lists and tuples.

use crate::eval::{Args, Cx, fail, int};
use crate::val::compare::{equal, sort_by_key};
use crate::val::{List, R, Val};

pub(super) const NAMES: &[&str] =
    &["append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"];

pub(super) fn call(cx: &Cx<'_>, list: &List, name: &str, args: &Args) -> Option<R> {
    NAMES.contains(&name).then(|| run(cx, list, name, args))
}

pub(super) fn call_tuple(cx: &Cx<'_>, tuple: &[Val], name: &str, args: &Args) -> Option<R> {
    matches!(name, "count" | "index").then(|| run(cx, &List::new(tuple.to_vec()), name, args))
}

/// A position to insert at, counted from the end where negative and clamped to the list.
fn clamp(i: i64, len: usize) -> usize {
    if i < 0 { len.saturating_sub(i.unsigned_abs() as usize) } else { (i as usize).min(len) }
}

fn run(cx: &Cx<'_>, list: &List, name: &str, args: &Args) -> R {
    match name {
        "append" => {
            let bound = args.bind(["object"])?;
            let value = bound.need(0)?.clone();
            cx.spend(1)?;
            list.change(|items| items.push(value));
        }
        "extend" => {
            let bound = args.bind(["iterable"])?;
            let more = cx.items(bound.need(0)?)?;
            list.change(|items| items.extend(more));
        }
        "insert" => {
            let bound = args.bind(["index", "object"])?;
            let (i, value) = (int(bound.need(0)?)?, bound.need(1)?.clone());
            list.change(|items| items.insert(clamp(i, items.len()), value));
        }
        "pop" => {
            let bound = args.bind(["index"])?;
            let (n, i) = (list.len(), bound.int_or(0, -1)?);
            if n == 0 {
                return Err(fail("pop from empty list"));
            }
            let at = if i < 0 { i + n as i64 } else { i };
            let at = usize::try_from(at).ok().filter(|at| *at < n).ok_or_else(|| fail("pop index out of range"))?;
            let found = cx.at(list, at)?.unwrap_or(Val::None);
            list.change(|items| items.remove(at));
            return Ok(found);
        }
        "remove" => {
            let bound = args.bind(["value"])?;
            let at = position(cx, list, bound.need(0)?)?.ok_or_else(|| fail("list.remove(x): x not in list"))?;
            list.change(|items| items.remove(at));
        }
        "index" => {
            let bound = args.bind(["value", "start", "stop"])?;
            let (from, to) = (clamp(bound.int_or(1, 0)?, list.len()), clamp(bound.int_or(2, i64::MAX)?, list.len()));
            let want = cx.open(bound.need(0)?)?;
            for (i, item) in cx.each(&Val::List(list.clone()))?.iter().enumerate().take(to).skip(from) {
                if equal(&cx.open(item)?, &want) {
                    return Ok(Val::from(i));
                }
            }
            return Err(fail(format!("{} is not in list", crate::val::repr::to_repr(&want))));
        }
        "count" => {
            let bound = args.bind(["value"])?;
            let want = cx.open(bound.need(0)?)?;
            let mut n = 0;
            for item in cx.each(&Val::List(list.clone()))? {
                n += i64::from(equal(&cx.open(&item)?, &want));
            }
            return Ok(Val::Int(n));
        }
        "clear" => list.change(Vec::clear),
        "copy" => return Ok(Val::list(list.items().to_vec())),
        "reverse" => list.change(|items| items.reverse()),
        _ => {
            if args.kw("key").is_some_and(|k| !k.is_none()) {
                return Err(fail("list.sort(key=…) is not available in templates; use the sort filter"));
            }
            let reverse = args.kw("reverse").is_some_and(Val::truth);
            let items = cx.each(&Val::List(list.clone()))?;
            let keyed = items.into_iter().map(|v| Ok((cx.open(&v)?, v))).collect::<R<Vec<_>>>()?;
            let sorted = sort_by_key(keyed, reverse)?;
            list.change(|items| *items = sorted);
        }
    }
    Ok(Val::None)
}

fn position(cx: &Cx<'_>, list: &List, want: &Val) -> R<Option<usize>> {
    let want = cx.open(want)?;
    for (i, item) in cx.each(&Val::List(list.clone()))?.iter().enumerate() {
        if equal(&cx.open(item)?, &want) {
            return Ok(Some(i));
        }
    }
    Ok(None)
}
