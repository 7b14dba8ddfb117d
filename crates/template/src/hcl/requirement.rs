//! Version constraints as `required_version` has them: `>= 1.7.0, < 2.0.0`, `~> 1.8` (HashiCorp's go-version).

use crate::version::Version;

/// One condition.
#[derive(Debug, Clone, PartialEq)]
struct Condition {
    operator: Operator,
    version: Version,
    /// How many parts were written: `~> 1.8` and `~> 1.8.0` differ.
    parts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Pessimistic,
}

/// Conditions that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constraint(Vec<Condition>);

impl Constraint {
    /// Reads conditions separated by commas; none if one of them can't be read.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.split(',').map(condition).collect::<Option<_>>().map(Constraint)
    }

    /// Whether a released version meets all of them.
    pub(crate) fn admits(&self, version: &Version) -> bool {
        self.0.iter().all(|condition| condition.admits(version))
    }
}

fn condition(text: &str) -> Option<Condition> {
    use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, Pessimistic};
    const OPERATORS: [(&str, Operator); 7] = [
        (">=", GreaterOrEqual),
        ("<=", LessOrEqual),
        ("!=", NotEqual),
        ("~>", Pessimistic),
        (">", Greater),
        ("<", Less),
        ("=", Equal),
    ];
    let text = text.trim();
    let found = OPERATORS.iter().find_map(|(sign, operator)| Some((text.strip_prefix(sign)?, *operator)));
    let (rest, operator) = found.unwrap_or((text, Equal));
    let written = rest.trim();
    let numbers = written.trim_start_matches('v');
    let end = numbers.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(numbers.len());
    let parts = numbers[..end].split('.').count();
    Some(Condition { operator, version: Version::parse(written)?, parts })
}

impl Condition {
    fn admits(&self, version: &Version) -> bool {
        match self.operator {
            Operator::Equal => *version == self.version,
            Operator::NotEqual => *version != self.version,
            Operator::Greater => *version > self.version,
            Operator::GreaterOrEqual => *version >= self.version,
            Operator::Less => *version < self.version,
            Operator::LessOrEqual => *version <= self.version,
            Operator::Pessimistic => {
                let fixed = self.parts.saturating_sub(1).max(1);
                let same = (0..fixed).all(|i| version.part(i) == self.version.part(i));
                // A released version is never meant by a constraint on a pre-release.
                same && *version >= self.version && !self.version.is_pre_release()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_as_in_packer() {
        let version = Version::parse("1.16.0").unwrap();
        for (text, admitted) in [
            (">= 1.7.0", true),
            (">=1.7.0, < 2.0.0", true),
            ("~> 1.8", true),
            ("~> 1.8.0", false),
            ("~> 1.16.0", true),
            ("~> 1", true),
            ("1.16.0", true),
            ("= 1.16", true),
            ("!= 1.16.0", false),
            ("> 1.16.0", false),
            ("< 1.6", false),
            ("<= 1.16.0", true),
            (">= 1.16.0-beta1", true),
            ("~> 1.16.0-beta1", false),
        ] {
            assert_eq!(Constraint::parse(text).unwrap().admits(&version), admitted, "{text}");
        }
        for text in ["", "latest", ">= 1.x", "=> 1.0"] {
            assert_eq!(Constraint::parse(text), None, "{text}");
        }
    }
}
