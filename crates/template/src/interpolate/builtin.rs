//! The functions that Go's text/template brings: comparison, logic, indexing, printing and escaping.

use super::Datum;
use super::printf::{sprint, sprintf, type_name};
use std::cmp::Ordering;

/// What a function takes at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Arg {
    /// A string.
    Text,
    /// An integer.
    Int,
    /// Anything.
    Any,
    /// Any number of strings; the last parameter.
    Texts,
    /// Any number of anything; the last parameter.
    Anys,
}

/// The checked arguments of a call.
pub(super) struct Call<'a>(pub(super) &'a [Datum]);

impl Call<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A string argument; the signature has made sure that it is one.
    pub(super) fn text(&self, i: usize) -> &str {
        match self.0.get(i) {
            Some(Datum::String(s)) => s,
            _ => "",
        }
    }

    /// An integer argument; the signature has made sure that it is one.
    pub(super) fn int(&self, i: usize) -> i64 {
        match self.0.get(i) {
            Some(Datum::Int(i)) => *i,
            _ => 0,
        }
    }
}

pub(super) const NAMES: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf",
    "println", "slice", "urlquery",
];

/// The parameters of a built-in function.
pub(super) fn signature(name: &str) -> Option<&'static [Arg]> {
    Some(match name {
        "and" | "or" | "index" | "slice" | "eq" | "call" => &[Arg::Any, Arg::Anys],
        "ne" | "lt" | "le" | "gt" | "ge" => &[Arg::Any, Arg::Any],
        "not" | "len" => &[Arg::Any],
        "html" | "js" | "urlquery" | "print" | "println" => &[Arg::Anys],
        "printf" => &[Arg::Text, Arg::Anys],
        _ => return None,
    })
}

/// Calls a built-in function (`and` and `or` are the evaluator's, for they don't evaluate all arguments).
pub(super) fn call(name: &str, args: &[Datum]) -> Result<Datum, String> {
    // The escapers show what has no value as the output does, not as `print` does.
    let joined = || {
        let shown = |a: &Datum| if *a == Datum::Nil { "<no value>".into() } else { a.clone() };
        sprint(&args.iter().map(shown).collect::<Vec<_>>())
    };
    Ok(match name {
        "not" => Datum::Bool(!truth(&args[0])),
        "len" => Datum::Int(length(&args[0])?),
        "index" => index(args)?,
        "slice" => slice(args)?,
        "eq" => {
            if args.len() < 2 {
                return Err("missing argument for comparison".into());
            }
            // It stops at the first that is equal.
            for other in &args[1..] {
                if equal(&args[0], other)? {
                    return Ok(Datum::Bool(true));
                }
            }
            Datum::Bool(false)
        }
        "ne" => Datum::Bool(!equal(&args[0], &args[1])?),
        "lt" => Datum::Bool(order(&args[0], &args[1])?.is_lt()),
        "le" => Datum::Bool(order(&args[0], &args[1])?.is_le()),
        "gt" => Datum::Bool(order(&args[0], &args[1])?.is_gt()),
        "ge" => Datum::Bool(order(&args[0], &args[1])?.is_ge()),
        "print" => Datum::String(sprint(args)),
        "println" => {
            let shown: Vec<_> = args.iter().map(|a| sprint(std::slice::from_ref(a))).collect();
            Datum::String(shown.join(" ") + "\n")
        }
        "printf" => match &args[0] {
            Datum::String(format) => Datum::String(sprintf(format, &args[1..])),
            other => return Err(format!("expected string; got {}", type_name(other))),
        },
        "html" => Datum::String(html(&joined())),
        "js" => Datum::String(js(&joined())),
        "urlquery" => Datum::String(urlquery(&joined())),
        // No value here is a function.
        "call" if args[0] == Datum::Nil => return Err("call of nil".into()),
        "call" => return Err(format!("non-function of type {}", type_name(&args[0]))),
        _ => return Err(format!("function {name:?} not defined")),
    })
}

/// What `if` takes for true: neither zero nor empty.
pub(super) fn truth(value: &Datum) -> bool {
    match value {
        Datum::Nil => false,
        Datum::Bool(b) => *b,
        Datum::Int(i) => *i != 0,
        Datum::Float(f) => *f != 0.0,
        Datum::String(s) => !s.is_empty(),
        Datum::List(list) => !list.is_empty(),
        Datum::Map(map) => !map.is_empty(),
    }
}

