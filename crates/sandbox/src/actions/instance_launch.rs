//! Turning a launch request into instances and volumes: the checks that EC2 makes before it answers, and the records.

use super::device_mapping::{overlay, same_device};
use super::instance_run::LaunchRequest;
use super::security_groups::by_name;
use crate::state::{
    ACCOUNT, Attachment, AttachmentState, Content, Image, ImageMapping, ImageState, Instance, InstanceState, Interface,
    Kind, Layer, MappedTo, MetadataOptions, Placement, Region, Subnet, Time, Volume, VolumeState, new_hex, new_id,
};
use crate::types::{Hypervisor, InstanceType, instance_type};
use crate::wire::{ApiError, Result};

/// Creates `count` instances in a new reservation and gives its id.
pub(super) fn launch(
    region: &mut Region,
    r: &LaunchRequest,
    count: u32,
    now: Time,
    token: Option<String>,
) -> Result<String> {
    let image_id = r.image_id.as_ref().ok_or_else(|| ApiError::missing("ImageId"))?;
    let image = region.image(image_id)?.clone();
    if !image.visible() {
        return Err(Kind::Image.not_found(image_id));
    }
    if image.state != ImageState::Available {
        return Err(ApiError::new("InvalidAMIID.Unavailable", format!("The image ID '{image_id}' is not available")));
    }
    if let Some(why) = &image.unavailable {
        return Err(ApiError::unsupported(why.clone()));
    }
    let name = r.instance_type.clone().unwrap_or_else(|| "m1.small".into());
    let kind = instance_type(&name)
        .ok_or_else(|| ApiError::new("InvalidParameterValue", format!("Invalid value '{name}' for InstanceType.")))?;
    fits(&image, kind, r)?;
    let key = match &r.key_name {
        None => None,
        Some(name) => {
            let pair = region.key_pairs.get(name).ok_or_else(|| Kind::KeyPair.not_found(name))?;
            Some((pair.name.clone(), pair.public_key.clone()))
        }
    };
    let subnet = subnet(region, r)?;
    let groups = groups(region, r, &subnet)?;
    let mappings = overlay(region, &image.mappings, &image.root_device_name, &r.devices)?;
    if count > 20 {
        return Err(ApiError::new(
            "InstanceLimitExceeded",
            format!("You have requested more instances ({count}) than your current instance limit of 20 allows"),
        ));
    }
    let reservation_id = format!("r-{}", new_hex(17));
    for launch_index in 0..count {
        let id = new_id(Kind::Instance);
        let instance = Instance {
            id: id.clone(),
            reservation_id: reservation_id.clone(),
            launch_index,
            client_token: token.clone(),
            image_id: image.id.clone(),
            architecture: image.architecture.clone(),
            root_device_name: image.root_device_name.clone(),
            ena_support: image.ena_support,
            sriov_net_support: image.sriov_net_support.clone(),
            boot_mode: image.boot_mode.clone(),
            platform_details: image.platform_details.clone(),
            instance_type: kind.name.clone(),
            state: InstanceState::Pending,
            transition_reason: String::new(),
            state_reason: None,
            launched: now.seconds(),
            terminated: None,
            key: key.clone(),
            user_data: r.user_data.clone(),
            shutdown_behavior: r.shutdown_behavior.clone().unwrap_or_else(|| "stop".into()),
            metadata: metadata(&image, r),
            placement: Placement {
                availability_zone: subnet.availability_zone.clone(),
                tenancy: r.tenancy.clone().unwrap_or_else(|| "default".into()),
                group_name: r.placement_group.clone().unwrap_or_default(),
            },
            interface: interface(r, &subnet, &groups),
            iam_profile: r.iam_profile.as_ref().map(|p| profile_arn(p)),
            ebs_optimized: r.ebs_optimized,
            monitoring: r.monitoring,
            source_dest_check: true,
            disable_termination: r.disable_termination,
            disable_stop: r.disable_stop,
            cpu_credits: r.cpu_credits.clone(),
            enclave: r.enclave,
            capacity_reservation: r.capacity_reservation.clone().unwrap_or_else(|| "open".into()),
            lifecycle: None,
            reboot: false,
            refresh_metadata: false,
        };
        r.tags.apply(region, Kind::Instance, &id);
        r.tags.apply(region, Kind::NetworkInterface, &instance.interface.id);
        volumes(region, r, &instance, kind, &mappings, now)?;
        region.instances.insert(id, instance);
    }
    if let Some(image) = region.images.get_mut(&image.id) {
        image.last_launched = Some(now);
    }
    Ok(reservation_id)
}

