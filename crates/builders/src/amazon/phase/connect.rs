//! From a running instance to a communicator: which address, which host key, which login.

use super::launch::Launched;
use super::launch::admission::Followed;
use crate::amazon::env::{Env, data};
use crate::amazon::failure::Failure;
use crate::amazon::options::Interface;
use crate::amazon::options::run::SecurityGroups;
use crate::amazon::ssm::{DOCUMENT, NOT_CONNECTED};
use crate::amazon::tunnel::{Ends, LocalPort, Tunnel};
use crate::amazon::types::{Filter, Image, Instance};
use crate::amazon::user_data::console_host_keys;
use crate::ssh_options::Ssh;
use imgbuild_engine::communicator::{CommError, Communicator};
use imgbuild_engine::connect::{Auth, HostKeys, Route, SshSpec};
use imgbuild_engine::provision::Session;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a host key that is not the expected one may be the work of a machine that is still setting itself up.
const SETTLING: Duration = Duration::from_secs(180);

/// A machine that was reached, or one that is not connected to (`communicator: none`).
pub struct Reached {
    /// What provisioners work with.
    pub session: Session,
    /// The way there, where it is no address.
    pub way: Option<Way>,
}

/// A way through Session Manager.
pub struct Way {
    tunnel: Tunnel,
    /// For other programs; the build's `Host` and `Port` name it.
    local: LocalPort,
}

impl Way {
    /// Ends the sessions.
    pub async fn close(&self) {
        self.tunnel.close().await;
    }
}

/// Connects.
pub async fn run(env: &Env<'_>, source: &Image, launched: &Launched) -> Result<Reached, Failure> {
    let mut fields = data(&env.region, Some(source));
    fields.insert("ID".into(), launched.id.to_string());
    fields.insert("PackerRunUUID".into(), env.session.run.run().id().to_owned());
    let (communicator, username, pty, way) = match env.config.communicator.ssh() {
        None => {
            fields.insert("ConnType".into(), "none".into());
            (None, String::new(), false, None)
        }
        Some(ssh) => {
            let way = match env.config.interface {
                Interface::SessionManager => Some(way(env, ssh, launched).await?),
                _ => None,
            };
            let host = match &way {
                Some(_) => launched.id.to_string(),
                None => host(env, ssh, launched).await?,
            };
            let mut spec = spec(ssh, launched, &host);
            fields.insert("ConnType".into(), "ssh".into());
            match &way {
                Some(way) => {
                    spec.route = Route::Dial(Arc::new(way.tunnel.clone()));
                    fields.insert("Host".into(), "localhost".into());
                    fields.insert("Port".into(), way.local.port.to_string());
                }
                None => {
                    fields.insert("Host".into(), host);
                    fields.insert("Port".into(), spec.port.to_string());
                }
            }
            fields.insert("User".into(), spec.username.clone());
            let password = ssh.password.as_ref().map(|p| p.expose().clone()).unwrap_or_default();
            fields.insert("Password".into(), password);
            if let Some(key) = &launched.key {
                fields.insert("SSHPublicKey".into(), key.public.clone());
                fields.insert("SSHPrivateKey".into(), key.private.expose().clone());
            }
            let communicator = match connect(env, ssh, launched, spec).await {
                Ok(communicator) => communicator,
                Err(failure) => {
                    if let Some(way) = &way {
                        way.close().await;
                    }
                    return Err(failure);
                }
            };
            (Some(communicator), ssh.spec.username.clone(), ssh.spec.pty, way)
        }
    };
    Ok(Reached {
        session: Session {
            build_name: env.ui().build().to_owned(),
            builder_type: env.config.product.builder_type().into(),
            communicator,
            pty,
            username,
            data: fields,
            reporter: env.ui().clone(),
            cancel: env.session.run.cancel().clone(),
            ask: Arc::clone(&env.session.ask),
            agents: env.session.agents,
            connect: Some(Arc::clone(&env.session.connect)),
        },
        way,
    })
}

/// The way through Session Manager. No session is started yet: connecting does.
async fn way(env: &Env<'_>, ssh: &Ssh, launched: &Launched) -> Result<Way, Failure> {
    let sessions = env.config.sessions;
    if !sessions.pause.is_zero() {
        env.ui().say(format!("Waiting {} s before establishing the SSM session...", sessions.pause.as_secs_f64()));
        env.sleep(sessions.pause).await?;
    }
    let tunnel = Tunnel::new(Ends {
        run: env.session.run.clone(),
        ssm: env.account.ssm(&env.region),
        place: env.account.place(&env.region),
        releaser: env.releaser.clone(),
        instance: launched.id.clone(),
        port: ssh.spec.port,
        pause: env.shared.pause,
    });
    let local = tunnel.listen(sessions.local_port).await.map_err(|e| {
        Failure::new(format!("port {} of this machine can't be opened: {e}", sessions.local_port))
            .help("set \"session_manager_port\" to a free one, or leave it out")
    })?;
    Ok(Way { tunnel, local })
}

