//! `amazon-ebsvolume`: what becomes of the volumes that the provisioners have filled.
//!
//! Invariant: until all is done the volumes belong to their instance, and whoever removes that removes them, too. Then each
//! stands in the journal by itself, and the instance goes without them.

use super::launch::Launched;
use super::{patiently, publish, snapshot};
use crate::amazon::ebs::end;
use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{SnapshotId, VolumeId};
use crate::amazon::options::volumes::VolumeOf;
use crate::amazon::releaser::{KEEP_TAG, TOKEN_TAG, kind};
use crate::amazon::types::{Grant, Image, Tags};
use futures_util::future::join_all;
use imgbuild_engine::run::{CallFailed, Held, RUN_TAG};

/// What a build leaves.
pub struct Filled {
    /// Volumes.
    pub volumes: Vec<VolumeId>,
    /// Snapshots.
    pub snapshots: Vec<SnapshotId>,
}

/// Tags as they will be.
pub struct Labels {
    /// Each volume's, in the order of the template.
    volumes: Vec<Tags>,
    /// Each volume's snapshot's.
    snapshots: Vec<Tags>,
    /// The keys that only the build's own volumes have.
    temporary: Vec<String>,
}

impl Labels {
    /// Renders them, before anything is made.
    pub fn render(env: &Env<'_>, source: &Image, wanted: &[VolumeOf]) -> Result<Labels, Failure> {
        let context = env.context(Some(source));
        let of = |tags| env.tags(tags, &context);
        let snapshots = wanted.iter().map(|v| v.snapshot.as_ref().map_or(Ok(Tags::new()), |s| of(&s.tags)));
        Ok(Labels {
            volumes: wanted.iter().map(|v| of(&v.tags)).collect::<Result<_, _>>()?,
            snapshots: snapshots.collect::<Result<_, _>>()?,
            temporary: of(&env.config.run.volume_tags)?.into_keys().collect(),
        })
    }
}

/// The volume of a device, if the instance has one.
fn volume_of<'a>(launched: &'a Launched, device: &str) -> Option<&'a VolumeId> {
    launched.instance.volumes.iter().find(|v| v.device_name == device).map(|v| &v.id)
}

/// Gives the volumes their own tags instead of those of the launch.
pub async fn tag(env: &Env<'_>, launched: &Launched, wanted: &[VolumeOf], labels: &Labels) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    env.ui().say("Tagging EBS volumes...");
    for (volume, tags) in wanted.iter().zip(&labels.volumes) {
        let Some(id) = volume_of(launched, &volume.device) else {
            return Err(Failure::new(format!("the instance has no volume {}", volume.device)));
        };
        let ids = [id.to_string()];
        let gone: Vec<String> = labels.temporary.iter().filter(|key| !tags.contains_key(*key)).cloned().collect();
        if !gone.is_empty() {
            let what = "taking run_volume_tags off a volume";
            patiently(env, what, Ec2Error::is_not_found, || env.ec2.delete_tags(&ids, &gone)).await?;
        }
        if !tags.is_empty() {
            patiently(env, "tagging a volume", Ec2Error::is_not_found, || env.ec2.create_tags(&ids, tags)).await?;
        }
    }
    Ok(())
}

/// Makes the snapshots and shares them, lets the instance go, and makes what is left the user's.
pub async fn finish(
    env: &Env<'_>,
    launched: Launched,
    wanted: &[VolumeOf],
    labels: &Labels,
) -> Result<Filled, Failure> {
    // All are begun even where one fails, so that what was begun is known.
    let begun = join_all(wanted.iter().zip(&labels.snapshots).filter_map(|(volume, tags)| {
        let wanted = volume.snapshot.as_ref()?;
        let id = volume_of(&launched, &volume.device)?.clone();
        let description = wanted.description.clone().unwrap_or_else(|| format!("{} of {id}", volume.device));
        Some(async move {
            let held = snapshot::take(env, &volume.device, &id, &description, tags).await?;
            Ok::<_, Failure>((held, &wanted.grant))
        })
    }))
    .await;
    let snapshots: Vec<(Held<()>, &Grant)> = begun.into_iter().collect::<Result<_, _>>()?;
    let ids: Vec<SnapshotId> = snapshots.iter().map(|(held, _)| SnapshotId::new(held.id.clone())).collect();
    if !ids.is_empty() {
        env.ui().say("Waiting for Snapshots to become ready...");
    }
    snapshot::completed(env, &ids).await?;
    for (id, (_, grant)) in ids.iter().zip(&snapshots) {
        for (one, _) in publish::each(grant) {
            let what = "sharing a snapshot";
            patiently(env, what, Ec2Error::is_not_found, || env.ec2.share_snapshot(id, &one)).await?;
        }
    }
    let kept: Vec<VolumeId> =
        wanted.iter().filter(|v| v.kept).filter_map(|v| volume_of(&launched, &v.device).cloned()).collect();
    let mut owed = Vec::new();
    for id in &kept {
        let intent = env.intent(kind::VOLUME, &env.region, None, None, Tags::new());
        let id = id.to_string();
        let held = env.session.run.acquire(intent, |_| async move { Ok::<_, CallFailed<Ec2Error>>((id, ())) });
        owed.push(held.await.map_err(|e| Failure::acquire("keeping a volume", e))?);
    }
    let names: Vec<String> = kept.iter().map(ToString::to_string).collect();
    if !names.is_empty() {
        let keep = Tags::from([(KEEP_TAG.to_owned(), "true".to_owned())]);
        patiently(env, "marking the volumes as kept", Ec2Error::is_not_found, || env.ec2.create_tags(&names, &keep))
            .await?;
    }
    end(env, launched.held).await;
    settle(env, &names, &ids).await?;
    // The snapshots first: a death in between leaves no volume without its snapshot.
    for held in snapshots.into_iter().map(|(held, _)| held).chain(owed) {
        env.session.run.keep(held)?;
    }
    Ok(Filled { volumes: kept, snapshots: ids })
}

/// Takes the run's tags off what stays. Who may not delete tags marks it as kept instead.
async fn settle(env: &Env<'_>, volumes: &[String], snapshots: &[SnapshotId]) -> Result<(), Failure> {
    let ids: Vec<String> = volumes.iter().cloned().chain(snapshots.iter().map(ToString::to_string)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let keys = [RUN_TAG, TOKEN_TAG, KEEP_TAG].map(str::to_owned);
    let untagged =
        patiently(env, "taking the run's tags off", Ec2Error::is_not_found, || env.ec2.delete_tags(&ids, &keys));
    match untagged.await {
        Err(failure) if failure.cancelled => Err(failure),
        Err(_) => {
            let keep = Tags::from([(KEEP_TAG.to_owned(), "true".to_owned())]);
            patiently(env, "marking what is kept", Ec2Error::is_not_found, || env.ec2.create_tags(&ids, &keep)).await
        }
        Ok(()) => Ok(()),
    }
}
