//! `manifest`: appends what a build made to a JSON file that scripts read (`packer-manifest.json`).

use super::{Outcome, PostProcessor, PostSession};
use crate::artifact::SharedArtifact;
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Kind, Opt, Table};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

static TABLE: Table = Table::new(
    "manifest",
    &[&[
        Opt::new("output", Kind::String, "The file.").default("packer-manifest.json"),
        Opt::new("strip_path", Kind::Bool, "Write file names without their folders.").default("false"),
        Opt::new("strip_time", Kind::Bool, "Write no time.").default("false"),
        Opt::new("custom_data", Kind::Map, "More values for each build.").later(),
    ]],
);

/// The file as Packer writes it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    builds: Vec<Value>,
    #[serde(default)]
    last_run_uuid: String,
}

/// A prepared `manifest`.
pub struct Manifest {
    body: Body,
    context: Context,
}

impl Manifest {
    /// Reads and checks the block.
    pub fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        body.reader(&TABLE, &context.clone().with_promised(promised), diags);
        Manifest { body: body.clone(), context: context.clone() }
    }

    /// For `imgbuild build --manifest FILE`: the file and nothing else.
    pub async fn write_to(path: &Path, session: &PostSession, artifact: &SharedArtifact) -> Result<(), String> {
        let build = entry(session, artifact, false, false, Map::new());
        append(path, build, session)
    }
}

#[async_trait]
impl PostProcessor for Manifest {
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String> {
        let data = session.data.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let context = self.context.clone().with_data(data);
        let mut diags = Diagnostics::new();
        let reader = self.body.reader(&TABLE, &context, &mut diags);
        let mut custom = Map::new();
        for (name, text) in reader.map("custom_data").map(|m| m.value).unwrap_or_default() {
            let value = imgbuild_template::interpolate::render(&text, &context).map_err(|e| e.to_string())?;
            custom.insert(name, Value::String(value));
        }
        if diags.has_errors() {
            return Err(diags.to_string());
        }
        let output = reader.text("output").map_or_else(|| "packer-manifest.json".to_owned(), |t| t.value);
        let path = self.context.ambient().cwd.join(output);
        let build = entry(session, input, reader.is_true("strip_path"), reader.is_true("strip_time"), custom);
        append(&path, build, session)?;
        Ok(Outcome { artifact: Some(input.clone()), keep: true, must_keep: true })
    }
}

fn entry(session: &PostSession, input: &SharedArtifact, strip_path: bool, strip_time: bool, custom: Map<String, Value>) -> Value {
    let files: Vec<Value> = input
        .files()
        .iter()
        .map(|file| {
            let name = match file.file_name() {
                Some(name) if strip_path => name.to_string_lossy().into_owned(),
                _ => file.display().to_string(),
            };
            let size = fs_err::metadata(file).map_or(0, |m| m.len());
            serde_json::json!({ "name": name, "size": size })
        })
        .collect();
    let mut build = Map::new();
    build.insert("name".into(), session.build_name.clone().into());
    build.insert("builder_type".into(), session.builder_type.clone().into());
    if !strip_time {
        build.insert("build_time".into(), jiff::Timestamp::now().as_second().into());
    }
    build.insert("files".into(), if files.is_empty() { Value::Null } else { files.into() });
    build.insert("artifact_id".into(), input.id().into());
    build.insert("packer_run_uuid".into(), session.run_id.clone().into());
    build.insert("custom_data".into(), if custom.is_empty() { Value::Null } else { custom.into() });
    Value::Object(build)
}

/// Builds of one run and of several may end at the same time: the file is changed under a lock, and replaced whole. (Packer's
/// lock is tried three times and then ignored.)
fn append(path: &Path, build: Value, session: &PostSession) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("the manifest {} can't be written: {e}", path.display());
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The folder is what is locked: the file itself is replaced, and a lock file of its own would be left lying about.
    let lock = fs_err::File::open(dir).map_err(failed)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    let mut file: File = match fs_err::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => File::default(),
        Ok(text) => serde_json::from_str(&text)
            .map_err(|e| format!("{} is there and is no manifest ({e}); move it away or name another output", path.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => File::default(),
        Err(e) => return Err(failed(e)),
    };
    // -force starts anew, but only once in a run.
    if session.force && file.last_run_uuid != session.run_id {
        file.builds.clear();
    }
    file.builds.push(build);
    file.last_run_uuid.clone_from(&session.run_id);
    let text = serde_json::to_string_pretty(&file).map_err(|e| e.to_string())?;
    let mut temporary = tempfile::Builder::new().prefix(".manifest").tempfile_in(dir).map_err(failed)?;
    std::io::Write::write_all(&mut temporary, text.as_bytes()).map_err(failed)?;
    // A temporary file is private; a manifest is for whoever may read the folder.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary.as_file().set_permissions(mode).map_err(failed)?;
    temporary.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}
