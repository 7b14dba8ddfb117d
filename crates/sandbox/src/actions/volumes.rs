//! CreateVolume, DescribeVolumes, ModifyVolume, DescribeVolumesModifications, DeleteVolume.

use super::device_mapping::{check_spec, parse_ebs, volume_spec};
use super::tag_spec::{self, TagSpec};
use super::tokens::ClientToken;
use super::{Action, Context, Entry, done};
use crate::state::{
    Attachment, AttachmentState, Content, InstanceState, Kind, Modification, Region, SnapshotState, State, Volume,
    VolumeState, new_id,
};
use crate::types::zones;
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("CreateVolume", Action::Write(create)),
    ("DeleteVolume", Action::Write(delete)),
    ("DescribeVolumes", Action::Read(describe)),
    ("DescribeVolumesModifications", Action::Read(modifications)),
    ("ModifyVolume", Action::Write(modify)),
];

fn create(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let zone = c.p.need("AvailabilityZone")?;
    let ebs = parse_ebs(&c.p)?;
    let multi = c.p.flag("MultiAttachEnabled")?.unwrap_or(false);
    let tags = TagSpec::parse(&c.p, &[Kind::Volume])?;
    let token = ClientToken::parse(&c.p, "CreateVolume")?;
    c.p.finish()?;
    if multi {
        return Err(ApiError::unsupported("this sandbox attaches a volume to one instance (MultiAttachEnabled)"));
    }
    let region = c.region_mut(state)?;
    if !zones(&region.name).contains(&zone) {
        return Err(ApiError::new("InvalidZone.NotFound", format!("The zone '{zone}' does not exist.")));
    }
    let mut x = Xml::new();
    if let Some(id) = token.made(region)? {
        let volume = region.volume(&id)?;
        fields(&mut x, region, volume);
        return Ok(x);
    }
    let spec = volume_spec(region, &ebs, None)?;
    let content = match &ebs.snapshot_id {
        None => Content::Block(None),
        Some(id) => {
            region.snapshot(id)?.content.clone().ok_or_else(|| ApiError::internal("a completed snapshot is empty"))?
        }
    };
    let id = new_id(Kind::Volume);
    let volume = Volume {
        id: id.clone(),
        spec,
        snapshot_id: ebs.snapshot_id,
        availability_zone: zone,
        created: c.now(),
        state: VolumeState::Creating,
        attachment: None,
        content,
        modification: None,
    };
    region.volumes.insert(id.clone(), volume);
    tags.apply(region, Kind::Volume, &id);
    token.remember(region, &id, c.now());
    fields(&mut x, region, region.volume(&id)?);
    Ok(x)
}

const FILTERS: &[&str] = &[
    "attachment.attach-time",
    "attachment.delete-on-termination",
    "attachment.device",
    "attachment.instance-id",
    "attachment.status",
    "availability-zone",
    "create-time",
    "encrypted",
    "fast-restored",
    "multi-attach-enabled",
    "size",
    "snapshot-id",
    "status",
    "tag-key",
    "tag-value",
    "volume-id",
    "volume-type",
];

