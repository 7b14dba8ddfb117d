//! For `pip`: whether a version satisfies a specifier.
//!
//! Source of the behaviour: Python's "Version specifiers" (the former PEP 440), with pre-releases allowed, as Ansible asks.

use std::cmp::Ordering;

/// A version, so that its parts compare in their order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Version {
    epoch: u64,
    /// Without the zeros at its end.
    release: Vec<u64>,
    /// Rank and number of a pre-release: one of development only comes before `a`, `b` and `rc`, which come before none.
    pre: (u8, u64),
    /// Number of a post-release, plus one.
    post: u64,
    /// Number of a development release; none is the last.
    dev: u64,
    /// Numbers come after words, and none comes first.
    local: Vec<(u8, u64, String)>,
}

/// Takes a number at the front.
fn number(text: &mut &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let found = text[..end].parse().ok()?;
    *text = &text[end..];
    Some(found)
}

/// Takes one of the words at the front, with a separator around it and a number after it (0 without one).
fn tagged(text: &mut &str, words: &[(&str, u8)]) -> Option<(u8, u64)> {
    let bare = text.strip_prefix(['.', '-', '_']).unwrap_or(text);
    let (word, rank) = words.iter().find(|(w, _)| bare.starts_with(w))?;
    let mut rest = &bare[word.len()..];
    let numbered = rest.strip_prefix(['.', '-', '_']).filter(|r| r.starts_with(|c: char| c.is_ascii_digit()));
    rest = numbered.unwrap_or(rest);
    *text = rest;
    Some((*rank, number(text).unwrap_or(0)))
}

fn parse(text: &str) -> Option<Version> {
    let lower = text.trim().to_ascii_lowercase();
    let mut rest = lower.strip_prefix('v').unwrap_or(&lower);
    let mut epoch = 0;
    if let Some((first, after)) = rest.split_once('!') {
        (epoch, rest) = (first.parse().ok()?, after);
    }
    let mut release = vec![number(&mut rest)?];
    while rest.strip_prefix('.').is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit())) {
        rest = &rest[1..];
        release.push(number(&mut rest)?);
    }
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let words = [("alpha", 1), ("a", 1), ("beta", 2), ("b", 2), ("preview", 3), ("pre", 3), ("rc", 3), ("c", 3)];
    let pre = tagged(&mut rest, &words);
    let short = rest.strip_prefix('-').filter(|r| r.starts_with(|c: char| c.is_ascii_digit()));
    let post = match short {
        Some(after) => {
            rest = after;
            number(&mut rest)
        }
        None => tagged(&mut rest, &[("post", 0), ("rev", 0), ("r", 0)]).map(|(_, n)| n),
    };
    let dev = tagged(&mut rest, &[("dev", 0)]).map(|(_, n)| n);
    let mut local = Vec::new();
    if let Some(text) = rest.strip_prefix('+') {
        rest = "";
        for part in text.split(['.', '-', '_']) {
            local.push(part.parse().map_or_else(|_| (0, 0, part.to_string()), |n| (1, n, String::new())));
        }
    }
    let pre = pre.unwrap_or(if dev.is_some() && post.is_none() { (0, 0) } else { (4, 0) });
    let found = Version { epoch, release, pre, post: post.map_or(0, |n| n + 1), dev: dev.unwrap_or(u64::MAX), local };
    rest.is_empty().then_some(found)
}

/// Whether the version's release starts with the one that stands before `.*`.
fn starts_with(have: &Version, start: &str) -> Option<bool> {
    let wanted = parse(start)?;
    // Zeros count here: 1.0.* is not 1.1.
    let length = start.rsplit('!').next()?.split('.').take_while(|p| p.chars().all(|c| c.is_ascii_digit())).count();
    let part = |v: &Version| (0..length).map(|i| v.release.get(i).copied().unwrap_or(0)).collect::<Vec<u64>>();
    Some(have.epoch == wanted.epoch && part(have) == part(&wanted))
}

