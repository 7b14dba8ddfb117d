//! A spot instance, through a fleet: EC2 chooses among types. The launch template that a fleet needs goes as soon as the
//! instance is there.

use super::{Wanted, intent, launch, passes, with_run_tags};
use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::options::spot::Spot;
use crate::amazon::releaser::kind;
use crate::amazon::types::{Fleet, Launch, NewLaunchTemplate, SpotMarket};
use imgbuild_engine::run::{Held, RUN_TAG};

/// Launches one instance.
pub(super) async fn run(env: &Env<'_>, wanted: &Wanted<'_>, spot: &Spot) -> Result<Held<()>, Failure> {
    let types = &env.config.run.instance_types;
    let context = env.context(Some(wanted.subject.source()));
    let mut request_tags = wanted.run_tags.clone();
    request_tags.extend(env.tags(&spot.tags, &context)?);
    let market = SpotMarket { max_price: spot.max_price.clone(), tags: request_tags };
    let launch = Launch { spot: Some(market), ..launch(env, wanted, types)? };
    let template = template(env, wanted, &launch).await?;
    let intent = intent(env, &launch);
    let fleet_tags = env.tags(&spot.fleet_tags, &context)?;
    let held = env
        .acquire("launching the spot instance", intent, |intent| {
            let mut tags = fleet_tags.clone();
            tags.extend(intent.tags.get_key_value(RUN_TAG).map(|(k, v)| (k.clone(), v.clone())));
            let fleet = Fleet {
                client_token: String::new(),
                template: template.id.clone(),
                instance_types: types.clone(),
                subnet: launch.subnet.clone(),
                availability_zone: launch.placement.availability_zone.clone(),
                allocation: spot.allocation.clone(),
                max_price: spot.max_price.clone(),
                tags,
            };
            async move { choose(env, fleet).await }
        })
        .await;
    // It is of no more use, whatever came of the fleet. What can't be removed stays owed.
    if let Err(leak) = env.session.run.release(template, &env.releaser).await {
        env.ui().error(format!("Error deleting the launch template, trying again: {leak}"));
    }
    held
}

async fn template(env: &Env<'_>, wanted: &Wanted<'_>, launch: &Launch) -> Result<Held<()>, Failure> {
    let name = format!("packer-{}", uuid::Uuid::now_v7());
    let token = uuid::Uuid::new_v4().to_string();
    let intent = env.intent(
        kind::LAUNCH_TEMPLATE,
        &env.region,
        Some(name.clone()),
        Some(token.clone()),
        wanted.run_tags.clone(),
    );
    env.acquire("creating the launch template", intent, |intent| {
        let template = NewLaunchTemplate {
            client_token: token.clone(),
            name: name.clone(),
            launch: with_run_tags(launch.clone(), &intent.tags),
            tags: intent.tags.clone(),
        };
        async move { env.ec2.create_launch_template(&template).await }
    })
    .await
}

/// A fleet whose launch failed stays failed for its token: each try has a token of its own.
async fn choose(env: &Env<'_>, mut fleet: Fleet) -> Result<String, Ec2Error> {
    let mut tries = 0;
    loop {
        fleet.client_token = uuid::Uuid::new_v4().to_string();
        match env.ec2.create_fleet(&fleet).await {
            Ok(id) => return Ok(id.to_string()),
            Err(error) if passes(&error, tries) && !env.session.run.cancel().is_cancelled() => {
                tries += 1;
                tokio::time::sleep(env.shared.pause * tries).await;
            }
            Err(error) => return Err(error),
        }
    }
}
