//! The image in the build region, with its snapshots.

use super::launch::Launched;
use super::patiently;
use super::unchanged::INPUTS_TAG;
use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{AmiId, Region, SnapshotId};
use crate::amazon::releaser::{belongs, kind};
use crate::amazon::types::{Filter, Image, ImageState, InstanceState, NewImage, Tags};
use crate::amazon::wait::Verdict;
use imgbuild_engine::run::{Held, RUN_TAG};
use imgbuild_template::interpolate;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// An image that is available, in one region.
pub struct Imaged {
    /// Region.
    pub region: Region,
    /// Id.
    pub id: AmiId,
    /// As last described.
    pub image: Image,
    /// Its snapshots.
    pub snapshots: Vec<SnapshotId>,
    /// To be kept or released; none: it is the user's already.
    pub held: Option<Held<()>>,
    /// Snapshots that were made before it, with the same fate.
    pub parts: Vec<Held<()>>,
}

/// What images and snapshots are called and tagged, in every region.
pub struct Labels {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags of images.
    pub image: Tags,
    /// Tags of snapshots.
    pub snapshots: Tags,
}

impl Labels {
    /// Of an image of this name. An interim one does not say what it is made of: `--if-changed` would take it.
    pub fn of(&self, name: &str) -> std::borrow::Cow<'_, Tags> {
        if name == self.name || !self.image.contains_key(INPUTS_TAG) {
            return std::borrow::Cow::Borrowed(&self.image);
        }
        let mut tags = self.image.clone();
        tags.remove(INPUTS_TAG);
        std::borrow::Cow::Owned(tags)
    }

    /// Renders them.
    pub fn render(env: &Env<'_>, source: Option<&Image>) -> Result<Labels, Failure> {
        let config = env.config;
        let context = env.context(source);
        let description = match &config.ami.description {
            Some(text) => interpolate::render(text, &context).map_err(|d| Failure::new(d.to_string()))?,
            None => String::new(),
        };
        let mut image = Tags::new();
        if !config.skip_ami_run_tags {
            image.extend(env.tags(&config.run.run_tags, &context)?);
        }
        image.extend(env.tags(&config.ami.tags, &context)?);
        let mut snapshots = image.clone();
        snapshots.extend(env.tags(&config.ami.snapshot_tags, &context)?);
        if description.chars().count() > 255 {
            let length = description.chars().count();
            return Err(Failure::new(format!("\"ami_description\" has {length} characters; EC2 takes 255")));
        }
        fit("the AMI", &image)?;
        fit("the snapshots", &snapshots)?;
        Ok(Labels { name: config.ami.name.clone(), description, image, snapshots })
    }
}

/// EC2's limits for tags. The run's own tags need room, too: two at most.
fn fit(what: &str, tags: &Tags) -> Result<(), Failure> {
    const MOST: usize = 50 - 2;
    if tags.len() > MOST {
        return Err(Failure::new(format!("{what} would get {} tags; EC2 takes 50, with those of the run", tags.len())));
    }
    for (key, value) in tags {
        let (long, longest) = (key.chars().count(), value.chars().count());
        if !(1..=128).contains(&long) || longest > 256 {
            let message = format!(
                "the tag {key:?} of {what} has a key of {long} and a value of {longest} characters; EC2 takes 1 to 128, and 256"
            );
            return Err(Failure::new(message));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Failure::new(format!("the tag {key:?} of {what}: names that begin with aws: are EC2's own")));
        }
    }
    Ok(())
}

/// Makes it and waits until it is available. `name` differs from the final one where the image is only an interim one.
pub async fn run(env: &Env<'_>, launched: &Launched, labels: &Labels, name: &str) -> Result<Imaged, Failure> {
    env.ui().say(format!("Creating AMI {name} from instance {}", launched.id));
    let mappings: Vec<_> = env.config.ami_mappings.iter().map(|d| d.mapping.clone()).collect();
    let tags = labels.of(name);
    let intent = env.intent(kind::IMAGE, &env.region, Some(name.to_owned()), None, tags.clone().into_owned());
    let untagged = AtomicBool::new(false);
    let held = env
        .acquire("creating the AMI", intent, |intent| {
            let mut image = NewImage {
                instance: launched.id.clone(),
                name: name.to_owned(),
                description: labels.description.clone(),
                mappings: mappings.clone(),
                image_tags: intent.tags.clone(),
                snapshot_tags: with_run(&labels.snapshots, &intent.tags),
            };
            let untagged = &untagged;
            async move {
                match create(env, &image).await {
                    // Emulators of EC2 crash over snapshot tags; those are set afterwards then.
                    Err(error) if error.certain() && error.code == "Http500" => {
                        untagged.store(true, Ordering::Relaxed);
                        image.snapshot_tags = Tags::new();
                        create(env, &image).await
                    }
                    made => made,
                }
            }
        })
        .await?;
    let id = AmiId::new(held.id.clone());
    env.ui().message(format!("AMI: {id}"));
    env.ui().say("Waiting for AMI to become ready...");
    let image = available(env, &env.region, &id).await?;
    let snapshots = snapshots(&image);
    let run = run_tag(env);
    let (want_image, want_snapshots) = (with_run(&tags, &run), with_run(&labels.snapshots, &run));
    let lacks = lacks(&image.tags, &want_image);
    if lacks || untagged.load(Ordering::Relaxed) {
        tag(env, &env.region, &id, &snapshots, &want_image, &want_snapshots).await?;
    }
    Ok(Imaged { region: env.region.clone(), id, image, snapshots, held: Some(held), parts: Vec::new() })
}

