//! The provisioners, and sealing the machine after them.

use super::connect::Reached;
use super::launch::Launched;
use super::seal;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use std::sync::atomic::AtomicUsize;

/// Runs them. The temporary key always goes, so `ssh_clear_authorized_keys` has nothing left to ask for.
/// `begun` counts the steps.
pub async fn run(env: &Env<'_>, launched: &Launched, reached: &Reached, begun: &AtomicUsize) -> Result<(), Failure> {
    env.session.provision.run_counting(&reached.session, begun).await?;
    seal::run(env, launched, reached).await;
    Ok(())
}
