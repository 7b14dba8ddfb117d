//! Versions: semantic ones of collections with their ranges, loose ones of roles.

use std::cmp::Ordering;

/// Orders as Python's `LooseVersion` does: numbers by value, words by text; a leading `v` counts for nothing.
pub fn loose(a: &str, b: &str) -> Ordering {
    let parts = |v: &str| -> Vec<(bool, u64, String)> {
        let v = v.strip_prefix('v').unwrap_or(v);
        let mut parts = Vec::new();
        let mut rest = v;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digits || c == '.').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(first.len_utf8()));
            if first != '.' {
                parts.push((digits, word.parse().unwrap_or(u64::MAX), word.to_owned()));
            }
            rest = after;
        }
        parts
    };
    let (a, b) = (parts(a), parts(b));
    for (x, y) in a.iter().zip(&b) {
        let order = if x.0 && y.0 { x.1.cmp(&y.1) } else { x.2.cmp(&y.2) };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// A semantic version's numbers and its pre-release.
fn semantic(v: &str) -> Option<([u64; 3], Option<&str>)> {
    let v = v.split('+').next().unwrap_or(v);
    let (numbers, pre) = v.split_once('-').map_or((v, None), |(n, p)| (n, Some(p)));
    let mut parts = numbers.split('.').map(|p| p.parse().ok());
    let mut next = || parts.next().unwrap_or(Some(0));
    Some(([next()?, next()?, next()?], pre))
}

/// Orders semantic versions; a pre-release comes before its release.
pub fn order(a: &str, b: &str) -> Ordering {
    let (Some((x, p)), Some((y, q))) = (semantic(a), semantic(b)) else { return loose(a, b) };
    x.cmp(&y).then_with(|| match (p, q) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(p), Some(q)) => loose(p, q),
    })
}

/// Whether a version is a pre-release.
pub fn is_pre(v: &str) -> bool {
    semantic(v).is_some_and(|(_, pre)| pre.is_some())
}

/// Whether a version lies in a range: `*`, `1.2.3`, `>=1.0.0,<2.0.0`, `!=1.1.0`.
pub fn fits(version: &str, range: &str) -> bool {
    range.split(',').map(str::trim).filter(|r| !r.is_empty() && *r != "*").all(|part| {
        let (operator, bound) = ["==", ">=", "<=", "!=", ">", "<", "="]
            .iter()
            .find_map(|o| part.strip_prefix(o).map(|rest| (*o, rest.trim())))
            .unwrap_or(("==", part));
        let found = order(version, bound);
        match operator {
            ">=" => found != Ordering::Less,
            "<=" => found != Ordering::Greater,
            ">" => found == Ordering::Greater,
            "<" => found == Ordering::Less,
            "!=" => found != Ordering::Equal,
            _ => found == Ordering::Equal,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_ranges() {
        assert_eq!(loose("7.10.0", "7.9.1"), Ordering::Greater);
        assert_eq!(loose("v1.2", "1.2"), Ordering::Equal);
        assert_eq!(order("1.0.0-rc1", "1.0.0"), Ordering::Less);
        for (version, range, want) in [
            ("1.2.3", "*", true),
            ("1.2.3", ">=1.0.0,<2.0.0", true),
            ("2.0.0", ">=1.0.0,<2.0.0", false),
            ("1.2.3", "1.2.3", true),
            ("1.2.3", "!=1.2.3", false),
            ("1.10.0", ">1.9.0", true),
        ] {
            assert_eq!(fits(version, range), want, "{version} {range}");
        }
    }
}
