//! CreateImage's work: a consistent set of snapshots of all volumes of an instance; and the settling of copies.

use std::sync::Arc;

use super::due::{At, Work};
use super::launch::launch;
use super::volume::{complete, take};
use super::{Failure, held_up};
use crate::core::Core;
use crate::machine::Status;
use crate::state::{ImageSource, ImageState, InstanceState, SnapshotState, State, Time};

/// Takes the snapshots: the machine is off meanwhile, unless the caller wanted it not to be.
pub async fn create(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let begun = tokio::time::Instant::now();
    let state = core.store.read()?;
    let Some(region) = state.regions.get(&at.region) else { return Ok(()) };
    let Some(image) = region.images.get(&at.id) else { return Ok(()) };
    let ImageSource::Instance { instance_id, reboot, .. } = image.source.clone() else { return Ok(()) };
    let snapshots: Vec<String> = region
        .snapshots
        .values()
        .filter(|s| s.for_image.as_ref() == Some(&at.id) && s.state == SnapshotState::Pending && s.content.is_none())
        .map(|s| s.id.clone())
        .collect();
    if reboot {
        core.machines.stop(&instance_id).await?;
    }
    let running = core.machines.status(&instance_id).await == Status::Running;
    let mut taken = Ok(());
    for id in snapshots {
        taken = take(&core, &At { region: at.region.clone(), id }, running).await;
        if taken.is_err() {
            break;
        }
    }
    if reboot {
        // Also after a failure: the machine is not to stay off because of it.
        let back = At { region: at.region.clone(), id: instance_id };
        let wanted =
            core.store.read()?.regions.get(&back.region).and_then(|r| r.instances.get(&back.id)).map(|i| i.state);
        if wanted == Some(InstanceState::Running) {
            let launch = launch(&core, &back).await?;
            core.machines.start(&launch).await?;
        }
    }
    taken?;
    tokio::time::sleep_until(begun + core.latencies.image).await;
    held_up(&core, Work::Image(at.clone()), &at.id).await?;
    finish(&core, at).await
}

/// A copy of an image: its snapshots have their bytes already.
pub async fn settle(core: Arc<Core>, at: At) -> Result<(), Failure> {
    tokio::time::sleep(core.latencies.image).await;
    held_up(&core, Work::Settle(at.clone()), &at.id).await?;
    finish(&core, at).await
}

async fn finish(core: &Arc<Core>, at: At) -> Result<(), Failure> {
    core.change(move |state| {
        let Some(region) = state.regions.get_mut(&at.region) else { return };
        let ids: Vec<String> =
            region.snapshots.values().filter(|s| s.for_image.as_ref() == Some(&at.id)).map(|s| s.id.clone()).collect();
        for id in ids {
            complete(region, &id, Time::now());
        }
        if let Some(image) = region.images.get_mut(&at.id) {
            image.state = ImageState::Available;
        }
    })
    .await?;
    Ok(())
}

/// The image says why, and so do its snapshots.
pub fn failed(state: &mut State, at: &At, why: &str) {
    let Some(region) = state.regions.get_mut(&at.region) else { return };
    for s in region.snapshots.values_mut().filter(|s| s.for_image.as_ref() == Some(&at.id)) {
        if s.state == SnapshotState::Pending {
            s.state = SnapshotState::Error;
            s.state_message = Some(why.to_owned());
        }
    }
    region.snapshots.retain(|_, s| !(s.deleted && s.state != SnapshotState::Pending));
    if let Some(image) = region.images.get_mut(&at.id) {
        image.state = ImageState::Failed;
        image.state_message = Some(format!("Client.InternalError: {why}"));
    }
}
