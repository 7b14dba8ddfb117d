//! Whole builds.

use crate::harness::{World, read, template};
use imgbuild_builders::amazon::types::ImageState;
use imgbuild_builders::{Flags, Prepared};
use imgbuild_engine::build::OnError;
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::{Auth, HostKeys, Route};
use imgbuild_engine::provision::Plan;
use imgbuild_engine::run::RUN_TAG;
use imgbuild_testkit::ec2::Fault;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn leaves_a_tagged_image_and_nothing_else() {
    let world = World::new();
    let options = json!({
        "launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_size": 40}],
        "tags": {"Base": "{{ .SourceAMI }} {{ .SourceAMITags.Release }}", "Region": "{{ .BuildRegion }}"},
        "snapshot_tags": {"Base": "snapshot"},
        "run_tags": {"Team": "images"},
        "run_volume_tags": {"Volume": "of a build"}
    });
    let built = world.build(options, None).await.unwrap();
    assert_eq!(built.leaks, []);
    assert_eq!(built.data["SourceAMIName"], "a source");
    let images = world.cloud.own_images();
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((image.name.as_str(), &image.state), ("an image", &ImageState::Available));
    for (key, value) in [("Base", "ami-source 14.04"), ("Region", "us-east-1"), ("Team", "images")] {
        assert_eq!(image.tags[key], value);
    }
    assert!(!image.tags.contains_key(RUN_TAG), "what is published is no leftover");
    assert_eq!(image.mappings.len(), 2, "both volumes are in it");
    for mapping in &image.mappings {
        let tags = world.cloud.tags(mapping.snapshot.as_ref().unwrap().as_str());
        assert_eq!((tags["Base"].as_str(), tags["Team"].as_str()), ("snapshot", "images"));
    }
    assert_eq!(world.cloud.left().len(), 3, "{:?}", world.cloud.left());
    let launch = &world.cloud.launches()[0];
    assert_eq!(launch.volume_tags["Volume"], "of a build");
    assert_eq!(
        launch.capacity_reservation,
        Some(imgbuild_builders::amazon::types::CapacityReservation::Preference("none".into()))
    );
    let artifact = built.artifact.unwrap();
    assert_eq!(artifact.id(), format!("us-east-1:{}", image.id));
    assert_eq!(artifact.description(), format!("AMIs were created:\nus-east-1: {}\n", image.id));
    artifact.destroy().await.unwrap();
    assert_eq!(world.cloud.left(), Vec::<String>::new());
    assert_eq!(world.journal(), "", "a finished run leaves no journal");
}

#[tokio::test]
async fn what_ec2_would_refuse_at_the_end_is_refused_at_the_beginning() {
    let gp3 = |iops: u32| json!([{"device_name": "/dev/sdb", "volume_type": "gp3", "volume_size": 10, "iops": iops}]);
    for (options, message) in [
        (json!({"deprecate_at": "1969-12-31T00:00:00Z"}), "\"deprecate_at\" is in the past"),
        (json!({"deprecate_at": "1999-01-01T00:00:00Z"}), "more than ten years"),
        (json!({"ami_block_device_mappings": gp3(6000)}), "10 GiB can have 5000 IOPS at most, not 6000"),
        (json!({"launch_block_device_mappings": gp3(5001)}), "5000 IOPS at most"),
        (
            json!({"ami_block_device_mappings": [{"device_name": "/dev/sdb"}, {"device_name": "/dev/sdb"}]}),
            "/dev/sdb stands twice",
        ),
        (json!({"ami_users": ["123"]}), "one has 12 digits"),
        (json!({"iam_instance_profile": "nope"}), "there is no instance profile \"nope\""),
    ] {
        let world = World::new();
        let error = world.build(options, None).await.err().unwrap();
        assert!(error.message.contains(message), "{error:?}");
        assert!(error.help.iter().any(|line| line.starts_with("on t.json:1:")), "{error:?}");
        assert_eq!(world.cloud.launches().len(), 0);
    }
    let world = World::new();
    world.build(json!({"launch_block_device_mappings": gp3(5000)}), None).await.unwrap();
}

#[tokio::test]
async fn a_session_leads_to_the_instance_and_ends_before_it_stops() {
    let world = World::new();
    let options =
        json!({"ssh_interface": "session_manager", "iam_instance_profile": "ssm", "skip_profile_validation": true});
    world.build(options, None).await.unwrap_or_else(|e| panic!("{}", e.message));
    let calls = world.cloud.calls();
    let at = |name: &str| calls.iter().position(|call| call.ends_with(name));
    assert_eq!(at("AuthorizeSecurityGroupIngress"), None, "nothing comes in from outside: {calls:?}");
    assert!(at("TerminateSession").unwrap() < at("StopInstances").unwrap(), "{calls:?}");
    assert!(!world.cloud.left().iter().any(|thing| thing.starts_with("session")), "{:?}", world.cloud.left());
    let spec = world.connect.specs().remove(0);
    assert!(matches!(spec.route, Route::Dial(_)) && spec.host.starts_with("i-"), "{spec:?}");
}

