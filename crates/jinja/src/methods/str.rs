//! Methods of text.

use crate::eval::{Args, Bound, Cx, fail, int};
use crate::val::{R, Val};

pub(super) const NAMES: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];

pub(super) fn call(cx: &Cx<'_>, s: &str, name: &str, args: &Args) -> Option<R> {
    NAMES.contains(&name).then(|| run(cx, s, name, args))
}

fn text<const N: usize>(bound: &Bound<N>, i: usize) -> R<String> {
    match bound.need(i)? {
        Val::Str(s) => Ok(s.text.to_string()),
        other => Err(fail(format!("must be str, not {}", other.type_name()))),
    }
}

/// Python's capitalization of words: a letter after a non-letter is upper.
pub(crate) fn title(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut inside = false;
    for c in s.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

/// First letter upper, rest lower.
pub(crate) fn capitalize(s: &str) -> String {
    let mut chars = s.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect(),
        None => String::new(),
    }
}

/// Pads to a width, as `str.center` does.
pub(crate) fn center(s: &str, width: usize, fill: char) -> String {
    let len = s.chars().count();
    if width <= len {
        return s.to_owned();
    }
    let pad = width - len;
    let left = pad / 2 + (pad & width & 1);
    let fill = |n: usize| std::iter::repeat_n(fill, n);
    fill(left).chain(s.chars()).chain(fill(pad - left)).collect()
}

/// `str.splitlines`.
pub(crate) fn splitlines(s: &str, keep: bool) -> Vec<String> {
    let mut out = Vec::new();
    let mut line = String::new();
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next() {
        if !matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}') {
            line.push(c);
            continue;
        }
        let crlf = c == '\r' && chars.peek() == Some(&'\n');
        if crlf {
            chars.next();
        }
        if keep {
            line.push(c);
            if crlf {
                line.push('\n');
            }
        }
        out.push(std::mem::take(&mut line));
    }
    if !line.is_empty() {
        out.push(line);
    }
    out
}

/// `str.split` from the left or the right.
pub(crate) fn split(s: &str, separator: Option<&str>, most: i64, right: bool) -> R<Vec<String>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let owned = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect();
    match separator {
        Some("") => Err(fail("empty separator")),
        Some(sep) if right => {
            let mut parts: Vec<&str> = s.rsplitn(most.saturating_add(1), sep).collect();
            parts.reverse();
            Ok(owned(parts))
        }
        Some(sep) => Ok(owned(s.splitn(most.saturating_add(1), sep).collect())),
        None => {
            let mut parts = Vec::new();
            let mut rest = s;
            if right {
                rest = rest.trim_end();
                while !rest.is_empty() && parts.len() < most {
                    match rest.rfind(char::is_whitespace) {
                        Some(i) => {
                            let next = rest[i..].chars().next().map_or(1, char::len_utf8);
                            parts.push(&rest[i + next..]);
                            rest = rest[..i].trim_end();
                        }
                        None => break,
                    }
                }
                if !rest.is_empty() {
                    parts.push(rest);
                }
                parts.reverse();
            } else {
                rest = rest.trim_start();
                while !rest.is_empty() && parts.len() < most {
                    match rest.find(char::is_whitespace) {
                        Some(i) => {
                            parts.push(&rest[..i]);
                            rest = rest[i..].trim_start();
                        }
                        None => break,
                    }
                }
                if !rest.is_empty() {
                    parts.push(rest);
                }
            }
            Ok(owned(parts))
        }
    }
}

/// The part of `s` that `start` and `end` (in characters) leave, and where it starts in characters.
fn window<const N: usize>(s: &str, bound: &Bound<N>, from: usize) -> R<Option<(usize, String)>> {
    let n = s.chars().count() as i64;
    let at = |i: i64| if i < 0 { (i + n).max(0) } else { i };
    let start = at(bound.int_or(from, 0)?);
    let end = at(bound.int_or(from + 1, n)?).min(n);
    if start > end {
        return Ok(None);
    }
    Ok(Some((start as usize, s.chars().skip(start as usize).take((end - start) as usize).collect())))
}

fn affixes(cx: &Cx<'_>, v: &Val, name: &str) -> R<Vec<String>> {
    match v {
        Val::Str(s) => Ok(vec![s.text.to_string()]),
        Val::Tuple(_) => cx.each(v)?.iter().map(|v| cx.text(v)).collect(),
        other => Err(fail(format!("{name} first arg must be str or a tuple of str, not {}", other.type_name()))),
    }
}

