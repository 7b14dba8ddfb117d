//! `amazon-chroot`: no instance is launched; a volume is attached to the instance that this program runs on, mounted, and the
//! provisioners run in it by chroot(8).

use super::ami::is_kms_key;
use super::block_device::Device;
use super::run_rows::AMI_FILTER;
use crate::read::{Diags, LateTags, strings, text};
use imgbuild_template::{Kind, Opt, Reader, Spanned};

/// Rows beside those of the image and the account.
pub const CHROOT: &[Opt] = &[
    Opt::new("source_ami", Kind::String, "Image whose root volume is copied."),
    Opt::new("source_ami_filter", Kind::Block(&AMI_FILTER), "Finds that image."),
    Opt::new("from_scratch", Kind::Bool, "Start with an empty volume instead of an image.").default("false"),
    Opt::new("command_wrapper", Kind::String, "How commands are run on this machine; {{.Command}} is the command.")
        .default("{{.Command}}")
        .later(),
    Opt::new("device_path", Kind::String, "Device name to attach the volume as.").default("the first free one"),
    Opt::new("nvme_device_path", Kind::String, "The device as this machine sees it, where that differs.")
        .default("found by the volume's serial number"),
    Opt::new("pre_mount_commands", Kind::Strings, "Commands before the volume is mounted; {{.Device}} is the device.")
        .default("required with from_scratch")
        .later(),
    Opt::new("mount_path", Kind::String, "Where it is mounted.")
        .default("/mnt/packer-amazon-chroot-volumes/{{.Device}}")
        .later(),
    Opt::new("mount_partition", Kind::String, "Partition with the root file system; \"0\" is the whole device.")
        .default("1"),
    Opt::new("mount_options", Kind::Strings, "Options of mount(8)."),
    Opt::new(
        "post_mount_commands",
        Kind::Strings,
        "Commands once it is mounted; {{.Device}} is the device, {{.MountPath}} the directory.",
    )
    .later(),
    Opt::new("chroot_mounts", Kind::StringLists, "What else is mounted: [type, source, directory], type \"bind\" too.")
        .default("proc, sysfs, /dev, devpts, binfmt_misc"),
    Opt::new("copy_files", Kind::Strings, "Files of this machine to copy into it for the provisioners.")
        .default("/etc/resolv.conf"),
    Opt::new("root_device_name", Kind::String, "The root's name in the image; with \"ami_block_device_mappings\"."),
    Opt::new("root_volume_size", Kind::Int, "GiB; at least the source's.").default("the source's"),
    Opt::new("root_volume_type", Kind::String, "gp2, gp3, …").default("the source's; gp2 from scratch"),
    Opt::new("root_volume_tags", Kind::KeyValues { singular: "root_volume_tag" }, "Tags of the volume.").later(),
    Opt::new("root_volume_encrypt_boot", Kind::Trilean, "Encrypt the volume.").default("as the source is"),
    Opt::new("root_volume_kms_key_id", Kind::String, "KMS key for it."),
    Opt::new("ami_architecture", Kind::String, "Architecture of an image from scratch.").default("x86_64"),
    Opt::new("boot_mode", Kind::String, "\"legacy-bios\", \"uefi\" or \"uefi-preferred\"."),
    Opt::new("uefi_data", Kind::String, "UEFI variables, base64; needs a \"boot_mode\" with UEFI."),
    Opt::new("tpm_support", Kind::String, "\"v2.0\"."),
];

/// Resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Chroot {
    /// Start with an empty volume.
    pub from_scratch: bool,
    /// How commands are run, to be rendered.
    pub wrapper: Spanned<String>,
    /// Device name in the API.
    pub device_path: Option<String>,
    /// The device here.
    pub nvme_device_path: Option<String>,
    /// Before it is mounted, to be rendered.
    pub pre_mount: Vec<Spanned<String>>,
    /// Where it is mounted, to be rendered.
    pub mount_path: Spanned<String>,
    /// The partition; none: the whole device.
    pub partition: Option<String>,
    /// Options of mount(8).
    pub mount_options: Vec<String>,
    /// Once it is mounted, to be rendered.
    pub post_mount: Vec<Spanned<String>>,
    /// Type, source, directory.
    pub mounts: Vec<[String; 3]>,
    /// Files to copy.
    pub copy_files: Vec<String>,
    /// Root of the image, where its devices are the template's.
    pub root_device: Option<String>,
    /// GiB.
    pub volume_size: Option<i32>,
    /// Type.
    pub volume_type: Option<String>,
    /// Tags, to be rendered.
    pub volume_tags: LateTags,
    /// Encrypted.
    pub encrypt: Option<bool>,
    /// With this key.
    pub kms_key_id: Option<String>,
    /// Architecture of an image from scratch.
    pub architecture: String,
    /// Boot mode.
    pub boot_mode: Option<String>,
    /// UEFI variables.
    pub uefi_data: Option<String>,
    /// `v2.0`.
    pub tpm: Option<String>,
}

/// Packer's default mounts.
const MOUNTS: [[&str; 3]; 5] = [
    ["proc", "proc", "/proc"],
    ["sysfs", "sysfs", "/sys"],
    ["bind", "/dev", "/dev"],
    ["devpts", "devpts", "/dev/pts"],
    ["binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc"],
];

/// Reads and checks. `mappings` are those of the image.
pub fn read(reader: &Reader, mappings: &[Device], diags: &mut Diags) -> Chroot {
    let from_scratch = reader.is_true("from_scratch");
    let size = reader.int("root_volume_size").and_then(|n| i32::try_from(n.value).ok()).filter(|n| *n > 0);
    let root_device = text(reader, "root_device_name");
    let pre_mount = reader.strings("pre_mount_commands").map(|list| list.value).unwrap_or_default();
    if from_scratch {
        scratch(reader, size, &pre_mount, mappings, diags);
    } else {
        from_image(reader, size, root_device.is_some(), mappings, diags);
    }
    let mut word = |option: &str, allowed: &[&str]| {
        let word = text(reader, option)?;
        if !allowed.contains(&word.as_str()) {
            let message = format!("{option:?} is {word:?}; it may be {}", allowed.join(", "));
            diags.error(&reader.place(option), message);
        }
        Some(word)
    };
    let architecture = word("ami_architecture", &["arm64", "arm64_mac", "i386", "x86_64", "x86_64_mac"]);
    let boot_mode = word("boot_mode", &["legacy-bios", "uefi", "uefi-preferred"]);
    let tpm = word("tpm_support", &["v2.0"]);
    let architecture = architecture.unwrap_or_else(|| "x86_64".into());
    let uefi_data = text(reader, "uefi_data");
    let bios = match boot_mode.as_deref() {
        Some(mode) => mode == "legacy-bios",
        None => architecture != "arm64",
    };
    if uefi_data.is_some() && bios {
        diags.error(&reader.place("uefi_data"), "\"uefi_data\" needs \"boot_mode\": \"uefi\" or \"uefi-preferred\"");
    }
    let mounts = mounts(reader, diags);
    let copy_files = match reader.strings("copy_files") {
        Some(list) => list.value.into_iter().map(|file| file.value).filter(|file| !file.is_empty()).collect(),
        None if from_scratch => Vec::new(),
        None => vec!["/etc/resolv.conf".to_owned()],
    };
    let late = |option: &str, default: &str| {
        let written = reader.text(option);
        written.unwrap_or_else(|| Spanned::new(default.to_owned(), reader.span().clone()))
    };
    Chroot {
        from_scratch,
        wrapper: late("command_wrapper", "{{.Command}}"),
        device_path: text(reader, "device_path"),
        nvme_device_path: text(reader, "nvme_device_path"),
        pre_mount,
        mount_path: late("mount_path", "/mnt/packer-amazon-chroot-volumes/{{.Device}}"),
        partition: Some(text(reader, "mount_partition").unwrap_or_else(|| "1".into())).filter(|p| p != "0"),
        mount_options: strings(reader, "mount_options"),
        post_mount: reader.strings("post_mount_commands").map(|list| list.value).unwrap_or_default(),
        mounts,
        copy_files,
        root_device,
        volume_size: size,
        volume_type: text(reader, "root_volume_type"),
        volume_tags: LateTags::read(reader, "root_volume_tags"),
        encrypt: reader.boolean("root_volume_encrypt_boot").map(|b| b.value),
        kms_key_id: text(reader, "root_volume_kms_key_id"),
        architecture,
        boot_mode,
        uefi_data,
        tpm,
    }
}

