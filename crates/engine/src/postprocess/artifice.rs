//! `artifice`: replaces the artifact by files.

use super::{Outcome, PostProcessor, PostSession};
use crate::artifact::{FileArtifact, SharedArtifact};
use crate::provision::{Block, error, strings};
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Kind, Opt, Table};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) static TABLE: Table = Table::new(
    "artifice",
    &[&[Opt::new("files", Kind::Strings, "The files that are the artifact.").default("required")]],
);

/// A prepared `artifice`.
pub(super) struct Artifice {
    block: Block,
}

impl Artifice {
    pub(super) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        if strings(&reader, "files").is_empty() {
            error(diags, reader.span(), "No files specified in artifice configuration");
        }
        Artifice { block }
    }
}

/// Files as people read them.
pub(super) fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl PostProcessor for Artifice {
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String> {
        let reader = self.block.read(&session.data)?;
        let old = input.files();
        if !old.is_empty() {
            session.reporter.say(format!("Discarding files from artifact: {}", listed(&old)));
        }
        let files: Vec<PathBuf> = strings(&reader, "files").iter().map(|file| PathBuf::from(&file.value)).collect();
        for file in &files {
            let path = self.block.path(&file.display().to_string());
            fs_err::metadata(&path).map_err(|e| e.to_string())?;
        }
        session.reporter.say(format!("Using these artifact files: {}", listed(&files)));
        let artifact = FileArtifact {
            builder_id: "packer.post-processor.artifice".into(),
            id: String::new(),
            description: format!("Created artifact from files: {}", listed(&files)),
            files: files.iter().map(|file| self.block.path(&file.display().to_string())).collect(),
        };
        Ok(Outcome { artifact: Some(Arc::new(artifact)), keep: false, must_keep: false })
    }
}
