//! `BlockDeviceMapping.N`: reading it, its rules, and laying it over the mappings of an image
//! (EC2 user guide, "Block device mappings"; EBS user guide for sizes and rates).

use super::snapshots::visible;
use crate::state::{ACCOUNT, ImageMapping, Kind, MappedTo, Region, SnapshotState, VolumeSpec};
use crate::wire::{ApiError, Params, Result};

/// One mapping as it was sent.
#[derive(Debug, Clone)]
pub struct Requested {
    /// `/dev/sdb`
    pub device: String,
    /// What it says.
    pub what: RequestedAs,
}

/// What a mapping asks for.
#[derive(Debug, Clone)]
pub enum RequestedAs {
    /// `NoDevice`
    NoDevice,
    /// `VirtualName`
    Ephemeral(String),
    /// `Ebs`
    Ebs(RequestedEbs),
}

/// The fields of `Ebs`, and of CreateVolume.
#[derive(Debug, Clone, Default)]
pub struct RequestedEbs {
    /// `SnapshotId`
    pub snapshot_id: Option<String>,
    /// `VolumeSize` in GiB.
    pub size: Option<u32>,
    /// `VolumeType`
    pub volume_type: Option<String>,
    /// `Iops`
    pub iops: Option<u32>,
    /// `Throughput`
    pub throughput: Option<u32>,
    /// `Encrypted`
    pub encrypted: Option<bool>,
    /// `KmsKeyId`
    pub kms_key_id: Option<String>,
    /// `DeleteOnTermination`
    pub delete_on_termination: Option<bool>,
}

/// Limits of a volume type: GiB, IOPS, IOPS per GiB, and MiB/s.
struct Limits {
    name: &'static str,
    size: (u32, u32),
    iops: Option<(u32, u32, u32)>,
    throughput: Option<(u32, u32)>,
}

const LIMITS: &[Limits] = &[
    Limits { name: "gp2", size: (1, 16384), iops: None, throughput: None },
    Limits { name: "gp3", size: (1, 65536), iops: Some((3000, 80000, 500)), throughput: Some((125, 2000)) },
    Limits { name: "io1", size: (4, 16384), iops: Some((100, 64000, 50)), throughput: None },
    Limits { name: "io2", size: (4, 65536), iops: Some((100, 256_000, 1000)), throughput: None },
    Limits { name: "st1", size: (125, 16384), iops: None, throughput: None },
    Limits { name: "sc1", size: (125, 16384), iops: None, throughput: None },
    Limits { name: "standard", size: (1, 1024), iops: None, throughput: None },
];

/// The ARN that EC2 shows for a key that is given by id, alias or ARN.
pub fn kms_arn(region: &str, key: &str) -> String {
    match key {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        alias if alias.starts_with("alias/") => format!("arn:aws:kms:{region}:{ACCOUNT}:{alias}"),
        id => format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}"),
    }
}

/// Reads `BlockDeviceMapping.N`.
pub fn parse(p: &Params) -> Result<Vec<Requested>> {
    let mut all: Vec<Requested> = Vec::new();
    for item in p.items("BlockDeviceMapping") {
        let device = item.text("DeviceName").ok_or_else(|| {
            ApiError::new("MissingParameter", "The request must contain the parameter blockDeviceMapping.deviceName")
        })?;
        check_device(&device)?;
        let (no_device, virtual_name, ebs) = (item.raw("NoDevice"), item.text("VirtualName"), item.child("Ebs"));
        let what = match (no_device, virtual_name, ebs.present()) {
            (Some(_), None, false) => RequestedAs::NoDevice,
            (None, Some(name), false) => {
                if name.strip_prefix("ephemeral").is_none_or(|n| n.parse::<u8>().is_err()) {
                    return Err(ApiError::value("virtualName", name, "Expected ephemeral0 to ephemeral23."));
                }
                RequestedAs::Ephemeral(name)
            }
            (None, None, true) => RequestedAs::Ebs(parse_ebs(&ebs)?),
            (None, None, false) => {
                return Err(ApiError::new(
                    "InvalidBlockDeviceMapping",
                    format!("The mapping of {device} names neither a volume, nor instance storage, nor NoDevice"),
                ));
            }
            _ => {
                return Err(ApiError::new(
                    "InvalidBlockDeviceMapping",
                    format!("The mapping of {device} may name only one of Ebs, VirtualName and NoDevice"),
                ));
            }
        };
        if all.iter().any(|r| same_device(&r.device, &device)) {
            return Err(ApiError::new(
                "InvalidBlockDeviceMapping",
                format!("The device '{device}' is used in more than one block-device mapping"),
            ));
        }
        all.push(Requested { device, what });
    }
    Ok(all)
}

