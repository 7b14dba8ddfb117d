//! CreateSnapshot, CreateSnapshots, CopySnapshot, DescribeSnapshots, DeleteSnapshot, ModifySnapshotAttribute,
//! DescribeSnapshotAttribute.

use std::collections::BTreeSet;

use super::device_mapping::kms_arn;
use super::image_create::check_description;
use super::tag_spec::{self, TagSpec};
use super::{Action, Context, Entry, done};
use crate::state::{ACCOUNT, Kind, Region, Snapshot, SnapshotState, State, Time, Volume, VolumeState, new_id};
use crate::types::is_region;
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("CopySnapshot", Action::Write(copy)),
    ("CreateSnapshot", Action::Write(create)),
    ("CreateSnapshots", Action::Write(create_all)),
    ("DeleteSnapshot", Action::Write(delete)),
    ("DescribeSnapshotAttribute", Action::Read(describe_attribute)),
    ("DescribeSnapshots", Action::Read(describe)),
    ("ModifySnapshotAttribute", Action::Write(modify_attribute)),
];

fn pending(volume: &Volume, description: String, now: Time) -> Snapshot {
    Snapshot {
        id: new_id(Kind::Snapshot),
        volume_id: volume.id.clone(),
        owner_id: ACCOUNT.into(),
        description,
        size: volume.spec.size,
        state: SnapshotState::Pending,
        state_message: None,
        started: now,
        completed: None,
        encrypted: volume.spec.encrypted,
        kms_key_id: volume.spec.kms_key_id.clone(),
        content: None,
        copy_of: None,
        for_image: None,
        users: BTreeSet::new(),
        public: false,
        deleted: false,
    }
}

fn create(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let volume_id = c.p.need("VolumeId")?;
    let description = c.p.raw("Description").unwrap_or_default();
    let tags = TagSpec::parse(&c.p, &[Kind::Snapshot])?;
    c.p.finish()?;
    check_description(&description)?;
    let region = c.region_mut(state)?;
    let volume = region.volume(&volume_id)?;
    if !matches!(volume.state, VolumeState::Available | VolumeState::InUse) {
        return Err(ApiError::new("IncorrectState", format!("Volume {volume_id} is in state {}", volume.state.name())));
    }
    let snapshot = pending(volume, description, c.now());
    let id = snapshot.id.clone();
    region.snapshots.insert(id.clone(), snapshot);
    tags.apply(region, Kind::Snapshot, &id);
    let mut x = Xml::new();
    fields(&mut x, region, region.snapshot(&id)?);
    Ok(x)
}

fn create_all(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let spec = c.p.child("InstanceSpecification");
    let instance_id = spec.need("InstanceId")?;
    let no_boot = spec.flag("ExcludeBootVolume")?.unwrap_or(false);
    let excluded = spec.list("ExcludeDataVolumeId");
    let description = c.p.raw("Description").unwrap_or_default();
    let copy_tags = c.p.word("CopyTagsFromSource", &["volume"])?.is_some();
    let tags = TagSpec::parse(&c.p, &[Kind::Snapshot])?;
    c.p.finish()?;
    check_description(&description)?;
    let region = c.region_mut(state)?;
    let instance = region.instance(&instance_id)?.clone();
    let root = region.root_volume(&instance).map(|v| v.id.clone());
    for id in &excluded {
        region.volume(id)?;
    }
    let volumes: Vec<Volume> = region
        .volumes_of(&instance_id)
        .filter(|v| !no_boot || Some(&v.id) != root.as_ref())
        .filter(|v| !excluded.contains(&v.id))
        .cloned()
        .collect();
    if volumes.is_empty() {
        return Err(ApiError::new("InvalidParameterValue", "No volumes are left to take snapshots of"));
    }
    let mut ids = Vec::new();
    for volume in volumes {
        let snapshot = pending(&volume, description.clone(), c.now());
        let id = snapshot.id.clone();
        region.snapshots.insert(id.clone(), snapshot);
        let mut all =
            if copy_tags { region.tags.get(&volume.id).cloned().unwrap_or_default() } else { Default::default() };
        all.extend(tags.of(Kind::Snapshot).cloned().unwrap_or_default());
        if !all.is_empty() {
            region.tags.insert(id.clone(), all);
        }
        ids.push(id);
    }
    let mut x = Xml::new();
    x.set("snapshotSet", ids.iter().filter_map(|id| region.snapshots.get(id)), |x, s| {
        x.text("snapshotId", &s.id);
        x.text("volumeId", &s.volume_id);
        x.text("volumeSize", s.size);
        x.text("state", s.state.name());
        x.text("startTime", s.started);
        x.text("progress", "");
        x.text("ownerId", &s.owner_id);
        x.text("description", &s.description);
        x.text("encrypted", s.encrypted);
        tag_spec::write(x, region.tags.get(&s.id));
    });
    Ok(x)
}

