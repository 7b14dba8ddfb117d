//! Snapshots of single volumes, for images that are registered and for volumes that are the product themselves.

use super::image::with_run;
use crate::amazon::ec2::{Ec2Error, ErrorKind};
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{SnapshotId, VolumeId};
use crate::amazon::releaser::{TOKEN_TAG, kind};
use crate::amazon::types::{Filter, NewSnapshot, Tags};
use imgbuild_engine::run::Held;
use std::time::Duration;
use tokio::time::Instant;

/// Begins one. `device` names the volume to people.
pub async fn take(
    env: &Env<'_>,
    device: &str,
    volume: &VolumeId,
    description: &str,
    tags: &Tags,
) -> Result<Held<()>, Failure> {
    env.ui().say(format!("Creating snapshot of {device} ({volume})"));
    let token = uuid::Uuid::new_v4().to_string();
    let mut tags = tags.clone();
    tags.insert(TOKEN_TAG.to_owned(), token.clone());
    let intent = env.intent(kind::SNAPSHOT, &env.region, None, Some(token), tags.clone());
    env.acquire("creating a snapshot", intent, |intent| {
        let snapshot = NewSnapshot {
            volume: volume.clone(),
            description: description.to_owned(),
            tags: with_run(&tags, &intent.tags),
        };
        async move { env.ec2.create_snapshot(&snapshot).await.map(|id| id.to_string()) }
    })
    .await
}

/// How long the snapshots of a large volume may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// Waits until all are completed.
pub async fn completed(env: &Env<'_>, ids: &[SnapshotId]) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    let start = Instant::now();
    let limit = env.config.polling.limit.unwrap_or(LIMIT);
    let pause = env.config.polling.delay.unwrap_or(env.shared.pause * 4);
    loop {
        let found = env.ec2.snapshots(vec![Filter::any("snapshot-id", ids)]).await;
        let found = match found {
            Ok(found) => found,
            // A failure of the service passes; one of ours does not.
            Err(Ec2Error { kind: ErrorKind::Uncertain | ErrorKind::Throttled, .. }) => Vec::new(),
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
