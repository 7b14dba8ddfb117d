//! Before the image is made: the instance stops, and gets the attributes that only a stopped one can get.

use super::launch::Launched;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::types::{Instance, InstanceChange, InstanceState};
use crate::amazon::wait::Verdict;
use std::time::Duration;

/// Stops it, or waits until a provisioner's shutdown has. Spot instances can't be stopped; their image is made with a reboot.
pub async fn run(env: &Env<'_>, launched: &Launched) -> Result<(), Failure> {
    if launched.spot {
        return Ok(());
    }
    let id = &launched.id;
    if env.config.run.disable_stop {
        env.ui().say("Automatic instance stop disabled. Please stop instance manually.");
    } else {
        env.ui().say("Stopping the source instance...");
        stop(env, launched).await?;
    }
    env.ui().say("Waiting for the instance to stop...");
    let wait = env.wait(
        format!("instance {id} to stop"),
        Duration::from_secs(if env.config.run.disable_stop { 3600 } else { 900 }),
    );
    let stopped = env.poller.instance(id, wait, verdict);
    stopped.await.map_err(Failure::wait)?;
    let ami = &env.config.ami;
    if ami.sriov {
        env.ui().say("Enabling Enhanced Networking (SR-IOV)...");
        modify(env, launched, InstanceChange::Sriov).await?;
    }
    if let Some(on) = ami.ena {
        env.ui().say(if on {
            "Enabling Enhanced Networking (ENA)..."
        } else {
            "Disabling Enhanced Networking (ENA)..."
        });
        modify(env, launched, InstanceChange::Ena(on)).await?;
    }
    Ok(())
}

/// Stopping twice does no harm, so a lost reply is asked for again.
async fn stop(env: &Env<'_>, launched: &Launched) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        match env.ec2.stop_instance(&launched.id).await {
            Ok(()) => return Ok(()),
            Err(error) if tries < 5 && (error.is_not_found() || !error.certain()) => {
                tries += 1;
                env.sleep(env.shared.pause * tries).await?;
            }
            Err(error) => return Err(Failure::call("stopping the instance", &error)),
        }
    }
}

async fn modify(env: &Env<'_>, launched: &Launched, change: InstanceChange) -> Result<(), Failure> {
    let call = env.ec2.modify_instance(&launched.id, change);
    call.await.map_err(|e| Failure::call("changing enhanced networking", &e))
}

fn verdict(instance: Option<&Instance>) -> Verdict {
    match instance {
        None => Verdict::Later(None),
        Some(instance) => match instance.state {
            InstanceState::Stopped => Verdict::Done,
            InstanceState::Terminated | InstanceState::ShuttingDown => {
                let why = instance.state_reason.clone().unwrap_or_else(|| "no reason given".into());
                Verdict::Never(format!("instance {} was terminated instead of stopped: {why}", instance.id))
            }
            _ => Verdict::Later(None),
        },
    }
}
