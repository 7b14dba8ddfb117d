//! The machine kind `namespace`: a root file system of overlay layers, processes in namespaces of their own, the host's
//! kernel. Needs root. See `docs/sandbox-machines.md` for what is and what is not isolated.
//!
//! This file is the launching side: it starts a detached supervisor per machine and talks to it through the files of
//! its run directory, so that any later process can do the same.

pub mod address;
pub mod cgroup;
pub mod devices;
pub mod fault;
pub mod files;
pub mod loopdev;
pub mod mounts;
pub mod network;
pub mod process;
pub mod seccomp;
pub mod spec;
pub mod supervisor;
pub mod sys;
pub mod sysview;

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::FlockOperation;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use self::files::RunFiles;
use self::process::ProcessId;
use self::spec::{Reply, Report, Request, Spec};
use super::{Launch, MachineError, MachineKind, Metadata, Running, Status, VolumeAttachment};

/// How long a machine may take to shut down before it is killed: ten times what a small one needs.
const GRACE: Duration = Duration::from_secs(30);
/// How long killed processes and their mounts may take to go.
const VANISH: Duration = Duration::from_secs(20);

/// How to run [`supervisor::supervisor_main`] in a process of its own.
#[derive(Debug, Clone)]
pub struct Supervisor {
    /// The program, usually this one.
    pub program: PathBuf,
    /// What makes it a supervisor; the specification's path is added.
    pub arguments: Vec<String>,
}

impl Supervisor {
    /// This program with the hidden command `__machine`.
    pub fn this_program() -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments: vec!["__machine".to_owned()] })
    }
}

/// The machines of one run directory.
#[derive(Debug, Clone)]
pub struct Namespace {
    run_dir: PathBuf,
    supervisor: Supervisor,
    fixtures: Option<PathBuf>,
    endpoints: Option<PathBuf>,
}

impl Namespace {
    /// `run_dir` holds one directory per machine; a relative path is of no use to later processes and is made absolute.
    pub fn new(run_dir: impl Into<PathBuf>, supervisor: Supervisor) -> std::io::Result<Self> {
        let run_dir = std::path::absolute(run_dir.into())?;
        Ok(Self { run_dir, supervisor, fixtures: None, endpoints: None })
    }

    /// Lets machines with an instance profile reach the endpoints that listen in this directory.
    #[must_use]
    pub fn with_endpoints(mut self, dir: impl Into<PathBuf>) -> Self {
        self.endpoints = std::path::absolute(dir.into()).ok();
        self
    }

    /// Lets the machines see a fixture package repository (a directory of `image::fixture`).
    #[must_use]
    pub fn with_fixtures(mut self, fixtures: Option<PathBuf>) -> Self {
        // Where the path cannot be made absolute there is no current directory, and no such repository.
        self.fixtures = fixtures.and_then(|dir| std::path::absolute(dir).ok());
        self
    }

