//! `sandbox run`, `ssh`, `stop`, `rm`.

use super::{Client, Place, failed};
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::{ui, wire};
use anyhow::{Context, bail};
use imgbuild_builders::amazon::ids::{AmiId, InstanceId};
use imgbuild_builders::amazon::types::{
    Filter, ImageQuery, Instance, InstanceState, Launch, MetadataOptions, Placement, Tags,
};
use imgbuild_builders::amazon::user_data;
use imgbuild_builders::private_key::{Make, make};
use imgbuild_engine::connect::{Auth, HostKeys, SshSpec};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the key pair that `sandbox run` uses.
pub const KEY: &str = "imgbuild-sandbox";

/// Who may be logged in as, by image family: cloud-init gives the key to the image's own default user.
const USERS: [&str; 5] = ["ubuntu", "admin", "ec2-user", "debian", "root"];

#[derive(clap::Args)]
pub struct Run {
    #[command(flatten)]
    place: Place,
    /// The image
    ami: String,
    /// User data file
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,
    /// Instance type: t3 and newer have NVMe volumes, m3 and t2 Xen's
    #[arg(long = "type", default_value = "m3.medium")]
    instance_type: String,
    /// Name tag
    #[arg(long, default_value = "sandbox")]
    name: String,
    /// Instance profile: with one, the machine reaches this sandbox's endpoint at http://sandbox.internal
    #[arg(long, value_name = "NAME")]
    instance_profile: Option<String>,
    /// Write an Ansible inventory of this one host
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
}

/// Starts an instance and waits until it can be logged in to.
pub async fn run(args: Run, settings: &Settings) -> Outcome {
    let client = args.place.open(settings).await?;
    let query = ImageQuery { ids: vec![AmiId::new(args.ami.clone())], ..ImageQuery::default() };
    let images = client.ec2.images(query).await.map_err(failed)?;
    let Some(image) = images.first() else { return Err(anyhow::anyhow!("there is no image {}", args.ami).into()) };
    let own = match &args.user_data {
        Some(path) => std::fs::read(path).with_context(|| format!("the user data {} can't be read", path.display()))?,
        None => Vec::new(),
    };
    let key = login_key(&client).await?;
    let host_key = make(Make::EcdsaP256, "sandbox").map_err(anyhow::Error::msg)?;
    let data = user_data::prepare(&own, Some(&host_key));
    if let Err(why) = data.host_key {
        ui::note(format!("Warning: the host key of this instance is not known beforehand: {why}"));
    }
    let launch = Launch {
        client_token: format!("sandbox-{}-{}", settings.start.as_nanosecond(), std::process::id()),
        image: image.id.clone(),
        instance_type: args.instance_type.clone(),
        key_name: Some(KEY.into()),
        security_groups: Vec::new(),
        subnet: None,
        associate_public_ip: None,
        iam_instance_profile: args.instance_profile.clone(),
        user_data: data.encoded,
        mappings: Vec::new(),
        ebs_optimized: false,
        shutdown_behavior: "stop".into(),
        metadata: Some(MetadataOptions {
            http_endpoint: "enabled".into(),
            http_tokens: "optional".into(),
            hop_limit: 2,
            instance_tags: None,
        }),
        placement: Placement::default(),
        cpu_credits: None,
        enclave: false,
        capacity_reservation: None,
        licenses: Vec::new(),
        spot: None,
        instance_tags: Tags::from([("Name".to_owned(), args.name.clone())]),
        volume_tags: Tags::new(),
    };
    let instance = client.ec2.run_instance(&launch).await.map_err(failed)?;
    ui::line(format!("{} starts from {} ({})", instance.id, image.id, image.name));
    let instance = until(&client, &instance.id, InstanceState::Running).await?;
    let address = address(&instance)?;
    let known = data.host_key.is_ok().then(|| host_key.public.clone());
    let user = log_in(settings, &address, &key, known.as_deref()).await?;
    remember(&client.dir, &address, known.as_deref())?;
    ui::line(format!("{} answers at {address}: imgbuild sandbox ssh {}", instance.id, instance.id));
    if let Some(path) = &args.inventory {
        let hosts = known_hosts(&client.dir);
        let line = format!(
            "{} ansible_host={address} ansible_user={user} ansible_ssh_private_key_file={} ansible_ssh_common_args='-o UserKnownHostsFile={}'\n",
            args.name,
            key.display(),
            hosts.display()
        );
        std::fs::write(path, line).with_context(|| format!("{} can't be written", path.display()))?;
    }
    client.accounts.shutdown().await;
    Ok(failure::OK)
}

