//! SDK types to ours and back.

use aws_sdk_ec2::types as sdk;
use imgbuild_builders::amazon::types::*;

/// Filters of a Describe call; none is none, not an empty list.
pub fn filters(filters: Vec<Filter>) -> Option<Vec<sdk::Filter>> {
    let list = filters.into_iter().map(|f| sdk::Filter::builder().name(f.name).set_values(Some(f.values)).build());
    let list: Vec<_> = list.collect();
    (!list.is_empty()).then_some(list)
}

/// Tags of a Describe call.
pub fn tags(tags: &[sdk::Tag]) -> Tags {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()))).collect()
}

/// Tags for CreateTags.
pub fn sdk_tags(tags: &Tags) -> Vec<sdk::Tag> {
    tags.iter().map(|(k, v)| sdk::Tag::builder().key(k).value(v).build()).collect()
}

/// Tags for a create call; none if there are none.
pub fn tagging(kind: sdk::ResourceType, tags: &Tags) -> Option<sdk::TagSpecification> {
    let specification = sdk::TagSpecification::builder().resource_type(kind).set_tags(Some(sdk_tags(tags)));
    (!tags.is_empty()).then(|| specification.build())
}

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn some(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}

/// An image.
pub fn image(image: &sdk::Image) -> Image {
    let state = match image.state() {
        Some(sdk::ImageState::Available) => ImageState::Available,
        Some(sdk::ImageState::Pending | sdk::ImageState::Transient) => ImageState::Pending,
        Some(other) => ImageState::Bad(other.as_str().to_owned()),
        None => ImageState::Pending,
    };
    Image {
        id: text(image.image_id()).into(),
        name: text(image.name()),
        description: text(image.description()),
        state,
        state_reason: image.state_reason().and_then(|r| some(r.message())),
        creation_date: text(image.creation_date()),
        owner_id: text(image.owner_id()),
        owner_alias: some(image.image_owner_alias()),
        architecture: image.architecture().map(|a| a.as_str().to_owned()).unwrap_or_default(),
        root_device_type: image.root_device_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        root_device_name: text(image.root_device_name()),
        virtualization_type: image.virtualization_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        ena_support: image.ena_support().unwrap_or(false),
        kernel_id: some(image.kernel_id()),
        ramdisk_id: some(image.ramdisk_id()),
        // "disabled", or for a day after protection with a cooldown was taken off "disabled after …".
        protection: some(image.deregistration_protection()).filter(|how| how != "disabled"),
        mappings: image.block_device_mappings().iter().map(image_mapping).collect(),
        tags: tags(image.tags()),
    }
}

fn image_mapping(mapping: &sdk::BlockDeviceMapping) -> ImageMapping {
    let ebs = mapping.ebs();
    ImageMapping {
        device_name: text(mapping.device_name()),
        virtual_name: some(mapping.virtual_name()),
        volume_type: ebs.and_then(sdk::EbsBlockDevice::volume_type).map(|t| t.as_str().to_owned()),
        iops: ebs.and_then(sdk::EbsBlockDevice::iops),
        throughput: ebs.and_then(sdk::EbsBlockDevice::throughput),
        kms_key_id: ebs.and_then(|e| some(e.kms_key_id())),
        snapshot: ebs.and_then(|e| some(e.snapshot_id())).map(Into::into),
        volume_size: ebs.and_then(sdk::EbsBlockDevice::volume_size),
        encrypted: ebs.and_then(sdk::EbsBlockDevice::encrypted),
        delete_on_termination: ebs.and_then(sdk::EbsBlockDevice::delete_on_termination),
    }
}

