//! Version numbers as `min_packer_version` compares them (HashiCorp's go-version: any number of parts, pre-releases come before).

use std::cmp::Ordering;

/// A version number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    parts: Vec<u64>,
    pre_release: String,
}

impl Version {
    /// Reads `1.2`, `v1.2.3-beta1+build`; none if it is no version.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (numbers, pre_release) = text.split_at(end);
        let pre_release = pre_release.strip_prefix('-').unwrap_or(pre_release);
        let good = |c: char| c.is_ascii_alphanumeric() || "-.~".contains(c);
        if !pre_release.chars().all(good) || (text.len() > end && pre_release.is_empty()) {
            return None;
        }
        let parts: Option<Vec<u64>> = numbers.split('.').map(|part| part.parse().ok()).collect();
        let mut parts = parts?;
        while parts.len() < 3 {
            parts.push(0);
        }
        Some(Version { parts, pre_release: pre_release.to_owned() })
    }

    /// A part by its place, from 0; parts that aren't there are 0.
    pub(crate) fn part(&self, place: usize) -> u64 {
        self.parts.get(place).copied().unwrap_or(0)
    }

    /// Whether it is a pre-release.
    pub(crate) fn is_pre_release(&self) -> bool {
        !self.pre_release.is_empty()
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.parts.len().max(other.parts.len());
        let part = |version: &Version, i: usize| version.parts.get(i).copied().unwrap_or(0);
        let numbers = (0..length).map(|i| part(self, i).cmp(&part(other, i))).find(|o| o.is_ne());
        numbers.unwrap_or_else(|| match (self.pre_release.as_str(), other.pre_release.as_str()) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (a, b) => pre_releases(a, b),
        })
    }
}

/// Part by part: numbers by value and before words, a shorter one first.
fn pre_releases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// `1.2.3-beta1`.
impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.parts.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))?;
        if self.pre_release.is_empty() { Ok(()) } else { write!(f, "-{}", self.pre_release) }
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn order() {
        let sorted = ["0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0", "v1.2", "1.10.0", "1.10.0.1", "2+x"];
        for pair in sorted.windows(2) {
            assert!(Version::parse(pair[0]) < Version::parse(pair[1]), "{pair:?}");
        }
        assert_eq!(Version::parse("1"), Version::parse("1.0.0"));
        for bad in ["", "x", "1.x.", "1..2", "1.2-", "1.2 ", ">=1"] {
            assert_eq!(Version::parse(bad), None, "{bad:?}");
        }
    }
}
