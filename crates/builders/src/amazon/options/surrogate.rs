//! `amazon-ebssurrogate`: the image is registered from snapshots of volumes that the provisioners have filled, not made of the
//! instance's own root.

use super::block_device::Device;
use crate::amazon::types::{DeviceMapping, EbsVolume};
use crate::read::{Diags, text};
use imgbuild_template::{Kind, Opt, Reader, Table};

/// Rows that `amazon-ebs` has not.
pub const SURROGATE: &[Opt] = &[
    Opt::new("ami_root_device", Kind::Block(&ROOT), "Which volume becomes the image's root.").default("required"),
    Opt::new("ami_architecture", Kind::String, "Architecture of the image.").default("x86_64"),
    Opt::new("boot_mode", Kind::String, "\"legacy-bios\", \"uefi\" or \"uefi-preferred\"."),
    Opt::new("uefi_data", Kind::String, "UEFI variables, base64; needs a \"boot_mode\" with UEFI."),
    Opt::new("tpm_support", Kind::String, "\"v2.0\"."),
    Opt::new("snapshot_description", Kind::String, "Description of the snapshots."),
    Opt::new("use_create_image", Kind::Bool, "Make the image of the instance after its root was swapped.")
        .default("false"),
];

static ROOT: Table = Table::new(
    "ami_root_device",
    &[&[
        Opt::new("source_device_name", Kind::String, "The volume's name in \"launch_block_device_mappings\"."),
        Opt::new("device_name", Kind::String, "Its name in the image, /dev/xvda."),
        Opt::new("delete_on_termination", Kind::Bool, "Delete it with an instance of the image.").default("false"),
        Opt::new("iops", Kind::Int, "I/O operations per second; io1, io2 and gp3 only."),
        Opt::new("throughput", Kind::Int, "MiB/s; gp3 only."),
        Opt::new("volume_type", Kind::String, "gp2, gp3, io1, io2, standard."),
        Opt::new("volume_size", Kind::Int, "GiB; at least the volume's.").default("the volume's"),
    ]],
);

/// Resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Surrogate {
    /// The volume that becomes the root, by its name at the launch.
    pub source_device: String,
    /// The root in the image; its snapshot is not known yet.
    pub root: DeviceMapping,
    /// Volumes of the launch that the image leaves out.
    pub omitted: Vec<String>,
    /// Architecture.
    pub architecture: String,
    /// `hvm`.
    pub virtualization_type: String,
    /// Boot mode.
    pub boot_mode: Option<String>,
    /// UEFI variables.
    pub uefi_data: Option<String>,
    /// `v2.0`.
    pub tpm: Option<String>,
    /// Description of the snapshots.
    pub snapshot_description: String,
}

/// Reads and checks. `launch` are the instance's devices.
pub fn read(reader: &Reader, launch: &[Device], diags: &mut Diags) -> Surrogate {
    let block = reader.block("ami_root_device");
    let of = |name: &str| block.as_ref().and_then(|b| text(b, name)).unwrap_or_default();
    let (source_device, device_name) = (of("source_device_name"), of("device_name"));
    let at = reader.place("ami_root_device");
    if block.is_none() {
        diags.missing(reader, &["ami_root_device"], "\"ami_root_device\" must be specified");
    } else if source_device.is_empty() || device_name.is_empty() {
        diags.error(&at, "\"ami_root_device\" needs a \"source_device_name\" and a \"device_name\"");
    } else if !launch.iter().any(|d| d.mapping.device_name == source_device && d.mapping.ebs.is_some()) {
        let message = format!("no volume {source_device:?} is in \"launch_block_device_mappings\"");
        diags.error(&at, message);
    }
    let omitted: Vec<String> = reader
        .blocks("launch_block_device_mappings")
        .iter()
        .filter(|device| device.is_true("omit_from_artifact"))
        .filter_map(|device| text(device, "device_name"))
        .collect();
    if omitted.contains(&source_device) {
        diags.error(&at, format!("{source_device:?} is the image's root: it can't be \"omit_from_artifact\""));
    }
    let word = |option: &str, allowed: &[&str], diags: &mut Diags| {
        let word = text(reader, option)?;
        if !allowed.contains(&word.as_str()) {
            let message = format!("{option:?} is {word:?}; it may be {}", allowed.join(", "));
            diags.error(&reader.place(option), message);
        }
        Some(word)
    };
    let architecture = word("ami_architecture", &["i386", "x86_64", "arm64", "x86_64_mac", "arm64_mac"], diags);
    let boot_mode = word("boot_mode", &["legacy-bios", "uefi", "uefi-preferred"], diags);
    let tpm = word("tpm_support", &["v2.0"], diags);
    let uefi_data = text(reader, "uefi_data");
    // Images of arm64 boot by UEFI anyway; of the others EC2's default is the BIOS.
    let bios = match boot_mode.as_deref() {
        Some(mode) => mode == "legacy-bios",
        None => architecture.as_deref() != Some("arm64"),
    };
    if uefi_data.is_some() && bios {
        let message = "\"uefi_data\" needs \"boot_mode\": \"uefi\" or \"uefi-preferred\"";
        diags.error(&reader.place("uefi_data"), message);
    }
    if text(reader, "ami_virtualization_type").is_none() {
        diags.missing(reader, &["ami_virtualization_type"], "\"ami_virtualization_type\" must be specified");
    }
    if reader.is_true("use_create_image") {
        let message = "\"use_create_image\" is not supported: the image is registered from snapshots";
        diags.error_help(
            &reader.place("use_create_image"),
            message,
            "leave it out; billing codes of the source are then not carried over",
        );
    }
    let number = |name: &str| block.as_ref().and_then(|b| b.int(name)).and_then(|n| i32::try_from(n.value).ok());
    let volume_type = Some(of("volume_type")).filter(|t| !t.is_empty());
    let with_iops = matches!(volume_type.as_deref(), Some("io1" | "io2" | "gp3"));
    let ebs = EbsVolume {
        delete_on_termination: Some(block.as_ref().is_some_and(|b| b.is_true("delete_on_termination"))),
        iops: number("iops").filter(|_| with_iops),
        throughput: number("throughput").filter(|_| volume_type.as_deref() == Some("gp3")),
        volume_size: number("volume_size").filter(|size| *size > 0),
        volume_type,
        ..EbsVolume::default()
    };
    Surrogate {
        source_device,
        root: DeviceMapping { device_name, ebs: Some(ebs), ..DeviceMapping::default() },
        omitted,
        architecture: architecture.unwrap_or_else(|| "x86_64".into()),
        virtualization_type: text(reader, "ami_virtualization_type").unwrap_or_default(),
        boot_mode,
        uefi_data,
        tpm,
        snapshot_description: text(reader, "snapshot_description").unwrap_or_default(),
    }
}
