//! The image's services: its sysvinit start links (/etc/rc2.d), in their order, those of one number side by side, which
//! is how Debian's startpar runs them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;

use super::boot::{PATH, program, say};

/// cloud-init's first stage sets up the network before there is one; ours is up, and its EC2 data source answers over
/// the network in the second stage. Running it would only wait for a DHCP server that is not there. What else it does,
/// [`forget_instance`] does.
const NOT_STARTED: [&str; 1] = ["cloud-init-local"];

const CLOUD_INIT: &str = "/usr/bin/cloud-init";

/// Settings of the kernel from /etc/sysctl.conf are the one script of the early boot that an image's builder changes.
const EARLY: [&str; 1] = ["procps"];

/// Starts everything that is enabled.
pub fn start_all() {
    for name in EARLY {
        let script = Path::new("/etc/init.d").join(name);
        if script.exists() && linked("/etc/rcS.d", name) {
            finish(name, start(name, "start"));
        }
    }
    forget_instance();
    let mut services = links("/etc/rc2.d", 'S');
    ensure_ssh(&mut services);
    // Where cloud-init comes with units for systemd only, its stages run where those would be: the second before all
    // services (sshd needs its keys), the third beside them, the last when they are up.
    let stages = cloud_init_lacks_scripts().then(CloudInit::before_services);
    for names in services.into_values() {
        let running: Vec<(String, Option<Child>)> = names
            .into_iter()
            .filter(|name| !NOT_STARTED.contains(&name.as_str()))
            .map(|name| {
                let child = start(&name, "start");
                (name, child)
            })
            .collect();
        for (name, child) in running {
            finish(&name, child);
        }
    }
    if let Some(stages) = stages {
        stages.after_services();
    }
}

/// Makes cloud-init look anew which instance this is, as its first stage does on every boot of an EC2 instance: an
/// image still says which instance it was made on. What was done once per instance is kept under the instance's id.
fn forget_instance() {
    let link = Path::new("/var/lib/cloud/instance");
    if link.is_symlink() && !link.join("manual-clean").exists() {
        let _ = fs_err::remove_file(link);
    }
    let _ = fs_err::remove_file("/var/lib/cloud/data/no-net");
}

/// cloud-init without start scripts.
struct CloudInit {
    config: Option<Child>,
}

impl CloudInit {
    fn before_services() -> Self {
        finish("cloud-init", cloud_init(&["init"]));
        Self { config: cloud_init(&["modules", "--mode=config"]) }
    }

    fn after_services(self) {
        finish("cloud-config", self.config);
        finish("cloud-final", cloud_init(&["modules", "--mode=final"]));
    }
}

fn cloud_init(arguments: &[&str]) -> Option<Child> {
    let mut command = program(CLOUD_INIT);
    command.args(arguments);
    if let Err(error) = shadow_programs() {
        say(&format!("cloud-init: {error}"));
    }
    command.env("PATH", format!("{SHADOWS}:{PATH}"));
    command.spawn().map_err(|error| say(&format!("cloud-init: {error}"))).ok()
}

/// Programs that cloud-init finds before the image's own.
const SHADOWS: &str = "/run/machine/bin";

/// An instance is no container, but systemd-detect-virt sees that this one is: and cloud-init, which asks it, would then
/// not look at the firmware's strings and not believe that this is EC2. And there is no udevd to reload rules.
fn shadow_programs() -> std::io::Result<()> {
    fs_err::create_dir_all(SHADOWS)?;
    for (name, text) in [("systemd-detect-virt", DETECT_VIRT), ("udevadm", UDEVADM)] {
        let program = Path::new(SHADOWS).join(name);
        fs_err::write(&program, text)?;
        fs_err::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    Ok(())
}

const DETECT_VIRT: &str = "\
#!/bin/sh
kind=amazon
for option; do
  case $option in
    -c | --container | --chroot | -r) kind=none ;;
    -q | --quiet) exec >/dev/null ;;
  esac
done
echo $kind
[ $kind != none ]
";

