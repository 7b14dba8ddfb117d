//! `build --if-changed`: an image that was made of the same before is taken, in all regions or not at all.

use super::harness::World;
use imgbuild_builders::inputs::Inputs;
use serde_json::{Value, json};
use std::time::Duration;

fn made_of(digest: &str, max_age: Option<Duration>) -> Option<Inputs> {
    Some(Inputs { digest: digest.into(), max_age })
}

async fn build(world: &World, options: Value) -> String {
    let built = world.build(options, None).await.unwrap();
    assert_eq!(built.leaks, []);
    assert_eq!(built.data["SourceAMI"], "ami-source");
    built.artifact.unwrap().id()
}

#[tokio::test]
async fn what_was_made_of_the_same_is_not_made_again() {
    let mut world = World::new();
    // Names need not differ: nothing is made.
    let options = || json!({"ami_name": "nightly", "ami_regions": ["us-west-2"]});
    world.inputs = made_of("one", None);
    let first = build(&world, options()).await;
    assert_eq!(world.cloud.launches().len(), 1);
    let images = world.cloud.own_images();
    assert!(images.iter().all(|i| i.tags["imgbuild:inputs"].len() == 64), "{images:?}");

    assert_eq!(build(&world, options()).await, first);
    assert_eq!(world.cloud.launches().len(), 1, "the second build launched something");
    assert!(world.lines.text().contains("Nothing has changed: AMI "), "{}", world.lines.text());
    assert_eq!(world.journal(), "");

    // A region more, where no image is yet.
    let wider = json!({"ami_name": "wider", "ami_regions": ["us-west-2", "eu-west-1"]});
    assert_ne!(build(&world, wider).await, first);
    assert_eq!(world.cloud.launches().len(), 2);
}

#[tokio::test]
async fn other_inputs_and_age_are_reasons_to_build() {
    let mut world = World::new();
    world.inputs = made_of("one", None);
    let first = build(&world, json!({"ami_name": "image a"})).await;
    world.inputs = made_of("two", None);
    let second = build(&world, json!({"ami_name": "image b"})).await;
    assert_ne!(first, second);
    // The cloud's images are of January 2026.
    world.inputs = made_of("one", Some(Duration::from_secs(3600)));
    let third = build(&world, json!({"ami_name": "image c"})).await;
    assert!(third != first && third != second);
    assert_eq!(world.cloud.launches().len(), 3);
    // Without the digest nothing is looked for, and nothing is marked.
    world.inputs = None;
    build(&world, json!({"ami_name": "image d"})).await;
    let images = world.cloud.own_images();
    let plain = images.iter().find(|i| i.name == "image d").unwrap();
    assert!(!plain.tags.contains_key("imgbuild:inputs"));
    assert_eq!(world.cloud.launches().len(), 4);
}
