//! `build --if-changed`: images that were made of the very same before. They say so by a tag, which holds the digest of what they
//! were made of ([`crate::inputs`]).

use super::image::{Imaged, snapshots};
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::Region;
use crate::amazon::releaser::KEEP_TAG;
use crate::amazon::types::{Filter, Image, ImageQuery, ImageState};
use crate::inputs::{Inputs, with_source};
use futures_util::future::try_join_all;
use imgbuild_engine::run::RUN_TAG;
use std::time::Duration;

/// Holds the digest of what an image was made of.
pub const INPUTS_TAG: &str = "imgbuild:inputs";

/// The digest of this build, its source image included.
pub fn digest(inputs: &Inputs, source: &Image) -> String {
    with_source(&inputs.digest, source.id.as_str())
}

/// The images that were made of the same, where there is one in every region of the template; the newest each.
pub async fn find(env: &Env<'_>, inputs: &Inputs, digest: &str) -> Result<Option<Vec<Imaged>>, Failure> {
    let ami = &env.config.ami;
    let home = Some(&env.region).filter(|_| !ami.skip_build_region);
    let looks = home.into_iter().chain(&ami.regions).map(|region| look(env, inputs, digest, region));
    let found: Option<Vec<Imaged>> = try_join_all(looks).await?.into_iter().collect();
    match &found {
        Some(images) => {
            for Imaged { region, id, image, .. } in images {
                let since = &image.creation_date;
                env.ui().say(format!("Nothing has changed: AMI {id} in {region} was made of the same at {since}"));
            }
        }
        None => env.ui().say("No AMI was made of the same before"),
    }
    Ok(found)
}

async fn look(env: &Env<'_>, inputs: &Inputs, digest: &str, region: &Region) -> Result<Option<Imaged>, Failure> {
    let filters = vec![Filter::new(format!("tag:{INPUTS_TAG}"), digest)];
    let query = ImageQuery { owners: vec!["self".into()], filters, ..ImageQuery::default() };
    let ec2 = env.account.ec2(region);
    let mut found = env.read("looking for an AMI that was made of the same", ec2.images(query)).await?;
    found.retain(|image| counts(image, inputs.max_age, env.config.context.ambient().start));
    found.sort_by(|a, b| a.creation_date.cmp(&b.creation_date));
    Ok(found.pop().map(|image| Imaged {
        region: region.clone(),
        id: image.id.clone(),
        snapshots: snapshots(&image),
        image,
        held: None,
        parts: Vec::new(),
    }))
}

/// Whether an image is whole, published, and young enough.
fn counts(image: &Image, max_age: Option<Duration>, now: jiff::Timestamp) -> bool {
    let published = !image.tags.contains_key(RUN_TAG) || image.tags.contains_key(KEEP_TAG);
    let young = |limit: Duration| {
        let made: Option<jiff::Timestamp> = image.creation_date.parse().ok();
        made.is_some_and(|made| now.duration_since(made).unsigned_abs() <= limit)
    };
    image.state == ImageState::Available && published && max_age.is_none_or(young)
}