#[tokio::test]
async fn makes_few_calls() {
    let world = World::new();
    world.build(json!({}), None).await.unwrap();
    let calls = world.cloud.calls();
    // Each of the four waits of the fake polls twice; EC2 that answers at once is asked four times less. On a busy machine a poll
    // may be under way when its wait ends.
    assert!(calls.len() <= 22, "{calls:?}");
    assert!(!calls.iter().any(|c| c.contains("CreateTags")), "tags go with the create calls: {calls:?}");
}

#[tokio::test]
async fn a_volume_stays_only_where_the_template_says_so() {
    for (delete, left) in [(None, 0), (Some(true), 0), (Some(false), 1)] {
        let world = World::new();
        let mut device = json!({"device_name": "/dev/sdb", "volume_size": 40});
        if let Some(delete) = delete {
            device["delete_on_termination"] = delete.into();
        }
        world.build(json!({"launch_block_device_mappings": [device], "skip_create_ami": true}), None).await.unwrap();
        assert_eq!(world.cloud.left().len(), left, "{delete:?} {:?}", world.cloud.left());
    }
}

#[tokio::test]
async fn copies_are_encrypted_without_an_extra_copy() {
    let world = World::new();
    let options = json!({"ami_regions": "us-west-2,eu-west-1,us-east-1", "encrypt_boot": true});
    let built = world.build(options, None).await.unwrap();
    assert_eq!(world.cloud.calls().iter().filter(|c| c.ends_with("CopyImage")).count(), 2);
    let root = world.cloud.launches()[0].mappings[0].ebs.clone().unwrap();
    assert_eq!((root.encrypted, root.kms_key_id), (Some(true), None));
    assert_eq!(built.artifact.unwrap().id().split(',').count(), 3);
}

#[tokio::test]
async fn replaces_an_image_only_when_the_new_one_is_there() {
    let world = World::new();
    world.build(json!({}), None).await.unwrap();
    let old = world.cloud.own_images()[0].id.clone();
    let refused = world.build(json!({}), None).await.err().unwrap();
    assert!(
        refused.message.contains("name conflict") && refused.help.iter().any(|h| h.contains("t.json:1:")),
        "{refused:?}"
    );
    let before = world.cloud.calls().len();
    world.build(json!({"force_deregister": true, "force_delete_snapshot": true}), None).await.unwrap();
    let calls = world.cloud.calls().split_off(before);
    let at = |name: &str| calls.iter().position(|c| c.ends_with(name)).unwrap();
    assert!(at("CreateImage") < at("DeregisterImage") && at("DeregisterImage") < at("CopyImage"), "{calls:?}");
    let images = world.cloud.own_images();
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert!(image.id != old && image.name == "an image");
    assert_eq!(world.cloud.left().len(), 2, "{:?}", world.cloud.left());
}

#[tokio::test]
async fn no_old_image_goes_where_any_new_one_fails() {
    let world = World::new();
    let both = json!({"ami_regions": ["us-west-2"]});
    world.build(both.clone(), None).await.unwrap();
    let old = world.cloud.left();
    let before = world.cloud.calls().len();
    let force = json!({"ami_regions": ["us-west-2"], "force_deregister": true, "force_delete_snapshot": true});
    world.build(force.clone(), None).await.unwrap();
    let calls = world.cloud.calls().split_off(before);
    let first_gone = calls.iter().position(|c| c.ends_with("DeregisterImage")).unwrap();
    let last_look = calls[..first_gone].iter().rposition(|c| c == "us-west-2 DescribeImages").unwrap();
    let copied = calls.iter().position(|c| c == "us-west-2 CopyImage").unwrap();
    assert!(copied < last_look, "the copy was available before anything went: {calls:?}");
    assert_eq!(world.cloud.left().len(), old.len());
    // The copy to the other region is refused: both old images stay.
    let world = World::new();
    world.build(both, None).await.unwrap();
    let old = world.cloud.left();
    world.cloud.fail_next("us-west-2 CopyImage", Fault::Refused);
    world.build(force, None).await.err().unwrap();
    world.gc().await;
    assert_eq!(world.cloud.left(), old);
}

