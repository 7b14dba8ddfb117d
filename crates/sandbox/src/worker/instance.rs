//! Starting, stopping, terminating and rebooting machines.

use std::sync::Arc;

use super::Failure;
use super::due::At;
use super::launch::{launch, metadata};
use super::mute;
use crate::core::Core;
use crate::state::{AttachmentState, Instance, InstanceState, Region, State, StateReason, Time, VolumeState};

/// The instance and its region, to change.
fn find<'s>(state: &'s mut State, at: &At) -> Option<&'s mut Region> {
    state.regions.get_mut(&at.region).filter(|r| r.instances.contains_key(&at.id))
}

fn with(state: &mut State, at: &At, f: impl FnOnce(&mut Instance)) {
    if let Some(i) = find(state, at).and_then(|r| r.instances.get_mut(&at.id)) {
        f(i);
    }
}

/// pending → running
pub async fn start(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let launch = launch(&core, &at).await?;
    let (running, ()) = tokio::join!(core.machines.start(&launch), tokio::time::sleep(core.latencies.instance));
    let running = running?;
    if let Some(time) = core.faults.mute(&at.id) {
        mute::ssh_server(running.pid, time).await;
    }
    core.change(move |state| {
        with(state, &at, |i| {
            i.interface.address = Some(running.address);
            // TerminateInstances may have come in between: then that is next.
            if i.state == InstanceState::Pending {
                i.state = InstanceState::Running;
            }
        });
        let attaching = find(state, &at).into_iter().flat_map(|r| r.volumes.values_mut());
        for a in attaching.filter_map(|v| v.attachment.as_mut()).filter(|a| a.instance_id == at.id) {
            if a.state == AttachmentState::Attaching {
                a.state = AttachmentState::Attached;
            }
        }
    })
    .await?;
    Ok(())
}

/// A new instance that could not be started is terminated; one that was stopped is stopped again.
pub fn start_failed(state: &mut State, at: &At, why: &str) {
    let Some(region) = find(state, at) else { return };
    let new = region.volumes_of(&at.id).any(|v| v.attachment_is(AttachmentState::Attaching));
    with(state, at, |i| {
        if i.state == InstanceState::Pending {
            i.state = if new { InstanceState::ShuttingDown } else { InstanceState::Stopping };
            i.state_reason = Some(StateReason {
                code: "Server.InternalError".into(),
                message: format!("Server.InternalError: Internal error on launch: {why}"),
            });
            i.transition_reason = "Server.InternalError".into();
        }
    });
}

/// stopping → stopped
pub async fn stop(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let (stopped, ()) = tokio::join!(core.machines.stop(&at.id), tokio::time::sleep(core.latencies.stop));
    if let Err(e) = stopped {
        tokio::time::sleep(super::TICK).await;
        return Err(e.into());
    }
    core.change(move |state| {
        with(state, &at, |i| {
            if i.state == InstanceState::Stopping {
                i.state = InstanceState::Stopped;
            }
        });
    })
    .await?;
    Ok(())
}

/// shutting-down → terminated
pub async fn terminate(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let (destroyed, ()) = tokio::join!(core.machines.destroy(&at.id), tokio::time::sleep(core.latencies.terminate));
    if let Err(e) = destroyed {
        tokio::time::sleep(super::TICK).await;
        return Err(e.into());
    }
    core.change(move |state| {
        let Some(region) = find(state, &at) else { return };
        let mut gone = Vec::new();
        for volume in region.volumes.values_mut().filter(|v| v.is_of(&at.id)) {
            match volume.attachment.take() {
                Some(a) if a.delete_on_termination => gone.push(volume.id.clone()),
                _ => volume.state = VolumeState::Available,
            }
        }
        for id in gone {
            region.volumes.remove(&id);
            region.tags.remove(&id);
        }
        with(state, &at, |i| {
            i.state = InstanceState::Terminated;
            i.terminated = Some(Time::now());
            i.reboot = false;
            i.refresh_metadata = false;
        });
    })
    .await?;
    Ok(())
}

/// Off and on again; the API says running all the while.
pub async fn reboot(core: Arc<Core>, at: At) -> Result<(), Failure> {
    core.machines.stop(&at.id).await?;
    let launch = launch(&core, &at).await?;
    core.machines.start(&launch).await?;
    core.change(move |state| with(state, &at, |i| i.reboot = false)).await?;
    Ok(())
}

/// A machine that did not come back is stopped.
pub fn reboot_failed(state: &mut State, at: &At) {
    with(state, at, |i| {
        i.reboot = false;
        if i.state == InstanceState::Running {
            i.state = InstanceState::Stopping;
        }
    });
}

/// Hands new metadata to a running machine.
pub async fn refresh(core: Arc<Core>, at: At) -> Result<(), Failure> {
    let state = core.store.read()?;
    let Some(region) = state.regions.get(&at.region) else { return Ok(()) };
    let Some(instance) = region.instances.get(&at.id) else { return Ok(()) };
    if let Err(e) = core.machines.update_metadata(&at.id, &metadata(region, instance)).await {
        tokio::time::sleep(super::TICK).await;
        return Err(e.into());
    }
    let handed = instance.metadata.clone();
    core.change(move |state| with(state, &at, |i| i.refresh_metadata = i.metadata != handed)).await?;
    Ok(())
}
