//! Launch templates and fleets, and DescribeInstanceTypes.

use crate::convert::{self, mapping, tagging};
use crate::ec2::lacking;
use crate::error;
use crate::retry::{Creating, no_retry, once};
use aws_sdk_ec2::Client as Sdk;
use aws_sdk_ec2::types as sdk;
use imgbuild_builders::amazon::ec2::{Ec2Error, Ec2Result, ErrorKind};
use imgbuild_builders::amazon::ids::{AmiId, InstanceId};
use imgbuild_builders::amazon::types::*;

pub async fn instance_types(client: &Sdk, names: &[String]) -> Ec2Result<Vec<InstanceType>> {
    let names: Vec<_> = names.iter().map(|name| sdk::InstanceType::from(name.as_str())).collect();
    let asked = client.describe_instance_types().set_instance_types((!names.is_empty()).then_some(names));
    let mut pages = asked.into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeInstanceTypes", e))?;
        all.extend(page.instance_types().iter().map(instance_type));
    }
    Ok(all)
}

fn instance_type(info: &sdk::InstanceTypeInfo) -> InstanceType {
    let architectures = info.processor_info().map(|p| p.supported_architectures()).unwrap_or_default();
    InstanceType {
        name: info.instance_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        architectures: architectures.iter().map(|a| a.as_str().to_owned()).collect(),
        ena: info.network_info().and_then(|n| n.ena_support()).map(|e| e.as_str().to_owned()).unwrap_or_default(),
        boot_modes: info.supported_boot_modes().iter().map(|m| m.as_str().to_owned()).collect(),
    }
}

pub async fn launch_templates(client: &Sdk, filters: Vec<Filter>) -> Ec2Result<Vec<LaunchTemplate>> {
    let mut all = Vec::new();
    let mut pages = client.describe_launch_templates().set_filters(convert::filters(filters)).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeLaunchTemplates", e))?;
        all.extend(page.launch_templates().iter().map(|t| LaunchTemplate {
            id: t.launch_template_id().unwrap_or_default().to_owned(),
            name: t.launch_template_name().unwrap_or_default().to_owned(),
            tags: convert::tags(t.tags()),
        }));
    }
    Ok(all)
}

pub async fn template_images(client: &Sdk) -> Ec2Result<Vec<(String, AmiId)>> {
    let mut all = Vec::new();
    let call = client.describe_launch_template_versions().versions("$Latest").versions("$Default");
    let mut pages = call.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeLaunchTemplateVersions", e))?;
        all.extend(page.launch_template_versions().iter().filter_map(|version| {
            let image = version.launch_template_data()?.image_id()?;
            Some((version.launch_template_id()?.to_owned(), AmiId::new(image)))
        }));
    }
    Ok(all)
}

pub async fn create_template(client: &Sdk, how: Creating, template: &NewLaunchTemplate) -> Ec2Result<String> {
    let call = client
        .create_launch_template()
        .client_token(&template.client_token)
        .launch_template_name(&template.name)
        .launch_template_data(data(&template.launch))
        .set_tag_specifications(tagging(sdk::ResourceType::LaunchTemplate, &template.tags).map(|t| vec![t]));
    let send = || call.clone().customize().config_override(no_retry()).send();
    let out = once(how, send, "CreateLaunchTemplate").await?;
    let id = out.launch_template().and_then(|t| t.launch_template_id()).map(str::to_owned);
    id.ok_or_else(|| lacking("CreateLaunchTemplate", "template id"))
}

pub async fn delete_template(client: &Sdk, id: &str) -> Ec2Result<()> {
    let call = client.delete_launch_template().launch_template_id(id).send();
    call.await.map(drop).map_err(|e| error::ec2("DeleteLaunchTemplate", e))
}

/// What a fleet launches. Type and subnet are chosen by the fleet; a market must not be named here, the fleet's request does.
fn data(launch: &Launch) -> sdk::RequestLaunchTemplateData {
    let groups: Vec<String> = launch.security_groups.iter().map(ToString::to_string).collect();
    let groups = (!groups.is_empty()).then_some(groups);
    let mappings: Vec<_> = launch.mappings.iter().map(template_mapping).collect();
    let tags = [
        (sdk::ResourceType::Instance, &launch.instance_tags),
        (sdk::ResourceType::NetworkInterface, &launch.instance_tags),
        (sdk::ResourceType::Volume, &launch.volume_tags),
    ];
    let spot = launch.spot.as_ref().map(|spot| (sdk::ResourceType::SpotInstancesRequest, &spot.tags));
    let tags = tags.into_iter().chain(spot).filter(|(_, tags)| !tags.is_empty()).map(|(kind, tags)| {
        sdk::LaunchTemplateTagSpecificationRequest::builder()
            .resource_type(kind)
            .set_tags(Some(convert::sdk_tags(tags)))
            .build()
    });
    let tags: Vec<_> = tags.collect();
    let mut out = sdk::RequestLaunchTemplateData::builder()
        .image_id(launch.image.as_str())
        .set_key_name(launch.key_name.clone())
        .set_user_data(launch.user_data.as_ref().map(|u| u.expose().clone()))
        .set_block_device_mappings((!mappings.is_empty()).then_some(mappings))
        .set_tag_specifications((!tags.is_empty()).then_some(tags));
    if launch.ebs_optimized {
        out = out.ebs_optimized(true);
    }
    if let Some(public) = launch.associate_public_ip {
        let interface = sdk::LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
            .device_index(0)
            .associate_public_ip_address(public)
            .delete_on_termination(true)
            .set_subnet_id(launch.subnet.as_ref().map(ToString::to_string))
            .set_groups(groups);
        out = out.network_interfaces(interface.build());
    } else {
        out = out.set_security_group_ids(groups);
    }
    if let Some(profile) = &launch.iam_instance_profile {
        out = out.iam_instance_profile(
            sdk::LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(profile).build(),
        );
    }
    if let Some(metadata) = &launch.metadata {
        let options = sdk::LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_endpoint(metadata.http_endpoint.as_str().into())
            .http_tokens(metadata.http_tokens.as_str().into())
            .http_put_response_hop_limit(metadata.hop_limit)
            .set_instance_metadata_tags(metadata.instance_tags.as_deref().map(Into::into));
        out = out.metadata_options(options.build());
    }
    let placement = &launch.placement;
    if placement.tenancy.is_some() || placement.host_id.is_some() || placement.host_resource_group_arn.is_some() {
        let placement = sdk::LaunchTemplatePlacementRequest::builder()
            .set_tenancy(placement.tenancy.as_deref().map(sdk::Tenancy::from))
            .set_host_id(placement.host_id.clone())
            .set_host_resource_group_arn(placement.host_resource_group_arn.clone());
        out = out.placement(placement.build());
    }
    if let Some(credits) = &launch.cpu_credits {
        out = out.credit_specification(sdk::CreditSpecificationRequest::builder().cpu_credits(credits).build());
    }
    for license in &launch.licenses {
        out = out.license_specifications(
            sdk::LaunchTemplateLicenseConfigurationRequest::builder().license_configuration_arn(license).build(),
        );
    }
    out.build()
}

