//! Every call of a build fails in every way, one at a time: in the end nothing is left but what the build says it made.

use crate::harness::World;
use imgbuild_testkit::ec2::Fault;
use serde_json::{Value, json};

async fn at_every_call(options: Value, fault: Fault) {
    let calls = {
        let world = World::new();
        world.build(options.clone(), None).await.unwrap();
        world.cloud.calls().len()
    };
    let mut built_anyway = 0;
    for k in 1..=calls {
        let world = World::new();
        world.cloud.fail_at(k, fault);
        let result = world.build(options.clone(), None).await;
        let failed = world.cloud.calls().get(k - 1).cloned().unwrap_or_default();
        let mut allowed = Vec::new();
        match &result {
            Ok(built) => {
                built_anyway += 1;
                for image in world.cloud.own_images() {
                    allowed.push(format!("image {}", image.id));
                    allowed.extend(
                        image.mappings.iter().filter_map(|m| Some(format!("snapshot {}", m.snapshot.as_ref()?))),
                    );
                }
                let id = built.artifact.as_ref().map(|a| a.id()).unwrap_or_default();
                for image in world.cloud.own_images() {
                    assert!(
                        id.contains(image.id.as_str()),
                        "{fault:?} at {k} ({failed}): {} is in no artifact",
                        image.id
                    );
                }
            }
            Err(error) => assert!(!error.message.is_empty()),
        }
        // What unwinding could not do is owed in the journal, and gc does it.
        world.gc().await;
        let left: Vec<String> = world.cloud.left().into_iter().filter(|thing| !allowed.contains(thing)).collect();
        assert_eq!(left, Vec::<String>::new(), "{fault:?} at call {k} ({failed}), build ok: {}", result.is_ok());
        assert_eq!(world.journal(), "", "{fault:?} at call {k} ({failed})");
    }
    // A reply that is lost does not fail a build where the thing can be found again.
    if fault == Fault::LostReply {
        assert!(built_anyway > calls / 2, "{built_anyway} of {calls}");
    }
}

fn small() -> Value {
    json!({"launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_size": 40}]})
}

fn copied() -> Value {
    json!({"ami_regions": ["us-west-2", "eu-west-1"], "encrypt_boot": true, "skip_region_validation": true, "ami_users": ["123456789012"], "kms_key_id": "alias/x"})
}

#[tokio::test]
async fn refused() {
    at_every_call(small(), Fault::Refused).await;
    at_every_call(copied(), Fault::Refused).await;
}

fn through_a_session() -> Value {
    json!({"ssh_interface": "session_manager", "iam_instance_profile": "ssm", "skip_profile_validation": true})
}

#[tokio::test]
async fn sessions() {
    for fault in [Fault::Refused, Fault::LostRequest] {
        at_every_call(through_a_session(), fault).await;
    }
}

#[tokio::test]
async fn throttled() {
    at_every_call(small(), Fault::Throttled).await;
}

#[tokio::test]
async fn request_lost() {
    at_every_call(small(), Fault::LostRequest).await;
    at_every_call(copied(), Fault::LostRequest).await;
}

#[tokio::test]
async fn reply_lost() {
    at_every_call(small(), Fault::LostReply).await;
    at_every_call(copied(), Fault::LostReply).await;
}

/// What only the account can judge is shown where it stands in the user's file.
#[tokio::test]
async fn places_of_what_the_account_refuses() {
    let filter = json!({"filters": {"tag:a": "b"}});
    for (options, line) in [
        (json!({"source_ami": "ami-none"}), "\"source_ami\""),
        (
            json!({"source_ami": null, "source_ami_filter": {"filters": {"name": "none"}, "owners": ["self"]}}),
            "\"source_ami_filter\"",
        ),
        (json!({"vpc_filter": filter.clone()}), "\"vpc_filter\""),
        (json!({"subnet_filter": filter.clone()}), "\"subnet_filter\""),
        (json!({"security_group_filter": filter.clone()}), "\"security_group_filter\""),
        (json!({"vpc_id": "vpc-none"}), "\"vpc_id\""),
        (json!({"ami_regions": ["xx-nowhere-1"]}), "\"ami_regions\""),
        (json!({"instance_type": "none.large"}), "\"instance_type\""),
    ] {
        let error = World::new().build(options, None).await.map(drop).expect_err(line);
        let help = error.help.join("\n");
        assert!(help.contains("on t.json:1:") && help.contains(line), "{line}: {}\n{help}", error.message);
        let marked = help.lines().find(|text| text.trim_start_matches([' ', '|']).starts_with('^'));
        assert_eq!(marked.map(|text| text.matches('^').count()), Some(line.len()), "{help}");
    }
}
