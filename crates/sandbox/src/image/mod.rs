//! The base images that exist without anyone having made them, as the control side sees them.
//!
//! Invariant: what is listed can be prepared on this host, or says why not in [`BaseImage::unavailable`]; a stand-in says so
//! in its description.

mod bootstrap;
mod cache;
mod catalogue;
mod error;
pub mod fixture;
mod mirrors;
mod trusty;
mod ubuntu;

use std::path::PathBuf;

use async_trait::async_trait;

use crate::machine::MachineError;

pub use self::catalogue::HostCatalogue;
pub use self::mirrors::Mirrors;

/// Told what is being done while an image is made.
pub type Progress = dyn Fn(&str) + Send + Sync;

/// The base images of a sandbox.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// All of them; they appear in every region under ids derived from region and name.
    fn images(&self) -> &[BaseImage];

    /// Makes the root tree of `name` if it is not there yet (minutes on first use; concurrent callers wait for the one
    /// that makes it) and returns its directory, which is never written to.
    async fn prepare(&self, name: &str) -> Result<PathBuf, MachineError>;
}

/// A public image of the catalogue.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// As published: `ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20190514`.
    pub name: String,
    /// As published; a stand-in says so here.
    pub description: String,
    /// The account that publishes it: `099720109477`.
    pub owner_id: String,
    /// `amazon` or `aws-marketplace` where EC2 has an alias for the owner.
    pub owner_alias: Option<String>,
    /// `x86_64` or `arm64`
    pub architecture: String,
    /// `Linux/UNIX`, …
    pub platform_details: String,
    /// RFC 3339 with milliseconds: `2019-05-14T19:43:23.000Z`.
    pub creation_date: String,
    /// `/dev/sda1` or `/dev/xvda`
    pub root_device_name: String,
    /// GiB of the root volume.
    pub root_volume_size: u32,
    /// `gp2`, `gp3`
    pub root_volume_type: String,
    /// Instance store mappings that the image carries: device and `ephemeral0`, ….
    pub ephemeral: Vec<(String, String)>,
    /// Enhanced networking (needed by Nitro types).
    pub ena_support: bool,
    /// `legacy-bios`, `uefi`, `uefi-preferred`
    pub boot_mode: Option<String>,
    /// `ImdsSupport`: true answers `v2.0`.
    pub imds_v2: bool,
    /// Whether the tree is another distribution's under this name.
    pub stand_in: bool,
    /// Why no machine can be made of it on this host: one sentence, to be the message of the refused RunInstances.
    pub unavailable: Option<String>,
}
