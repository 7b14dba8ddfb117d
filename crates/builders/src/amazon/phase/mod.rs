//! The phases of `amazon-ebs`, one file each, in the order in which [`super::ebs`] goes through them. What a phase needs is in
//! its arguments, what it leaves in its result.

pub mod connect;
pub mod copy;
pub mod image;
pub mod interruption;
pub mod launch;
pub mod network;
pub mod preflight;
pub mod provision;
pub mod publish;
pub mod register;
pub mod replace;
pub mod seal;
pub mod snapshot;
pub mod source;
pub mod stop;
pub mod unchanged;
pub mod verify;
pub mod volumes;

use super::ec2::Ec2Error;
use super::env::Env;
use super::failure::Failure;

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
