//! What a machine sees in /sys and /proc: its own block devices, an EC2 instance's DMI identity, kernel settings of its
//! own, and not the host's.
//!
//! The kernel has one /sys/block and one set of kernel settings for all. The machine gets small trees of its own over
//! them: block devices under their guest names (static copies of the loop device's attributes), and a copy of
//! /proc/sys in which namespaced settings (net, hostname, IPC) are the real ones, and all others can be written and
//! read back without any effect, so that a playbook which sets them neither fails nor changes the host.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::mount::MountFlags;

use super::devices::{device_name, is_nvme, partition_name, serial};
use super::fault::{Fault, Step};
use super::loopdev::{Attached, MAJOR, Shown, sectors};
use super::mounts::{bind, bind_tree, inside, mount, read_only, relocate};
use crate::machine::Launch;

/// Settings that belong to a namespace of the machine (or are different on every read) and stay the kernel's.
const LIVE: [&str; 14] = [
    "net",
    "kernel/hostname",
    "kernel/domainname",
    "kernel/shmmax",
    "kernel/shmall",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
    "kernel/sem",
    "kernel/msgmax",
    "kernel/msgmni",
    "kernel/msgmnb",
    "kernel/ns_last_pid",
    "kernel/random",
    "fs/mqueue",
];

/// An instance's kernel command line. The machine's network is up when it boots, which cloud-init is told here.
const COMMAND_LINE: &str =
    "BOOT_IMAGE=/boot/vmlinuz root=/dev/xvda1 ro console=tty0 console=ttyS0,115200 network-config=disabled\n";

/// Mounts /proc and /sys below `root`. `staging` is an empty directory outside of it.
pub fn mount_all(root: &Path, staging: &Path, launch: &Launch, volumes: &[Attached]) -> Result<(), Fault> {
    let guard = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let proc = inside(root, "/proc");
    mount("proc", &proc, guard, "")?;
    settings(&proc.join("sys"), staging)?;
    // These reach the host's kernel as a whole.
    for name in ["sysrq-trigger", "kcore", "kmsg", "timer_list"] {
        let path = proc.join(name);
        if path.exists() {
            bind(&inside(root, "/dev/null"), &path)?;
        }
    }
    own_file(root, &proc.join("partitions"), &partition_table(volumes).step("reading the volumes' sizes")?)?;
    own_file(root, &proc.join("cmdline"), COMMAND_LINE)?;

    let sys = inside(root, "/sys");
    mount("sysfs", &sys, guard, "")?;
    classes(&sys, staging, launch)?;
    for place in ["devices/virtual/block", "block", "dev/block"] {
        let place = sys.join(place);
        if place.is_dir() {
            mount("tmpfs", &place, guard, "mode=0755,size=1m")?;
        }
    }
    for attached in volumes {
        add_volume(&sys, attached).step(format!("describing {} in /sys", attached.volume.guest_device))?;
    }
    read_only(&sys, guard)
}

/// The machine's own /proc/sys.
fn settings(live: &Path, staging: &Path) -> Result<(), Fault> {
    mount("tmpfs", staging, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, "mode=0555,size=8m")?;
    copy_settings(live, staging, "")?;
    let own_boot_id = staging.join("kernel/random/boot_id");
    let boot_id = uuid::Uuid::new_v4().to_string() + "\n";
    // The directory is the kernel's own (its entropy files change all the time); one file of it is ours.
    let file = staging.join(".boot_id");
    fs_err::write(&file, boot_id).step("choosing a boot id")?;
    bind(&file, &own_boot_id)?;
    fs_err::remove_file(&file).step("choosing a boot id")?;
    relocate(staging, live)
}

fn copy_settings(live: &Path, copy: &Path, below: &str) -> Result<(), Fault> {
    let place = live.join(below);
    for entry in fs_err::read_dir(&place).step("listing the kernel's settings")? {
        let entry = entry.step("listing the kernel's settings")?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let target = copy.join(&path);
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            fs_err::create_dir(&target).step("copying the kernel's settings")?;
            if LIVE.contains(&path.as_str()) {
                bind_tree(&live.join(&path), &target)?;
            } else {
                copy_settings(live, copy, &path)?;
            }
            continue;
        }
        if LIVE.contains(&path.as_str()) {
            fs_err::write(&target, "").step("copying the kernel's settings")?;
            bind(&live.join(&path), &target)?;
        } else if metadata.permissions().mode() & 0o400 != 0
            // Some are only readable when a feature is on (stat_refresh, swiotlb, …): the machine has no such file.
            && let Ok(value) = fs_err::read(live.join(&path))
        {
            fs_err::write(&target, value).step("copying the kernel's settings")?;
            fs_err::set_permissions(&target, metadata.permissions()).step("copying the kernel's settings")?;
        }
    }
    Ok(())
}

