//! `version`: compares versions as Ansible's four schemes do.

use super::{Call, Table};
use crate::eval::fail;
use crate::val::R;
use std::cmp::Ordering;

pub(super) const TABLE: Table = &[("version", version), ("version_compare", version)];

fn version(c: Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(["version", "operator", "strict", "version_type"])?;
    let value = c.cx.text(&c.input)?;
    let other = c.cx.text(bound.need(0)?)?;
    let operator = bound.text_or(1, "eq");
    let strict = bound.some(2).map(|v| v.truth());
    let kind = bound.text(3);
    if strict.is_some() && kind.is_some() {
        return Err(fail("Cannot specify both 'strict' and 'version_type'"));
    }
    if value.is_empty() {
        return Err(fail("Input version value cannot be empty"));
    }
    if other.is_empty() {
        return Err(fail("Version parameter to compare against cannot be empty"));
    }
    let kind = kind.unwrap_or_else(|| if strict == Some(true) { "strict" } else { "loose" }.to_owned());
    let order = match kind.as_str() {
        "loose" => loose(&value, &other).ok_or_else(|| {
            fail(format!("Version comparison failed: '<' not supported between the parts of '{value}' and '{other}'"))
        })?,
        "strict" => parsed(&value, &other, strict_key, "invalid version number")?,
        "semver" | "semantic" => parsed(&value, &other, semver_key, "invalid semantic version")?,
        "pep440" => parsed(&value, &other, pep440_key, "Invalid version:")?,
        other => {
            return Err(fail(format!(
                "Invalid version type ({other}). Must be one of loose, strict, semver, semantic, pep440"
            )));
        }
    };
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order == Ordering::Equal,
        "<" | "lt" => order == Ordering::Less,
        "<=" | "le" => order != Ordering::Greater,
        ">" | "gt" => order == Ordering::Greater,
        ">=" | "ge" => order != Ordering::Less,
        "!=" | "<>" | "ne" => order != Ordering::Equal,
        other => {
            return Err(fail(format!(
                "Invalid operator type ({other}). Must be one of ==, =, eq, <, lt, <=, le, >, gt, >=, ge, !=, <>, ne"
            )));
        }
    })
}

/// A part of a loose version.
#[derive(PartialEq, Eq, Clone, Debug)]
pub(crate) enum Part {
    Number(u128),
    Word(String),
}

/// Numbers and words in their order; dots separate.
pub(crate) fn loose_parts(version: &str) -> Vec<Part> {
    let mut out = Vec::new();
    let mut rest = version.trim();
    while let Some(first) = rest.chars().next() {
        let n = if first.is_ascii_digit() {
            rest.bytes().take_while(u8::is_ascii_digit).count()
        } else if first.is_ascii_lowercase() {
            rest.bytes().take_while(u8::is_ascii_lowercase).count()
        } else if first == '.' {
            rest = &rest[1..];
            continue;
        } else {
            // Anything else up to the next digit, lower-case letter or dot is one word.
            rest.find(|c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || c == '.').unwrap_or(rest.len())
        };
        let (part, more) = rest.split_at(n.max(1).min(rest.len()));
        out.push(part.parse().map_or_else(|_| Part::Word(part.to_owned()), Part::Number));
        rest = more;
    }
    out
}

/// The order of two loose versions; `None` where a number meets a word.
pub(crate) fn loose(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (loose_parts(a), loose_parts(b));
    for (x, y) in a.iter().zip(&b) {
        let order = match (x, y) {
            (Part::Number(x), Part::Number(y)) => x.cmp(y),
            (Part::Word(x), Part::Word(y)) => x.cmp(y),
            _ => return None,
        };
        if order != Ordering::Equal {
            return Some(order);
        }
    }
    Some(a.len().cmp(&b.len()))
}

fn parsed<K: Ord>(a: &str, b: &str, key: fn(&str) -> Option<K>, refusal: &str) -> R<Ordering> {
    let read = |v: &str| key(v).ok_or_else(|| fail(format!("Version comparison failed: {refusal} '{v}'")));
    Ok(read(a)?.cmp(&read(b)?))
}

