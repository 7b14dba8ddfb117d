//! DescribeImages.

use super::tag_spec;
use super::{Action, Context, Entry};
use crate::state::{ACCOUNT, Image, ImageMapping, ImageSource, LaunchPermission, MappedTo, Protection, Region, State};
use crate::wire::{Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[("DescribeImages", Action::Read(describe))];

const FILTERS: &[&str] = &[
    "architecture",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.encrypted",
    "block-device-mapping.snapshot-id",
    "block-device-mapping.volume-size",
    "block-device-mapping.volume-type",
    "boot-mode",
    "creation-date",
    "description",
    "ena-support",
    "hypervisor",
    "image-id",
    "image-type",
    "is-public",
    "kernel-id",
    "manifest-location",
    "name",
    "owner-alias",
    "owner-id",
    "platform",
    "product-code",
    "product-code.type",
    "ramdisk-id",
    "root-device-name",
    "root-device-type",
    "source-image-id",
    "source-image-region",
    "source-instance-id",
    "sriov-net-support",
    "state",
    "state-reason-code",
    "state-reason-message",
    "tag-key",
    "virtualization-type",
];

impl Image {
    /// Whether the account may see and launch it.
    pub fn visible(&self) -> bool {
        self.owner_id == ACCOUNT
            || self.is_public()
            || self.permissions.contains(&LaunchPermission::User(ACCOUNT.to_owned()))
    }

    /// The image that this one was made from, and its region.
    fn origin<'a>(&'a self, here: &'a str) -> (Option<&'a str>, Option<&'a str>) {
        match &self.source {
            ImageSource::Instance { image_id, .. } => (Some(image_id), Some(here)),
            ImageSource::Copy { region, image_id } => (Some(image_id), Some(region)),
            _ => (None, None),
        }
    }

    fn source_instance(&self) -> Option<&str> {
        match &self.source {
            ImageSource::Instance { instance_id, .. } => Some(instance_id),
            _ => None,
        }
    }

    fn field(&self, here: &str, name: &str) -> Vec<String> {
        let some = |v: Option<&str>| v.map(str::to_owned).into_iter().collect();
        match name {
            "architecture" => vec![self.architecture.clone()],
            "boot-mode" => some(self.boot_mode.as_deref()),
            "creation-date" => vec![self.created.to_string()],
            "description" => vec![self.description.clone()],
            "ena-support" => vec![self.ena_support.to_string()],
            "hypervisor" => vec!["xen".into()],
            "image-id" => vec![self.id.clone()],
            "image-type" => vec!["machine".into()],
            "is-public" => vec![self.is_public().to_string()],
            "manifest-location" => vec![self.location()],
            "name" => vec![self.name.clone()],
            "owner-alias" => some(self.owner_alias.as_deref()),
            "owner-id" => vec![self.owner_id.clone()],
            "product-code" => self.product_codes.clone(),
            "root-device-name" => vec![self.root_device_name.clone()],
            "root-device-type" => vec!["ebs".into()],
            "source-image-id" => some(self.origin(here).0),
            "source-image-region" => some(self.origin(here).1),
            "source-instance-id" => some(self.source_instance()),
            "sriov-net-support" => some(self.sriov_net_support.as_deref()),
            "state" => vec![self.state.name().to_owned()],
            "state-reason-code" => self.state_message.iter().map(|_| "Client.InternalError".to_owned()).collect(),
            "state-reason-message" => some(self.state_message.as_deref()),
            "virtualization-type" => vec!["hvm".into()],
            device => match device.strip_prefix("block-device-mapping.") {
                Some(what) => self.mappings.iter().filter_map(|m| mapping_field(m, what)).collect(),
                // kernel-id, ramdisk-id, platform: no image here has one.
                None => Vec::new(),
            },
        }
    }

    fn location(&self) -> String {
        format!("{}/{}", self.owner_alias.as_ref().unwrap_or(&self.owner_id), self.name)
    }
}

