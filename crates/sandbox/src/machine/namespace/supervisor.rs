//! The process that holds a machine: detached from whoever started it, single-threaded, and the parent of everything
//! that the machine consists of.
//!
//! ```text
//! launcher (may die) ... supervisor --+-- services   (fabric namespace: metadata, DNS, fixtures, volumes)
//!                                     +-- slirp4netns (outward packets of the fabric)
//!                                     +-- init        (process 1 of the machine)
//! ```
//! Invariant: each child dies with the supervisor, namespaces die with their processes, and loop devices with their
//! holders; killing the supervisor leaves nothing but files and empty control groups.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use super::fault::{Fault, Step};
use super::files::{RunFiles, remove_if_there};
use super::loopdev::Attached;
use super::network::{self, Links};
use super::process::ProcessId;
use super::spec::{Report, Spec};
use super::{cgroup, sys};
use crate::machine::{init, services};

/// The body of the hidden command that [`super::Supervisor`] runs: holds the machine of the specification at
/// `spec_path` until it ends. Prints one line, the report, on standard output; standard error is its log.
pub fn supervisor_main(spec_path: &Path) -> ExitCode {
    match supervise(spec_path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            report(&Report::Failed(fault.chain()));
            let _ = writeln!(std::io::stderr(), "{}", fault.chain());
            ExitCode::FAILURE
        }
    }
}

/// Tells the launcher, if it still listens.
fn report(report: &Report) {
    let Ok(mut line) = serde_json::to_vec(report) else { return };
    line.push(b'\n');
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(&line).and_then(|()| output.flush());
}

/// The pieces of a running machine other than its init.
struct Machine {
    spec: Spec,
    files: RunFiles,
    links: Links,
    services: u32,
    slirp: Child,
    console: PathBuf,
    /// Kept open, so that the console's other end never sees "no terminal".
    _terminal: File,
}

fn supervise(spec_path: &Path) -> Result<(), Fault> {
    let threads = fs_err::read_dir("/proc/self/task").step("counting this process's threads")?.count();
    if threads != 1 {
        return Err(Fault::new(format!("a supervisor forks and must have one thread, not {threads}")));
    }
    let text = fs_err::read(spec_path).step("reading the machine's specification")?;
    let spec: Spec =
        serde_json::from_slice(&text).map_err(std::io::Error::from).step("reading the machine's specification")?;
    let files = RunFiles { dir: spec.dir.clone() };
    let id = ProcessId::of(std::process::id()).step("identifying the supervisor")?;
    id.write(&files.supervisor_pid()).step("writing supervisor.pid")?;
    // It may hold private keys (user data), and is not needed again.
    remove_if_there(spec_path).step("removing the machine's specification")?;
    let links = Links::of_machine(spec.launch.address)
        .ok_or_else(|| Fault::new(format!("{} is no machine's address", spec.launch.address)))?;

    let (terminal, console) = open_terminal()?;
    let services = start_services(&spec, links, &terminal)?;
    let slirp = start_slirp(services)?;
    let mut machine = Machine { spec, files, links, services, slirp, console, _terminal: terminal };
    let outcome = machine.run();
    machine.clear();
    outcome
}

/// A pseudo terminal for the console: the master, and the path of the machine's end. Raw, so that what is written is
/// what is logged.
fn open_terminal() -> Result<(File, PathBuf), Fault> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .step("opening a terminal for the console")?;
    grantpt(&master).and_then(|()| unlockpt(&master)).step("opening a terminal for the console")?;
    let name = ptsname(&master, Vec::new()).step("opening a terminal for the console")?;
    let mut modes = rustix::termios::tcgetattr(&master).step("preparing the console")?;
    modes.make_raw();
    rustix::termios::tcsetattr(&master, rustix::termios::OptionalActions::Now, &modes).step("preparing the console")?;
    Ok((File::from(master), PathBuf::from(name.to_string_lossy().into_owned())))
}

/// Forks the services process and wires its namespace to the host; returns when it serves.
fn start_services(spec: &Spec, links: Links, terminal: &File) -> Result<u32, Fault> {
    let (from_us, mut to_services) = sys::pipe().step("making a pipe")?;
    let (mut from_services, to_us) = sys::pipe().step("making a pipe")?;
    let terminal = terminal.try_clone().step("sharing the console")?;
    match sys::fork().step("starting the machine's services")? {
        sys::Fork::Child => {
            drop((to_services, from_services));
            services::become_services(services::Birth {
                spec,
                links,
                terminal,
                from_supervisor: from_us,
                to_supervisor: to_us,
            })
        }
        sys::Fork::Parent(pid) => {
            drop((from_us, to_us));
            expect(&mut from_services, b'n', "starting the machine's services")?;
            network::wire_host(&spec.launch.instance_id, links, pid)?;
            to_services.write_all(b"g").step("talking to the machine's services")?;
            expect(&mut from_services, b'r', "starting the machine's services")?;
            Ok(pid)
        }
    }
}

