//! The parameters of a request as a tree: `BlockDeviceMapping.1.Ebs.VolumeSize=40`.
//!
//! Every read marks its parameter as used; [`Params::finish`] refuses what no one read, so that an action cannot ignore
//! a parameter silently.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::str::FromStr;

use super::{ApiError, Filters, Page, Result};

/// A view on the parameters below a prefix.
#[derive(Debug, Clone)]
pub struct Params {
    all: Rc<BTreeMap<String, String>>,
    used: Rc<RefCell<BTreeSet<String>>>,
    prefix: String,
}

/// Parameters that belong to the protocol, not to the action.
const COMMON: &[&str] = &[
    "Action",
    "Version",
    "DryRun",
    "AWSAccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
    "Expires",
    "SecurityToken",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

impl Params {
    /// The root view.
    pub fn new(all: BTreeMap<String, String>) -> Self {
        Self { all: Rc::new(all), used: Rc::default(), prefix: String::new() }
    }

    /// The full name of a parameter of this view, for messages.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The value as sent, which may be empty.
    pub fn raw(&self, name: &str) -> Option<String> {
        let full = self.name(name);
        let value = self.all.get(&full).cloned();
        if value.is_some() {
            self.used.borrow_mut().insert(full);
        }
        value
    }

    /// The value; an empty one counts as absent, as EC2 has it for everything but tag values and descriptions.
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name).filter(|v| !v.is_empty())
    }

    /// The value, or `MissingParameter`.
    pub fn need(&self, name: &str) -> Result<String> {
        self.text(name).ok_or_else(|| ApiError::missing(&self.name(name)))
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(v) => Err(ApiError::value(&self.name(name), v, "Expected a boolean: true or false.")),
        }
    }

    /// A number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        match self.text(name) {
            None => Ok(None),
            Some(v) => match v.parse() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(ApiError::value(&self.name(name), v, "Expected a whole number in range.")),
            },
        }
    }

    /// One of some words.
    pub fn word(&self, name: &str, allowed: &[&str]) -> Result<Option<String>> {
        match self.text(name) {
            Some(v) if !allowed.contains(&v.as_str()) => {
                Err(ApiError::value(&self.name(name), v, format!("Expected one of: {}.", allowed.join(", "))))
            }
            v => Ok(v),
        }
    }

    /// `Name.1`, `Name.2`, … in the order of their numbers.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.indices(name).into_iter().filter_map(|i| self.text(&format!("{name}.{i}"))).collect()
    }

    /// Views on `Name.1.…`, `Name.2.…`.
    pub fn items(&self, name: &str) -> Vec<Params> {
        self.indices(name).into_iter().map(|i| self.child(&format!("{name}.{i}"))).collect()
    }

    /// The view on `Name.…`.
    pub fn child(&self, name: &str) -> Params {
        Params { all: self.all.clone(), used: self.used.clone(), prefix: format!("{}{name}.", self.prefix) }
    }

    /// Whether anything was sent below this view.
    pub fn present(&self) -> bool {
        self.all.range(self.prefix.clone()..).next().is_some_and(|(k, _)| k.starts_with(&self.prefix))
    }

    /// The `Filter.N` list; names that are not in `known` are refused (`tag:*` and `tag-key` are known when `tag-key` is).
    pub fn filters(&self, known: &[&str]) -> Result<Filters> {
        Filters::parse(self, known)
    }

    /// `MaxResults` and `NextToken`.
    pub fn page(&self, least: usize, most: usize) -> Result<Page> {
        Page::parse(self, least, most)
    }

    /// Refuses parameters that no one read.
    pub fn finish(&self) -> Result<()> {
        let used = self.used.borrow();
        match self.all.keys().find(|k| !used.contains(*k) && !COMMON.contains(&k.as_str())) {
            None => Ok(()),
            Some(name) => Err(ApiError::new(
                "UnknownParameter",
                format!(
                    "The parameter {name} is not recognized (EC2 does not know it for this action, or this sandbox does not support it)"
                ),
            )),
        }
    }

    /// Everything that was sent but the client token and the protocol's own, for comparing idempotent calls.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for (k, v) in self.all.iter().filter(|(k, _)| *k != "ClientToken" && !COMMON.contains(&k.as_str())) {
            hash.update((k.len() as u64).to_le_bytes());
            hash.update(k);
            hash.update((v.len() as u64).to_le_bytes());
            hash.update(v);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    fn indices(&self, name: &str) -> BTreeSet<u32> {
        let start = format!("{}{name}.", self.prefix);
        self.all
            .range(start.clone()..)
            .take_while(|(k, _)| k.starts_with(&start))
            .filter_map(|(k, _)| k[start.len()..].split('.').next().and_then(|i| i.parse().ok()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(all: &[(&str, &str)]) -> Params {
        Params::new(all.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn lists_are_ordered_by_number_not_by_text() {
        let p = params(&[("InstanceId.10", "c"), ("InstanceId.2", "b"), ("InstanceId.1", "a")]);
        assert_eq!(p.list("InstanceId"), ["a", "b", "c"]);
        assert!(p.finish().is_ok());
    }

    #[test]
    fn nested_structures_are_views() {
        let p = params(&[("B.1.DeviceName", "/dev/sdb"), ("B.1.Ebs.VolumeSize", "40"), ("B.2.NoDevice", "")]);
        let items = p.items("B");
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].child("Ebs").number::<u32>("VolumeSize").unwrap(), Some(40));
        assert_eq!(items[1].raw("NoDevice"), Some(String::new()));
        assert!(!items[1].child("Ebs").present());
    }

    #[test]
    fn what_no_one_reads_is_refused_by_name() {
        let p = params(&[("Action", "X"), ("A", "1"), ("B.1.C", "2")]);
        p.text("A");
        let e = p.finish().unwrap_err();
        assert_eq!(e.code, "UnknownParameter");
        assert!(e.message.contains("B.1.C"), "{e}");
    }

    #[test]
    fn wrong_types_name_the_parameter() {
        let p = params(&[("E.VolumeSize", "big"), ("E.Encrypted", "ja"), ("E.Kind", "x")]).child("E");
        assert!(p.number::<u32>("VolumeSize").unwrap_err().message.contains("E.VolumeSize"));
        assert!(p.flag("Encrypted").unwrap_err().message.contains("E.Encrypted"));
        assert!(p.word("Kind", &["a", "b"]).unwrap_err().message.contains("a, b"));
        assert_eq!(p.need("Nothing").unwrap_err().code, "MissingParameter");
    }

    #[test]
    fn fingerprints_ignore_the_token_only() {
        let a = params(&[("ImageId", "ami-1"), ("ClientToken", "t"), ("DryRun", "false")]);
        let b = params(&[("ImageId", "ami-1"), ("ClientToken", "u")]);
        let c = params(&[("ImageId", "ami-2"), ("ClientToken", "t")]);
        assert_eq!(a.fingerprint(), b.fingerprint());
        assert_ne!(a.fingerprint(), c.fingerprint());
    }
}
