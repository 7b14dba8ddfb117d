//! What a region has before anyone used it: a default VPC with a subnet per zone and a default group, and the catalogue.

use std::collections::BTreeSet;

use super::{
    ACCOUNT, Content, Image, ImageMapping, ImageSource, ImageState, Kind, LaunchPermission, Layer, MappedTo,
    Protection, Region, Rule, RuleTarget, SecurityGroup, Snapshot, SnapshotState, State, Subnet, Time, VolumeSpec, Vpc,
    derived_id,
};
use crate::image::BaseImage;
use crate::types::zones;

impl State {
    /// Makes the region if it is not there and brings its catalogue images up to date.
    pub fn ensure_region(&mut self, name: &str, catalogue: &[BaseImage]) {
        let region = self.regions.entry(name.to_owned()).or_insert_with(|| fresh(name));
        let listed: BTreeSet<String> = catalogue.iter().map(|b| image_id(name, b)).collect();
        // An image that left the catalogue stays while something still refers to it by its layers; it just is not listed.
        let gone: Vec<String> = region
            .images
            .values()
            .filter(|i| matches!(i.source, ImageSource::Catalogue(_)) && !listed.contains(&i.id))
            .map(|i| i.id.clone())
            .collect();
        for id in gone {
            if let Some(image) = region.images.remove(&id) {
                for snapshot in image.snapshots() {
                    region.snapshots.remove(snapshot);
                }
            }
        }
        for base in catalogue {
            let id = image_id(name, base);
            let (mut image, snapshot) = image(name, id.clone(), base);
            // What the catalogue says may change from run to run (what the host lacks, for one).
            image.last_launched = region.images.get(&id).and_then(|i| i.last_launched);
            region.snapshots.insert(snapshot.id.clone(), snapshot);
            region.images.insert(id, image);
        }
    }
}

/// The id under which a catalogue image is listed in a region.
fn image_id(region: &str, base: &BaseImage) -> String {
    derived_id(Kind::Image, &[region, &base.owner_id, &base.name])
}

fn fresh(name: &str) -> Region {
    let vpc_id = derived_id(Kind::Vpc, &[name, "default"]);
    let group_id = derived_id(Kind::SecurityGroup, &[name, "default"]);
    let mut region = Region { name: name.to_owned(), ..Region::default() };
    region.vpcs.insert(vpc_id.clone(), Vpc { id: vpc_id.clone(), cidr: "172.31.0.0/16".into(), default: true });
    for (n, zone) in zones(name).into_iter().enumerate() {
        let id = derived_id(Kind::Subnet, &[&zone, "default"]);
        let cidr = format!("172.31.{}.0/20", n * 16);
        let subnet = Subnet {
            id: id.clone(),
            vpc_id: vpc_id.clone(),
            cidr,
            availability_zone: zone,
            default_for_az: true,
            map_public_ip: true,
        };
        region.subnets.insert(id, subnet);
    }
    let rule = |egress, target| Rule {
        id: format!(
            "sgr-{}",
            &derived_id(Kind::SecurityGroup, &[name, "rule", if egress { "out" } else { "in" }])[3..]
        ),
        egress,
        protocol: "-1".into(),
        from_port: None,
        to_port: None,
        target,
        description: None,
    };
    let group = SecurityGroup {
        id: group_id.clone(),
        name: "default".into(),
        description: "default VPC security group".into(),
        vpc_id,
        rules: vec![
            rule(false, RuleTarget::Group(ACCOUNT.into(), group_id.clone())),
            rule(true, RuleTarget::Ipv4("0.0.0.0/0".into())),
        ],
    };
    region.security_groups.insert(group_id, group);
    region
}

fn image(region: &str, id: String, base: &BaseImage) -> (Image, Snapshot) {
    let snapshot_id = derived_id(Kind::Snapshot, &[region, &base.owner_id, &base.name]);
    let created = Time::parse(&base.creation_date).unwrap_or(Time(0));
    let mut mappings = vec![ImageMapping {
        device: base.root_device_name.clone(),
        to: MappedTo::Ebs {
            snapshot_id: Some(snapshot_id.clone()),
            spec: VolumeSpec {
                size: base.root_volume_size,
                volume_type: base.root_volume_type.clone(),
                iops: (base.root_volume_type == "gp3").then_some(3000),
                throughput: (base.root_volume_type == "gp3").then_some(125),
                encrypted: false,
                kms_key_id: None,
            },
            delete_on_termination: true,
        },
    }];
    mappings.extend(
        base.ephemeral
            .iter()
            .map(|(device, name)| ImageMapping { device: device.clone(), to: MappedTo::Ephemeral(name.clone()) }),
    );
    let image = Image {
        id,
        name: base.name.clone(),
        description: base.description.clone(),
        owner_id: base.owner_id.clone(),
        owner_alias: base.owner_alias.clone(),
        architecture: base.architecture.clone(),
        created,
        state: ImageState::Available,
        state_message: None,
        source: ImageSource::Catalogue(base.name.clone()),
        root_device_name: base.root_device_name.clone(),
        mappings,
        ena_support: base.ena_support,
        sriov_net_support: Some("simple".into()),
        boot_mode: base.boot_mode.clone(),
        imds_support: base.imds_v2.then(|| "v2.0".into()),
        tpm_support: None,
        platform_details: base.platform_details.clone(),
        permissions: vec![LaunchPermission::Everyone],
        product_codes: Vec::new(),
        deprecation: None,
        protection: Protection::Off,
        last_launched: None,
        unavailable: base.unavailable.clone(),
    };
    let snapshot = Snapshot {
        id: snapshot_id,
        volume_id: "vol-ffffffff".into(),
        owner_id: base.owner_id.clone(),
        description: String::new(),
        size: base.root_volume_size,
        state: SnapshotState::Completed,
        state_message: None,
        started: created,
        completed: Some(created),
        encrypted: false,
        kms_key_id: None,
        content: Some(Content::Tree(vec![Layer::Base(base.name.clone())])),
        copy_of: None,
        for_image: None,
        users: BTreeSet::new(),
        // As those of public images of Debian and Canonical are.
        public: true,
        deleted: false,
    };
    (image, snapshot)
}
