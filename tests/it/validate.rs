//! `imgbuild validate`.

use crate::support::{Env, root};

#[test]
fn shipped_templates_are_valid() {
    let env = Env::new();
    for name in ["ubuntu_1404_aufs3", "ubuntu_2404_docker", "debian_12_docker", "amazon_linux_2023_docker"] {
        let path = root().join(format!("templates/{name}.json"));
        env.run(["validate", path.to_str().unwrap()]).expect(0).has("The configuration is valid.");
    }
}

#[test]
fn the_original_warns_that_its_filter_names_no_owner() {
    let path = root().join("templates/ubuntu_1404_aufs3.json");
    Env::new().run(["validate", path.to_str().unwrap()]).expect(0).has("099720109477");
}

#[test]
fn all_errors_at_once_with_their_places() {
    let env = Env::new();
    let template = r#"{
  "builders": [{
    "type": "amazon-ebs",
    "amo_name": "x",
    "region": "us-east-1",
    "ssh_username": "u"
  }],
  "provisioners": [{ "type": "shell", "inlin": ["true"] }]
}"#;
    env.write("bad.json", template);
    env.run(["validate", "bad.json"])
        .expect(1)
        .has("bad.json:4:5")
        .has("did you mean \"ami_name\"?")
        .has("bad.json:8:")
        .has("did you mean \"inline\"?")
        .has("instance_type");
}

#[test]
fn broken_json_shows_the_line() {
    let env = Env::new();
    env.write("bad.json", "{\n  \"builders\": [,]\n}\n");
    env.run(["validate", "bad.json"]).expect(1).has("bad.json:2:16");
}

#[test]
fn a_missing_file_is_no_panic() {
    Env::new().run(["validate", "nothing.json"]).expect(1).has("nothing.json");
    Env::new().run(["validate"]).expect(1);
    Env::new().run(["no-such-command"]).expect(127);
    Env::new().run::<&str>([]).expect(127);
}