fn length(value: &Datum) -> Result<i64, String> {
    let length = match value {
        Datum::String(s) => s.len(),
        Datum::List(list) => list.len(),
        Datum::Map(map) => map.len(),
        Datum::Nil => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", type_name(other))),
    };
    Ok(i64::try_from(length).unwrap_or(i64::MAX))
}

fn position(value: &Datum, length: usize, past_end: bool) -> Result<usize, String> {
    match value {
        Datum::Int(i) => {
            let at = usize::try_from(*i).ok().filter(|at| *at < length || past_end && *at == length);
            at.ok_or_else(|| format!("index out of range: {i}"))
        }
        Datum::Nil => Err("cannot index slice/array with nil".into()),
        other => Err(format!("cannot index slice/array with type {}", type_name(other))),
    }
}

fn index(args: &[Datum]) -> Result<Datum, String> {
    let mut value = args[0].clone();
    if value == Datum::Nil {
        return Err("index of untyped nil".into());
    }
    for key in &args[1..] {
        value = match value {
            Datum::List(list) => list[position(key, list.len(), false)?].clone(),
            Datum::String(s) => Datum::Int(s.as_bytes()[position(key, s.len(), false)?].into()),
            Datum::Map(map) => match key {
                Datum::String(key) => map.get(key).cloned().unwrap_or(Datum::Nil),
                other => return Err(format!("value has type {}; should be string", type_name(other))),
            },
            Datum::Nil => return Err("index of nil pointer".into()),
            other => return Err(format!("can't index item of type {}", type_name(&other))),
        };
    }
    Ok(value)
}

fn slice(args: &[Datum]) -> Result<Datum, String> {
    let bounds = &args[1..];
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let range = |length: usize| -> Result<std::ops::Range<usize>, String> {
        let from = bounds.first().map_or(Ok(0), |b| position(b, length, true))?;
        let to = bounds.get(1).map_or(Ok(length), |b| position(b, length, true))?;
        bounds.get(2).map_or(Ok(length), |b| position(b, length, true))?;
        if from > to {
            return Err(format!("invalid slice index: {from} > {to}"));
        }
        Ok(from..to)
    };
    match &args[0] {
        Datum::String(_) if bounds.len() == 3 => Err("cannot 3-index slice a string".into()),
        // Cut by bytes, as Go does; half letters become U+FFFD as soon as they are text.
        Datum::String(s) => Ok(Datum::String(String::from_utf8_lossy(&s.as_bytes()[range(s.len())?]).into_owned())),
        Datum::List(list) => Ok(Datum::List(list[range(list.len())?].to_vec())),
        Datum::Nil => Err("slice of untyped nil".into()),
        other => Err(format!("can't slice item of type {}", type_name(other))),
    }
}

fn equal(a: &Datum, b: &Datum) -> Result<bool, String> {
    for value in [a, b] {
        if matches!(value, Datum::List(_) | Datum::Map(_)) {
            return Err(format!("non-comparable type {}", type_name(value)));
        }
    }
    if *a == Datum::Nil || *b == Datum::Nil {
        return Ok(a == b);
    }
    if std::mem::discriminant(a) != std::mem::discriminant(b) {
        return Err("incompatible types for comparison".into());
    }
    Ok(a == b)
}

fn order(a: &Datum, b: &Datum) -> Result<Ordering, String> {
    match (a, b) {
        (Datum::Int(a), Datum::Int(b)) => Ok(a.cmp(b)),
        (Datum::String(a), Datum::String(b)) => Ok(a.cmp(b)),
        (Datum::Float(a), Datum::Float(b)) => a.partial_cmp(b).ok_or_else(|| "incomparable numbers".to_owned()),
        (Datum::Int(_) | Datum::Float(_) | Datum::String(_), Datum::Int(_) | Datum::Float(_) | Datum::String(_)) => {
            Err("incompatible types for comparison".into())
        }
        _ => Err("invalid type for comparison".into()),
    }
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{FFFD}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

fn urlquery(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
