//! Takes out of the machine what imgbuild itself put in, as the last thing before it is stopped: the temporary login key, the
//! injected host key, and cloud-init's copy of this instance's user data, which holds the private half of that host key.
//! What the user's own provisioners left is the user's (the role `image_cleanup` removes it).

use super::connect::Reached;
use super::launch::Launched;
use crate::amazon::env::Env;
use imgbuild_engine::communicator::{Command, run as run_command};

/// Runs as root, from standard input: nothing of it shows in a process list. `KEY` and `HOST_KEY` are the base64 parts of
/// public keys, empty where there is none; cloud-init makes new host keys at an instance's first boot.
const SCRIPT: &str = r#"
if [ -n "$KEY" ]; then
  for file in /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys "$HOME/.ssh/authorized_keys"; do
    [ -f "$file" ] && grep -qF "$KEY" "$file" || continue
    copy=$(mktemp) && { grep -vF "$KEY" "$file" > "$copy" || :; } && cat "$copy" > "$file"
    rm -f "$copy"
    [ -s "$file" ] || rm -f "$file"
  done
fi
if [ -n "$HOST_KEY" ]; then
  for file in /etc/ssh/ssh_host_*_key.pub; do
    [ -f "$file" ] && grep -qF "$HOST_KEY" "$file" || continue
    rm -f "$file" "${file%.pub}"
  done
fi
if [ -d "/var/lib/cloud/instances/$INSTANCE" ]; then
  rm -rf "/var/lib/cloud/instances/$INSTANCE"
  [ -e /var/lib/cloud/instance ] || rm -f /var/lib/cloud/instance
  rm -f /run/cloud-init/instance-data-sensitive.json
fi
sync
"#;

/// Seals the machine. A failure is told and does not fail the build: what is left is of no use once the instance is gone, but an
/// image should not hold it.
pub async fn run(env: &Env<'_>, launched: &Launched, reached: &Reached) {
    let Some(communicator) = &reached.session.communicator else { return };
    if env.config.skip_create_ami {
        return;
    }
    let blob = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let key = launched.key.as_ref().map(|key| blob(&key.public)).unwrap_or_default();
    let host_key = launched.host_key.as_ref().map(|key| blob(&key.public)).unwrap_or_default();
    if key.is_empty() && host_key.is_empty() {
        return;
    }
    let script = format!("KEY='{key}' HOST_KEY='{host_key}' INSTANCE='{}'\n{SCRIPT}", launched.id);
    let line = "if [ \"$(id -u)\" = 0 ]; then exec sh -s; else exec sudo -n sh -s; fi";
    let why = match run_command(communicator.as_ref(), Command::new(line), script.as_bytes()).await {
        Ok(done) if done.exit.success() => return,
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    env.ui().error(format!("The temporary keys could not be taken out of the machine and will be in the image: {why}"));
}
