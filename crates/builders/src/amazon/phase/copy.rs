//! Copies, all regions at once: those of `ami_regions`, and the build region where the image there is an interim one.
//!
//! Two AMIs of an account can't have one name in a region. So where an AMI is replaced (`force_deregister`), the new one is made
//! under an interim name; only when it is available does the old one go, and the copy takes its name.

use super::image::{Imaged, Labels, available, lacks, run_tag, snapshots, tag, with_run};
use super::preflight::Checked;
use super::publish::retire;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{AmiId, Region};
use crate::amazon::options::ami::Encryption;
use crate::amazon::releaser::kind;
use crate::amazon::types::ImageCopy;
use futures_util::future::join_all;

/// Makes them and waits until they are available. All are waited for even where one fails, so that what was begun is known.
pub async fn run(
    env: &Env<'_>,
    checked: &Checked,
    source: &Imaged,
    labels: &Labels,
    regions: &[Region],
) -> Result<Vec<Imaged>, Failure> {
    if regions.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<&str> = regions.iter().map(Region::as_str).collect();
    env.ui().say(format!("Copying/Encrypting AMI ({}) to {}", source.id, list.join(", ")));
    let copies = join_all(regions.iter().map(|region| copy(env, checked, source, labels, region))).await;
    copies.into_iter().collect()
}

async fn copy(
    env: &Env<'_>,
    checked: &Checked,
    source: &Imaged,
    labels: &Labels,
    region: &Region,
) -> Result<Imaged, Failure> {
    retire(env, checked, region).await?;
    let ec2 = env.account.ec2(region);
    let encryption = &env.config.ami.encryption;
    let token = uuid::Uuid::new_v4().to_string();
    let name = Some(labels.name.clone());
    let intent = env.intent(kind::IMAGE, region, name, Some(token.clone()), labels.image.clone());
    let what = format!("copying the AMI to {region}");
    let held = env
        .acquire(&what, intent, |intent| {
            let copy = ImageCopy {
                client_token: token.clone(),
                source_region: source.region.to_string(),
                source: source.id.clone(),
                name: labels.name.clone(),
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
    let wanted = with_run(&labels.image, &run);
    if lacks(&image.tags, &wanted) {
        tag(env, region, &id, &snapshots, &wanted, &with_run(&labels.snapshots, &run)).await?;
    }
    Ok(Imaged { region: region.clone(), id, image, snapshots, held })
}
