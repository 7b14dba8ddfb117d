//! What a build would make, copy and tag, and which permissions it needs. Known from the options alone: no call is made.

mod policy;
mod prices;

pub use policy::policy;
pub use prices::{Cost, Prices};

use crate::amazon::options::ami::{Encryption, Protection, Replace};
use crate::amazon::options::run::{Choice, SecurityGroups};
use crate::amazon::options::{Config, Interface};
use crate::amazon::ssm::DOCUMENT;
use crate::ssh_options::KeySource;
use serde::Serialize;

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Things that are made and removed again.
    pub temporary: Vec<Item>,
    /// Things that stay.
    pub lasting: Vec<Item>,
    /// Things that go.
    pub removed: Vec<Item>,
    /// IAM actions, sorted: `ec2:RunInstances`.
    pub actions: Vec<String>,
    /// What it uses, for a price list.
    #[serde(skip)]
    pub usage: Usage,
}

/// What a build uses that costs money.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Region of the instance.
    pub region: String,
    /// First instance type.
    pub instance_type: String,
    /// Volumes of the template: type and GiB. The source AMI's are not known without a call.
    pub volumes: Vec<(String, u32)>,
    /// Regions that get an image.
    pub image_regions: Vec<String>,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// What it is: `security group`.
    pub what: String,
    /// Region; empty: the region that the environment or profile names.
    pub region: String,
    /// Name, if it is known beforehand.
    pub name: Option<String>,
    /// More, one line each.
    pub notes: Vec<String>,
}

fn item(what: &str, region: &str, name: Option<String>, notes: Vec<String>) -> Item {
    Item { what: what.to_owned(), region: region.to_owned(), name, notes }
}

/// The plan of an `amazon-ebs` build.
pub fn amazon_ebs(config: &Config) -> Plan {
    let mut plan = Plan::default();
    let region = config.access.region.as_ref().map_or("", |r| r.as_str());
    temporary(config, region, &mut plan);
    if !config.skip_create_ami {
        lasting(config, region, &mut plan);
    }
    plan.actions = actions(config);
    plan.usage = Usage {
        region: region.to_owned(),
        instance_type: config.run.instance_types.first().cloned().unwrap_or_default(),
        volumes: config
            .launch_mappings
            .iter()
            .filter_map(|device| device.mapping.ebs.as_ref())
            .map(|ebs| {
                let size = ebs.volume_size.and_then(|size| u32::try_from(size).ok()).unwrap_or(0);
                (ebs.volume_type.clone().unwrap_or_else(|| "gp2".into()), size)
            })
            .collect(),
        image_regions: plan.lasting.iter().map(|item| item.region.clone()).collect(),
    };
    plan
}

fn temporary(config: &Config, region: &str, plan: &mut Plan) {
    if let Some(ssh) = config.communicator.ssh()
        && let KeySource::Temporary { name, kind } = &ssh.key
    {
        let note = format!("{kind:?}, its private half stays in memory");
        plan.temporary.push(item("key pair", region, name.clone(), vec![note]));
    }
    let sessions = config.interface == Interface::SessionManager;
    let port = config.communicator.ssh().map(|ssh| ssh.spec.port);
    // A session's agent is on the instance: nothing comes in from outside.
    let inbound = port.filter(|_| !sessions);
    match &config.run.security_groups {
        SecurityGroups::Ids(_) | SecurityGroups::Filter(_) => {}
        SecurityGroups::Temporary(cidrs) => {
            let rule = inbound.map(|port| format!("TCP {port} from {}", cidrs.join(", ")));
            let notes = vec![rule.unwrap_or_else(|| "no inbound rule".into())];
            plan.temporary.push(item("security group", region, None, notes));
        }
        SecurityGroups::TemporaryForCaller => {
            let rule = inbound.map(|port| format!("TCP {port} from this machine's address only"));
            let notes = vec![rule.unwrap_or_else(|| "no inbound rule".into())];
            plan.temporary.push(item("security group", region, None, notes));
        }
    }
    let mut notes = vec![format!("type {}", config.run.instance_types.join(", else "))];
    notes.push(match &config.run.source.id {
        Some(id) => format!("from {id}"),
        None => {
            let filters = config.run.source.filters.iter().map(|f| format!("{} = {}", f.name, f.values.join(" or ")));
            let newest = if config.run.source.most_recent { "the newest AMI" } else { "the one AMI" };
            format!("from {newest} with {}", filters.collect::<Vec<_>>().join(", "))
        }
    });
    notes.extend(config.spot.iter().map(|spot| match &spot.max_price {
        Some(price) => format!("spot, at most {price} $/h"),
        None => "spot".to_owned(),
    }));
    for device in &config.launch_mappings {
        let ebs = device.mapping.ebs.as_ref();
        let size = ebs.and_then(|e| e.volume_size).map(|s| format!(" {s} GiB")).unwrap_or_default();
        let kind = ebs.and_then(|e| e.volume_type.clone()).map(|t| format!(" {t}")).unwrap_or_default();
        let keeps = if device.delete == Some(false) { ", stays after the build" } else { "" };
        notes.push(format!("volume {}{size}{kind}{keeps}", device.mapping.device_name));
    }
    plan.temporary.push(item("instance", region, None, notes));
    if let Some(port) = port.filter(|_| sessions) {
        let note = format!("{DOCUMENT} to port {port} of the instance; one more after each reboot");
        plan.temporary.push(item("session", region, None, vec![note]));
    }
}

