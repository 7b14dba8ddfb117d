//! From an instance's records to what a machine needs: layers, volumes, metadata.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::due::At;
use super::{Failure, with_disks};
use crate::core::Core;
use crate::machine::{Launch, Metadata, RootDisk, VolumeAttachment};
use crate::state::{ACCOUNT, Content, Instance, Layer, Region, Volume};

/// Prepares everything and says how to start the machine.
pub async fn launch(core: &Arc<Core>, at: &At) -> Result<Launch, Failure> {
    let address = core.machines.reserve_address(&at.id).await?;
    let place = at.clone();
    core.change(move |state| {
        if let Some(i) = state.regions.get_mut(&place.region).and_then(|r| r.instances.get_mut(&place.id)) {
            i.interface.address = Some(address);
        }
    })
    .await?;
    let state = core.store.read()?;
    let gone = || Failure(format!("{} is gone", at.id));
    let region = state.regions.get(&at.region).ok_or_else(gone)?;
    let instance = region.instances.get(&at.id).ok_or_else(gone)?;
    let root = region.root_volume(instance).ok_or_else(|| Failure(format!("{} has no root volume", at.id)))?.clone();
    let volumes: Vec<Volume> = region.volumes_of(&at.id).cloned().collect();
    with_disks(core, {
        let volumes = volumes.clone();
        move |disks| volumes.iter().try_for_each(|v| disks.make(v))
    })
    .await?;
    for volume in &volumes {
        pack(core, at, volume).await?;
    }
    let lower = layers(core, at, &root).await?;
    let data = volumes.iter().filter(|v| !v.is_tree()).filter_map(|v| attachment(core, v)).collect();
    Ok(Launch {
        instance_id: at.id.clone(),
        region: at.region.clone(),
        availability_zone: instance.placement.availability_zone.clone(),
        instance_type: instance.instance_type.clone(),
        image_id: instance.image_id.clone(),
        hostname: instance.short_host_name().unwrap_or_else(|| at.id.clone()),
        address,
        root: RootDisk { lower, upper: core.disks.upper(&root.id), work: core.disks.work(&root.id) },
        volumes: data,
        metadata: metadata(region, instance),
    })
}

/// How a volume appears in its machine.
pub fn attachment(core: &Core, v: &Volume) -> Option<VolumeAttachment> {
    let a = v.attachment.as_ref()?;
    Some(VolumeAttachment {
        volume_id: v.id.clone(),
        device: a.device.clone(),
        guest_device: a.guest_device.clone(),
        file: core.disks.data(&v.id),
    })
}

/// Makes the file of a root volume that is attached as a disk; of others nothing is to be made.
pub async fn pack(core: &Arc<Core>, at: &At, volume: &Volume) -> Result<(), Failure> {
    if !matches!(volume.content, Content::Packed(_)) || core.disks.data(&volume.id).exists() {
        return Ok(());
    }
    let below = layers(core, at, volume).await?;
    let volume = volume.clone();
    with_disks(core, move |disks| disks.pack(&volume, &below)).await
}

async fn layers(core: &Arc<Core>, at: &At, root: &Volume) -> Result<Vec<PathBuf>, Failure> {
    let (layers, packed) = match &root.content {
        Content::Tree(layers) => (layers, false),
        Content::Packed(layers) => (layers, true),
        Content::Block(_) => return Err(Failure(format!("{} is not a root volume", root.id))),
    };
    let mut paths = Vec::new();
    let mut settled = layers.clone();
    for layer in &mut settled {
        let path = match &*layer {
            Layer::Frozen(name) => core.disks.layer(name),
            Layer::Unpacked(blob) => {
                let name = blob.clone();
                with_disks(core, move |disks| disks.unpack(&name)).await?;
                core.disks.layer(blob)
            }
            Layer::Base(name) => {
                let tree = core.catalogue.prepare(name).await?;
                *layer = Layer::Settled { name: name.clone(), tree: tree.clone() };
                tree
            }
            Layer::Settled { tree, .. } if tree.exists() => tree.clone(),
            // Removed with a cache: the same tree can be made again, unless the catalogue is another one.
            Layer::Settled { name, tree } => match core.catalogue.prepare(name).await? {
                new if new == *tree => new,
                _ => return Err(Failure(format!("the base image's tree {} was removed", tree.display()))),
            },
        };
        paths.push(path);
    }
    if paths.is_empty() {
        return Err(Failure(format!("{} has no layers", root.id)));
    }
    if settled != *layers {
        let (region, id) = (at.region.clone(), root.id.clone());
        core.change(move |state| {
            if let Some(v) = state.regions.get_mut(&region).and_then(|r| r.volumes.get_mut(&id)) {
                v.content = if packed { Content::Packed(settled) } else { Content::Tree(settled) };
            }
        })
        .await?;
    }
    Ok(paths)
}