const UDEVADM: &str = "\
#!/bin/sh
[ \"$1\" = control ] || exec /usr/bin/udevadm \"$@\"
";

fn cloud_init_lacks_scripts() -> bool {
    let is = |path: &str| Path::new(path).exists();
    is(CLOUD_INIT) && !is("/etc/init.d/cloud-init") && !is("/etc/cloud/cloud-init.disabled")
}

/// Stops everything that has a stop link, in the order of the power-off run level.
pub fn stop_all() {
    // Links of the scripts that turn the machine off are not followed: process 1 does that.
    const OURS: [&str; 8] =
        ["sendsigs", "umountfs", "umountnfs.sh", "umountroot", "halt", "reboot", "hwclock.sh", "networking"];
    for names in links("/etc/rc0.d", 'K').into_values() {
        let running: Vec<(String, Option<Child>)> = names
            .into_iter()
            .filter(|name| !OURS.contains(&name.as_str()) && !name.starts_with("cloud-"))
            .map(|name| {
                let child = start(&name, "stop");
                (name, child)
            })
            .collect();
        for (name, child) in running {
            finish(&name, child);
        }
    }
}

/// An image whose sshd is enabled for systemd only is started the way its unit would: after cloud-init's second stage.
fn ensure_ssh(services: &mut BTreeMap<u32, Vec<String>>) {
    let listed = services.values().flatten().any(|name| name == "ssh" || name == "sshd");
    if listed || !Path::new("/usr/sbin/sshd").exists() {
        return;
    }
    let name = if Path::new("/etc/init.d/ssh").exists() { "ssh" } else { "sshd" };
    let after = services.iter().find(|(_, names)| names.iter().any(|name| name == "cloud-init")).map(|(at, _)| at + 1);
    services.entry(after.unwrap_or(99)).or_default().push(name.to_owned());
}

/// The scripts that a run level's links name: number to names.
fn links(level: &str, letter: char) -> BTreeMap<u32, Vec<String>> {
    let names = fs_err::read_dir(level)
        .map(|entries| {
            entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok()).collect()
        })
        .unwrap_or_default();
    group(names, letter)
}

fn group(mut names: Vec<String>, letter: char) -> BTreeMap<u32, Vec<String>> {
    names.sort();
    let mut groups: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for name in names {
        let Some(rest) = name.strip_prefix(letter) else { continue };
        let Some((Ok(number), script)) = rest.split_at_checked(2).map(|(number, script)| (number.parse(), script))
        else {
            continue;
        };
        groups.entry(number).or_default().push(script.to_owned());
    }
    groups
}

fn linked(level: &str, name: &str) -> bool {
    links(level, 'S').values().flatten().any(|linked| linked == name)
}

/// Runs a script of /etc/init.d; the place that the links point to.
fn start(name: &str, action: &str) -> Option<Child> {
    let script = format!("/etc/init.d/{name}");
    let result = if Path::new(&script).exists() {
        program(&script).arg(action).spawn()
    } else if name == "sshd" && action == "start" {
        generate_host_keys();
        program("/usr/sbin/sshd").spawn()
    } else {
        return None;
    };
    result.map_err(|error| say(&format!("{name}: {action}: {error}"))).ok()
}

fn finish(name: &str, child: Option<Child>) {
    let Some(mut child) = child else { return };
    match child.wait() {
        Ok(status) if status.success() => {}
        Ok(status) => say(&format!("{name}: {status}")),
        Err(error) => say(&format!("{name}: {error}")),
    }
}

/// Only for an sshd without a script of its own and without cloud-init.
fn generate_host_keys() {
    let _ = program("ssh-keygen").arg("-A").status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_grouped_by_number() {
        let names =
            ["S03ssh", "S01dbus", "K01x", "S01cron", "README", "S3", "S02cloud-init"].map(String::from).to_vec();
        let groups: Vec<(u32, Vec<String>)> = group(names, 'S').into_iter().collect();
        assert_eq!(
            groups,
            [
                (1, vec!["cron".to_owned(), "dbus".to_owned()]),
                (2, vec!["cloud-init".to_owned()]),
                (3, vec!["ssh".to_owned()])
            ]
        );
    }

    #[test]
    fn sshd_without_a_link_comes_after_cloud_init() {
        let mut services = group(vec!["S02cloud-init".into(), "S03cloud-config".into()], 'S');
        if Path::new("/usr/sbin/sshd").exists() {
            ensure_ssh(&mut services);
            assert_eq!(services[&3].len(), 2);
        }
    }
}