fn stripped(s: &str, name: &str, args: &Args) -> R {
    let bound = args.bind(["chars"])?;
    let chars: Option<Vec<char>> = match bound.some(0) {
        None => None,
        Some(Val::Str(c)) => Some(c.text.chars().collect()),
        Some(_) => return Err(fail(format!("{name} arg must be None or str"))),
    };
    let strip = |c: char| chars.as_ref().map_or_else(|| c.is_whitespace(), |set| set.contains(&c));
    Ok(Val::str(match name {
        "strip" => s.trim_matches(strip),
        "lstrip" => s.trim_start_matches(strip),
        _ => s.trim_end_matches(strip),
    }))
}

fn padded(s: &str, name: &str, args: &Args) -> R {
    let bound = args.bind(["width", "fillchar"])?;
    let width = usize::try_from(int(bound.need(0)?)?.max(0)).unwrap_or(0).min(1 << 24);
    let fill = bound.text_or(1, " ");
    let mut fill = fill.chars();
    let (Some(fill), None) = (fill.next(), fill.next()) else {
        return Err(fail("The fill character must be exactly one character long"));
    };
    let pad: String = std::iter::repeat_n(fill, width.saturating_sub(s.chars().count())).collect();
    Ok(Val::str(match name {
        "ljust" => format!("{s}{pad}"),
        "rjust" => format!("{pad}{s}"),
        _ => center(s, width, fill),
    }))
}

fn found(s: &str, name: &str, args: &Args) -> R {
    let bound = args.bind(["sub", "start", "end"])?;
    let sub = text(&bound, 0)?;
    let hit = window(s, &bound, 1)?.and_then(|(start, part)| {
        let at = if name.starts_with('r') { part.rfind(&sub) } else { part.find(&sub) };
        at.map(|i| start + part[..i].chars().count())
    });
    match hit {
        Some(i) => Ok(Val::from(i)),
        None if name.ends_with("index") => Err(fail("substring not found")),
        None => Ok(Val::Int(-1)),
    }
}

fn cased(s: &str, upper: bool) -> bool {
    let mut any = false;
    for c in s.chars() {
        if c.is_uppercase() || c.is_lowercase() {
            if c.is_uppercase() != upper {
                return false;
            }
            any = true;
        }
    }
    any
}

fn is_kind(s: &str, name: &str) -> bool {
    let all = |test: fn(char) -> bool| !s.is_empty() && s.chars().all(test);
    match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => s.is_ascii(),
        "isdecimal" => all(|c| {
            c.is_ascii_digit() || (c.is_numeric() && !c.is_ascii() && c.to_digit(36).is_none() && !is_other_digit(c))
        }),
        "isdigit" => all(|c| c.is_ascii_digit() || is_other_digit(c)),
        "isnumeric" => all(char::is_numeric),
        "isidentifier" => {
            let mut chars = s.chars();
            chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
                && chars.all(|c| c == '_' || c.is_alphanumeric())
        }
        "islower" => cased(s, false),
        "isupper" => cased(s, true),
        "isspace" => all(char::is_whitespace),
        "isprintable" => {
            let quoted = crate::val::repr::str_repr(s);
            !quoted.contains("\\x") && !quoted.contains("\\u") && !s.contains(['\n', '\r', '\t'])
        }
        _ => !s.is_empty() && s.chars().any(char::is_alphabetic) && title(s) == s,
    }
}

/// Superscripts and the like: digits, but no decimals.
fn is_other_digit(c: char) -> bool {
    matches!(c, '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}')
}