/// Whether the version satisfies all of `>=1,<2`; nothing where something can't be read.
pub fn contains(specifiers: &str, version: &str) -> Option<bool> {
    let have = parse(version)?;
    let public = Version { local: Vec::new(), ..have.clone() };
    let bare = specifiers.trim();
    let bare = bare.strip_prefix('(').and_then(|b| b.strip_suffix(')')).unwrap_or(bare);
    let mut all = true;
    for specifier in bare.split(',').map(str::trim).filter(|s| !s.is_empty()) {
        let end = specifier.find(|c: char| !matches!(c, '=' | '<' | '>' | '!' | '~')).unwrap_or(specifier.len());
        let (operator, text) = (&specifier[..end], specifier[end..].trim());
        let exact = |text: &str| -> Option<bool> {
            if let Some(start) = text.strip_suffix(".*") {
                return starts_with(&have, start);
            }
            let wanted = parse(text)?;
            Some(if wanted.local.is_empty() { public == wanted } else { have == wanted })
        };
        all &= match operator {
            "==" => exact(text)?,
            "!=" => !exact(text)?,
            "===" => text.eq_ignore_ascii_case(version.trim()),
            "~=" => {
                let (start, _) = text.rsplit_once('.')?;
                public >= parse(text)? && starts_with(&have, start)?
            }
            _ => {
                let wanted = parse(text)?;
                let same_release = public.epoch == wanted.epoch && public.release == wanted.release;
                let early = |v: &Version| v.pre.0 < 4 || (v.dev < u64::MAX && v.post == 0);
                match (operator, public.cmp(&wanted)) {
                    ("<=", order) => order != Ordering::Greater,
                    (">=", order) => order != Ordering::Less,
                    // A pre-release of what is the limit is not below it, nor is a post-release above.
                    ("<", Ordering::Less) => !(same_release && early(&public) && !early(&wanted)),
                    (">", Ordering::Greater) => !(same_release && public.post > 0 && wanted.post == 0),
                    ("<" | ">", _) => false,
                    _ => return None,
                }
            }
        };
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_versions() {
        let order = [
            "1.0.dev1",
            "1.0a1",
            "1.0b2.dev1",
            "1.0b2",
            "1.0rc1",
            "1.0",
            "1.0+local",
            "1.0+2",
            "1.0.post1.dev2",
            "1.0.post1",
            "1.0.1",
            "1.10",
            "1!0.1",
        ];
        for pair in order.windows(2) {
            assert!(parse(pair[0]).unwrap() < parse(pair[1]).unwrap(), "{pair:?}");
        }
        for (a, b) in [
            ("1.0", "1"),
            ("v1.0-alpha.1", "1a1"),
            ("1.0-1", "1.0.post1"),
            ("1.0c1", "1.0rc1"),
            ("1.0_REV", "1.0.post0"),
        ] {
            assert_eq!(parse(a), parse(b), "{a} {b}");
        }
        assert!(parse("nonsense").is_none() && parse("1.x").is_none());
    }

    #[test]
    fn specifiers() {
        for (specifiers, version, want) in [
            ("", "1", Some(true)),
            ("==1.2", "1.2.0", Some(true)),
            ("==1.2", "1.2+local", Some(true)),
            ("==1.2+other", "1.2+local", Some(false)),
            ("==1.*", "1.9", Some(true)),
            ("==1.0.*", "1.1", Some(false)),
            ("!=1.*", "1.9", Some(false)),
            ("<100,!=1.0,>0.0.0", "2.0.3", Some(true)),
            (">= 999.0.0", "2", Some(false)),
            (" (>=1, <2)", "1.5", Some(true)),
            ("~=1.4.2", "1.4.9", Some(true)),
            ("~=1.4.2", "1.5", Some(false)),
            (">1", "1.post1", Some(false)),
            ("<1", "1rc1", Some(false)),
            (">=0.0.1a1", "0.0.1a2", Some(true)),
            ("===1.0", "1.0", Some(true)),
            ("=1", "1", None),
            (">=x", "1", None),
        ] {
            assert_eq!(contains(specifiers, version), want, "{specifiers} {version}");
        }
    }
}