/// Puts a file of the machine's own in the place of one of the kernel's.
fn own_file(root: &Path, place: &Path, content: &str) -> Result<(), Fault> {
    let step = || format!("writing {}", place.display());
    let source = inside(root, "/dev/.file");
    fs_err::write(&source, content).step(step())?;
    bind(&source, place)?;
    // The binding keeps the file; its name in /dev is not the machine's business.
    fs_err::remove_file(&source).step(step())
}

/// The content of /proc/partitions for these volumes, from which `blkid` and `mount UUID=…` learn which devices to look
/// at: sizes are in blocks of 1 KiB.
pub fn partition_table(volumes: &[Attached]) -> io::Result<String> {
    let mut table = "major minor  #blocks  name\n\n".to_owned();
    for attached in volumes {
        let blocks = sectors(attached.number)? / 2;
        let name = device_name(&attached.volume);
        table.push_str(&format!("{MAJOR:4} {:8} {blocks:10} {name}\n", attached.number));
        for p in &attached.partitions {
            let name = partition_name(&attached.volume, p.partition);
            table.push_str(&format!("{:4} {:8} {:10} {name}\n", p.major, p.minor, p.sectors / 2));
        }
    }
    Ok(table)
}

/// /sys/class with the block devices of the machine and the DMI identity of an EC2 instance.
fn classes(sys: &Path, staging: &Path, launch: &Launch) -> Result<(), Fault> {
    let live = sys.join("class");
    mount("tmpfs", staging, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, "mode=0755,size=1m")?;
    for entry in fs_err::read_dir(&live).step("listing /sys/class")? {
        let name = entry.step("listing /sys/class")?.file_name();
        let target = staging.join(&name);
        if name == "block" || name == "dmi" {
            continue;
        }
        fs_err::create_dir(&target).step("making /sys/class")?;
        if name == "net" {
            // Interfaces come and go.
            bind(&live.join(&name), &target)?;
        } else {
            copy_links(&live.join(&name), &target).step("making /sys/class")?;
        }
    }
    fs_err::create_dir_all(staging.join("block")).step("making /sys/class")?;
    let dmi = staging.join("dmi/id");
    fs_err::create_dir_all(&dmi).step("making /sys/class/dmi")?;
    for (name, value, mode) in identity(launch) {
        let path = dmi.join(name);
        fs_err::write(&path, format!("{value}\n")).step("making /sys/class/dmi")?;
        fs_err::set_permissions(&path, Permissions::from_mode(mode)).step("making /sys/class/dmi")?;
    }
    relocate(staging, &live)
}

