//! Proof: an instance of the new image is launched, reached and checked, before the image is copied, shared or kept.

use super::connect;
use super::image::Imaged;
use super::launch::{self, Subject};
use super::network;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::types::Image;
use imgbuild_engine::provision::Plan;

/// Launches, connects, runs the steps, terminates.
pub async fn run(env: &Env<'_>, source: &Image, image: &Imaged, plan: &Plan) -> Result<(), Failure> {
    env.ui().say(format!("Verifying AMI {} on an instance of it...", image.id));
    let network = network::run(env).await?;
    let launched = launch::run(env, Subject::Made { image: &image.image, source }, &network).await?;
    let reached = connect::run(env, source, &launched).await?;
    let outcome = plan.run(&reached.session).await.map_err(Failure::from);
    crate::amazon::ebs::close(&reached).await;
    crate::amazon::ebs::end(env, launched.held).await;
    outcome.map_err(|failure| Failure {
        message: format!("the image failed its verification: {}", failure.message),
        ..failure
    })
}
