//! `manifest`: a JSON file that lists what builds have made. Compatible with Packer's in keys, order, indentation and escapes.

use super::{Outcome, PostProcessor, PostSession};
use crate::artifact::SharedArtifact;
use crate::provision::{Block, text};
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Kind, Opt, Renamed, Table};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

pub(super) static TABLE: Table = Table::new(
    "manifest",
    &[&[
        Opt::new("output", Kind::String, "The file.").default("packer-manifest.json"),
        Opt::new("strip_path", Kind::Bool, "Names of files without folders.").default("false"),
        Opt::new("strip_time", Kind::Bool, "No build_time.").default("false"),
        Opt::new("custom_data", Kind::Map, "Goes in as it is."),
    ]],
)
.renamed(&[Renamed { old: "filename", advice: "use \"output\" (imgbuild fix does it)" }]);

/// A prepared `manifest`.
pub struct Manifest {
    block: Block,
}

impl Manifest {
    pub(super) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        Manifest { block: Block::prepare(body, &TABLE, context, promised, diags).0 }
    }

    /// For `imgbuild build --manifest FILE`: the file and nothing else.
    pub async fn write_to(path: &Path, session: &PostSession, artifact: &SharedArtifact) -> Result<(), String> {
        let build = entry(&session.build_name, session, artifact, (false, false), Value::Null)?;
        write(path.to_owned(), build, session).await
    }
}

#[async_trait]
impl PostProcessor for Manifest {
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String> {
        let reader = self.block.read(&session.data)?;
        let output = self.block.path(&text(&reader, "output").unwrap_or_else(|| "packer-manifest.json".into()));
        let custom = reader.map("custom_data").map(|map| {
            let entries = map.value.into_iter().collect::<std::collections::BTreeMap<_, _>>();
            Value::Object(entries.into_iter().map(|(key, value)| (key, Value::from(value.value))).collect())
        });
        let strip = (reader.is_true("strip_path"), reader.is_true("strip_time"));
        let name = self.block.build_name(&session.build_name);
        let build = entry(name, session, input, strip, custom.unwrap_or(Value::Null))?;
        write(output, build, session).await?;
        Ok(Outcome { artifact: Some(input.clone()), keep: true, must_keep: true })
    }
}

/// A build's entry. What may be stripped: paths of files, the time.
fn entry(
    name: &str,
    session: &PostSession,
    input: &SharedArtifact,
    (strip_path, strip_time): (bool, bool),
    custom: Value,
) -> Result<Value, String> {
    let mut build = Map::new();
    build.insert("name".into(), name.into());
    build.insert("builder_type".into(), session.builder_type.as_str().into());
    if !strip_time {
        build.insert("build_time".into(), jiff::Timestamp::now().as_second().into());
    }
    build.insert("files".into(), files(&input.files(), strip_path)?);
    build.insert("artifact_id".into(), input.id().into());
    build.insert("packer_run_uuid".into(), session.run_id.as_str().into());
    build.insert("custom_data".into(), custom);
    Ok(Value::Object(build))
}

async fn write(output: PathBuf, build: Value, session: &PostSession) -> Result<(), String> {
    let (run_id, force) = (session.run_id.clone(), session.force);
    tokio::task::spawn_blocking(move || append(&output, build, &run_id, force)).await.map_err(|e| e.to_string())?
}

fn files(files: &[PathBuf], strip_path: bool) -> Result<Value, String> {
    if files.is_empty() {
        return Ok(Value::Null);
    }
    let entry = |file: &PathBuf| {
        let size = fs_err::metadata(file).map_err(|e| e.to_string())?.len();
        let name = match file.file_name() {
            Some(name) if strip_path => name.to_string_lossy().into_owned(),
            _ => file.display().to_string(),
        };
        Ok::<Value, String>(json!({"name": name, "size": size}))
    };
    files.iter().map(entry).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// Adds a build to the file. Builds of this run and other runs may do so at the same time: the file's folder is locked
/// meanwhile (Packer's lock file is given up on after 0.6 s, and then entries are lost), and readers never see half a file.
fn append(output: &Path, build: Value, run_id: &str, force: bool) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("the manifest {} can't be written: {e}", output.display());
    let parent = output.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let dir = fs_err::File::open(parent).map_err(failed)?;
    rustix::fs::flock(&dir, rustix::fs::FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    let mut manifest = match fs_err::read_to_string(output) {
        Ok(text) if text.trim().is_empty() => Map::new(),
        Ok(text) => serde_json::from_str::<Map<String, Value>>(&text)
            .map_err(|e| format!("the manifest {} is there but can't be read: {e}", output.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
        Err(e) => return Err(failed(e)),
    };
    // -force starts anew, but not over what another build of this run has written.
    let own_run = manifest.get("last_run_uuid").and_then(Value::as_str) == Some(run_id);
    let mut builds = match manifest.remove("builds") {
        Some(Value::Array(builds)) if !force || own_run => builds,
        _ => Vec::new(),
    };
    builds.push(build);
    let text = render(&json!({"builds": builds, "last_run_uuid": run_id}));
    let mut new = tempfile::Builder::new().prefix(".packer-manifest").tempfile_in(parent).map_err(failed)?;
    std::io::Write::write_all(&mut new, text.as_bytes()).map_err(failed)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs_err::set_permissions(new.path(), mode).map_err(failed)?;
    new.persist(output).map_err(|e| failed(e.error))?;
    Ok(())
}

/// As Go's encoder writes it: two blanks, no newline at the end, `<`, `>` and `&` escaped.
fn render(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // These stand in strings only.
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_and_starts_anew_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.json");
        let build = |n: u32| json!({"name": n.to_string(), "custom_data": {"a": "<b>&"}});
        let names = || {
            let value: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let builds = value["builds"].as_array().unwrap().clone();
            builds.iter().map(|b| b["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        append(&file, build(1), "r1", false).unwrap();
        append(&file, build(2), "r1", true).unwrap();
        assert_eq!(names(), "1 2");
        append(&file, build(3), "r2", false).unwrap();
        assert_eq!(names(), "1 2 3");
        append(&file, build(4), "r3", true).unwrap();
        assert_eq!(names(), "4");
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "{\n  \"builds\": [\n    {\n      \"name\": \"4\",\n      \"custom_data\": {\n        \"a\": \"\\u003cb\\u003e\\u0026\"\n      }\n    }\n  ],\n  \"last_run_uuid\": \"r3\"\n}"
        );
        std::fs::write(&file, "nonsense").unwrap();
        assert!(append(&file, build(5), "r", false).unwrap_err().contains("can't be read"));
    }
}