fn known_hosts(dir: &Path) -> PathBuf {
    dir.join("ssh/known_hosts")
}

/// The sandbox's own login key: made once, its public half in the endpoint.
async fn login_key(client: &Client) -> Result<PathBuf, Failure> {
    let path = client.dir.join("ssh/id_ed25519");
    let public = path.with_extension("pub");
    if !path.exists() {
        std::fs::create_dir_all(client.dir.join("ssh")).context("the sandbox's folder can't be written")?;
        let pair = make(Make::Ed25519, KEY).map_err(anyhow::Error::msg)?;
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(&path).context("the login key can't be written")?;
        std::io::Write::write_all(&mut file, pair.private.expose().as_bytes())
            .context("the login key can't be written")?;
        std::fs::write(&public, format!("{}\n", pair.public.trim())).context("the login key can't be written")?;
    }
    let known = client.ec2.key_pairs(vec![Filter::new("key-name", KEY)]).await.map_err(failed)?;
    if known.is_empty() {
        let text = std::fs::read_to_string(&public).context("the login key can't be read")?;
        client.ec2.import_key_pair(KEY, text.trim(), &Tags::new()).await.map_err(failed)?;
    }
    Ok(path)
}

/// Waits for a state, two minutes at most.
async fn until(client: &Client, id: &InstanceId, wanted: InstanceState) -> Result<Instance, Failure> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    loop {
        let found = client.ec2.instances(vec![Filter::new("instance-id", id.as_str())]).await.map_err(failed)?;
        let Some(instance) = found.into_iter().next() else {
            return Err(anyhow::anyhow!("this sandbox has no instance {id}").into());
        };
        if instance.state == wanted {
            return Ok(instance);
        }
        if instance.state == InstanceState::Stopped && wanted == InstanceState::Running {
            return Err(anyhow::anyhow!("{id} is stopped").into());
        }
        if instance.state == InstanceState::Terminated {
            let why = instance.state_reason.unwrap_or_default();
            return Err(anyhow::anyhow!("{id} ended: {why}").into());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(anyhow::anyhow!("{id} is not {} after 120 s", wanted.as_str()).into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn address(instance: &Instance) -> anyhow::Result<String> {
    instance
        .public_ip
        .clone()
        .or(instance.private_ip.clone())
        .with_context(|| format!("{} has no address", instance.id))
}

/// Finds the user who may log in.
async fn log_in(settings: &Settings, address: &str, key: &Path, host_key: Option<&str>) -> anyhow::Result<String> {
    let connect = wire::connect(settings);
    let mut last = String::new();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
    loop {
        for user in USERS {
            let host_keys = match host_key {
                Some(line) => HostKeys::Expected(vec![line.to_owned()]),
                None => HostKeys::Any("a machine of this host's own sandbox whose user data left no room for a key"),
            };
            let mut spec = SshSpec::new(address, 22, user, host_keys);
            spec.auth =
                vec![Auth::KeyFile { path: key.to_owned(), passphrase: None, certificate: None, optional: false }];
            spec.retry = false;
            spec.timeout = Some(Duration::from_secs(10));
            match connect.connect(&spec).await {
                Ok(communicator) => {
                    // cloud-init lets root in only to say that another user is to be taken.
                    let command = imgbuild_engine::communicator::Command::new("true");
                    let done = imgbuild_engine::communicator::run(communicator.as_ref(), command, b"").await;
                    communicator.close().await;
                    if done.is_ok_and(|d| d.exit.success()) {
                        return Ok(user.to_owned());
                    }
                }
                Err(error) => last = error.to_string(),
            }
        }
        if tokio::time::Instant::now() > deadline {
            bail!("nobody can log in at {address} with {}: {last}", key.display());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Addresses are used again: the line of an earlier machine goes.
fn remember(dir: &Path, address: &str, host_key: Option<&str>) -> anyhow::Result<()> {
    let path = known_hosts(dir);
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let mut text: String =
        old.lines().filter(|l| !l.starts_with(&format!("{address} "))).map(|l| format!("{l}\n")).collect();
    if let Some(line) = host_key {
        text.push_str(&format!("{address} {}\n", line.trim()));
    }
    std::fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))
}

#[derive(clap::Args)]
pub struct Ssh {
    #[command(flatten)]
    place: Place,
    /// The instance
    id: String,
    /// A command; a shell without one
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Becomes OpenSSH's client.
pub async fn ssh(args: Ssh, settings: &Settings) -> Outcome {
    let client = args.place.open(settings).await?;
    let instance = until(&client, &InstanceId::new(args.id.clone()), InstanceState::Running).await?;
    let address = address(&instance)?;
    let key = login_key(&client).await?;
    let hosts = known_hosts(&client.dir);
    let line = std::fs::read_to_string(&hosts).unwrap_or_default();
    let known = line.lines().find_map(|l| l.strip_prefix(&format!("{address} ")));
    let user = log_in(settings, &address, &key, known).await?;
    client.accounts.shutdown().await;
    let mut command = std::process::Command::new("ssh");
    command.arg("-i").arg(&key).arg("-o").arg(format!("UserKnownHostsFile={}", hosts.display()));
    if known.is_none() {
        command.args(["-o", "StrictHostKeyChecking=accept-new"]);
    }
    let error = command.args(["-o", "LogLevel=ERROR"]).arg(format!("{user}@{address}")).args(&args.command).exec();
    Err(anyhow::Error::new(error).context("ssh can't be started").into())
}

#[derive(clap::Args)]
pub struct Stop {
    #[command(flatten)]
    place: Place,
    /// Instances
    #[arg(required = true)]
    ids: Vec<String>,
}

/// Stops instances and waits until they are.
pub async fn stop(args: Stop, settings: &Settings) -> Outcome {
    let client = args.place.open(settings).await?;
    for id in &args.ids {
        let id = InstanceId::new(id.clone());
        client.ec2.stop_instance(&id).await.map_err(failed)?;
        until(&client, &id, InstanceState::Stopped).await?;
        ui::line(format!("{id} is stopped"));
    }
    client.accounts.shutdown().await;
    Ok(failure::OK)
}

#[derive(clap::Args)]
pub struct Rm {
    #[command(flatten)]
    place: Place,
    /// Instances and images
    #[arg(required_unless_present = "all")]
    ids: Vec<String>,
    /// Everything that this account has
    #[arg(long)]
    all: bool,
}

/// Terminates instances; deregisters images and deletes their snapshots; with `--all` volumes, snapshots, key pairs and security
/// groups too.
pub async fn rm(args: Rm, settings: &Settings) -> Outcome {
    let client = args.place.open(settings).await?;
    let mine = ImageQuery { owners: vec!["self".into()], include_deprecated: true, ..ImageQuery::default() };
    let images = client.ec2.images(mine).await.map_err(failed)?;
    let instances = client.ec2.instances(Vec::new()).await.map_err(failed)?;
    for id in &args.ids {
        let known = images.iter().any(|i| i.id.as_str() == id) || instances.iter().any(|i| i.id.as_str() == id);
        if !known {
            return Err(anyhow::anyhow!("this sandbox has no instance and no image {id} of its own").into());
        }
    }
    let wanted = |id: &str| args.all || args.ids.iter().any(|w| w == id);
    let gone: Vec<&Instance> =
        instances.iter().filter(|i| i.state != InstanceState::Terminated && wanted(i.id.as_str())).collect();
    for instance in &gone {
        client.ec2.terminate_instance(&instance.id).await.map_err(failed)?;
    }
    for instance in &gone {
        let filter = vec![Filter::new("instance-id", instance.id.as_str())];
        while client
            .ec2
            .instances(filter.clone())
            .await
            .map_err(failed)?
            .iter()
            .any(|i| i.state != InstanceState::Terminated)
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ui::line(format!("{} is terminated", instance.id));
    }
    for image in images.iter().filter(|i| wanted(i.id.as_str())) {
        client.ec2.deregister_image(&image.id).await.map_err(failed)?;
        for snapshot in image.mappings.iter().filter_map(|m| m.snapshot.as_ref()) {
            client.ec2.delete_snapshot(snapshot).await.map_err(failed)?;
        }
        ui::line(format!("{} is removed", image.id));
    }
    if args.all {
        for volume in client.ec2.volumes(Vec::new()).await.map_err(failed)? {
            client.ec2.delete_volume(&volume.id).await.map_err(failed)?;
        }
        for snapshot in client.ec2.snapshots(Vec::new()).await.map_err(failed)? {
            client.ec2.delete_snapshot(&snapshot.id).await.map_err(failed)?;
        }
        for pair in client.ec2.key_pairs(Vec::new()).await.map_err(failed)? {
            client.ec2.delete_key_pair(&pair.name).await.map_err(failed)?;
        }
        for group in client.ec2.security_groups(Vec::new()).await.map_err(failed)? {
            if group.name != "default" {
                client.ec2.delete_security_group(&group.id).await.map_err(failed)?;
            }
        }
    }
    client.accounts.shutdown().await;
    Ok(failure::OK)
}
