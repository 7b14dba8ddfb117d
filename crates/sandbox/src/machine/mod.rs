//! What the control side asks of a machine, and nothing about how it is done: each machine kind is a sibling file or folder.
//!
//! Invariants: a machine is known by its instance id alone, so that a later process can find, stop or destroy what an
//! earlier one started; machines outlive the process that started them; no call here touches the control side's state.

mod init;
mod namespace;
mod services;

use std::net::Ipv4Addr;
use std::path::PathBuf;

pub(crate) use self::namespace::loopdev::Loop;
pub use self::namespace::supervisor::supervisor_main;
pub(crate) use self::namespace::sys::{Part, end_with_us};
pub use self::namespace::{Namespace, Supervisor};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// A way to run an instance on this host.
#[async_trait]
pub trait MachineKind: Send + Sync {
    /// Chooses the private address that the machine will have and keeps it until [`MachineKind::destroy`], also over
    /// stop and start. Called before the first start (the host name and the metadata carry it); idempotent.
    async fn reserve_address(&self, instance_id: &str) -> Result<Ipv4Addr, MachineError>;

    /// Starts the machine and returns once its init runs. Leftovers of an earlier machine of this id are cleared first.
    async fn start(&self, launch: &Launch) -> Result<Running, MachineError>;

    /// Stops it gracefully, then hard, and releases mounts and loop devices. A machine that is not running is no error.
    async fn stop(&self, instance_id: &str) -> Result<(), MachineError>;

    /// Whether the machine's init runs (also for machines that another process started).
    async fn status(&self, instance_id: &str) -> Status;

    /// What tells one boot of a machine from the next; none while it is down.
    async fn boot(&self, instance_id: &str) -> Option<String>;

    /// What the machine wrote to its console so far (empty when there is none).
    async fn console(&self, instance_id: &str) -> Vec<u8>;

    /// Makes a volume appear in a running machine.
    async fn attach_volume(&self, instance_id: &str, volume: &VolumeAttachment) -> Result<(), MachineError>;

    /// Takes a volume away from a running machine; with `force` also when it is mounted there.
    async fn detach_volume(&self, instance_id: &str, volume_id: &str, force: bool) -> Result<(), MachineError>;

    /// Replaces the metadata, user data and options that a running machine's metadata service gives out.
    async fn update_metadata(&self, instance_id: &str, metadata: &Metadata) -> Result<(), MachineError>;

    /// Lets connections in, or drops their packets, as a security group does.
    async fn admit(&self, _instance_id: &str, _open: bool) -> Result<(), MachineError> {
        Ok(())
    }

    /// Kills it by pid, unmounts, detaches loop devices, removes its network and its runtime files. The root disk's
    /// directories and the volumes' files belong to the control side and stay. Idempotent.
    async fn destroy(&self, instance_id: &str) -> Result<(), MachineError>;
}

/// Everything that a machine needs to know to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// `i-…`
    pub instance_id: String,
    /// For example `us-east-1`.
    pub region: String,
    /// For example `us-east-1a`.
    pub availability_zone: String,
    /// For example `t3.micro`.
    pub instance_type: String,
    /// `ami-…`
    pub image_id: String,
    /// Short host name, `ip-10-99-0-2` (cloud-init's `local-hostname` has the domain too).
    pub hostname: String,
    /// What [`MachineKind::reserve_address`] answered.
    pub address: Ipv4Addr,
    /// The root file system.
    pub root: RootDisk,
    /// Data volumes, in device order.
    pub volumes: Vec<VolumeAttachment>,
    /// What the metadata service gives out.
    pub metadata: Metadata,
}

/// A root file system made of directory trees, the way overlayfs stacks them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootDisk {
    /// Read-only layers, topmost first (overlayfs' `lowerdir` order); never empty.
    pub lower: Vec<PathBuf>,
    /// This instance's own writable layer; exists, and keeps what the machine writes.
    pub upper: PathBuf,
    /// overlayfs' `workdir`, on the file system of `upper`; exists.
    pub work: PathBuf,
}

/// A data volume of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeAttachment {
    /// `vol-…` (NVMe serial numbers carry it without the hyphen).
    pub volume_id: String,
    /// The name in the API: `/dev/sdb`.
    pub device: String,
    /// The name inside: `/dev/xvdb`, or `/dev/nvme1n1` for Nitro types.
    pub guest_device: String,
    /// The sparse file that is the volume.
    pub file: PathBuf,
}

/// What the instance metadata service serves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Leaves below `/latest/`, for example `("meta-data/ami-id", "ami-…")`, `("dynamic/instance-identity/document", "{…}")`.
    /// Directory listings follow from them; `meta-data/public-keys/0/openssh-key` is among them.
    pub leaves: Vec<(String, String)>,
    /// The launch key pair: name and OpenSSH public key line.
    pub public_key: Option<(String, String)>,
    /// `/latest/user-data`: the bytes, base64 already undone; absent is a 404.
    pub user_data: Option<Vec<u8>>,
    /// `HttpEndpoint`: false switches the service off.
    pub enabled: bool,
    /// `HttpTokens=required`: version 1 requests are refused with 401.
    pub tokens_required: bool,
    /// `HttpPutResponseHopLimit`
    pub hop_limit: u8,
}

/// A machine that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The machine's init, as the host sees it.
    pub pid: u32,
    /// Its address, reachable from this host.
    pub address: Ipv4Addr,
}

/// Whether a machine's init runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It never ran, ended by itself (power-off inside), or was stopped.
    Exited,
}

/// Why a machine could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The host lacks something (a program, a privilege, a kernel feature); says what and how to get it.
    #[error("{0}")]
    Unavailable(String),
    /// A step failed.
    #[error("{step} of {instance_id} failed")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// Whose machine.
        instance_id: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
