//! Values that templates ask of AWS before anything is built: Secrets Manager's GetSecretValue and SSM's GetParameter. The calls are
//! [`Account`](super::ec2::Account)'s; here is what they answer and what a template gets of it.

use imgbuild_diag::Secret;

/// Which version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretVersion {
    /// By the label that is attached to it: `AWSCURRENT`.
    Stage(String),
    /// By its id.
    Id(String),
}

impl Default for SecretVersion {
    fn default() -> Self {
        SecretVersion::Stage("AWSCURRENT".into())
    }
}

impl SecretVersion {
    /// As messages name it.
    pub fn as_str(&self) -> &str {
        match self {
            SecretVersion::Stage(name) | SecretVersion::Id(name) => name,
        }
    }
}

/// What GetSecretValue gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretValue {
    /// `SecretString`.
    pub text: Option<Secret>,
    /// `SecretBinary`.
    pub binary: Option<Secret<Vec<u8>>>,
    /// `VersionId`.
    pub version_id: String,
}

/// What GetParameter gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// `Value`; of a SecureString that was not decrypted its cipher text.
    pub value: Secret,
    /// `Version`.
    pub version: i64,
    /// `ARN`.
    pub arn: String,
    /// Whether its type is SecureString.
    pub secure: bool,
}

/// Whether one value of several is taken where no key is named. Packer's data source takes any; its functions refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyless {
    /// The first as written.
    First,
    /// Only if it is the only one.
    Single,
}

/// The value of `key` in a secret: the text itself unless it is JSON, then a value of its object (plugin-amazon 1.8
/// `datasource/secretsmanager`, plugin-sdk 0.6 `interpolate/aws/secretsmanager`). Unlike Packer's data source a key that is not there
/// is an error, not an empty text.
///
/// # Errors
/// One sentence; it holds no part of the secret.
pub fn value_of(text: &str, key: Option<&str>, keyless: Keyless) -> Result<String, String> {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else { return Ok(text.to_owned()) };
    let serde_json::Value::Object(values) = json else {
        return Err("it is JSON, but no object of keys and values".into());
    };
    let value = match key {
        Some(key) => values.get(key).ok_or_else(|| format!("it has no key {key:?}"))?,
        None if keyless == Keyless::Single && values.len() > 1 => {
            return Err("it has several values, and no key says which".into());
        }
        None => match values.values().next() {
            Some(first) => first,
            None if keyless == Keyless::First => return Ok(String::new()),
            None => return Err("it has no values".into()),
        },
    };
    match value {
        serde_json::Value::String(text) => Ok(text.clone()),
        // As in Go: a float without decimals, the half of which goes to the even neighbour.
        serde_json::Value::Number(number) => {
            number.as_f64().map(|n| format!("{n:.0}")).ok_or_else(|| "its number is too large".into())
        }
        other => Err(format!("its value is {}; only texts and numbers can be used", kind(other))),
    }
}

fn kind(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "true or false",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a text",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        use Keyless::{First, Single};
        for (text, key, keyless, want) in [
            ("plain", None, Single, Ok("plain")),
            ("plain", Some("k"), Single, Ok("plain")),
            ("", None, First, Ok("")),
            (r#"{"b":"x"}"#, None, Single, Ok("x")),
            (r#"{"b":"x","a":"y"}"#, None, First, Ok("x")),
            (r#"{"b":"x","a":"y"}"#, None, Single, Err("several values")),
            (r#"{"b":"x","a":"y"}"#, Some("a"), Single, Ok("y")),
            (r#"{"b":"x"}"#, Some("c"), First, Err("no key \"c\"")),
            (r#"{"n":5432}"#, Some("n"), First, Ok("5432")),
            (r#"{"n":2.5}"#, Some("n"), First, Ok("2")),
            (r#"{"n":true}"#, Some("n"), First, Err("true or false")),
            (r#"{"n":[1]}"#, None, Single, Err("a list")),
            ("[1]", None, First, Err("no object")),
            ("{}", None, First, Ok("")),
            ("{}", None, Single, Err("no values")),
        ] {
            match (value_of(text, key, keyless), want) {
                (Ok(value), Ok(want)) => assert_eq!(value, want, "{text} {key:?}"),
                (Err(why), Err(want)) => assert!(why.contains(want), "{text} {key:?}: {why}"),
                (got, want) => panic!("{text} {key:?}: {got:?}, not {want:?}"),
            }
        }
    }
}
