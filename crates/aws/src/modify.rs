//! Registering images, and changes of images, snapshots and instances that are there.

use crate::convert::{mapping, tagging};
use crate::ec2::lacking;
use crate::error;
use crate::retry::{Creating, no_retry, once};
use aws_sdk_ec2::Client as Sdk;
use aws_sdk_ec2::types as sdk;
use imgbuild_builders::amazon::ec2::{Ec2Error, Ec2Result, ErrorKind};
use imgbuild_builders::amazon::ids::{AmiId, InstanceId, SnapshotId};
use imgbuild_builders::amazon::types::*;

fn value(text: &str) -> sdk::AttributeValue {
    sdk::AttributeValue::builder().value(text).build()
}

pub async fn image(client: &Sdk, image: &AmiId, change: &ImageChange) -> Ec2Result<()> {
    let call = client.modify_image_attribute().image_id(image.as_str());
    let call = match change {
        ImageChange::Description(text) => call.description(value(text)),
        ImageChange::ImdsV2 => call.imds_support(value("v2.0")),
        ImageChange::ProductCodes(codes) => call
            .attribute("productCodes")
            .operation_type(sdk::OperationType::Add)
            .set_product_codes(Some(codes.clone())),
        ImageChange::Launch(grant) => {
            let permission = sdk::LaunchPermission::builder;
            let mut add: Vec<sdk::LaunchPermission> = Vec::new();
            add.extend(grant.users.iter().map(|u| permission().user_id(u).build()));
            add.extend(grant.groups.iter().map(|g| permission().group(sdk::PermissionGroup::from(g.as_str())).build()));
            add.extend(grant.organization_arns.iter().map(|a| permission().organization_arn(a).build()));
            add.extend(grant.ou_arns.iter().map(|a| permission().organizational_unit_arn(a).build()));
            call.launch_permission(sdk::LaunchPermissionModifications::builder().set_add(Some(add)).build())
        }
    };
    call.send().await.map(drop).map_err(|e| error::ec2("ModifyImageAttribute", e))
}

pub async fn share_snapshot(client: &Sdk, snapshot: &SnapshotId, grant: &Grant) -> Ec2Result<()> {
    let permission = sdk::CreateVolumePermission::builder;
    let mut add: Vec<sdk::CreateVolumePermission> = Vec::new();
    add.extend(grant.users.iter().map(|u| permission().user_id(u).build()));
    add.extend(grant.groups.iter().map(|g| permission().group(sdk::PermissionGroup::from(g.as_str())).build()));
    let change = sdk::CreateVolumePermissionModifications::builder().set_add(Some(add)).build();
    let call = client.modify_snapshot_attribute().snapshot_id(snapshot.as_str());
    let call = call.attribute(sdk::SnapshotAttributeName::CreateVolumePermission).create_volume_permission(change);
    call.send().await.map(drop).map_err(|e| error::ec2("ModifySnapshotAttribute", e))
}

pub async fn instance(client: &Sdk, instance: &InstanceId, change: InstanceChange) -> Ec2Result<()> {
    let call = client.modify_instance_attribute().instance_id(instance.as_str());
    let call = match change {
        InstanceChange::Ena(on) => call.ena_support(sdk::AttributeBooleanValue::builder().value(on).build()),
        InstanceChange::Sriov => call.sriov_net_support(value("simple")),
    };
    call.send().await.map(drop).map_err(|e| error::ec2("ModifyInstanceAttribute", e))
}

pub async fn deprecate(client: &Sdk, image: &AmiId, at: &str) -> Ec2Result<()> {
    let when = aws_smithy_types::DateTime::from_str(at, aws_smithy_types::date_time::Format::DateTimeWithOffset);
    let when = when.map_err(|e| Ec2Error {
        operation: "EnableImageDeprecation",
        code: "DeprecateAt".into(),
        message: format!("{at:?} is no RFC 3339 time: {e}"),
        request_id: None,
        kind: ErrorKind::Certain,
    })?;
    let call = client.enable_image_deprecation().image_id(image.as_str()).deprecate_at(when);
    call.send().await.map(drop).map_err(|e| error::ec2("EnableImageDeprecation", e))
}

pub async fn protect(client: &Sdk, image: &AmiId, with_cooldown: bool) -> Ec2Result<()> {
    let call = client.enable_image_deregistration_protection().image_id(image.as_str()).with_cooldown(with_cooldown);
    call.send().await.map(drop).map_err(|e| error::ec2("EnableImageDeregistrationProtection", e))
}

pub async fn register(client: &Sdk, how: Creating, wanted: &Registration) -> Ec2Result<AmiId> {
    let mut call = client
        .register_image()
        .name(&wanted.name)
        .set_description((!wanted.description.is_empty()).then(|| wanted.description.clone()))
        .architecture(sdk::ArchitectureValues::from(wanted.architecture.as_str()))
        .virtualization_type(&wanted.virtualization_type)
        .root_device_name(&wanted.root_device_name)
        .set_block_device_mappings(Some(wanted.mappings.iter().map(mapping).collect()))
        .set_boot_mode(wanted.boot_mode.as_deref().map(sdk::BootModeValues::from))
        .set_uefi_data(wanted.uefi_data.clone())
        .set_tpm_support(wanted.tpm.as_deref().map(sdk::TpmSupportValues::from))
        .set_kernel_id(wanted.kernel_id.clone())
        .set_ramdisk_id(wanted.ramdisk_id.clone())
        .set_tag_specifications(tagging(sdk::ResourceType::Image, &wanted.tags).map(|t| vec![t]));
    if wanted.ena {
        call = call.ena_support(true);
    }
    if wanted.sriov {
        call = call.sriov_net_support("simple");
    }
    if wanted.imds_v2 {
        call = call.imds_support(sdk::ImdsSupportValues::V20);
    }
    let out = once(how, || call.clone().customize().config_override(no_retry()).send(), "RegisterImage").await?;
    out.image_id().map(AmiId::new).ok_or_else(|| lacking("RegisterImage", "image id"))
}
