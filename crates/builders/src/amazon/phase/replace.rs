//! `force_deregister`: the images that have the name already, what has to be known of them before anything is made, and their end.

use super::image::snapshots;
use super::preflight::Checked;
use crate::amazon::ec2::{Account, ErrorKind};
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::Region;
use crate::amazon::options::Config;
use crate::amazon::options::ami::Replace;
use crate::amazon::releaser::{KEEP_TAG, kind};
use crate::amazon::types::{Filter, Image, ImageCopy, ImageQuery, ImageState, Tags};
use crate::amazon::wait::Verdict;
use futures_util::future::join_all;
use imgbuild_engine::run::{CallFailed, Held, RUN_TAG};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// How long another run that has just made an image of the name may take until it is done with it.
const OTHER_RUN: Duration = Duration::from_secs(1800);

/// How long it may take to settle one that is available. After that the run is taken for dead: somebody killed it.
const SETTLING: u32 = 60;

/// The images of this account that have the template's name in a region.
pub async fn holders(env: &Env<'_>, region: &Region) -> Result<Vec<Image>, Failure> {
    let query = ImageQuery {
        owners: vec!["self".into()],
        filters: vec![Filter::new("name", env.config.ami.name.clone())],
        include_deprecated: true,
        ..ImageQuery::default()
    };
    let ec2 = env.account.ec2(region);
    env.read("looking for AMIs of the same name", ec2.images(query)).await
}

/// Whether these images can be replaced. In one region a refusal would come when those of the others are gone already, so all
/// are asked before anything is made: protection against deregistration, and dry runs of the calls that the swap needs.
pub async fn possible(env: &Env<'_>, old: &[(Region, Image)]) -> Result<(), Failure> {
    let looks = join_all(old.iter().map(|(region, image)| obstacles(env.config, &env.account, region, image)));
    let found = env.session.run.cancel().guard(looks).await.ok_or_else(Failure::cancelled)?;
    let obstacles: Vec<String> = found.into_iter().flatten().collect();
    if obstacles.is_empty() {
        return Ok(());
    }
    let name = &env.config.ami.name;
    let message = format!("AMIs named {name:?} are there already and can't be replaced: {}", obstacles.join("; "));
    Err(Failure::new(message).help(format!("the name comes from {}", env.config.ami.name_place)))
}

/// Why an image can't be replaced.
pub async fn obstacles(config: &Config, account: &Arc<dyn Account>, region: &Region, image: &Image) -> Vec<String> {
    let id = &image.id;
    let mut found = Vec::new();
    if let Some(how) = &image.protection {
        found.push(format!("{id} in {region} is protected from being deregistered ({how})"));
    }
    let ec2 = account.ec2(region);
    let copy = ImageCopy {
        client_token: uuid::Uuid::new_v4().to_string(),
        source_region: region.to_string(),
        source: id.clone(),
        name: super::copy::interim_name(&config.ami.name),
        description: String::new(),
        encrypted: None,
        kms_key_id: None,
        completion_minutes: None,
        image_tags: Tags::new(),
        snapshot_tags: Tags::new(),
    };
    let snapshot = snapshots(image).into_iter().next().filter(|_| config.ami.replace == Replace::WithSnapshots);
    let unsnapped = async {
        match &snapshot {
            Some(snapshot) => ec2.try_delete_snapshot(snapshot).await,
            None => Ok(()),
        }
    };
    let (gone, copied, unsnapped) = tokio::join!(ec2.try_deregister_image(id), ec2.try_copy_image(&copy), unsnapped);
    for error in [gone, copied, unsnapped].into_iter().filter_map(Result::err) {
        // Only a missing permission is sure to be there later, too: a snapshot is still in use, an emulator has no dry runs.
        if error.kind == ErrorKind::Auth {
            found.push(format!("{id} in {region}: {error}"));
        }
    }
    found
}

/// Whether a creating call failed because the name is taken.
pub fn is_taken(failure: &Failure) -> bool {
    failure.message.contains("InvalidAMIName.Duplicate")
}

