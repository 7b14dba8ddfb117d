//! `keep_keys`, `remove_keys`, `replace_keys`: on lists of mappings (`community.general`) and recursively (`ansible.utils`).

use super::super::{Call, Table, is_mapping, is_sequence, refuse};
use crate::Key;
use crate::eval::{Cx, fail};
use crate::filters::regex::{Pattern, compile};
use crate::val::repr::{key_str, to_str};
use crate::val::{Entries, R, Val};

pub(super) const GENERAL: Table =
    &[("keep_keys", general_filter), ("remove_keys", general_filter), ("replace_keys", general_replace)];
pub(super) const UTILS: Table = &[("keep_keys", keep), ("remove_keys", remove), ("replace_keys", replace)];

/// How a key is compared.
enum Match {
    Equal(String),
    Starts(String),
    Ends(String),
    Regex(Pattern),
}

impl Match {
    fn new(kind: &str, text: &str) -> R<Match> {
        Ok(match kind {
            "equal" | "equality" => Match::Equal(text.to_owned()),
            "starts_with" => Match::Starts(text.to_owned()),
            "ends_with" => Match::Ends(text.to_owned()),
            "regex" => Match::Regex(compile(text, false, false, true)?),
            other => {
                return refuse(format!(
                    "The value of matching_parameter must be one of equal, starts_with, ends_with, regex, not {other}"
                ));
            }
        })
    }

    fn hits(&self, key: &str) -> bool {
        match self {
            Match::Equal(t) => key == t,
            Match::Starts(t) => key.starts_with(t),
            Match::Ends(t) => key.ends_with(t),
            Match::Regex(r) => r.is_match(key),
        }
    }
}

fn targets(cx: &Cx<'_>, target: &Val, kind: &str) -> R<Vec<Match>> {
    match target {
        Val::Str(s) => Ok(vec![Match::new(kind, &s.text)?]),
        list if is_sequence(list) => cx.each(list)?.iter().map(|t| Match::new(kind, &to_str(t))).collect(),
        _ => refuse("The target must be a string or a list of strings"),
    }
}

fn need_dicts(c: &Call<'_, '_>) -> R<Vec<Val>> {
    if !is_sequence(&c.input) {
        return refuse("First argument must be a list of dictionaries.");
    }
    let items = c.items()?;
    match items.iter().find(|i| !is_mapping(i)) {
        Some(_) => refuse("Each element of the list must be a dictionary."),
        None => Ok(items),
    }
}

fn general_filter(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["target", "matching_parameter"])?;
    let targets = targets(c.cx, bound.need(0)?, &bound.text_or(1, "equal"))?;
    let keep = c.name == "keep_keys";
    let mut out = Vec::new();
    for item in need_dicts(&c)? {
        let entries = c.cx.pairs_raw(&item)?;
        let kept = entries.into_iter().filter(|(k, _)| targets.iter().any(|t| t.hits(&key_str(k))) == keep);
        out.push(Val::dict(kept.collect()));
    }
    Ok(Val::list(out))
}

/// `before` and `after` of each target.
fn replacements(cx: &Cx<'_>, target: &Val, kind: &str) -> R<Vec<(Match, Key)>> {
    let mut out = Vec::new();
    for entry in cx.each(target)? {
        let part = |name: &str| -> R {
            cx.entry(&entry, &Key::from(name))?.ok_or_else(|| fail(format!("each target needs '{name}'")))
        };
        let after = part("after")?.to_key().ok_or_else(|| fail("'after' must be a string"))?;
        out.push((Match::new(kind, &to_str(&part("before")?))?, after));
    }
    Ok(out)
}

