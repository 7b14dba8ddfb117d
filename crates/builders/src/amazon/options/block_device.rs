//! Block device mappings: those of the launch and those that the image gets on top.

use crate::amazon::ids::SnapshotId;
use crate::amazon::types::{DeviceMapping, EbsVolume};
use crate::read::{Diags, text};
use imgbuild_template::{Kind, Opt, Reader, Table};

/// Rows.
pub const MAPPINGS: &[Opt] = &[
    Opt::new("launch_block_device_mappings", Kind::Blocks(&DEVICE), "Devices of the source instance."),
    Opt::new("ami_block_device_mappings", Kind::Blocks(&DEVICE), "Devices of the AMI, over those of the instance."),
];

/// Rows of `amazon-ebssurrogate`.
pub const SURROGATE_MAPPINGS: &[Opt] = &[
    Opt::new("launch_block_device_mappings", Kind::Blocks(&SURROGATE_DEVICE), "Devices of the source instance."),
    Opt::new("ami_block_device_mappings", Kind::Blocks(&DEVICE), "Devices of the AMI, over those of the instance."),
];

/// Rows of `amazon-chroot`: nothing is launched.
pub const AMI_MAPPINGS: &[Opt] =
    &[Opt::new("ami_block_device_mappings", Kind::Blocks(&DEVICE), "Devices of the AMI, instead of the source AMI's.")];

static DEVICE: Table = Table::new("block device mapping", &[DEVICE_ROWS]);
static SURROGATE_DEVICE: Table = Table::new(
    "block device mapping",
    &[DEVICE_ROWS, &[Opt::new("omit_from_artifact", Kind::Bool, "The image leaves this volume out.").default("false")]],
);
/// Rows of a device.
pub(super) const DEVICE_ROWS: &[Opt] = &[
    Opt::new("device_name", Kind::String, "Name in the API, /dev/sdb.").default("required"),
    Opt::new("delete_on_termination", Kind::Bool, "Delete the volume with the instance.").default("false"),
    Opt::new("encrypted", Kind::Trilean, "Encrypt the volume."),
    Opt::new("iops", Kind::Int, "I/O operations per second; io1, io2 and gp3 only."),
    Opt::new("no_device", Kind::Bool, "Leave out this device of the source image.").default("false"),
    Opt::new("snapshot_id", Kind::String, "Make the volume from this snapshot."),
    Opt::new("throughput", Kind::Int, "MiB/s; gp3 only."),
    Opt::new("virtual_name", Kind::String, "ephemeral0 and so on: an instance store volume."),
    Opt::new("volume_type", Kind::String, "gp2, gp3, io1, io2, st1, sc1, standard."),
    Opt::new("volume_size", Kind::Int, "GiB."),
    Opt::new("kms_key_id", Kind::String, "KMS key of the volume."),
];

/// A mapping as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// What EC2 is told.
    pub mapping: DeviceMapping,
    /// `delete_on_termination` as it stands in the template, if it does.
    pub delete: Option<bool>,
}

/// Reads and checks a list.
pub fn read(reader: &Reader, option: &str, diags: &mut Diags) -> Vec<Device> {
    reader.blocks(option).iter().map(|block| device(block, diags)).collect()
}

/// Reads and checks one.
pub(super) fn device(block: &Reader, diags: &mut Diags) -> Device {
    let name = text(block, "device_name").unwrap_or_default();
    if name.is_empty() {
        diags.error(&block.place("device_name"), "\"device_name\" must be specified for every block device mapping");
    }
    let number = |option: &str, diags: &mut Diags| {
        let number = block.int(option)?;
        match i32::try_from(number.value) {
            Ok(number) => Some(number),
            Err(_) => {
                diags.error(&number.span, format!("{option:?} is out of range: {}", number.value));
                None
            }
        }
    };
    let volume_type = text(block, "volume_type");
    let size = number("volume_size", diags).filter(|size| *size != 0);
    if let Some(size) = size.filter(|size| *size < 0) {
        let message = format!("device {name}: \"volume_size\" is {size}");
        diags.warning(
            &block.place("volume_size"),
            message,
            "as in Packer it counts for nothing: sizes are in GiB, from 1 on",
        );
    }
    let (iops, throughput) = (number("iops", diags), number("throughput", diags));
    let encrypted = block.boolean("encrypted").map(|b| b.value);
    let kms_key_id = text(block, "kms_key_id");
    if kms_key_id.is_some() && encrypted == Some(false) {
        let message = format!("device {name}: where \"kms_key_id\" is set, \"encrypted\" can't be false");
        diags.error(&block.place("kms_key_id"), message);
    }
    check_performance(block, &name, volume_type.as_deref(), size, iops, throughput, diags);
    let delete = block.boolean("delete_on_termination").map(|b| b.value);
    let virtual_name = text(block, "virtual_name");
    let with_iops = matches!(volume_type.as_deref(), Some("io1" | "io2" | "gp3"));
    let mapping = if block.is_true("no_device") {
        DeviceMapping { device_name: name, no_device: true, ..DeviceMapping::default() }
    } else if let Some(virtual_name) = virtual_name {
        let virtual_name = virtual_name.starts_with("ephemeral").then_some(virtual_name);
        DeviceMapping { device_name: name, virtual_name, ..DeviceMapping::default() }
    } else {
        let ebs = EbsVolume {
            // Packer always sends it; unset means that the volume outlives instances of the image.
            delete_on_termination: Some(delete.unwrap_or(false)),
            encrypted,
            kms_key_id,
            iops: iops.filter(|_| with_iops),
            throughput: throughput.filter(|_| volume_type.as_deref() == Some("gp3")),
            snapshot: text(block, "snapshot_id").map(SnapshotId::new),
            volume_type,
            volume_size: size.filter(|size| *size > 0),
        };
        DeviceMapping { device_name: name, ebs: Some(ebs), ..DeviceMapping::default() }
    };
    Device { mapping, delete }
}

fn check_performance(
    block: &Reader,
    name: &str,
    volume_type: Option<&str>,
    size: Option<i32>,
    iops: Option<i32>,
    throughput: Option<i32>,
    diags: &mut Diags,
) {
    let ratio = match volume_type {
        Some("io1") => Some(50),
        Some("io2") => Some(500),
        _ => None,
    };
    let range = |option: &str, value: Option<i32>, range: std::ops::RangeInclusive<i32>, diags: &mut Diags| {
        if let Some(value) = value
            && !range.contains(&value)
        {
            let message =
                format!("device {name}: {option:?} must be between {} and {}, not {value}", range.start(), range.end());
            diags.error(&block.place(option), message);
        }
    };
    if let (Some(ratio), Some(size)) = (ratio, size) {
        if iops.is_some_and(|iops| iops / size > ratio) {
            let message = format!(
                "device {name}: an {} volume of {size} GiB can have {} IOPS at most ({ratio} for each GiB)",
                volume_type.unwrap_or_default(),
                i64::from(size) * i64::from(ratio),
            );
            diags.error(&block.place("iops"), message);
        } else {
            range("iops", iops, 100..=64000, diags);
        }
    }
    if volume_type == Some("gp3") {
        range("throughput", throughput, 125..=1000, diags);
        range("iops", iops, 3000..=16000, diags);
    } else if throughput.is_some() {
        let message = format!(
            "device {name}: \"throughput\" is for gp3 volumes only, this one is {}",
            volume_type.unwrap_or("of the default type")
        );
        diags.error(&block.place("throughput"), message);
    }
}