type StrictKey = (Vec<u64>, bool, (char, u64));

/// distutils' StrictVersion: `1.2`, `1.2.3`, `1.2a1`.
fn strict_key(v: &str) -> Option<StrictKey> {
    let v = v.trim();
    let split = v.find(['a', 'b']).unwrap_or(v.len());
    let (numbers, pre) = v.split_at(split);
    let mut numbers: Vec<u64> = numbers.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    if !(2..=3).contains(&numbers.len()) {
        return None;
    }
    numbers.resize(3, 0);
    match pre.chars().next() {
        None => Some((numbers, true, ('z', 0))),
        Some(letter) => Some((numbers, false, (letter, pre[1..].parse().ok()?))),
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

type SemverKey = ([u64; 3], bool, Vec<Identifier>);

fn semver_key(v: &str) -> Option<SemverKey> {
    let v = v.split_once('+').map_or(v, |(v, _)| v);
    let (core, pre) = v.split_once('-').map_or((v, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<&str> = core.split('.').collect();
    let [major, minor, patch] = numbers.as_slice() else { return None };
    let number = |t: &str| {
        let plain = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()) && (t == "0" || !t.starts_with('0'));
        plain.then(|| t.parse().ok()).flatten()
    };
    let core = [number(major)?, number(minor)?, number(patch)?];
    let Some(pre) = pre else { return Some((core, true, Vec::new())) };
    let mut identifiers = Vec::new();
    for id in pre.split('.') {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return None;
        }
        identifiers.push(match id.bytes().all(|b| b.is_ascii_digit()) {
            true => Identifier::Number(number(id)?),
            false => Identifier::Word(id.to_owned()),
        });
    }
    Some((core, false, identifiers))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Local {
    Word(String),
    Number(u64),
}

/// Epoch, release, pre-release phase, post, dev, local.
type PepKey = (u64, Vec<u64>, (i8, u64), i64, (bool, u64), Vec<Local>);

fn pep440_key(v: &str) -> Option<PepKey> {
    let v = v.trim().to_lowercase();
    let v = v.strip_prefix('v').unwrap_or(&v);
    let (v, local) = v.split_once('+').map_or((v, None), |(v, l)| (v, Some(l)));
    let (epoch, v) = match v.split_once('!') {
        Some((e, v)) => (e.parse().ok()?, v),
        None => (0, v),
    };
    let n = v.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let release_text = v[..n].trim_end_matches('.');
    let mut rest = &v[release_text.len()..];
    let mut release: Vec<u64> = release_text.split('.').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let (mut pre, mut post, mut dev) = (None, None, None);
    while !rest.is_empty() {
        let trimmed = rest.trim_start_matches(['.', '-', '_']);
        let word: String = trimmed.chars().take_while(char::is_ascii_alphabetic).collect();
        let after = trimmed[word.len()..].trim_start_matches(['.', '-', '_']);
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        let number: u64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        match word.as_str() {
            "a" | "alpha" if pre.is_none() => pre = Some((0, number)),
            "b" | "beta" if pre.is_none() => pre = Some((1, number)),
            "c" | "rc" | "pre" | "preview" if pre.is_none() => pre = Some((2, number)),
            "post" | "rev" | "r" if post.is_none() => post = Some(number as i64),
            "" if post.is_none() && rest.starts_with('-') && !digits.is_empty() => post = Some(number as i64),
            "dev" if dev.is_none() => dev = Some(number),
            _ => return None,
        }
        rest = if digits.is_empty() { &trimmed[word.len()..] } else { &after[digits.len()..] };
    }
    let phase = match (pre, post, dev) {
        (Some(p), ..) => p,
        (None, None, Some(_)) => (-1, 0),
        _ => (3, 0),
    };
    let local = match local {
        None => Vec::new(),
        Some(l) => l
            .split(['.', '-', '_'])
            .map(|p| p.parse().map_or_else(|_| Local::Word(p.to_owned()), Local::Number))
            .collect(),
    };
    Some((epoch, release, phase, post.unwrap_or(-1), (dev.is_none(), dev.unwrap_or(0)), local))
}
