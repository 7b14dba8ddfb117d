//! CreateImage and DeregisterImage.

use std::collections::BTreeSet;

use super::device_mapping::{self, RequestedAs};
use super::tag_spec::TagSpec;
use super::{Action, Context, Entry, done};
use crate::state::{
    ACCOUNT, Image, ImageMapping, ImageSource, ImageState, InstanceState, Kind, MappedTo, Protection, Region, Snapshot,
    SnapshotState, State, Time, new_id,
};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] =
    &[("CreateImage", Action::Write(create)), ("DeregisterImage", Action::Write(deregister))];

/// Refuses names that EC2 does not take, and those that the account already uses in the region.
pub(super) fn check_name(region: &Region, name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(fine) {
        return Err(ApiError::new(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', \
             '/', '_', '[', ']', ''', '@' and spaces",
        ));
    }
    match region.images.values().find(|i| i.owner_id == ACCOUNT && i.name == name) {
        None => Ok(()),
        Some(taken) => Err(ApiError::new(
            "InvalidAMIName.Duplicate",
            format!("AMI name {name} is already in use by AMI {}", taken.id),
        )),
    }
}

/// Descriptions of images and snapshots have at most 255 characters.
pub(super) fn check_description(description: &str) -> Result<()> {
    if description.chars().count() <= 255 {
        return Ok(());
    }
    Err(ApiError::new("InvalidParameterValue", "The description must be 255 characters or less"))
}