/// Reads the fields of `Ebs` (and of CreateVolume, where the size is called `Size`).
pub fn parse_ebs(p: &Params) -> Result<RequestedEbs> {
    let ebs = RequestedEbs {
        snapshot_id: p.text("SnapshotId"),
        size: match p.number("VolumeSize")? {
            None => p.number("Size")?,
            size => size,
        },
        volume_type: p.text("VolumeType"),
        iops: p.number("Iops")?,
        throughput: p.number("Throughput")?,
        encrypted: p.flag("Encrypted")?,
        kms_key_id: p.text("KmsKeyId"),
        delete_on_termination: p.flag("DeleteOnTermination")?,
    };
    if ebs.kms_key_id.is_some() && ebs.encrypted != Some(true) {
        return Err(ApiError::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    Ok(ebs)
}

/// `/dev/sd…` and `/dev/xvd…` are one namespace.
pub fn same_device(a: &str, b: &str) -> bool {
    fn normal(device: &str) -> &str {
        device.strip_prefix("/dev/").unwrap_or(device).trim_start_matches("xvd").trim_start_matches("sd")
    }
    normal(a) == normal(b)
}

/// Refuses names that are no device names of an HVM instance.
pub fn check_device(device: &str) -> Result<()> {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    let letters = name.strip_prefix("sd").or_else(|| name.strip_prefix("xvd"));
    let fine = letters.is_some_and(|rest| {
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &rest[letters.len()..];
        (1..=2).contains(&letters.len())
            && letters.bytes().all(|b| b.is_ascii_lowercase())
            && (digits.is_empty() || digits.parse::<u8>().is_ok_and(|n| (1..=15).contains(&n)))
    });
    if fine {
        return Ok(());
    }
    Err(ApiError::value("blockDeviceMapping.deviceName", device, "It is not a valid EBS device name."))
}

/// Works out what a volume will be: what was asked, else what `base` says, else EC2's defaults.
pub fn volume_spec(region: &Region, ebs: &RequestedEbs, base: Option<&VolumeSpec>) -> Result<VolumeSpec> {
    let snapshot = match &ebs.snapshot_id {
        Some(id) => {
            let snapshot = region
                .snapshot(id)
                .ok()
                .filter(|s| visible(s))
                .ok_or_else(|| Kind::Snapshot.check(id).err().unwrap_or_else(|| Kind::Snapshot.not_found(id)))?;
            if snapshot.state != SnapshotState::Completed {
                return Err(ApiError::new(
                    "IncorrectState",
                    format!("Snapshot is in invalid state - {}", snapshot.state.name()),
                ));
            }
            Some(snapshot)
        }
        None => None,
    };
    let least = snapshot.map(|s| s.size).or(base.map(|b| b.size));
    let size = match (ebs.size, least) {
        (Some(size), Some(least)) if size < least => {
            return Err(ApiError::new(
                "InvalidBlockDeviceMapping",
                format!(
                    "Volume of size {size}GB is smaller than snapshot '{}', expect size >= {least}GB",
                    ebs.snapshot_id.as_deref().unwrap_or("of the image")
                ),
            ));
        }
        (Some(size), _) => size,
        (None, Some(least)) => least,
        (None, None) => {
            return Err(ApiError::new("MissingParameter", "The request must contain the parameter size or snapshotId"));
        }
    };
    let inherits_type = ebs.volume_type.is_none();
    let volume_type =
        ebs.volume_type.clone().or_else(|| base.map(|b| b.volume_type.clone())).unwrap_or_else(|| "gp2".into());
    let inherited = base.filter(|b| inherits_type || b.volume_type == volume_type);
    let (iops, throughput) =
        (ebs.iops.or(inherited.and_then(|b| b.iops)), ebs.throughput.or(inherited.and_then(|b| b.throughput)));
    let was_encrypted = snapshot.map(|s| s.encrypted).or(base.map(|b| b.encrypted)).unwrap_or(false);
    if was_encrypted && ebs.encrypted == Some(false) {
        return Err(ApiError::new(
            "InvalidParameter",
            "A volume of an encrypted snapshot is encrypted; Encrypted cannot be false",
        ));
    }
    let encrypted = was_encrypted || ebs.encrypted == Some(true);
    let kms_key_id = ebs
        .kms_key_id
        .as_ref()
        .map(|k| kms_arn(&region.name, k))
        .or_else(|| snapshot.and_then(|s| s.kms_key_id.clone()))
        .or_else(|| base.and_then(|b| b.kms_key_id.clone()))
        .or_else(|| encrypted.then(|| kms_arn(&region.name, "alias/aws/ebs")));
    check_spec(VolumeSpec { size, volume_type, iops, throughput, encrypted, kms_key_id })
}

/// Refuses sizes and rates that the type does not have, and fills in its defaults.
pub fn check_spec(mut spec: VolumeSpec) -> Result<VolumeSpec> {
    let kind = spec.volume_type.as_str();
    let limits = LIMITS
        .iter()
        .find(|l| l.name == kind)
        .ok_or_else(|| ApiError::new("UnknownVolumeType", format!("Unknown volume type {kind}")))?;
    let (least, most) = limits.size;
    if spec.size < least || spec.size > most {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!(
                "Volume of {}GiB is not possible for volume type {kind}; it is {least}GiB to {most}GiB.",
                spec.size
            ),
        ));
    }
    match (limits.iops, spec.iops) {
        (None, Some(_)) => {
            return Err(ApiError::combination(format!("The parameter iops is not supported for {kind} volumes.")));
        }
        (Some(_), None) if kind == "gp3" => spec.iops = Some(3000),
        (Some(_), None) => {
            return Err(ApiError::new(
                "MissingParameter",
                format!("The parameter iops must be specified for {kind} volumes."),
            ));
        }
        (Some((least, most, per_gib)), Some(iops)) => {
            if iops < least || iops > most {
                return Err(ApiError::value("iops", iops, format!("It must be {least} to {most} for {kind}.")));
            }
            if u64::from(iops) > u64::from(spec.size) * u64::from(per_gib) && iops > least {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    format!("Iops to volume size ratio is too high; maximum is {per_gib}"),
                ));
            }
        }
        (None, None) => {}
    }
    match (limits.throughput, spec.throughput) {
        (None, Some(_)) => {
            return Err(ApiError::combination(format!(
                "The parameter throughput is not supported for {kind} volumes."
            )));
        }
        (Some((least, _)), None) => spec.throughput = Some(least),
        (Some((least, most)), Some(rate)) if rate < least || rate > most => {
            return Err(ApiError::value("throughput", rate, format!("It must be {least} to {most} for {kind}.")));
        }
        _ => {}
    }
    Ok(spec)
}