/// Makes an image of this name. Where another run has taken it since the preflight, and the template says that who has the name
/// is replaced, the image gets an interim name and that other one is replaced later.
pub async fn named<T, F, Fut>(
    env: &Env<'_>,
    checked: &Checked,
    region: &Region,
    name: String,
    make: F,
) -> Result<T, Failure>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    match make(name).await {
        Err(failure) if is_taken(&failure) && env.config.ami.replace != Replace::Never => {
            env.ui().say(format!("Another AMI has got the name in {region} meanwhile: it will be replaced"));
            checked.replace_in(region);
            make(super::copy::interim_name(&env.config.ami.name)).await
        }
        made => made,
    }
}

/// What has the name in a region now goes, for the new image is there. Its snapshots are owed from then on, where the template
/// says that they go.
pub async fn retire(env: &Env<'_>, region: &Region) -> Result<Vec<Held<()>>, Failure> {
    let ec2 = env.account.ec2(region);
    let mut owed = Vec::new();
    for image in holders(env, region).await? {
        let id = &image.id;
        let image =
            if in_others_hands(env, &image) { finished(env, region, &image).await? } else { Some(image.clone()) };
        let Some(image) = image else { continue };
        if env.config.ami.replace == Replace::WithSnapshots {
            for snapshot in snapshots(&image) {
                owed.push(owe(env, region, snapshot.to_string()).await?);
            }
        }
        match ec2.deregister_image(id).await {
            // Another build that replaces the same image was faster.
            Err(error) if !error.is_not_found() && error.code != "InvalidAMIID.Unavailable" => {
                return Err(Failure::call("deregistering the replaced AMI", &error));
            }
            _ => {}
        }
        env.ui().message(format!("Deregistered AMI {}, id: {id}", env.config.ami.name));
    }
    Ok(owed)
}

/// A snapshot of an image that goes: nothing else would know of it.
async fn owe(env: &Env<'_>, region: &Region, snapshot: String) -> Result<Held<()>, Failure> {
    let intent = env.intent(kind::OLD_SNAPSHOT, region, None, None, Tags::new());
    let owed = env.session.run.acquire(intent, |_| async move { Ok::<_, CallFailed<_>>((snapshot, ())) });
    owed.await.map_err(|e| Failure::acquire("noting a snapshot of the replaced AMI", e))
}

/// An image that carries another run's tag is not finished: that run waits for it, or shares it.
fn in_others_hands(env: &Env<'_>, image: &Image) -> bool {
    let own = env.session.run.run().id();
    image.tags.get(RUN_TAG).is_some_and(|run| run != own) && !image.tags.contains_key(KEEP_TAG)
}

/// Waits until the run that makes an image is done with it.
async fn finished(env: &Env<'_>, region: &Region, image: &Image) -> Result<Option<Image>, Failure> {
    let run = image.tags.get(RUN_TAG).cloned().unwrap_or_default();
    env.ui().say(format!("Run {run} is making {} in {region}, of the same name: waiting for it to finish (at most half an hour; where that run is dead, imgbuild gc ends it)", image.id));
    let ec2 = env.account.ec2(region);
    let what = format!("run {run} to finish {}", image.id);
    let available = OnceLock::new();
    // Tests have no pause; there the other run needs some time all the same.
    let settling = (env.shared.pause * SETTLING).max(Duration::from_secs(1));
    let verdict = |image: Option<&Image>| match image.filter(|image| in_others_hands(env, image)) {
        Some(image) if image.state == ImageState::Pending => Verdict::Later(None),
        Some(_) if available.get_or_init(Instant::now).elapsed() < settling => Verdict::Later(None),
        _ => Verdict::Done,
    };
    let poller = env.shared.pollers.of(&ec2);
    let waited = poller.image(&image.id, env.wait(what, OTHER_RUN), verdict).await;
    waited.map_err(|error| {
        Failure::wait(error).help(format!(
            "if run {run} is over, \"imgbuild gc\" removes what it left, and the next build goes through"
        ))
    })
}
