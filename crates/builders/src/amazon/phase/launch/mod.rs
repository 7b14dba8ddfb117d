//! The temporary key pair, the temporary security group and the source instance.

mod access;
pub mod admission;
mod devices;
mod fleet;
mod profile;

use super::network::Network;
use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{InstanceId, SecurityGroupId};
use crate::amazon::options::run::{UserData, is_burstable};
use crate::amazon::releaser::{TOKEN_TAG, kind};
use crate::amazon::types::{Image, Instance, InstanceState, Launch, Placement, Tags};
use crate::amazon::user_data::{self, Prepared};
use crate::amazon::wait::Verdict;
use crate::private_key::{self, KeyPair, Make};
use access::{key_pair, security_groups};
use admission::Admission;
use devices::{keep_volumes, mappings};
use imgbuild_engine::journal::Intent;
use imgbuild_engine::run::{Held, RUN_TAG};
use std::time::Duration;

/// What stands once the instance runs.
pub struct Launched {
    /// The instance.
    pub id: InstanceId,
    /// As last described.
    pub instance: Instance,
    /// Whether it is a spot instance.
    pub spot: bool,
    /// How to log in.
    pub key: Option<KeyPair>,
    /// The name of the temporary key pair.
    pub key_name: Option<String>,
    /// The host key that it was told to use, or why there is none.
    pub host_key: Result<KeyPair, &'static str>,
    /// The temporary security group, where it follows this machine's address.
    pub admission: Option<Admission>,
    /// To be released at the end.
    pub held: HeldLaunch,
}

/// What the launch made.
pub struct HeldLaunch {
    /// The instance.
    pub instance: Held<()>,
    /// The temporary security group.
    pub group: Option<Held<()>>,
    /// The temporary key pair.
    pub key: Option<Held<()>>,
    /// The temporary instance profile and its role.
    pub profile: Option<profile::HeldProfile>,
}

/// What is launched.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// The source image, with the template's devices and user data.
    Source(&'a Image),
    /// The image that was made of it, as it is.
    Made {
        /// The image.
        image: &'a Image,
        /// What it was made of, for tags.
        source: &'a Image,
    },
}

impl<'a> Subject<'a> {
    fn image(self) -> &'a Image {
        match self {
            Subject::Source(image) | Subject::Made { image, .. } => image,
        }
    }

    fn source(self) -> &'a Image {
        match self {
            Subject::Source(source) | Subject::Made { source, .. } => source,
        }
    }

    fn is_made(self) -> bool {
        matches!(self, Subject::Made { .. })
    }
}

/// Launches and waits until it runs.
pub async fn run(env: &Env<'_>, subject: Subject<'_>, network: &Network) -> Result<Launched, Failure> {
    let run_tags = env.tags(&env.config.run.run_tags, &env.context(Some(subject.source())))?;
    let ((key, key_name, held_key), groups, held_profile) = tokio::try_join!(
        key_pair(env, subject, &run_tags),
        security_groups(env, network, &run_tags),
        profile::temporary(env, &run_tags)
    )?;
    let host_key = match env.config.communicator.ssh() {
        Some(_) => private_key::make(Make::EcdsaP256, "imgbuild").map_err(Failure::new)?,
        None => KeyPair { private: String::new().into(), public: String::new() },
    };
    let own = if subject.is_made() { Vec::new() } else { own_user_data(env)? };
    let wanted = env.config.communicator.ssh().filter(|ssh| ssh.host.is_none()).map(|_| &host_key);
    let prepared = user_data::prepare(&own, wanted);
    if let Some(user_data) = &prepared.encoded {
        // It holds the private half of the host key.
        env.ui().redactor().add(user_data.expose());
    }
    let wanted = Wanted {
        subject,
        network,
        key_name: key_name.as_deref(),
        groups: &groups.ids,
        profile: held_profile.as_ref().map(profile::HeldProfile::name).or(env
            .config
            .run
            .iam_instance_profile
            .as_deref()),
        user_data: &prepared,
        run_tags: &run_tags,
    };
    let (held, spot) = launch_first(env, &wanted).await?;
    let id = InstanceId::new(held.id.clone());
    env.ui().message(format!("Instance ID: {id}"));
    let instance = running(env, &id).await?;
    // Where volumes are the product, they are kept only once they are filled.
    if !subject.is_made() && env.config.product.is_image() {
        keep_volumes(env, &instance).await?;
    }
    Ok(Launched {
        id,
        instance,
        spot,
        key,
        key_name,
        host_key: prepared.host_key.map(|()| host_key),
        admission: groups.admission,
        held: HeldLaunch { instance: held, group: groups.held, key: held_key, profile: held_profile },
    })
}