/// Lays requested mappings over those of an image: what RunInstances attaches, and what CreateImage records.
pub fn overlay(
    region: &Region,
    image: &[ImageMapping],
    root: &str,
    requested: &[Requested],
) -> Result<Vec<ImageMapping>> {
    let mut all = image.to_vec();
    for r in requested {
        let at = all.iter().position(|m| same_device(&m.device, &r.device));
        let is_root = same_device(&r.device, root);
        let base = at.and_then(|i| all.get(i)).cloned();
        let to = match (&r.what, &base) {
            (RequestedAs::NoDevice, _) if is_root => {
                return Err(ApiError::new("InvalidBlockDeviceMapping", "The root device cannot be left out"));
            }
            (RequestedAs::NoDevice, _) => MappedTo::NoDevice,
            (RequestedAs::Ephemeral(_), _) if is_root => {
                return Err(ApiError::new("InvalidBlockDeviceMapping", "The root device must be an EBS volume"));
            }
            (RequestedAs::Ephemeral(name), _) => MappedTo::Ephemeral(name.clone()),
            (
                RequestedAs::Ebs(ebs),
                Some(ImageMapping { to: MappedTo::Ebs { snapshot_id, spec, delete_on_termination }, .. }),
            ) => {
                if ebs.snapshot_id.is_some() && ebs.snapshot_id != *snapshot_id && is_root {
                    return Err(ApiError::new(
                        "InvalidBlockDeviceMapping",
                        "snapshotId cannot be modified on root device",
                    ));
                }
                let other = ebs.snapshot_id.is_some() && ebs.snapshot_id != *snapshot_id;
                let mut merged = ebs.clone();
                if !other {
                    // The image's own snapshot need not be one that the caller could name.
                    merged.snapshot_id = None;
                }
                let new = volume_spec(region, &merged, if other { None } else { Some(spec) })?;
                if is_root && matches!(new.volume_type.as_str(), "st1" | "sc1") {
                    return Err(ApiError::combination(format!(
                        "{} volumes cannot be the root device",
                        new.volume_type
                    )));
                }
                MappedTo::Ebs {
                    snapshot_id: if other { ebs.snapshot_id.clone() } else { snapshot_id.clone() },
                    spec: new,
                    delete_on_termination: ebs.delete_on_termination.unwrap_or(*delete_on_termination),
                }
            }
            (RequestedAs::Ebs(ebs), _) => MappedTo::Ebs {
                snapshot_id: ebs.snapshot_id.clone(),
                spec: volume_spec(region, ebs, None)?,
                delete_on_termination: ebs.delete_on_termination.unwrap_or(true),
            },
        };
        let mapping = ImageMapping { device: base.map_or_else(|| r.device.clone(), |b| b.device), to };
        match at {
            Some(i) => all[i] = mapping,
            None => all.push(mapping),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names() {
        for (name, ok) in [
            ("/dev/sda1", true),
            ("/dev/sdb", true),
            ("/dev/xvdba", true),
            ("sdh", true),
            ("/dev/nvme1n1", false),
            ("/dev/sdb99", false),
            ("/dev/SDB", false),
            ("", false),
        ] {
            assert_eq!(check_device(name).is_ok(), ok, "{name}");
        }
        assert!(same_device("/dev/sdb", "/dev/xvdb") && !same_device("/dev/sdb", "/dev/sdc"));
    }

    #[test]
    fn volume_types_have_their_limits() {
        let spec = |size, kind: &str, iops, throughput| {
            check_spec(VolumeSpec {
                size,
                volume_type: kind.into(),
                iops,
                throughput,
                encrypted: false,
                kms_key_id: None,
            })
            .map(|s| (s.iops, s.throughput))
            .map_err(|e| e.code.into_owned())
        };
        assert_eq!(spec(40, "gp2", None, None), Ok((None, None)));
        assert_eq!(spec(40, "gp3", None, None), Ok((Some(3000), Some(125))));
        assert_eq!(spec(1, "gp3", Some(3000), None), Ok((Some(3000), Some(125))));
        for (case, code) in [
            (spec(40, "gp2", Some(100), None), "InvalidParameterCombination"),
            (spec(40, "gp2", None, Some(125)), "InvalidParameterCombination"),
            (spec(40, "io1", None, None), "MissingParameter"),
            (spec(4, "io1", Some(400), None), "InvalidParameterValue"),
            (spec(1, "st1", None, None), "InvalidParameterValue"),
            (spec(1, "gp9", None, None), "UnknownVolumeType"),
        ] {
            assert_eq!(case, Err(code.to_owned()));
        }
    }
}
