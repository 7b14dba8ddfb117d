//! The lookups that need nothing but their terms and the variables. All others are the engine's ([`crate::Lookups`]).

mod sequence;

use crate::val::repr::value_str;
use crate::val::{R, Val};
use crate::{Key, LookupContext, LookupError, Map, Str, Templar, Value, VarSource};
use imgbuild_diag::Span;
use std::sync::Arc;

/// The names of the lookups of this crate.
pub(crate) const PURE: &[&str] = &[
    "dict",
    "flattened",
    "indexed_items",
    "items",
    "list",
    "cartesian",
    "nested",
    "random_choice",
    "sequence",
    "subelements",
    "together",
    "varnames",
    "vars",
];

/// The name without its collection.
pub(crate) fn short(name: &str) -> &str {
    for prefix in ["ansible.builtin.", "ansible.legacy."] {
        if let Some(rest) = name.strip_prefix(prefix) {
            return rest;
        }
    }
    match name {
        "community.general.flattened" => "flattened",
        "community.general.cartesian" => "cartesian",
        "community.general.filetree" => "filetree",
        "community.general.random_string" => "random_string",
        other => other,
    }
}

/// Whether there is one of this name.
pub(crate) fn known(templar: &Templar, name: &str) -> bool {
    let name = short(name);
    PURE.contains(&name) || templar.lookups().known(name)
}

/// A value none of whose strings will be rendered.
pub(crate) fn as_data(value: Value) -> Value {
    match value {
        Value::Str(s) if s.template => Value::Str(Str { template: false, ..s }),
        Value::List(l) if !l.iter().all(is_data) => Value::list(l.iter().cloned().map(as_data).collect()),
        Value::Map(m) if !m.values().all(is_data) => {
            Value::map(m.iter().map(|(k, v)| (k.clone(), as_data(v.clone()))).collect())
        }
        other => other,
    }
}

fn is_data(value: &Value) -> bool {
    match value {
        Value::Str(s) => !s.template,
        Value::List(l) => l.iter().all(is_data),
        Value::Map(m) => m.values().all(is_data),
        _ => true,
    }
}

fn failed(message: impl Into<String>) -> LookupError {
    LookupError::Failed(message.into())
}

/// Runs a lookup.
pub(crate) fn run(
    templar: &Templar,
    name: &str,
    terms: Vec<Value>,
    kwargs: Map,
    vars: &Arc<dyn VarSource>,
    span: Option<&Span>,
) -> Result<Vec<Value>, LookupError> {
    let name = short(name);
    let cx = LookupContext::new(templar, vars, span);
    if PURE.contains(&name)
        && !matches!(name, "vars" | "sequence")
        && let Some(key) = kwargs.keys().find(|k| !(name == "subelements" && **k == Key::from("skip_missing")))
    {
        return Err(failed(format!("unknown option '{key}'")));
    }
    match name {
        "items" => Ok(flatten_one(terms)),
        "list" => Ok(terms),
        "flattened" => Ok(flatten_all(terms)),
        "indexed_items" => Ok(flatten_one(terms)
            .into_iter()
            .enumerate()
            .map(|(i, v)| Value::list(vec![Value::Int(i as i64), v]))
            .collect()),
        "dict" => dicts(terms),
        "nested" | "cartesian" => nested(terms),
        "together" => together(terms),
        "random_choice" => Ok(choose(templar, terms)),
        "subelements" => subelements(terms),
        "sequence" => sequence::run(terms, &kwargs),
        "vars" => variables(&cx, terms, &kwargs),
        "varnames" => variable_names(&cx, terms),
        _ => templar.lookups().lookup(name, terms, kwargs, &cx),
    }
}

fn flatten_one(terms: Vec<Value>) -> Vec<Value> {
    let mut out = Vec::new();
    for term in terms {
        match term {
            Value::List(l) => out.extend(l.iter().cloned()),
            other => out.push(other),
        }
    }
    out
}