/// An instance.
pub fn instance(instance: &sdk::Instance) -> Instance {
    let state = instance.state().and_then(|s| s.name()).map_or("", |name| name.as_str());
    let volumes = instance.block_device_mappings().iter().filter_map(|mapping| {
        let ebs = mapping.ebs()?;
        Some(AttachedVolume {
            device_name: text(mapping.device_name()),
            id: text(ebs.volume_id()).into(),
            delete_on_termination: ebs.delete_on_termination().unwrap_or(false),
        })
    });
    let ipv6 =
        instance.network_interfaces().iter().flat_map(|n| n.ipv6_addresses()).find_map(|a| some(a.ipv6_address()));
    Instance {
        id: text(instance.instance_id()).into(),
        state: InstanceState::from_name(state),
        state_reason: instance.state_reason().and_then(|r| some(r.message())),
        image: some(instance.image_id()).map(Into::into),
        instance_type: instance.instance_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        availability_zone: instance.placement().and_then(|p| some(p.availability_zone())),
        vpc: some(instance.vpc_id()).map(Into::into),
        subnet: some(instance.subnet_id()).map(Into::into),
        public_ip: some(instance.public_ip_address()),
        private_ip: some(instance.private_ip_address()),
        public_dns: some(instance.public_dns_name()),
        private_dns: some(instance.private_dns_name()),
        ipv6,
        volumes: volumes.collect(),
        tags: tags(instance.tags()),
    }
}

/// A snapshot.
pub fn snapshot(snapshot: &sdk::Snapshot) -> Snapshot {
    Snapshot {
        id: text(snapshot.snapshot_id()).into(),
        description: text(snapshot.description()),
        state: snapshot.state().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        state_reason: some(snapshot.state_message()),
        progress: snapshot.progress().and_then(|p| p.trim_end_matches('%').parse().ok()),
        tags: tags(snapshot.tags()),
    }
}

/// A volume.
pub fn volume(volume: &sdk::Volume) -> Volume {
    Volume {
        id: text(volume.volume_id()).into(),
        state: volume.state().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        attachment: volume.attachments().iter().find(|a| a.instance_id().is_some()).map(|a| Attachment {
            instance: text(a.instance_id()).into(),
            device: text(a.device()),
            state: a.state().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        }),
        tags: tags(volume.tags()),
    }
}

/// A VPC.
pub fn vpc(vpc: &sdk::Vpc) -> Vpc {
    Vpc { id: text(vpc.vpc_id()).into(), is_default: vpc.is_default().unwrap_or(false) }
}

/// A subnet.
pub fn subnet(subnet: &sdk::Subnet) -> Subnet {
    Subnet {
        id: text(subnet.subnet_id()).into(),
        vpc: text(subnet.vpc_id()).into(),
        availability_zone: text(subnet.availability_zone()),
        free_addresses: subnet.available_ip_address_count().unwrap_or(0),
    }
}

/// A security group.
pub fn security_group(group: &sdk::SecurityGroup) -> SecurityGroup {
    SecurityGroup { id: text(group.group_id()).into(), name: text(group.group_name()), tags: tags(group.tags()) }
}

/// A key pair.
pub fn key_pair(pair: &sdk::KeyPairInfo) -> KeyPair {
    KeyPair { name: text(pair.key_name()), tags: tags(pair.tags()) }
}

/// A device mapping for RunInstances or CreateImage.
pub fn mapping(mapping: &DeviceMapping) -> sdk::BlockDeviceMapping {
    let mut out = sdk::BlockDeviceMapping::builder().device_name(&mapping.device_name);
    if mapping.no_device {
        return out.no_device("").build();
    }
    if let Some(name) = &mapping.virtual_name {
        return out.virtual_name(name).build();
    }
    if let Some(ebs) = &mapping.ebs {
        let ebs = sdk::EbsBlockDevice::builder()
            .set_delete_on_termination(ebs.delete_on_termination)
            .set_encrypted(ebs.encrypted)
            .set_kms_key_id(ebs.kms_key_id.clone())
            .set_iops(ebs.iops)
            .set_throughput(ebs.throughput)
            .set_snapshot_id(ebs.snapshot.as_ref().map(ToString::to_string))
            .set_volume_type(ebs.volume_type.as_deref().map(sdk::VolumeType::from))
            .set_volume_size(ebs.volume_size);
        out = out.ebs(ebs.build());
    }
    out.build()
}

/// A rule as the API wants it.
pub fn permission(rule: &Ingress) -> sdk::IpPermission {
    let port = i32::from(rule.port);
    let mut permission = sdk::IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
    for cidr in &rule.cidrs {
        permission = if cidr.contains(':') {
            permission.ipv6_ranges(sdk::Ipv6Range::builder().cidr_ipv6(cidr).build())
        } else {
            permission.ip_ranges(sdk::IpRange::builder().cidr_ip(cidr).build())
        };
    }
    permission.build()
}