/// Whether the image can run on the type with these options.
fn fits(image: &Image, kind: &InstanceType, r: &LaunchRequest) -> Result<()> {
    if image.architecture != kind.architecture {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!(
                "The architecture '{}' of the specified instance type does not match the architecture '{}' of the specified \
                 AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
                kind.architecture, image.architecture
            ),
        ));
    }
    check_ena(kind, image.ena_support)?;
    if image.boot_mode.as_deref() == Some("uefi") && kind.hypervisor == Hypervisor::Xen {
        return Err(ApiError::combination(format!(
            "The boot mode 'uefi' of the AMI is not supported by the instance type {}.",
            kind.name
        )));
    }
    if r.cpu_credits.is_some() && !kind.burstable {
        return Err(ApiError::combination(format!(
            "The parameter CreditSpecification is not supported for the instance type {}.",
            kind.name
        )));
    }
    if r.enclave && (kind.hypervisor == Hypervisor::Xen || kind.burstable) {
        return Err(ApiError::combination(format!("Enclaves are not supported for the instance type {}.", kind.name)));
    }
    if r.ebs_optimized && kind.hypervisor == Hypervisor::Xen && matches!(kind.name.split('.').next(), Some("t1" | "t2"))
    {
        return Err(ApiError::combination(format!(
            "EBS-optimized instances are not supported for the instance type {}.",
            kind.name
        )));
    }
    Ok(())
}

fn metadata(image: &Image, r: &LaunchRequest) -> MetadataOptions {
    // An image that says v2.0 brings tokens and a hop limit of 2 (user guide, "Configure the AMI").
    let v2 = image.imds_support.is_some();
    MetadataOptions {
        enabled: r.metadata.endpoint.as_deref() != Some("disabled"),
        tokens_required: r.metadata.tokens.as_deref().map_or(v2, |t| t == "required"),
        hop_limit: r.metadata.hop_limit.unwrap_or(if v2 { 2 } else { 1 }),
        tags: r.metadata.tags.as_deref() == Some("enabled"),
    }
}

fn subnet(region: &Region, r: &LaunchRequest) -> Result<Subnet> {
    let wanted = r.interface.as_ref().and_then(|i| i.subnet_id.as_ref()).or(r.subnet_id.as_ref());
    let zone = r.availability_zone.as_deref();
    if let Some(id) = wanted {
        let subnet = region.subnet(id)?;
        if zone.is_some_and(|z| z != subnet.availability_zone) {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "The subnet '{id}' is in {}, not in the availability zone that the placement names",
                    subnet.availability_zone
                ),
            ));
        }
        return Ok(subnet.clone());
    }
    let mut defaults = region.subnets.values().filter(|s| s.default_for_az);
    match zone {
        Some(zone) => defaults
            .find(|s| s.availability_zone == zone)
            .cloned()
            .ok_or_else(|| ApiError::new("InvalidParameterValue", format!("Invalid availability zone: [{zone}]"))),
        None => defaults.min_by_key(|s| s.availability_zone.clone()).cloned().ok_or_else(|| {
            ApiError::new(
                "VPCIdNotSpecified",
                "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
            )
        }),
    }
}

fn groups(region: &Region, r: &LaunchRequest, subnet: &Subnet) -> Result<Vec<String>> {
    let ids = r.interface.as_ref().map_or(&r.group_ids, |i| &i.group_ids);
    let mut groups = Vec::new();
    for id in ids {
        let group = region.security_group(id)?;
        if group.vpc_id != subnet.vpc_id {
            return Err(ApiError::combination(format!(
                "Security group {id} and subnet {} belong to different networks.",
                subnet.id
            )));
        }
        groups.push(group.id.clone());
    }
    for name in &r.group_names {
        groups.push(by_name(region, name)?);
    }
    if groups.is_empty() {
        let default = region.security_groups.values().find(|g| g.vpc_id == subnet.vpc_id && g.name == "default");
        groups.extend(default.map(|g| g.id.clone()));
    }
    groups.dedup();
    if groups.len() > 5 {
        return Err(ApiError::new(
            "SecurityGroupsPerInterfaceLimitExceeded",
            "The maximum number of security groups per interface is 5",
        ));
    }
    Ok(groups)
}

fn interface(r: &LaunchRequest, subnet: &Subnet, groups: &[String]) -> Interface {
    let hex = new_hex(10);
    let mac: Vec<&str> = (0..5).map(|i| &hex[i * 2..i * 2 + 2]).collect();
    let asked = r.interface.as_ref();
    Interface {
        id: new_id(Kind::NetworkInterface),
        attachment_id: format!("eni-attach-{}", new_hex(17)),
        description: asked.map(|i| i.description.clone()).unwrap_or_default(),
        mac: format!("02:{}", mac.join(":")),
        subnet_id: subnet.id.clone(),
        vpc_id: subnet.vpc_id.clone(),
        groups: groups.to_vec(),
        public_ip: asked.and_then(|i| i.public_ip).unwrap_or(subnet.map_public_ip),
        address: None,
        delete_on_termination: asked.is_none_or(|i| i.delete_on_termination),
    }
}

fn profile_arn(name: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { format!("arn:aws:iam::{ACCOUNT}:instance-profile/{name}") }
}

