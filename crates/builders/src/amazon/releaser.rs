//! Finds and removes what a build made, for unwinding and for `imgbuild gc`.
//!
//! Invariant: what does not carry the run's tag is never touched, except by an id that the journal holds.

use super::chroot::mounts;
use super::chroot::shell::Shell;
use super::ec2::{Account, Ec2, Ec2Error};
use super::ids::{AmiId, InstanceId, Region, SecurityGroupId, SnapshotId, VolumeId};
use super::options::access::Polling;
use super::pollers::Pollers;
use super::ssm::Ssm;
use super::tunnel;
use super::types::{Filter, Image, ImageQuery, ImageState, Instance, InstanceState, Snapshot, Tags};
use super::wait::{Verdict, Wait};
use async_trait::async_trait;
use imgbuild_engine::journal::Intent;
use imgbuild_engine::run::{RUN_TAG, Releaser};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Tag with the token of one launch, on the instance and its volumes.
pub const TOKEN_TAG: &str = "imgbuild:token";
/// Looks at what EC2 says is not there, with longer and longer pauses: ten seconds in all.
const INVISIBLE: u32 = 4;
/// Tag of a volume that the template wants to keep.
pub const KEEP_TAG: &str = "imgbuild:keep";
/// The value of that tag where it only says that a build published the image and could not take the run's tag off. `prune` takes no
/// notice of it.
pub const PUBLISHED: &str = "published";

/// Kinds, as the journal names them.
pub mod kind {
    /// A key pair; its id is its name.
    pub const KEY_PAIR: &str = "key-pair";
    /// A security group.
    pub const SECURITY_GROUP: &str = "security-group";
    /// An instance with its volumes.
    pub const INSTANCE: &str = "instance";
    /// An image with its snapshots.
    pub const IMAGE: &str = "image";
    /// A new image under an interim name, once old ones may be gone; the intent's name is the name that it is to get. It goes
    /// when a newer image has that name, and not before.
    pub const INTERIM: &str = "interim-image";
    /// A snapshot of an image that is replaced; it goes unless an image still stands on it.
    pub const OLD_SNAPSHOT: &str = "replaced-snapshot";
    /// A launch template.
    pub const LAUNCH_TEMPLATE: &str = "launch-template";
    /// A role of a temporary instance profile; its id is its name.
    pub const ROLE: &str = "iam-role";
    /// A temporary instance profile; its id is its name.
    pub const INSTANCE_PROFILE: &str = "instance-profile";
    /// A snapshot that belongs to no image yet.
    pub const SNAPSHOT: &str = "snapshot";
    /// A directory of this machine in which volumes are mounted; its id is its path.
    pub const CHROOT: &str = "chroot";
    /// A volume by itself.
    pub const VOLUME: &str = "volume";
    /// A session of Session Manager; the intent's name is its instance.
    pub const SESSION: &str = "session";
}

/// Removes things in one account, in any region.
#[derive(Clone)]
pub struct AmazonReleaser {
    account: Arc<dyn Account>,
    pollers: Arc<Pollers>,
    polling: Polling,
    pause: Duration,
    /// How commands are run on this machine; none: as root.
    shell: Option<Shell>,
}

impl AmazonReleaser {
    /// A releaser over an account.
    pub fn new(account: Arc<dyn Account>, pollers: Arc<Pollers>, polling: Polling, pause: Duration) -> Self {
        AmazonReleaser { account, pollers, polling, pause, shell: None }
    }

    /// Runs commands on this machine in this way.
    pub fn with_shell(self, shell: Shell) -> Self {
        AmazonReleaser { shell: Some(shell), ..self }
    }

    fn ec2(&self, intent: &Intent) -> Arc<dyn Ec2> {
        self.account.ec2(&Region::new(intent.place.region.clone()))
    }

