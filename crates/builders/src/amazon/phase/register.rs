//! `amazon-ebssurrogate`: snapshots of the volumes that the provisioners have filled, and an image registered from them.

use super::image::{Imaged, Labels, available, snapshots, with_run};
use super::launch::Launched;
use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{AmiId, SnapshotId, VolumeId};
use crate::amazon::options::surrogate::Surrogate;
use crate::amazon::releaser::{TOKEN_TAG, kind};
use crate::amazon::types::{DeviceMapping, EbsVolume, Filter, NewSnapshot, Registration};
use futures_util::future::join_all;
use imgbuild_engine::run::{Held, RUN_TAG};
use std::time::Duration;
use tokio::time::Instant;

/// Makes snapshots and image, and waits until it is available.
pub async fn run(
    env: &Env<'_>,
    surrogate: &Surrogate,
    launched: &Launched,
    labels: &Labels,
    name: &str,
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
    let made =
        join_all(devices.iter().map(|(mapping, volume)| snapshot(env, surrogate, labels, mapping, volume))).await;
    let parts: Vec<Held<()>> = made.into_iter().collect::<Result<_, _>>()?;
    let ids: Vec<SnapshotId> = parts.iter().map(|held| SnapshotId::new(held.id.clone())).collect();
    completed(env, &ids).await?;
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
    env.ui().say(format!("Registering the AMI {name}..."));
    let intent = env.intent(kind::IMAGE, &env.region, Some(name.to_owned()), None, labels.image.clone());
    let held = env
        .acquire("registering the AMI", intent, |intent| {
            let registration = Registration {
                name: name.to_owned(),
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
                tags: intent.tags.clone(),
            };
            async move { env.ec2.register_image(&registration).await.map(|id| id.to_string()) }
        })
        .await?;
    let id = AmiId::new(held.id.clone());
    env.ui().message(format!("AMI: {id}"));
    env.ui().say("Waiting for AMI to become ready...");
    let image = available(env, &env.region, &id).await?;
    let snapshots = snapshots(&image);
    Ok(Imaged { region: env.region.clone(), id, image, snapshots, held: Some(held), parts })
}

async fn snapshot(
    env: &Env<'_>,
    surrogate: &Surrogate,
    labels: &Labels,
    mapping: &DeviceMapping,
    volume: &VolumeId,
) -> Result<Held<()>, Failure> {
    env.ui().say(format!("Creating snapshot of {} ({volume})", mapping.device_name));
    let token = uuid::Uuid::new_v4().to_string();
    let mut tags = labels.snapshots.clone();
    tags.insert(TOKEN_TAG.to_owned(), token.clone());
    let intent = env.intent(kind::SNAPSHOT, &env.region, None, Some(token), tags.clone());
    env.acquire("creating a snapshot", intent, |intent| {
        let snapshot = NewSnapshot {
            volume: volume.clone(),
            description: surrogate.snapshot_description.clone(),
            tags: with_run(&tags, &intent.tags),
        };
        debug_assert!(snapshot.tags.contains_key(RUN_TAG));
        async move { env.ec2.create_snapshot(&snapshot).await.map(|id| id.to_string()) }
    })
    .await
}

/// How long the snapshots of a large volume may take.
const LIMIT: Duration = Duration::from_secs(3600);

async fn completed(env: &Env<'_>, ids: &[SnapshotId]) -> Result<(), Failure> {
    let start = Instant::now();
    let limit = env.config.polling.limit.unwrap_or(LIMIT);
    let pause = env.config.polling.delay.unwrap_or(env.shared.pause * 4);
    loop {
        let found = env.ec2.snapshots(vec![Filter::any("snapshot-id", ids)]).await;
        let found = match found {
            Ok(found) => found,
            // A failure of the service passes; one of ours does not.
            Err(Ec2Error { kind: crate::amazon::ec2::ErrorKind::Uncertain, .. }) => Vec::new(),
            Err(error) => return Err(Failure::call("asking how far the snapshots are", &error)),
        };
        if let Some(bad) = found.iter().find(|s| s.state == "error") {
            let why = bad.state_reason.as_deref().unwrap_or("no reason given");
            return Err(Failure::new(format!("snapshot {} failed: {why}", bad.id)));
        }
        if found.iter().filter(|s| s.state == "completed").count() == ids.len() {
            return Ok(());
        }
        if start.elapsed() > limit {
            return Err(Failure::new(format!("the snapshots took longer than {} s", limit.as_secs())));
        }
        let percent = found.iter().filter_map(|s| s.progress).min();
        env.ui().waiting("the snapshots to be completed", start.elapsed(), percent, false);
        env.sleep(pause).await?;
    }
}
