//! Who gets in: the temporary key pair and the temporary security group.

use super::Subject;
use super::admission::{self, Admission};
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::SecurityGroupId;
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

/// Groups of the instance; a temporary one is to be released, and may have to follow this machine's address.
#[derive(Default)]
pub(super) struct Groups {
    pub ids: Vec<SecurityGroupId>,
    pub held: Option<Held<()>>,
    pub admission: Option<Admission>,
}

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

pub(super) async fn security_groups(env: &Env<'_>, network: &Network, tags: &Tags) -> Result<Groups, Failure> {
    let mut follows = false;
    let cidrs = match &env.config.run.security_groups {
        SecurityGroups::Ids(ids) => return Ok(Groups { ids: ids.clone(), ..Groups::default() }),
        SecurityGroups::Filter(filters) => {
            let mut filters = filters.clone();
            filters.extend(network.vpc.iter().map(|vpc| Filter::new("vpc-id", vpc.as_str())));
            let found = env.read("looking for the security groups", env.ec2.security_groups(filters)).await?;
            if found.is_empty() {
                return Err(Failure::new(format!(
                    "no security group in {} matches \"security_group_filter\"",
                    env.region
                ))
                .at(env.config.run.places.of(&["security_group_filter"])));
            }
            let ids: Vec<SecurityGroupId> = found.into_iter().map(|g| g.id).collect();
            let list: Vec<&str> = ids.iter().map(SecurityGroupId::as_str).collect();
            env.ui().message(format!("Found Security Group(s): {}", list.join(", ")));
            return Ok(Groups { ids, ..Groups::default() });
        }
        SecurityGroups::Temporary(cidrs) => cidrs.clone(),
        SecurityGroups::TemporaryForCaller => match inbound(env) {
            Some(ssh) => {
                let from = env.caller();
                let asked = env.session.run.cancel().guard(admission::blocks(&from, ssh)).await;
                // Ways through other hosts lead through the same ones all the while.
                follows = matches!(ssh.spec.route, Route::Direct);
                asked.ok_or_else(Failure::cancelled)??
            }
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
        let rule = Ingress { port: ssh.spec.port, cidrs: cidrs.clone() };
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
    let admission = env.config.communicator.ssh().filter(|_| follows).map(|ssh| {
        let (ec2, ui) = (std::sync::Arc::clone(&env.ec2), env.ui().clone());
        Admission::new(ec2, ui, env.caller(), ssh.clone(), group.clone(), cidrs, env.shared.pause)
    });
    Ok(Groups { ids: vec![group], held: Some(held), admission })
}

/// SSH, if connections come in from outside: a session's agent is on the instance itself.
fn inbound<'a>(env: &'a Env<'_>) -> Option<&'a Ssh> {
    env.config.communicator.ssh().filter(|_| env.config.interface != Interface::SessionManager)
}
