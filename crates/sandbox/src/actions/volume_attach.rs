//! AttachVolume and DetachVolume.

use super::device_mapping::{check_device, same_device};
use super::instance_launch::guest_device;
use super::volumes::attachment;
use super::{Action, Context, Entry};
use crate::state::{Attachment, AttachmentState, Content, InstanceState, State, VolumeState};
use crate::types::{Hypervisor, instance_type};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] =
    &[("AttachVolume", Action::Write(attach)), ("DetachVolume", Action::Write(detach))];

fn attach(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (volume_id, instance_id) = (c.p.need("VolumeId")?, c.p.need("InstanceId")?);
    let device = c.p.need("Device")?;
    c.p.finish()?;
    check_device(&device)?;
    let region = c.region_mut(state)?;
    let (volume, instance) = (region.volume(&volume_id)?.clone(), region.instance(&instance_id)?.clone());
    if let Some(a) = &volume.attachment {
        return Err(ApiError::new(
            "VolumeInUse",
            format!("{volume_id} is already attached to an instance ({})", a.instance_id),
        ));
    }
    if volume.state != VolumeState::Available {
        return Err(ApiError::new(
            "IncorrectState",
            format!("Volume '{volume_id}' is not 'available' (it is {})", volume.state.name()),
        ));
    }
    if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
        return Err(ApiError::new(
            "IncorrectState",
            format!("Instance '{instance_id}' is not 'running' or 'stopped'."),
        ));
    }
    if volume.availability_zone != instance.placement.availability_zone {
        return Err(ApiError::new(
            "InvalidVolume.ZoneMismatch",
            format!("The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"),
        ));
    }
    let attached: Vec<Attachment> = region.volumes_of(&instance_id).filter_map(|v| v.attachment.clone()).collect();
    if attached.iter().any(|a| same_device(&a.device, &device)) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"),
        ));
    }
    let is_root = same_device(&device, &instance.root_device_name);
    if is_root && instance.state == InstanceState::Running {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"),
        ));
    }
    if is_root && !volume.is_tree() {
        return Err(ApiError::unsupported(
            "this sandbox keeps root volumes as trees: a data volume cannot be attached as a root device",
        ));
    }
    let hypervisor = instance_type(&instance.instance_type).map_or(Hypervisor::Xen, |t| t.hypervisor);
    let taken: Vec<String> = attached.into_iter().map(|a| a.guest_device).collect();
    let new = Attachment {
        instance_id,
        guest_device: guest_device(hypervisor, &device, is_root, &taken),
        device,
        state: if instance.state == InstanceState::Running {
            AttachmentState::Attaching
        } else {
            AttachmentState::Attached
        },
        time: c.now(),
        delete_on_termination: false,
    };
    let volume = region.volume_mut(&volume_id)?;
    volume.state = VolumeState::InUse;
    volume.attachment = Some(new.clone());
    if let (false, Content::Tree(layers)) = (is_root, &volume.content) {
        // From now on it is a disk with a file system on it.
        volume.content = Content::Packed(layers.clone());
    }
    let mut x = Xml::new();
    // The call answers before the attachment is done.
    attachment(&mut x, volume, &Attachment { state: AttachmentState::Attaching, ..new });
    Ok(x)
}

fn detach(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let volume_id = c.p.need("VolumeId")?;
    let (instance_id, device) = (c.p.text("InstanceId"), c.p.text("Device"));
    let force = c.p.flag("Force")?.unwrap_or(false);
    c.p.finish()?;
    let region = c.region_mut(state)?;
    if let Some(id) = &instance_id {
        region.instance(id)?;
    }
    let volume = region.volume(&volume_id)?.clone();
    let Some(a) = volume.attachment.clone() else {
        return Err(ApiError::new("IncorrectState", format!("Volume '{volume_id}' is in the 'available' state.")));
    };
    let other =
        instance_id.is_some_and(|id| id != a.instance_id) || device.is_some_and(|d| !same_device(&d, &a.device));
    if other {
        return Err(ApiError::new(
            "InvalidAttachment.NotFound",
            format!("The volume '{volume_id}' is not attached to that instance as that device"),
        ));
    }
    let instance = region.instance(&a.instance_id)?;
    let is_root = same_device(&a.device, &instance.root_device_name);
    match instance.state {
        InstanceState::Running if is_root => {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!("Unable to detach root volume '{volume_id}' from instance '{}'", a.instance_id),
            ));
        }
        InstanceState::Running | InstanceState::Stopped => {}
        other => {
            return Err(ApiError::new(
                "IncorrectState",
                format!("Instance '{}' is in state {}", a.instance_id, other.name()),
            ));
        }
    }
    let running = instance.state == InstanceState::Running;
    let volume = region.volume_mut(&volume_id)?;
    let mut x = Xml::new();
    let leaving = Attachment { state: AttachmentState::Detaching { force }, ..a };
    attachment(&mut x, volume, &leaving);
    if running {
        volume.attachment = Some(leaving);
    } else {
        volume.attachment = None;
        volume.state = VolumeState::Available;
    }
    Ok(x)
}