fn copy(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let source_region = c.p.need("SourceRegion")?;
    let source_id = c.p.need("SourceSnapshotId")?;
    let description = c.p.raw("Description").unwrap_or_default();
    let encrypted = c.p.flag("Encrypted")?;
    let kms_key_id = c.p.text("KmsKeyId");
    let tags = TagSpec::parse(&c.p, &[Kind::Snapshot])?;
    // SDKs add these two themselves; EC2 takes the destination from the endpoint and so does this.
    let destination = c.p.text("DestinationRegion");
    c.p.raw("PresignedUrl");
    c.p.finish()?;
    check_description(&description)?;
    if destination.as_ref().is_some_and(|d| *d != c.call.region) {
        return Err(ApiError::value(
            "destinationRegion",
            destination.unwrap_or_default(),
            "It must be the endpoint's region.",
        ));
    }
    if kms_key_id.is_some() && encrypted != Some(true) {
        return Err(ApiError::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    if !is_region(&source_region) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid region: {source_region}")));
    }
    let from = state.regions.get(&source_region).ok_or_else(|| Kind::Snapshot.not_found(&source_id))?;
    let source = from.snapshot(&source_id)?.clone();
    if !visible(&source) {
        return Err(Kind::Snapshot.not_found(&source_id));
    }
    if source.state != SnapshotState::Completed {
        return Err(ApiError::new(
            "IncorrectState",
            format!("Snapshot {source_id} is in state {}", source.state.name()),
        ));
    }
    let region = c.region_mut(state)?;
    let encrypts = source.encrypted || encrypted == Some(true);
    let key = encrypts.then(|| kms_arn(&region.name, kms_key_id.as_deref().unwrap_or("alias/aws/ebs")));
    let id = new_id(Kind::Snapshot);
    let snapshot = Snapshot {
        id: id.clone(),
        volume_id: "vol-ffffffff".into(),
        owner_id: ACCOUNT.into(),
        description: if description.is_empty() {
            format!("[Copied {source_id} from {source_region}]")
        } else {
            description
        },
        state: SnapshotState::Pending,
        started: c.now(),
        completed: None,
        encrypted: encrypts,
        kms_key_id: key,
        copy_of: Some((source_region, source_id)),
        for_image: None,
        users: BTreeSet::new(),
        public: false,
        ..source
    };
    region.snapshots.insert(id.clone(), snapshot);
    tags.apply(region, Kind::Snapshot, &id);
    let mut x = Xml::new();
    x.text("snapshotId", &id);
    tag_spec::write(&mut x, region.tags.get(&id));
    Ok(x)
}

/// Whether the account may see a snapshot and make volumes of it.
pub(super) fn visible(s: &Snapshot) -> bool {
    !s.deleted && (s.owner_id == ACCOUNT || s.public || s.users.contains(ACCOUNT))
}

fn progress(s: &Snapshot) -> &'static str {
    if s.state == SnapshotState::Completed { "100%" } else { "0%" }
}

fn fields(x: &mut Xml, region: &Region, s: &Snapshot) {
    x.text("snapshotId", &s.id);
    x.text("volumeId", &s.volume_id);
    x.text("status", s.state.name());
    x.opt("statusMessage", s.state_message.as_ref());
    x.text("startTime", s.started);
    x.opt("completionTime", s.completed);
    x.text("progress", progress(s));
    x.text("ownerId", &s.owner_id);
    x.text("volumeSize", s.size);
    x.text("description", &s.description);
    x.text("encrypted", s.encrypted);
    x.opt("kmsKeyId", s.kms_key_id.as_ref());
    x.text("storageTier", "standard");
    tag_spec::write(x, region.tags.get(&s.id));
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("SnapshotId");
    let (owners, restorable) = (c.p.list("Owner"), c.p.list("RestorableBy"));
    let filters = c.p.filters(&[
        "description",
        "encrypted",
        "owner-alias",
        "owner-id",
        "progress",
        "snapshot-id",
        "start-time",
        "status",
        "storage-tier",
        "tag-key",
        "tag-value",
        "volume-id",
        "volume-size",
    ])?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    for id in &ids {
        if !visible(region.snapshot(id)?) {
            return Err(Kind::Snapshot.not_found(id));
        }
    }
    let me = |name: &String| if name == "self" { ACCOUNT.to_owned() } else { name.clone() };
    let found = region
        .snapshots
        .values()
        .filter(|s| visible(s) && (ids.is_empty() || ids.contains(&s.id)))
        .filter(|s| owners.is_empty() || owners.iter().any(|o| me(o) == s.owner_id))
        .filter(|s| {
            restorable.is_empty()
                || restorable
                    .iter()
                    .any(|r| if r == "all" { s.public } else { s.users.contains(&me(r)) || s.owner_id == me(r) })
        })
        .filter(|s| {
            filters.matches(region.tags.get(&s.id), |name| match name {
                "description" => vec![s.description.clone()],
                "encrypted" => vec![s.encrypted.to_string()],
                "owner-id" => vec![s.owner_id.clone()],
                "progress" => vec![progress(s).into()],
                "snapshot-id" => vec![s.id.clone()],
                "start-time" => vec![s.started.to_string()],
                "status" => vec![s.state.name().into()],
                "storage-tier" => vec!["standard".into()],
                "volume-id" => vec![s.volume_id.clone()],
                "volume-size" => vec![s.size.to_string()],
                _ => Vec::new(),
            })
        })
        .collect();
    let (snapshots, next) = page.cut(found, |s: &&Snapshot| s.id.clone());
    let mut x = Xml::new();
    x.set("snapshotSet", snapshots, |x, s| fields(x, region, s));
    x.opt("nextToken", next);
    Ok(x)
}