    async fn look(&self, intent: &Intent) -> Result<Vec<String>, Ec2Error> {
        let ec2 = self.ec2(intent);
        let ours = |tags: &Tags| intent.tags.get(RUN_TAG).is_some_and(|run| tags.get(RUN_TAG) == Some(run));
        let name = intent.name.clone().unwrap_or_default();
        Ok(match intent.kind.as_str() {
            kind::KEY_PAIR => {
                let found = ec2.key_pairs(vec![Filter::new("key-name", name)]).await?;
                found.into_iter().filter(|k| ours(&k.tags)).map(|k| k.name).collect()
            }
            kind::SECURITY_GROUP => {
                let found = ec2.security_groups(vec![Filter::new("group-name", name)]).await?;
                found.into_iter().filter(|g| ours(&g.tags)).map(|g| g.id.to_string()).collect()
            }
            kind::INSTANCE => {
                let token = intent.token.clone().unwrap_or_default();
                let found = ec2.instances(vec![Filter::new(format!("tag:{TOKEN_TAG}"), token)]).await?;
                let alive = found.into_iter().filter(|i| i.state != InstanceState::Terminated && ours(&i.tags));
                alive.map(|i| i.id.to_string()).collect()
            }
            kind::IMAGE => {
                let filters = vec![Filter::new("name", name)];
                let query = ImageQuery { owners: vec!["self".into()], filters, ..ImageQuery::default() };
                ec2.images(query).await?.into_iter().filter(|i| ours(&i.tags)).map(|i| i.id.to_string()).collect()
            }
            kind::LAUNCH_TEMPLATE => {
                let found = ec2.launch_templates(vec![Filter::new("launch-template-name", name)]).await?;
                found.into_iter().filter(|t| ours(&t.tags)).map(|t| t.id).collect()
            }
            kind::ROLE => {
                let found = self.account.iam().role(&name).await?;
                found.into_iter().filter(|r| ours(&r.tags)).map(|r| r.name).collect()
            }
            kind::INSTANCE_PROFILE => {
                let found = self.account.iam().instance_profile(&name).await?;
                found.into_iter().filter(|p| ours(&p.tags)).map(|p| p.name).collect()
            }
            kind::CHROOT => vec![name],
            kind::VOLUME => {
                let token = intent.token.clone().unwrap_or_default();
                let found = ec2.volumes(vec![Filter::new(format!("tag:{TOKEN_TAG}"), token)]).await?;
                found.into_iter().filter(|v| ours(&v.tags)).map(|v| v.id.to_string()).collect()
            }
            kind::SNAPSHOT => {
                let token = intent.token.clone().unwrap_or_default();
                let found = ec2.snapshots(vec![Filter::new(format!("tag:{TOKEN_TAG}"), token)]).await?;
                found.into_iter().filter(|s| ours(&s.tags)).map(|s| s.id.to_string()).collect()
            }
            kind::SESSION => {
                // Sessions have no tags; the reason that they were started for holds the token.
                let reason = tunnel::reason(&intent.token.clone().unwrap_or_default());
                let open = self.ssm(intent).active_sessions(&InstanceId::new(name)).await?;
                open.into_iter().filter(|s| s.reason == reason).map(|s| s.id).collect()
            }
            _ => Vec::new(),
        })
    }

    fn ssm(&self, intent: &Intent) -> Arc<dyn Ssm> {
        self.account.ssm(&Region::new(intent.place.region.clone()))
    }

    async fn release_profile(&self, name: &str) -> Result<(), Ec2Error> {
        let iam = self.account.iam();
        for role in iam.instance_profile(name).await?.into_iter().flat_map(|p| p.roles) {
            iam.remove_role(name, &role).await?;
        }
        iam.delete_instance_profile(name).await
    }

    async fn release_instance(&self, ec2: &Arc<dyn Ec2>, intent: &Intent, id: &InstanceId) -> Result<(), String> {
        let poller = self.pollers.of(ec2);
        // Only what was seen, while it lived, to take all its volumes along needs no look at them afterwards.
        let takes_all = |seen: Instance| {
            !matches!(seen.state, InstanceState::ShuttingDown | InstanceState::Terminated)
                && !seen.volumes.is_empty()
                && seen.volumes.iter().all(|volume| volume.delete_on_termination)
        };
        let leaves_volumes = !poller.last_seen(id).is_some_and(takes_all);
        match self.insist(|| ec2.terminate_instance(id)).await {
            Err(error) if !error.is_not_found() => return Err(error.to_string()),
            _ => {}
        }
        let what = format!("instance {id} to be terminated");
        let wait = Wait::new(what, Duration::from_secs(900), &self.polling);
        let gone = poller.instance(id, wait, |instance| match instance.map(|i| i.state) {
            None | Some(InstanceState::Terminated) => Verdict::Done,
            Some(_) => Verdict::Later(None),
        });
        gone.await.map_err(|e| e.to_string())?;
        match &intent.token {
            Some(token) if leaves_volumes => self.delete_volumes(ec2, token).await,
            _ => Ok(()),
        }
    }

