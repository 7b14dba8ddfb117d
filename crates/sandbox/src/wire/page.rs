//! `MaxResults` / `NextToken`. A token names the last item that was given out, so pages stay whole while things come and go.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{ApiError, Params, Result};

/// Which part of a list was asked for.
#[derive(Debug, Clone, Default)]
pub struct Page {
    most: Option<usize>,
    after: Option<String>,
}

impl Page {
    pub(super) fn parse(p: &Params, least: usize, most: usize) -> Result<Self> {
        let max: Option<usize> = p.number("MaxResults")?;
        // Above the most, EC2 gives out its own maximum; below the least it refuses.
        if let Some(n) = max.filter(|n| *n < least) {
            return Err(ApiError::value("maxResults", n, format!("Expecting a value greater than {least}.")));
        }
        let after = match p.text("NextToken") {
            None => None,
            Some(token) => Some(
                URL_SAFE_NO_PAD
                    .decode(&token)
                    .ok()
                    .and_then(|b| String::from_utf8(b).ok())
                    .and_then(|t| t.strip_prefix("after ").map(str::to_owned))
                    .ok_or_else(|| ApiError::new("InvalidNextToken", format!("The token '{token}' is invalid")))?,
            ),
        };
        Ok(Self { most: max.map(|n| n.min(most)), after })
    }

    /// Whether a limit was given (which EC2 does not allow together with ids).
    pub fn limited(&self) -> bool {
        self.most.is_some()
    }

    /// Cuts the page out of `items`, which are sorted by the key that `key` gives, and makes the next token.
    pub fn cut<T>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let mut rest: Vec<T> = match &self.after {
            None => items,
            Some(after) => items.into_iter().skip_while(|i| key(i) <= *after).collect(),
        };
        match self.most {
            Some(most) if rest.len() > most => {
                rest.truncate(most);
                let next = rest.last().map(|last| URL_SAFE_NO_PAD.encode(format!("after {}", key(last))));
                (rest, next)
            }
            _ => (rest, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(all: &[(&str, &str)]) -> Result<Page> {
        Params::new(all.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()).page(2, 4)
    }

    #[test]
    fn pages_cover_everything_once_even_when_an_item_goes() {
        let items = |names: &str| names.chars().map(String::from).collect::<Vec<_>>();
        let (first, next) = page(&[("MaxResults", "2")]).unwrap().cut(items("abcde"), Clone::clone);
        assert_eq!(first, ["a", "b"]);
        let (second, next) =
            page(&[("MaxResults", "2"), ("NextToken", &next.unwrap())]).unwrap().cut(items("acde"), Clone::clone);
        assert_eq!(second, ["c", "d"]);
        let (third, next) =
            page(&[("MaxResults", "9"), ("NextToken", &next.unwrap())]).unwrap().cut(items("acde"), Clone::clone);
        assert_eq!((third, next), (vec!["e".to_string()], None));
    }

    #[test]
    fn bad_tokens_and_limits_are_refused() {
        assert_eq!(page(&[("NextToken", "nonsense")]).unwrap_err().code, "InvalidNextToken");
        assert_eq!(page(&[("MaxResults", "1")]).unwrap_err().code, "InvalidParameterValue");
    }
}