fn lasting(config: &Config, region: &str, plan: &mut Plan) {
    let ami = &config.ami;
    let tags: Vec<&str> = ami.tags.keys().collect();
    let notes = |at: &str| {
        let mut notes = Vec::new();
        if let Encryption::On { .. } = ami.encryption {
            let build = config.access.region.clone().unwrap_or_else(|| "".into());
            let key = ami.encryption.key(&at.into(), &build).unwrap_or("the account's EBS key");
            notes.push(format!("encrypted with {key}"));
        }
        if !tags.is_empty() {
            notes.push(format!("tags {}", tags.join(", ")));
        }
        let grant = &ami.grant;
        let shared = [&grant.users, &grant.groups, &grant.organization_arns, &grant.ou_arns];
        let shared: Vec<&str> = shared.into_iter().flatten().map(String::as_str).collect();
        if !shared.is_empty() {
            notes.push(format!("shared with {}", shared.join(", ")));
        }
        notes.extend(ami.deprecate_at.iter().map(|at| format!("deprecated at {at}")));
        if ami.protection != Protection::Off {
            notes.push("protected from being deregistered".to_owned());
        }
        notes
    };
    let here = (!ami.skip_build_region).then_some(region);
    for at in here.into_iter().chain(ami.regions.iter().map(|r| r.as_str())) {
        plan.lasting.push(item("AMI with its snapshots", at, Some(ami.name.clone()), notes(at)));
        if ami.replace != Replace::Never {
            let what = match ami.replace {
                Replace::WithSnapshots => "AMI of the same name with its snapshots, if there is one",
                _ => "AMI of the same name, if there is one",
            };
            plan.removed.push(item(what, at, Some(ami.name.clone()), Vec::new()));
        }
    }
}

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
fn actions(config: &Config) -> Vec<String> {
    let mut actions = vec![
        "DescribeImages",
        "DescribeInstances",
        "RunInstances",
        "TerminateInstances",
        "CreateTags",
        "DescribeVolumes",
        "DeleteVolume",
    ];
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
        SecurityGroups::Temporary(_) | SecurityGroups::TemporaryForCaller => actions.extend([
            "CreateSecurityGroup",
            "AuthorizeSecurityGroupIngress",
            "DescribeSecurityGroups",
            "DeleteSecurityGroup",
        ]),
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
        actions.extend(["CreateImage", "DeregisterImage", "DescribeSnapshots", "DeleteSnapshot", "DeleteTags"]);
        if config.surrogate.is_some() {
            actions.extend(["CreateSnapshot", "RegisterImage"]);
        }
        if config.spot.is_none() {
            actions.push("StopInstances");
        }
        if ami.ena.is_some() || ami.sriov {
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
    let mut actions: Vec<String> = actions.into_iter().map(|action| format!("ec2:{action}")).collect();
    if run.iam_instance_profile.is_some() || run.temporary_profile.is_some() {
        actions.push("iam:PassRole".to_owned());
    }
    if run.temporary_profile.is_some() {
        actions.extend(TEMPORARY_PROFILE.iter().map(|action| format!("iam:{action}")));
    }
    if config.interface == Interface::SessionManager && config.communicator.ssh().is_some() {
        actions.extend(SESSIONS.iter().map(|action| format!("ssm:{action}")));
    }
    if config.spot.is_some() {
        // The account's first spot instance makes the role that spot works with.
        actions.push("iam:CreateServiceLinkedRole".to_owned());
    }
    if ami.encryption.is_on() {
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
