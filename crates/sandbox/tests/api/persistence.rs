//! What outlives the process, and what happens to work that a process left.

use std::sync::Arc;
use std::time::Duration;

use imgbuild_sandbox::Latencies;
use imgbuild_sandbox::machine::{MachineKind as _, Status};

use crate::client::World;
use crate::machines::{Pretended, sandbox, sandbox_slow};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let image = w.ok("CreateImage", &[("InstanceId", &id), ("Name", "kept")]).await.one("imageId");
    w.until_image(&image, "available").await;
    let w = w.reopened().await;
    assert_eq!(w.machines.status(&id).await, Status::Running, "machines go on");
    assert_eq!(w.ok("DescribeImages", &[("Owner.1", "self")]).await.all("imageId"), std::slice::from_ref(&image));
    w.until_instance(&id, "running").await;
    let new = w.instance(&[("ImageId", &image)]).await;
    assert!(w.machines.launch(&new).root.lower[0].join(format!("was-{id}")).exists());
}

#[tokio::test]
async fn two_endpoints_share_a_directory() {
    let w = World::new().await;
    let (second, _) = crate::machines::sandbox_with(w.dir.path(), w.machines.clone());
    let other = second.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let ids: Vec<String> = {
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(w.instance(&[]).await);
        }
        ids
    };
    let starts = w.machines.history().iter().filter(|h| h.starts_with("start")).count();
    assert_eq!(starts, ids.len(), "each machine is started once");
    let seen = second.call("us-east-1", "DescribeInstances", &[]).await.unwrap();
    assert!(ids.iter().all(|id| seen.contains(id)));
    other.shutdown().await;
}

#[tokio::test]
async fn work_that_was_left_is_taken_up() {
    // A sandbox that is not served does no work: what it was asked to do is pending, as after a kill.
    let dir = tempfile::tempdir().unwrap();
    let machines: Arc<Pretended> = Arc::default();
    let (left, _) = crate::machines::sandbox_with(dir.path(), machines.clone());
    let images = left
        .call("us-east-1", "DescribeImages", &[("Filter.1.Name", "name"), ("Filter.1.Value.1", "debian-12-amd64*")])
        .await
        .unwrap();
    let image = &images[images.find("ami-").unwrap()..][..21];
    let run = [("ImageId", image), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1")];
    let made = left.call("us-east-1", "RunInstances", &run).await.unwrap();
    let id = made[made.find("<instanceId>").unwrap() + 12..][..19].to_owned();
    drop(left);
    let (sandbox, machines) = crate::machines::sandbox_with(dir.path(), machines);
    let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let w = World { sandbox, endpoint, machines, dir };
    w.until_instance(&id, "running").await;
    w.endpoint.shutdown().await;
}

#[tokio::test]
async fn ending_an_endpoint_finishes_what_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let latencies = Latencies { terminate: Duration::from_millis(300), ..Latencies::default() };
    let (sandbox, machines) = sandbox_slow(dir.path(), Arc::default(), latencies);
    let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let w = World { sandbox: sandbox.clone(), endpoint, machines, dir };
    let id = w.instance(&[]).await;
    assert_eq!(w.ok("TerminateInstances", &[("InstanceId.1", &id)]).await.all("name")[0], "shutting-down");
    w.endpoint.shutdown().await;
    let state = sandbox.state().unwrap();
    assert_eq!(state.regions["us-east-1"].instances[&id].state, imgbuild_sandbox::state::InstanceState::Terminated);
    assert!(state.claims.is_empty());
}

#[tokio::test]
async fn an_image_asked_for_before_termination_is_made_first() {
    let dir = tempfile::tempdir().unwrap();
    let latencies = Latencies { image: Duration::from_millis(300), ..Latencies::default() };
    let (sandbox, machines) = sandbox_slow(dir.path(), Arc::default(), latencies);
    let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let w = World { sandbox, endpoint, machines, dir };
    let id = w.instance(&[]).await;
    let image =
        w.ok("CreateImage", &[("InstanceId", &id), ("Name", "first"), ("NoReboot", "true")]).await.one("imageId");
    w.ok("TerminateInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "terminated").await;
    assert_eq!(w.ok("DescribeImages", &[("ImageId.1", &image)]).await.one("imageState"), "available");
    // Deleting what is only just being taken ends with nothing left.
    let other = w.instance(&[]).await;
    let image = w.ok("CreateImage", &[("InstanceId", &other), ("Name", "second")]).await.one("imageId");
    let snapshot = w.ok("DescribeImages", &[("ImageId.1", &image)]).await.one("snapshotId");
    w.ok("DeregisterImage", &[("ImageId", &image)]).await;
    w.ok("DeleteSnapshot", &[("SnapshotId", &snapshot)]).await;
    assert_eq!(w.call("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await.code(), "InvalidSnapshot.NotFound");
    w.ok("TerminateInstances", &[("InstanceId.1", &other)]).await;
    w.until_instance(&other, "terminated").await;
    w.until("the snapshot is gone", || async {
        !w.sandbox.state().unwrap().regions["us-east-1"].snapshots.contains_key(&snapshot)
    })
    .await;
}

#[tokio::test]
async fn a_foreign_state_file_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sandbox")).unwrap();
    std::fs::write(dir.path().join("sandbox/state.json"), "{\"schema\":7}").unwrap();
    let result = std::panic::catch_unwind(|| sandbox(dir.path()));
    let message = *result.err().unwrap().downcast::<String>().unwrap();
    assert!(message.contains("state.json"), "{message}");
}

#[test]
fn work_of_an_endpoint_that_was_cut_off_is_taken_up_by_the_same_process() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let machines: Arc<Pretended> = Arc::default();
    let first = runtime();
    let id = first.block_on(async {
        let latencies = Latencies { instance: Duration::from_secs(3600), ..Latencies::default() };
        let (sandbox, machines) = sandbox_slow(dir.path(), machines.clone(), latencies);
        let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let own = tempfile::tempdir().unwrap();
        let w = World { sandbox, endpoint, machines, dir: own };
        let image = w.debian().await;
        let run = [("ImageId", image.as_str()), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1")];
        let id = w.ok("RunInstances", &run).await.one("instanceId");
        w.until("the start has begun", || async { w.machines.history() == [format!("start {id}")] }).await;
        id
    });
    first.shutdown_timeout(Duration::from_secs(10));
    runtime().block_on(async {
        let (sandbox, machines) = crate::machines::sandbox_with(dir.path(), machines);
        let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let w = World { sandbox, endpoint, machines, dir };
        w.until_instance(&id, "running").await;
    });
}