fn run(cx: &Cx<'_>, s: &str, name: &str, args: &Args) -> R {
    Ok(match name {
        "upper" => Val::str(s.to_uppercase()),
        "lower" | "casefold" => Val::str(s.to_lowercase()),
        "capitalize" => Val::str(capitalize(s)),
        "title" => Val::str(title(s)),
        "swapcase" => Val::str(
            s.chars()
                .flat_map(|c| {
                    let swapped: Vec<char> =
                        if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
                    swapped
                })
                .collect::<String>(),
        ),
        "strip" | "lstrip" | "rstrip" => stripped(s, name, args)?,
        "split" | "rsplit" => {
            let bound = args.bind(["sep", "maxsplit"])?;
            let separator = bound.some(0).map(|_| text(&bound, 0)).transpose()?;
            let parts = split(s, separator.as_deref(), bound.int_or(1, -1)?, name == "rsplit")?;
            cx.spend(parts.len())?;
            Val::strs(parts)
        }
        "splitlines" => {
            let bound = args.bind(["keepends"])?;
            Val::strs(splitlines(s, bound.flag(0, false)))
        }
        "partition" | "rpartition" => {
            let bound = args.bind(["sep"])?;
            let sep = text(&bound, 0)?;
            if sep.is_empty() {
                return Err(fail("empty separator"));
            }
            let (a, b, c) = match (name, s.split_once(&sep), s.rsplit_once(&sep)) {
                ("partition", Some((a, c)), _) | ("rpartition", _, Some((a, c))) => (a, sep.as_str(), c),
                ("partition", ..) => (s, "", ""),
                _ => ("", "", s),
            };
            Val::tuple(vec![Val::str(a), Val::str(b), Val::str(c)])
        }
        "startswith" | "endswith" => {
            let bound = args.bind(["prefix", "start", "end"])?;
            let wanted = affixes(cx, bound.need(0)?, name)?;
            let part = window(s, &bound, 1)?;
            Val::Bool(part.is_some_and(|(_, part)| {
                wanted.iter().any(|w| if name == "startswith" { part.starts_with(w) } else { part.ends_with(w) })
            }))
        }
        "find" | "rfind" | "index" | "rindex" => found(s, name, args)?,
        "count" => {
            let bound = args.bind(["sub", "start", "end"])?;
            let sub = text(&bound, 0)?;
            Val::from(window(s, &bound, 1)?.map_or(0, |(_, part)| {
                if sub.is_empty() { part.chars().count() + 1 } else { part.matches(&sub).count() }
            }))
        }
        "replace" => {
            let bound = args.bind(["old", "new", "count"])?;
            let (old, new) = (text(&bound, 0)?, text(&bound, 1)?);
            let most = bound.int_or(2, -1)?;
            crate::eval::ops::checked_len(cx, s.len().saturating_mul(new.len().max(1)))?;
            Val::str(match usize::try_from(most) {
                Ok(most) => s.replacen(&old, &new, most),
                Err(_) => s.replace(&old, &new),
            })
        }
        "join" => {
            let bound = args.bind(["iterable"])?;
            let mut parts = Vec::new();
            for (i, item) in cx.each(bound.need(0)?)?.into_iter().enumerate() {
                match item {
                    Val::Str(t) => parts.push(t.text),
                    other => {
                        return Err(fail(format!(
                            "sequence item {i}: expected str instance, {} found",
                            other.type_name()
                        )));
                    }
                }
            }
            Val::str(parts.iter().map(|p| &**p).collect::<Vec<_>>().join(s))
        }
        "ljust" | "rjust" | "center" => padded(s, name, args)?,
        "zfill" => {
            let bound = args.bind(["width"])?;
            let width = usize::try_from(int(bound.need(0)?)?.max(0)).unwrap_or(0).min(1 << 24);
            let pad = "0".repeat(width.saturating_sub(s.chars().count()));
            match s.strip_prefix(['+', '-']) {
                Some(rest) => Val::str(format!("{}{pad}{rest}", &s[..1])),
                None => Val::str(format!("{pad}{s}")),
            }
        }
        "removeprefix" | "removesuffix" => {
            let bound = args.bind(["affix"])?;
            let affix = text(&bound, 0)?;
            let rest = if name == "removeprefix" { s.strip_prefix(&*affix) } else { s.strip_suffix(&*affix) };
            Val::str(rest.unwrap_or(s))
        }
        "expandtabs" => {
            let bound = args.bind(["tabsize"])?;
            let size = usize::try_from(bound.int_or(0, 8)?.max(0)).unwrap_or(8).min(1024);
            let (mut out, mut column) = (String::new(), 0);
            for c in s.chars() {
                match c {
                    '\t' => {
                        let n = if size == 0 { 0 } else { size - column % size };
                        out.extend(std::iter::repeat_n(' ', n));
                        column += n;
                    }
                    c => {
                        out.push(c);
                        column = if c == '\n' || c == '\r' { 0 } else { column + 1 };
                    }
                }
            }
            Val::str(out)
        }
        "encode" => {
            let bound = args.bind(["encoding", "errors"])?;
            let (encoding, errors) = (bound.text_or(0, "utf-8"), bound.text_or(1, "strict"));
            Val::Bytes(crate::filters::encoding::encode(s, &encoding, &errors)?.into())
        }
        "format" => Val::str(super::format::braces(cx, s, args)?),
        "format_map" => {
            let bound = args.bind(["mapping"])?;
            let kw = cx.pairs(bound.need(0)?)?.into_iter().map(|(k, v)| (crate::val::repr::key_str(&k).into(), v));
            Val::str(super::format::braces(cx, s, &Args { pos: Vec::new(), kw: kw.collect() })?)
        }
        "translate" => {
            let bound = args.bind(["table"])?;
            let table = cx.pairs(bound.need(0)?)?;
            let mut out = String::new();
            for c in s.chars() {
                match table.iter().find(|(k, _)| *k == crate::Key::Int(c as i64)) {
                    None => out.push(c),
                    Some((_, Val::None)) => {}
                    Some((_, Val::Int(i))) => out.extend(u32::try_from(*i).ok().and_then(char::from_u32)),
                    Some((_, v)) => out.push_str(&cx.text(v)?),
                }
            }
            Val::str(out)
        }
        kind => Val::Bool(is_kind(s, kind)),
    })
}
