//! CreateTags, DeleteTags, DescribeTags.

use super::tag_spec::{limit, parse_tags};
use super::{Action, Context, Entry, done};
use crate::state::{InstanceState, Kind, Region, State};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("CreateTags", Action::Write(create)),
    ("DeleteTags", Action::Write(delete)),
    ("DescribeTags", Action::Read(describe)),
];

fn create(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let ids = c.p.list("ResourceId");
    let tags = parse_tags(&c.p)?;
    c.p.finish()?;
    if ids.is_empty() {
        return Err(ApiError::missing("resourceIdSet"));
    }
    if tags.is_empty() {
        return Err(ApiError::missing("tagSet"));
    }
    let region = c.region_mut(state)?;
    for id in ids {
        own(region, &id)?;
        let on = region.tags.entry(id.clone()).or_default();
        on.extend(tags.clone());
        limit(on)?;
        refresh(region, &id);
    }
    Ok(done())
}

fn delete(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let ids = c.p.list("ResourceId");
    let wanted: Vec<(Option<String>, Option<String>)> =
        c.p.items("Tag").iter().map(|t| (t.text("Key"), t.raw("Value"))).collect();
    c.p.finish()?;
    if ids.is_empty() {
        return Err(ApiError::missing("resourceIdSet"));
    }
    if wanted.iter().any(|w| w.0.is_none()) {
        return Err(ApiError::new("InvalidParameterValue", "Tag keys cannot be null or empty."));
    }
    let region = c.region_mut(state)?;
    for id in ids {
        own(region, &id)?;
        if wanted.is_empty() {
            region.tags.remove(&id);
        } else if let Some(tags) = region.tags.get_mut(&id) {
            // A key without a value deletes the tag; with a value only when it has that value.
            tags.retain(|key, value| {
                !wanted.iter().any(|(k, v)| k.as_ref() == Some(key) && v.as_ref().is_none_or(|v| v == value))
            });
        }
        refresh(region, &id);
    }
    Ok(done())
}

/// Running machines that show their tags in the metadata are told.
fn refresh(region: &mut Region, id: &str) {
    if let Some(i) = region.instances.get_mut(id) {
        i.refresh_metadata |= i.metadata.tags && i.state == InstanceState::Running;
    }
}

/// Refuses ids that name nothing of the caller's.
fn own(region: &Region, id: &str) -> Result<()> {
    let Some(kind) = Kind::of(id) else {
        return Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid")));
    };
    match kind {
        Kind::Image => region.image(id).map(drop),
        Kind::Instance => region.instance(id).map(drop),
        Kind::Volume => region.volume(id).map(drop),
        Kind::Snapshot => region.snapshot(id).map(drop),
        Kind::SecurityGroup => region.security_group(id).map(drop),
        Kind::Subnet => region.subnet(id).map(drop),
        Kind::Vpc => region.vpc(id).map(drop),
        Kind::LaunchTemplate => region.launch_template(id).map(drop),
        Kind::KeyPair => {
            Kind::KeyPair.check(id)?;
            region.key_pairs.values().find(|k| k.id == id).map(drop).ok_or_else(|| kind.not_found(id))
        }
        // Neither is kept: an instant fleet is over once it has launched.
        Kind::Fleet | Kind::SpotRequest => Err(kind.not_found(id)),
        Kind::NetworkInterface => {
            kind.check(id)?;
            region.instances.values().find(|i| i.interface.id == id).map(drop).ok_or_else(|| kind.not_found(id))
        }
    }
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let filters = c.p.filters(&["key", "resource-id", "resource-type", "value", "tag-key"])?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    let all: Vec<(&String, &String, &String)> = region
        .tags
        .iter()
        .flat_map(|(id, tags)| tags.iter().map(move |(key, value)| (id, key, value)))
        .filter(|(id, key, value)| {
            let one = std::collections::BTreeMap::from([((*key).clone(), (*value).clone())]);
            filters.matches(Some(&one), |name| match name {
                "key" => vec![(*key).clone()],
                "value" => vec![(*value).clone()],
                "resource-id" => vec![(*id).clone()],
                "resource-type" => Kind::of(id).map(|k| k.resource_type().to_owned()).into_iter().collect(),
                _ => Vec::new(),
            })
        })
        .collect();
    let (tags, next) = page.cut(all, |(id, key, _)| format!("{id} {key}"));
    let mut x = Xml::new();
    x.set("tagSet", tags, |x, (id, key, value)| {
        x.text("resourceId", id);
        x.opt("resourceType", Kind::of(id).map(Kind::resource_type));
        x.text("key", key);
        x.text("value", value);
    });
    x.opt("nextToken", next);
    Ok(x)
}
