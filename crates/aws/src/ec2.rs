//! `trait Ec2` over the SDK's client: creating and deleting here, describing and modifying in their own files.

use crate::convert::{mapping, sdk_tags, tagging};
use crate::retry::{Creating, no_retry, once};
use crate::{convert, describe, error, fleet, modify};
use async_trait::async_trait;
use aws_sdk_ec2::Client as Sdk;
use aws_sdk_ec2::types as sdk;
use imgbuild_builders::amazon::ec2::{Ec2, Ec2Error, Ec2Result, ErrorKind};
use imgbuild_builders::amazon::ids::{AmiId, InstanceId, Region, SecurityGroupId, SnapshotId, VolumeId, VpcId};
use imgbuild_builders::amazon::types::*;

/// EC2 in one region.
pub struct Client {
    region: Region,
    sdk: Sdk,
    creating: Creating,
}

impl Client {
    /// Over an SDK client of that region.
    pub fn new(region: Region, sdk: Sdk, creating: Creating) -> Self {
        Client { region, sdk, creating }
    }
}

/// An answer without what it must hold. The call may well have had its effect.
pub fn lacking(operation: &'static str, what: &str) -> Ec2Error {
    let message = format!("the answer holds no {what}");
    Ec2Error { operation, code: "Response".into(), message, request_id: None, kind: ErrorKind::Uncertain }
}

