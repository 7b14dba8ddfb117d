//! Tags as they come in: `TagSpecification.N` of create calls and `Tag.N`. The rules are the user guide's "Tag restrictions".

use std::collections::BTreeMap;

use crate::state::{Kind, Region, Tags};
use crate::wire::{ApiError, Params, Result, Xml};

/// The most tags of one resource.
const MAX_TAGS: usize = 50;

/// Tags by resource type.
#[derive(Debug, Default)]
pub struct TagSpec(BTreeMap<String, Tags>);

impl TagSpec {
    /// Reads `TagSpecification.N`; other resource types than `allowed` are refused.
    pub fn parse(p: &Params, allowed: &[Kind]) -> Result<Self> {
        let mut spec = Self::default();
        for item in p.items("TagSpecification") {
            let kind = item.text("ResourceType").ok_or_else(|| {
                ApiError::new("InvalidParameterValue", "Tag specification resource type must have a value")
            })?;
            if !allowed.iter().any(|k| k.resource_type() == kind) {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    format!("'{kind}' is not a valid taggable resource type for this operation."),
                ));
            }
            if spec.0.contains_key(&kind) {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    format!("Duplicate tag specification for resource type '{kind}'."),
                ));
            }
            let tags = parse_tags(&item)?;
            if tags.is_empty() {
                return Err(ApiError::new("InvalidParameterValue", "Tag specification must have at least one tag"));
            }
            spec.0.insert(kind, tags);
        }
        Ok(spec)
    }

    /// Puts the tags of this kind on a new resource.
    pub fn apply(&self, region: &mut Region, kind: Kind, id: &str) {
        if let Some(tags) = self.of(kind) {
            region.tags.insert(id.to_owned(), tags.clone());
        }
    }

    /// The tags for this kind.
    pub fn of(&self, kind: Kind) -> Option<&Tags> {
        self.0.get(kind.resource_type())
    }
}

/// Reads `Tag.N.Key` / `Tag.N.Value`.
pub fn parse_tags(p: &Params) -> Result<Tags> {
    let mut tags = Tags::new();
    for tag in p.items("Tag") {
        let value = tag.raw("Value").unwrap_or_default();
        let key = tag
            .text("Key")
            .ok_or_else(|| ApiError::new("InvalidParameterValue", "Tag keys cannot be null or empty."))?;
        check(&key, &value)?;
        if tags.insert(key.clone(), value).is_some() {
            return Err(ApiError::new("InvalidParameterValue", format!("Duplicate tag key '{key}' specified.")));
        }
    }
    limit(&tags)?;
    Ok(tags)
}

/// Refuses more tags than a resource may have.
pub fn limit(tags: &Tags) -> Result<()> {
    match tags.len() {
        0..=MAX_TAGS => Ok(()),
        n => Err(ApiError::new(
            "TagLimitExceeded",
            format!("The maximum number of tags for a resource is {MAX_TAGS}; this one would have {n}."),
        )),
    }
}

fn check(key: &str, value: &str) -> Result<()> {
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(ApiError::new(
            "InvalidParameterValue",
            "Tag keys starting with 'aws:' are reserved for internal use",
        ));
    }
    for (what, text, most) in [("key", key, 127), ("value", value, 255)] {
        if text.chars().count() > most {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!("Tag {what} exceeds the maximum length of {most} characters"),
            ));
        }
        if text.chars().any(|c| c.is_control() && c != '\t' && c != '\n' && c != '\r') {
            return Err(ApiError::new("InvalidParameterValue", format!("Tag {what} contains invalid characters.")));
        }
    }
    Ok(())
}

/// Writes `<tagSet>`; nothing when there are no tags, which EC2 leaves out too.
pub fn write(x: &mut Xml, tags: Option<&Tags>) {
    if let Some(tags) = tags.filter(|t| !t.is_empty()) {
        x.set("tagSet", tags, |x, (key, value)| {
            x.text("key", key);
            x.text("value", value);
        });
    }
}