#[tokio::test]
async fn the_only_image_is_no_leftover_where_the_last_copy_fails() {
    let world = World::new();
    world.build(json!({}), None).await.unwrap();
    world.cloud.fail_next("us-east-1 CopyImage", Fault::Refused);
    let error = world.build(json!({"force_deregister": true}), None).await.err().unwrap();
    let [leak] = error.leaks.as_slice() else { panic!("{error:?}") };
    let images = world.cloud.own_images();
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!(leak.id.as_deref(), Some(image.id.as_str()));
    assert!(leak.why.contains("kept"), "{leak}");
    assert!(!image.tags.contains_key(RUN_TAG), "gc --from-tags would take the only image for a leftover");
    world.gc().await;
    assert_eq!(world.cloud.own_images().len(), 1);
}

#[tokio::test]
async fn a_field_that_there_is_not_ends_the_build_before_it_begins() {
    let world = World::new();
    let error = world.build(json!({"tags": {"a": "{{ .SourceAmi }}"}}), None).await.err().unwrap();
    assert!(error.message.contains("can't evaluate field SourceAmi"), "{error:?}");
    assert_eq!(world.cloud.launches().len(), 0);
    let world = World::new();
    world.build(json!({"tags": {"a": "x{{ .SourceAMITags.Nope }}"}}), None).await.unwrap();
}

#[tokio::test]
async fn on_demand_where_there_is_no_capacity() {
    let world = World::new();
    world.cloud.no_capacity(&["m5.large", "c5.large"]);
    let spot = json!({
        "instance_type": null,
        "spot_instance_types": ["m5.large", "c5.large"],
        "fallback_instance_types": ["c5.large", "r5.large"],
    });
    world.build(spot.clone(), None).await.unwrap();
    let launches = world.cloud.launches();
    assert_eq!((launches.len(), launches[0].instance_type.as_str(), &launches[0].spot), (1, "r5.large", &None));
    let world = World::new();
    world.build(spot, None).await.unwrap();
    assert_eq!(world.cloud.launches()[0].instance_type, "m5.large");
    assert!(world.cloud.launches()[0].spot.is_some());
    let world = World::new();
    world.cloud.no_capacity(&["m5.large"]);
    let error = world.build(json!({}), None).await.err().unwrap();
    assert!(error.message.contains("InsufficientInstanceCapacity"), "{error:?}");
}

#[tokio::test]
async fn skipping_the_build_region_keeps_copies_only() {
    let world = World::new();
    let options = json!({"skip_save_build_region": true, "ami_regions": ["us-west-2"]});
    let built = world.build(options, None).await.unwrap();
    assert!(built.artifact.unwrap().id().starts_with("us-west-2:ami-"));
    assert_eq!(world.cloud.own_images().len(), 1);
}

