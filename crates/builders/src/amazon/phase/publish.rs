//! Who may use the images, how long they count as current, and that they are the user's.

use super::image::Imaged;
use super::patiently;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::options::ami::Protection;
use crate::amazon::releaser::{KEEP_TAG, PUBLISHED, TOKEN_TAG};
use crate::amazon::types::{Grant, ImageChange, Tags};
use futures_util::future::try_join_all;
use imgbuild_engine::run::RUN_TAG;

/// Attributes of all images.
pub async fn share(env: &Env<'_>, images: &[&Imaged]) -> Result<(), Failure> {
    try_join_all(images.iter().map(|image| attributes(env, image))).await?;
    Ok(())
}

async fn attributes(env: &Env<'_>, image: &Imaged) -> Result<(), Failure> {
    let ami = &env.config.ami;
    let ec2 = &env.account.ec2(&image.region);
    let id = &image.id;
    for (grant, what) in each(&ami.grant) {
        env.ui().say(format!("Modifying: {what}"));
        env.ui().message(format!("Modifying: {id}"));
        let change = ImageChange::Launch(grant);
        patiently(env, "sharing the AMI", |e| e.is_not_found(), || ec2.modify_image(id, &change)).await?;
    }
    if !ami.product_codes.is_empty() {
        let change = ImageChange::ProductCodes(ami.product_codes.clone());
        patiently(env, "setting product codes", |e| e.is_not_found(), || ec2.modify_image(id, &change)).await?;
    }
    if ami.imds_v2 {
        env.ui().say("Modifying: imds_support");
        let change = ImageChange::ImdsV2;
        patiently(env, "requiring metadata v2", |e| e.is_not_found(), || ec2.modify_image(id, &change)).await?;
    }
    for snapshot in image.snapshots.iter().filter(|_| !ami.snapshot_grant.is_empty()) {
        for (grant, _) in each(&ami.snapshot_grant) {
            patiently(env, "sharing the snapshots", |e| e.is_not_found(), || ec2.share_snapshot(snapshot, &grant))
                .await?;
        }
    }
    if let Some(at) = &ami.deprecate_at {
        env.ui().say(format!("Enabling deprecation on AMI ({id}) at {at}..."));
        patiently(env, "setting the deprecation time", |e| e.is_not_found(), || ec2.deprecate_image(id, at)).await?;
    }
    if let Protection::On { cooldown } = ami.protection {
        env.ui().say(format!("Enabling deregistration protection on AMI ({id})..."));
        let what = "protecting the AMI";
        patiently(env, what, |e| e.is_not_found(), || ec2.protect_image(id, cooldown)).await?;
    }
    Ok(())
}

/// One grant per attribute, as the API wants it.
pub(super) fn each(grant: &Grant) -> Vec<(Grant, &'static str)> {
    let mut grants = Vec::new();
    if !grant.users.is_empty() {
        grants.push((Grant { users: grant.users.clone(), ..Grant::default() }, "users"));
    }
    if !grant.groups.is_empty() {
        grants.push((Grant { groups: grant.groups.clone(), ..Grant::default() }, "groups"));
    }
    if !grant.organization_arns.is_empty() {
        let organization_arns = grant.organization_arns.clone();
        grants.push((Grant { organization_arns, ..Grant::default() }, "ami org arns"));
    }
    if !grant.ou_arns.is_empty() {
        grants.push((Grant { ou_arns: grant.ou_arns.clone(), ..Grant::default() }, "ami ou arns"));
    }
    grants
}

/// Takes the run's tag off what stays: what carries it is a leftover to `imgbuild gc --from-tags`. Who may not delete tags gets
/// a tag more instead, which tells the image apart.
pub async fn settle(env: &Env<'_>, images: &[&Imaged]) -> Result<(), Failure> {
    try_join_all(images.iter().map(|image| async move {
        let ec2 = &env.account.ec2(&image.region);
        let mut ids = vec![image.id.to_string()];
        ids.extend(image.snapshots.iter().map(ToString::to_string));
        let keys = [RUN_TAG.to_owned(), TOKEN_TAG.to_owned()];
        let untagged =
            patiently(env, "taking the run's tag off the AMI", |e| e.is_not_found(), || ec2.delete_tags(&ids, &keys));
        let Err(failure) = untagged.await else { return Ok(()) };
        if failure.cancelled {
            return Err(failure);
        }
        let keep = Tags::from([(KEEP_TAG.to_owned(), PUBLISHED.to_owned())]);
        patiently(env, "marking the AMI as kept", |e| e.is_not_found(), || ec2.create_tags(&ids, &keep)).await
    }))
    .await?;
    Ok(())
}