/// What the metadata service gives out (EC2 user guide, "Instance metadata categories").
pub fn metadata(region: &Region, i: &Instance) -> Metadata {
    let mut leaves: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| leaves.push((format!("meta-data/{name}"), value));
    let address = i.interface.address.map(|a| a.to_string()).unwrap_or_default();
    let host = i.private_dns(&region.name).unwrap_or_default();
    let zone = &i.placement.availability_zone;
    let groups: Vec<String> =
        i.interface.groups.iter().filter_map(|id| region.security_groups.get(id).map(|g| g.name.clone())).collect();
    for (name, value) in [
        ("ami-id", i.image_id.clone()),
        ("ami-launch-index", i.launch_index.to_string()),
        ("ami-manifest-path", "(unknown)".into()),
        ("hostname", host.clone()),
        ("instance-action", "none".into()),
        ("instance-id", i.id.clone()),
        ("instance-life-cycle", "on-demand".into()),
        ("instance-type", i.instance_type.clone()),
        ("local-hostname", host.clone()),
        ("local-ipv4", address.clone()),
        ("mac", i.interface.mac.clone()),
        ("placement/availability-zone", zone.clone()),
        ("placement/region", region.name.clone()),
        ("profile", "default-hvm".into()),
        ("reservation-id", i.reservation_id.clone()),
        ("security-groups", groups.join("\n")),
        ("services/domain", "amazonaws.com".into()),
        ("services/partition", "aws".into()),
    ] {
        add(name, value);
    }
    devices(region, i, &mut add);
    let interface = format!("network/interfaces/macs/{}", i.interface.mac);
    let subnet = region.subnets.get(&i.interface.subnet_id).map(|s| s.cidr.clone()).unwrap_or_default();
    let vpc = region.vpcs.get(&i.interface.vpc_id).map(|v| v.cidr.clone()).unwrap_or_default();
    for (name, value) in [
        ("device-number", "0".into()),
        ("interface-id", i.interface.id.clone()),
        ("local-hostname", host),
        ("local-ipv4s", address.clone()),
        ("mac", i.interface.mac.clone()),
        ("owner-id", ACCOUNT.into()),
        ("security-group-ids", i.interface.groups.join("\n")),
        ("security-groups", groups.join("\n")),
        ("subnet-id", i.interface.subnet_id.clone()),
        ("subnet-ipv4-cidr-block", subnet),
        ("vpc-id", i.interface.vpc_id.clone()),
        ("vpc-ipv4-cidr-block", vpc.clone()),
        ("vpc-ipv4-cidr-blocks", vpc),
    ] {
        add(&format!("{interface}/{name}"), value);
    }
    if i.interface.public_ip && !address.is_empty() {
        add("public-ipv4", address.clone());
        add("public-hostname", address.clone());
        add(&format!("{interface}/public-ipv4s"), address.clone());
        add(&format!("{interface}/public-hostname"), address);
    }
    if let Some((_, line)) = &i.key {
        add("public-keys/0/openssh-key", line.clone());
    }
    if i.metadata.tags {
        for (key, value) in region.tags.get(&i.id).into_iter().flatten() {
            // Keys that are no path component are left out, as EC2 refuses them for such instances.
            if !key.contains('/') && !key.contains(' ') && key != "." && key != ".." && key != "_index" {
                add(&format!("tags/instance/{key}"), value.clone());
            }
        }
    }
    if let Some(arn) = &i.iam_profile {
        leaves.extend(credentials(i, arn));
    }
    leaves.push(("dynamic/instance-identity/document".into(), identity(region, i)));
    Metadata {
        leaves,
        public_key: i.key.clone(),
        user_data: i.user_data.as_ref().and_then(|text| STANDARD.decode(text).ok()),
        enabled: i.metadata.enabled,
        tokens_required: i.metadata.tokens_required,
        hop_limit: i.metadata.hop_limit,
    }
}

/// `block-device-mapping/`: `ami` and `root` say what EC2 says, then `ebs1`, `ebs2`, ….
fn devices(region: &Region, i: &Instance, add: &mut impl FnMut(&str, String)) {
    let short = |device: &str| device.strip_prefix("/dev/").unwrap_or(device).to_owned();
    add(
        "block-device-mapping/ami",
        short(&i.root_device_name).trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
    );
    add("block-device-mapping/root", i.root_device_name.clone());
    let data =
        region.volumes_of(&i.id).filter_map(|v| v.attachment.as_ref()).filter(|a| a.device != i.root_device_name);
    for (n, a) in data.enumerate() {
        add(&format!("block-device-mapping/ebs{}", n + 1), short(&a.device));
    }
}

/// Credentials of the instance's role, which the sandbox's endpoint takes from this machine. They do not end: nothing is behind
/// them that could.
fn credentials(i: &Instance, arn: &str) -> Vec<(String, String)> {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    let id: String = i.id.chars().filter(char::is_ascii_hexdigit).take(15).collect::<String>().to_ascii_uppercase();
    let document = serde_json::json!({
        "Code": "Success",
        "LastUpdated": i.launched.to_string().replace(".000Z", "Z"),
        "Type": "AWS-HMAC",
        "AccessKeyId": format!("ASIA{id:0<16}"),
        "SecretAccessKey": "sandbox",
        "Token": "sandbox",
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let info = serde_json::json!({
        "Code": "Success",
        "LastUpdated": i.launched.to_string().replace(".000Z", "Z"),
        "InstanceProfileArn": arn,
        "InstanceProfileId": "AIPASANDBOX",
    });
    vec![
        ("meta-data/iam/info".into(), serde_json::to_string_pretty(&info).unwrap_or_default()),
        (
            format!("meta-data/iam/security-credentials/{name}"),
            serde_json::to_string_pretty(&document).unwrap_or_default(),
        ),
    ]
}

fn identity(region: &Region, i: &Instance) -> String {
    let document = serde_json::json!({
        "accountId": ACCOUNT,
        "architecture": i.architecture,
        "availabilityZone": i.placement.availability_zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "imageId": i.image_id,
        "instanceId": i.id,
        "instanceType": i.instance_type,
        "kernelId": null,
        "marketplaceProductCodes": null,
        "pendingTime": i.launched.to_string().replace(".000Z", "Z"),
        "privateIp": i.interface.address.map(|a| a.to_string()),
        "ramdiskId": null,
        "region": region.name,
        "version": "2017-09-30",
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}
