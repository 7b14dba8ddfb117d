//! What a build would make, copy and tag, and which permissions it needs. Known from the options alone: no call is made.

mod actions;
mod policy;
mod prices;

pub use policy::policy;
pub use prices::{Cost, Prices};

use crate::amazon::options::ami::{Encryption, Protection, Replace};
use crate::amazon::options::chroot::Chroot;
use crate::amazon::options::run::SecurityGroups;
use crate::amazon::options::volumes::VolumeOf;
use crate::amazon::options::{Config, Interface, Product};
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

/// The plan of an amazon build.
pub fn amazon(config: &Config) -> Plan {
    let mut plan = Plan::default();
    let region = config.access.region.as_ref().map_or("", |r| r.as_str());
    match &config.product {
        Product::Chroot(chroot) => plan.temporary.push(item("volume", region, None, root_volume(config, chroot))),
        _ => temporary(config, region, &mut plan),
    }
    if let Product::Volumes(wanted) = &config.product {
        volumes(config, wanted, region, &mut plan);
    }
    if !config.skip_create_ami {
        lasting(config, region, &mut plan);
    }
    plan.actions = actions::of(config);
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
        image_regions: match config.product {
            Product::Volumes(_) => Vec::new(),
            _ => plan.lasting.iter().map(|item| item.region.clone()).collect(),
        },
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
    if config.spot.is_some() {
        plan.temporary.push(item("launch template of the spot fleet", region, None, Vec::new()));
    }
    if config.run.temporary_profile.is_some() {
        plan.temporary.push(item("IAM role with its instance profile", "", None, Vec::new()));
    }
    let mut notes = vec![format!("type {}", config.run.instance_types.join(", or "))];
    if !config.run.fallback_types.is_empty() {
        notes.push(format!("where there is no capacity: {} on demand", config.run.fallback_types.join(", then ")));
    }
    notes.push(source(config));
    notes.extend(config.spot.iter().map(|spot| match &spot.max_price {
        Some(price) => format!("spot, at most {price} $/h"),
        None => "spot".to_owned(),
    }));
    for device in &config.launch_mappings {
        let ebs = device.mapping.ebs.as_ref();
        let size = ebs.and_then(|e| e.volume_size).map(|s| format!(" {s} GiB")).unwrap_or_default();
        let kind = ebs.and_then(|e| e.volume_type.clone()).map(|t| format!(" {t}")).unwrap_or_default();
        let stays = device.delete == Some(false) && config.product.is_image();
        let keeps = if stays { ", stays after the build" } else { "" };
        let encrypted = match ebs.filter(|e| e.encrypted == Some(true)).map(|e| &e.kms_key_id) {
            Some(Some(key)) => format!(", encrypted with {key}"),
            Some(None) => ", encrypted".to_owned(),
            None => String::new(),
        };
        notes.push(format!("volume {}{size}{kind}{encrypted}{keeps}", device.mapping.device_name));
    }
    plan.temporary.push(item("instance", region, None, notes));
    if let Some(port) = port.filter(|_| sessions) {
        let note = format!("{DOCUMENT} to port {port} of the instance; one more after each reboot");
        plan.temporary.push(item("session", region, None, vec![note]));
    }
}

/// What it starts from.
fn source(config: &Config) -> String {
    match &config.run.source.id {
        Some(id) => format!("from {id}"),
        None => {
            let filters = config.run.source.filters.iter().map(|f| format!("{} = {}", f.name, f.values.join(" or ")));
            let newest = if config.run.source.most_recent { "the newest AMI" } else { "the one AMI" };
            format!("from {newest} with {}", filters.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The volume of a chroot.
fn root_volume(config: &Config, chroot: &Chroot) -> Vec<String> {
    let mut notes = vec!["attached to the instance that this program runs on".to_owned()];
    notes.push(if chroot.from_scratch { "empty".to_owned() } else { source(config) });
    notes.extend(chroot.volume_size.map(|size| format!("{size} GiB")));
    notes.extend(chroot.volume_type.iter().map(|kind| format!("type {kind}")));
    if chroot.encrypt == Some(true) || config.ami.encryption.is_on() {
        notes.push("encrypted".to_owned());
    }
    notes
}

/// Volumes and snapshots that are the product.
fn volumes(config: &Config, wanted: &[VolumeOf], region: &str, plan: &mut Plan) {
    for volume in wanted {
        let device = config.launch_mappings.iter().find(|d| d.mapping.device_name == volume.device);
        let size = device.and_then(|d| d.mapping.ebs.as_ref()).and_then(|ebs| ebs.volume_size);
        let mut notes: Vec<String> = size.map(|size| format!("{size} GiB")).into_iter().collect();
        let tags: Vec<&str> = volume.tags.keys().collect();
        if !tags.is_empty() {
            notes.push(format!("tags {}", tags.join(", ")));
        }
        let name = Some(volume.device.clone());
        if volume.kept {
            plan.lasting.push(item("volume", region, name.clone(), notes));
        }
        if let Some(snapshot) = &volume.snapshot {
            let tags: Vec<&str> = snapshot.tags.keys().collect();
            let mut notes = Vec::new();
            if !tags.is_empty() {
                notes.push(format!("tags {}", tags.join(", ")));
            }
            let shared: Vec<&str> =
                [&snapshot.grant.users, &snapshot.grant.groups].into_iter().flatten().map(String::as_str).collect();
            if !shared.is_empty() {
                notes.push(format!("shared with {}", shared.join(", ")));
            }
            plan.lasting.push(item("snapshot of the volume", region, name, notes));
        }
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
        if at != region {
            notes.push("a copy".to_owned());
        }
        let snapshot_tags: Vec<&str> = ami.snapshot_tags.keys().collect();
        if !snapshot_tags.is_empty() {
            notes.push(format!("snapshots with the tags {}", snapshot_tags.join(", ")));
        }
        notes.extend(ami.deprecate_at.iter().map(|at| format!("deprecated at {at}")));
        if ami.protection != Protection::Off {
            notes.push("protected from being deregistered".to_owned());
        }
        notes
    };
    let here = (!ami.skip_build_region).then_some(region);
    if ami.skip_build_region {
        let note = "copied to the other regions, then removed".to_owned();
        plan.temporary.push(item("interim AMI with its snapshots", region, None, vec![note]));
    }
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
