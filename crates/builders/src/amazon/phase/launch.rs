//! The temporary key pair, the temporary security group and the source instance.

use super::network::Network;
use crate::amazon::caller::only;
use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{InstanceId, SecurityGroupId};
use crate::amazon::is_loopback;
use crate::amazon::options::Interface;
use crate::amazon::options::ami::Encryption;
use crate::amazon::options::run::{SecurityGroups, UserData, is_burstable};
use crate::amazon::releaser::{KEEP_TAG, TOKEN_TAG, kind};
use crate::amazon::types::{
    DeviceMapping, EbsVolume, Filter, Image, Ingress, Instance, InstanceState, Launch, Placement, SpotMarket, Tags,
};
use crate::amazon::user_data::{self, Prepared};
use crate::amazon::wait::Verdict;
use crate::private_key::{self, KeyPair, Make};
use crate::ssh_options::{KeySource, Ssh, TemporaryKey};
use imgbuild_engine::connect::Route;
use imgbuild_engine::run::{Held, RUN_TAG};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
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

type Key = (Option<KeyPair>, Option<String>, Option<Held<()>>);

async fn key_pair(env: &Env<'_>, subject: Subject<'_>, tags: &Tags) -> Result<Key, Failure> {
    let Some(ssh) = env.config.communicator.ssh() else { return Ok((None, None, None)) };
    let (name, make) = match &ssh.key {
        KeySource::Temporary { name, kind } => {
            let make = match kind {
                TemporaryKey::Ed25519 => Make::Ed25519,
                TemporaryKey::Rsa(bits) => Make::Rsa(*bits),
            };
            let own = name.clone().filter(|_| !subject.is_made());
            (own.unwrap_or_else(|| format!("packer_{}", uuid::Uuid::now_v7())), make)
        }
        KeySource::File { name, .. } => {
            env.ui().say("Using existing SSH private key");
            return Ok((None, name.clone(), None));
        }
        KeySource::Other { name } => return Ok((None, name.clone(), None)),
    };
    env.ui().say(format!("Creating temporary keypair: {name}"));
    let pair = match make {
        // Finding primes takes long enough to be in the way of others.
        Make::Rsa(_) => {
            let comment = name.clone();
            let made = tokio::task::spawn_blocking(move || private_key::make(make, &comment)).await;
            made.map_err(|e| Failure::new(e.to_string()))?
        }
        _ => private_key::make(make, &name),
    }
    .map_err(Failure::new)?;
    env.ui().redactor().add(pair.private.expose());
    let intent = env.intent(kind::KEY_PAIR, &env.region, Some(name.clone()), None, tags.clone());
    let held = env
        .acquire("importing the temporary key pair", intent, |intent| {
            let (name, public) = (name.clone(), pair.public.clone());
            async move { env.ec2.import_key_pair(&name, &public, &intent.tags).await.map(|()| name) }
        })
        .await?;
    Ok((Some(pair), Some(name), Some(held)))
}

async fn security_groups(
    env: &Env<'_>,
    network: &Network,
    tags: &Tags,
) -> Result<(Vec<SecurityGroupId>, Option<Held<()>>), Failure> {
    let cidrs = match &env.config.run.security_groups {
        SecurityGroups::Ids(ids) => return Ok((ids.clone(), None)),
        SecurityGroups::Filter(filters) => {
            let mut filters = filters.clone();
            filters.extend(network.vpc.iter().map(|vpc| Filter::new("vpc-id", vpc.as_str())));
            let found = env.read("looking for the security groups", env.ec2.security_groups(filters)).await?;
            if found.is_empty() {
                return Err(Failure::new(format!(
                    "no security group in {} matches \"security_group_filter\"",
                    env.region
                )));
            }
            let ids: Vec<SecurityGroupId> = found.into_iter().map(|g| g.id).collect();
            let list: Vec<&str> = ids.iter().map(SecurityGroupId::as_str).collect();
            env.ui().message(format!("Found Security Group(s): {}", list.join(", ")));
            return Ok((ids, None));
        }
        SecurityGroups::Temporary(cidrs) => cidrs.clone(),
        SecurityGroups::TemporaryForCaller => match env.config.communicator.ssh() {
            Some(ssh) => caller(env, ssh).await?,
            None => Vec::new(),
        },
    };
    let name = format!("packer_{}", uuid::Uuid::now_v7());
    env.ui().say(format!("Creating temporary security group for this instance: {name}"));
    let intent = env.intent(kind::SECURITY_GROUP, &env.region, Some(name.clone()), None, tags.clone());
    let held = env
        .acquire("creating the temporary security group", intent, |intent| {
            let (name, vpc) = (name.clone(), network.vpc.clone());
            async move {
                let made = env.ec2.create_security_group(
                    &name,
                    "Temporary group for an image build",
                    vpc.as_ref(),
                    &intent.tags,
                );
                made.await.map(|id| id.to_string())
            }
        })
        .await?;
    let group = SecurityGroupId::new(held.id.clone());
    if let Some(ssh) = env.config.communicator.ssh() {
        let rule = Ingress { port: ssh.spec.port, cidrs };
        env.ui().say(format!(
            "Authorizing access to port {} from [{}] in the temporary security groups...",
            rule.port,
            rule.cidrs.join(", ")
        ));
        let what = "admitting this machine to the temporary security group";
        patiently(
            env,
            what,
            |e| e.is_not_found(),
            || async {
                match env.ec2.authorize_ingress(&group, &rule).await {
                    // A reply that was lost: the rule is there.
                    Err(error) if error.code == "InvalidPermission.Duplicate" => Ok(()),
                    other => other,
                }
            },
        )
        .await?;
    }
    Ok((vec![group], Some(held)))
}

