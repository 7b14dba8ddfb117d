//! Lists: order, ends, sums, groups, combinations.

use super::select::path;
use super::{Call, Table, class, is_sequence, refuse};
use crate::eval::object::{Object, Op};
use crate::eval::{Cx, fail, int, ops, undefined};
use crate::val::compare::{equal, order, sort_by_key};
use crate::val::repr::to_repr;
use crate::val::{R, Val};
use std::any::Any;
use std::cmp::Ordering;

pub(super) const TABLE: Table = &[
    ("batch", batch),
    ("combinations", combinations),
    ("count", length),
    ("extract", extract),
    ("first", first),
    ("flatten", flatten),
    ("groupby", groupby),
    ("join", join),
    ("last", last),
    ("length", length),
    ("list", list),
    ("max", extreme),
    ("min", extreme),
    ("permutations", permutations),
    ("product", product),
    ("reverse", reverse),
    ("slice", slice),
    ("sort", sort),
    ("subelements", subelements),
    ("sum", sum),
    ("unique", unique),
    ("zip", zip),
    ("zip_longest", zip),
];

/// Results with more items than this are refused.
const MOST: usize = 2_000_000;

fn list(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    Ok(Val::list(c.items()?))
}

fn length(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    Ok(Val::from(c.cx.len(&c.input)?))
}

fn first(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    if let Val::List(l) = &c.input {
        return Ok(c.cx.at(l, 0)?.unwrap_or_else(|| undefined("No first item, sequence was empty.", None)));
    }
    let items = c.cx.items(&c.input)?;
    Ok(items.into_iter().next().unwrap_or_else(|| undefined("No first item, sequence was empty.", None)))
}

fn last(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    let empty = || undefined("No last item, sequence was empty.", None);
    if let Val::List(l) = &c.input {
        return match l.len().checked_sub(1) {
            Some(i) => Ok(c.cx.at(l, i)?.unwrap_or_else(empty)),
            None => Ok(empty()),
        };
    }
    Ok(c.cx.items(&c.input)?.pop().unwrap_or_else(empty))
}

fn join(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["d", "attribute"])?;
    let separator = bound.get(0).map(|v| c.cx.text(v)).transpose()?.unwrap_or_default();
    let mut out = String::new();
    for (i, item) in c.items()?.iter().enumerate() {
        let item = match bound.some(1) {
            Some(attribute) => crate::eval::access::defined(path(c.cx, item, attribute, None)?)?,
            None => item.clone(),
        };
        if i > 0 {
            out.push_str(&separator);
        }
        out.push_str(&c.cx.text(&item)?);
        ops::checked_len(c.cx, out.len())?;
    }
    Ok(Val::str(out))
}

fn reverse(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    match &c.input {
        Val::Str(s) => Ok(Val::str(s.text.chars().rev().collect::<String>())),
        other => {
            let mut items = c.cx.items(other).map_err(|_| fail("argument must be iterable"))?;
            items.reverse();
            Ok(Val::list(items))
        }
    }
}

/// What Jinja compares in sorts: lower case where case does not count.
pub(crate) fn sort_key(cx: &Cx<'_>, value: &Val, case_sensitive: bool) -> R {
    let value = crate::eval::access::defined(cx.open(value)?)?;
    Ok(match &value {
        Val::Str(s) if !case_sensitive => Val::str(s.text.to_lowercase()),
        _ => value,
    })
}

fn sort(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["reverse", "case_sensitive", "attribute"])?;
    let case = bound.flag(1, false);
    let mut keyed = Vec::new();
    for item in c.items()? {
        let key = match bound.some(2) {
            None => sort_key(c.cx, &item, case)?,
            Some(attributes) => {
                // Several attributes, separated by commas, are compared one after the other.
                let attributes = match attributes {
                    Val::Str(s) => s.text.split(',').map(|a| Val::str(a.trim())).collect(),
                    other => vec![other.clone()],
                };
                let keys = attributes.iter().map(|a| sort_key(c.cx, &path(c.cx, &item, a, None)?, case));
                Val::list(keys.collect::<R<_>>()?)
            }
        };
        keyed.push((key, item));
    }
    c.cx.spend(keyed.len())?;
    sort_by_key(keyed, bound.flag(0, false)).map(Val::list)
}

