//! Which IAM actions a build needs: those that its phases call, unwinding and `gc` included.

use crate::amazon::options::ami::{Protection, Replace};
use crate::amazon::options::run::{Choice, SecurityGroups};
use crate::amazon::options::{Config, Interface, Product};
use crate::ssh_options::KeySource;

/// Sessions; the last is for those whose id never arrived.
const SESSIONS: [&str; 4] = ["StartSession", "ResumeSession", "TerminateSession", "DescribeSessions"];

/// What a temporary instance profile takes.
const TEMPORARY_PROFILE: [&str; 12] = [
    "CreateRole",
    "TagRole",
    "GetRole",
    "PutRolePolicy",
    "DeleteRolePolicy",
    "DeleteRole",
    "CreateInstanceProfile",
    "TagInstanceProfile",
    "GetInstanceProfile",
    "AddRoleToInstanceProfile",
    "RemoveRoleFromInstanceProfile",
    "DeleteInstanceProfile",
];

/// The IAM actions that the phases of this configuration call, unwinding included.
pub(super) fn of(config: &Config) -> Vec<String> {
    let mut actions = vec!["DescribeInstances", "CreateTags", "DescribeVolumes", "DeleteVolume"];
    let chroot = match &config.product {
        Product::Chroot(chroot) => Some(chroot),
        _ => None,
    };
    match chroot {
        Some(_) => actions.extend(["CreateVolume", "AttachVolume", "DetachVolume"]),
        None => actions.extend(["RunInstances", "TerminateInstances"]),
    }
    if !chroot.is_some_and(|c| c.from_scratch) || !config.skip_create_ami {
        actions.push("DescribeImages");
    }
    if let Product::Volumes(wanted) = &config.product {
        actions.extend(["StopInstances", "DetachVolume", "DeleteTags"]);
        if wanted.iter().any(|v| v.snapshot.is_some()) {
            actions.extend(["CreateSnapshot", "DescribeSnapshots", "DeleteSnapshot"]);
        }
        if wanted.iter().any(|v| v.snapshot.as_ref().is_some_and(|s| !s.grant.is_empty())) {
            actions.push("ModifySnapshotAttribute");
        }
        if config.ami.ena.is_some() || config.ami.sriov {
            actions.push("ModifyInstanceAttribute");
        }
    }
    let ami = &config.ami;
    let run = &config.run;
    if config.communicator.ssh().is_some() {
        actions.push("GetConsoleOutput");
    }
    if config.spot.is_some() {
        actions.extend(["CreateLaunchTemplate", "DescribeLaunchTemplates", "DeleteLaunchTemplate", "CreateFleet"]);
    }
    let names = run.instance_types.iter().chain(&run.fallback_types);
    if names.into_iter().any(|name| crate::amazon::check::architecture_of(name).is_none()) {
        actions.push("DescribeInstanceTypes");
    }
    if matches!(config.communicator.ssh().map(|s| &s.key), Some(KeySource::Temporary { .. })) {
        actions.extend(["ImportKeyPair", "DescribeKeyPairs", "DeleteKeyPair"]);
    }
    match &run.security_groups {
        SecurityGroups::Ids(_) => {}
        SecurityGroups::Filter(_) => actions.push("DescribeSecurityGroups"),
        SecurityGroups::Temporary(_) | SecurityGroups::TemporaryForCaller => {
            actions.extend(["CreateSecurityGroup", "DescribeSecurityGroups", "DeleteSecurityGroup"])
        }
    }
    if ami.validate_regions && !ami.regions.is_empty() {
        actions.push("DescribeRegions");
    }
    if run.vpc != Choice::Unset || run.public_ip.is_some() {
        actions.push("DescribeVpcs");
    }
    if run.subnet != Choice::Unset || run.public_ip.is_some() {
        actions.push("DescribeSubnets");
    }
    if run.public_ip.is_some() {
        actions.push("DescribeInstanceTypeOfferings");
    }
    if !config.skip_create_ami {
        actions.extend(["DeregisterImage", "DescribeSnapshots", "DeleteSnapshot", "DeleteTags"]);
        match &config.product {
            Product::Image => actions.push("CreateImage"),
            _ => actions.extend(["CreateSnapshot", "RegisterImage"]),
        }
        if config.spot.is_none() && chroot.is_none() {
            actions.push("StopInstances");
        }
        if (ami.ena.is_some() || ami.sriov) && chroot.is_none() {
            actions.push("ModifyInstanceAttribute");
        }
        if !ami.regions.is_empty() || ami.skip_build_region || ami.replace != Replace::Never {
            actions.push("CopyImage");
        }
        if !ami.grant.is_empty() || !ami.product_codes.is_empty() || ami.imds_v2 {
            actions.push("ModifyImageAttribute");
        }
        if !ami.snapshot_grant.is_empty() {
            actions.push("ModifySnapshotAttribute");
        }
        if ami.deprecate_at.is_some() {
            actions.push("EnableImageDeprecation");
        }
        if ami.protection != Protection::Off {
            actions.push("EnableImageDeregistrationProtection");
        }
    }
    // A session needs no way in.
    let way_in =
        config.communicator.ssh().is_some() && config.interface != Interface::SessionManager && chroot.is_none();
    match &run.security_groups {
        SecurityGroups::Temporary(_) if way_in => actions.push("AuthorizeSecurityGroupIngress"),
        // The group follows this machine's address, and what it admitted before is taken back.
        SecurityGroups::TemporaryForCaller if way_in => {
            actions.extend(["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]);
        }
        _ => {}
    }
    let mut actions: Vec<String> = actions.into_iter().map(|action| format!("ec2:{action}")).collect();
    if config.interface == Interface::SessionManager && config.communicator.ssh().is_some() {
        actions.extend(SESSIONS.iter().map(|action| format!("ssm:{action}")));
    }
    if run.iam_instance_profile.is_some() || run.temporary_profile.is_some() {
        actions.push("iam:PassRole".to_owned());
    }
    if run.temporary_profile.is_some() {
        actions.extend(TEMPORARY_PROFILE.iter().map(|action| format!("iam:{action}")));
    }
    if config.spot.is_some() {
        // The account's first spot instance makes the role that spot works with.
        actions.push("iam:CreateServiceLinkedRole".to_owned());
    }
    let devices = config.launch_mappings.iter().filter_map(|d| d.mapping.ebs.as_ref());
    let own_key = devices.into_iter().any(|ebs| ebs.kms_key_id.is_some() || ebs.encrypted == Some(true));
    if ami.encryption.is_on() || own_key || chroot.is_some_and(|c| c.encrypt == Some(true) || c.kms_key_id.is_some()) {
        let kms = [
            "CreateGrant",
            "Decrypt",
            "DescribeKey",
            "GenerateDataKeyWithoutPlaintext",
            "ReEncryptFrom",
            "ReEncryptTo",
        ];
        actions.extend(kms.iter().map(|action| format!("kms:{action}")));
    }
    if config.access.assume_role.is_some() {
        actions.push("sts:AssumeRole".to_owned());
        if config.access.assume_role.as_ref().is_some_and(|role| !role.tags.is_empty()) {
            actions.push("sts:TagSession".to_owned());
        }
    }
    if config.access.decode_messages {
        actions.push("sts:DecodeAuthorizationMessage".to_owned());
    }
    actions.sort();
    actions.dedup();
    actions
}
