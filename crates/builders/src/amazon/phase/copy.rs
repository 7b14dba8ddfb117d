//! Copies, all regions at once, and the swap where an AMI of the name is to be replaced.
//!
//! Two AMIs of an account can't have one name in a region. So where one is replaced (`force_deregister`), the new one is first
//! made under an interim name. Only when the new image is available in all regions (and verified) do the old ones go, and the
//! interim ones are copied, inside their regions, to the name. From then on nothing is undone: what is available stays. At every
//! moment there is an image that neither the journal nor a tag calls a leftover (docs/decisions/0033).

use super::image::{Imaged, Labels, available, lacks, run_tag, snapshots, tag, with_run};
use super::preflight::Checked;
use super::publish::{settle, share};
use super::replace;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{AmiId, Region};
use crate::amazon::options::ami::Encryption;
use crate::amazon::releaser::kind;
use crate::amazon::types::ImageCopy;
use futures_util::future::join_all;
use imgbuild_engine::run::{CallFailed, Held};

/// A name of its own that still tells what it is for.
pub fn interim_name(name: &str) -> String {
    let suffix: String = uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect();
    let kept: String = name.chars().take(128 - 9).collect();
    format!("{kept}-{suffix}")
}

/// Makes them and waits until they are available, under interim names where an AMI of the name is still there. All are waited
/// for even where one fails, so that what was begun is known.
pub async fn run(env: &Env<'_>, checked: &Checked, source: &Imaged, labels: &Labels) -> Result<Vec<Imaged>, Failure> {
    let regions = &env.config.ami.regions;
    if regions.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<&str> = regions.iter().map(Region::as_str).collect();
    env.ui().say(format!("Copying/Encrypting AMI ({}) to {}", source.id, list.join(", ")));
    let copies = regions.iter().map(|region| {
        let name = if checked.replaces(region) { interim_name(&labels.name) } else { labels.name.clone() };
        replace::named(env, checked, region, name, move |name| copy(env, source, labels, region, name))
    });
    join_all(copies).await.into_iter().collect()
}

async fn copy(
    env: &Env<'_>,
    source: &Imaged,
    labels: &Labels,
    region: &Region,
    name: String,
) -> Result<Imaged, Failure> {
    let ec2 = env.account.ec2(region);
    let encryption = &env.config.ami.encryption;
    let token = uuid::Uuid::new_v4().to_string();
    let tags = labels.of(&name);
    let intent = env.intent(kind::IMAGE, region, Some(name.clone()), Some(token.clone()), tags.clone().into_owned());
    let what = format!("copying the AMI to {region}");
    let held = env
        .acquire(&what, intent, |intent| {
            let copy = ImageCopy {
                client_token: token.clone(),
                source_region: source.region.to_string(),
                source: source.id.clone(),
                name: name.clone(),
                description: labels.description.clone(),
                encrypted: match encryption {
                    Encryption::On { .. } => Some(true),
                    Encryption::Unset | Encryption::Off => None,
                },
                kms_key_id: encryption.key(region, &env.region).map(str::to_owned),
                completion_minutes: env.config.ami.copy_minutes,
                image_tags: intent.tags.clone(),
                snapshot_tags: with_run(&labels.snapshots, &intent.tags),
            };
            let ec2 = &ec2;
            async move { ec2.copy_image(&copy).await.map(|id| id.to_string()) }
        })
        .await?;
    let id = AmiId::new(held.id.clone());
    env.ui().message(format!("Copy in {region}: {id}"));
    let image = available(env, region, &id).await?;
    let snapshots = snapshots(&image);
    let run = run_tag(env);
    let wanted = with_run(&tags, &run);
    if lacks(&image.tags, &wanted) {
        tag(env, region, &id, &snapshots, &wanted, &with_run(&labels.snapshots, &run)).await?;
    }
    Ok(Imaged { region: region.clone(), id, image, snapshots, held: Some(held), parts: Vec::new() })
}

