//! `build --wait-for`: a first step that lets the machine's first boot come to its end. Packer has none: people write loops into their
//! scripts (hashicorp/packer#2639).

use imgbuild_diag::{Source, Span};
use imgbuild_template::value::{Entry, Map};
use imgbuild_template::{Body, Build, Node, Provisioner, Spanned, Value};

/// What may still be at work when the machine can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WaitFor {
    /// cloud-init, with the user data's scripts
    CloudInit,
    /// Whoever holds the locks of dpkg and apt
    Apt,
}

/// `status --wait` came with cloud-init 17.1; it fails where cloud-init did, which is the user data's business. Before, and where a
/// wait ends too early, the file that is written last tells.
const CLOUD_INIT: &str = r#"if command -v cloud-init >/dev/null 2>&1; then
  echo "Waiting for cloud-init..."
  if cloud-init status --help >/dev/null 2>&1; then
    cloud-init status --wait >/dev/null 2>&1 || echo "cloud-init says: $(cloud-init status 2>&1 | head -n 1)"
  else
    n=0
    while [ ! -e /var/lib/cloud/instance/boot-finished ] && [ "$n" -lt 900 ]; do sleep 1; n=$((n + 1)); done
    [ -e /var/lib/cloud/instance/boot-finished ] || { echo "cloud-init has not finished within 15 minutes" >&2; exit 1; }
  fi
fi"#;

/// dpkg and apt lock with fcntl, which the kernel lists by process and inode; looking there takes neither root nor a tool. An overlay names
/// another inode there than `stat` does: then the holder's name tells. (Some of these programs run all the time; only those that hold a lock
/// count.)
const APT: &str = r#"holder() {
  inodes=""
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    [ ! -e "$lock" ] || inodes="$inodes $(stat -c %i "$lock") "
  done
  while read -r n kind advisory access pid place rest; do
    [ "$kind" = POSIX ] || continue
    name=$(cat "/proc/$pid/comm" 2>/dev/null) || name="process $pid"
    case "$name" in apt | apt-get | aptitude | dpkg | unattended-upgr | apt.systemd.dai | packagekitd) echo "$name"; return 0 ;; esac
    case "$inodes" in *" ${place##*:} "*) echo "$name"; return 0 ;; esac
  done < /proc/locks
  return 1
}
if name=$(holder); then
  echo "Waiting for $name, which holds a lock of dpkg or apt..."
  n=0
  while name=$(holder); do
    n=$((n + 1))
    [ "$n" -lt 900 ] || { echo "$name has held a lock of dpkg or apt for 15 minutes" >&2; exit 1; }
    sleep 1
  done
fi"#;

/// The build with a first step that waits.
pub fn first(build: &Build, wanted: &[WaitFor]) -> Build {
    let script: Vec<&str> = [(WaitFor::CloudInit, CLOUD_INIT), (WaitFor::Apt, APT)]
        .into_iter()
        .filter(|(what, _)| wanted.contains(what))
        .map(|(_, script)| script)
        .collect();
    if script.is_empty() {
        return build.clone();
    }
    let source = Source::new("--wait-for", "shell".to_owned());
    let span = Span::new(&source, 0..5);
    let mut options = Map::new();
    let text = |text: String| Node::new(Value::String(text), span.clone());
    // A text by itself would be split at its commas.
    let inline = Node::new(Value::List(vec![text(script.join("\n"))]), span.clone());
    for (key, node) in [("inline", inline), ("inline_shebang", text("/bin/sh".to_owned()))] {
        options.insert(key.into(), Entry { key: span.clone(), node });
    }
    let step = Provisioner {
        kind: Spanned::new("shell".into(), span.clone()),
        name: None,
        pause_before: Default::default(),
        timeout: None,
        max_retries: 0,
        continue_on_error: false,
        body: Body::new(options, span),
    };
    let mut build = build.clone();
    build.provisioners.insert(0, step);
    build
}