fn field(v: &Volume, name: &str) -> Vec<String> {
    let of = |f: fn(&Attachment) -> String| v.attachment.iter().map(f).collect::<Vec<_>>();
    match name {
        "attachment.attach-time" => of(|a| a.time.to_string()),
        "attachment.delete-on-termination" => of(|a| a.delete_on_termination.to_string()),
        "attachment.device" => of(|a| a.device.clone()),
        "attachment.instance-id" => of(|a| a.instance_id.clone()),
        "attachment.status" => of(|a| a.state.name().to_owned()),
        "availability-zone" => vec![v.availability_zone.clone()],
        "create-time" => vec![v.created.to_string()],
        "encrypted" => vec![v.spec.encrypted.to_string()],
        "fast-restored" | "multi-attach-enabled" => vec!["false".into()],
        "size" => vec![v.spec.size.to_string()],
        "snapshot-id" => v.snapshot_id.iter().cloned().collect(),
        "status" => vec![v.state.name().to_owned()],
        "volume-id" => vec![v.id.clone()],
        "volume-type" => vec![v.spec.volume_type.clone()],
        _ => Vec::new(),
    }
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("VolumeId");
    let filters = c.p.filters(FILTERS)?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    if page.limited() && !ids.is_empty() {
        return Err(ApiError::combination("The parameter volumeSet cannot be used with the parameter maxResults"));
    }
    let region = c.region(state)?;
    ids.iter().try_for_each(|id| region.volume(id).map(drop))?;
    let found = region
        .volumes
        .values()
        .filter(|v| ids.is_empty() || ids.contains(&v.id))
        .filter(|v| filters.matches(region.tags.get(&v.id), |name| field(v, name)))
        .collect();
    let (volumes, next) = page.cut(found, |v: &&Volume| v.id.clone());
    let mut x = Xml::new();
    x.set("volumeSet", volumes, |x, v| {
        fields(x, region, v);
        x.set("attachmentSet", &v.attachment, |x, a| attachment(x, v, a));
    });
    x.opt("nextToken", next);
    Ok(x)
}

fn fields(x: &mut Xml, region: &Region, v: &Volume) {
    x.text("volumeId", &v.id);
    x.text("size", v.spec.size);
    x.text("snapshotId", v.snapshot_id.as_deref().unwrap_or_default());
    x.text("availabilityZone", &v.availability_zone);
    x.text("status", v.state.name());
    x.text("createTime", v.created);
    x.text("volumeType", &v.spec.volume_type);
    // gp2 has 3 IOPS per GiB, at least 100 and at most 16000, and reports them.
    let iops = v.spec.iops.or((v.spec.volume_type == "gp2").then(|| (v.spec.size.saturating_mul(3)).clamp(100, 16000)));
    x.opt("iops", iops);
    x.opt("throughput", v.spec.throughput);
    x.text("encrypted", v.spec.encrypted);
    x.opt("kmsKeyId", v.spec.kms_key_id.as_ref());
    x.text("multiAttachEnabled", false);
    tag_spec::write(x, region.tags.get(&v.id));
}

/// An attachment's fields.
pub(super) fn attachment(x: &mut Xml, v: &Volume, a: &Attachment) {
    x.text("volumeId", &v.id);
    x.text("instanceId", &a.instance_id);
    x.text("device", &a.device);
    x.text("status", a.state.name());
    x.text("attachTime", a.time);
    x.text("deleteOnTermination", a.delete_on_termination);
}

fn delete(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("VolumeId")?;
    c.p.finish()?;
    let region = c.region_mut(state)?;
    let volume = region.volume(&id)?;
    if let Some(a) = &volume.attachment {
        return Err(ApiError::new("VolumeInUse", format!("Volume {id} is currently attached to {}", a.instance_id)));
    }
    if volume.state == VolumeState::Creating {
        return Err(ApiError::new("IncorrectState", format!("Volume {id} is in state creating")));
    }
    let being_read = region
        .snapshots
        .values()
        .any(|s| s.volume_id == id && s.content.is_none() && s.state == SnapshotState::Pending);
    if being_read {
        return Err(ApiError::new("IncorrectState", format!("A snapshot of volume {id} is being taken")));
    }
    region.volumes.remove(&id);
    region.tags.remove(&id);
    Ok(done())
}