fn template_mapping(device: &DeviceMapping) -> sdk::LaunchTemplateBlockDeviceMappingRequest {
    let plain = mapping(device);
    let mut out = sdk::LaunchTemplateBlockDeviceMappingRequest::builder().device_name(&device.device_name);
    if device.no_device {
        return out.no_device("").build();
    }
    if let Some(name) = &device.virtual_name {
        return out.virtual_name(name).build();
    }
    if let Some(ebs) = plain.ebs() {
        let ebs = sdk::LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_delete_on_termination(ebs.delete_on_termination())
            .set_encrypted(ebs.encrypted())
            .set_kms_key_id(ebs.kms_key_id().map(str::to_owned))
            .set_iops(ebs.iops())
            .set_throughput(ebs.throughput())
            .set_snapshot_id(ebs.snapshot_id().map(str::to_owned))
            .set_volume_type(ebs.volume_type().cloned())
            .set_volume_size(ebs.volume_size());
        out = out.ebs(ebs.build());
    }
    out.build()
}

pub async fn create(client: &Sdk, how: Creating, fleet: &Fleet) -> Ec2Result<InstanceId> {
    let specification = sdk::FleetLaunchTemplateSpecificationRequest::builder()
        .launch_template_id(&fleet.template)
        .version("1")
        .build();
    let ordered = fleet.allocation.as_deref() == Some("capacity-optimized-prioritized");
    let overrides = fleet.instance_types.iter().enumerate().map(|(n, name)| {
        let mut one = sdk::FleetLaunchTemplateOverridesRequest::builder()
            .instance_type(sdk::InstanceType::from(name.as_str()))
            .set_max_price(fleet.max_price.clone())
            .set_subnet_id(fleet.subnet.as_ref().map(ToString::to_string));
        if fleet.subnet.is_none() {
            one = one.set_availability_zone(fleet.availability_zone.clone());
        }
        if ordered {
            one = one.priority(n as f64);
        }
        one.build()
    });
    let config = sdk::FleetLaunchTemplateConfigRequest::builder()
        .launch_template_specification(specification)
        .set_overrides(Some(overrides.collect()));
    let target = sdk::TargetCapacitySpecificationRequest::builder()
        .total_target_capacity(1)
        .default_target_capacity_type(sdk::DefaultTargetCapacityType::Spot);
    let mut call = client
        .create_fleet()
        .client_token(&fleet.client_token)
        .r#type(sdk::FleetType::Instant)
        .launch_template_configs(config.build())
        .target_capacity_specification(target.build())
        .set_tag_specifications(tagging(sdk::ResourceType::Fleet, &fleet.tags).map(|t| vec![t]));
    if let Some(strategy) = &fleet.allocation {
        let strategy = sdk::SpotAllocationStrategy::from(strategy.as_str());
        call = call.spot_options(sdk::SpotOptionsRequest::builder().allocation_strategy(strategy).build());
    }
    let send = || call.clone().customize().config_override(no_retry()).send();
    let out = once(how, send, "CreateFleet").await?;
    if let Some(id) = out.instances().iter().flat_map(|i| i.instance_ids()).next() {
        return Ok(InstanceId::new(id));
    }
    // Nothing was launched: each way to do it has an error. One that waiting or another type can't mend says more.
    let all: Vec<Ec2Error> = out.errors().iter().map(fleet_error).collect();
    let worst = all.iter().find(|e| !e.is_no_capacity()).or_else(|| all.first()).cloned();
    Err(worst.unwrap_or_else(|| Ec2Error {
        operation: "CreateFleet",
        code: "InsufficientInstanceCapacity".into(),
        message: "the fleet launched nothing and gave no reason".into(),
        request_id: None,
        kind: ErrorKind::Certain,
    }))
}

fn fleet_error(error: &sdk::CreateFleetError) -> Ec2Error {
    let over = error.launch_template_and_overrides().and_then(|l| l.overrides());
    let kind = over.and_then(|o| o.instance_type()).map(|t| format!(" ({})", t.as_str())).unwrap_or_default();
    Ec2Error {
        operation: "CreateFleet",
        code: error.error_code().unwrap_or("Unknown").to_owned(),
        message: format!("{}{kind}", error.error_message().unwrap_or_default()),
        request_id: None,
        kind: ErrorKind::Certain,
    }
}
