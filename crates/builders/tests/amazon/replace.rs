//! `force_deregister` where something is in its way: protected images, missing permissions, another run with the same name.

use crate::harness::World;
use imgbuild_engine::run::RUN_TAG;
use imgbuild_testkit::ec2::Fault;
use serde_json::json;

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
