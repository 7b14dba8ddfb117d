//! `file`: writes one file, for tests and for chains of post-processors. No machine is made and none is reached: provisioners that
//! want one say so. Source of the behaviour: Packer's builder of that name.

use crate::paths::Paths;
use crate::read::{Diags, text};
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_engine::artifact::FileArtifact;
use imgbuild_engine::build::{BuildError, BuildSession, Builder, Built};
use imgbuild_engine::provision::{BuildData, ProvisionError, Session};
use imgbuild_template::{Body, Context, Kind, Opt, Table};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Its options.
pub static FILE: Table = Table::new(
    "file",
    &[&[
        Opt::new("source", Kind::String, "A file to copy."),
        Opt::new("content", Kind::String, "The content; not with source."),
        Opt::new("target", Kind::String, "The file to write.").default("required"),
    ]],
);

/// The builder, prepared.
pub struct File {
    /// As written, and where it is.
    source: Option<(String, PathBuf)>,
    content: String,
    target: (String, PathBuf),
}

impl File {
    /// Reads and checks.
    pub fn read(body: &Body, context: &Context) -> Result<(File, Diagnostics), Diagnostics> {
        let mut found = Diagnostics::new();
        let reader = body.reader(&FILE, context, &mut found);
        let mut diags = Diags::new(found, body);
        let paths = Paths::new(context);
        let placed = |path: String| {
            let place = paths.resolve(&path);
            (path, place)
        };
        let (source, content) = (text(&reader, "source"), text(&reader, "content"));
        match (&source, &content) {
            (Some(_), Some(_)) => {
                diags.error(&reader.place("content"), "only one of \"source\" and \"content\" can be specified");
            }
            (None, None) if !diags.unread(&reader, "source") && !diags.unread(&reader, "content") => {
                let message = "neither \"source\" nor \"content\" is given: the target will be empty";
                diags.warning(reader.span(), message, "give one of them if that is not meant");
            }
            _ => {}
        }
        let target = text(&reader, "target");
        if target.is_none() {
            diags.missing(&reader, &["target"], "\"target\" must be specified");
        }
        diags.found.into_result(File {
            source: source.map(placed),
            content: content.unwrap_or_default(),
            target: placed(target.unwrap_or_default()),
        })
    }

    /// Makes the file; what it says to the person.
    fn write(&self) -> std::io::Result<Vec<String>> {
        let (written, target) = &self.target;
        if let Some(parent) = target.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let Some((name, source)) = &self.source else {
            write_private(target, self.content.as_bytes())?;
            return Ok(Vec::new());
        };
        let mut from = std::fs::File::open(source).map_err(|e| named(name, &e))?;
        let mut to = fs_err::File::create(target)?;
        let bytes = std::io::copy(&mut from, &mut to)?;
        Ok(vec![format!("Copying {name} to {written}"), format!("Copied {bytes} bytes")])
    }
}

/// The error of opening a file, with the name as it was written.
fn named(name: &str, error: &std::io::Error) -> std::io::Error {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    std::io::Error::new(error.kind(), format!("open {name}: {why}"))
}

/// For its owner's eyes only: the content may be a key.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).map_err(|e| named(&path.display().to_string(), &e))?;
    std::io::Write::write_all(&mut file, content)
}

#[async_trait]
impl Builder for File {
    async fn build(&self, session: &BuildSession) -> Result<Built, BuildError> {
        let ui = session.run.reporter();
        for line in self.write().map_err(|e| failed(e.to_string()))? {
            ui.say(line);
        }
        let mut data = BuildData::new();
        data.insert("ID".into(), "File".into());
        data.insert("ConnType".into(), "none".into());
        data.insert("PackerRunUUID".into(), session.run.run().id().to_owned());
        let reached = Session {
            build_name: ui.build().to_owned(),
            builder_type: "file".into(),
            communicator: None,
            pty: false,
            username: String::new(),
            data,
            reporter: ui.clone(),
            cancel: session.run.cancel().clone(),
            ask: Arc::clone(&session.ask),
            agents: session.agents,
            connect: Some(Arc::clone(&session.connect)),
        };
        ui.phase("provision");
        let outcome = session.provision.run(&reached).await;
        if outcome.is_err() {
            session.provision.clean_up(&reached).await;
        }
        match outcome {
            Ok(()) => {}
            Err(ProvisionError::Cancelled) => return Err(BuildError { cancelled: true, ..failed("cancelled".into()) }),
            Err(error) => return Err(failed(error.to_string())),
        }
        let artifact = FileArtifact {
            builder_id: "packer.file".into(),
            id: "File".into(),
            description: format!("Stored file: {}", self.target.0),
            files: vec![PathBuf::from(&self.target.0)],
        };
        Ok(Built { artifact: Some(Arc::new(artifact)), data: reached.data, leaks: Vec::new() })
    }
}

fn failed(message: String) -> BuildError {
    BuildError { message, help: Vec::new(), leaks: Vec::new(), cancelled: false }
}
