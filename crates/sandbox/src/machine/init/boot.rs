//! What happens between "process 1 runs" and "all services are up", and the way back down.
//!
//! The order is an EC2 image's: file systems of /etc/fstab, block device links, then the image's own start links
//! (cloud-init among them) level by level. An fstab entry that is needed and cannot be mounted ends the boot in an
//! emergency, without sshd, as on a real instance.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::namespace::network::RESOLVER;
use super::super::namespace::sys;
use super::{fstab, links, rc};

/// Where the machine's programs are.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of everything that the machine starts at boot; nothing of the host's.
const ENVIRONMENT: [(&str, &str); 6] =
    [("PATH", PATH), ("TERM", "linux"), ("RUNLEVEL", "2"), ("PREVLEVEL", "N"), ("runlevel", "2"), ("previous", "N")];

/// A program of the image, with the boot environment and the console as its output.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().envs(ENVIRONMENT).stdin(Stdio::null()).current_dir("/");
    command
}

/// One line on the console.
pub fn say(text: &str) {
    // A console that takes nothing is no reason to stop booting.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Boots.
pub fn up() {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    say(&format!("Linux version {release}: machine starts"));
    prepare_files();
    links::start();
    if !fstab::mount_all() {
        say("You are in emergency mode: a file system of /etc/fstab could not be mounted and has no `nofail`.");
        return;
    }
    rc::start_all();
    say("Startup finished.");
}

/// Files that the early boot of a distribution makes. What cannot be made is said on the console; the boot goes on.
fn prepare_files() {
    let attempts = [
        ("/run/utmp", fs_err::write("/run/utmp", runlevel_record())),
        ("/etc/resolv.conf", write_resolver()),
        ("/etc/machine-id", ensure_machine_id()),
        ("/run/sshd", fs_err::create_dir_all("/run/sshd")),
    ];
    for (path, result) in attempts {
        if let Err(error) = result {
            say(&format!("boot: {path}: {error}"));
        }
    }
}

/// As a DHCP client does.
fn write_resolver() -> std::io::Result<()> {
    super::super::namespace::files::remove_if_there("/etc/resolv.conf".as_ref())?;
    fs_err::write("/etc/resolv.conf", format!("nameserver {RESOLVER}\nsearch ec2.internal\n"))
}

/// As systemd does on the first boot of an image that has none.
fn ensure_machine_id() -> std::io::Result<()> {
    let known = fs_err::read_to_string("/etc/machine-id").unwrap_or_default();
    if known.trim().len() == 32 {
        return Ok(());
    }
    fs_err::write("/etc/machine-id", format!("{}\n", uuid::Uuid::new_v4().simple()))
}

/// A utmp(5) record that says "run level 2", for runlevel(8) and invoke-rc.d.
fn runlevel_record() -> Vec<u8> {
    // struct utmp on Linux: type(2) pad(2) pid(4) line(32) id(4) user(32) host(256) … 384 bytes in all.
    let mut record = vec![0_u8; 384];
    record[0] = 1; // RUN_LVL
    record[4] = b'2'; // the run level, and the one before in the second byte
    record[5] = b'N';
    record[8] = b'~';
    record[40..42].copy_from_slice(b"~~");
    record[44..52].copy_from_slice(b"runlevel");
    record
}

/// Stops services, ends all processes, and gives the data volumes back clean.
pub fn down() {
    say("The system is going down NOW!");
    rc::stop_all();
    end_processes();
    rustix::fs::sync();
    fstab::unmount_all();
    rustix::fs::sync();
}

/// TERM to everything but process 1 and this one, then KILL to what stays. kill(-1) spares both.
fn end_processes() {
    let _ = sys::kill(-1, libc::SIGTERM);
    let deadline = Instant::now() + Duration::from_secs(5);
    while others() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = sys::kill(-1, libc::SIGKILL);
}

/// Whether any process but process 1 and this one is left (zombies are process 1's to reap).
fn others() -> bool {
    let Ok(entries) = fs_err::read_dir("/proc") else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { return false };
        if pid == 1 || pid == std::process::id() {
            return false;
        }
        fs_err::read_to_string(entry.path().join("stat"))
            .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
    })
}
