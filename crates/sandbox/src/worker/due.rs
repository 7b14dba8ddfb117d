//! Which work follows from a state, and what each piece locks. Pure: the order here is the order in which things that
//! share an instance or a volume happen.

use std::collections::BTreeSet;

use crate::state::{
    AttachmentState, ImageSource, ImageState, InstanceState, Region, SnapshotState, State, VolumeState,
};

/// A resource of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// `us-east-1`
    pub region: String,
    /// Its id.
    pub id: String,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// An instance is pending.
    Start(At),
    /// An instance is stopping.
    Stop(At),
    /// An instance is shutting down.
    Terminate(At),
    /// A reboot was asked for.
    Reboot(At),
    /// A running machine's metadata changed.
    Refresh(At),
    /// An image of an instance is pending.
    Image(At),
    /// A copied image is pending: its snapshots share bytes that are there.
    Settle(At),
    /// A snapshot is pending.
    Snapshot(At),
    /// A volume is being created.
    Make(At),
    /// A volume goes into a running machine.
    Attach(At),
    /// A volume leaves a running machine.
    Detach(At),
}

impl Work {
    /// Unique among all work of a state.
    pub fn key(&self) -> String {
        let (what, at) = match self {
            Self::Start(at) => ("start", at),
            Self::Stop(at) => ("stop", at),
            Self::Terminate(at) => ("terminate", at),
            Self::Reboot(at) => ("reboot", at),
            Self::Refresh(at) => ("refresh", at),
            Self::Image(at) => ("image", at),
            Self::Settle(at) => ("settle", at),
            Self::Snapshot(at) => ("snapshot", at),
            Self::Make(at) => ("make", at),
            Self::Attach(at) => ("attach", at),
            Self::Detach(at) => ("detach", at),
        };
        format!("{what} {} {}", at.region, at.id)
    }
}

/// All work that can begin now, with what it locks. Claims that are there are respected, whoever owns them.
pub fn due(state: &State) -> Vec<(Work, Vec<String>)> {
    let mut taken: BTreeSet<String> = state.claims.values().flat_map(|c| c.locks.iter().cloned()).collect();
    let mut due = Vec::new();
    for region in state.regions.values() {
        for (work, locks) in wanted(region) {
            let free = !locks.iter().any(|l| taken.contains(l));
            // Also what can't begin yet takes its locks, so that nothing asked for later overtakes it.
            taken.extend(locks.iter().cloned());
            if free {
                due.push((work, locks));
            }
        }
    }
    due
}

/// All work that the region's state asks for, in the order in which it must happen.
fn wanted(r: &Region) -> Vec<(Work, Vec<String>)> {
    let at = |id: &str| At { region: r.name.clone(), id: id.to_owned() };
    let mut all = Vec::new();
    // What was asked for while the volumes were there comes before what takes them away.
    for image in r.images.values().filter(|i| i.state == ImageState::Pending) {
        match &image.source {
            ImageSource::Instance { instance_id, .. } => {
                let mut locks = vec![image.id.clone(), instance_id.clone()];
                locks.extend(r.volumes_of(instance_id).map(|v| v.id.clone()));
                all.push((Work::Image(at(&image.id)), locks));
            }
            _ => all.push((Work::Settle(at(&image.id)), vec![image.id.clone()])),
        }
    }
    for snapshot in r.snapshots.values().filter(|s| s.state == SnapshotState::Pending) {
        // An image takes care of its snapshots, unless it was deregistered meanwhile.
        if snapshot.for_image.as_ref().is_some_and(|i| r.images.get(i).is_some_and(|i| i.state == ImageState::Pending))
        {
            continue;
        }
        let mut locks = vec![snapshot.id.clone()];
        if snapshot.content.is_none() {
            locks.push(snapshot.volume_id.clone());
            locks.extend(
                r.volumes.get(&snapshot.volume_id).and_then(|v| v.attachment.as_ref()).map(|a| a.instance_id.clone()),
            );
        }
        all.push((Work::Snapshot(at(&snapshot.id)), locks));
    }
    for volume in r.volumes.values() {
        if volume.state == VolumeState::Creating {
            all.push((Work::Make(at(&volume.id)), vec![volume.id.clone()]));
        }
        let Some(a) = &volume.attachment else { continue };
        let settled = r
            .instances
            .get(&a.instance_id)
            .is_none_or(|i| !matches!(i.state, InstanceState::Pending | InstanceState::ShuttingDown));
        let locks = vec![volume.id.clone(), a.instance_id.clone()];
        match a.state {
            AttachmentState::Attaching if settled => all.push((Work::Attach(at(&volume.id)), locks)),
            AttachmentState::Detaching { .. } if settled => all.push((Work::Detach(at(&volume.id)), locks)),
            _ => {}
        }
    }
    for i in r.instances.values() {
        let work = match i.state {
            InstanceState::Pending => Work::Start(at(&i.id)),
            InstanceState::Stopping => Work::Stop(at(&i.id)),
            InstanceState::ShuttingDown => Work::Terminate(at(&i.id)),
            InstanceState::Running if i.reboot => Work::Reboot(at(&i.id)),
            InstanceState::Running if i.refresh_metadata => Work::Refresh(at(&i.id)),
            _ => continue,
        };
        let mut locks = vec![i.id.clone()];
        locks.extend(r.volumes_of(&i.id).map(|v| v.id.clone()));
        all.push((work, locks));
    }
    all
}
