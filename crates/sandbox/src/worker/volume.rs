//! Making volumes, taking snapshots, attaching and detaching.

use std::sync::Arc;

use super::due::{At, Work};
use super::launch::{attachment, pack};
use super::{Failure, held_up, with_disks};
use crate::core::Core;
use crate::machine::Status;
use crate::state::{
    AttachmentState, Content, InstanceState, Layer, Region, SnapshotState, State, Time, Volume, VolumeState,
};

/// creating → available
pub async fn make(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let Some(volume) = find(&core, &at)? else { return Ok(()) };
    with_disks(&core, move |disks| disks.make(&volume)).await?;
    core.change(move |state| {
        with(state, &at, |v| {
            if v.state == VolumeState::Creating {
                v.state = VolumeState::Available;
            }
        });
    })
    .await?;
    Ok(())
}

/// creating → error
pub fn make_failed(state: &mut State, at: &At) {
    with(state, at, |v| v.state = VolumeState::Error);
}

fn with(state: &mut State, at: &At, f: impl FnOnce(&mut Volume)) {
    if let Some(v) = state.regions.get_mut(&at.region).and_then(|r| r.volumes.get_mut(&at.id)) {
        f(v);
    }
}

fn find(core: &Core, at: &At) -> Result<Option<Volume>, Failure> {
    Ok(core.store.read()?.regions.get(&at.region).and_then(|r| r.volumes.get(&at.id)).cloned())
}

/// pending → completed, for a snapshot by itself.
pub async fn snapshot(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let begun = tokio::time::Instant::now();
    let state = core.store.read()?;
    let Some(region) = state.regions.get(&at.region) else { return Ok(()) };
    let Some(snapshot) = region.snapshots.get(&at.id) else { return Ok(()) };
    if snapshot.content.is_none() {
        let instance = region.volumes.get(&snapshot.volume_id).and_then(|v| v.attachment.as_ref());
        let running = match instance {
            Some(a) => core.machines.status(&a.instance_id).await == Status::Running,
            None => false,
        };
        take(&core, &at, running).await?;
    }
    tokio::time::sleep_until(begun + core.latencies.snapshot).await;
    held_up(&core, Work::Snapshot(at.clone()), &at.id).await?;
    core.change(move |state| {
        if let Some(region) = state.regions.get_mut(&at.region) {
            complete(region, &at.id, Time::now());
        }
    })
    .await?;
    Ok(())
}

/// Takes the bytes of a snapshot. `running` says whether a machine uses the volume.
pub async fn take(core: &Arc<Core>, at: &At, running: bool) -> Result<(), Failure> {
    let state = core.store.read()?;
    let Some(region) = state.regions.get(&at.region) else { return Ok(()) };
    let Some(snapshot) = region.snapshots.get(&at.id).filter(|s| s.content.is_none()) else { return Ok(()) };
    let volume = region
        .volumes
        .get(&snapshot.volume_id)
        .ok_or_else(|| Failure(format!("the volume {} is gone", snapshot.volume_id)))?
        .clone();
    let name = at.id.clone();
    let (content, frozen) = match &volume.content {
        Content::Tree(below) => {
            let mut layers = vec![Layer::Frozen(name.clone())];
            layers.extend(below.iter().cloned());
            (Content::Tree(layers), !running)
        }
        Content::Block(_) | Content::Packed(_) => (Content::Block(Some(name.clone())), false),
    };
    pack(core, &At { region: at.region.clone(), id: volume.id.clone() }, &volume).await?;
    let place = at.clone();
    let id = volume.id.clone();
    with_disks(core, move |disks| {
        disks.make(&volume)?;
        if running {
            // What the machine's kernel, which is this one, has not written yet.
            rustix::fs::sync();
        }
        match volume.content {
            Content::Tree(_) if frozen => disks.freeze(&volume.id, &name),
            Content::Tree(_) => disks.copy_tree(&volume.id, &name),
            Content::Block(_) | Content::Packed(_) => disks.copy_data(&volume.id, &name),
        }
    })
    .await?;
    let told = core
        .change({
            let id = id.clone();
            move |state| {
                let Some(region) = state.regions.get_mut(&place.region) else { return };
                if frozen && let Some(v) = region.volumes.get_mut(&id) {
                    v.content = content.clone();
                }
                if let Some(s) = region.snapshots.get_mut(&place.id) {
                    s.content = Some(content);
                }
            }
        })
        .await;
    if let Err(e) = told {
        if frozen {
            let name = at.id.clone();
            with_disks(core, move |disks| disks.thaw(&id, &name)).await?;
        }
        return Err(e.into());
    }
    Ok(())
}

/// Marks a snapshot completed; one that was deleted meanwhile goes.
pub fn complete(region: &mut Region, id: &str, now: Time) {
    let Some(s) = region.snapshots.get_mut(id).filter(|s| s.state == SnapshotState::Pending) else { return };
    if s.deleted {
        region.snapshots.remove(id);
        return;
    }
    s.state = SnapshotState::Completed;
    s.completed = Some(now);
}

/// pending → error
pub fn snapshot_failed(state: &mut State, at: &At, why: &str) {
    let Some(region) = state.regions.get_mut(&at.region) else { return };
    let Some(s) = region.snapshots.get_mut(&at.id) else { return };
    if s.deleted {
        region.snapshots.remove(&at.id);
        return;
    }
    s.state = SnapshotState::Error;
    s.state_message = Some(why.to_owned());
}

fn instance_runs(core: &Core, at: &At, instance_id: &str) -> Result<bool, Failure> {
    let state = core.store.read()?;
    let instance = state.regions.get(&at.region).and_then(|r| r.instances.get(instance_id));
    Ok(instance.is_some_and(|i| matches!(i.state, InstanceState::Running | InstanceState::Stopping)))
}

/// attaching → attached, in a machine that runs.
pub async fn attach(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let Some(volume) = find(&core, &at)? else { return Ok(()) };
    let Some(a) = &volume.attachment else { return Ok(()) };
    if instance_runs(&core, &at, &a.instance_id)?
        && let Some(shown) = attachment(&core, &volume)
    {
        let instance_id = a.instance_id.clone();
        pack(&core, &at, &volume).await?;
        with_disks(&core, move |disks| disks.make(&volume)).await?;
        if let Err(e) = core.machines.attach_volume(&instance_id, &shown).await {
            tokio::time::sleep(super::TICK).await;
            return Err(e.into());
        }
    }
    core.change(move |state| {
        with(state, &at, |v| {
            if let Some(a) = v.attachment.as_mut().filter(|a| a.state == AttachmentState::Attaching) {
                a.state = AttachmentState::Attached;
            }
        });
    })
    .await?;
    Ok(())
}

/// detaching → available. While the machine uses the volume it stays detaching, as on EC2.
pub async fn detach(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let Some(volume) = find(&core, &at)? else { return Ok(()) };
    let Some(a) = &volume.attachment else { return Ok(()) };
    let AttachmentState::Detaching { force } = a.state else { return Ok(()) };
    if instance_runs(&core, &at, &a.instance_id)?
        && let Err(e) = core.machines.detach_volume(&a.instance_id, &volume.id, force).await
    {
        tokio::time::sleep(super::TICK).await;
        return Err(e.into());
    }
    core.change(move |state| {
        with(state, &at, |v| {
            v.attachment = None;
            v.state = VolumeState::Available;
        });
    })
    .await?;
    Ok(())
}