#[async_trait]
impl Ec2 for Client {
    fn region(&self) -> &Region {
        &self.region
    }
    async fn regions(&self) -> Ec2Result<Vec<Region>> {
        describe::regions(&self.sdk).await
    }
    async fn images(&self, query: ImageQuery) -> Ec2Result<Vec<Image>> {
        describe::images(&self.sdk, query).await
    }
    async fn instances(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Instance>> {
        describe::instances(&self.sdk, filters).await
    }
    async fn snapshots(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Snapshot>> {
        describe::snapshots(&self.sdk, filters).await
    }
    async fn volumes(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Volume>> {
        describe::volumes(&self.sdk, filters).await
    }
    async fn vpcs(&self, ids: Vec<VpcId>, filters: Vec<Filter>) -> Ec2Result<Vec<Vpc>> {
        describe::vpcs(&self.sdk, ids, filters).await
    }
    async fn subnets(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Subnet>> {
        describe::subnets(&self.sdk, filters).await
    }
    async fn security_groups(&self, filters: Vec<Filter>) -> Ec2Result<Vec<SecurityGroup>> {
        describe::security_groups(&self.sdk, filters).await
    }
    async fn key_pairs(&self, filters: Vec<Filter>) -> Ec2Result<Vec<KeyPair>> {
        describe::key_pairs(&self.sdk, filters).await
    }
    async fn zones_offering(&self, instance_type: &str) -> Ec2Result<Vec<String>> {
        describe::zones_offering(&self.sdk, instance_type).await
    }
    async fn instance_types(&self, names: &[String]) -> Ec2Result<Vec<InstanceType>> {
        fleet::instance_types(&self.sdk, names).await
    }
    async fn launch_templates(&self, filters: Vec<Filter>) -> Ec2Result<Vec<LaunchTemplate>> {
        fleet::launch_templates(&self.sdk, filters).await
    }
    async fn launch_template_images(&self) -> Ec2Result<Vec<(String, AmiId)>> {
        fleet::template_images(&self.sdk).await
    }
    async fn console_output(&self, instance: &InstanceId) -> Ec2Result<Option<String>> {
        describe::console_output(&self.sdk, instance).await
    }

    async fn import_key_pair(&self, name: &str, public_key: &str, tags: &Tags) -> Ec2Result<()> {
        let call = self
            .sdk
            .import_key_pair()
            .key_name(name)
            .public_key_material(aws_smithy_types::Blob::new(public_key))
            .set_tag_specifications(tagging(sdk::ResourceType::KeyPair, tags).map(|t| vec![t]));
        once(self.creating, || call.clone().customize().config_override(no_retry()).send(), "ImportKeyPair")
            .await
            .map(drop)
    }

    async fn delete_key_pair(&self, name: &str) -> Ec2Result<()> {
        self.sdk.delete_key_pair().key_name(name).send().await.map(drop).map_err(|e| error::ec2("DeleteKeyPair", e))
    }

    async fn create_security_group(
        &self,
        name: &str,
        description: &str,
        vpc: Option<&VpcId>,
        tags: &Tags,
    ) -> Ec2Result<SecurityGroupId> {
        let call = self
            .sdk
            .create_security_group()
            .group_name(name)
            .description(description)
            .set_vpc_id(vpc.map(ToString::to_string))
            .set_tag_specifications(tagging(sdk::ResourceType::SecurityGroup, tags).map(|t| vec![t]));
        let send = || call.clone().customize().config_override(no_retry()).send();
        let out = once(self.creating, send, "CreateSecurityGroup").await?;
        out.group_id().map(SecurityGroupId::new).ok_or_else(|| lacking("CreateSecurityGroup", "group id"))
    }

    async fn authorize_ingress(&self, group: &SecurityGroupId, rule: &Ingress) -> Ec2Result<()> {
        let call = self.sdk.authorize_security_group_ingress().group_id(group.as_str());
        let call = call.ip_permissions(convert::permission(rule));
        call.send().await.map(drop).map_err(|e| error::ec2("AuthorizeSecurityGroupIngress", e))
    }

    async fn revoke_ingress(&self, group: &SecurityGroupId, rule: &Ingress) -> Ec2Result<()> {
        let call = self.sdk.revoke_security_group_ingress().group_id(group.as_str());
        let call = call.ip_permissions(convert::permission(rule));
        call.send().await.map(drop).map_err(|e| error::ec2("RevokeSecurityGroupIngress", e))
    }

    async fn delete_security_group(&self, group: &SecurityGroupId) -> Ec2Result<()> {
        let call = self.sdk.delete_security_group().group_id(group.as_str());
        call.send().await.map(drop).map_err(|e| error::ec2("DeleteSecurityGroup", e))
    }

    async fn run_instance(&self, launch: &Launch) -> Ec2Result<Instance> {
        let send = || self.launch(launch).customize().config_override(no_retry()).send();
        let out = once(self.creating, send, "RunInstances").await?;
        out.instances().first().map(convert::instance).ok_or_else(|| lacking("RunInstances", "instance"))
    }

    async fn try_run_instance(&self, launch: &Launch) -> Ec2Result<()> {
        tried(self.launch(launch).dry_run(true).send().await.map(drop).map_err(|e| error::ec2("RunInstances", e)))
    }
    async fn create_launch_template(&self, template: &NewLaunchTemplate) -> Ec2Result<String> {
        fleet::create_template(&self.sdk, self.creating, template).await
    }
    async fn delete_launch_template(&self, id: &str) -> Ec2Result<()> {
        fleet::delete_template(&self.sdk, id).await
    }
    async fn create_fleet(&self, wanted: &Fleet) -> Ec2Result<InstanceId> {
        fleet::create(&self.sdk, self.creating, wanted).await
    }

    async fn stop_instance(&self, instance: &InstanceId) -> Ec2Result<()> {
        let call = self.sdk.stop_instances().instance_ids(instance.as_str());
        call.send().await.map(drop).map_err(|e| error::ec2("StopInstances", e))
    }

    async fn terminate_instance(&self, instance: &InstanceId) -> Ec2Result<()> {
        let call = self.sdk.terminate_instances().instance_ids(instance.as_str());
        call.send().await.map(drop).map_err(|e| error::ec2("TerminateInstances", e))
    }

    async fn modify_instance(&self, instance: &InstanceId, change: InstanceChange) -> Ec2Result<()> {
        modify::instance(&self.sdk, instance, change).await
    }

    async fn create_volume(&self, volume: &NewVolume) -> Ec2Result<VolumeId> {
        crate::volume::create(&self.sdk, self.creating, volume).await
    }
    async fn try_create_volume(&self, volume: &NewVolume) -> Ec2Result<()> {
        crate::volume::try_create(&self.sdk, volume).await
    }
    async fn attach_volume(&self, volume: &VolumeId, instance: &InstanceId, device: &str) -> Ec2Result<()> {
        let call = self.sdk.attach_volume().volume_id(volume.as_str()).instance_id(instance.as_str()).device(device);
        call.send().await.map(drop).map_err(|e| error::ec2("AttachVolume", e))
    }
    async fn detach_volume(&self, volume: &VolumeId, force: bool) -> Ec2Result<()> {
        let call = self.sdk.detach_volume().volume_id(volume.as_str()).set_force(force.then_some(true));
        call.send().await.map(drop).map_err(|e| error::ec2("DetachVolume", e))
    }

    async fn delete_volume(&self, volume: &VolumeId) -> Ec2Result<()> {
        let call = self.sdk.delete_volume().volume_id(volume.as_str());
        call.send().await.map(drop).map_err(|e| error::ec2("DeleteVolume", e))
    }

    async fn create_image(&self, image: &NewImage) -> Ec2Result<AmiId> {
        let mappings: Vec<_> = image.mappings.iter().map(mapping).collect();
        let tags = [
            tagging(sdk::ResourceType::Image, &image.image_tags),
            tagging(sdk::ResourceType::Snapshot, &image.snapshot_tags),
        ];
        let tags: Vec<_> = tags.into_iter().flatten().collect();
        let call = self
            .sdk
            .create_image()
            .instance_id(image.instance.as_str())
            .name(&image.name)
            .set_description((!image.description.is_empty()).then(|| image.description.clone()))
            .set_block_device_mappings((!mappings.is_empty()).then_some(mappings))
            .set_tag_specifications((!tags.is_empty()).then_some(tags));
        let send = || call.clone().customize().config_override(no_retry()).send();
        let out = once(self.creating, send, "CreateImage").await?;
        out.image_id().map(AmiId::new).ok_or_else(|| lacking("CreateImage", "image id"))
    }

    async fn copy_image(&self, copy: &ImageCopy) -> Ec2Result<AmiId> {
        let call = self.copy(copy);
        let send = || call.clone().customize().config_override(no_retry()).send();
        let out = once(self.creating, send, "CopyImage").await?;
        out.image_id().map(AmiId::new).ok_or_else(|| lacking("CopyImage", "image id"))
    }

    async fn deregister_image(&self, image: &AmiId) -> Ec2Result<()> {
        let call = self.sdk.deregister_image().image_id(image.as_str());
        call.send().await.map(drop).map_err(|e| error::ec2("DeregisterImage", e))
    }

    async fn try_deregister_image(&self, image: &AmiId) -> Ec2Result<()> {
        let call = self.sdk.deregister_image().image_id(image.as_str()).dry_run(true);
        tried(call.send().await.map(drop).map_err(|e| error::ec2("DeregisterImage", e)))
    }
    async fn try_copy_image(&self, copy: &ImageCopy) -> Ec2Result<()> {
        tried(self.copy(copy).dry_run(true).send().await.map(drop).map_err(|e| error::ec2("CopyImage", e)))
    }
    async fn try_delete_snapshot(&self, snapshot: &SnapshotId) -> Ec2Result<()> {
        let call = self.sdk.delete_snapshot().snapshot_id(snapshot.as_str()).dry_run(true);
        tried(call.send().await.map(drop).map_err(|e| error::ec2("DeleteSnapshot", e)))
    }

    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Ec2Result<()> {
        let call = self.sdk.delete_snapshot().snapshot_id(snapshot.as_str());
        call.send().await.map(drop).map_err(|e| error::ec2("DeleteSnapshot", e))
    }

    async fn modify_image(&self, image: &AmiId, change: &ImageChange) -> Ec2Result<()> {
        modify::image(&self.sdk, image, change).await
    }
    async fn share_snapshot(&self, snapshot: &SnapshotId, grant: &Grant) -> Ec2Result<()> {
        modify::share_snapshot(&self.sdk, snapshot, grant).await
    }
    async fn deprecate_image(&self, image: &AmiId, at: &str) -> Ec2Result<()> {
        modify::deprecate(&self.sdk, image, at).await
    }
    async fn protect_image(&self, image: &AmiId, with_cooldown: bool) -> Ec2Result<()> {
        modify::protect(&self.sdk, image, with_cooldown).await
    }

    async fn create_snapshot(&self, snapshot: &NewSnapshot) -> Ec2Result<SnapshotId> {
        let call = self
            .sdk
            .create_snapshot()
            .volume_id(snapshot.volume.as_str())
            .description(&snapshot.description)
            .set_tag_specifications(tagging(sdk::ResourceType::Snapshot, &snapshot.tags).map(|t| vec![t]));
        let send = || call.clone().customize().config_override(no_retry()).send();
        let out = once(self.creating, send, "CreateSnapshot").await?;
        out.snapshot_id().map(SnapshotId::new).ok_or_else(|| lacking("CreateSnapshot", "snapshot id"))
    }

    async fn register_image(&self, wanted: &Registration) -> Ec2Result<AmiId> {
        modify::register(&self.sdk, self.creating, wanted).await
    }

    async fn create_tags(&self, resources: &[String], tags: &Tags) -> Ec2Result<()> {
        let call = self.sdk.create_tags().set_resources(Some(resources.to_vec())).set_tags(Some(sdk_tags(tags)));
        call.send().await.map(drop).map_err(|e| error::ec2("CreateTags", e))
    }

    async fn delete_tags(&self, resources: &[String], keys: &[String]) -> Ec2Result<()> {
        let tags = keys.iter().map(|key| sdk::Tag::builder().key(key).build()).collect();
        let call = self.sdk.delete_tags().set_resources(Some(resources.to_vec())).set_tags(Some(tags));
        call.send().await.map(drop).map_err(|e| error::ec2("DeleteTags", e))
    }
}

/// What a dry run has told.
pub fn tried(answer: Ec2Result<()>) -> Ec2Result<()> {
    match answer {
        // EC2's way of saying that it would have done it.
        Err(error) if error.code == "DryRunOperation" => Ok(()),
        other => other,
    }
}

impl Client {
    fn copy(&self, copy: &ImageCopy) -> aws_sdk_ec2::operation::copy_image::builders::CopyImageFluentBuilder {
        let tags = [
            tagging(sdk::ResourceType::Image, &copy.image_tags),
            tagging(sdk::ResourceType::Snapshot, &copy.snapshot_tags),
        ];
        let tags: Vec<_> = tags.into_iter().flatten().collect();
        self.sdk
            .copy_image()
            .client_token(&copy.client_token)
            .source_region(&copy.source_region)
            .source_image_id(copy.source.as_str())
            .name(&copy.name)
            .set_description((!copy.description.is_empty()).then(|| copy.description.clone()))
            .set_encrypted(copy.encrypted)
            .set_kms_key_id(copy.kms_key_id.clone())
            .set_snapshot_copy_completion_duration_minutes(copy.completion_minutes)
            .set_tag_specifications((!tags.is_empty()).then_some(tags))
    }

    fn launch(&self, launch: &Launch) -> aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder {
        let groups: Vec<String> = launch.security_groups.iter().map(ToString::to_string).collect();
        let groups = (!groups.is_empty()).then_some(groups);
        let mappings: Vec<_> = launch.mappings.iter().map(mapping).collect();
        let tags = [
            tagging(sdk::ResourceType::Instance, &launch.instance_tags),
            tagging(sdk::ResourceType::NetworkInterface, &launch.instance_tags),
            tagging(sdk::ResourceType::Volume, &launch.volume_tags),
            launch.spot.as_ref().and_then(|spot| tagging(sdk::ResourceType::SpotInstancesRequest, &spot.tags)),
        ];
        let tags: Vec<_> = tags.into_iter().flatten().collect();
        let mut call = self
            .sdk
            .run_instances()
            .client_token(&launch.client_token)
            .image_id(launch.image.as_str())
            .instance_type(sdk::InstanceType::from(launch.instance_type.as_str()))
            .min_count(1)
            .max_count(1)
            .set_key_name(launch.key_name.clone())
            .set_user_data(launch.user_data.as_ref().map(|u| u.expose().clone()))
            .set_block_device_mappings((!mappings.is_empty()).then_some(mappings))
            .set_tag_specifications((!tags.is_empty()).then_some(tags))
            .instance_initiated_shutdown_behavior(sdk::ShutdownBehavior::from(launch.shutdown_behavior.as_str()));
        if launch.ebs_optimized {
            call = call.ebs_optimized(true);
        }
        // A public address can only be asked for on a network interface, and then groups and subnet belong there too.
        if let Some(public) = launch.associate_public_ip {
            let interface = sdk::InstanceNetworkInterfaceSpecification::builder()
                .device_index(0)
                .associate_public_ip_address(public)
                .delete_on_termination(true)
                .set_subnet_id(launch.subnet.as_ref().map(ToString::to_string))
                .set_groups(groups);
            call = call.network_interfaces(interface.build());
        } else {
            call = call.set_subnet_id(launch.subnet.as_ref().map(ToString::to_string)).set_security_group_ids(groups);
        }
        if let Some(profile) = &launch.iam_instance_profile {
            call = call.iam_instance_profile(sdk::IamInstanceProfileSpecification::builder().name(profile).build());
        }
        if let Some(metadata) = &launch.metadata {
            let options = sdk::InstanceMetadataOptionsRequest::builder()
                .http_endpoint(metadata.http_endpoint.as_str().into())
                .http_tokens(metadata.http_tokens.as_str().into())
                .http_put_response_hop_limit(metadata.hop_limit)
                .set_instance_metadata_tags(metadata.instance_tags.as_deref().map(Into::into));
            call = call.metadata_options(options.build());
        }
        let placement = &launch.placement;
        if *placement != Placement::default() {
            let placement = sdk::Placement::builder()
                .set_availability_zone(placement.availability_zone.clone())
                .set_tenancy(placement.tenancy.as_deref().map(sdk::Tenancy::from))
                .set_host_id(placement.host_id.clone())
                .set_host_resource_group_arn(placement.host_resource_group_arn.clone());
            call = call.placement(placement.build());
        }
        if let Some(credits) = &launch.cpu_credits {
            call = call.credit_specification(sdk::CreditSpecificationRequest::builder().cpu_credits(credits).build());
        }
        if launch.enclave {
            call = call.enclave_options(sdk::EnclaveOptionsRequest::builder().enabled(true).build());
        }
        if let Some(reservation) = &launch.capacity_reservation {
            let target = sdk::CapacityReservationTarget::builder();
            let specification = sdk::CapacityReservationSpecification::builder();
            let specification = match reservation {
                CapacityReservation::Preference(word) => {
                    specification.capacity_reservation_preference(word.as_str().into())
                }
                CapacityReservation::Id(id) => {
                    specification.capacity_reservation_target(target.capacity_reservation_id(id).build())
                }
                CapacityReservation::GroupArn(arn) => specification
                    .capacity_reservation_target(target.capacity_reservation_resource_group_arn(arn).build()),
            };
            call = call.capacity_reservation_specification(specification.build());
        }
        for license in &launch.licenses {
            let license = sdk::LicenseConfigurationRequest::builder().license_configuration_arn(license).build();
            call = call.license_specifications(license);
        }
        if let Some(spot) = &launch.spot {
            let options = sdk::SpotMarketOptions::builder().set_max_price(spot.max_price.clone()).build();
            let market =
                sdk::InstanceMarketOptionsRequest::builder().market_type(sdk::MarketType::Spot).spot_options(options);
            call = call.instance_market_options(market.build());
        }
        call
    }
}
