//! Text: regular expressions, case, URLs.

use super::{Call, Table};
use crate::eval::fail;
use crate::filters::regex::compile;
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("lower", |c| c.cx.text(&c.input).map(|t| cased(&t, false))),
    ("match", |c| regex(&c)),
    ("regex", |c| regex(&c)),
    ("search", |c| regex(&c)),
    ("upper", |c| c.cx.text(&c.input).map(|t| cased(&t, true))),
    ("uri", uri),
    ("url", url),
    ("urn", urn),
];

fn cased(text: &str, upper: bool) -> bool {
    let mut any = false;
    for ch in text.chars().filter(|ch| ch.is_uppercase() || ch.is_lowercase()) {
        if ch.is_uppercase() != upper {
            return false;
        }
        any = true;
    }
    any
}

fn regex(c: &Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(match c.name {
        "regex" => ["pattern", "ignorecase", "multiline", "match_type"],
        _ => ["pattern", "ignorecase", "multiline", "\0"],
    })?;
    let text = match &c.input {
        Val::Str(_) | Val::Bytes(_) => c.cx.text(&c.input)?,
        // As in Ansible: other values are compared as their text.
        other => c.cx.text(other)?,
    };
    let pattern = c.cx.text(bound.need(0)?)?;
    let (ignore_case, multiline) = (bound.flag(1, false), bound.flag(2, false));
    let kind = if c.name == "regex" { bound.text_or(3, "search") } else { c.name.to_owned() };
    match kind.as_str() {
        "search" => compile(&pattern, ignore_case, multiline, false).map(|p| p.is_match(&text)),
        "match" => compile(&pattern, ignore_case, multiline, true).map(|p| p.is_match(&text)),
        "fullmatch" => {
            let whole = format!("(?:{pattern})\\Z");
            compile(&whole, ignore_case, multiline, true).map(|p| p.is_match(&text))
        }
        other => Err(fail(format!("unknown match_type '{other}'"))),
    }
}

fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut chars = scheme.chars();
    let valid = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    valid.then_some((scheme, rest))
}

/// Scheme and host of what Python's `urlparse` takes; `None`: it takes no such value.
fn parts(c: &Call<'_, '_>) -> Option<(String, bool)> {
    let text = match &c.input {
        Val::Str(s) => s.text.to_string(),
        // Python takes anything that counts as nothing for an empty URL.
        other if !other.truth() => String::new(),
        _ => return None,
    };
    let (scheme, rest) = scheme(&text).map_or((String::new(), text.as_str()), |(s, r)| (s.to_lowercase(), r));
    let host = rest.strip_prefix("//").is_some_and(|r| !r.is_empty() && !r.starts_with(['/', '?', '#']));
    Some((scheme, host))
}

fn allowed(c: &Call<'_, '_>, scheme: &str) -> R<bool> {
    let bound = c.args.bind(["schemes"])?;
    match bound.some(0) {
        None => Ok(true),
        Some(list) => {
            for s in c.cx.each(list)? {
                if c.cx.text(&s)? == scheme {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

fn uri(c: Call<'_, '_>) -> R<bool> {
    match parts(&c) {
        Some((scheme, _)) => allowed(&c, &scheme),
        None => Ok(false),
    }
}

/// A URI with a host, or a file's path.
fn url(c: Call<'_, '_>) -> R<bool> {
    match parts(&c) {
        Some((scheme, host)) => Ok((host || scheme == "file") && allowed(&c, &scheme)?),
        None => Ok(false),
    }
}

fn urn(c: Call<'_, '_>) -> R<bool> {
    Ok(parts(&c).is_some_and(|(scheme, _)| scheme == "urn"))
}