fn volumes(
    region: &mut Region,
    r: &LaunchRequest,
    i: &Instance,
    kind: &InstanceType,
    mappings: &[ImageMapping],
    now: Time,
) -> Result<()> {
    let mut taken = Vec::new();
    for mapping in mappings {
        let MappedTo::Ebs { snapshot_id, spec, delete_on_termination } = &mapping.to else { continue };
        let is_root = same_device(&mapping.device, &i.root_device_name);
        let content = match snapshot_id {
            None => Content::Block(None),
            Some(id) => region
                .snapshot(id)?
                .content
                .clone()
                .ok_or_else(|| ApiError::new("IncorrectState", format!("The snapshot {id} is not completed")))?,
        };
        let content = match (is_root, content) {
            (true, Content::Block(Some(blob))) => Content::Tree(vec![Layer::Unpacked(blob)]),
            (true, Content::Packed(layers)) => Content::Tree(layers),
            (true, Content::Block(None)) => {
                return Err(ApiError::new("InvalidBlockDeviceMapping", "The root device must have a snapshot id"));
            }
            (false, Content::Tree(layers)) => Content::Packed(layers),
            (_, content) => content,
        };
        let guest_device = guest_device(kind.hypervisor, &mapping.device, is_root, &taken);
        taken.push(guest_device.clone());
        let id = new_id(Kind::Volume);
        let volume = Volume {
            id: id.clone(),
            spec: spec.clone(),
            snapshot_id: snapshot_id.clone(),
            availability_zone: i.placement.availability_zone.clone(),
            created: now,
            state: VolumeState::InUse,
            attachment: Some(Attachment {
                instance_id: i.id.clone(),
                device: mapping.device.clone(),
                guest_device,
                state: AttachmentState::Attaching,
                time: now.seconds(),
                delete_on_termination: *delete_on_termination,
            }),
            content,
            modification: None,
        };
        region.volumes.insert(id.clone(), volume);
        r.tags.apply(region, Kind::Volume, &id);
    }
    Ok(())
}

/// Names an instance's volumes anew after its type has changed: the hypervisor decides their names.
pub(super) fn rename_devices(region: &mut Region, id: &str) -> Result<()> {
    let instance = region.instance(id)?.clone();
    let Some(kind) = instance_type(&instance.instance_type) else { return Ok(()) };
    let volumes: Vec<String> = region.volumes_of(id).map(|v| v.id.clone()).collect();
    let mut taken = Vec::new();
    for volume in volumes {
        if let Some(a) = region.volume_mut(&volume)?.attachment.as_mut() {
            let is_root = same_device(&a.device, &instance.root_device_name);
            a.guest_device = guest_device(kind.hypervisor, &a.device, is_root, &taken);
            taken.push(a.guest_device.clone());
        }
    }
    Ok(())
}

/// Refuses a type that needs enhanced networking for an instance that lacks it.
pub(super) fn check_ena(kind: &InstanceType, ena_support: bool) -> Result<()> {
    if kind.hypervisor == Hypervisor::Nitro && !ena_support {
        return Err(ApiError::combination(format!(
            "Enhanced networking with the Elastic Network Adapter (ENA) is required for the '{}' instance type. Ensure that \
             you are using an AMI that is enabled for ENA.",
            kind.name
        )));
    }
    Ok(())
}

/// The name of a volume inside the machine: `/dev/xvdb` on Xen, the next free `/dev/nvmeNn1` on Nitro.
pub(super) fn guest_device(hypervisor: Hypervisor, device: &str, is_root: bool, taken: &[String]) -> String {
    match hypervisor {
        Hypervisor::Xen => {
            let name = device.strip_prefix("/dev/").unwrap_or(device);
            format!("/dev/{}", name.strip_prefix("sd").map_or_else(|| name.to_owned(), |rest| format!("xvd{rest}")))
        }
        Hypervisor::Nitro if is_root => "/dev/nvme0n1".into(),
        Hypervisor::Nitro => (1..)
            .map(|n| format!("/dev/nvme{n}n1"))
            .find(|name| !taken.contains(name))
            .unwrap_or_else(|| "/dev/nvme1n1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_called_otherwise_inside() {
        let taken = ["/dev/nvme0n1".to_owned(), "/dev/nvme1n1".to_owned()];
        for (hypervisor, device, root, expected) in [
            (Hypervisor::Xen, "/dev/sda1", true, "/dev/xvda1"),
            (Hypervisor::Xen, "/dev/sdb", false, "/dev/xvdb"),
            (Hypervisor::Xen, "/dev/xvdc", false, "/dev/xvdc"),
            (Hypervisor::Xen, "sdf", false, "/dev/xvdf"),
            (Hypervisor::Nitro, "/dev/sda1", true, "/dev/nvme0n1"),
            (Hypervisor::Nitro, "/dev/sdb", false, "/dev/nvme2n1"),
        ] {
            assert_eq!(guest_device(hypervisor, device, root, &taken), expected, "{device}");
        }
    }
}
