//! A machine's /dev: the usual nodes and its own volumes, and nothing else of the host.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, makedev};
use rustix::mount::MountFlags;

use super::fault::{Fault, Step};
use super::loopdev::{Attached, MAJOR, Shown};
use super::mounts::{bind, inside, mount};
use crate::machine::VolumeAttachment;

/// Debian's, Ubuntu's and Amazon Linux's group `disk`.
const GROUP_DISK: u32 = 6;

/// Name, major, minor, mode of the character devices.
const NODES: [(&str, u32, u32, u32); 8] = [
    ("null", 1, 3, 0o666),
    ("zero", 1, 5, 0o666),
    ("full", 1, 7, 0o666),
    ("random", 1, 8, 0o666),
    ("urandom", 1, 9, 0o666),
    ("tty", 5, 0, 0o666),
    ("fuse", 10, 229, 0o666),
    ("net/tun", 10, 200, 0o666),
];

/// Mounts and fills /dev below `root`; `console` is the terminal that becomes /dev/console.
pub fn fill(root: &Path, console: &Path, volumes: &[Attached]) -> Result<(), Fault> {
    let dev = inside(root, "/dev");
    mount("tmpfs", &dev, MountFlags::NOSUID, "mode=0755,size=4m")?;
    for name in ["pts", "shm", "mqueue", "net", "disk/by-id", "disk/by-uuid", "disk/by-label"] {
        fs_err::create_dir_all(dev.join(name)).step("making /dev")?;
    }
    for (name, major, minor, mode) in NODES {
        node(&dev.join(name), FileType::CharacterDevice, major, minor, mode).step(format!("making /dev/{name}"))?;
    }
    mount(
        "devpts",
        &dev.join("pts"),
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    )?;
    mount("tmpfs", &dev.join("shm"), MountFlags::NOSUID | MountFlags::NODEV, "mode=1777")?;
    mount("mqueue", &dev.join("mqueue"), MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, "")?;
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(name)).step(format!("making /dev/{name}"))?;
    }
    fs_err::write(dev.join("console"), "").step("making /dev/console")?;
    bind(console, &dev.join("console"))?;
    for attached in volumes {
        add_volume(&dev, attached).step(format!("making {}", attached.volume.guest_device))?;
    }
    Ok(())
}

/// Makes a volume's node and links below `dev`, which may be another process's /dev.
pub fn add_volume(dev: &Path, attached: &Attached) -> io::Result<()> {
    let path = dev.join(device_name(&attached.volume));
    node(&path, FileType::BlockDevice, MAJOR, attached.number, 0o660)?;
    std::os::unix::fs::chown(&path, Some(0), Some(GROUP_DISK))?;
    for partition in &attached.partitions {
        add_partition(dev, &attached.volume, partition)?;
    }
    for link in by_id_links(&attached.volume) {
        symlink(format!("../../{}", device_name(&attached.volume)), dev.join("disk/by-id").join(link))?;
    }
    match ec2_link(dev, &attached.volume) {
        Some(link) if !link.exists() => symlink(device_name(&attached.volume), link),
        _ => Ok(()),
    }
}

/// Makes a partition's node.
pub fn add_partition(dev: &Path, volume: &VolumeAttachment, shown: &Shown) -> io::Result<()> {
    let path = dev.join(partition_name(volume, shown.partition));
    super::files::remove_if_there(&path)?;
    node(&path, FileType::BlockDevice, shown.major, shown.minor, 0o660)?;
    std::os::unix::fs::chown(&path, Some(0), Some(GROUP_DISK))
}

/// Removes what [`add_partition`] made.
pub fn remove_partition(dev: &Path, volume: &VolumeAttachment, number: u32) -> io::Result<()> {
    super::files::remove_if_there(&dev.join(partition_name(volume, number)))
}

/// `xvdf1`, `nvme1n1p1`: the kernel puts a `p` behind names that end in a digit.
pub fn partition_name(volume: &VolumeAttachment, number: u32) -> String {
    let name = device_name(volume);
    let between = if name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
    format!("{name}{between}{number}")
}

/// Where amazon-ec2-utils' udev rule would link an NVMe volume: to its name in the API. Images without the rule have none.
fn ec2_link(dev: &Path, volume: &VolumeAttachment) -> Option<PathBuf> {
    let root = dev.parent()?;
    let rule = "lib/udev/rules.d/70-ec2-nvme-devices.rules";
    let has_rule = [root.join(rule), root.join("usr").join(rule)].iter().any(|path| path.exists());
    let name = volume.device.strip_prefix("/dev/").unwrap_or(&volume.device);
    (has_rule && is_nvme(volume) && name != device_name(volume)).then(|| dev.join(name))
}

/// Removes what [`add_volume`] made.
pub fn remove_volume(dev: &Path, attached: &Attached) -> io::Result<()> {
    let volume = &attached.volume;
    for partition in &attached.partitions {
        remove_partition(dev, volume, partition.partition)?;
    }
    for link in by_id_links(volume) {
        super::files::remove_if_there(&dev.join("disk/by-id").join(link))?;
    }
    if let Some(link) = ec2_link(dev, volume) {
        super::files::remove_if_there(&link)?;
    }
    super::files::remove_if_there(&dev.join(device_name(volume)))
}

/// The guest device without /dev/.
pub fn device_name(volume: &VolumeAttachment) -> &str {
    volume.guest_device.strip_prefix("/dev/").unwrap_or(&volume.guest_device)
}

/// Whether the guest sees an NVMe device (Nitro types).
pub fn is_nvme(volume: &VolumeAttachment) -> bool {
    device_name(volume).starts_with("nvme")
}

/// udev's links for EBS volumes on Nitro types; Xen's devices have none.
fn by_id_links(volume: &VolumeAttachment) -> Vec<String> {
    if !is_nvme(volume) {
        return Vec::new();
    }
    let name = format!("nvme-Amazon_Elastic_Block_Store_{}", serial(volume));
    vec![format!("{name}_1"), name]
}

/// The serial number of an EBS volume's NVMe controller: the volume id without its hyphen.
pub fn serial(volume: &VolumeAttachment) -> String {
    volume.volume_id.replace('-', "")
}

fn node(path: &Path, kind: FileType, major: u32, minor: u32, mode: u32) -> io::Result<()> {
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, Mode::from_raw_mode(mode), makedev(major, minor))?;
    // mknod obeys the umask.
    fs_err::set_permissions(path, Permissions::from_mode(mode))
}