    /// What this host lacks for machines of this kind, all at once.
    pub fn check_host() -> Result<(), MachineError> {
        let mut missing = Vec::new();
        if !rustix::process::geteuid().is_root() {
            missing.push("it must be run as root (sudo keeps working: `sudo imgbuild …`)".to_owned());
        }
        for (program, package) in [("ip", "iproute2"), ("slirp4netns", "slirp4netns")] {
            if !on_path(program) {
                missing.push(format!("`{program}` is missing: apt-get install {package}"));
            }
        }
        for (path, what) in [("/dev/loop-control", "loop devices"), ("/dev/net/tun", "tun devices")] {
            if !std::path::Path::new(path).exists() {
                missing.push(format!("{path} is missing: the kernel offers no {what} here"));
            }
        }
        if !fs_err::read_to_string("/proc/filesystems").is_ok_and(|kinds| kinds.contains("\toverlay\n")) {
            missing.push("the kernel has no overlayfs loaded: modprobe overlay".to_owned());
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(MachineError::Unavailable(format!("machines of kind `namespace` cannot run here: {}", missing.join("; "))))
    }

    /// Clears what crashes left behind: files, control groups and addresses of machines that do not run (addresses
    /// that the control side still wants are kept when `keep` says so).
    pub async fn sweep(&self, keep: impl Fn(&str) -> bool + Send + Sync) -> Result<(), MachineError> {
        let Ok(entries) = fs_err::read_dir(&self.run_dir) else { return Ok(()) };
        for entry in entries.filter_map(Result::ok) {
            let Some(instance_id) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if !instance_id.starts_with("i-") || matches!(self.status(&instance_id).await, Status::Running) {
                continue;
            }
            if keep(&instance_id) {
                self.kill(&instance_id).await?;
            } else {
                self.destroy(&instance_id).await?;
            }
        }
        Ok(())
    }

    fn files(&self, instance_id: &str) -> RunFiles {
        RunFiles::new(&self.run_dir, instance_id)
    }

    /// Ends a machine hard and clears everything but its address and its console. Returns the machine's lock, held.
    async fn kill(&self, instance_id: &str) -> Result<File, MachineError> {
        let files = self.files(instance_id);
        let failed = failed("ending", instance_id);
        files.create().map_err(&failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(files.lock()).map_err(&failed)?;
        let attached: Vec<loopdev::Attached> =
            fs_err::read(files.volumes()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let is_bound =
            |attached: &loopdev::Attached| loopdev::bound_to(&attached.volume.file).contains(&attached.number);
        // The supervisor's other children end with it, by the kernel's hand, and the mounts, loop devices and networks
        // with them. One that was only just started may not have said its pid yet, but it has the lock.
        let deadline = tokio::time::Instant::now() + VANISH;
        loop {
            for path in [files.init_pid(), files.supervisor_pid()] {
                if let Some(process) = ProcessId::read(&path) {
                    process.signal(libc::SIGKILL).map_err(&failed)?;
                }
            }
            let locked = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
            let ended = ProcessId::read(&files.init_pid()).is_none_or(|init| !init.alive());
            if locked && ended && !attached.iter().any(is_bound) {
                break;
            }
            if tokio::time::Instant::now() >= deadline {
                let what = if locked { "its loop devices stay in use" } else { "its processes do not end" };
                return Err(failed(std::io::Error::other(what)));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        network::unwire_host(instance_id).map_err(std::io::Error::other).map_err(&failed)?;
        cgroup::remove(instance_id);
        for path in [files.init_pid(), files.supervisor_pid(), files.control(), files.volumes(), files.spec()] {
            files::remove_if_there(&path).map_err(&failed)?;
        }
        for mount_point in [files.dir.join("root"), files.dir.join("staging")] {
            match fs_err::remove_dir(&mount_point) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(lock)
    }

    /// Sends an order to the running machine's services.
    async fn order(&self, instance_id: &str, step: &'static str, request: &Request) -> Result<(), MachineError> {
        let failed = failed(step, instance_id);
        let dir = fs_err::File::open(&self.files(instance_id).dir).map_err(&failed)?;
        let mut stream =
            UnixStream::connect(format!("/proc/self/fd/{}/control.sock", dir.as_raw_fd())).await.map_err(&failed)?;
        let mut line = serde_json::to_vec(request).map_err(std::io::Error::from).map_err(&failed)?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(&failed)?;
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).await.map_err(&failed)?;
        let reply: Reply = serde_json::from_str(&reply).map_err(std::io::Error::from).map_err(&failed)?;
        reply.map_err(|why| failed(std::io::Error::other(why)))
    }
}

#[async_trait]
impl MachineKind for Namespace {
    async fn reserve_address(&self, instance_id: &str) -> Result<Ipv4Addr, MachineError> {
        let (files, id) = (self.files(instance_id), instance_id.to_owned());
        let failed = failed("reserving an address", &id);
        tokio::task::spawn_blocking(move || address::reserve(&files))
            .await
            .map_err(std::io::Error::other)
            .and_then(|address| address)
            .map_err(failed)
    }

    async fn start(&self, launch: &Launch) -> Result<Running, MachineError> {
        Self::check_host()?;
        let id = launch.instance_id.as_str();
        let failed = failed("starting", id);
        let files = self.files(id);
        let lock = self.kill(id).await?;
        let address = self.reserve_address(id).await?;
        let mut launch = launch.clone();
        // Another state directory may have got this machine's address while it was stopped.
        launch.address = address;
        let (fixtures, endpoints) = (self.fixtures.clone(), self.endpoints.clone());
        let spec = Spec { launch, dir: files.dir.clone(), fixtures, endpoints };
        let text = serde_json::to_vec(&spec).map_err(std::io::Error::from).map_err(&failed)?;
        files::write_atomic(&files.spec(), &text, 0o600).map_err(&failed)?;

        let log = fs_err::File::create(files.supervisor_log()).map_err(&failed)?;
        let mut command = tokio::process::Command::new(&self.supervisor.program);
        command
            .args(&self.supervisor.arguments)
            .arg(files.spec())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()))
            .current_dir("/")
            // The lock goes along as standard input: it is held as long as the supervisor or its services are.
            .stdin(lock)
            .stdout(Stdio::piped())
            .stderr(log.into_parts().0);
        sys::detach_from_us(command.as_std_mut());
        let mut supervisor = command.spawn().map_err(&failed)?;
        // This process's own hold of the lock ends with the command.
        drop(command);
        let mut line = String::new();
        if let Some(output) = supervisor.stdout.take() {
            BufReader::new(output).read_line(&mut line).await.map_err(&failed)?;
        }
        // A machine that ends while this process lives is collected; one that outlives it is init's to collect.
        tokio::spawn(async move { supervisor.wait().await });
        match serde_json::from_str(&line) {
            Ok(Report::Running(pid)) => Ok(Running { pid, address }),
            Ok(Report::Failed(why)) => Err(failed(std::io::Error::other(why))),
            Err(_) => {
                let log = fs_err::read_to_string(files.supervisor_log()).unwrap_or_default();
                let last = log.trim().lines().next_back().unwrap_or("it left no message").to_owned();
                Err(failed(std::io::Error::other(format!("the machine's supervisor ended early: {last}"))))
            }
        }
    }

    async fn stop(&self, instance_id: &str) -> Result<(), MachineError> {
        let files = self.files(instance_id);
        if let Some(init) = ProcessId::read(&files.init_pid()) {
            init.signal(libc::SIGTERM).map_err(failed("stopping", instance_id))?;
            let gone = init.ended_within(GRACE).await;
            if gone && let Some(supervisor) = ProcessId::read(&files.supervisor_pid()) {
                // It has only to collect its children.
                supervisor.ended_within(VANISH).await;
            }
        }
        // A machine that never ran has no directory, and is not to get one here.
        if files.dir.exists() {
            self.kill(instance_id).await?;
        }
        Ok(())
    }

    async fn status(&self, instance_id: &str) -> Status {
        // The supervisor counts too: between two boots of a restart there is no init.
        let files = self.files(instance_id);
        let runs = [files.init_pid(), files.supervisor_pid()]
            .iter()
            .any(|path| ProcessId::read(path).is_some_and(|process| process.alive()));
        if runs { Status::Running } else { Status::Exited }
    }

    async fn boot(&self, instance_id: &str) -> Option<String> {
        let init = ProcessId::read(&self.files(instance_id).init_pid()).filter(ProcessId::alive)?;
        serde_json::to_string(&init).ok()
    }

    async fn console(&self, instance_id: &str) -> Vec<u8> {
        fs_err::read(self.files(instance_id).console()).unwrap_or_default()
    }

    async fn attach_volume(&self, instance_id: &str, volume: &VolumeAttachment) -> Result<(), MachineError> {
        self.order(instance_id, "attaching a volume", &Request::Attach(volume.clone())).await
    }

    async fn detach_volume(&self, instance_id: &str, volume_id: &str, force: bool) -> Result<(), MachineError> {
        let request = Request::Detach { volume_id: volume_id.to_owned(), force };
        self.order(instance_id, "detaching a volume", &request).await
    }

    async fn update_metadata(&self, instance_id: &str, metadata: &Metadata) -> Result<(), MachineError> {
        self.order(instance_id, "updating the metadata", &Request::Metadata(metadata.clone())).await
    }

    async fn admit(&self, instance_id: &str, open: bool) -> Result<(), MachineError> {
        self.order(instance_id, "letting connections in or not", &Request::Admit(open)).await
    }

    async fn destroy(&self, instance_id: &str) -> Result<(), MachineError> {
        let files = self.files(instance_id);
        if !files.dir.exists() {
            return Ok(());
        }
        let _lock = self.kill(instance_id).await?;
        let failed = failed("destroying", instance_id);
        let cleared = files.clone();
        tokio::task::spawn_blocking(move || {
            address::release(&cleared)?;
            fs_err::remove_dir_all(&cleared.dir)
        })
        .await
        .map_err(std::io::Error::other)
        .and_then(|removed| removed)
        .map_err(failed)
    }
}

/// Names step and machine of an error.
fn failed(step: &'static str, instance_id: &str) -> impl Fn(std::io::Error) -> MachineError + use<> {
    let instance_id = instance_id.to_owned();
    move |error| MachineError::Failed { step, instance_id: instance_id.clone(), source: Box::new(error) }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).exists())
}