/// The links of a class, which are relative and mean the same in the copy.
fn copy_links(live: &Path, own: &Path) -> io::Result<()> {
    for entry in fs_err::read_dir(live)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            symlink(fs_err::read_link(entry.path())?, own.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The firmware's strings on an instance: what cloud-init and Ansible tell EC2 by. The UUID starts with "ec2".
fn identity(launch: &Launch) -> Vec<(&'static str, String, u32)> {
    let hex: String = launch.instance_id.trim_start_matches("i-").chars().filter(char::is_ascii_hexdigit).collect();
    let hex = format!("{hex:0<29}");
    let uuid = format!("ec2{}-{}-{}-{}-{}", &hex[..5], &hex[5..9], &hex[9..13], &hex[13..17], &hex[17..29]);
    let xen = is_xen(&launch.instance_type);
    let mut strings = vec![
        ("product_uuid", uuid.clone(), 0o400),
        ("product_serial", uuid, 0o400),
        ("sys_vendor", if xen { "Xen" } else { "Amazon EC2" }.to_owned(), 0o444),
        ("product_name", if xen { "HVM domU".to_owned() } else { launch.instance_type.clone() }, 0o444),
        ("bios_vendor", if xen { "Xen" } else { "Amazon EC2" }.to_owned(), 0o444),
        ("bios_version", if xen { "4.11.amazon" } else { "1.0" }.to_owned(), 0o444),
        ("bios_date", if xen { "08/24/2006" } else { "10/16/2017" }.to_owned(), 0o444),
        ("chassis_vendor", if xen { "Xen" } else { "Amazon EC2" }.to_owned(), 0o444),
    ];
    if !xen {
        strings.push(("board_vendor", "Amazon EC2".to_owned(), 0o444));
        strings.push(("board_asset_tag", launch.instance_id.clone(), 0o444));
        strings.push(("chassis_asset_tag", "Amazon EC2".to_owned(), 0o444));
    }
    strings
}

/// Whether an instance type runs on Xen, by its family. All later families are Nitro.
fn is_xen(instance_type: &str) -> bool {
    const FAMILIES: [&str; 26] = [
        "t1", "t2", "m1", "m2", "m3", "m4", "c1", "c3", "c4", "cc2", "cg1", "cr1", "d2", "f1", "g2", "g3", "g3s", "h1",
        "hi1", "hs1", "i2", "i3", "p2", "p3", "r3", "r4",
    ];
    let family = instance_type.split('.').next().unwrap_or_default();
    FAMILIES.contains(&family) || matches!(family, "x1" | "x1e")
}

/// Describes a volume in a machine's /sys, which may be another process's.
pub fn add_volume(sys: &Path, attached: &Attached) -> io::Result<()> {
    let name = device_name(&attached.volume);
    let live = Path::new("/sys/devices/virtual/block").join(format!("loop{}", attached.number));
    let own = sys.join("devices/virtual/block").join(name);
    copy_attributes(&live, &own)?;
    fs_err::write(
        own.join("uevent"),
        format!("MAJOR={MAJOR}\nMINOR={}\nDEVNAME={name}\nDEVTYPE=disk\n", attached.number),
    )?;
    if is_nvme(&attached.volume) {
        let device = own.join("device");
        fs_err::create_dir_all(&device)?;
        fs_err::write(device.join("model"), "Amazon Elastic Block Store              \n")?;
        fs_err::write(device.join("serial"), format!("{:<20}\n", serial(&attached.volume)))?;
        fs_err::write(device.join("firmware_rev"), "1.0     \n")?;
        fs_err::write(device.join("transport"), "pcie\n")?;
    }
    symlink(format!("../devices/virtual/block/{name}"), sys.join("block").join(name))?;
    symlink(format!("../../devices/virtual/block/{name}"), sys.join("class/block").join(name))?;
    symlink(
        format!("../../devices/virtual/block/{name}"),
        sys.join("dev/block").join(format!("{MAJOR}:{}", attached.number)),
    )?;
    attached.partitions.iter().try_for_each(|shown| add_partition(sys, attached, shown))
}

/// Describes a partition.
pub fn add_partition(sys: &Path, attached: &Attached, shown: &Shown) -> io::Result<()> {
    let (disk, name) = (device_name(&attached.volume), partition_name(&attached.volume, shown.partition));
    remove_partition(sys, attached, shown)?;
    let own = sys.join("devices/virtual/block").join(disk).join(&name);
    fs_err::create_dir_all(&own)?;
    let Shown { partition, major, minor, start, sectors } = shown;
    for (leaf, value) in [
        ("dev", format!("{major}:{minor}\n")),
        ("partition", format!("{partition}\n")),
        ("start", format!("{start}\n")),
        ("size", format!("{sectors}\n")),
        ("ro", "0\n".to_owned()),
        ("uevent", format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\nDEVTYPE=partition\nPARTN={partition}\n")),
    ] {
        fs_err::write(own.join(leaf), value)?;
    }
    let target = format!("../../devices/virtual/block/{disk}/{name}");
    symlink(&target, sys.join("class/block").join(&name))?;
    symlink(&target, sys.join("dev/block").join(format!("{major}:{minor}")))
}

/// Removes what [`add_partition`] made.
pub fn remove_partition(sys: &Path, attached: &Attached, shown: &Shown) -> io::Result<()> {
    let (disk, name) = (device_name(&attached.volume), partition_name(&attached.volume, shown.partition));
    super::files::remove_if_there(&sys.join("class/block").join(&name))?;
    super::files::remove_if_there(&sys.join("dev/block").join(format!("{}:{}", shown.major, shown.minor)))?;
    match fs_err::remove_dir_all(sys.join("devices/virtual/block").join(disk).join(&name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes what [`add_volume`] made.
pub fn remove_volume(sys: &Path, attached: &Attached) -> io::Result<()> {
    attached.partitions.iter().try_for_each(|shown| remove_partition(sys, attached, shown))?;
    let name = device_name(&attached.volume);
    for link in [
        sys.join("dev/block").join(format!("{MAJOR}:{}", attached.number)),
        sys.join("class/block").join(name),
        sys.join("block").join(name),
    ] {
        super::files::remove_if_there(&link)?;
    }
    match fs_err::remove_dir_all(sys.join("devices/virtual/block").join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Copies a block device's attributes. `loop` says where the host keeps the volume's file, `trace` and `mq` are the
/// kernel's business.
fn copy_attributes(live: &Path, own: &Path) -> io::Result<()> {
    fs_err::create_dir_all(own)?;
    for entry in fs_err::read_dir(live)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        // Partitions are described under their names in the machine.
        let own_name = name.to_str().is_some_and(|name| name.starts_with("loop"));
        if own_name || ["trace", "mq", "uevent", "subsystem", "bdi"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        if kind.is_dir() {
            copy_attributes(&entry.path(), &own.join(&name))?;
        } else if kind.is_file()
            // Attributes of features that this kernel or device lacks cannot be read.
            && let Ok(value) = fs_err::read(entry.path())
        {
            fs_err::write(own.join(&name), value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xen_and_nitro_families_are_told_apart() {
        for xen in ["m3.medium", "t2.micro", "x1e.xlarge", "i3.large"] {
            assert!(is_xen(xen), "{xen}");
        }
        for nitro in ["t3.micro", "m5.large", "c7g.large", "i3en.large", "m7i-flex.large"] {
            assert!(!is_xen(nitro), "{nitro}");
        }
    }
}
