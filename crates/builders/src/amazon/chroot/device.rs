//! Which name a volume is attached as, and which device it then is on this machine.
//!
//! Xen instances show a volume under its name in the API (`/dev/sdf` is `/dev/xvdf`). Nitro instances show NVMe devices in the
//! order in which they came; the controller's serial number is the volume's id without its hyphen (EC2 user guide, "Map NVMe
//! identifiers to device names"). Some images link one to the other by a udev rule.

use crate::amazon::ids::VolumeId;
use crate::amazon::types::Instance;
use std::path::{Path, PathBuf};

/// The letters that EC2 recommends for volumes.
const LETTERS: std::ops::RangeInclusive<char> = 'f'..='p';

/// `/dev/sdf` of `/dev/xvdf`: two names that EC2 takes for one.
pub fn in_api(device: &str) -> String {
    device.replacen("/xvd", "/sd", 1)
}

/// A name that neither the instance's mappings nor this machine's devices have. `root` is `/` but in tests.
pub fn free(instance: &Instance, root: &Path) -> Result<String, String> {
    let prefix = prefix(&root.join("sys/block"));
    let taken: Vec<String> = instance.volumes.iter().map(|v| in_api(&v.device_name)).collect();
    for letter in LETTERS {
        let device = format!("/dev/{prefix}{letter}");
        let there = |name: &str| root.join(name.trim_start_matches('/')).exists();
        // Partitions of a name exclude it, too: EC2 takes either the device or its partitions.
        let partition = (1..=15).any(|n| there(&format!("{device}{n}")));
        let mapped = taken.iter().any(|name| name.starts_with(&in_api(&device)));
        if !there(&device) && !partition && !mapped {
            return Ok(device);
        }
    }
    Err("all device names from /dev/sdf to /dev/sdp are in use on this instance".to_owned())
}

/// `xvd` where the machine's disks are called so, else `sd`.
fn prefix(block: &Path) -> &'static str {
    let names = std::fs::read_dir(block).into_iter().flatten().filter_map(Result::ok);
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    if names.any(|name| name.starts_with("xvd")) { "xvd" } else { "sd" }
}

/// The device here, once the machine shows it.
pub fn shown(device: &str, volume: &VolumeId, root: &Path) -> Option<String> {
    let there = |path: &str| root.join(path.trim_start_matches('/')).exists();
    if there(device) {
        return Some(device.to_owned());
    }
    let xen = device.replacen("/sd", "/xvd", 1);
    if there(&xen) {
        return Some(xen);
    }
    let serial = volume.as_str().replace('-', "");
    let entries = std::fs::read_dir(root.join("sys/block")).ok()?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let found = std::fs::read_to_string(entry.path().join("device/serial")).unwrap_or_default();
        if name.starts_with("nvme") && found.trim() == serial {
            let path = format!("/dev/{name}");
            return there(&path).then_some(path);
        }
    }
    None
}

/// The file of a partition: `/dev/xvdf1`, `/dev/nvme1n1p1`. A path that already ends in `p`, as Packer's documentation has it
/// for NVMe, is joined as it is.
pub fn partition(device: &str, partition: Option<&str>) -> Vec<PathBuf> {
    let Some(partition) = partition else { return vec![PathBuf::from(device)] };
    let mut candidates = vec![PathBuf::from(format!("{device}{partition}"))];
    if device.ends_with(|c: char| c.is_ascii_digit()) && partition.starts_with(|c: char| c.is_ascii_digit()) {
        candidates.insert(0, PathBuf::from(format!("{device}p{partition}")));
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amazon::types::{AttachedVolume, InstanceState, Tags};

    fn instance(devices: &[&str]) -> Instance {
        let volumes = devices.iter().enumerate().map(|(n, device)| AttachedVolume {
            device_name: (*device).to_owned(),
            id: format!("vol-{n}").into(),
            delete_on_termination: true,
        });
        Instance {
            id: "i-1".into(),
            image: None,
            state: InstanceState::Running,
            state_reason: None,
            instance_type: "m5.large".into(),
            availability_zone: None,
            vpc: None,
            subnet: None,
            public_ip: None,
            private_ip: None,
            public_dns: None,
            private_dns: None,
            ipv6: None,
            volumes: volumes.collect(),
            tags: Tags::new(),
        }
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "vol0123\n").unwrap();
        }
        dir
    }

    #[test]
    fn the_first_free_name() {
        for (files, mapped, expected) in [
            (&["sys/block/xvda/size"][..], &["/dev/sda1"][..], "/dev/xvdf"),
            (&["sys/block/xvda/size", "dev/xvdf"], &["/dev/sda1"], "/dev/xvdg"),
            (&["sys/block/xvda/size", "dev/xvdf1"], &["/dev/sda1"], "/dev/xvdg"),
            (&["sys/block/xvda/size"], &["/dev/sda1", "/dev/sdf", "/dev/xvdg"], "/dev/xvdh"),
            (&["sys/block/nvme0n1/size"], &["/dev/xvda", "/dev/sdf"], "/dev/sdg"),
        ] {
            assert_eq!(free(&instance(mapped), tree(files).path()).unwrap(), expected, "{files:?} {mapped:?}");
        }
        let all: Vec<String> = LETTERS.map(|c| format!("/dev/sd{c}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert!(free(&instance(&all), tree(&[]).path()).is_err());
    }

    #[test]
    fn a_volume_is_known_by_name_or_serial_number() {
        let volume = VolumeId::from("vol-0123");
        for (files, expected) in [
            (&["dev/sdf"][..], Some("/dev/sdf")),
            (&["dev/xvdf"], Some("/dev/xvdf")),
            (&["dev/nvme2n1", "sys/block/nvme2n1/device/serial"], Some("/dev/nvme2n1")),
            (&["sys/block/nvme2n1/device/serial"], None),
            (&[], None),
        ] {
            assert_eq!(shown("/dev/sdf", &volume, tree(files).path()).as_deref(), expected, "{files:?}");
        }
    }

    #[test]
    fn partitions() {
        let of = |device, p| partition(device, p).iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        assert_eq!(of("/dev/xvdf", Some("1")), ["/dev/xvdf1"]);
        assert_eq!(of("/dev/xvdf", None), ["/dev/xvdf"]);
        assert_eq!(of("/dev/nvme1n1", Some("2")), ["/dev/nvme1n1p2", "/dev/nvme1n12"]);
        assert_eq!(of("/dev/nvme1n1p", Some("1")), ["/dev/nvme1n1p1"]);
    }
}
