//! Leftovers found by tags alone, and artifacts that are none.

use crate::harness::World;
use imgbuild_builders::amazon::ec2::Account;
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::options::access::Polling;
use imgbuild_builders::amazon::releaser::AmazonReleaser;
use imgbuild_builders::strays::{self, Search};
use imgbuild_engine::journal::{CrashPoint, When};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn collect(world: &World, older_than: Duration, later: u64) -> Vec<imgbuild_builders::gc::Item> {
    let account: Arc<dyn Account> = Arc::new(world.cloud.clone());
    let polling = Polling { delay: Some(Duration::ZERO), ..Polling::default() };
    let releaser =
        AmazonReleaser::new(Arc::clone(&account), Arc::clone(&world.amazon.pollers), polling, Duration::ZERO);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + later;
    let regions = ["us-east-1", "us-west-2"].map(Region::new).to_vec();
    let search = Search { regions, older_than, now, ..Search::default() };
    strays::collect(&account, &releaser, &search, false, |_| {}).await.unwrap()
}

fn rich() -> Value {
    json!({
        "ami_regions": ["us-west-2"],
        "instance_type": null,
        "spot_instance_types": ["m5.large"],
        "spot_price": "auto",
        "launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_size": 40}],
        "temporary_iam_instance_profile_policy_document": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    })
}

#[tokio::test]
async fn an_artifact_is_never_collected() {
    let world = World::new();
    world.build(rich(), None).await.unwrap();
    let before = world.cloud.left();
    assert!(before.iter().any(|thing| thing.starts_with("image")));
    assert_eq!(collect(&world, Duration::ZERO, 86400).await, Vec::new());
    assert_eq!(world.cloud.left(), before);
    for image in world.cloud.own_images() {
        assert!(!image.tags.contains_key("imgbuild:run"), "{:?}", image.tags);
    }
}

#[tokio::test]
async fn a_dead_run_is_found_without_its_journal() {
    let writes = 26;
    for k in 3..=writes {
        let world = Arc::new(World::new());
        let crash: CrashPoint = Arc::new(move |at, n| {
            if at == When::After && n == k {
                std::panic::resume_unwind(Box::new("the program dies here"));
            }
        });
        let inside = Arc::clone(&world);
        let died = tokio::spawn(async move { inside.build(rich(), Some(crash)).await.map(drop) }).await;
        if died.is_ok() {
            break;
        }
        // Too young: it might be alive elsewhere.
        assert_eq!(collect(&world, Duration::from_secs(6 * 3600), 60).await.len(), 0);
        collect(&world, Duration::from_secs(6 * 3600), 6 * 3600 + 60).await;
        let images = world.cloud.own_images();
        if images.iter().all(|i| i.tags.contains_key("imgbuild:run")) {
            assert_eq!(world.cloud.left(), Vec::<String>::new(), "after write {k}");
        }
    }
}