/// The run's tag as a map.
pub fn run_tag(env: &Env<'_>) -> Tags {
    Tags::from([(RUN_TAG.to_owned(), env.session.run.run().id().to_owned())])
}

/// `tags` with the run's tag out of `from`.
pub fn with_run(tags: &Tags, from: &Tags) -> Tags {
    let mut tags = tags.clone();
    tags.extend(from.get_key_value(RUN_TAG).map(|(k, v)| (k.clone(), v.clone())));
    tags
}

/// Whether any of the wanted tags is not there.
pub fn lacks(there: &Tags, wanted: &Tags) -> bool {
    wanted.iter().any(|(key, value)| there.get(key) != Some(value))
}

/// An image's snapshots.
pub fn snapshots(image: &Image) -> Vec<SnapshotId> {
    image.mappings.iter().filter_map(|m| m.snapshot.clone()).collect()
}

/// EC2 may still see a stopped instance as stopping; Packer tries for a quarter of an hour, too.
async fn create(env: &Env<'_>, image: &NewImage) -> Result<String, Ec2Error> {
    let start = Instant::now();
    let mut pause = env.shared.pause / 5;
    loop {
        match env.ec2.create_image(image).await {
            Ok(id) => return Ok(id.to_string()),
            Err(error)
                if error.message.contains("Instance is not in state")
                    && start.elapsed() < Duration::from_secs(900)
                    && !env.session.run.cancel().is_cancelled()
                    && !is_over(env, image).await =>
            {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the instance will never be fit for an image again (a spot instance that was taken back).
async fn is_over(env: &Env<'_>, image: &NewImage) -> bool {
    let found = env.ec2.instances(vec![Filter::new("instance-id", image.instance.as_str())]).await;
    let over = |state| matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated);
    found.is_ok_and(|found| found.iter().any(|instance| over(instance.state)))
}

/// How often the snapshots of an image that is being made are asked for their progress.
const PROGRESS: Duration = Duration::from_secs(45);

/// Waits until an image of this account is available, and tells how far its snapshots are.
pub async fn available(env: &Env<'_>, region: &Region, id: &AmiId) -> Result<Image, Failure> {
    let ec2 = env.account.ec2(region);
    let poller = env.shared.pollers.of(&ec2);
    let wait = env.wait(format!("AMI {id} to become available"), Duration::from_secs(3600)).usually(90);
    let percent = Mutex::new(None);
    let verdict = |image: Option<&Image>| match image.map(|i| (&i.state, i)) {
        Some((ImageState::Available, _)) => Verdict::Done,
        None | Some((ImageState::Pending, _)) => Verdict::Later(*percent.lock().unwrap_or_else(|e| e.into_inner())),
        Some((ImageState::Bad(state), image)) => {
            let why = image.state_reason.clone().unwrap_or_else(|| "no reason given".into());
            Verdict::Never(format!("AMI {} became {state}: {why}", image.id))
        }
    };
    let watch = async {
        let run = Filter::new(format!("tag:{RUN_TAG}"), env.session.run.run().id());
        loop {
            tokio::time::sleep(PROGRESS).await;
            // Progress is a courtesy: without permission to look there is none.
            let Ok(found) = ec2.snapshots(vec![run.clone()]).await else { return std::future::pending::<()>().await };
            let done = found.iter().filter(|s| belongs(s, id)).filter_map(|s| s.progress).min();
            *percent.lock().unwrap_or_else(|e| e.into_inner()) = done;
        }
    };
    let image = tokio::select! {
        image = poller.image(id, wait, verdict) => image.map_err(Failure::wait)?,
        () = watch => None,
    };
    image.ok_or_else(|| Failure::new(format!("AMI {id} is not there")))
}

/// Sets tags after the fact, where the create call could not.
pub async fn tag(
    env: &Env<'_>,
    region: &Region,
    id: &AmiId,
    snapshots: &[SnapshotId],
    image_tags: &Tags,
    snapshot_tags: &Tags,
) -> Result<(), Failure> {
    let ec2 = env.account.ec2(region);
    env.ui().say(format!("Adding tags to AMI ({id})..."));
    let snapshots: Vec<String> = snapshots.iter().map(ToString::to_string).collect();
    let together = image_tags == snapshot_tags;
    let mut first = vec![id.to_string()];
    if together {
        first.extend(snapshots.iter().cloned());
    }
    patiently(env, "tagging the AMI", Ec2Error::is_not_found, || ec2.create_tags(&first, image_tags)).await?;
    if !together && !snapshots.is_empty() {
        patiently(env, "tagging the snapshots", Ec2Error::is_not_found, || ec2.create_tags(&snapshots, snapshot_tags))
            .await?;
    }
    Ok(())
}
