//! CreateVolume.

use crate::convert::tagging;
use crate::ec2::{lacking, tried};
use crate::error;
use crate::retry::{Creating, no_retry, once};
use aws_sdk_ec2::Client as Sdk;
use aws_sdk_ec2::operation::create_volume::builders::CreateVolumeFluentBuilder;
use aws_sdk_ec2::types as sdk;
use imgbuild_builders::amazon::ec2::Ec2Result;
use imgbuild_builders::amazon::ids::VolumeId;
use imgbuild_builders::amazon::types::NewVolume;

fn call(client: &Sdk, volume: &NewVolume) -> CreateVolumeFluentBuilder {
    let ebs = &volume.ebs;
    client
        .create_volume()
        .client_token(&volume.client_token)
        .availability_zone(&volume.zone)
        .set_encrypted(ebs.encrypted)
        .set_kms_key_id(ebs.kms_key_id.clone())
        .set_iops(ebs.iops)
        .set_throughput(ebs.throughput)
        .set_snapshot_id(ebs.snapshot.as_ref().map(ToString::to_string))
        .set_size(ebs.volume_size)
        .set_volume_type(ebs.volume_type.as_deref().map(sdk::VolumeType::from))
        .set_tag_specifications(tagging(sdk::ResourceType::Volume, &volume.tags).map(|t| vec![t]))
}

pub async fn create(client: &Sdk, how: Creating, volume: &NewVolume) -> Ec2Result<VolumeId> {
    let send = || call(client, volume).customize().config_override(no_retry()).send();
    let out = once(how, send, "CreateVolume").await?;
    out.volume_id().map(VolumeId::new).ok_or_else(|| lacking("CreateVolume", "volume id"))
}

pub async fn try_create(client: &Sdk, volume: &NewVolume) -> Ec2Result<()> {
    tried(call(client, volume).dry_run(true).send().await.map(drop).map_err(|e| error::ec2("CreateVolume", e)))
}
