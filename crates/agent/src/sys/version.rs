//! Comparing versions as Debian's packages do.

use std::cmp::Ordering;

/// Compares two Debian versions (`epoch:upstream-revision`).
pub fn debian(a: &str, b: &str) -> Ordering {
    let split = |v: &str| -> (u64, String, String) {
        let (epoch, rest) = v.split_once(':').map_or((0, v), |(e, r)| (e.parse().unwrap_or(0), r));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch, upstream.to_string(), revision.to_string())
    };
    let ((ae, au, ar), (be, bu, br)) = (split(a), split(b));
    ae.cmp(&be).then_with(|| part(&au, &bu)).then_with(|| part(&ar, &br))
}

fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    let weight = |c: Option<&u8>| -> i32 {
        match c {
            Some(b'~') => -1,
            Some(c) if c.is_ascii_digit() => 0,
            None => 0,
            Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
            Some(c) => i32::from(*c) + 256,
        }
    };
    loop {
        while a.first().is_some_and(|c| !c.is_ascii_digit()) || b.first().is_some_and(|c| !c.is_ascii_digit()) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let number = |s: &mut &[u8]| {
            let end = s.iter().position(|c| !c.is_ascii_digit()).unwrap_or(s.len());
            let digits = std::str::from_utf8(&s[..end]).unwrap_or_default().trim_start_matches('0').to_string();
            *s = &s[end..];
            digits
        };
        let (an, bn) = (number(&mut a), number(&mut b));
        let order = an.len().cmp(&bn.len()).then_with(|| an.cmp(&bn));
        if order != Ordering::Equal {
            return order;
        }
        if a.is_empty() && b.is_empty() {
            return Ordering::Equal;
        }
    }
}

/// The numbers of `1.14.2-3`, to be compared one by one.
pub fn numbers(text: &str) -> Vec<u64> {
    text.trim().split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_dpkgs() {
        for (a, b, want) in [
            ("1.0", "1.0", Ordering::Equal),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.10", "1.9", Ordering::Greater),
            ("1:0.1", "9.9", Ordering::Greater),
            ("1.12.3-0~ubuntu-trusty", "1.12.6-0~ubuntu-trusty", Ordering::Less),
            ("1.0-1", "1.0-1+deb12u1", Ordering::Less),
            ("1.0a", "1.0", Ordering::Greater),
            ("1.0+b", "1.0a", Ordering::Greater),
            ("0", "00", Ordering::Equal),
        ] {
            assert_eq!(debian(a, b), want, "{a} {b}");
        }
    }
}