fn mapping_field(m: &ImageMapping, what: &str) -> Option<String> {
    match (&m.to, what) {
        (_, "device-name") => Some(m.device.clone()),
        (MappedTo::Ebs { snapshot_id, .. }, "snapshot-id") => snapshot_id.clone(),
        (MappedTo::Ebs { delete_on_termination, .. }, "delete-on-termination") => {
            Some(delete_on_termination.to_string())
        }
        (MappedTo::Ebs { spec, .. }, "volume-size") => Some(spec.size.to_string()),
        (MappedTo::Ebs { spec, .. }, "volume-type") => Some(spec.volume_type.clone()),
        (MappedTo::Ebs { spec, .. }, "encrypted") => Some(spec.encrypted.to_string()),
        _ => None,
    }
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("ImageId");
    let owners = c.p.list("Owner");
    let executable_by = c.p.list("ExecutableBy");
    let deprecated = c.p.flag("IncludeDeprecated")?.unwrap_or(false);
    let _disabled = c.p.flag("IncludeDisabled")?; // images can't be disabled here, so there are none to include
    let filters = c.p.filters(FILTERS)?;
    let page = c.p.page(1, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    for id in &ids {
        let image = region.image(id)?;
        if !image.visible() {
            return Err(crate::state::Kind::Image.not_found(id));
        }
    }
    let owned = |i: &Image| {
        owners.is_empty()
            || owners.iter().any(|o| match o.as_str() {
                "self" => i.owner_id == ACCOUNT,
                name => i.owner_id == name || i.owner_alias.as_deref() == Some(name),
            })
    };
    let executable = |i: &Image| {
        executable_by.is_empty()
            || executable_by.iter().any(|e| match e.as_str() {
                "all" => i.is_public(),
                "self" => i.permissions.contains(&LaunchPermission::User(ACCOUNT.to_owned())),
                account => i.permissions.contains(&LaunchPermission::User(account.to_owned())),
            })
    };
    // Deprecated images of others are shown only when asked for or named.
    let current = |i: &Image| {
        deprecated || !ids.is_empty() || i.owner_id == ACCOUNT || i.deprecation.is_none_or(|at| at > c.now())
    };
    let found = region
        .images
        .values()
        .filter(|i| i.visible() && (ids.is_empty() || ids.contains(&i.id)))
        .filter(|i| owned(i) && executable(i) && current(i))
        .filter(|i| filters.matches(region.tags.get(&i.id), |name| i.field(&region.name, name)))
        .collect();
    let (images, next) = page.cut(found, |i: &&Image| i.id.clone());
    let mut x = Xml::new();
    x.set("imagesSet", images, |x, i| write(x, region, i));
    x.opt("nextToken", next);
    Ok(x)
}

fn write(x: &mut Xml, region: &Region, i: &Image) {
    x.text("imageId", &i.id);
    x.text("imageLocation", i.location());
    x.text("imageState", i.state.name());
    x.text("imageOwnerId", &i.owner_id);
    x.text("creationDate", i.created);
    x.text("isPublic", i.is_public());
    product_codes(x, i);
    x.text("architecture", &i.architecture);
    x.text("imageType", "machine");
    x.opt("imageOwnerAlias", i.owner_alias.as_ref());
    x.text("name", &i.name);
    x.opt("description", Some(&i.description).filter(|d| !d.is_empty()));
    x.text("rootDeviceType", "ebs");
    x.text("rootDeviceName", &i.root_device_name);
    x.set("blockDeviceMapping", &i.mappings, mapping);
    x.text("virtualizationType", "hvm");
    x.text("hypervisor", "xen");
    x.text("enaSupport", i.ena_support);
    x.opt("sriovNetSupport", i.sriov_net_support.as_ref());
    x.text("platformDetails", &i.platform_details);
    x.text("usageOperation", "RunInstances");
    x.opt("bootMode", i.boot_mode.as_ref());
    x.opt("tpmSupport", i.tpm_support.as_ref());
    x.opt("imdsSupport", i.imds_support.as_ref());
    x.opt("deprecationTime", i.deprecation);
    x.text("deregistrationProtection", protection(i.protection));
    x.opt("lastLaunchedTime", i.last_launched);
    x.opt("sourceInstanceId", i.source_instance());
    x.opt("sourceImageId", i.origin(&region.name).0);
    x.opt("sourceImageRegion", i.origin(&region.name).1);
    if let Some(message) = &i.state_message {
        x.node("stateReason", |x| {
            x.text("code", "Client.InternalError");
            x.text("message", message);
        });
    }
    tag_spec::write(x, region.tags.get(&i.id));
}

/// The word for a protection.
pub(super) fn protection(p: Protection) -> String {
    match p {
        Protection::Off => "disabled".into(),
        Protection::On { cooldown: true } => "enabled-with-cooldown".into(),
        Protection::On { cooldown: false } => "enabled-without-cooldown".into(),
        Protection::Until(time) => format!("disabled after {time} UTC"),
    }
}

/// `<productCodes>`
pub(super) fn product_codes(x: &mut Xml, i: &Image) {
    if !i.product_codes.is_empty() {
        x.set("productCodes", &i.product_codes, |x, code| {
            x.text("productCode", code);
            x.text("type", "marketplace");
        });
    }
}

/// One block device mapping of an image.
pub(super) fn mapping(x: &mut Xml, m: &ImageMapping) {
    x.text("deviceName", &m.device);
    match &m.to {
        MappedTo::Ephemeral(name) => x.text("virtualName", name),
        MappedTo::NoDevice => x.text("noDevice", ""),
        MappedTo::Ebs { snapshot_id, spec, delete_on_termination } => x.node("ebs", |x| {
            x.opt("snapshotId", snapshot_id.as_ref());
            x.text("volumeSize", spec.size);
            x.text("deleteOnTermination", delete_on_termination);
            x.text("volumeType", &spec.volume_type);
            x.opt("iops", spec.iops);
            x.opt("throughput", spec.throughput);
            x.text("encrypted", spec.encrypted);
        }),
    }
}