fn flatten_all(terms: Vec<Value>) -> Vec<Value> {
    let mut out = Vec::new();
    for term in terms {
        match term {
            Value::List(l) => out.extend(flatten_all(l.to_vec())),
            Value::Null => {}
            Value::Str(s) if &*s.text == "None" || &*s.text == "null" => {}
            other => out.push(other),
        }
    }
    out
}

fn dicts(terms: Vec<Value>) -> Result<Vec<Value>, LookupError> {
    let mut out = Vec::new();
    for term in flatten_one(terms) {
        let Value::Map(m) = term else {
            let (shown, kind) = (value_str(&term), Val::from(term).type_name());
            return Err(failed(format!(
                "the 'dict' lookup plugin expects a dictionary, got '{shown}' of type <class '{kind}'>)"
            )));
        };
        out.extend(m.iter().map(|(k, v)| {
            let key = match Val::from(k) {
                Val::Str(s) => Value::Str(s),
                Val::Int(i) => Value::Int(i),
                Val::Bool(b) => Value::Bool(b),
                Val::Float(f) => Value::Float(f),
                _ => Value::Null,
            };
            Value::map(Map::from_iter([(Key::from("key"), key), (Key::from("value"), v.clone())]))
        }));
    }
    Ok(out)
}

fn as_list(value: Value) -> Vec<Value> {
    match value {
        Value::List(l) => l.to_vec(),
        other => vec![other],
    }
}

fn nested(terms: Vec<Value>) -> Result<Vec<Value>, LookupError> {
    if terms.is_empty() {
        return Err(failed("with_nested requires at least one element in the nested list"));
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for term in terms {
        let items = as_list(term);
        if rows.len().saturating_mul(items.len()) > 1_000_000 {
            return Err(failed("the nested lists have more than a million combinations"));
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                items.iter().map(|item| {
                    // Rows of earlier `with_nested` results are joined, not nested deeper.
                    let mut row = row.clone();
                    match item {
                        Value::List(l) => row.extend(l.iter().cloned()),
                        other => row.push(other.clone()),
                    }
                    row
                })
            })
            .collect();
    }
    Ok(rows.into_iter().map(Value::list).collect())
}

fn together(terms: Vec<Value>) -> Result<Vec<Value>, LookupError> {
    if terms.is_empty() {
        return Err(failed("with_together requires at least one element in each list"));
    }
    let lists: Vec<Vec<Value>> = terms.into_iter().map(as_list).collect();
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    Ok((0..longest)
        .map(|i| Value::list(lists.iter().map(|l| l.get(i).cloned().unwrap_or_default()).collect()))
        .collect())
}

fn choose(templar: &Templar, terms: Vec<Value>) -> Vec<Value> {
    let items = terms;
    if items.is_empty() {
        return items;
    }
    let mut bytes = [0u8; 8];
    templar.host().random(&mut bytes);
    let i = (u64::from_le_bytes(bytes) % items.len() as u64) as usize;
    vec![items[i].clone()]
}

fn subelements(terms: Vec<Value>) -> Result<Vec<Value>, LookupError> {
    let wrong = |what: &str| failed(format!("subelements lookup expects a list of two or three items, {what}"));
    let types = || wrong("first a dict or a list, second a string pointing to the subkey");
    let (list, path, flags) = match terms.as_slice() {
        [list, path] => (list, path, None),
        [list, path, flags] => (list, path, Some(flags)),
        _ => return Err(wrong("")),
    };
    let Value::Str(path) = path else { return Err(types()) };
    if flags.is_some_and(|f| f.as_map().is_none()) {
        return Err(wrong("the optional third item must be a dict with flags ('skip_missing',)"));
    }
    let skip_missing = flags.is_some_and(|f| {
        f.get("skip_missing").is_some_and(|v| {
            v.is_true() && v.as_str().is_none_or(|s| ["yes", "true", "1", "on", "y", "t"].contains(&&*s.to_lowercase()))
        })
    });
    let items: Vec<Value> = match list {
        Value::List(l) => l.to_vec(),
        Value::Map(m) if m.get(&Key::from("skipped")).is_some_and(|v| *v != Value::Bool(false)) => Vec::new(),
        Value::Map(m) => m.values().cloned().collect(),
        _ => return Err(types()),
    };
    let mut out = Vec::new();
    for item in items {
        let Value::Map(_) = &item else {
            return Err(failed(format!("subelements lookup expects a dictionary, got '{}'", value_str(&item))));
        };
        if item.get("skipped").is_some_and(|v| *v != Value::Bool(false)) {
            continue;
        }
        let parts: Vec<&str> = path.text.split('.').collect();
        if let Some((rest, sub)) = take_list(&item, &parts, skip_missing)? {
            out.extend(sub.iter().map(|s| Value::list(vec![rest.clone(), s.clone()])));
        }
    }
    Ok(out)
}

