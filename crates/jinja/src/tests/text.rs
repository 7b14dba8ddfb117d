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
    ("urn", |c| c.cx.text(&c.input).map(|t| t.to_lowercase().starts_with("urn:"))),
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

fn schemes(c: &Call<'_, '_>, i: usize, name: &str) -> R<Option<Vec<String>>> {
    let _ = name;
    let bound = c.args.bind(["schemes"])?;
    match bound.some(i) {
        None => Ok(None),
        Some(list) => Ok(Some(c.cx.each(list)?.iter().map(|s| c.cx.text(s)).collect::<R<_>>()?)),
    }
}

fn uri(c: Call<'_, '_>) -> R<bool> {
    let allowed = schemes(&c, 0, "schemes")?;
    let text = c.cx.text(&c.input)?;
    Ok(scheme(&text).is_some_and(|(s, rest)| !rest.is_empty() && allowed.is_none_or(|a| a.contains(&s.to_lowercase()))))
}

/// A URI with a host, or a file's path.
fn url(c: Call<'_, '_>) -> R<bool> {
    let allowed = schemes(&c, 0, "schemes")?;
    let text = c.cx.text(&c.input)?;
    Ok(scheme(&text).is_some_and(|(s, rest)| {
        let host = rest.strip_prefix("//").is_some_and(|r| !r.is_empty() && !r.starts_with(['/', '?', '#']));
        (host || s.eq_ignore_ascii_case("file")) && allowed.is_none_or(|a| a.contains(&s.to_lowercase()))
    }))
}