    /// Deletes the volumes of a launch that outlived their instance, but those that are marked to be kept.
    async fn delete_volumes(&self, ec2: &Arc<dyn Ec2>, token: &str) -> Result<(), String> {
        let filters = vec![Filter::new(format!("tag:{TOKEN_TAG}"), token)];
        let left = ec2.volumes(filters).await.map_err(|e| e.to_string())?;
        let mut failed = Vec::new();
        for volume in left.iter().filter(|v| !v.tags.contains_key(KEEP_TAG) && v.state != "deleting") {
            let deleted = self.until_free("VolumeInUse", || ec2.delete_volume(&volume.id)).await;
            if let Err(error) = deleted {
                failed.push(format!("volume {}: {error}", volume.id));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    /// Detaches a volume from whatever it is attached to, and deletes it.
    async fn release_volume(&self, ec2: &Arc<dyn Ec2>, id: &VolumeId, force: bool) -> Result<(), String> {
        let found = ec2.volumes(vec![Filter::new("volume-id", id.as_str())]).await.map_err(|e| e.to_string())?;
        if found.iter().any(|v| v.attachment.as_ref().is_some_and(|a| a.state != "detaching")) {
            match ec2.detach_volume(id, force).await {
                // It went meanwhile, or is on its way.
                Err(error) if !error.is_not_found() && error.code != "IncorrectState" => return Err(error.to_string()),
                _ => {}
            }
        }
        let delete = || self.insist(|| ec2.delete_volume(id));
        self.until_free("VolumeInUse", delete).await.map_err(|e| e.to_string())
    }

    async fn release_image(&self, ec2: &Arc<dyn Ec2>, intent: &Intent, id: &AmiId) -> Result<(), String> {
        let filters = vec![Filter::new("image-id", id.as_str())];
        let query = ImageQuery { owners: vec!["self".into()], filters, ..ImageQuery::default() };
        let image = ec2.images(query).await.map_err(|e| e.to_string())?.into_iter().next();
        let pending = image.as_ref().is_some_and(|i| i.state == ImageState::Pending);
        let mut snapshots: Vec<_> = image.iter().flat_map(|i| &i.mappings).filter_map(|m| m.snapshot.clone()).collect();
        let tagged = image.as_ref().is_some_and(|i| i.tags.contains_key(RUN_TAG));
        if tagged && !snapshots.is_empty() {
            // An image may stand on snapshots that were there before it: those stay. (One that is settled already, and is
            // about to be kept, has lost its tags; EC2 deletes no snapshot that another image stands on.)
            let filters = vec![Filter::any("snapshot-id", &snapshots)];
            let found = ec2.snapshots(filters).await.map_err(|e| e.to_string())?;
            let run = intent.tags.get(RUN_TAG);
            let ours = |s: &Snapshot| belongs(s, id) || run.is_some_and(|run| s.tags.get(RUN_TAG) == Some(run));
            snapshots = found.into_iter().filter(ours).map(|s| s.id).collect();
        }
        match self.insist(|| ec2.deregister_image(id)).await {
            // A name for "not there" that differs from other kinds' names.
            Err(error) if !error.is_not_found() && error.code != "InvalidAMIID.Unavailable" => {
                return Err(error.to_string());
            }
            _ => {}
        }
        // Snapshots of an image that was being made may turn up only now; one without any is looked at longer.
        let unsettled = pending || image.is_none();
        let mut met = !snapshots.is_empty();
        for round in 0..=2 * INVISIBLE {
            if round
                >= if !unsettled {
                    1
                } else if met {
                    3
                } else {
                    2 * INVISIBLE
                }
            {
                break;
            }
            if round > 0 {
                tokio::time::sleep(self.pause * round.min(3)).await;
            }
            if let Some(run) = intent.tags.get(RUN_TAG) {
                let filters = vec![Filter::new(format!("tag:{RUN_TAG}"), run.clone())];
                let tagged = ec2.snapshots(filters).await.map_err(|e| e.to_string())?;
                snapshots.extend(tagged.into_iter().filter(|s| belongs(s, id)).map(|s| s.id));
            }
            snapshots.sort();
            snapshots.dedup();
            met |= !snapshots.is_empty();
            for snapshot in std::mem::take(&mut snapshots) {
                match self.until_free("InvalidSnapshot.InUse", || ec2.delete_snapshot(&snapshot)).await {
                    Err(error) if !error.is_not_found() => return Err(format!("snapshot {snapshot}: {error}")),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Snapshots that EC2 made for an image that is gone: no tag tells of them, but their descriptions do.
    async fn release_snapshots_of(&self, ec2: &Arc<dyn Ec2>, id: &AmiId) -> Result<(), String> {
        let filters = vec![Filter::new("description", format!("*{id}*"))];
        let found = ec2.snapshots(filters).await.map_err(|e| e.to_string())?;
        for snapshot in found.iter().filter(|s| belongs(s, id)) {
            match self.until_free("InvalidSnapshot.InUse", || ec2.delete_snapshot(&snapshot.id)).await {
                Err(error) if !error.is_not_found() => return Err(format!("snapshot {}: {error}", snapshot.id)),
                _ => {}
            }
        }
        Ok(())
    }

    /// An image of the run under an interim name. Where the run's tag is still on it the swap had not begun, and it goes like any
    /// other. Else it may be the only image of its content: it goes only when a newer one, finished, has the name.
    async fn release_interim(&self, ec2: &Arc<dyn Ec2>, intent: &Intent, id: &AmiId) -> Result<(), String> {
        let look = async |filter: Filter| {
            let query = ImageQuery {
                owners: vec!["self".into()],
                filters: vec![filter],
                include_deprecated: true,
                ..ImageQuery::default()
            };
            ec2.images(query).await.map_err(|e| e.to_string())
        };
        let Some(interim) = look(Filter::new("image-id", id.as_str())).await?.into_iter().next() else {
            // Somebody died, or was refused, between the image and its snapshots.
            return self.release_snapshots_of(ec2, id).await;
        };
        let finished = |image: &Image| {
            image.state == ImageState::Available
                && (!image.tags.contains_key(RUN_TAG) || image.tags.contains_key(KEEP_TAG))
        };
        let name = intent.name.clone().unwrap_or_default();
        let others = look(Filter::new("name", name.clone())).await?;
        let replaced = others.iter().any(|i| i.id != *id && finished(i) && i.creation_date >= interim.creation_date);
        if replaced || !finished(&interim) {
            return self.release_image(ec2, intent, id).await;
        }
        Err(format!(
            "it is the new image, under the name {:?}, and no newer one that is finished has the name {name:?}: it is kept until one has. Build \
             again, then gc removes it",
            interim.name
        ))
    }

    /// What EC2 says is not there may have been made a moment ago and not be visible yet: only when it says so for a while it is
    /// believed.
    async fn insist<F, Fut>(&self, call: F) -> Result<(), Ec2Error>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<(), Ec2Error>>,
    {
        for tries in 1..=INVISIBLE {
            match call().await {
                Err(error) if error.is_not_found() => tokio::time::sleep(self.pause * tries).await,
                other => return other,
            }
        }
        call().await
    }

    /// Tries again while EC2 still sees a thing in use, for about two minutes.
    async fn until_free<F, Fut>(&self, in_use: &str, call: F) -> Result<(), Ec2Error>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<(), Ec2Error>>,
    {
        let mut pause = self.pause;
        let mut tries = 0;
        loop {
            match call().await {
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) if error.code == in_use && tries < 30 => {
                    tries += 1;
                    tokio::time::sleep(pause).await;
                    pause = pause.mul_f64(1.5).min(Duration::from_secs(5));
                }
                other => return other,
            }
        }
    }
}

/// Whether EC2 made a snapshot for this image: it writes the image's id into the description. A copy's description names its
/// source, too.
pub fn belongs(snapshot: &Snapshot, image: &AmiId) -> bool {
    let text = &snapshot.description;
    if text.contains("DestinationAmi") {
        text.contains(&format!("DestinationAmi {image}"))
    } else {
        text.contains(image.as_str())
    }
}

#[async_trait]
impl Releaser for AmazonReleaser {
    async fn find(&self, intent: &Intent) -> Result<Vec<String>, String> {
        // What was made a moment ago may not be visible yet.
        for round in 0..3u32 {
            let found = self.look(intent).await.map_err(|e| e.to_string())?;
            if !found.is_empty() {
                return Ok(found);
            }
            if round < 2 {
                tokio::time::sleep(self.pause * (round + 1)).await;
            }
        }
        Ok(Vec::new())
    }

    async fn release(&self, intent: &Intent, id: &str) -> Result<(), String> {
        let ec2 = self.ec2(intent);
        match intent.kind.as_str() {
            kind::KEY_PAIR => ec2.delete_key_pair(id).await.map_err(|e| e.to_string()),
            kind::SECURITY_GROUP => {
                let group = SecurityGroupId::from(id);
                let delete = || self.insist(|| ec2.delete_security_group(&group));
                let deleted = self.until_free("DependencyViolation", delete).await;
                deleted.map_err(|e| e.to_string())
            }
            kind::INSTANCE => self.release_instance(&ec2, intent, &InstanceId::from(id)).await,
            kind::IMAGE => self.release_image(&ec2, intent, &AmiId::from(id)).await,
            kind::INTERIM => self.release_interim(&ec2, intent, &AmiId::from(id)).await,
            kind::OLD_SNAPSHOT => {
                let snapshot = SnapshotId::from(id);
                match ec2.delete_snapshot(&snapshot).await {
                    // It stays with the image that stands on it: that one was not replaced.
                    Err(error) if !error.is_not_found() && error.code != "InvalidSnapshot.InUse" => {
                        Err(error.to_string())
                    }
                    _ => Ok(()),
                }
            }
            kind::LAUNCH_TEMPLATE => match self.insist(|| ec2.delete_launch_template(id)).await {
                Err(error) if !error.is_not_found() => Err(error.to_string()),
                _ => Ok(()),
            },
            kind::INSTANCE_PROFILE => self.release_profile(id).await.map_err(|e| e.to_string()),
            kind::ROLE => {
                let iam = self.account.iam();
                // A profile that was deleted a moment ago may still hold it.
                let deleted = self.until_free("DeleteConflict", || iam.delete_role(id)).await;
                deleted.map_err(|e| e.to_string())
            }
            kind::SNAPSHOT => {
                let snapshot = SnapshotId::from(id);
                let delete = || self.insist(|| ec2.delete_snapshot(&snapshot));
                let deleted = self.until_free("InvalidSnapshot.InUse", delete).await;
                deleted.map_err(|e| e.to_string())
            }
            kind::CHROOT => {
                let shell = self.shell.clone().unwrap_or_else(Shell::as_root);
                mounts::unmount(&shell, id).await
            }
            kind::SESSION => self.ssm(intent).terminate_session(id).await.map_err(|e| e.to_string()),
            // One that came with a launch goes although its instance may still use it: that goes, too.
            kind::VOLUME => self.release_volume(&ec2, &VolumeId::from(id), intent.token.is_none()).await,
            other => Err(format!("this version does not know how to remove a {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_belong_to_the_image_that_they_were_made_for() {
        let snapshot = |description: &str| Snapshot {
            id: "snap-1".into(),
            description: description.into(),
            state: "completed".into(),
            state_reason: None,
            progress: None,
            tags: Tags::new(),
        };
        let copied = "Copied for DestinationAmi ami-2 from SourceAmi ami-1 for SourceSnapshot snap-0.";
        for (text, image, expected) in [
            ("Created by CreateImage(i-1) for ami-1", "ami-1", true),
            ("Created by CreateImage(i-1) for ami-1", "ami-2", false),
            (copied, "ami-2", true),
            (copied, "ami-1", false),
        ] {
            assert_eq!(belongs(&snapshot(text), &image.into()), expected, "{text} {image}");
        }
    }
}
