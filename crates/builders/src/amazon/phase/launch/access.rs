//! Who gets in: the temporary key pair and the temporary security group.

use super::Subject;
use crate::amazon::caller::only;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::SecurityGroupId;
use crate::amazon::is_loopback;
use crate::amazon::options::Interface;
use crate::amazon::options::run::SecurityGroups;
use crate::amazon::phase::network::Network;
use crate::amazon::phase::patiently;
use crate::amazon::releaser::kind;
use crate::amazon::types::{Filter, Ingress, Tags};
use crate::private_key::{self, KeyPair, Make};
use crate::ssh_options::{KeySource, Ssh, TemporaryKey};
use imgbuild_engine::connect::Route;
use imgbuild_engine::run::Held;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A temporary pair, the name that the launch gives EC2, and what is to be released.
type Key = (Option<KeyPair>, Option<String>, Option<Held<()>>);

pub(super) async fn key_pair(env: &Env<'_>, subject: Subject<'_>, tags: &Tags) -> Result<Key, Failure> {
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

pub(super) async fn security_groups(
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
        SecurityGroups::TemporaryForCaller => match inbound(env) {
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
    if let Some(ssh) = inbound(env) {
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

/// SSH, if connections come in from outside: a session's agent is on the instance itself.
fn inbound<'a>(env: &'a Env<'_>) -> Option<&'a Ssh> {
    env.config.communicator.ssh().filter(|_| env.config.interface != Interface::SessionManager)
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