fn create(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let instance_id = c.p.need("InstanceId")?;
    let name = c.p.need("Name")?;
    let description = c.p.raw("Description").unwrap_or_default();
    let no_reboot = c.p.flag("NoReboot")?.unwrap_or(false);
    let requested = device_mapping::parse(&c.p)?;
    let tags = TagSpec::parse(&c.p, &[Kind::Image, Kind::Snapshot])?;
    c.p.finish()?;
    check_description(&description)?;
    if requested.iter().any(|r| matches!(&r.what, RequestedAs::Ebs(e) if e.encrypted.is_some())) {
        return Err(ApiError::new(
            "InvalidBlockDeviceMapping",
            "The encrypted flag cannot be specified since the block device mapping is of an existing instance",
        ));
    }
    let region = c.region_mut(state)?;
    let instance = region.instance(&instance_id)?.clone();
    check_name(region, &name)?;
    if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
        // The code that clients match on to try again (it is not IncorrectInstanceState here).
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Instance is not in state 'running' or 'stopped' ({instance_id} is {})", instance.state.name()),
        ));
    }
    let image_id = new_id(Kind::Image);
    // A snapshot per volume, in the order root, then the others.
    let mut volumes: Vec<_> = region.volumes_of(&instance_id).cloned().collect();
    volumes.sort_by_key(|v| v.attachment.as_ref().is_none_or(|a| a.device != instance.root_device_name));
    let mut mappings = Vec::new();
    let mut taken = Vec::new();
    for volume in &volumes {
        let Some(attachment) = &volume.attachment else { continue };
        let id = new_id(Kind::Snapshot);
        mappings.push(ImageMapping {
            device: attachment.device.clone(),
            to: MappedTo::Ebs {
                snapshot_id: Some(id.clone()),
                spec: volume.spec.clone(),
                delete_on_termination: attachment.delete_on_termination,
            },
        });
        taken.push((id, volume));
    }
    if let Some(image) = region.images.get(&instance.image_id) {
        let stores = image.mappings.iter().filter(|m| matches!(m.to, MappedTo::Ephemeral(_)));
        mappings.extend(
            stores
                .filter(|m| {
                    !volumes.iter().any(|v| {
                        v.attachment.as_ref().is_some_and(|a| device_mapping::same_device(&a.device, &m.device))
                    })
                })
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    let mappings = device_mapping::overlay(region, &mappings, &instance.root_device_name, &requested)?;
    for (id, volume) in taken {
        let kept = mappings.iter().any(|m| matches!(&m.to, MappedTo::Ebs { snapshot_id: Some(s), .. } if *s == id));
        if !kept {
            continue;
        }
        let snapshot = Snapshot {
            id: id.clone(),
            volume_id: volume.id.clone(),
            owner_id: ACCOUNT.into(),
            description: format!("Created by CreateImage({instance_id}) for {image_id}"),
            size: volume.spec.size,
            state: SnapshotState::Pending,
            state_message: None,
            started: c.now(),
            completed: None,
            encrypted: volume.spec.encrypted,
            kms_key_id: volume.spec.kms_key_id.clone(),
            content: None,
            copy_of: None,
            for_image: Some(image_id.clone()),
            users: BTreeSet::new(),
            public: false,
            deleted: false,
        };
        region.snapshots.insert(id.clone(), snapshot);
        tags.apply(region, Kind::Snapshot, &id);
    }
    let image = Image {
        id: image_id.clone(),
        name,
        description,
        owner_id: ACCOUNT.into(),
        owner_alias: None,
        architecture: instance.architecture.clone(),
        created: c.now().seconds(),
        state: ImageState::Pending,
        state_message: None,
        source: ImageSource::Instance {
            instance_id: instance_id.clone(),
            image_id: instance.image_id.clone(),
            reboot: instance.state == InstanceState::Running && !no_reboot,
        },
        root_device_name: instance.root_device_name.clone(),
        mappings,
        ena_support: instance.ena_support,
        sriov_net_support: instance.sriov_net_support.clone(),
        boot_mode: instance.boot_mode.clone(),
        imds_support: region.images.get(&instance.image_id).and_then(|i| i.imds_support.clone()),
        tpm_support: None,
        platform_details: instance.platform_details.clone(),
        permissions: Vec::new(),
        product_codes: Vec::new(),
        deprecation: None,
        protection: Protection::Off,
        last_launched: None,
        unavailable: None,
    };
    region.images.insert(image_id.clone(), image);
    tags.apply(region, Kind::Image, &image_id);
    let mut x = Xml::new();
    x.text("imageId", image_id);
    Ok(x)
}

fn deregister(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    let with_snapshots = c.p.flag("DeleteAssociatedSnapshots")?.unwrap_or(false);
    c.p.finish()?;
    let region = c.region_mut(state)?;
    let image = own_image(region, &id)?;
    let protected = match image.protection {
        Protection::Off => false,
        Protection::On { .. } => true,
        Protection::Until(time) => time > c.now(),
    };
    if protected {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("You can't deregister AMI {id} because deregistration protection is enabled."),
        ));
    }
    let snapshots: Vec<String> = image.snapshots().map(str::to_owned).collect();
    region.images.remove(&id);
    region.tags.remove(&id);
    let mut x = done();
    if with_snapshots {
        let mut results = Vec::new();
        for snapshot in snapshots {
            let used = region.images.values().any(|i| i.snapshots().any(|s| s == snapshot));
            if !used {
                super::snapshots::remove(region, &snapshot);
            }
            results.push((snapshot, if used { "skipped" } else { "success" }));
        }
        x.set("deleteSnapshotResultSet", results, |x, (snapshot, result)| {
            x.text("snapshotId", snapshot);
            x.text("returnCode", result);
        });
    }
    Ok(x)
}

/// An image of the caller's own; others can't be changed.
pub(super) fn own_image<'r>(region: &'r mut Region, id: &str) -> Result<&'r mut Image> {
    let image = region.image_mut(id)?;
    if image.owner_id == ACCOUNT {
        return Ok(image);
    }
    if image.visible() {
        return Err(ApiError::new("AuthFailure", format!("Not authorized for images: [{id}]")));
    }
    Err(Kind::Image.not_found(id))
}

/// A cooldown's end.
pub(super) fn cooldown(now: Time) -> Time {
    now.plus_seconds(24 * 3600)
}
