//! `force_deregister` where something is in its way: protected images, missing permissions, another run with the same name.

use crate::harness::World;
use crate::strays::collect;
use imgbuild_engine::journal::{CrashPoint, When};
use imgbuild_engine::run::RUN_TAG;
use imgbuild_testkit::ec2::Fault;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_protected_image_in_any_region_ends_the_build_before_it_begins() {
    let world = World::new();
    let both = json!({"ami_regions": ["us-west-2"], "deregistration_protection": {"enabled": true}});
    world.build(both.clone(), None).await.unwrap();
    let (left, launches) = (world.cloud.left(), world.cloud.launches().len());
    let error = world.build(json!({"ami_regions": ["us-west-2"], "force_deregister": true}), None).await.err().unwrap();
    assert_eq!(error.message.matches("is protected from being deregistered").count(), 2, "{error:?}");
    assert!(error.message.contains("us-west-2") && error.message.contains("enabled-without-cooldown"), "{error:?}");
    assert_eq!((world.cloud.left(), world.cloud.launches().len()), (left, launches));
}

#[tokio::test]
async fn a_permission_that_the_swap_lacks_ends_the_build_before_it_begins() {
    for call in ["DeregisterImage", "CopyImage", "DeleteSnapshot"] {
        let world = World::new();
        world.build(json!({"ami_regions": ["us-west-2"]}), None).await.unwrap();
        let (left, launches) = (world.cloud.left(), world.cloud.launches().len());
        world.cloud.fail_next(&format!("us-west-2 {call} (dry run)"), Fault::Refused);
        let force = json!({"ami_regions": ["us-west-2"], "force_deregister": true, "force_delete_snapshot": true});
        let error = world.build(force, None).await.err().unwrap();
        assert!(
            error.message.contains("can't be replaced") && error.message.contains("UnauthorizedOperation"),
            "{error:?}"
        );
        assert_eq!((world.cloud.left(), world.cloud.launches().len()), (left, launches), "{call}");
    }
}

#[tokio::test]
async fn a_dry_run_that_fails_for_another_reason_proves_nothing() {
    let world = World::new();
    world.build(json!({}), None).await.unwrap();
    world.cloud.fail_next("us-east-1 DeregisterImage (dry run)", Fault::LostRequest);
    world.build(json!({"force_deregister": true}), None).await.unwrap();
}

#[tokio::test]
async fn two_runs_that_replace_the_same_image_both_succeed_and_one_image_stays() {
    for before in [true, false] {
        let world = World::new();
        if before {
            world.build(json!({}), None).await.unwrap();
        }
        let force = json!({"ami_regions": ["us-west-2"], "force_deregister": true, "force_delete_snapshot": true});
        let (one, two) = tokio::join!(world.build(force.clone(), None), world.build(force, None));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((one.leaks, two.leaks), (Vec::new(), Vec::new()));
        let images = world.cloud.own_images();
        let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["an image", "an image"], "one a region (before: {before})");
        assert!(images.iter().all(|image| !image.tags.contains_key(RUN_TAG)), "{images:?}");
        world.gc().await;
        assert_eq!(world.cloud.own_images().len(), 2);
        assert_eq!(world.cloud.left().len(), 4, "two images and their snapshots: {:?}", world.cloud.left());
    }
}

/// Builds an image of the name, and then the options' build, which dies around its `k`th write; gc by the journal, then gc by tags
/// alone. `None`: it wrote less often.
async fn dies(when: When, k: u64, options: serde_json::Value) -> Option<World> {
    let world = Arc::new(World::new());
    world.build(json!({"ami_regions": ["us-west-2"]}), None).await.unwrap();
    let crash: CrashPoint = Arc::new(move |at, n| {
        if at == when && n == k {
            std::panic::resume_unwind(Box::new("the program dies here"));
        }
    });
    let inside = Arc::clone(&world);
    let died = tokio::spawn(async move { inside.build(options, Some(crash)).await.map(drop) }).await.is_err();
    died.then(|| Arc::try_unwrap(world).unwrap_or_else(|_| panic!("shared")))
}

#[tokio::test]
async fn killed_at_every_write_an_image_of_each_region_survives_both_gcs() {
    let force = json!({"ami_regions": ["us-west-2"], "force_deregister": true, "force_delete_snapshot": true});
    for when in [When::Before, When::After] {
        for k in 1.. {
            let Some(world) = dies(when, k, force.clone()).await else { break };
            world.gc().await;
            collect(&world, Duration::ZERO, 86400).await;
            let images = world.cloud.own_images();
            assert!(images.len() >= 2, "{when:?} write {k}: {images:?}");
            // Whoever has no image of the name is told so by gc, each time.
            let named = images.iter().filter(|image| image.name == "an image").count();
            let told = world.gc().await.leaks().count();
            assert!(named == 2 || told > 0, "{when:?} write {k}: {named} named, {told} told: {images:?}");
            // The next night's build puts all in order, and gc has nothing more to say.
            world.build(force.clone(), None).await.unwrap();
            let report = world.gc().await;
            assert_eq!(report.leaks().count(), 0, "{when:?} write {k}: {:?}", report.items);
            collect(&world, Duration::ZERO, 86400).await;
            assert_eq!(world.cloud.left().len(), 4, "{when:?} write {k}: {:?}", world.cloud.left());
        }
    }
}

#[tokio::test]
async fn a_dead_run_is_not_waited_for() {
    let force = json!({"ami_regions": ["us-west-2"], "force_deregister": true});
    for k in (10..).step_by(3) {
        let Some(world) = dies(When::After, k, force.clone()).await else { break };
        // Its machine is gone with its journal.
        world.build(force.clone(), None).await.unwrap_or_else(|error| panic!("write {k}: {error:?}"));
        let named = world.cloud.own_images().iter().filter(|image| image.name == "an image").count();
        assert_eq!(named, 2, "write {k}");
    }
}
