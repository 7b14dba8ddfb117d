//! The program dies around every journal write; gc then leaves nothing but what the journal calls kept.

use crate::harness::World;
use imgbuild_engine::journal::{CrashPoint, When};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

async fn at_every_write(options: Value) {
    let writes = {
        let count = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&count);
        let watch: CrashPoint = Arc::new(move |_, n| {
            seen.fetch_max(n, Ordering::Relaxed);
        });
        let world = World::new();
        world.build(options.clone(), Some(watch)).await.unwrap();
        count.load(Ordering::Relaxed)
    };
    assert!(writes > 10);
    for k in 2..=writes {
        for when in [When::Before, When::After] {
            let world = Arc::new(World::new());
            // Unwinding the stack drops the journal and with it the lock, as a death does; nothing of ours runs on the way.
            let crash: CrashPoint = Arc::new(move |at, n| {
                if at == when && n == k {
                    std::panic::resume_unwind(Box::new("the program dies here"));
                }
            });
            let (inside, options) = (Arc::clone(&world), options.clone());
            let died = tokio::spawn(async move { inside.build(options, Some(crash)).await.map(drop) }).await;
            assert!(died.is_err(), "write {k} was not reached");
            world.connect.forget();
            let journal = world.journal();
            let report = world.gc().await;
            assert!(report.broken.is_empty(), "{:?}", report.broken);
            assert_eq!(report.leaks().count(), 0, "{:?}", report.items);
            for image in world.cloud.own_images() {
                let created = format!("\"id\":\"{}\"", image.id);
                assert!(
                    journal.contains("\"kept\"") && journal.contains(&created),
                    "{when:?} write {k}: {} is left",
                    image.id
                );
            }
            let things =
                world.cloud.left().into_iter().filter(|t| !t.starts_with("image") && !t.starts_with("snapshot"));
            assert_eq!(things.collect::<Vec<_>>(), Vec::<String>::new(), "{when:?} write {k}");
            let snapshots = world.cloud.left().iter().filter(|t| t.starts_with("snapshot")).count();
            let owned: usize = world.cloud.own_images().iter().map(|i| i.mappings.len()).sum();
            assert_eq!(snapshots, owned, "{when:?} write {k}");
        }
    }
}

#[tokio::test]
async fn a_plain_build() {
    at_every_write(json!({"launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_size": 40}]})).await;
}

#[tokio::test]
async fn copies_and_an_interim_image() {
    at_every_write(json!({"ami_regions": ["us-west-2"], "skip_save_build_region": true})).await;
}

#[tokio::test]
async fn a_fleet_with_a_temporary_profile() {
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]});
    at_every_write(json!({
        "instance_type": null,
        "spot_instance_types": ["m5.large", "c5.large"],
        "spot_price": "auto",
        "temporary_iam_instance_profile_policy_document": policy,
    }))
    .await;
}

#[tokio::test]
async fn a_session_with_a_temporary_profile() {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["ssmmessages:*"], "Resource": ["*"]}]});
    at_every_write(json!({
        "ssh_interface": "session_manager",
        "temporary_iam_instance_profile_policy_document": policy,
    }))
    .await;
}

#[tokio::test]
async fn a_surrogate_with_a_copy() {
    at_every_write(crate::build::surrogate(json!({"ami_regions": ["us-west-2"]}))).await;
}

#[tokio::test]
async fn encrypted_copies() {
    at_every_write(json!({
        "ami_regions": ["us-west-2", "eu-west-1"],
        "encrypt_boot": true,
        "region_kms_key_ids": {"us-west-2": "alias/a", "eu-west-1": "alias/b"},
    }))
    .await;
}

#[tokio::test]
async fn gc_leaves_other_peoples_things_alone() {
    let world = World::new();
    world.build(json!({"ami_name": "another run's"}), None).await.unwrap();
    let before = world.cloud.left();
    let crash: CrashPoint = Arc::new(|at, n| {
        if at == When::After && n == 9 {
            std::panic::resume_unwind(Box::new("the program dies here"));
        }
    });
    let world = Arc::new(world);
    let inside = Arc::clone(&world);
    let _ = tokio::spawn(async move { inside.build(json!({}), Some(crash)).await.map(drop) }).await;
    assert_ne!(world.cloud.left(), before);
    world.gc().await;
    assert_eq!(world.cloud.left(), before);
}