fn own_user_data(env: &Env<'_>) -> Result<Vec<u8>, Failure> {
    Ok(match &env.config.run.user_data {
        UserData::None => Vec::new(),
        UserData::Text(text) => user_data::decode(text.as_bytes()),
        UserData::File(path) => {
            let text =
                fs_err::read(path).map_err(|e| Failure::new(format!("\"user_data_file\" can't be read: {e}")))?;
            user_data::decode(&text)
        }
    })
}

/// What is launched, whatever the type.
struct Wanted<'a> {
    subject: Subject<'a>,
    network: &'a Network,
    key_name: Option<&'a str>,
    groups: &'a [SecurityGroupId],
    profile: Option<&'a str>,
    user_data: &'a Prepared,
    run_tags: &'a Tags,
}

/// Launches what EC2 has capacity for: of the types asked for (a fleet chooses, where spot is asked for), else the first of the
/// fallback types on demand. Says whether it is a spot instance.
async fn launch_first(env: &Env<'_>, wanted: &Wanted<'_>) -> Result<(Held<()>, bool), Failure> {
    let run = &env.config.run;
    let mut last = None;
    if let Some(spot) = &env.config.spot {
        env.ui().say("Launching a spot instance...");
        match fleet::run(env, wanted, spot).await {
            Ok(held) => return Ok((held, true)),
            Err(failure) if !run.fallback_types.is_empty() && no_capacity(&failure) => last = Some(failure),
            Err(failure) => return Err(failure),
        }
    } else {
        env.ui().say("Launching a source AWS instance...");
    }
    let on_demand = if env.config.spot.is_some() { &[][..] } else { &run.instance_types[..] };
    for instance_type in on_demand.iter().chain(&run.fallback_types) {
        if last.is_some() {
            env.ui().say(format!("No capacity, trying {instance_type} on demand"));
        }
        match on_demand_instance(env, wanted, instance_type).await {
            Ok(held) => return Ok((held, false)),
            Err(failure) if no_capacity(&failure) => last = Some(failure),
            Err(failure) => return Err(of_type(env, failure, instance_type).await),
        }
    }
    Err(last.unwrap_or_else(|| Failure::new("no instance type is given")))
}

async fn on_demand_instance(env: &Env<'_>, wanted: &Wanted<'_>, instance_type: &str) -> Result<Held<()>, Failure> {
    let launch = launch(env, wanted, std::slice::from_ref(&instance_type.to_owned()))?;
    let intent = intent(env, &launch);
    env.acquire("launching the source instance", intent, |intent| {
        let launch = with_run_tags(launch.clone(), &intent.tags);
        async move { run_instance(env, &launch).await }
    })
    .await
}

/// Where EC2 does not know an instance type: its place, and what may have been meant. All types are listed only now.
async fn of_type(env: &Env<'_>, failure: Failure, name: &str) -> Failure {
    if !(failure.message.contains("for InstanceType") || failure.message.contains("InvalidInstanceType")) {
        return failure;
    }
    let places = &env.config.run.places;
    let own = env.config.run.instance_types.iter().any(|own| own == name);
    let failure = failure.at(places.of(if own { &["instance_type"] } else { &["fallback_instance_types"] }));
    let looks = env.ec2.instance_types(&[]);
    let known = env.session.run.cancel().guard(looks).await.and_then(Result::ok).unwrap_or_default();
    match imgbuild_diag::did_you_mean(name, known.iter().map(|t| t.name.as_str())) {
        Some(right) => failure.help(format!("did you mean {right:?}?")),
        None => failure.help(format!("{} offers no type of this name", env.region)),
    }
}

fn intent(env: &Env<'_>, launch: &Launch) -> Intent {
    let token = Some(launch.client_token.clone());
    env.intent(kind::INSTANCE, &env.region, None, token, launch.instance_tags.clone())
}

/// The run's tag on the instance and its volumes.
fn with_run_tags(mut launch: Launch, tags: &Tags) -> Launch {
    for (key, value) in tags.iter().filter(|(key, _)| *key == RUN_TAG) {
        launch.instance_tags.insert(key.clone(), value.clone());
        launch.volume_tags.insert(key.clone(), value.clone());
    }
    launch
}

