//! Machines that only pretend, and a small catalogue. A pretended machine writes its id into its root, so that tests see
//! which bytes an image carries.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use imgbuild_sandbox::image::{BaseImage, Catalogue};
use imgbuild_sandbox::machine::{Launch, MachineError, MachineKind, Metadata, Running, Status, VolumeAttachment};
use imgbuild_sandbox::{Latencies, Options, Sandbox};

#[derive(Debug, Default)]
pub struct Inner {
    pub launches: BTreeMap<String, Launch>,
    pub running: BTreeMap<String, bool>,
    pub addresses: BTreeMap<String, Ipv4Addr>,
    pub history: Vec<String>,
    /// The next start fails with this message.
    pub start_fails: Option<String>,
    /// Volumes that can't be detached without force.
    pub mounted: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Pretended(pub Mutex<Inner>);

impl Pretended {
    pub fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    pub fn launch(&self, id: &str) -> Launch {
        self.with(|i| i.launches.get(id).cloned().expect("launched"))
    }

    pub fn history(&self) -> Vec<String> {
        self.with(|i| i.history.clone())
    }
}

#[async_trait]
impl MachineKind for Pretended {
    async fn reserve_address(&self, id: &str) -> Result<Ipv4Addr, MachineError> {
        Ok(self.with(|i| {
            let next = u8::try_from(i.addresses.len() + 2).unwrap();
            *i.addresses.entry(id.to_owned()).or_insert(Ipv4Addr::new(10, 99, 0, next))
        }))
    }

    async fn start(&self, launch: &Launch) -> Result<Running, MachineError> {
        if let Some(why) = self.with(|i| i.start_fails.take()) {
            return Err(MachineError::Unavailable(why));
        }
        assert!(launch.root.lower.iter().all(|l| l.is_dir()), "{:?}", launch.root);
        assert!(launch.root.upper.is_dir() && launch.root.work.is_dir());
        assert!(launch.volumes.iter().all(|v| v.file.is_file()), "{:?}", launch.volumes);
        std::fs::write(launch.root.upper.join(format!("was-{}", launch.instance_id)), "").unwrap();
        Ok(self.with(|i| {
            i.history.push(format!("start {}", launch.instance_id));
            i.launches.insert(launch.instance_id.clone(), launch.clone());
            i.running.insert(launch.instance_id.clone(), true);
            Running { pid: 1, address: launch.address }
        }))
    }

    async fn stop(&self, id: &str) -> Result<(), MachineError> {
        self.with(|i| {
            i.history.push(format!("stop {id}"));
            i.running.insert(id.to_owned(), false);
        });
        Ok(())
    }

    async fn status(&self, id: &str) -> Status {
        if self.with(|i| i.running.get(id).copied().unwrap_or(false)) { Status::Running } else { Status::Exited }
    }

    async fn boot(&self, id: &str) -> Option<String> {
        self.with(|i| {
            let starts = i.history.iter().filter(|line| **line == format!("start {id}")).count();
            i.running.get(id).copied().unwrap_or(false).then(|| starts.to_string())
        })
    }

    async fn console(&self, id: &str) -> Vec<u8> {
        format!("console of {id}\n").into_bytes()
    }

    async fn attach_volume(&self, id: &str, volume: &VolumeAttachment) -> Result<(), MachineError> {
        assert!(volume.file.is_file());
        self.with(|i| i.history.push(format!("attach {id} {}", volume.guest_device)));
        Ok(())
    }

    async fn detach_volume(&self, id: &str, volume_id: &str, force: bool) -> Result<(), MachineError> {
        self.with(|i| {
            if i.mounted.iter().any(|m| m == volume_id) && !force {
                return Err(MachineError::Unavailable("it is mounted".into()));
            }
            i.history.push(format!("detach {id}"));
            Ok(())
        })
    }

    async fn update_metadata(&self, id: &str, metadata: &Metadata) -> Result<(), MachineError> {
        self.with(|i| {
            i.history.push(format!("metadata {id}"));
            i.launches.get_mut(id).expect("launched").metadata = metadata.clone();
        });
        Ok(())
    }

    async fn destroy(&self, id: &str) -> Result<(), MachineError> {
        self.with(|i| {
            i.history.push(format!("destroy {id}"));
            i.running.remove(id);
            i.addresses.remove(id);
        });
        Ok(())
    }
}

struct Images {
    images: Vec<BaseImage>,
    tree: PathBuf,
}

#[async_trait]
impl Catalogue for Images {
    fn images(&self) -> &[BaseImage] {
        &self.images
    }

    async fn prepare(&self, name: &str) -> Result<PathBuf, MachineError> {
        let tree = self.tree.join(name.replace('/', "_"));
        std::fs::create_dir_all(&tree).unwrap();
        Ok(tree)
    }
}

fn base(name: &str, owner: &str, alias: Option<&str>, root: &str, date: &str) -> BaseImage {
    BaseImage {
        name: name.into(),
        description: format!("test {name}"),
        owner_id: owner.into(),
        owner_alias: alias.map(Into::into),
        architecture: "x86_64".into(),
        platform_details: "Linux/UNIX".into(),
        creation_date: date.into(),
        root_device_name: root.into(),
        root_volume_size: 8,
        root_volume_type: "gp2".into(),
        ephemeral: Vec::new(),
        ena_support: true,
        boot_mode: None,
        imds_v2: false,
        stand_in: false,
        unavailable: None,
    }
}

fn images() -> Vec<BaseImage> {
    let trusty = "ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-";
    vec![
        base("debian-12-amd64-20260101", "136693071363", None, "/dev/xvda", "2026-01-01T00:00:00.000Z"),
        BaseImage {
            ena_support: false,
            ephemeral: vec![("/dev/sdb".into(), "ephemeral0".into())],
            ..base(&format!("{trusty}20190514"), "099720109477", None, "/dev/sda1", "2019-05-14T19:43:23.000Z")
        },
        base(&format!("{trusty}20180101"), "099720109477", None, "/dev/sda1", "2018-01-01T00:00:00.000Z"),
        BaseImage {
            imds_v2: true,
            boot_mode: Some("uefi-preferred".into()),
            ..base("al2023-ami-2023.1-x86_64", "137112412989", Some("amazon"), "/dev/xvda", "2025-01-01T00:00:00.000Z")
        },
        BaseImage {
            architecture: "arm64".into(),
            ..base("debian-12-arm64-20260101", "136693071363", None, "/dev/xvda", "2026-01-01T00:00:00.000Z")
        },
    ]
}

pub fn sandbox(dir: &Path) -> (Sandbox, Arc<Pretended>) {
    sandbox_with(dir, Arc::default())
}

pub fn sandbox_with(dir: &Path, machines: Arc<Pretended>) -> (Sandbox, Arc<Pretended>) {
    sandbox_slow(dir, machines, Latencies::default())
}

pub fn sandbox_slow(dir: &Path, machines: Arc<Pretended>, latencies: Latencies) -> (Sandbox, Arc<Pretended>) {
    let catalogue = Images { images: images(), tree: dir.join("base") };
    let options =
        Options { dir: dir.join("sandbox"), machines: machines.clone(), catalogue: Arc::new(catalogue), latencies };
    (Sandbox::open(options).unwrap(), machines)
}
