//! The temporary key pair, the temporary security group and the source instance.

mod access;
mod devices;

use super::network::Network;
use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{InstanceId, SecurityGroupId};
use crate::amazon::options::run::{UserData, is_burstable};
use crate::amazon::releaser::{TOKEN_TAG, kind};
use crate::amazon::types::{Image, Instance, InstanceState, Launch, Placement, SpotMarket, Tags};
use crate::amazon::user_data::{self, Prepared};
use crate::amazon::wait::Verdict;
use crate::private_key::{self, KeyPair, Make};
use access::{key_pair, security_groups};
use devices::{keep_volumes, mappings};
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
    let ((key, key_name, held_key), (groups, held_group)) =
        tokio::try_join!(key_pair(env, subject, &run_tags), security_groups(env, network, &run_tags))?;
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
    let held = launch_first(env, subject, network, &key_name, &groups, &prepared, &run_tags).await?;
    let id = InstanceId::new(held.id.clone());
    env.ui().message(format!("Instance ID: {id}"));
    let instance = running(env, &id).await?;
    if !subject.is_made() {
        keep_volumes(env, &instance).await?;
    }
    Ok(Launched {
        id,
        instance,
        spot: env.config.spot.is_some(),
        key,
        key_name,
        host_key: prepared.host_key.map(|()| host_key),
        held: HeldLaunch { instance: held, group: held_group, key: held_key },
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

/// Launches the first of the instance types that EC2 has capacity for.
async fn launch_first(
    env: &Env<'_>,
    subject: Subject<'_>,
    network: &Network,
    key_name: &Option<String>,
    groups: &[SecurityGroupId],
    user_data: &Prepared,
    run_tags: &Tags,
) -> Result<Held<()>, Failure> {
    env.ui().say("Launching a source AWS instance...");
    let types = &env.config.run.instance_types;
    let mut last = Failure::new("no instance type is given");
    for (n, instance_type) in types.iter().enumerate() {
        let launch = launch(env, subject, network, instance_type, key_name, groups, user_data, run_tags)?;
        let intent = {
            let token = Some(launch.client_token.clone());
            env.intent(kind::INSTANCE, &env.region, None, token, launch.instance_tags.clone())
        };
        let made = env.acquire("launching the source instance", intent, |intent| {
            let mut launch = launch.clone();
            for (key, value) in intent.tags.iter().filter(|(key, _)| *key == RUN_TAG) {
                launch.instance_tags.insert(key.clone(), value.clone());
                launch.volume_tags.insert(key.clone(), value.clone());
            }
            async move { run_instance(env, &launch).await }
        });
        match made.await {
            Ok(held) => return Ok(held),
            Err(failure) if n + 1 < types.len() && no_capacity(&failure) => {
                env.ui().say(format!("No capacity for {instance_type}, trying {}", types[n + 1]));
                last = failure;
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(last)
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
        let profile = error.code == "InvalidParameterValue" && error.message.contains("iamInstanceProfile");
        let fresh = ["InvalidGroup.NotFound", "InvalidKeyPair.NotFound"].contains(&error.code.as_str());
        if tries >= 10 || !(profile || fresh && tries < 5) || env.session.run.cancel().is_cancelled() {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(env.shared.pause * tries).await;
    }
}

#[expect(clippy::too_many_arguments, reason = "each is another phase's result")]
fn launch(
    env: &Env<'_>,
    subject: Subject<'_>,
    network: &Network,
    instance_type: &str,
    key_name: &Option<String>,
    groups: &[SecurityGroupId],
    user_data: &Prepared,
    run_tags: &Tags,
) -> Result<Launch, Failure> {
    let run = &env.config.run;
    let token = uuid::Uuid::new_v4().to_string();
    let own = [(TOKEN_TAG.to_owned(), token.clone())];
    let mut volume_tags = env.tags(&run.volume_tags, &env.context(Some(subject.source())))?;
    volume_tags.extend(own.clone());
    let mut instance_tags = run_tags.clone();
    instance_tags.extend(own);
    let cpu_credits = match (run.unlimited_credits, is_burstable(instance_type)) {
        (true, _) => Some("unlimited".to_owned()),
        (false, true) => Some("standard".to_owned()),
        (false, false) => None,
    };
    let spot = match &env.config.spot {
        None => None,
        Some(spot) => {
            let mut tags = run_tags.clone();
            tags.extend(env.tags(&spot.tags, &env.context(Some(subject.source())))?);
            Some(SpotMarket { max_price: spot.max_price.clone(), tags })
        }
    };
    Ok(Launch {
        client_token: token,
        image: subject.image().id.clone(),
        instance_type: instance_type.to_owned(),
        key_name: key_name.clone(),
        security_groups: groups.to_vec(),
        subnet: network.subnet.clone(),
        associate_public_ip: run.public_ip.filter(|_| network.subnet.is_some()),
        iam_instance_profile: run.iam_instance_profile.clone(),
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
        spot,
        instance_tags,
        volume_tags,
    })
}

async fn running(env: &Env<'_>, id: &InstanceId) -> Result<Instance, Failure> {
    env.ui().say(format!("Waiting for instance ({id}) to become ready..."));
    let wait = env.wait(format!("instance {id} to become ready"), Duration::from_secs(600));
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
