//! A machine's process 1: from a fresh fork of the supervisor to the loop that reaps and shuts down.
//!
//! It is a fork and no program of its own: nothing of ours lies in the image, and the image's own libc does not matter.
//! Like sysvinit's it obeys SIGTERM (power off) and SIGINT (reboot); reboot(2) inside ends it the way the kernel does
//! for process 1 of a namespace, and the supervisor then boots it again or not.

mod boot;
mod fstab;
mod links;
mod rc;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::mount::MountFlags;
use rustix::system::RebootCommand;

use super::namespace::fault::{Fault, Step};
use super::namespace::loopdev::Attached;
use super::namespace::mounts::{self, inside};
use super::namespace::spec::Spec;
use super::namespace::{cgroup, devices, network, seccomp, sys, sysview};

/// What a fork of the supervisor needs to become a machine.
pub struct Birth<'a> {
    /// The machine.
    pub spec: &'a Spec,
    /// Its data volumes at this moment.
    pub volumes: &'a [Attached],
    /// The terminal that is its console.
    pub console: &'a Path,
    /// The supervisor's "go on" bytes.
    pub from_supervisor: File,
    /// "n" when the network namespace is there, "r" when the machine's own root is; or an error's text.
    pub to_supervisor: File,
}

/// Becomes process 1 of the machine; does not return.
pub fn become_init(mut birth: Birth<'_>) -> ! {
    match enter(&mut birth) {
        Ok(()) => {
            let _ = birth.to_supervisor.write_all(b"r");
            drop(birth);
            run()
        }
        Err(fault) => {
            let _ = birth.to_supervisor.write_all(fault.chain().as_bytes());
            sys::exit_now(1)
        }
    }
}

/// Namespaces, network, root, devices; then nothing of the host is left in this process.
fn enter(birth: &mut Birth<'_>) -> Result<(), Fault> {
    let launch = &birth.spec.launch;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .step("tying the machine to its supervisor")?;
    rustix::process::setsid().step("starting a session")?;
    sys::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC | libc::CLONE_NEWNS)
        .step("making the machine's namespaces")?;
    birth.to_supervisor.write_all(b"n").step("reporting to the supervisor")?;
    birth.from_supervisor.read_exact(&mut [0]).step("waiting for the supervisor's network")?;
    let links = network::Links::of_machine(launch.address)
        .ok_or_else(|| Fault::new(format!("{} is no machine's address", launch.address)))?;
    network::configure_machine(links)?;

    let hierarchies = cgroup::enter(&launch.instance_id, &cgroup::hierarchies()?);
    sys::unshare(libc::CLONE_NEWCGROUP).step("making the machine's cgroup namespace")?;
    mounts::make_private()?;
    let root = birth.spec.dir.join("root");
    let staging = birth.spec.dir.join("staging");
    for place in [&root, &staging] {
        fs_err::create_dir_all(place).step("making the machine's mount points")?;
    }
    mounts::mount_layers(&launch.root, &root)?;
    for place in ["/proc", "/sys", "/dev", "/run", "/tmp"] {
        fs_err::create_dir_all(inside(&root, place)).step(format!("making {place}"))?;
    }
    devices::fill(&root, birth.console, birth.volumes)?;
    sysview::mount_all(&root, &staging, launch, birth.volumes)?;
    let run = inside(&root, "/run");
    mounts::mount("tmpfs", &run, MountFlags::NOSUID | MountFlags::NODEV, "mode=0755,size=20%")?;
    let lock = run.join("lock");
    fs_err::create_dir(&lock).step("making /run/lock")?;
    mounts::mount("tmpfs", &lock, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, "mode=1777,size=5m")?;
    control_groups(&root, &hierarchies)?;

    let console = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(birth.console)
        .step("opening the console")?;
    mounts::enter_root(&root)?;
    for standard in 0..3 {
        sys::duplicate_to(&console, standard).step("connecting the console")?;
    }
    rustix::system::sethostname(launch.hostname.as_bytes()).step("setting the host name")?;
    seccomp::install().step("refusing what would reach the host")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::thread::set_name(c"init").step("naming the init process")?;
    sys::set_title("/sbin/init").step("naming the init process")
}

/// The machine's own view of its control groups, where dockerd and others look for it.
fn control_groups(root: &Path, hierarchies: &[cgroup::Hierarchy]) -> Result<(), Fault> {
    let guard = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let place = inside(root, "/sys/fs/cgroup");
    if !place.is_dir() {
        return Ok(());
    }
    if let [only] = hierarchies
        && only.v1_options.is_none()
    {
        mounts::mount("cgroup2", &place, guard, "")?;
        cgroup::leave_top(&place);
        return Ok(());
    }
    mounts::mount("tmpfs", &place, guard, "mode=0755,size=1m")?;
    for hierarchy in hierarchies {
        let (name, kind, options) = match &hierarchy.v1_options {
            None => ("unified", "cgroup2", ""),
            Some(options) => (options.strip_prefix("name=").unwrap_or(options), "cgroup", options.as_str()),
        };
        let target = place.join(name);
        fs_err::create_dir(&target).step("making /sys/fs/cgroup")?;
        mounts::mount(kind, &target, guard, options)?;
    }
    Ok(())
}

/// Reaps what ends, boots in a child, and shuts down when told.
fn run() -> ! {
    const SIGNALS: [i32; 4] = [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGPWR];
    let _ = sys::block_signals(&SIGNALS);
    let _ = sys::close_all_but_standard();
    let mut booting = child(boot::up);
    let mut shutdown: Option<(u32, RebootCommand)> = None;
    loop {
        let Ok(signal) = sys::wait_signal(&SIGNALS) else { continue };
        while let Ok(Some((pid, _))) = sys::wait_any(false) {
            if let Some((down, command)) = shutdown
                && down == pid
            {
                finish(command);
            }
            // Its number may go to another process now.
            booting = booting.filter(|booting| *booting != pid);
        }
        let command = match signal {
            libc::SIGTERM | libc::SIGPWR => RebootCommand::PowerOff,
            libc::SIGINT => RebootCommand::Restart,
            _ => continue,
        };
        if shutdown.is_none() {
            if let Some(pid) = booting.and_then(|pid| i32::try_from(pid).ok()) {
                let _ = sys::kill(pid, libc::SIGKILL);
            }
            match child(boot::down) {
                Some(pid) => shutdown = Some((pid, command)),
                None => finish(command),
            }
        }
    }
}

/// Runs `work` in a child of process 1, with the console as its standard streams.
fn child(work: fn()) -> Option<u32> {
    match sys::fork() {
        Ok(sys::Fork::Child) => {
            let _ = sys::unblock_all_signals();
            work();
            sys::exit_now(0)
        }
        Ok(sys::Fork::Parent(pid)) => Some(pid),
        Err(_) => None,
    }
}

/// The last thing that a machine does. The kernel kills process 1 of a namespace with the signal that says which.
fn finish(command: RebootCommand) -> ! {
    let _ = sys::kill(-1, libc::SIGKILL);
    rustix::fs::sync();
    let _ = rustix::system::reboot(command);
    sys::exit_now(0)
}
