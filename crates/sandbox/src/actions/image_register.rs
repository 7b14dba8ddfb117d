//! RegisterImage: an image of snapshots that exist.

use super::device_mapping::{self, RequestedAs};
use super::image_create::{check_description, check_name};
use super::tag_spec::TagSpec;
use super::{Action, Context, Entry};
use crate::state::{ACCOUNT, Image, ImageMapping, ImageSource, ImageState, Kind, MappedTo, Protection, State, new_id};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[("RegisterImage", Action::Write(register))];

fn register(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let name = c.p.need("Name")?;
    let description = c.p.raw("Description").unwrap_or_default();
    let architecture = c.p.word("Architecture", &["i386", "x86_64", "arm64"])?;
    let virtualization = c.p.word("VirtualizationType", &["hvm", "paravirtual"])?;
    let root_device_name = c.p.text("RootDeviceName");
    let requested = device_mapping::parse(&c.p)?;
    let ena_support = c.p.flag("EnaSupport")?.unwrap_or(false);
    let sriov_net_support = c.p.word("SriovNetSupport", &["simple"])?;
    let boot_mode = c.p.word("BootMode", &["legacy-bios", "uefi", "uefi-preferred"])?;
    let imds_support = c.p.word("ImdsSupport", &["v2.0"])?;
    let tpm_support = c.p.word("TpmSupport", &["v2.0"])?;
    let location = c.p.text("ImageLocation");
    let tags = TagSpec::parse(&c.p, &[Kind::Image])?;
    c.p.finish()?;
    if location.is_some() {
        return Err(ApiError::unsupported("this sandbox has no instance-store images (ImageLocation)"));
    }
    if virtualization.as_deref() == Some("paravirtual") {
        return Err(ApiError::unsupported("this sandbox has no paravirtual images (VirtualizationType)"));
    }
    check_description(&description)?;
    let root = root_device_name.ok_or_else(|| ApiError::missing("rootDeviceName"))?;
    let architecture = architecture.unwrap_or_else(|| "i386".into());
    if architecture == "i386" {
        return Err(ApiError::unsupported("this sandbox has no i386 machines (Architecture, whose default is i386)"));
    }
    let region = c.region_mut(state)?;
    check_name(region, &name)?;
    let root_snapshot = requested.iter().find(|r| r.device == root).and_then(|r| match &r.what {
        RequestedAs::Ebs(ebs) => ebs.snapshot_id.clone(),
        _ => None,
    });
    let Some(root_snapshot) = root_snapshot else {
        return Err(ApiError::new(
            "InvalidBlockDeviceMapping",
            format!("The root device {root} must have a snapshot id"),
        ));
    };
    // A disk's snapshot may hold a root file system: that shows when an instance starts, as on EC2.
    if region.snapshot(&root_snapshot)?.content.is_none() {
        return Err(ApiError::new("InvalidSnapshot", format!("The snapshot {root_snapshot} is not completed")));
    }
    let mut mappings: Vec<ImageMapping> = Vec::new();
    for r in &requested {
        let to = match &r.what {
            RequestedAs::NoDevice => MappedTo::NoDevice,
            RequestedAs::Ephemeral(name) => MappedTo::Ephemeral(name.clone()),
            RequestedAs::Ebs(ebs) => MappedTo::Ebs {
                snapshot_id: ebs.snapshot_id.clone(),
                spec: device_mapping::volume_spec(region, ebs, None)?,
                delete_on_termination: ebs.delete_on_termination.unwrap_or(true),
            },
        };
        mappings.push(ImageMapping { device: r.device.clone(), to });
    }
    mappings.sort_by_key(|m| m.device != root);
    let id = new_id(Kind::Image);
    let image = Image {
        id: id.clone(),
        name,
        description,
        owner_id: ACCOUNT.into(),
        owner_alias: None,
        architecture,
        created: c.now().seconds(),
        state: ImageState::Available,
        state_message: None,
        source: ImageSource::Registered,
        root_device_name: root,
        mappings,
        ena_support,
        sriov_net_support,
        boot_mode,
        imds_support,
        tpm_support,
        platform_details: "Linux/UNIX".into(),
        permissions: Vec::new(),
        product_codes: Vec::new(),
        deprecation: None,
        protection: Protection::Off,
        last_launched: None,
        unavailable: None,
    };
    region.images.insert(id.clone(), image);
    tags.apply(region, Kind::Image, &id);
    let mut x = Xml::new();
    x.text("imageId", id);
    Ok(x)
}
