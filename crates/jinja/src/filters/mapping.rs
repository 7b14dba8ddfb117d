//! Mappings: `combine`, `dict2items` and their kin.

use super::{Call, Table, class, is_mapping, is_sequence, refuse};
use crate::Key;
use crate::eval::{Cx, fail};
use crate::val::compare::sort_by_key;
use crate::val::repr::{to_repr, to_str};
use crate::val::{Entries, R, Val};

pub(super) const TABLE: Table = &[
    ("combine", combine),
    ("dict2items", dict2items),
    ("dictsort", dictsort),
    ("items", items),
    ("items2dict", items2dict),
    ("rekey_on_member", rekey_on_member),
];

fn need_key(value: &Val) -> R<Key> {
    value.to_key().ok_or_else(|| fail(format!("unhashable type: '{}'", value.type_name())))
}

fn dict2items(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["key_name", "value_name"])?;
    if !is_mapping(&c.input) {
        return refuse(format!("dict2items requires a dictionary, got {} instead.", class(&c.input)));
    }
    let (key, value) = (Key::from(bound.text_or(0, "key")), Key::from(bound.text_or(1, "value")));
    let entry = |(k, v): (Key, Val)| Val::dict(Entries::from_iter([(key.clone(), Val::from(&k)), (value.clone(), v)]));
    Ok(Val::list(c.cx.pairs(&c.input)?.into_iter().map(entry).collect()))
}

fn items2dict(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["key_name", "value_name"])?;
    if !is_sequence(&c.input) {
        return refuse(format!("items2dict requires a list, got {} instead.", class(&c.input)));
    }
    let (key, value) = (bound.text_or(0, "key"), bound.text_or(1, "value"));
    let mut out = Entries::new();
    for item in c.items()? {
        if !is_mapping(&item) {
            return refuse(format!(
                "items2dict requires a list of dictionaries, got {} instead.",
                c.cx.text(&c.input)?
            ));
        }
        let (Some(k), Some(v)) =
            (c.cx.entry(&item, &Key::from(key.as_str()))?, c.cx.entry(&item, &Key::from(value.as_str()))?)
        else {
            return refuse(format!(
                "items2dict requires each dictionary in the list to contain the keys '{key}' and '{value}', got {} instead.",
                c.cx.text(&c.input)?
            ));
        };
        out.insert(need_key(&k)?, v);
    }
    Ok(Val::dict(out))
}

fn items(c: Call<'_, '_>) -> R {
    if !is_mapping(&c.input) {
        return refuse("Can only get item pairs from a mapping.");
    }
    Ok(Val::list(c.cx.pairs(&c.input)?.into_iter().map(|(k, v)| Val::tuple(vec![Val::from(&k), v])).collect()))
}

fn dictsort(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["case_sensitive", "by", "reverse"])?;
    let by_value = match bound.text_or(1, "key").as_str() {
        "key" => false,
        "value" => true,
        _ => return refuse("You can only sort by either \"key\" or \"value\""),
    };
    let mut keyed = Vec::new();
    for (k, v) in c.cx.pairs(&c.input)? {
        let by = if by_value { v.clone() } else { Val::from(&k) };
        let key = super::list::sort_key(c.cx, &by, bound.flag(0, false))?;
        keyed.push((key, Val::tuple(vec![Val::from(&k), v])));
    }
    sort_by_key(keyed, bound.flag(2, false)).map(Val::list)
}

/// How `combine` joins two lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListMerge {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendRp,
    PrependRp,
}

impl ListMerge {
    pub fn parse(text: &str) -> R<ListMerge> {
        Ok(match text {
            "replace" => ListMerge::Replace,
            "keep" => ListMerge::Keep,
            "append" => ListMerge::Append,
            "prepend" => ListMerge::Prepend,
            "append_rp" => ListMerge::AppendRp,
            "prepend_rp" => ListMerge::PrependRp,
            other => {
                return refuse(format!(
                    "merge_hash: 'list_merge' argument can only be equal to 'replace', 'keep', 'append', 'prepend', \
                     'append_rp' or 'prepend_rp', not '{other}'"
                ));
            }
        })
    }
}