/// A value without the list that was in it, and the list.
type Taken = (Value, Arc<Vec<Value>>);

/// The list at a path, and the value without it: Ansible takes the list out of the item.
fn take_list(item: &Value, path: &[&str], skip: bool) -> Result<Option<Taken>, LookupError> {
    let (Value::Map(map), [part, rest @ ..]) = (item, path) else { return Ok(None) };
    let key = Key::from(*part);
    let Some(found) = map.get(&key) else {
        if skip {
            return Ok(None);
        }
        return Err(failed(format!("could not find '{part}' key in iterated item '{}'", value_str(item))));
    };
    let mut without = Map::clone(map);
    if !rest.is_empty() {
        if found.as_map().is_none() {
            if skip {
                return Ok(None);
            }
            return Err(failed(format!("the key {part} should point to a dictionary, got '{}'", value_str(found))));
        }
        return Ok(take_list(found, rest, skip)?.map(|(inner, list)| {
            without.insert(key, inner);
            (Value::map(without), list)
        }));
    }
    let Value::List(list) = found else {
        return Err(failed(format!("the key {part} should point to a list, got '{}'", value_str(found))));
    };
    without.shift_remove(&key);
    Ok(Some((Value::map(without), list.clone())))
}

fn variables(cx: &LookupContext<'_>, terms: Vec<Value>, kwargs: &Map) -> Result<Vec<Value>, LookupError> {
    let mut out = Vec::new();
    for term in terms {
        let Some(name) = term.as_str() else {
            let kind = Val::from(term).type_name();
            return Err(failed(format!("Variable name must be 'str' not '{kind}'.")));
        };
        match cx.var(name)? {
            Some(value) => out.push(value),
            None => match kwargs.get(&Key::from("default")) {
                Some(default) => out.push(default.clone()),
                None => {
                    return Err(LookupError::Template(crate::TemplateError::new(
                        crate::ErrorKind::Undefined,
                        format!("No variable named '{name}' was found."),
                    )));
                }
            },
        }
    }
    Ok(out)
}

fn variable_names(cx: &LookupContext<'_>, terms: Vec<Value>) -> Result<Vec<Value>, LookupError> {
    let names = cx.vars().names();
    let mut out = Vec::new();
    for term in terms {
        let Some(pattern) = term.as_str() else {
            let (shown, kind) = (value_str(&term), Val::from(term).type_name());
            return Err(failed(format!(
                "Invalid setting identifier, \"{shown}\" is not a string, it is a <class '{kind}'>"
            )));
        };
        let regex: R<_> = crate::filters::regex::compile(pattern, false, false, false);
        // Python names this one fault so; the rest keeps the words of the library at hand.
        let bare = pattern.starts_with(['*', '+', '?']).then_some("nothing to repeat at position 0");
        let regex = regex.map_err(|e| {
            let why = bare.map_or_else(|| e.to_string(), str::to_owned);
            failed(format!("Unable to use \"{pattern}\" as a search parameter: {why}"))
        })?;
        out.extend(names.iter().filter(|n| regex.is_match(n)).map(|n| Value::str(n.as_str())));
    }
    Ok(out)
}
