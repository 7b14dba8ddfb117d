//! The post-processors by name, and a build's chains.

use super::artifice::Artifice;
use super::checksum::Checksum;
use super::compress::Compress;
use super::manifest::Manifest;
use super::shell_local::ShellLocalPost;
use super::{PostPlan, PostProcessor, PostStep};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Build, Context, Table, model};

/// Names that can be written.
pub const NAMES: &[&str] = &["artifice", "checksum", "compress", "manifest", "shell-local"];

/// Names that Packer has and we don't, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("amazon-import", "images are made by a builder; importing disk images is not supported"),
    ("provenance", "attestations are not supported"),
    ("docker-import", "Docker images are not supported"),
    ("docker-push", "Docker images are not supported"),
    ("docker-save", "Docker images are not supported"),
    ("docker-tag", "Docker images are not supported"),
    ("vagrant", "Vagrant boxes are not supported"),
    ("vagrant-cloud", "Vagrant boxes are not supported"),
    ("vagrant-registry", "Vagrant boxes are not supported"),
    ("amazon-ami-management", "it belongs to a plugin"),
    ("digitalocean-import", "other clouds are not supported"),
    ("exoscale-import", "other clouds are not supported"),
    ("googlecompute-export", "other clouds are not supported"),
    ("googlecompute-import", "other clouds are not supported"),
    ("ucloud-import", "other clouds are not supported"),
    ("vsphere", "other clouds are not supported"),
    ("vsphere-template", "other clouds are not supported"),
    ("yandex-export", "other clouds are not supported"),
    ("yandex-import", "other clouds are not supported"),
];

/// The options of every post-processor, for printed tables.
pub fn tables() -> Vec<&'static Table> {
    vec![
        &super::artifice::TABLE,
        &super::checksum::TABLE,
        &super::compress_options::TABLE,
        &super::manifest::TABLE,
        crate::provision::shell_local_table(),
    ]
}

/// Reads one post-processor block; see [`crate::provision::prepare`].
pub fn prepare(
    block: &model::PostProcessor,
    context: &Context,
    promised: &[&str],
    diags: &mut Diagnostics,
) -> Option<PostStep> {
    let body = &block.body;
    let processor: Box<dyn PostProcessor> = match block.kind.as_str() {
        "artifice" => Box::new(Artifice::prepare(body, context, promised, diags)),
        "checksum" => Box::new(Checksum::prepare(body, context, promised, diags)),
        "compress" => Box::new(Compress::prepare(body, context, promised, diags)),
        "manifest" => Box::new(Manifest::prepare(body, context, promised, diags)),
        "shell-local" => Box::new(ShellLocalPost::prepare(body, context, promised, diags)),
        other => {
            diags.push(match REFUSED.iter().find(|(name, _)| *name == other) {
                Some((_, why)) => Diagnostic::error(format!("the post-processor {other:?} is not supported: {why}"))
                    .at(&block.kind.span)
                    .help("-except leaves it out by its name"),
                None => Diagnostic::error(format!("unknown post-processor type {other:?}"))
                    .at(&block.kind.span)
                    .suggest(other, NAMES.iter().copied()),
            });
            return None;
        }
    };
    Some(PostStep {
        kind: block.kind.value.clone(),
        name: block.name.clone(),
        keep_input_artifact: block.keep_input_artifact,
        processor,
    })
}

impl PostPlan {
    /// Reads all post-processors of a build.
    pub fn prepare(build: &Build, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let mut chain = |blocks: &Vec<model::PostProcessor>| -> Vec<PostStep> {
            blocks.iter().filter_map(|block| prepare(block, context, promised, diags)).collect()
        };
        PostPlan { chains: build.post_processors.iter().map(&mut chain).filter(|chain| !chain.is_empty()).collect() }
    }
}