fn combine(c: Call<'_, '_>) -> R {
    let mut args = c.args.clone();
    let recursive = args.take("recursive").is_some_and(|v| v.truth());
    let merge = match args.take("list_merge") {
        Some(v) => ListMerge::parse(&to_str(&v))?,
        None => ListMerge::Replace,
    };
    if !args.kw.is_empty() {
        return refuse("'recursive' and 'list_merge' are the only valid keyword arguments");
    }
    let mut all = Vec::new();
    for term in std::iter::once(&c.input).chain(&args.pos) {
        match term {
            list if is_sequence(list) => {
                super::list::need_list(
                    &Call { cx: c.cx, name: c.name, input: list.clone(), args: Default::default() },
                    "combine",
                )?;
                // One level: what is a list in there is no dictionary.
                let items = c.cx.each(list)?;
                all.extend(items.into_iter().filter(|i| !i.is_none() && !matches!(i.as_str(), Some("None" | "null"))));
            }
            // As in Ansible: nulls add nothing.
            other if other.is_none() || matches!(other.as_str(), Some("None" | "null")) => {}
            other => all.push(other.clone()),
        }
    }
    let mut out = Entries::new();
    for term in all {
        if !is_mapping(&term) {
            return refuse(format!(
                "failed to combine variables, expected dicts but got a '{}' and a '{}': \n{}\n{}",
                "dict",
                term.type_name(),
                "{}",
                to_repr(&c.cx.open(&term)?)
            ));
        }
        let entries: Entries = c.cx.pairs_raw(&term)?;
        out = merge_hash(c.cx, &out, &entries, recursive, merge, 0)?;
    }
    Ok(Val::dict(out))
}

/// Ansible's `merge_hash`: `y` over `x`.
pub(crate) fn merge_hash(
    cx: &Cx<'_>,
    x: &Entries,
    y: &Entries,
    recursive: bool,
    lists: ListMerge,
    depth: u32,
) -> R<Entries> {
    if depth > 100 {
        return refuse("the mappings are nested too deeply");
    }
    if x.is_empty() {
        return Ok(y.clone());
    }
    if !recursive && lists == ListMerge::Replace {
        return Ok(crate::eval::ops::merged(x, y));
    }
    let mut out = x.clone();
    for (key, new) in y {
        let Some(old) = x.get(key) else {
            out.insert(key.clone(), new.clone());
            continue;
        };
        let (old, new) = (cx.resolve(old.clone())?, cx.resolve(new.clone())?);
        let joined = match (&old, &new) {
            (Val::Dict(a), Val::Dict(b)) if recursive => {
                Val::dict(merge_hash(cx, &a.entries(), &b.entries(), true, lists, depth + 1)?)
            }
            (Val::List(a), Val::List(b)) => {
                let (a, b) = (a.items(), b.items());
                let without = |from: &[Val], other: &[Val]| -> R<Vec<Val>> {
                    let mut kept = Vec::new();
                    for v in from {
                        let opened = cx.open(v)?;
                        let mut inside = false;
                        for o in other {
                            inside |= crate::val::compare::equal(&opened, &cx.open(o)?);
                        }
                        if !inside {
                            kept.push(v.clone());
                        }
                    }
                    Ok(kept)
                };
                match lists {
                    ListMerge::Replace => new.clone(),
                    ListMerge::Keep => old.clone(),
                    ListMerge::Append => Val::list([&a[..], &b[..]].concat()),
                    ListMerge::Prepend => Val::list([&b[..], &a[..]].concat()),
                    ListMerge::AppendRp => Val::list([&without(&a, &b)?[..], &b[..]].concat()),
                    ListMerge::PrependRp => Val::list([&b[..], &without(&a, &b)?[..]].concat()),
                }
            }
            _ => new.clone(),
        };
        out.insert(key.clone(), joined);
    }
    Ok(out)
}

impl Cx<'_> {
    /// The entries of a mapping, not rendered.
    pub fn pairs_raw(&self, value: &Val) -> R<Entries> {
        match value {
            Val::Dict(d) => Ok((*d.entries()).clone()),
            other => Ok(self.pairs(other)?.into_iter().collect()),
        }
    }
}

fn rekey_on_member(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["key", "duplicates"])?;
    let key = c.cx.text(bound.need(0)?)?;
    let duplicates = bound.text_or(1, "error");
    if duplicates != "error" && duplicates != "overwrite" {
        return refuse(format!("duplicates parameter to rekey_on_member has unknown value {duplicates}"));
    }
    let elements: Vec<Val> = if is_mapping(&c.input) {
        c.cx.pairs(&c.input)?.into_iter().map(|(_, v)| v).collect()
    } else if is_sequence(&c.input) {
        c.items()?
    } else {
        return refuse("Type is not a valid list, set, or dict");
    };
    let mut out = Entries::new();
    for item in elements {
        if !is_mapping(&item) {
            return refuse("List item is not a valid dict");
        }
        let Some(value) = c.cx.entry(&item, &Key::from(key.as_str()))? else {
            return refuse(format!("Key {} was not found.", to_repr(&Val::str(key.as_str()))));
        };
        let new = need_key(&value)?;
        if duplicates == "error" && out.contains_key(&new) {
            return refuse(format!("Key {} is not unique, cannot convert to dict.", to_repr(&value)));
        }
        out.insert(new, item);
    }
    Ok(Val::dict(out))
}
