//! `compress`: the artifact's files as one archive or compressed file. Source of the behaviour: Packer's compress.

use super::bgzf::Bgzf;
use super::checksum::no_span;
use super::compress_options::{Algorithm, Archive, OUTPUT, TABLE, check, detect};
use super::{Outcome, PostProcessor, PostSession};
use crate::artifact::{FileArtifact, SharedArtifact};
use crate::provision::{Block, text};
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Spanned};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A prepared `compress`.
pub(super) struct Compress {
    block: Block,
}

impl Compress {
    pub(super) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        check(&reader, diags);
        Compress { block }
    }
}

#[async_trait]
impl PostProcessor for Compress {
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String> {
        let reader = self.block.read(&session.data)?;
        let output = reader.text("output").unwrap_or_else(|| Spanned::new(OUTPUT.to_owned(), no_span()));
        let fields =
            [("BuildName", self.block.build_name(&session.build_name)), ("BuilderType", session.builder_type.as_str())];
        let target = self.block.render(&output, &session.data, &fields)?;
        let (archive, algorithm) = detect(&target, text(&reader, "format").as_deref())?;
        let level = reader.int("compression_level").map_or(6, |level| level.value);
        let level = if level < 1 { 6 } else { level.min(9) as u32 };
        let files = input.files();
        let reporter = &session.reporter;
        let shown = match archive {
            Archive::Tar => format!("Tarring {target}"),
            Archive::Zip => format!("Zipping {target}"),
            Archive::None if files.len() != 1 => {
                let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                return Err(format!(
                    "Can only have 1 input file when not using tar/zip. Found {} files: [{}]",
                    files.len(),
                    names.join(" ")
                ));
            }
            Archive::None => format!("Archiving {}", files[0].display()),
        };
        reporter.say(match algorithm {
            Algorithm::None => shown,
            other => format!("{shown} with {}", other.name()),
        });
        let path = self.block.path(&target);
        let made = path.clone();
        tokio::task::spawn_blocking(move || make(&made, &files, archive, algorithm, level))
            .await
            .map_err(|e| e.to_string())?
            .map_err(|e| format!("{} can't be made: {e}", path.display()))?;
        reporter.say(format!("Archive {target} completed"));
        let artifact = FileArtifact {
            builder_id: "packer.post-processor.compress".into(),
            id: String::new(),
            description: format!("compressed artifacts in: {target}"),
            files: vec![PathBuf::from(target)],
        };
        Ok(Outcome { artifact: Some(Arc::new(artifact)), keep: false, must_keep: false })
    }
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::None => "nothing",
            Algorithm::Gzip => "gzip",
            Algorithm::Bgzf => "bgzf",
            Algorithm::Lz4 => "lz4",
            Algorithm::Xz => "xz",
            Algorithm::Bzip2 => "bzip2",
        }
    }
}

fn make(path: &Path, files: &[PathBuf], archive: Archive, algorithm: Algorithm, level: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let file = io::BufWriter::new(fs_err::File::create(path)?);
    if archive == Archive::Zip {
        return zip(file, files, level);
    }
    match algorithm {
        Algorithm::None => fill(file, files, archive)?.flush(),
        Algorithm::Gzip => {
            let writer = flate2::write::GzEncoder::new(file, flate2::Compression::new(level));
            fill(writer, files, archive)?.finish()?.flush()
        }
        Algorithm::Bgzf => fill(Bgzf::new(file, level), files, archive)?.finish()?.flush(),
        Algorithm::Bzip2 => {
            let writer = bzip2::write::BzEncoder::new(file, bzip2::Compression::new(level));
            fill(writer, files, archive)?.finish()?.flush()
        }
        Algorithm::Lz4 => {
            let writer = lz4_flex::frame::FrameEncoder::new(file);
            fill(writer, files, archive)?.finish().map_err(io::Error::other)?.flush()
        }
        Algorithm::Xz => {
            let writer = lzma_rust2::XzWriter::new(file, lzma_rust2::XzOptions::with_preset(level))?;
            fill(writer, files, archive)?.finish()?.flush()
        }
    }
}

/// Writes the content, archived or the one file as it is.
fn fill<W: Write>(mut to: W, files: &[PathBuf], archive: Archive) -> io::Result<W> {
    if archive == Archive::None {
        for file in files {
            io::copy(&mut fs_err::File::open(file)?, &mut to)?;
        }
        return Ok(to);
    }
    let mut builder = tar::Builder::new(to);
    for file in files {
        let mut content = fs_err::File::open(file)?;
        builder.append_file(name_of(file), content.file_mut())?;
    }
    builder.into_inner()
}

fn name_of(file: &Path) -> PathBuf {
    file.file_name().map_or_else(|| file.to_owned(), PathBuf::from)
}

fn zip(to: impl Write + io::Seek, files: &[PathBuf], level: u32) -> io::Result<()> {
    let mut writer = zip::ZipWriter::new(to);
    for file in files {
        let meta = fs_err::metadata(file)?;
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .compression_level(Some(i64::from(level)))
            .large_file(meta.len() >= u64::from(u32::MAX))
            .unix_permissions(meta.permissions().mode() & 0o777);
        writer.start_file(name_of(file).to_string_lossy(), options)?;
        io::copy(&mut fs_err::File::open(file)?, &mut writer)?;
    }
    writer.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn what_goes_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in.bin");
        let content: Vec<u8> = (0..100_000u32).map(|i| (i % 97) as u8).collect();
        std::fs::write(&input, &content).unwrap();
        for (algorithm, magic) in [
            (Algorithm::Gzip, &[0x1f, 0x8b][..]),
            (Algorithm::Bgzf, &[0x1f, 0x8b, 8, 4]),
            (Algorithm::Bzip2, b"BZh"),
            (Algorithm::Lz4, &[0x04, 0x22, 0x4d, 0x18]),
            (Algorithm::Xz, &[0xfd, b'7', b'z', b'X', b'Z']),
        ] {
            let out = dir.path().join(algorithm.name());
            make(&out, std::slice::from_ref(&input), Archive::None, algorithm, 6).unwrap();
            let packed = std::fs::read(&out).unwrap();
            assert!(packed.starts_with(magic) && packed.len() < content.len(), "{algorithm:?}");
        }
        let tar = dir.path().join("x.tar.gz");
        make(&tar, std::slice::from_ref(&input), Archive::Tar, Algorithm::Gzip, 6).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&tar).unwrap()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("in.bin"));
        let mut back = Vec::new();
        entry.read_to_end(&mut back).unwrap();
        assert!(back == content);
        let zip = dir.path().join("x.zip");
        make(&zip, std::slice::from_ref(&input), Archive::Zip, Algorithm::None, 6).unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&zip).unwrap()).unwrap();
        let mut back = Vec::new();
        archive.by_name("in.bin").unwrap().read_to_end(&mut back).unwrap();
        assert!(back == content);
    }
}
