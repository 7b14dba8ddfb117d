//! What a build leaves, and how it is taken back.

use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;

/// What a builder or post-processor made.
#[async_trait]
pub trait Artifact: Send + Sync {
    /// Packer's builder id: `mitchellh.amazonebs`, `mitchellh.post-processor.compress`, …
    fn builder_id(&self) -> &str;
    /// Its id: `us-east-1:ami-…,us-west-2:ami-…`; `File` ids and the like as Packer has them.
    fn id(&self) -> String;
    /// For people.
    fn description(&self) -> String;
    /// Files that belong to it.
    fn files(&self) -> Vec<PathBuf>;
    /// Removes it (the image is deregistered, its snapshots and files deleted), because no post-processor keeps it.
    async fn destroy(&self) -> Result<(), String>;
}

/// Files on this machine as an artifact (`artifice`, `compress`, `checksum`).
#[derive(Debug, Clone, PartialEq)]
pub struct FileArtifact {
    /// Who made it.
    pub builder_id: String,
    /// Its id.
    pub id: String,
    /// For people.
    pub description: String,
    /// The files.
    pub files: Vec<PathBuf>,
}

#[async_trait]
impl Artifact for FileArtifact {
    fn builder_id(&self) -> &str {
        &self.builder_id
    }
    fn id(&self) -> String {
        self.id.clone()
    }
    fn description(&self) -> String {
        self.description.clone()
    }
    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }
    async fn destroy(&self) -> Result<(), String> {
        let mut failed = Vec::new();
        for file in &self.files {
            match fs_err::tokio::remove_file(file).await {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => failed.push(e.to_string()),
                _ => {}
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}

/// A shared artifact.
pub type SharedArtifact = Arc<dyn Artifact>;
