//! Lists and mappings of `community.general`.

use super::super::{Call, Table, class, is_mapping, is_sequence, refuse};
use crate::Key;
use crate::eval::object::Op;
use crate::eval::{Cx, fail, ops};
use crate::filters::mapping::{ListMerge, merge_hash};
use crate::filters::sets::Seen;
use crate::val::compare::sort_by_key;
use crate::val::repr::{to_repr, to_str};
use crate::val::{Entries, R, Val};

pub(super) const TABLE: Table = &[
    ("accumulate", accumulate),
    ("counter", counter),
    ("dict", dict),
    ("dict_kv", dict_kv),
    ("groupby_as_dict", groupby_as_dict),
    ("lists_difference", lists),
    ("lists_intersect", lists),
    ("lists_mergeby", lists_mergeby),
    ("lists_symmetric_difference", lists),
    ("lists_union", lists),
];

fn need_key(value: &Val) -> R<Key> {
    value.to_key().ok_or_else(|| fail(format!("unhashable type: '{}'", value.type_name())))
}

fn dict(c: Call<'_, '_>) -> R {
    let mut out = Entries::new();
    for pair in c.items()? {
        let pair = c.cx.each(&pair)?;
        let [k, v] = pair.as_slice() else {
            return refuse("dictionary update sequence elements must have length 2");
        };
        out.insert(need_key(k)?, v.clone());
    }
    Ok(Val::dict(out))
}

fn dict_kv(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["key"])?;
    Ok(Val::dict(Entries::from_iter([(need_key(bound.need(0)?)?, c.input)])))
}

fn accumulate(c: Call<'_, '_>) -> R {
    let mut out: Vec<Val> = Vec::new();
    for item in c.items()? {
        let next = match out.last() {
            Some(sum) => ops::math(c.cx, Op::Add, sum, &item)?,
            None => item,
        };
        out.push(next);
    }
    Ok(Val::list(out))
}

fn counter(c: Call<'_, '_>) -> R {
    if !is_sequence(&c.input) && !matches!(c.input, Val::Str(_)) {
        return refuse(format!(
            "Argument for community.general.counter must be a sequence (string or list). {} is {}",
            to_str(&c.input),
            class(&c.input)
        ));
    }
    let mut out = Entries::new();
    for item in c.items()? {
        let key = item.to_key().ok_or_else(|| {
            fail(format!(
                "community.general.counter needs a sequence with hashable elements (int, float or str) - unhashable type: '{}'",
                item.type_name()
            ))
        })?;
        let count = out.get(&key).and_then(Val::as_int).unwrap_or(0) + 1;
        out.insert(key, Val::int(count));
    }
    Ok(Val::dict(out))
}

fn groupby_as_dict(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["attribute"])?;
    let attribute = need_key(bound.need(0)?)?;
    if !is_sequence(&c.input) {
        return refuse("Input is not a sequence");
    }
    let mut out = Entries::new();
    for (i, item) in c.items()?.into_iter().enumerate() {
        if !is_mapping(&item) {
            return refuse(format!("Sequence element #{i} is not a mapping"));
        }
        let Some(value) = c.cx.entry(&item, &attribute)? else {
            return refuse(format!("Attribute not contained in element #{i} of sequence"));
        };
        if out.insert(need_key(&value)?, item).is_some() {
            return refuse(format!("Multiple sequence entries have attribute value {}", to_repr(&value)));
        }
    }
    Ok(Val::dict(out))
}

/// The lists given: with `flatten`, lists of lists count as their lists.
fn gather(cx: &Cx<'_>, args: Vec<Val>, flatten: bool) -> R<Vec<Val>> {
    if !flatten {
        return Ok(args);
    }
    let mut out = Vec::new();
    for list in args {
        if !is_sequence(&list) {
            return refuse(format!("All arguments must be lists. {} is {}", to_str(&list), class(&list)));
        }
        let items = cx.each(&list)?;
        if items.is_empty() {
            continue;
        }
        if items.iter().all(is_sequence) { out.extend(items) } else { out.push(list) }
    }
    Ok(out)
}