fn no_capacity(failure: &Failure) -> bool {
    [
        "InsufficientInstanceCapacity",
        "SpotMaxPriceTooLow",
        "MaxSpotInstanceCountExceeded",
        "Unsupported",
        "InsufficientCapacity",
    ]
    .iter()
    .any(|code| failure.message.contains(code))
}

/// What was made a moment ago (profile, key pair, group) may not be known to RunInstances yet. The token makes it safe to ask
/// again.
async fn run_instance(env: &Env<'_>, launch: &Launch) -> Result<String, Ec2Error> {
    let mut tries = 0;
    loop {
        let error = match env.ec2.run_instance(launch).await {
            Ok(instance) => return Ok(instance.id.to_string()),
            Err(error) => error,
        };
        if !passes(&error, tries) || env.session.run.cancel().is_cancelled() {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(env.shared.pause * tries).await;
    }
}

/// Whether an error of a launch is one of those that pass once EC2 knows what was made a moment ago.
fn passes(error: &Ec2Error, tries: u32) -> bool {
    let profile = error.code == "InvalidParameterValue"
        && (error.message.contains("iamInstanceProfile") || error.message.contains("IAM Instance Profile"));
    // A launch template is called in two ways.
    const FRESH: [&str; 4] = [
        "InvalidGroup.NotFound",
        "InvalidKeyPair.NotFound",
        "InvalidLaunchTemplateId.NotFound",
        "InvalidLaunchTemplateId.NotFoundException",
    ];
    let fresh = FRESH.contains(&error.code.as_str());
    tries < 10 && (profile || fresh && tries < 5)
}

fn launch(env: &Env<'_>, wanted: &Wanted<'_>, types: &[String]) -> Result<Launch, Failure> {
    let &Wanted { subject, network, key_name, groups, profile, user_data, run_tags } = wanted;
    let run = &env.config.run;
    let token = uuid::Uuid::new_v4().to_string();
    let own = [(TOKEN_TAG.to_owned(), token.clone())];
    let mut volume_tags = env.tags(&run.volume_tags, &env.context(Some(subject.source())))?;
    volume_tags.extend(own.clone());
    let mut instance_tags = run_tags.clone();
    instance_tags.extend(own);
    let burstable = !types.is_empty() && types.iter().all(|t| is_burstable(t));
    let cpu_credits = match (run.unlimited_credits, burstable) {
        (true, _) => Some("unlimited".to_owned()),
        (false, true) => Some("standard".to_owned()),
        (false, false) => None,
    };
    Ok(Launch {
        client_token: token,
        image: subject.image().id.clone(),
        instance_type: types.first().cloned().unwrap_or_default(),
        key_name: key_name.map(str::to_owned),
        security_groups: groups.to_vec(),
        subnet: network.subnet.clone(),
        associate_public_ip: run.public_ip.filter(|_| network.subnet.is_some()),
        iam_instance_profile: profile.map(str::to_owned),
        user_data: user_data.encoded.clone(),
        mappings: mappings(env, subject),
        ebs_optimized: run.ebs_optimized,
        shutdown_behavior: run.shutdown_behavior.clone(),
        metadata: Some(run.metadata.clone()),
        placement: Placement {
            availability_zone: network.zone.clone(),
            tenancy: run.tenancy.clone(),
            host_id: run.host_id.clone(),
            host_resource_group_arn: run.host_resource_group_arn.clone(),
        },
        cpu_credits,
        enclave: run.enclave,
        capacity_reservation: Some(run.capacity.clone()),
        licenses: run.licenses.clone(),
        spot: None,
        instance_tags,
        volume_tags,
    })
}

async fn running(env: &Env<'_>, id: &InstanceId) -> Result<Instance, Failure> {
    env.ui().say(format!("Waiting for instance ({id}) to become ready..."));
    let wait = env.wait(format!("instance {id} to become ready"), Duration::from_secs(600)).usually(14);
    let verdict = |instance: Option<&Instance>| match instance.map(|i| (i.state, i)) {
        Some((InstanceState::Running, _)) => Verdict::Done,
        None | Some((InstanceState::Pending | InstanceState::Unknown, _)) => Verdict::Later(None),
        Some((state, instance)) => {
            let why = instance.state_reason.clone().unwrap_or_else(|| "no reason given".into());
            Verdict::Never(format!("instance {} is {} instead of running: {why}", instance.id, state.as_str()))
        }
    };
    let instance = env.poller.instance(id, wait, verdict).await.map_err(Failure::wait)?;
    instance.ok_or_else(|| Failure::new(format!("instance {id} is not there")))
}
