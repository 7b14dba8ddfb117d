//! Spot instances that EC2 takes back while they are being provisioned: noticed by what EC2 says of an instance whose connection was
//! lost, and done again on another instance where the template allows it. See docs/decisions/0060-spot-interruptions.md.

use super::launch::Launched;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::types::{Filter, InstanceState};

/// After this many instances that were taken back there is no capacity to speak of.
const MOST: usize = 3;

/// A failed phase's failure, known as an interruption where it is one.
pub async fn recognise<T>(env: &Env<'_>, launched: &Launched, failure: Failure) -> Result<T, Failure> {
    if !launched.spot || failure.cancelled {
        return Err(failure);
    }
    let filters = vec![Filter::new("instance-id", launched.id.as_str())];
    // Who can't be asked says nothing about an interruption.
    let Ok(found) = env.read("asking what became of the instance", env.ec2.instances(filters)).await else {
        return Err(failure);
    };
    let ended = |state| {
        matches!(
            state,
            InstanceState::ShuttingDown | InstanceState::Terminated | InstanceState::Stopping | InstanceState::Stopped
        )
    };
    let Some(instance) = found.into_iter().find(|instance| ended(instance.state)) else { return Err(failure) };
    let why = instance.state_reason.unwrap_or_default();
    // "Server.SpotInstanceTermination", "Server.SpotInstanceShutdown" (API reference, StateReason); what a provisioner
    // itself shuts down says "Client.InstanceInitiatedShutdown".
    if !why.starts_with("Server.Spot") {
        return Err(failure);
    }
    let message = format!("the spot instance {} was interrupted: {why}", launched.id);
    Err(Failure { message, interrupted: true, ..failure })
}

/// Whether to go on with another instance, after this many steps were begun and so many instances were taken.
pub fn again(env: &Env<'_>, failure: &Failure, begun: usize, before: usize) -> Result<(), Failure> {
    let refuse = |why: String, help: &str| {
        let message = format!("{}; {why}", failure.message);
        Err(Failure { message, interrupted: false, ..failure.clone() }.help(help))
    };
    if let Some(step) = env.session.provision.unrepeatable(begun) {
        let why = format!(
            "the provisioner {:?} ({}) has acted outside of it, so the build can't be done again by itself",
            step.kind, step.place
        );
        return refuse(why, "put \"shell-local\" behind what takes long, or build on demand");
    }
    if before >= MOST {
        return refuse(
            format!("{before} instances have been taken"),
            "build on demand, or add types to \"spot_instance_types\"",
        );
    }
    env.ui().error(&failure.message);
    env.ui().say("Beginning again on another instance: no provisioner has acted outside of this one");
    Ok(())
}