/// The blocks that a temporary group admits where the template names none: the addresses that connections can come from.
async fn caller(env: &Env<'_>, ssh: &Ssh) -> Result<Vec<String>, Failure> {
    const REMEDY: &str = "set \"temporary_security_group_source_cidrs\" to the addresses that you build from";
    if let Some(endpoint) = &env.config.access.endpoint
        && is_loopback(endpoint)
    {
        // An EC2 on this machine sees us as this.
        return Ok(vec![only(Ipv4Addr::LOCALHOST.into())]);
    }
    if let Some(place) = env.account.place(&env.region).endpoint.filter(|e| is_loopback(e)) {
        tracing::debug!("the endpoint {place} is this machine's own");
        return Ok(vec![only(Ipv4Addr::LOCALHOST.into())]);
    }
    match &ssh.spec.route {
        Route::Bastion(bastion) => return Ok(through(&bastion.host).await),
        Route::Socks5(proxy) | Route::Http(proxy) => return Ok(through(&proxy.host).await),
        _ => {}
    }
    let caller = &env.shared.caller;
    let mut cidrs = Vec::new();
    let public_v6 = IpAddr::V6(Ipv6Addr::new(0x2600, 0, 0, 0, 0, 0, 0, 1));
    let inside = matches!(env.config.interface, Interface::PrivateIp | Interface::PrivateDns)
        || env.config.run.public_ip == Some(false);
    if env.config.interface == Interface::Ipv6 {
        let own = caller.toward(public_v6).map_err(|why| Failure::new(why).help(REMEDY))?;
        return Ok(vec![only(own)]);
    }
    if inside && let Ok(own) = caller.toward(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))) {
        cidrs.push(only(own));
    }
    let public = env.session.run.cancel().guard(caller.public()).await.ok_or_else(Failure::cancelled)?;
    match public {
        Ok(address) => cidrs.push(only(address)),
        Err(_) if !cidrs.is_empty() => {}
        Err(why) => {
            return Err(Failure::new(format!("this machine's public address could not be found: {why}")).help(REMEDY));
        }
    }
    cidrs.dedup();
    Ok(cidrs)
}

/// Where connections through another host come from: its public address, or one inside a private network that only it knows.
async fn through(host: &str) -> Vec<String> {
    let mut cidrs = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(str::to_owned).to_vec();
    if let Ok(found) = tokio::net::lookup_host((host, 22)).await {
        cidrs.extend(found.map(|address| only(address.ip())));
    }
    cidrs
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

/// The launch's devices. Where the image is to be encrypted, its volumes are already: the image's snapshots then are, too, and
/// the extra copy that Packer makes is not needed.
fn mappings(env: &Env<'_>, subject: Subject<'_>) -> Vec<DeviceMapping> {
    let Subject::Source(source) = subject else { return Vec::new() };
    let mut mappings: Vec<DeviceMapping> = env.config.launch_mappings.iter().map(|d| d.mapping.clone()).collect();
    if let Encryption::On { .. } = &env.config.ami.encryption {
        let key = env.config.ami.encryption.key(&env.region, &env.region);
        for device in source.mappings.iter().filter(|m| m.snapshot.is_some()) {
            if !mappings.iter().any(|m| m.device_name == device.device_name) {
                mappings.push(DeviceMapping {
                    device_name: device.device_name.clone(),
                    ebs: Some(EbsVolume {
                        delete_on_termination: device.delete_on_termination,
                        volume_size: device.volume_size,
                        ..EbsVolume::default()
                    }),
                    ..DeviceMapping::default()
                });
            }
        }
        for volume in mappings.iter_mut().filter_map(|m| m.ebs.as_mut()) {
            volume.encrypted = Some(true);
            volume.kms_key_id = key.map(str::to_owned);
        }
    }
    if env.config.run.no_ephemeral {
        mappings.extend(('a'..='z').map(|letter| DeviceMapping {
            device_name: format!("xvdc{letter}"),
            no_device: true,
            ..DeviceMapping::default()
        }));
    }
    mappings
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

/// A volume that the template explicitly keeps (`delete_on_termination: false`) is marked, so that no clean-up takes it. One
/// where the template says nothing is only a leftover: Packer leaves it behind, we don't.
async fn keep_volumes(env: &Env<'_>, instance: &Instance) -> Result<(), Failure> {
    let explicit = env.config.launch_mappings.iter().filter(|d| d.delete == Some(false));
    let volumes: Vec<String> = explicit
        .filter_map(|device| instance.volumes.iter().find(|v| v.device_name == device.mapping.device_name))
        .map(|volume| volume.id.to_string())
        .collect();
    if volumes.is_empty() {
        return Ok(());
    }
    let tags = Tags::from([(KEEP_TAG.to_owned(), "true".to_owned())]);
    let marked = env.ec2.create_tags(&volumes, &tags).await;
    marked.map_err(|e| Failure::call("marking the volumes to be kept", &e))?;
    env.ui().message(format!("Kept after the build, as delete_on_termination is false: {}", volumes.join(", ")));
    Ok(())
}

/// Repeats a call while `again` says that its error passes.
pub async fn patiently<F, Fut>(
    env: &Env<'_>,
    what: &str,
    again: impl Fn(&Ec2Error) -> bool,
    call: F,
) -> Result<(), Failure>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), Ec2Error>>,
{
    let mut tries = 0;
    loop {
        match call().await {
            Ok(()) => return Ok(()),
            Err(error) if tries < 8 && (again(&error) || !error.certain()) => {
                tries += 1;
                env.sleep(env.shared.pause * tries.min(5)).await?;
            }
            Err(error) => return Err(Failure::call(what, &error)),
        }
    }
}