/// The old AMIs go, and the new images get their name. `images` are available in all regions.
pub async fn swap(
    env: &Env<'_>,
    checked: &Checked,
    labels: &Labels,
    images: Vec<Imaged>,
) -> Result<Vec<Imaged>, Failure> {
    if !images.iter().any(|image| checked.replaces(&image.region)) {
        return Ok(images);
    }
    env.go_on()?;
    // From here on a death must leave the new images alone: soon they are the only ones.
    let mut kept = Vec::new();
    for mut image in images {
        let interim = if checked.replaces(&image.region) { Some(owe(env, labels, &image).await?) } else { None };
        for held in std::mem::take(&mut image.parts).into_iter().chain(image.held.take()) {
            env.session.run.keep(held)?;
        }
        kept.push((image, interim));
    }
    // Nor may anybody take them for leftovers by their tag, once the old ones are gone.
    settle(env, &kept.iter().map(|(image, _)| image).collect::<Vec<_>>()).await?;
    let swapped = join_all(kept.into_iter().map(|(image, interim)| async move {
        let Some(interim) = interim else { return Ok(image) };
        swap_one(env, labels, image, interim).await
    }));
    // All regions are told of, not only the first that failed.
    let mut images = Vec::new();
    let mut failed: Option<Failure> = None;
    for result in swapped.await {
        match (result, &mut failed) {
            (Ok(image), _) => images.push(image),
            (Err(failure), None) => failed = Some(failure),
            (Err(failure), Some(first)) => first.message = format!("{}; {}", first.message, failure.message),
        }
    }
    failed.map_or(Ok(images), Err)
}

/// An interim image is owed from here on as what it is: it goes when a newer image has the name.
async fn owe(env: &Env<'_>, labels: &Labels, image: &Imaged) -> Result<Held<()>, Failure> {
    let name = Some(labels.name.clone());
    let intent = env.intent(kind::INTERIM, &image.region, name, None, labels.image.clone());
    let id = image.id.to_string();
    let owed = env.session.run.acquire(intent, |_| async move { Ok::<_, CallFailed<_>>((id, ())) });
    owed.await.map_err(|e| Failure::acquire("noting the interim AMI", e))
}

/// How often the name may be lost to another run between the old image's end and the new one's beginning.
const LOST: u32 = 8;

async fn swap_one(env: &Env<'_>, labels: &Labels, image: Imaged, interim: Held<()>) -> Result<Imaged, Failure> {
    let region = image.region.clone();
    let mut old = Vec::new();
    let mut tries = 0;
    let mut last = loop {
        old.extend(replace::retire(env, &region).await?);
        match copy(env, &image, labels, &region, labels.name.clone()).await {
            Err(failure) if replace::is_taken(&failure) && tries < LOST => {
                tries += 1;
                env.sleep(env.shared.pause * tries).await?;
            }
            made => break made?,
        }
    };
    // Before the interim one goes, so that at every moment there is an image that gc leaves alone. A run that waits for its turn
    // to replace this one sees by the tag that it is finished.
    let finished = async {
        settle(env, &[&last]).await?;
        if let Some(held) = last.held.take() {
            env.session.run.keep(held)?;
        }
        share(env, &[&last]).await
    };
    if let Err(failure) = finished.await {
        let now = replace::holders(env, &region).await?;
        if now.is_empty() || now.iter().any(|holder| holder.id == last.id) {
            let message = format!("{}; the new image is {} in {region}", failure.message, last.id);
            return Err(Failure { message, ..failure });
        }
        // A run that took this one for dead, or had its turn.
        env.ui().say(format!("Another run has replaced {} in {region} before it was finished", last.id));
    }
    env.ui().say(format!("Removing the interim AMI {}", image.id));
    for owed in std::iter::once(interim).chain(old) {
        // The new image stands: what can't be removed now is tried again in the end, and told if it stays.
        if let Err(leak) = env.session.run.release(owed, &env.releaser).await {
            env.ui().error(format!("Could not be removed, trying again: {leak}"));
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::interim_name;

    #[test]
    fn interim_names_fit() {
        assert!(interim_name("abc").starts_with("abc-"));
        assert_eq!(interim_name(&"x".repeat(128)).len(), 128);
    }
}
