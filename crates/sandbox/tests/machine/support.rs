//! A machine under test: its directories, its keys, and OpenSSH's client.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgbuild_sandbox::image::{Catalogue, HostCatalogue, Mirrors, fixture};
use imgbuild_sandbox::machine::{
    Launch, MachineKind, Metadata, Namespace, RootDisk, Running, Status, Supervisor, VolumeAttachment,
};

pub const DEBIAN: &str = "debian-12-";
pub const TRUSTY: &str = "ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-";
pub const NOBLE: &str = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-";

/// A directory with machines, and what it takes to start and reach them.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub kind: Namespace,
    cache: PathBuf,
    machines: std::sync::Mutex<Vec<String>>,
}

impl Bench {
    /// `None`, and a line that says why, when this host or user cannot run machines.
    pub fn new(test: &str) -> Option<Self> {
        if let Err(error) = Namespace::check_host() {
            eprintln!("SKIPPED {test}: {error}");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("ib-machine-").tempdir().unwrap();
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
            PathBuf::from,
        );
        let cache = cache.join("imgbuild/sandbox");
        // The example of this crate is a program that can be a supervisor; cargo builds it with the tests.
        let program = std::env::current_exe().unwrap().parent().unwrap().join("../examples/machine");
        let built = "the example is not built: cargo build -p imgbuild-sandbox --example machine";
        let supervisor =
            Supervisor { program: program.canonicalize().expect(built), arguments: vec!["__machine".into()] };
        let kind = Namespace::new(dir.path().join("run"), supervisor).unwrap();
        let kind = kind.with_fixtures(Some(fixture::directory(&cache)));
        key(&dir.path().join("key"));
        Some(Self { dir, kind, cache, machines: std::sync::Mutex::default() })
    }

    pub async fn tree(&self, prefix: &str) -> PathBuf {
        let tell = |step: &str| eprintln!("{step}");
        let catalogue = HostCatalogue::new(&self.cache, Mirrors::of_host(), Arc::new(tell));
        let image = catalogue.images().iter().find(|image| image.name.starts_with(prefix)).unwrap().name.clone();
        catalogue.prepare(&image).await.unwrap()
    }

    /// A launch of a machine with a new id on these layers, topmost first.
    pub async fn launch(&self, layers: &[PathBuf]) -> Launch {
        let id = format!("i-{}", &uuid::Uuid::new_v4().simple().to_string()[..17]);
        self.machines.lock().unwrap().push(id.clone());
        let address = self.kind.reserve_address(&id).await.unwrap();
        let disk = self.dir.path().join("disks").join(&id);
        for part in ["upper", "work"] {
            std::fs::create_dir_all(disk.join(part)).unwrap();
        }
        Launch {
            region: "us-east-1".into(),
            availability_zone: "us-east-1a".into(),
            instance_type: "m3.medium".into(),
            image_id: "ami-0123456789abcdef0".into(),
            hostname: format!("ip-{}", address.to_string().replace('.', "-")),
            address,
            root: RootDisk { lower: layers.to_vec(), upper: disk.join("upper"), work: disk.join("work") },
            volumes: vec![],
            metadata: Metadata {
                leaves: vec![(
                    "dynamic/instance-identity/document".into(),
                    format!("{{\"instanceId\": \"{id}\", \"region\": \"us-east-1\"}}"),
                )],
                public_key: Some(("test".into(), self.public_key("key"))),
                user_data: None,
                enabled: true,
                tokens_required: true,
                hop_limit: 1,
            },
            instance_id: id,
        }
    }

    /// A sparse volume of some MiB.
    pub fn volume(&self, name: &str, mib: u64, guest_device: &str) -> VolumeAttachment {
        let file = self.dir.path().join(format!("{name}.img"));
        std::fs::File::create(&file).unwrap().set_len(mib << 20).unwrap();
        VolumeAttachment {
            volume_id: format!("vol-{name}"),
            device: "/dev/sdb".into(),
            guest_device: guest_device.into(),
            file,
        }
    }

    /// Makes a further key pair; `public_key` gives its public half.
    pub fn make_key(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        key(&path);
        path
    }

    pub fn public_key(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("{name}.pub"))).unwrap()
    }

    /// Starts and waits until sshd lets the key in.
    pub async fn up<'a>(&'a self, launch: &'a Launch, user: &'a str) -> Machine<'a> {
        let running = self.kind.start(launch).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let machine = Machine { bench: self, launch, user, running };
        machine.wait_for_ssh().await;
        machine
    }

    pub async fn console(&self, launch: &Launch) -> String {
        String::from_utf8_lossy(&self.kind.console(&launch.instance_id).await).into_owned()
    }

    /// Waits until the console says something.
    pub async fn console_says(&self, launch: &Launch, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let console = self.console(launch).await;
            if console.contains(text) {
                return console;
            }
            assert!(Instant::now() < deadline, "the console never says {text:?}:\n{console}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn ends(&self, launch: &Launch) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.kind.status(&launch.instance_id).await == Status::Running {
            assert!(Instant::now() < deadline, "the machine does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Bench {
    /// Also after a failed assertion nothing stays: machines are destroyed in a runtime of their own.
    fn drop(&mut self) {
        let (kind, machines) = (self.kind.clone(), std::mem::take(&mut *self.machines.lock().unwrap()));
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for id in machines {
                runtime.block_on(kind.destroy(&id)).unwrap_or_else(|error| panic!("{}", chain(&error)));
            }
        });
        ended.join().unwrap();
    }
}

/// A machine that runs.
pub struct Machine<'a> {
    bench: &'a Bench,
    launch: &'a Launch,
    user: &'a str,
    pub running: Running,
}

impl Machine<'_> {
    pub fn address(&self) -> Ipv4Addr {
        self.running.address
    }

    /// Runs a shell command inside and returns what it wrote to standard output.
    pub async fn run(&self, command: &str) -> String {
        let output = self.try_run(command).await;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {}\n{out}{err}", output.status);
        out
    }

    pub async fn try_run(&self, command: &str) -> Output {
        self.try_run_knowing(command, None).await
    }

    /// The same, accepting only this host key.
    pub async fn try_run_knowing(&self, command: &str, host_key: Option<&str>) -> Output {
        let known = self.bench.dir.path().join(format!("{}.known", self.launch.instance_id));
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.args(["-q", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "IdentitiesOnly=yes"]);
        match host_key {
            Some(key) => {
                std::fs::write(&known, format!("{} {key}", self.address())).unwrap();
                ssh.args(["-o", "StrictHostKeyChecking=yes", "-o"])
                    .arg(format!("UserKnownHostsFile={}", known.display()));
            }
            None => {
                ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
            }
        }
        ssh.arg("-i").arg(self.bench.dir.path().join("key"));
        ssh.arg(format!("{}@{}", self.user, self.address())).arg(command);
        ssh.output().await.unwrap()
    }

    pub async fn wait_for_ssh(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !self.try_run("true").await.status.success() {
            if Instant::now() > deadline {
                panic!("no ssh:\n{}", self.bench.console(self.launch).await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until cloud-init is through, and returns its status.
    pub async fn cloud_init(&self) -> String {
        String::from_utf8_lossy(&self.try_run("cloud-init status --wait").await.stdout).into_owned()
    }
}

/// An error and its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn key(path: &Path) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
}
