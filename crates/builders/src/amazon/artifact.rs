//! What the amazon builders leave: images, or volumes with their snapshots.

use super::ec2::Account;
use super::env::Env;
use super::ids::{AmiId, Region, SnapshotId, VolumeId};
use super::phase::volumes::Filled;
use async_trait::async_trait;
use imgbuild_engine::artifact::Artifact;
use std::path::PathBuf;
use std::sync::Arc;

/// AMIs, by region.
pub struct AmiArtifact {
    /// Packer's id of the builder.
    pub builder_id: &'static str,
    /// Whose they are.
    pub account: Arc<dyn Account>,
    /// Region, image, snapshots.
    pub images: Vec<(Region, AmiId, Vec<SnapshotId>)>,
}

#[async_trait]
impl Artifact for AmiArtifact {
    fn builder_id(&self) -> &str {
        self.builder_id
    }

    fn id(&self) -> String {
        let parts: Vec<String> = self.images.iter().map(|(region, id, _)| format!("{region}:{id}")).collect();
        parts.join(",")
    }

    fn description(&self) -> String {
        let lines: String = self.images.iter().map(|(region, id, _)| format!("{region}: {id}\n")).collect();
        format!("AMIs were created:\n{lines}")
    }

    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    async fn destroy(&self) -> Result<(), String> {
        let mut failed = Vec::new();
        for (region, id, snapshots) in &self.images {
            let ec2 = self.account.ec2(region);
            match ec2.deregister_image(id).await {
                Err(error) if !error.is_not_found() => {
                    failed.push(format!("{id}: {error}"));
                    continue;
                }
                _ => {}
            }
            for snapshot in snapshots {
                match ec2.delete_snapshot(snapshot).await {
                    Err(error) if !error.is_not_found() => failed.push(format!("{snapshot}: {error}")),
                    _ => {}
                }
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}

/// Volumes and snapshots of one region.
pub struct VolumesArtifact {
    builder_id: &'static str,
    account: Arc<dyn Account>,
    region: Region,
    volumes: Vec<VolumeId>,
    snapshots: Vec<SnapshotId>,
}

impl VolumesArtifact {
    /// Of a build.
    pub fn new(env: &Env<'_>, filled: Filled) -> Self {
        VolumesArtifact {
            builder_id: env.config.product.builder_id(),
            account: Arc::clone(&env.account),
            region: env.region.clone(),
            volumes: filled.volumes,
            snapshots: filled.snapshots,
        }
    }

    fn ids(&self) -> Vec<String> {
        let region = &self.region;
        let volumes = self.volumes.iter().map(|id| format!("{region}:{id}"));
        let mut ids: Vec<String> = volumes.chain(self.snapshots.iter().map(|id| format!("{region}:{id}"))).collect();
        ids.sort();
        ids
    }
}

#[async_trait]
impl Artifact for VolumesArtifact {
    fn builder_id(&self) -> &str {
        self.builder_id
    }

    fn id(&self) -> String {
        self.ids().join(",")
    }

    fn description(&self) -> String {
        format!("EBS Volumes were created:\n\n{}", self.ids().join("\n"))
    }

    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The snapshots, too; Packer leaves them behind.
    async fn destroy(&self) -> Result<(), String> {
        let ec2 = self.account.ec2(&self.region);
        let mut failed = Vec::new();
        for volume in &self.volumes {
            match ec2.delete_volume(volume).await {
                Err(error) if !error.is_not_found() => failed.push(format!("{volume}: {error}")),
                _ => {}
            }
        }
        for snapshot in &self.snapshots {
            match ec2.delete_snapshot(snapshot).await {
                Err(error) if !error.is_not_found() => failed.push(format!("{snapshot}: {error}")),
                _ => {}
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}
