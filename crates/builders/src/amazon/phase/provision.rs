//! The provisioners, and taking the temporary key out of the machine again.

use super::connect::Reached;
use super::launch::Launched;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use imgbuild_engine::communicator::{Command, run as run_command};

/// Runs them.
pub async fn run(env: &Env<'_>, launched: &Launched, reached: &Reached) -> Result<(), Failure> {
    env.session.provision.run(&reached.session).await?;
    clear_keys(env, launched, reached).await;
    Ok(())
}

/// `ssh_clear_authorized_keys`: the line with the temporary key goes, for the user and, through sudo, for root. As in Packer a
/// failure is told and does not fail the build.
async fn clear_keys(env: &Env<'_>, launched: &Launched, reached: &Reached) {
    let wanted = env.config.communicator.ssh().is_some_and(|ssh| ssh.clear_authorized_keys);
    let (Some(_), Some(name), Some(communicator)) = (&launched.key, &launched.key_name, &reached.session.communicator)
    else {
        return;
    };
    if !wanted {
        return;
    }
    env.ui().say("Trying to remove ephemeral keys from authorized_keys files");
    // Names come from templates: in the expression only what needs no escape stands for itself.
    let pattern: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '.' }).collect();
    let edit = |file: &str| format!("[ ! -e {file} ] || sed -i -e '/ {pattern}$/d' -e '/^$/d' {file}");
    let as_root = format!("sudo -n sh -c \"{}\"", edit("/root/.ssh/authorized_keys").replace('$', "\\$"));
    for (whose, line) in [("the user's", edit("~/.ssh/authorized_keys")), ("root's", as_root)] {
        match run_command(communicator.as_ref(), Command::new(line), b"").await {
            Ok(done) if done.exit.success() => {}
            Ok(done) => {
                let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                env.ui().error(format!("{whose} authorized_keys could not be cleaned: {why}"));
            }
            Err(error) => env.ui().error(format!("{whose} authorized_keys could not be cleaned: {error}")),
        }
    }
}