/// A snapshot of the caller's own.
fn own<'r>(region: &'r mut Region, id: &str) -> Result<&'r mut Snapshot> {
    let snapshot = region.snapshot_mut(id)?;
    if snapshot.owner_id == ACCOUNT {
        return Ok(snapshot);
    }
    Err(Kind::Snapshot.not_found(id))
}

fn delete(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("SnapshotId")?;
    c.p.finish()?;
    let region = c.region_mut(state)?;
    own(region, &id)?;
    if let Some(image) = region.images.values().find(|i| i.snapshots().any(|s| s == id)) {
        return Err(ApiError::new(
            "InvalidSnapshot.InUse",
            format!("The snapshot {id} is currently in use by {}", image.id),
        ));
    }
    remove(region, &id);
    Ok(done())
}

/// Removes a snapshot; one that is still being taken stays, unseen, until that has ended.
pub(super) fn remove(region: &mut Region, id: &str) {
    region.tags.remove(id);
    match region.snapshots.get_mut(id) {
        Some(s) if s.state == SnapshotState::Pending => s.deleted = true,
        _ => {
            region.snapshots.remove(id);
        }
    }
}

fn modify_attribute(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("SnapshotId")?;
    let attribute = c.p.word("Attribute", &["createVolumePermission"])?;
    let operation = c.p.word("OperationType", &["add", "remove"])?;
    let (flat_users, flat_groups) = (c.p.list("UserId"), c.p.list("UserGroup"));
    let permission = c.p.child("CreateVolumePermission");
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    for (list, to) in [("Add", &mut add), ("Remove", &mut remove)] {
        for item in permission.items(list) {
            match (item.text("UserId"), item.text("Group")) {
                (Some(user), None) => to.push(user),
                (None, Some(group)) => to.push(group),
                _ => return Err(ApiError::combination("A permission names one user or one group")),
            }
        }
    }
    c.p.finish()?;
    let _ = attribute; // there is only the one
    let flat = flat_users.into_iter().chain(flat_groups);
    match operation.as_deref() {
        Some("remove") => remove.extend(flat),
        Some(_) => add.extend(flat),
        // Without an operation the flat lists count for nothing beside CreateVolumePermission, which Packer sends with them.
        None if add.is_empty() && remove.is_empty() && flat.count() > 0 => {
            return Err(ApiError::missing("operationType"));
        }
        None => {}
    }
    if add.is_empty() && remove.is_empty() {
        return Err(ApiError::combination("No permissions were specified"));
    }
    for name in add.iter().chain(&remove) {
        if name != "all" && !(name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit())) {
            return Err(ApiError::value("createVolumePermission", name, "Expected an account number or 'all'."));
        }
    }
    let snapshot = own(c.region_mut(state)?, &id)?;
    if !add.is_empty() && snapshot.encrypted {
        if add.iter().any(|a| a == "all") {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!("Encrypted snapshot {id} cannot be made public"),
            ));
        }
        if snapshot.kms_key_id.as_ref().is_some_and(|k| k.ends_with(":alias/aws/ebs")) {
            return Err(ApiError::new(
                "OperationNotPermitted",
                "Encrypted snapshots with EBS default key cannot be shared",
            ));
        }
    }
    for name in add {
        if name == "all" {
            snapshot.public = true;
        } else {
            snapshot.users.insert(name);
        }
    }
    for name in remove {
        if name == "all" {
            snapshot.public = false;
        } else {
            snapshot.users.remove(&name);
        }
    }
    Ok(done())
}

fn describe_attribute(c: &Context<'_>, state: &State) -> Result<Xml> {
    let id = c.p.need("SnapshotId")?;
    let attribute = c.p.need("Attribute")?;
    c.p.finish()?;
    let s = c.region(state)?.snapshot(&id)?;
    if s.owner_id != ACCOUNT {
        return Err(Kind::Snapshot.not_found(&id));
    }
    let mut x = Xml::new();
    x.text("snapshotId", &id);
    match attribute.as_str() {
        "createVolumePermission" => {
            let all = s.public.then_some("all").into_iter().map(|g| ("group", g));
            x.set(
                "createVolumePermission",
                all.chain(s.users.iter().map(|u| ("userId", u.as_str()))),
                |x, (name, value)| {
                    x.text(name, value);
                },
            );
        }
        "productCodes" => x.node("productCodes", |_| {}),
        other => return Err(ApiError::value("attribute", other, "It is not a snapshot attribute.")),
    }
    Ok(x)
}
