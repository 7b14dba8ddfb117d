//! `Filter.N.Name` / `Filter.N.Value.M`: values of one filter are alternatives, filters are conjunct.
//! Values match with `*`, `?` and `\` as an escape, case-sensitively (EC2 user guide, "List and filter using the API").

use std::collections::BTreeMap;

use super::{ApiError, Params, Result};

/// EC2's limit of values in one request.
const MAX_VALUES: usize = 200;

/// The filters of a Describe call.
#[derive(Debug, Clone, Default)]
pub struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    pub(super) fn parse(p: &Params, known: &[&str]) -> Result<Self> {
        let mut filters = Vec::new();
        for item in p.items("Filter") {
            let name = item
                .need("Name")
                .map_err(|_| ApiError::new("InvalidParameterValue", "The filter 'null' is invalid"))?;
            // Both spellings are in use: SDKs send Value.N, hand-written calls also Values.N.
            let values = item.items_raw("Value");
            let is_tag = known.contains(&"tag-key") && name.strip_prefix("tag:").is_some_and(|k| !k.is_empty());
            if !is_tag && !known.contains(&name.as_str()) {
                return Err(ApiError::new("InvalidParameterValue", format!("The filter '{name}' is invalid")));
            }
            if values.is_empty() {
                return Err(ApiError::new("InvalidParameterValue", format!("The filter '{name}' has no values")));
            }
            filters.push((name, values));
        }
        if filters.iter().map(|f| f.1.len()).sum::<usize>() > MAX_VALUES {
            return Err(ApiError::new(
                "FilterLimitExceeded",
                format!("The maximum number of filter values is {MAX_VALUES}"),
            ));
        }
        Ok(Self(filters))
    }

    /// Whether a resource passes: `field` gives the values that it has under a filter name.
    pub fn matches(&self, tags: Option<&BTreeMap<String, String>>, field: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let has: Vec<String> = match (name.as_str(), name.strip_prefix("tag:")) {
                (_, Some(key)) => tags.and_then(|t| t.get(key)).cloned().into_iter().collect(),
                ("tag-key", _) => tags.map(|t| t.keys().cloned().collect()).unwrap_or_default(),
                ("tag-value", _) => tags.map(|t| t.values().cloned().collect()).unwrap_or_default(),
                _ => field(name),
            };
            has.iter().any(|h| wanted.iter().any(|w| glob(w, h)))
        })
    }
}

impl Params {
    /// The values of a list, empty ones included.
    fn items_raw(&self, name: &str) -> Vec<String> {
        (1..=MAX_VALUES + 1).map_while(|i| self.raw(&format!("{name}.{i}"))).collect()
    }
}

/// Matches `text` against a pattern with `*`, `?` and `\`.
pub fn glob(pattern: &str, text: &str) -> bool {
    enum Token {
        Any,
        One,
        Is(char),
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Is(chars.next().unwrap_or('\\')),
            c => Token::Is(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut t, mut i, mut back) = (0, 0, None);
    while i < text.len() {
        match tokens.get(t) {
            Some(Token::Any) => {
                back = Some((t, i));
                t += 1;
            }
            Some(Token::One) => (t, i) = (t + 1, i + 1),
            Some(Token::Is(c)) if *c == text[i] => (t, i) = (t + 1, i + 1),
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (t, i) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    tokens[t..].iter().all(|t| matches!(t, Token::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            (
                "*ubuntu-trusty-14.04-amd64-server-*",
                "ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20190514",
                true,
            ),
            ("ubuntu", "ubuntu2", false),
            ("ubuntu?", "ubuntu2", true),
            ("*", "", true),
            ("", "", true),
            ("?", "", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            ("Ubuntu", "ubuntu", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }

    fn parse(all: &[(&str, &str)]) -> Result<Filters> {
        Params::new(all.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
            .filters(&["name", "state", "tag-key"])
    }

    #[test]
    fn unknown_names_and_missing_values_are_refused() {
        for (case, message) in [
            (&[("Filter.1.Name", "nam"), ("Filter.1.Value.1", "x")][..], "'nam'"),
            (&[("Filter.1.Name", "tag:"), ("Filter.1.Value.1", "x")], "'tag:'"),
            (&[("Filter.1.Name", "name")], "no values"),
            (&[("Filter.1.Value.1", "name")], "'null'"),
        ] {
            let e = parse(case).unwrap_err();
            assert_eq!(e.code, "InvalidParameterValue");
            assert!(e.message.contains(message), "{e}");
        }
    }

    #[test]
    fn values_are_alternatives_and_filters_conjunct() {
        let f = parse(&[
            ("Filter.1.Name", "name"),
            ("Filter.1.Value.1", "a*"),
            ("Filter.1.Value.2", "b"),
            ("Filter.2.Name", "tag:Role"),
            ("Filter.2.Value.1", "web"),
        ])
        .unwrap();
        let tags = BTreeMap::from([("Role".to_string(), "web".to_string())]);
        let named = |n: &str| {
            let n = n.to_string();
            move |_: &str| vec![n.clone()]
        };
        assert!(f.matches(Some(&tags), named("abc")));
        assert!(f.matches(Some(&tags), named("b")));
        assert!(!f.matches(Some(&tags), named("c")));
        assert!(!f.matches(None, named("b")));
    }
}