fn spec(ssh: &Ssh, launched: &Launched, host: &str) -> SshSpec {
    let mut spec = ssh.spec.clone();
    spec.host = host.to_owned();
    if let Some(key) = &launched.key {
        spec.auth.insert(0, Auth::Key { pem: key.private.clone(), passphrase: None, certificate: None });
    }
    spec
}

/// The address to connect to, as Packer chooses it; asks again where EC2 has not given one yet.
async fn host(env: &Env<'_>, ssh: &Ssh, launched: &Launched) -> Result<String, Failure> {
    if let Some(host) = &ssh.host {
        return Ok(host.clone());
    }
    let mut instance = launched.instance.clone();
    const TRIES: u32 = 2;
    for n in 0..=TRIES {
        if let Some(host) = address(&instance, env.config.interface, n == TRIES) {
            return Ok(host);
        }
        if n == TRIES {
            break;
        }
        env.sleep(env.shared.pause).await?;
        let filters = vec![Filter::new("instance-id", launched.id.as_str())];
        let found = env.read("asking for the instance's address", env.ec2.instances(filters)).await?;
        if let Some(found) = found.into_iter().next() {
            instance = found;
        }
    }
    Err(Failure::new(format!("instance {} has no address of the kind that \"ssh_interface\" asks for", launched.id))
        .help("set \"associate_public_ip_address\": true, or another \"ssh_interface\""))
}

/// The instance's address of a kind. `last`: settle for the private one.
fn address(instance: &Instance, interface: Interface, last: bool) -> Option<String> {
    let some = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    match interface {
        Interface::PublicIp => some(&instance.public_ip),
        Interface::PrivateIp => some(&instance.private_ip),
        Interface::PublicDns => some(&instance.public_dns),
        Interface::PrivateDns => some(&instance.private_dns),
        Interface::Ipv6 => some(&instance.ipv6),
        Interface::Auto if instance.vpc.is_some() => {
            some(&instance.public_ip).or_else(|| some(&instance.private_ip).filter(|_| last))
        }
        Interface::Auto => some(&instance.public_dns),
        Interface::SessionManager => None,
    }
}

async fn connect(
    env: &Env<'_>,
    ssh: &Ssh,
    launched: &Launched,
    mut spec: SshSpec,
) -> Result<Arc<dyn Communicator>, Failure> {
    match env.config.interface {
        Interface::SessionManager => env.ui().message(format!("Using Session Manager to connect: {}", spec.host)),
        _ => env.ui().message(format!("Using SSH communicator to connect: {}", spec.host)),
    }
    env.ui().say("Waiting for SSH to become available...");
    let start = Instant::now();
    let budget = spec.timeout;
    spec.host_keys = host_keys(env, ssh, launched).await?;
    loop {
        if let Some(budget) = budget {
            spec.timeout = Some(budget.saturating_sub(start.elapsed()).max(Duration::from_secs(1)));
        }
        let connecting = env.session.connect.connect(&spec);
        let connecting = async {
            match &launched.admission {
                Some(admission) => admission.follow(connecting).await,
                None => connecting.await,
            }
        };
        let attempt = env.session.run.cancel().guard(connecting).await;
        match attempt.ok_or_else(Failure::cancelled)? {
            Ok(communicator) => {
                env.ui().say("Connected to SSH!");
                let communicator: Arc<dyn Communicator> = match &launched.admission {
                    Some(admission) => Arc::new(Followed { inner: communicator, admission: admission.clone() }),
                    None => communicator,
                };
                return pause(env, ssh, communicator).await;
            }
            Err(CommError::HostKey(why)) => {
                // Either the machine has not installed our key yet, or its image does not take user data: its console tells.
                if let Some(keys) = console_keys(env, launched).await?
                    && spec.host_keys != HostKeys::Expected(keys.clone())
                {
                    env.ui().message("Using the host keys that the instance printed on its console");
                    spec.host_keys = HostKeys::Expected(keys);
                    continue;
                }
                if start.elapsed() > budget.unwrap_or(SETTLING).min(SETTLING) {
                    return Err(unknown_host(&why));
                }
                env.sleep(env.shared.pause * 5).await?;
            }
            Err(error) => return Err(unreachable(env, &error)),
        }
    }
}

/// The host keys to accept at first.
async fn host_keys(env: &Env<'_>, ssh: &Ssh, launched: &Launched) -> Result<HostKeys, Failure> {
    if ssh.host.is_some() {
        // The template connects to something else than the instance that was launched (a forwarder, a test).
        let why = "the template names the host itself (ssh_host)";
        env.ui().message(format!("The host key is not checked: {why}"));
        return Ok(HostKeys::Any(why));
    }
    if env.config.accept_any_host_key {
        let why = "the command line says so";
        env.ui().message(format!("The host key is not checked: {why}"));
        return Ok(HostKeys::Any(why));
    }
    let why = match &launched.host_key {
        Ok(key) => return Ok(HostKeys::Expected(vec![key.public.clone()])),
        Err(why) => *why,
    };
    env.ui().message(format!("The host key will be read from the console output: {why}"));
    let limit = ssh.spec.timeout.unwrap_or(Duration::from_secs(300)).max(Duration::from_secs(300));
    let start = Instant::now();
    loop {
        if let Some(keys) = console_keys(env, launched).await? {
            return Ok(HostKeys::Expected(keys));
        }
        env.ui().waiting("the host key on the console", start.elapsed(), None, false);
        if start.elapsed() > limit {
            return Err(unknown_host("no host key was printed on the console"));
        }
        env.sleep(env.shared.pause * 5).await?;
    }
}

