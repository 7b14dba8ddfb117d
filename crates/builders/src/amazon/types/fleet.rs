//! Launch templates, fleets, instance types: what a spot launch and a preflight need.

use super::{Launch, Tags};
use crate::amazon::ids::SubnetId;

/// CreateLaunchTemplate.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLaunchTemplate {
    /// Idempotency token.
    pub client_token: String,
    /// Name; unique in the account and region.
    pub name: String,
    /// What it launches. Type, subnet and market are the fleet's business and left out.
    pub launch: Launch,
    /// Tags of the template itself.
    pub tags: Tags,
}

/// A launch template.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchTemplate {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Tags.
    pub tags: Tags,
}

/// CreateFleet of type `instant` for one spot instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Idempotency token.
    pub client_token: String,
    /// Id of the launch template; its first version is taken.
    pub template: String,
    /// Types to choose from, first choice first.
    pub instance_types: Vec<String>,
    /// Subnet.
    pub subnet: Option<SubnetId>,
    /// Zone; none where a subnet is given.
    pub availability_zone: Option<String>,
    /// How to choose; none: EC2's default.
    pub allocation: Option<String>,
    /// Highest price per hour in dollars; none: the on-demand price.
    pub max_price: Option<String>,
    /// Tags of the fleet.
    pub tags: Tags,
}

/// What EC2 says of an instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// `m5.large`.
    pub name: String,
    /// `x86_64`, `arm64`, …
    pub architectures: Vec<String>,
    /// `required`, `supported`, `unsupported`.
    pub ena: String,
    /// `legacy-bios`, `uefi`.
    pub boot_modes: Vec<String>,
}

/// RegisterImage from snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// `x86_64`, `arm64`, …
    pub architecture: String,
    /// `hvm`.
    pub virtualization_type: String,
    /// `/dev/xvda`.
    pub root_device_name: String,
    /// Devices, the root among them.
    pub mappings: Vec<super::DeviceMapping>,
    /// ENA.
    pub ena: bool,
    /// SR-IOV.
    pub sriov: bool,
    /// Metadata v2 required.
    pub imds_v2: bool,
    /// `uefi`, `legacy-bios`, `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// UEFI variables, base64.
    pub uefi_data: Option<String>,
    /// `v2.0`.
    pub tpm: Option<String>,
    /// Kernel of a paravirtual image.
    pub kernel_id: Option<String>,
    /// Its initial file system.
    pub ramdisk_id: Option<String>,
    /// Tags of the image.
    pub tags: Tags,
}

/// CreateSnapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSnapshot {
    /// Of this volume.
    pub volume: crate::amazon::ids::VolumeId,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}