fn extreme(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["case_sensitive", "attribute"])?;
    let wanted = if c.name == "max" { Ordering::Greater } else { Ordering::Less };
    let mut best: Option<(Val, Val)> = None;
    for item in c.items()? {
        let value = match bound.some(1) {
            Some(attribute) => path(c.cx, &item, attribute, None)?,
            None => item.clone(),
        };
        let key = sort_key(c.cx, &value, bound.flag(0, false))?;
        let better = match &best {
            None => true,
            Some((than, _)) => order(&key, than, if c.name == "max" { ">" } else { "<" })? == Some(wanted),
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(|| undefined("No aggregated item, sequence was empty.", None), |(_, item)| item))
}

fn sum(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["attribute", "start"])?;
    let mut total = bound.get(1).cloned().unwrap_or(Val::Int(0));
    for item in c.items()? {
        let item = match bound.some(0) {
            Some(attribute) => crate::eval::access::defined(path(c.cx, &item, attribute, None)?)?,
            None => item,
        };
        total = ops::math(c.cx, Op::Add, &total, &item)?;
    }
    Ok(total)
}

fn unique(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["case_sensitive", "attribute"])?;
    // Ansible's default, unlike Jinja's, is to tell upper from lower case where Jinja can't be used.
    let case = bound.some(0).map(Val::truth).unwrap_or(false);
    let mut seen = super::sets::Seen::default();
    let mut out = Vec::new();
    let exact = bound.some(0).is_some_and(|case| !case.truth()) || bound.some(1).is_some();
    if exact && c.items()?.iter().any(|item| bound.some(1).is_none() && matches!(item, Val::Dict(_) | Val::List(_))) {
        return Err(fail(
            "Jinja2's unique filter failed and we cannot fall back to Ansible's version as it does not support the parameters supplied.",
        ));
    }
    for item in c.items()? {
        let value = match bound.some(1) {
            Some(attribute) => crate::eval::access::defined(path(c.cx, &item, attribute, None)?)?,
            None => item.clone(),
        };
        if seen.insert(&sort_key(c.cx, &value, case)?) {
            out.push(item);
        }
    }
    Ok(Val::list(out))
}

fn batch(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["linecount", "fill_with"])?;
    let n = usize::try_from(int(bound.need(0)?)?)
        .ok()
        .filter(|n| *n > 0 && *n < MOST)
        .ok_or_else(|| fail("linecount must be positive"))?;
    let items = c.items()?;
    let rows = items.chunks(n).map(|row| {
        let mut row = row.to_vec();
        if let Some(fill) = bound.some(1) {
            row.resize(n, fill.clone());
        }
        Val::list(row)
    });
    Ok(Val::list(rows.collect()))
}

fn slice(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["slices", "fill_with"])?;
    let n = usize::try_from(int(bound.need(0)?)?)
        .ok()
        .filter(|n| *n > 0 && *n < MOST)
        .ok_or_else(|| fail("slices must be positive"))?;
    let items = c.items()?;
    let (each, extra) = (items.len() / n, items.len() % n);
    let mut rest = items.as_slice();
    let mut out = Vec::new();
    for i in 0..n {
        let (row, more) = rest.split_at(each + usize::from(i < extra));
        rest = more;
        let mut row = row.to_vec();
        if let Some(fill) = bound.some(1).filter(|_| i >= extra) {
            row.push(fill.clone());
        }
        out.push(Val::list(row));
    }
    Ok(Val::list(out))
}

/// A group of `groupby`: a pair whose parts have names.
struct Group {
    grouper: Val,
    list: Val,
}