fn general_replace(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["target", "matching_parameter"])?;
    let targets = replacements(c.cx, bound.need(0)?, &bound.text_or(1, "equal"))?;
    let mut out = Vec::new();
    for item in need_dicts(&c)? {
        let mut entries = Entries::new();
        for (k, v) in c.cx.pairs_raw(&item)? {
            let name = key_str(&k);
            let new = targets.iter().find(|(m, _)| m.hits(&name)).map_or(k, |(_, after)| after.clone());
            entries.insert(new, v);
        }
        out.push(Val::dict(entries));
    }
    Ok(Val::list(out))
}

fn checked(c: &Call<'_, '_>, what: &str) -> R {
    if !is_mapping(&c.input) && !is_sequence(&c.input) {
        return refuse(format!("Error when using plugin '{}': Input is not valid for {what}", c.name));
    }
    c.cx.open(&c.input)
}

fn empty(value: &Val) -> bool {
    matches!(value, Val::List(_) | Val::Dict(_)) && !value.truth()
}

fn keep(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["target", "matching_parameter"])?;
    let data = checked(&c, "keep operation")?;
    let kind = bound.text_or(1, "equality");
    let exact = targets(c.cx, bound.need(0)?, "equal")?;
    let loose = targets(c.cx, bound.need(0)?, &kind)?;
    Ok(keep_in(&data, &exact, &loose))
}

fn keep_in(data: &Val, exact: &[Match], loose: &[Match]) -> Val {
    match data {
        Val::List(l) => Val::list(l.items().iter().map(|v| keep_in(v, exact, loose)).collect()),
        Val::Dict(d) => {
            let mut out = Entries::new();
            for (k, v) in d.entries().iter() {
                let name = key_str(k);
                let container = matches!(v, Val::List(_) | Val::Dict(_));
                if exact.iter().any(|m| m.hits(&name)) || (!container && loose.iter().any(|m| m.hits(&name))) {
                    out.insert(k.clone(), v.clone());
                } else if container {
                    let inner = match keep_in(v, exact, loose) {
                        Val::List(l) => Val::list(l.items().iter().filter(|i| !empty(i)).cloned().collect()),
                        other => other,
                    };
                    if !empty(&inner) {
                        out.insert(k.clone(), inner);
                    }
                }
            }
            Val::dict(out)
        }
        other => other.clone(),
    }
}

fn remove(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["target", "matching_parameter"])?;
    let data = checked(&c, "attribute removal")?;
    let targets = targets(c.cx, bound.need(0)?, &bound.text_or(1, "equality"))?;
    Ok(remove_in(&data, &targets))
}

fn remove_in(data: &Val, targets: &[Match]) -> Val {
    match data {
        // Entries of lists that end up empty are dropped.
        Val::List(l) => Val::list(l.items().iter().map(|v| remove_in(v, targets)).filter(Val::truth).collect()),
        Val::Dict(d) => Val::dict(
            d.entries()
                .iter()
                .filter(|(k, _)| !targets.iter().any(|t| t.hits(&key_str(k))))
                .map(|(k, v)| (k.clone(), remove_in(v, targets)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn replace(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["target", "matching_parameter"])?;
    let data = checked(&c, "replace operation")?;
    let targets = replacements(c.cx, bound.need(0)?, &bound.text_or(1, "equality"))?;
    Ok(replace_in(&data, &targets))
}

fn replace_in(data: &Val, targets: &[(Match, Key)]) -> Val {
    match data {
        Val::List(l) => Val::list(l.items().iter().map(|v| replace_in(v, targets)).collect()),
        Val::Dict(d) => {
            // A replaced key moves to the end, once for each target that it matches.
            let mut entries = (*d.entries()).clone();
            for (m, after) in targets {
                let hit: Vec<Key> = entries.keys().filter(|k| m.hits(&key_str(k))).cloned().collect();
                for key in hit {
                    if let Some(v) = entries.shift_remove(&key) {
                        entries.shift_remove(after);
                        entries.insert(after.clone(), v);
                    }
                }
            }
            Val::dict(entries.iter().map(|(k, v)| (k.clone(), replace_in(v, targets))).collect())
        }
        other => other.clone(),
    }
}
