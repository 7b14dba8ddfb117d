//! Post-processors from template text: what they write, and what is refused.

use imgbuild_diag::{Diagnostics, Redactor};
use imgbuild_engine::artifact::{FileArtifact, SharedArtifact};
use imgbuild_engine::event::{Event, Reporter, Sink};
use imgbuild_engine::postprocess::{PostPlan, PostResult, PostSession};
use imgbuild_engine::run::Cancel;
use imgbuild_template::{Ambient, LoadOptions};
use std::path::Path;
use std::sync::Arc;

struct Nowhere;
impl Sink for Nowhere {
    fn emit(&self, _: Event) {}
}

fn plan(dir: &Path, post_processors: &str) -> Result<PostPlan, Diagnostics> {
    let path = dir.join("t.json");
    let text = format!(r#"{{"builders": [{{"type": "null", "name": "n"}}], "post-processors": [{post_processors}]}}"#);
    std::fs::write(&path, text).unwrap();
    let ambient = Ambient::new("2026-01-01T00:00:00Z".parse().unwrap(), dir);
    let loaded = imgbuild_template::load(&path, &LoadOptions::new(Arc::new(ambient))).unwrap();
    let build = &loaded.template.builds[0];
    let mut diags = Diagnostics::new();
    let plan = PostPlan::prepare(build, &loaded.template.context(build), &[], &mut diags);
    if diags.has_errors() { Err(diags) } else { Ok(plan) }
}

async fn run(dir: &Path, post_processors: &str) -> PostResult {
    let input = dir.join("a.txt");
    std::fs::write(&input, "hello").unwrap();
    let artifact: SharedArtifact = Arc::new(FileArtifact {
        builder_id: "packer.file".into(),
        id: "File".into(),
        description: "Stored file: a.txt".into(),
        files: vec![input],
    });
    let session = PostSession {
        build_name: "n".into(),
        builder_type: "null".into(),
        run_id: "run-1".into(),
        force: false,
        data: [("ID".to_owned(), "i-7".to_owned())].into(),
        reporter: Reporter::new(Arc::new(Nowhere), Redactor::new()),
        cancel: Cancel::new(),
    };
    let result = plan(dir, post_processors).unwrap_or_else(|e| panic!("{e}")).run(&session, artifact).await;
    assert_eq!(result.errors, Vec::<String>::new());
    result
}

#[test]
fn what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (r#""manifes""#, "did you mean \"manifest\"?"),
        (r#"{"type": "vagrant"}"#, "Vagrant boxes are not supported"),
        (r#"{"type": "checksum", "checksum_types": ["md4"]}"#, "Unrecognized checksum type: md4"),
        (r#"{"type": "artifice"}"#, "No files specified"),
        (r#"{"type": "manifest", "filename": "x"}"#, "use \"output\""),
        (r#"{"type": "manifest", "outputs": "x"}"#, "outputs"),
    ] {
        let error = plan(dir.path(), text).err().unwrap_or_else(|| panic!("{text} was taken")).to_string();
        assert!(error.contains(expected) && error.contains("t.json:1:"), "{text}: {error}");
    }
}

#[tokio::test]
async fn files_that_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let result = run(
        dir.path(),
        r#"{"type": "checksum", "checksum_types": ["md5", "sha256"], "output": "sum_{{.ChecksumType}}"},
           [{"type": "manifest", "output": "m.json", "strip_time": true, "strip_path": true, "custom_data": {"id": "{{ build `ID` }}"}},
            {"type": "shell-local", "inline": ["echo $PACKER_BUILD_NAME $PACKER_RUN_UUID > shell.out"]}],
           {"type": "compress", "output": "{{.BuildName}}.tar.gz", "keep_input_artifact": true}"#,
    )
    .await;
    // As `packer build` lists them: shell-local gives on what it got.
    let listed: Vec<String> = result.artifacts.iter().map(|a| a.description()).collect();
    assert_eq!(listed.len(), 5, "{listed:?}");
    assert_eq!((listed[0].as_str(), listed[4].as_str()), ("Stored file: a.txt", "compressed artifacts in: n.tar.gz"));
    assert_eq!(read("sum_md5"), "5d41402abc4b2a76b9719d911017c592\ta.txt\n");
    assert_eq!(read("sum_sha256"), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\ta.txt\n");
    assert_eq!(read("shell.out"), "n run-1\n");
    assert_eq!(
        read("m.json"),
        r#"{
  "builds": [
    {
      "name": "n",
      "builder_type": "null",
      "files": [
        {
          "name": "a.txt",
          "size": 5
        }
      ],
      "artifact_id": "File",
      "packer_run_uuid": "run-1",
      "custom_data": {
        "id": "i-7"
      }
    }
  ],
  "last_run_uuid": "run-1"
}"#
    );
    assert!(dir.path().join("n.tar.gz").exists() && dir.path().join("a.txt").exists());
    // Nothing keeps the input: it goes.
    run(dir.path(), r#"{"type": "compress", "format": "zip"}"#).await;
    assert!(dir.path().join("packer_n_null").exists() && !dir.path().join("a.txt").exists());
}