fn lists(c: Call<'_, '_>) -> R {
    let mut args = c.args.clone();
    let flatten = args.take("flatten").is_some_and(|v| v.truth());
    if let Some((name, _)) = args.kw.first() {
        return refuse(format!("{}() got unexpected keywords arguments: {name}", c.name));
    }
    let mut all = vec![c.input.clone()];
    all.extend(args.pos);
    let all = gather(c.cx, all, flatten)?;
    if let [one] = all.as_slice() {
        return Ok(one.clone());
    }
    let mut lists = all.iter().map(|l| crate::filters::set_of(c.cx, l)).collect::<R<Vec<_>>>()?.into_iter();
    let Some((first, _)) = lists.next() else { return Ok(Val::list(Vec::new())) };
    let unique = |items: Vec<Val>| {
        let mut seen = Seen::default();
        items.into_iter().filter(|v| seen.insert(v)).collect::<Vec<_>>()
    };
    let mut result = if c.name == "lists_union" { first } else { unique(first) };
    for (items, inside) in lists {
        result = match c.name {
            "lists_union" => result.into_iter().chain(items).collect(),
            "lists_intersect" => result.into_iter().filter(|v| inside.contains(v)).collect(),
            "lists_difference" => result.into_iter().filter(|v| !inside.contains(v)).collect(),
            _ => {
                let mut mine = Seen::default();
                for v in &result {
                    mine.insert(v);
                }
                let theirs = unique(items);
                let mut out: Vec<Val> = result.iter().filter(|v| !inside.contains(v)).cloned().collect();
                out.extend(theirs.into_iter().filter(|v| !mine.contains(v)));
                out
            }
        };
    }
    Ok(Val::list(unique(result)))
}

fn lists_mergeby(c: Call<'_, '_>) -> R {
    let mut args = c.args.clone();
    let recursive = args.take("recursive").is_some_and(|v| v.truth());
    let merge = match args.take("list_merge") {
        Some(v) => ListMerge::parse(&to_str(&v))?,
        None => ListMerge::Replace,
    };
    let index = args.take("index");
    if let Some((name, _)) = args.kw.first() {
        return refuse(format!("unexpected keyword arguments: {name}"));
    }
    let mut terms = vec![c.input.clone()];
    terms.extend(args.pos);
    let index = match index {
        Some(index) => index,
        None if terms.len() > 1 => terms.pop().unwrap_or(Val::None),
        None => return refuse("_terms must contain at least one list and index"),
    };
    if !matches!(index, Val::Str(_)) {
        return refuse(format!(
            "First argument after the lists for lists_mergeby must be string. {} is {}",
            to_str(&index),
            class(&index)
        ));
    }
    let name = need_key(&index)?;
    let mut lists = Vec::new();
    for term in terms {
        if !is_sequence(&term) {
            return refuse(format!(
                "All arguments before the argument index for lists_mergeby must be lists. {} is {}",
                to_str(&term),
                class(&term)
            ));
        }
        let items = c.cx.each(&term)?;
        if !items.is_empty() {
            if items.iter().all(is_sequence) { lists.extend(items) } else { lists.push(term) }
        }
    }
    if let [one] = lists.as_slice() {
        return Ok(one.clone());
    }
    let mut merged: Vec<(Key, Entries)> = Vec::new();
    for list in &lists {
        for element in c.cx.each(list)? {
            if !is_mapping(&element) {
                return refuse(format!(
                    "Elements of list arguments for lists_mergeby must be dictionaries. {} is {}",
                    to_str(&element),
                    class(&element)
                ));
            }
            // Elements without the index are left out.
            let Some(key) = c.cx.entry(&element, &name)? else { continue };
            let key = need_key(&key)?;
            let entries = c.cx.pairs_raw(&element)?;
            match merged.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = merge_hash(c.cx, old, &entries, recursive, merge, 0)?,
                None => merged.push((key, entries)),
            }
        }
    }
    let keyed = merged.into_iter().map(|(k, e)| (Val::from(&k), Val::dict(e))).collect();
    sort_by_key(keyed, false).map(Val::list)
}