fn modify(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("VolumeId")?;
    let (size, kind) = (c.p.number::<u32>("Size")?, c.p.text("VolumeType"));
    let (iops, throughput) = (c.p.number::<u32>("Iops")?, c.p.number::<u32>("Throughput")?);
    let multi = c.p.flag("MultiAttachEnabled")?.unwrap_or(false);
    c.p.finish()?;
    if multi {
        return Err(ApiError::unsupported("this sandbox attaches a volume to one instance (MultiAttachEnabled)"));
    }
    if size.is_none() && kind.is_none() && iops.is_none() && throughput.is_none() {
        return Err(ApiError::combination("No modification was specified"));
    }
    let region = c.region_mut(state)?;
    let volume = region.volume(&id)?.clone();
    if !matches!(volume.state, VolumeState::Available | VolumeState::InUse) {
        return Err(ApiError::new("IncorrectState", format!("Volume {id} is in state {}", volume.state.name())));
    }
    let running = volume
        .attachment
        .as_ref()
        .is_some_and(|a| region.instances.get(&a.instance_id).is_some_and(|i| i.state != InstanceState::Stopped));
    let from = volume.spec.clone();
    let grown = size.filter(|s| *s != from.size);
    if let Some(size) = grown {
        if size < from.size {
            return Err(ApiError::value(
                "size",
                size,
                format!("New size cannot be smaller than existing size {}", from.size),
            ));
        }
        if running && !volume.is_tree() {
            return Err(ApiError::unsupported(
                "this sandbox grows data volumes while they are detached or their instance is stopped",
            ));
        }
    }
    let same_kind = kind.as_ref().is_none_or(|k| *k == from.volume_type);
    let mut to = from.clone();
    to.size = size.unwrap_or(from.size);
    to.volume_type = kind.unwrap_or(from.volume_type.clone());
    to.iops = iops.or(from.iops.filter(|_| same_kind));
    to.throughput = throughput.or(from.throughput.filter(|_| same_kind));
    let to = check_spec(to)?;
    let volume = region.volume_mut(&id)?;
    volume.spec = to.clone();
    let modification = Modification { from, to, time: c.now() };
    let mut x = Xml::new();
    x.node("volumeModification", |x| write_modification(x, &id, &modification));
    volume.modification = Some(modification);
    Ok(x)
}

fn write_modification(x: &mut Xml, id: &str, m: &Modification) {
    x.text("volumeId", id);
    x.text("modificationState", "completed");
    for (prefix, spec) in [("target", &m.to), ("original", &m.from)] {
        x.text(&format!("{prefix}Size"), spec.size);
        x.opt(&format!("{prefix}Iops"), spec.iops);
        x.text(&format!("{prefix}VolumeType"), &spec.volume_type);
        x.opt(&format!("{prefix}Throughput"), spec.throughput);
    }
    x.text("progress", 100);
    x.text("startTime", m.time);
    x.text("endTime", m.time);
}

fn modifications(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("VolumeId");
    let filters = c.p.filters(&["modification-state", "volume-id"])?;
    let page = c.p.page(5, 500)?;
    c.p.finish()?;
    let region = c.region(state)?;
    for id in &ids {
        if region.volume(id)?.modification.is_none() {
            return Err(ApiError::new(
                "InvalidVolumeModification.NotFound",
                format!("Modification for volume '{id}' does not exist."),
            ));
        }
    }
    let found = region
        .volumes
        .values()
        .filter(|v| ids.is_empty() || ids.contains(&v.id))
        .filter_map(|v| v.modification.as_ref().map(|m| (v, m)))
        .filter(|(v, _)| {
            filters.matches(None, |name| match name {
                "volume-id" => vec![v.id.clone()],
                _ => vec!["completed".into()],
            })
        })
        .collect();
    let (found, next) = page.cut(found, |(v, _): &(&Volume, &Modification)| v.id.clone());
    let mut x = Xml::new();
    x.set("volumeModificationSet", found, |x, (v, m)| write_modification(x, &v.id, m));
    x.opt("nextToken", next);
    Ok(x)
}

impl Volume {
    /// Whether its attachment is in this state.
    pub fn attachment_is(&self, state: AttachmentState) -> bool {
        self.attachment.as_ref().is_some_and(|a| a.state == state)
    }
}