impl Object for Group {
    fn type_name(&self) -> &'static str {
        "GroupTuple"
    }
    fn str(&self) -> String {
        format!("({}, {})", to_repr(&self.grouper), to_repr(&self.list))
    }
    fn len(&self) -> Option<usize> {
        Some(2)
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        match name {
            "grouper" => Some(Ok(self.grouper.clone())),
            "list" => Some(Ok(self.list.clone())),
            _ => None,
        }
    }
    fn item(&self, _: &Cx<'_>, key: &Val) -> Option<R> {
        match key.as_int()? {
            0 | -2 => Some(Ok(self.grouper.clone())),
            1 | -1 => Some(Ok(self.list.clone())),
            _ => None,
        }
    }
    fn iter(&self, _: &Cx<'_>) -> Option<R<Vec<Val>>> {
        Some(Ok(vec![self.grouper.clone(), self.list.clone()]))
    }
    fn equal(&self, other: &Val) -> bool {
        match other {
            Val::Tuple(t) => t.len() == 2 && equal(&t[0], &self.grouper) && equal(&t[1], &self.list),
            other => crate::eval::object::downcast::<Group>(other)
                .is_some_and(|o| equal(&o.grouper, &self.grouper) && equal(&o.list, &self.list)),
        }
    }
    fn store(&self, cx: &Cx<'_>) -> Option<R<crate::Value>> {
        Some(cx.finish(&Val::list(vec![self.grouper.clone(), self.list.clone()])))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn groupby(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["attribute", "default", "case_sensitive"])?;
    let (attribute, case) = (bound.need(0)?, bound.flag(2, false));
    let mut keyed = Vec::new();
    for item in c.items()? {
        let value = crate::eval::access::defined(path(c.cx, &item, attribute, bound.get(1))?)?;
        keyed.push((sort_key(c.cx, &value, case)?, Val::tuple(vec![value, item])));
    }
    let mut groups: Vec<(Val, Val, Vec<Val>)> = Vec::new();
    for pair in sort_by_key(keyed, false)? {
        let Val::Tuple(pair) = pair else { continue };
        let key = sort_key(c.cx, &pair[0], case)?;
        match groups.last_mut() {
            Some((k, _, items)) if equal(k, &key) => items.push(pair[1].clone()),
            _ => groups.push((key, pair[0].clone(), vec![pair[1].clone()])),
        }
    }
    Ok(Val::list(
        groups.into_iter().map(|(_, grouper, items)| Val::obj(Group { grouper, list: Val::list(items) })).collect(),
    ))
}

fn flatten(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["levels", "skip_nulls"])?;
    let levels = bound.some(0).map(int).transpose()?;
    let mut out = Vec::new();
    flatten_into(c.cx, &c.input, levels, bound.flag(1, true), &mut out, 0)?;
    Ok(Val::list(out))
}

fn flatten_into(cx: &Cx<'_>, list: &Val, levels: Option<i64>, skip: bool, out: &mut Vec<Val>, depth: u32) -> R<()> {
    if depth > 200 {
        return refuse("the list is nested too deeply");
    }
    for item in cx.each(list)? {
        let null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        if skip && null {
            continue;
        }
        match levels {
            _ if !is_sequence(&item) => out.push(item),
            Some(n) if n < 1 => out.push(item),
            levels => flatten_into(cx, &item, levels.map(|n| n - 1), skip, out, depth + 1)?,
        }
    }
    Ok(())
}

fn lists(c: &Call<'_, '_>, others: &[Val]) -> R<Vec<Vec<Val>>> {
    std::iter::once(&c.input).chain(others).map(|l| c.cx.each(l)).collect()
}

fn zip(c: Call<'_, '_>) -> R {
    let lists = lists(&c, &c.args.pos)?;
    let lengths = lists.iter().map(Vec::len);
    if c.name == "zip" {
        if let Some((name, _)) = c.args.kw.iter().find(|(n, _)| &**n != "strict") {
            return refuse(format!("zip() got an unexpected keyword argument '{name}'"));
        }
        let n = lengths.clone().min().unwrap_or(0);
        if c.args.kw("strict").is_some_and(Val::truth) && lengths.clone().any(|l| l != n) {
            return refuse("zip() arguments have different lengths");
        }
        return Ok(Val::list((0..n).map(|i| Val::tuple(lists.iter().map(|l| l[i].clone()).collect())).collect()));
    }
    if let Some((name, _)) = c.args.kw.iter().find(|(n, _)| &**n != "fillvalue") {
        return refuse(format!("zip_longest() got an unexpected keyword argument '{name}'"));
    }
    let fill = c.args.kw("fillvalue").cloned().unwrap_or(Val::None);
    let n = lengths.max().unwrap_or(0);
    let row = |i: usize| Val::tuple(lists.iter().map(|l| l.get(i).unwrap_or(&fill).clone()).collect());
    Ok(Val::list((0..n).map(row).collect()))
}

fn product(c: Call<'_, '_>) -> R {
    let repeat = match c.args.kw("repeat") {
        Some(n) => usize::try_from(int(n)?).unwrap_or(0),
        None => 1,
    };
    let one = lists(&c, &c.args.pos)?;
    let mut rows: Vec<Vec<Val>> = vec![Vec::new()];
    for list in std::iter::repeat_n(&one, repeat).flatten() {
        if rows.len().saturating_mul(list.len()) > MOST {
            return refuse("the product has too many items");
        }
        rows = rows
            .iter()
            .flat_map(|row| list.iter().map(move |v| [row.as_slice(), std::slice::from_ref(v)].concat()))
            .collect();
        c.cx.spend(rows.len())?;
    }
    Ok(Val::list(rows.into_iter().map(Val::tuple).collect()))
}