/// Reads one byte from a child; anything else that it says is why it cannot go on.
fn expect(from: &mut File, byte: u8, step: &str) -> Result<(), Fault> {
    let mut got = [0];
    match from.read(&mut got).step(step)? {
        1 if got[0] == byte => Ok(()),
        read => {
            let mut text = got[..read].to_vec();
            from.read_to_end(&mut text).step(step)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            Err(Fault::new(if text.is_empty() { format!("{step}: it ended without a word") } else { text }))
        }
    }
}

/// The way out: user-mode networking, so that the host's own forwarding and firewall stay as they are.
fn start_slirp(services: u32) -> Result<Child, Fault> {
    let mut command = Command::new("slirp4netns");
    command
        .args(["--configure", "--mtu=1500", "--disable-host-loopback", "--netns-type=path"])
        .arg(format!("/proc/{services}/ns/net"))
        .arg("tap0")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    sys::end_with_us(&mut command);
    command.spawn().step("running `slirp4netns` (package slirp4netns)")
}

impl Machine {
    /// Boots, and boots again as long as the machine asks for a restart.
    fn run(&mut self) -> Result<(), Fault> {
        let mut first = true;
        loop {
            let init = self.boot()?;
            if first {
                report(&Report::Running(init));
                first = false;
            }
            // The kernel ends process 1 of a pid namespace by SIGHUP when somebody inside asks for a restart.
            if self.wait_for(init)? != sys::Ended::Signal(libc::SIGHUP) {
                return Ok(());
            }
            cgroup::remove(&self.spec.launch.instance_id);
        }
    }

    /// Forks process 1 of a new pid namespace and returns its pid here once it runs in its own root.
    fn boot(&mut self) -> Result<u32, Fault> {
        let (from_us, mut to_init) = sys::pipe().step("making a pipe")?;
        let (mut from_init, to_us) = sys::pipe().step("making a pipe")?;
        let volumes: Vec<Attached> = fs_err::read(self.files.volumes())
            .and_then(|text| serde_json::from_slice(&text).map_err(std::io::Error::from))
            .step("reading the attached volumes")?;
        let own = File::open("/proc/self/ns/pid").step("opening the host's pid namespace")?;
        sys::unshare(libc::CLONE_NEWPID).step("making the machine's pid namespace")?;
        let forked = sys::fork().step("starting the machine")?;
        let sys::Fork::Parent(init) = forked else {
            drop((to_init, from_init));
            init::become_init(init::Birth {
                spec: &self.spec,
                volumes: &volumes,
                console: &self.console,
                from_supervisor: from_us,
                to_supervisor: to_us,
            })
        };
        drop((from_us, to_us));
        // What this process starts from here on is the host's again.
        sys::join_namespace(&own).step("returning to the host's pid namespace")?;
        let wired = expect(&mut from_init, b'n', "starting the machine")
            .and_then(|()| network::wire_machine(self.links, self.services, init))
            .and_then(|()| to_init.write_all(b"g").step("talking to the machine's init"))
            .and_then(|()| expect(&mut from_init, b'r', "starting the machine"));
        if let Err(fault) = wired {
            kill(init);
            return Err(fault);
        }
        let id = ProcessId::of(init).step("identifying the machine's init")?;
        id.write(&self.files.init_pid()).step("writing init.pid")?;
        Ok(init)
    }

    /// Waits for process 1. A machine without its services is no machine: it ends with them.
    fn wait_for(&mut self, init: u32) -> Result<sys::Ended, Fault> {
        loop {
            let Some((pid, ended)) = sys::wait_any(true).step("waiting for the machine")? else {
                return Err(Fault::new("the machine's processes are gone"));
            };
            if pid == init {
                return Ok(ended);
            }
            if pid == self.services {
                kill(init);
                return Err(Fault::new(format!(
                    "the machine's services ended ({ended:?}), so the machine was stopped"
                )));
            }
            if pid == self.slirp.id() {
                let _ =
                    writeln!(std::io::stderr(), "slirp4netns ended ({ended:?}): the machine has no way out any more");
            }
        }
    }

    /// Ends the helpers and removes what does not go by itself.
    fn clear(&mut self) {
        kill(self.services);
        let _ = self.slirp.kill();
        while let Ok(Some(_)) = sys::wait_any(true) {}
        if let Err(fault) = network::unwire_host(&self.spec.launch.instance_id) {
            let _ = writeln!(std::io::stderr(), "{}", fault.chain());
        }
        cgroup::remove(&self.spec.launch.instance_id);
        for path in [self.files.init_pid(), self.files.control(), self.files.volumes(), self.files.supervisor_pid()] {
            let _ = remove_if_there(&path);
        }
    }
}

fn kill(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = sys::kill(pid, libc::SIGKILL);
    }
}