fn scratch(reader: &Reader, size: Option<i32>, pre_mount: &[Spanned<String>], mappings: &[Device], diags: &mut Diags) {
    for option in ["source_ami", "source_ami_filter"] {
        if reader.has(option) {
            let message = format!("{option:?} is not used with \"from_scratch\"");
            diags.warning(&reader.place(option), message, "leave one of the two out");
        }
    }
    for (option, there) in [
        ("root_volume_size", size.is_some()),
        ("pre_mount_commands", !pre_mount.is_empty()),
        ("ami_virtualization_type", text(reader, "ami_virtualization_type").is_some()),
        ("root_device_name", text(reader, "root_device_name").is_some()),
        ("ami_block_device_mappings", !mappings.is_empty()),
    ] {
        if !there {
            diags.missing(reader, &[option], format!("{option:?} is required with \"from_scratch\""));
        }
    }
    if text(reader, "root_volume_type").is_some_and(|kind| kind == "io1" || kind == "io2") {
        let message = "a volume from scratch can't be of type io1 or io2: there is no option for its IOPS";
        diags.error(&reader.place("root_volume_type"), message);
    }
}

fn from_image(reader: &Reader, size: Option<i32>, root_named: bool, mappings: &[Device], diags: &mut Diags) {
    match (mappings.is_empty(), root_named) {
        (false, true) => {
            if size.is_none() {
                let message = "\"root_volume_size\" is required with \"ami_block_device_mappings\"";
                diags.missing(reader, &["root_volume_size"], message);
            }
            let message = "the source AMI's block device mappings are not taken over";
            let place = reader.place("ami_block_device_mappings");
            diags.warning(&place, message, "\"ami_block_device_mappings\" replaces them all");
        }
        (false, false) => {
            let message = "with \"ami_block_device_mappings\" a \"root_device_name\" must be specified";
            diags.missing(reader, &["root_device_name"], message);
        }
        (true, true) => {
            let message = "with \"root_device_name\", \"ami_block_device_mappings\" must be specified";
            diags.missing(reader, &["ami_block_device_mappings"], message);
        }
        (true, false) => {}
    }
    if let Some(key) = text(reader, "root_volume_kms_key_id") {
        let place = reader.place("root_volume_kms_key_id");
        match reader.boolean("root_volume_encrypt_boot").map(|b| b.value) {
            Some(false) => {
                let message = "with \"root_volume_kms_key_id\", \"root_volume_encrypt_boot\" can't be false";
                diags.error(&place, message);
            }
            Some(true) if !is_kms_key(&key) => {
                diags.error(&place, format!("{key:?} is not a valid KMS key id, alias or ARN"));
            }
            _ => {}
        }
    }
}

fn mounts(reader: &Reader, diags: &mut Diags) -> Vec<[String; 3]> {
    let written = reader.string_lists("chroot_mounts").map(|lists| lists.value).unwrap_or_default();
    if written.is_empty() {
        return MOUNTS.map(|mount| mount.map(str::to_owned)).to_vec();
    }
    let mut mounts = Vec::new();
    for mount in written {
        let mount: Vec<String> = mount.into_iter().map(|part| part.value).collect();
        match <[String; 3]>::try_from(mount) {
            Ok(mount) => mounts.push(mount),
            Err(_) => {
                let message = "each of \"chroot_mounts\" has three elements: type, source, directory";
                diags.error(&reader.place("chroot_mounts"), message);
                break;
            }
        }
    }
    mounts
}
