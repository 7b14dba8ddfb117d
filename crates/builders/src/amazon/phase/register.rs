//! `amazon-ebssurrogate`: snapshots of the volumes that the provisioners have filled, and an image registered from them.

use super::image::{Imaged, Labels, available, snapshots};
use super::launch::Launched;
use super::preflight::Checked;
use super::replace;
use super::snapshot;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{AmiId, SnapshotId, VolumeId};
use crate::amazon::options::surrogate::Surrogate;
use crate::amazon::releaser::kind;
use crate::amazon::types::{DeviceMapping, EbsVolume, Registration};
use futures_util::future::join_all;
use imgbuild_engine::run::Held;

/// Makes snapshots and image, and waits until it is available.
pub async fn run(
    env: &Env<'_>,
    checked: &Checked,
    surrogate: &Surrogate,
    launched: &Launched,
    labels: &Labels,
    name: String,
) -> Result<Imaged, Failure> {
    let devices: Vec<(&DeviceMapping, VolumeId)> = env
        .config
        .launch_mappings
        .iter()
        .map(|device| &device.mapping)
        .filter(|mapping| mapping.ebs.is_some() && !surrogate.omitted.contains(&mapping.device_name))
        .filter_map(|mapping| {
            let volume = launched.instance.volumes.iter().find(|v| v.device_name == mapping.device_name)?;
            Some((mapping, volume.id.clone()))
        })
        .collect();
    if !devices.iter().any(|(mapping, _)| mapping.device_name == surrogate.source_device) {
        return Err(Failure::new(format!("the instance has no volume {}", surrogate.source_device)));
    }
    // All are begun even where one fails, so that what was begun is known.
    let description = &surrogate.snapshot_description;
    let made =
        join_all(devices.iter().map(|(mapping, volume)| {
            snapshot::take(env, &mapping.device_name, volume, description, &labels.snapshots)
        }))
        .await;
    let parts: Vec<Held<()>> = made.into_iter().collect::<Result<_, _>>()?;
    let ids: Vec<SnapshotId> = parts.iter().map(|held| SnapshotId::new(held.id.clone())).collect();
    snapshot::completed(env, &ids).await?;
    let mut mappings: Vec<DeviceMapping> = env.config.ami_mappings.iter().map(|d| d.mapping.clone()).collect();
    for ((mapping, _), id) in devices.iter().zip(&ids) {
        let of = if mapping.device_name == surrogate.source_device { &surrogate.root } else { *mapping };
        if mappings.iter().any(|known| known.device_name == of.device_name) {
            continue;
        }
        let mut of = of.clone();
        // A snapshot is encrypted or not; the image can't say otherwise.
        let ebs = of.ebs.take().unwrap_or_default();
        of.ebs = Some(EbsVolume { snapshot: Some(id.clone()), encrypted: None, kms_key_id: None, ..ebs });
        mappings.push(of);
    }
    let register = async |name: String| {
        env.ui().say(format!("Registering the AMI {name}..."));
        let intent = env.intent(kind::IMAGE, &env.region, Some(name.clone()), None, labels.of(&name).into_owned());
        env.acquire("registering the AMI", intent, |intent| {
            let registration = Registration {
                name: name.clone(),
                description: labels.description.clone(),
                architecture: surrogate.architecture.clone(),
                virtualization_type: surrogate.virtualization_type.clone(),
                root_device_name: surrogate.root.device_name.clone(),
                mappings: mappings.clone(),
                ena: env.config.ami.ena == Some(true),
                sriov: env.config.ami.sriov,
                imds_v2: env.config.ami.imds_v2,
                boot_mode: surrogate.boot_mode.clone(),
                uefi_data: surrogate.uefi_data.clone(),
                tpm: surrogate.tpm.clone(),
                kernel_id: None,
                ramdisk_id: None,
                tags: intent.tags.clone(),
            };
            async move { env.ec2.register_image(&registration).await.map(|id| id.to_string()) }
        })
        .await
    };
    let held = replace::named(env, checked, &env.region, name, register).await?;
    let id = AmiId::new(held.id.clone());
    env.ui().message(format!("AMI: {id}"));
    env.ui().say("Waiting for AMI to become ready...");
    let image = available(env, &env.region, &id).await?;
    let snapshots = snapshots(&image);
    Ok(Imaged { region: env.region.clone(), id, image, snapshots, held: Some(held), parts })
}
