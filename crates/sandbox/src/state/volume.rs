//! Volumes and snapshots. A root volume is a stack of directory trees with a writable one on top; a data volume is a sparse
//! file. A snapshot of the first is a frozen tree on top of its parents, of the second a copy of the file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Time;

/// What was asked of a volume: type and sizes, as in a block device mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// GiB
    pub size: u32,
    /// `gp2`, …
    pub volume_type: String,
    /// For io1, io2 and gp3.
    pub iops: Option<u32>,
    /// MiB/s, for gp3.
    pub throughput: Option<u32>,
    /// Reported, not done: the files are as safe as the host's disk.
    pub encrypted: bool,
    /// ARN of the key.
    pub kms_key_id: Option<String>,
}

/// Where the bytes are. Frozen trees and blobs are shared by all that name them and go when no one does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Directory trees, topmost first.
    Tree(Vec<Layer>),
    /// A file, by the name of its blob; none is an empty volume.
    Block(Option<String>),
    /// A file whose one partition holds what these trees hold, topmost first: a root volume that is attached as a disk. A
    /// volume's own tree, if it has been a root itself, lies on top of them.
    Packed(Vec<Layer>),
}

/// One directory tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A catalogue image's tree, by the image's name; which tree that is, is settled by the first start.
    Base(String),
    /// That tree. A later version of the catalogue may make another one, on which frozen trees would not fit.
    Settled {
        /// The catalogue's name.
        name: String,
        /// Its directory.
        tree: PathBuf,
    },
    /// A frozen tree, by its own name.
    Frozen(String),
    /// What is in the root file system of a blob, by the blob's name: a disk that became a root volume.
    Unpacked(String),
}

/// A volume's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeState {
    /// Its file is being made.
    Creating,
    /// Attached to nothing.
    Available,
    /// Attached.
    InUse,
    /// Its file could not be made.
    Error,
}

impl VolumeState {
    /// As EC2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::InUse => "in-use",
            Self::Error => "error",
        }
    }
}

/// The state of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentState {
    /// On its way in.
    Attaching,
    /// In.
    Attached,
    /// On its way out.
    Detaching {
        /// Even when the machine uses it.
        force: bool,
    },
}

impl AttachmentState {
    /// As EC2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attaching => "attaching",
            Self::Attached => "attached",
            Self::Detaching { .. } => "detaching",
        }
    }
}

/// That a volume belongs to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// `i-…`
    pub instance_id: String,
    /// `/dev/sdb`
    pub device: String,
    /// `/dev/xvdb` or `/dev/nvme1n1`; chosen when attached, kept until detached.
    pub guest_device: String,
    /// Where it stands.
    pub state: AttachmentState,
    /// When it was attached.
    pub time: Time,
    /// Goes with the instance.
    pub delete_on_termination: bool,
}

/// The last ModifyVolume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modification {
    /// Before.
    pub from: VolumeSpec,
    /// After.
    pub to: VolumeSpec,
    /// When.
    pub time: Time,
}

/// An EBS volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// `vol-…`
    pub id: String,
    /// Type and sizes.
    pub spec: VolumeSpec,
    /// What it was made from.
    pub snapshot_id: Option<String>,
    /// `us-east-1a`
    pub availability_zone: String,
    /// When.
    pub created: Time,
    /// Its life.
    pub state: VolumeState,
    /// Whose it is.
    pub attachment: Option<Attachment>,
    /// What is below the volume's own tree, or what its file starts as.
    pub content: Content,
    /// The last ModifyVolume.
    pub modification: Option<Modification>,
}

impl Volume {
    /// Whether it is a directory tree (a root volume).
    pub fn is_tree(&self) -> bool {
        matches!(self.content, Content::Tree(_))
    }

    /// Whether it is attached to this instance, in whatever state.
    pub fn is_of(&self, instance_id: &str) -> bool {
        self.attachment.as_ref().is_some_and(|a| a.instance_id == instance_id)
    }
}

/// A snapshot's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    /// Being taken.
    Pending,
    /// There.
    Completed,
    /// Could not be taken.
    Error,
}

impl SnapshotState {
    /// As EC2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
        }
    }
}

/// An EBS snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `snap-…`
    pub id: String,
    /// Copies say `vol-ffffffff`, as EC2 does.
    pub volume_id: String,
    /// The account that owns it.
    pub owner_id: String,
    /// May be empty.
    pub description: String,
    /// GiB of the volume.
    pub size: u32,
    /// Its life.
    pub state: SnapshotState,
    /// Why it failed.
    pub state_message: Option<String>,
    /// When it was begun.
    pub started: Time,
    /// When it was done.
    pub completed: Option<Time>,
    /// Reported, not done.
    pub encrypted: bool,
    /// ARN of the key.
    pub kms_key_id: Option<String>,
    /// The bytes; absent until it is completed.
    pub content: Option<Content>,
    /// What a copy is a copy of: region and snapshot.
    pub copy_of: Option<(String, String)>,
    /// The image whose creation takes this snapshot (its work takes all the image's snapshots at once).
    pub for_image: Option<String>,
    /// Accounts that may create volumes of it.
    pub users: BTreeSet<String>,
    /// Everyone may.
    pub public: bool,
    /// Deleted while it was being taken: invisible, and gone as soon as that ends.
    #[serde(default)]
    pub deleted: bool,
}