#[tokio::test]
async fn the_host_key_is_known_before_the_first_connection() {
    let world = World::new();
    world.build(json!({"user_data": "#!/bin/sh\necho hi\n"}), None).await.unwrap();
    let spec = &world.connect.specs()[0];
    let HostKeys::Expected(keys) = &spec.host_keys else { panic!("{:?}", spec.host_keys) };
    assert!(keys[0].starts_with("ecdsa-sha2-nistp256 "));
    assert_eq!((spec.host.as_str(), spec.username.as_str()), ("192.0.2.1", "ubuntu"));
    assert!(matches!(&spec.auth[0], Auth::Key { pem, .. } if pem.expose().contains("OPENSSH PRIVATE KEY")));
    assert!(world.lines.text().contains("from [198.51.100.7/32]"), "{}", world.lines.text());
    assert!(!world.lines.text().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_wrong_user_gets_advice_and_everything_goes() {
    let world = World::new();
    world.connect.refuse(vec![CommError::Authentication("refused".into())]);
    let error = world.build(json!({}), None).await.err().unwrap();
    assert!(error.help.iter().any(|h| h.contains("ssh_username")), "{error:?}");
    assert_eq!(world.cloud.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_failed_phase_is_repeated_on_the_same_instance_where_the_person_says_so() {
    for (answers, built) in [(&["y"][..], true), (&["n", "c"], false), (&["no", "a"], false), (&[], false)] {
        let world = World { on_error: OnError::Ask, ..World::new() };
        world.answers.0.lock().unwrap().extend(answers);
        world.connect.refuse(vec![CommError::Authentication("refused".into())]);
        let result = world.build(json!({}), None).await;
        assert_eq!(result.is_ok(), built, "{answers:?}: {}", world.lines.text());
        assert_eq!(world.cloud.launches().len(), 1, "{answers:?}");
        match answers {
            // Aborted: everything stays, and is named.
            ["no", "a"] => assert_eq!(result.err().unwrap().leaks.len(), 3),
            _ if built => assert_eq!(world.cloud.own_images().len(), 1),
            _ => assert_eq!(world.cloud.left(), Vec::<String>::new(), "{answers:?}"),
        }
    }
}

#[tokio::test]
async fn without_an_ami_the_instance_is_not_stopped() {
    let world = World::new();
    world.build(json!({"skip_create_ami": true}), None).await.unwrap();
    let calls = world.cloud.calls();
    assert!(calls.iter().any(|c| c.ends_with("TerminateInstances")), "{calls:?}");
    assert!(!calls.iter().any(|c| c.ends_with("StopInstances")), "{calls:?}");
    assert_eq!(world.cloud.left(), Vec::<String>::new());
}

#[tokio::test]
async fn verification_comes_before_copies_and_cleans_up() {
    let world = World::new();
    let options = json!({"ami_regions": ["us-west-2"]});
    world.build_with(options, None, Some(Arc::new(Plan::default())), Flags::default()).await.unwrap();
    let calls = world.cloud.calls();
    let last_launch = calls.iter().rposition(|c| c.ends_with("RunInstances")).unwrap();
    let copy = calls.iter().position(|c| c.ends_with("CopyImage")).unwrap();
    assert_eq!(calls.iter().filter(|c| c.ends_with("RunInstances")).count(), 2);
    assert!(last_launch < copy);
    assert_eq!(world.cloud.launches()[1].image, world.cloud.own_images()[0].id);
    assert_eq!(world.cloud.left().len(), 4, "{:?}", world.cloud.left());
}

#[tokio::test]
async fn cancelling_undoes_everything() {
    let world = World::new();
    world.cancel.cancel();
    let error = world.build(json!({}), None).await.err().unwrap();
    assert!(error.cancelled);
    assert_eq!(world.cloud.left(), Vec::<String>::new());
}

#[test]
fn the_plan_names_what_is_made_and_which_permissions_it_takes() {
    let text = template(json!({"ami_regions": ["us-west-2"], "ami_users": ["1"], "iam_instance_profile": "p"}));
    let Ok((Prepared::Amazon(config), _)) = read(&text, Flags::default()) else { panic!() };
    let plan = imgbuild_builders::plan::amazon(&config);
    assert_eq!(plan.lasting.iter().map(|i| i.region.as_str()).collect::<Vec<_>>(), ["us-east-1", "us-west-2"]);
    assert_eq!(
        plan.temporary.iter().map(|i| i.what.as_str()).collect::<Vec<_>>(),
        ["key pair", "security group", "instance"]
    );
    for action in
        ["ec2:CopyImage", "ec2:ModifyImageAttribute", "iam:PassRole", "ec2:StopInstances", "ec2:ImportKeyPair"]
    {
        assert!(plan.actions.iter().any(|a| a == action), "{action}");
    }
}

/// Options of an `amazon-ebssurrogate` with two volumes, of which the image has one.
pub fn surrogate(more: serde_json::Value) -> serde_json::Value {
    let mut options = json!({
        "type": "amazon-ebssurrogate",
        "ami_virtualization_type": "hvm",
        "launch_block_device_mappings": [
            {"device_name": "/dev/xvdf", "volume_size": 8, "delete_on_termination": true},
            {"device_name": "/dev/xvdg", "volume_size": 1, "delete_on_termination": true, "omit_from_artifact": true},
        ],
        "ami_root_device": {"source_device_name": "/dev/xvdf", "device_name": "/dev/xvda", "volume_type": "gp3"},
    });
    if let (Some(all), Some(more)) = (options.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    options
}

#[tokio::test]
async fn a_surrogate_is_registered_from_snapshots_of_its_volume() {
    let world = World::new();
    let options = surrogate(json!({"tags": {"Base": "{{ .SourceAMI }}"}, "boot_mode": "uefi", "tpm_support": "v2.0"}));
    let built = world.build(options, None).await.unwrap();
    let artifact = built.artifact.unwrap();
    assert_eq!(artifact.builder_id(), "mitchellh.amazon.ebssurrogate");
    let images = world.cloud.own_images();
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((image.name.as_str(), image.tags["Base"].as_str()), ("an image", "ami-source"));
    let devices: Vec<&str> = image.mappings.iter().map(|m| m.device_name.as_str()).collect();
    assert_eq!(devices, ["/dev/xvda"]);
    let tags = world.cloud.tags(image.mappings[0].snapshot.as_ref().unwrap().as_str());
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("Base".to_owned(), "ami-source".to_owned())]);
    assert_eq!(world.cloud.left().len(), 2, "{:?}", world.cloud.left());
    let calls = world.cloud.calls();
    assert!(!calls.iter().any(|c| c.ends_with("CreateImage")), "{calls:?}");
    artifact.destroy().await.unwrap();
    assert_eq!(world.cloud.left(), Vec::<String>::new());
}