async fn console_keys(env: &Env<'_>, launched: &Launched) -> Result<Option<Vec<String>>, Failure> {
    let call = env.ec2.console_output(&launched.id);
    // No permission, or types without it: there are no keys to be had this way.
    let output = env.session.run.cancel().guard(call).await.ok_or_else(Failure::cancelled)?.ok().flatten();
    Ok(output.map(|text| console_host_keys(&text)).filter(|keys| !keys.is_empty()))
}

fn unknown_host(why: &str) -> Failure {
    Failure::new(format!("the instance's host key is not known, so nothing was sent to it: {why}"))
        .help("images with cloud-init install the key that the build chooses, or print theirs on the console")
        .help("for other images run with --accept-any-host-key: whoever is on the way can then read the build")
}

fn unreachable(env: &Env<'_>, error: &CommError) -> Failure {
    let failure = Failure::connection(error);
    if env.config.interface == Interface::SessionManager && !matches!(error, CommError::Authentication(_)) {
        return match error {
            CommError::Unreachable(why) if why.contains(NOT_CONNECTED) => failure
                .help("the source AMI needs an SSM agent that starts with it, and the subnet a way to the ssm and ssmmessages endpoints")
                .help("the instance profile needs AmazonSSMManagedInstanceCore's permissions (ssm:UpdateInstanceInformation, ssmmessages:*)"),
            CommError::Local(why) if why.contains("StartSession") => failure
                .help(format!("starting sessions needs ssm:StartSession for the instance and for the document {DOCUMENT}")),
            _ => failure.help("check \"ssh_port\", and whether the source AMI starts an SSH server; \"ssh_timeout\" sets how long is tried"),
        };
    }
    match (error, &env.config.run.security_groups) {
        // The packet came back: neither the security group nor a route is at fault.
        (CommError::Unreachable(why), _) if why.contains("refused") => failure.help(
            "nothing listens on that port of the machine: check \"ssh_port\", and whether the source AMI starts an SSH server",
        ),
        (CommError::Unreachable(_) | CommError::TimedOut(_), SecurityGroups::TemporaryForCaller) => failure
            .help("the temporary security group admits this machine's own address only; where connections leave from another one, set \"temporary_security_group_source_cidrs\""),
        (CommError::Unreachable(_) | CommError::TimedOut(_), _) => {
            failure.help("check the security group, the subnet's routes, and \"ssh_interface\"; \"ssh_timeout\" sets how long is tried")
        }
        (CommError::Authentication(_), _) => {
            failure.help("check \"ssh_username\": ubuntu, ec2-user, admin, … depend on the source AMI")
        }
        _ => failure,
    }
}

/// `pause_before_connecting`: some images reboot or restart their SSH server after it has answered for the first time.
async fn pause(
    env: &Env<'_>,
    ssh: &Ssh,
    communicator: Arc<dyn Communicator>,
) -> Result<Arc<dyn Communicator>, Failure> {
    if ssh.pause.is_zero() {
        return Ok(communicator);
    }
    env.ui().say(format!("Pausing {} s before connecting...", ssh.pause.as_secs_f64()));
    env.sleep(ssh.pause).await?;
    let again = communicator.reconnect(ssh.spec.timeout.unwrap_or(Duration::from_secs(300)));
    let again = env.session.run.cancel().guard(again).await.ok_or_else(Failure::cancelled)?;
    again.map_err(|error| unreachable(env, &error))?;
    Ok(communicator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amazon::types::{InstanceState, Tags};

    #[test]
    fn chooses_the_address_as_packer_does() {
        let mut instance = Instance {
            id: "i-1".into(),
            state: InstanceState::Running,
            state_reason: None,
            image: None,
            instance_type: "t3.micro".into(),
            availability_zone: None,
            vpc: Some("vpc-1".into()),
            subnet: None,
            public_ip: Some("1.2.3.4".into()),
            private_ip: Some("10.0.0.1".into()),
            public_dns: Some("p.example".into()),
            private_dns: Some("i.example".into()),
            ipv6: None,
            volumes: Vec::new(),
            tags: Tags::new(),
        };
        let of = |instance: &Instance, interface, last| address(instance, interface, last);
        assert_eq!(of(&instance, Interface::Auto, false).as_deref(), Some("1.2.3.4"));
        assert_eq!(of(&instance, Interface::PrivateDns, false).as_deref(), Some("i.example"));
        assert_eq!(of(&instance, Interface::Ipv6, true), None);
        instance.public_ip = None;
        assert_eq!(of(&instance, Interface::Auto, false), None);
        assert_eq!(of(&instance, Interface::Auto, true).as_deref(), Some("10.0.0.1"));
        instance.vpc = None;
        assert_eq!(of(&instance, Interface::Auto, false).as_deref(), Some("p.example"));
    }
}
