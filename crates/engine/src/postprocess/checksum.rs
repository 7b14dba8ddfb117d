//! `checksum`: a file of checksums for the artifact's files.

use super::artifice::listed;
use super::{Outcome, PostProcessor, PostSession};
use crate::artifact::{FileArtifact, SharedArtifact};
use crate::provision::{Block, error, strings};
use async_trait::async_trait;
use imgbuild_diag::{Diagnostics, Span};
use imgbuild_template::{Body, Context, Kind, Opt, Spanned, Table};
use sha2::digest::DynDigest;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const OUTPUT: &str = "packer_{{.BuildName}}_{{.BuilderType}}_{{.ChecksumType}}.checksum";

pub(super) static TABLE: Table = Table::new(
    "checksum",
    &[&[
        Opt::new("checksum_types", Kind::Strings, "md5, sha1, sha224, sha256, sha384, sha512.").default("[\"md5\"]"),
        Opt::new("output", Kind::String, "File to append to: {{.BuildName}}, {{.BuilderType}}, {{.ChecksumType}}.")
            .default(OUTPUT)
            .later(),
    ]],
);

/// A prepared `checksum`.
pub(super) struct Checksum {
    block: Block,
}

fn hasher(name: &str) -> Option<Box<dyn DynDigest + Send>> {
    Some(match name {
        "md5" => Box::new(md5::Md5::default()),
        "sha1" => Box::new(sha1::Sha1::default()),
        "sha224" => Box::new(sha2::Sha224::default()),
        "sha256" => Box::new(sha2::Sha256::default()),
        "sha384" => Box::new(sha2::Sha384::default()),
        "sha512" => Box::new(sha2::Sha512::default()),
        _ => return None,
    })
}

impl Checksum {
    pub(super) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        for kind in strings(&reader, "checksum_types") {
            if hasher(&kind).is_none() {
                error(diags, &kind.span, format!("Unrecognized checksum type: {}", kind.value));
            }
        }
        Checksum { block }
    }
}

#[async_trait]
impl PostProcessor for Checksum {
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String> {
        let reader = self.block.read(&session.data)?;
        let mut kinds: Vec<String> = strings(&reader, "checksum_types").into_iter().map(|kind| kind.value).collect();
        if kinds.is_empty() {
            kinds.push("md5".into());
        }
        let output = reader.text("output").unwrap_or_else(|| Spanned::new(OUTPUT.to_owned(), no_span()));
        let inputs = input.files();
        let mut files = inputs.clone();
        for kind in &kinds {
            let fields = [
                ("BuildName", self.block.build_name(&session.build_name)),
                ("BuilderType", session.builder_type.as_str()),
                ("ChecksumType", kind.as_str()),
            ];
            let name = self.block.render(&output, &session.data, &fields)?;
            let path = self.block.path(&name);
            if inputs.is_empty() {
                continue;
            }
            if !path.exists() {
                files.push(PathBuf::from(&name));
            }
            let (kind, inputs) = (kind.clone(), inputs.clone());
            tokio::task::spawn_blocking(move || append(&kind, &inputs, &path))
                .await
                .map_err(|e| e.to_string())?
                .map_err(|e| format!("unable to write the checksums: {e}"))?;
        }
        let artifact = FileArtifact {
            builder_id: "packer.post-processor.checksum".into(),
            id: String::new(),
            description: format!("Created artifact from files: {}", listed(&files)),
            files,
        };
        Ok(Outcome { artifact: Some(Arc::new(artifact)), keep: true, must_keep: true })
    }
}

/// A place for texts that nobody wrote.
pub(super) fn no_span() -> Span {
    Span::new(&imgbuild_diag::Source::new("(default)", ""), 0..0)
}

fn append(kind: &str, inputs: &[PathBuf], path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let mut out = fs_err::OpenOptions::new().append(true).create(true).open(path)?;
    for input in inputs {
        let Some(mut hash) = hasher(kind) else { return Err(std::io::Error::other("unknown checksum type")) };
        let mut file = fs_err::File::open(input)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => hash.update(&buffer[..n]),
            }
        }
        let sum: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let name = input.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        out.write_all(format!("{sum}\t{name}\n").as_bytes())?;
    }
    Ok(())
}
