//! `amazon-ebsvolume`: what stays, what goes, and what a death in between leaves.

use crate::harness::World;
use imgbuild_engine::journal::{CrashPoint, When};
use imgbuild_engine::run::RUN_TAG;
use imgbuild_testkit::ec2::Fault;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two volumes: one that stays with a snapshot of it, one whose snapshot alone stays; and one that is only of use meanwhile.
pub fn options(over: Value) -> Value {
    let mut options = json!({
        "type": "amazon-ebsvolume",
        "ami_name": null,
        "run_volume_tags": {"Build": "yes", "Name": "temporary"},
        "ebs_volumes": [
            {
                "device_name": "/dev/sdf", "volume_size": 10,
                "tags": {"Name": "data of {{ .SourceAMI }}", "Region": "{{ .BuildRegion }}"},
                "snapshot_volume": true, "snapshot_description": "the data", "snapshot_tags": {"Of": "{{ .SourceAMIName }}"},
                "snapshot_users": ["123456789012"]
            },
            {
                "device_name": "/dev/sdg", "volume_size": 20, "delete_on_termination": true,
                "snapshot_volume": true
            },
            {"device_name": "/dev/sdh", "volume_size": 30, "delete_on_termination": true}
        ]
    });
    options.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    options
}

#[tokio::test]
async fn leaves_tagged_volumes_and_snapshots_and_nothing_else() {
    let world = World::new();
    let built = world.build(options(json!({})), None).await.unwrap();
    assert_eq!(built.leaks, []);
    let left = world.cloud.left();
    let of = |kind: &str| left.iter().filter_map(|t| t.strip_prefix(kind)).map(str::to_owned).collect::<Vec<_>>();
    let (volumes, snapshots) = (of("volume "), of("snapshot "));
    assert_eq!((volumes.len(), snapshots.len(), left.len()), (1, 2, 3), "{left:?}");
    let tags = world.cloud.tags(&volumes[0]);
    assert_eq!(tags.len(), 2, "neither the run's tags nor those of the launch: {tags:?}");
    assert_eq!((tags["Name"].as_str(), tags["Region"].as_str()), ("data of ami-source", "us-east-1"));
    let tagged: Vec<_> = snapshots.iter().map(|id| world.cloud.tags(id)).collect();
    assert!(tagged.iter().any(|t| t.get("Of").is_some_and(|of| of == "a source")), "{tagged:?}");
    assert!(tagged.iter().all(|t| !t.contains_key(RUN_TAG)), "{tagged:?}");
    let calls = world.cloud.calls();
    let shared = calls.iter().filter(|c| c.ends_with("ModifySnapshotAttribute")).count();
    assert_eq!(shared, 1, "{calls:?}");
    let artifact = built.artifact.unwrap();
    assert_eq!(artifact.builder_id(), "mitchellh.amazon.ebsvolume");
    let mut ids: Vec<String> = volumes.iter().chain(&snapshots).map(|id| format!("us-east-1:{id}")).collect();
    ids.sort();
    assert_eq!(artifact.id(), ids.join(","));
    assert_eq!(artifact.description(), format!("EBS Volumes were created:\n\n{}", ids.join("\n")));
    assert_eq!(world.journal(), "");
    artifact.destroy().await.unwrap();
    assert_eq!(world.cloud.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_failure_leaves_nothing() {
    // The calls of a whole build, and then each of them refused once.
    let world = World::new();
    world.build(options(json!({})), None).await.unwrap();
    let calls = world.cloud.calls();
    for (n, call) in calls.iter().enumerate() {
        // Deleting is tried again and told; that is not this test's business.
        if ["CreateSnapshot", "CreateTags", "StopInstances", "RunInstances"].iter().any(|name| call.ends_with(name)) {
            let world = World::new();
            world.cloud.fail_at(n + 1, Fault::Refused);
            let failed = world.build(options(json!({})), None).await;
            assert!(failed.is_err(), "{call} was refused");
            assert_eq!(world.cloud.left(), Vec::<String>::new(), "{call} was refused");
        }
    }
}

/// Dies around every journal write; gc then leaves nothing but what the journal calls kept.
#[tokio::test]
async fn killed_at_every_write() {
    let writes = {
        let count = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&count);
        let watch: CrashPoint = Arc::new(move |_, n| {
            seen.fetch_max(n, Ordering::Relaxed);
        });
        World::new().build(options(json!({})), Some(watch)).await.unwrap();
        count.load(Ordering::Relaxed)
    };
    assert!(writes > 12);
    for k in 2..=writes {
        for when in [When::Before, When::After] {
            let world = Arc::new(World::new());
            let crash: CrashPoint = Arc::new(move |at, n| {
                if at == when && n == k {
                    std::panic::resume_unwind(Box::new("the program dies here"));
                }
            });
            let inside = Arc::clone(&world);
            let died = tokio::spawn(async move { inside.build(options(json!({})), Some(crash)).await.map(drop) }).await;
            assert!(died.is_err(), "write {k} was not reached");
            let journal = world.journal();
            let report = world.gc().await;
            assert_eq!(report.leaks().count(), 0, "{when:?} write {k}: {:?}", report.items);
            for left in world.cloud.left() {
                let (kind, id) = left.split_once(' ').unwrap();
                let created = journal.lines().find(|l| l.contains(&format!("\"id\":\"{id}\"")));
                let seq = created.and_then(|l| serde_json::from_str::<Value>(l).unwrap()["created"]["seq"].as_u64());
                let kept = journal.contains(&format!("{{\"kept\":{{\"seq\":{}}}}}", seq.unwrap_or(0)));
                assert!(
                    kept && ["volume", "snapshot"].contains(&kind),
                    "{when:?} write {k}: {left} is left\n{journal}"
                );
            }
        }
    }
}

#[tokio::test]
async fn without_volumes_only_the_provisioners_run() {
    let world = World::new();
    let built = world.build(options(json!({"ebs_volumes": []})), None).await.unwrap();
    assert_eq!(built.artifact.unwrap().id(), "");
    assert_eq!(world.cloud.left(), Vec::<String>::new());
}
