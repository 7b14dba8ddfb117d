//! Images: catalogue images and those that were made here.

use serde::{Deserialize, Serialize};

use super::{Time, VolumeSpec};

/// An image's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageState {
    /// Its snapshots are being taken.
    Pending,
    /// Can be launched.
    Available,
    /// Could not be made.
    Failed,
}

impl ImageState {
    /// As EC2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
        }
    }
}

/// How an image came to be, which says what remains to be done while it is pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// Of the catalogue, under this name.
    Catalogue(String),
    /// CreateImage.
    Instance {
        /// Of this instance.
        instance_id: String,
        /// Which was started from this image.
        image_id: String,
        /// Which is stopped for it and started again.
        reboot: bool,
    },
    /// CopyImage.
    Copy {
        /// From this region.
        region: String,
        /// This image.
        image_id: String,
    },
    /// RegisterImage.
    Registered,
}

/// What a device of an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappedTo {
    /// A volume, made from a snapshot or empty.
    Ebs {
        /// `snap-…`
        snapshot_id: Option<String>,
        /// Type and sizes.
        spec: VolumeSpec,
        /// Goes with the instance.
        delete_on_termination: bool,
    },
    /// Instance storage: `ephemeral0`.
    Ephemeral(String),
    /// Nothing, although the parent image has something here.
    NoDevice,
}

/// One block device mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMapping {
    /// `/dev/sda1`
    pub device: String,
    /// What is there.
    pub to: MappedTo,
}

/// Who may launch an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchPermission {
    /// `Group=all`
    Everyone,
    /// An account.
    User(String),
    /// An organization, by ARN.
    Organization(String),
    /// An organizational unit, by ARN.
    Unit(String),
}

/// Deregistration protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// None.
    Off,
    /// On; with a cooldown it lasts 24 hours longer than it is wanted.
    On {
        /// `WithCooldown`
        cooldown: bool,
    },
    /// Switched off, but still in force until then.
    Until(Time),
}

/// An Amazon machine image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `ami-…`
    pub id: String,
    /// Unique among an account's images in a region.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// The account that owns it.
    pub owner_id: String,
    /// `amazon`, `aws-marketplace`
    pub owner_alias: Option<String>,
    /// `x86_64`, `arm64`
    pub architecture: String,
    /// When.
    pub created: Time,
    /// Its life.
    pub state: ImageState,
    /// Why it failed.
    pub state_message: Option<String>,
    /// How it came to be.
    pub source: ImageSource,
    /// `/dev/sda1`
    pub root_device_name: String,
    /// All devices, root first.
    pub mappings: Vec<ImageMapping>,
    /// Enhanced networking.
    pub ena_support: bool,
    /// `simple`
    pub sriov_net_support: Option<String>,
    /// `legacy-bios`, `uefi`, `uefi-preferred`
    pub boot_mode: Option<String>,
    /// `v2.0`
    pub imds_support: Option<String>,
    /// `v2.0`
    pub tpm_support: Option<String>,
    /// `Linux/UNIX`
    pub platform_details: String,
    /// Who may launch it, besides its owner.
    pub permissions: Vec<LaunchPermission>,
    /// Marketplace codes.
    pub product_codes: Vec<String>,
    /// EnableImageDeprecation.
    pub deprecation: Option<Time>,
    /// EnableImageDeregistrationProtection.
    pub protection: Protection,
    /// `LastLaunchedTime`
    pub last_launched: Option<Time>,
    /// Why no machine can be made of it on this host.
    #[serde(default)]
    pub unavailable: Option<String>,
}

impl Image {
    /// The snapshots that it holds.
    pub fn snapshots(&self) -> impl Iterator<Item = &str> {
        self.mappings.iter().filter_map(|m| match &m.to {
            MappedTo::Ebs { snapshot_id: Some(id), .. } => Some(id.as_str()),
            _ => None,
        })
    }

    /// Whether everyone may launch it.
    pub fn is_public(&self) -> bool {
        self.permissions.contains(&LaunchPermission::Everyone)
    }
}