fn combinations(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["r"])?;
    let items = c.items()?;
    let r = usize::try_from(int(bound.need(0)?)?).map_err(|_| fail("r must be non-negative"))?;
    let count = (0..r.min(items.len())).fold(1f64, |n, i| n * (items.len() - i) as f64 / (i + 1) as f64);
    if count > MOST as f64 {
        return refuse("there are too many combinations");
    }
    c.cx.spend(count as usize)?;
    let mut out = Vec::new();
    let mut chosen: Vec<usize> = (0..r).collect();
    while r <= items.len() {
        out.push(Val::tuple(chosen.iter().map(|i| items[*i].clone()).collect()));
        let Some(at) = (0..r).rev().find(|i| chosen[*i] != i + items.len() - r) else { break };
        chosen[at] += 1;
        for i in at + 1..r {
            chosen[i] = chosen[i - 1] + 1;
        }
    }
    Ok(Val::list(out))
}

fn permutations(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["r"])?;
    let items = c.items()?;
    let r = match bound.some(0) {
        Some(r) => usize::try_from(int(r)?).map_err(|_| fail("r must be non-negative"))?,
        None => items.len(),
    };
    let count = (0..r.min(items.len())).fold(1f64, |n, i| n * (items.len() - i) as f64);
    if count > MOST as f64 {
        return refuse("there are too many permutations");
    }
    c.cx.spend(count as usize)?;
    let mut out = Vec::new();
    if r <= items.len() {
        permute(&items, r, &mut Vec::new(), &mut vec![false; items.len()], &mut out);
    }
    Ok(Val::list(out))
}

fn permute(items: &[Val], r: usize, row: &mut Vec<Val>, used: &mut [bool], out: &mut Vec<Val>) {
    if row.len() == r {
        out.push(Val::tuple(row.clone()));
        return;
    }
    for i in 0..items.len() {
        if !used[i] {
            used[i] = true;
            row.push(items[i].clone());
            permute(items, r, row, used, out);
            row.pop();
            used[i] = false;
        }
    }
}

/// `index | extract(container, morekeys)`.
fn extract(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["container", "morekeys"])?;
    let mut at = c.cx.item(bound.need(0)?, &c.input)?;
    match bound.some(1) {
        None => {}
        Some(more) if is_sequence(more) => {
            for key in c.cx.each(more)? {
                at = c.cx.item(&at, &key)?;
            }
        }
        Some(key) => at = c.cx.item(&at, key)?,
    }
    Ok(at)
}

fn subelements(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["subelements", "skip_missing"])?;
    let elements = match &c.input {
        Val::Dict(_) => c.cx.pairs(&c.input)?.into_iter().map(|(_, v)| v).collect(),
        list if is_sequence(list) => c.items()?,
        _ => return refuse("obj must be a list of dicts or a nested dict"),
    };
    let keys: Vec<Val> = match bound.need(0)? {
        Val::Str(s) => s.text.split('.').map(Val::str).collect(),
        list if is_sequence(list) => c.cx.each(list)?,
        _ => return refuse("subelements must be a list or a string"),
    };
    let mut out = Vec::new();
    for element in elements {
        let mut at = element.clone();
        let mut missing = false;
        for key in &keys {
            if !matches!(at, Val::Dict(_)) {
                return refuse(format!(
                    "the key {} should point to a dictionary, got '{}'",
                    c.cx.text(key)?,
                    c.cx.text(&at)?
                ));
            }
            let found = key.to_key().map(|k| c.cx.entry(&at, &k)).transpose()?.flatten();
            match found {
                Some(found) => at = crate::eval::access::defined(found)?,
                None if bound.flag(1, false) => {
                    missing = true;
                    break;
                }
                None => {
                    return refuse(format!(
                        "could not find {} key in iterated item {}",
                        to_repr(key),
                        to_repr(&c.cx.open(&at)?)
                    ));
                }
            }
        }
        if missing {
            continue;
        }
        if !matches!(at, Val::List(_)) {
            let last = keys.last().map(to_repr).unwrap_or_default();
            return refuse(format!("the key {last} should point to a list, got {}", to_repr(&c.cx.open(&at)?)));
        }
        for value in c.cx.each(&at)? {
            out.push(Val::tuple(vec![element.clone(), value]));
        }
    }
    Ok(Val::list(out))
}

/// For filters of other families that take a list only.
pub(super) fn need_list(c: &Call<'_, '_>, what: &str) -> R<Vec<Val>> {
    if !is_sequence(&c.input) {
        return refuse(format!("{what} requires a list, got {} instead.", class(&c.input)));
    }
    c.items()
}
