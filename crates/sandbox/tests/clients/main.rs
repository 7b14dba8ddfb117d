//! Other people's client against the endpoint: boto3, and with it the model of EC2's answers that AWS publishes. Needs a
//! Python that has boto3: `IMGBUILD_TEST_PYTHON`, else `python3`; without one it says that it was skipped.

#[path = "../api/machines.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod machines;

use std::io::Write as _;
use std::process::Command;

/// A Python that has boto3.
fn python() -> Option<String> {
    let named = std::env::var("IMGBUILD_TEST_PYTHON").ok();
    let candidates = named.into_iter().chain(["python3".to_owned()]);
    candidates
        .into_iter()
        .find(|p| Command::new(p).args(["-c", "import boto3"]).output().is_ok_and(|o| o.status.success()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_what_the_published_model_says() {
    let Some(python) = python() else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED every_answer_is_what_the_published_model_says: no Python with boto3 (set IMGBUILD_TEST_PYTHON)"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (sandbox, _) = machines::sandbox(dir.path());
    let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut command = Command::new(python);
    command.arg(format!("{here}/clients/shapes.py")).arg(&endpoint.url).arg(format!("{here}/data/rsa.pub"));
    command.env_remove("AWS_ENDPOINT_URL").env_remove("AWS_PROFILE").env("AWS_EC2_METADATA_DISABLED", "true");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    endpoint.shutdown().await;
}
