//! `build --if-changed` by hand: a second run makes nothing, one with another script does; the post-processors get the image anyway.

use crate::build_sandbox::Cleanup;
use crate::support::{Env, root_or_skip};
use serde_json::{Value, json};

#[test]
fn an_image_is_made_once_of_the_same() {
    if !root_or_skip("an_image_is_made_once_of_the_same") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let template = json!({
        "builders": [
            {
                "type": "amazon-ebs", "region": "us-east-1",
                "source_ami_filter": {"filters": {"name": "debian-12-amd64-*"}, "owners": ["136693071363"], "most_recent": true},
                "instance_type": "t3.small", "ssh_username": "admin", "ami_name": "nightly {{isotime | clean_resource_name}}"
            },
            {"type": "file", "content": "{{timestamp}}", "target": "out.txt"}
        ],
        "provisioners": [{"type": "shell", "script": "set-up.sh", "only": ["amazon-ebs"]}],
        "post-processors": [{"type": "manifest", "only": ["amazon-ebs"]}]
    });
    env.write("t.json", &template.to_string());
    env.write("set-up.sh", "sudo touch /etc/made\n");
    let last = || -> String {
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(env.work().join("packer-manifest.json")).expect("a manifest"))
                .expect("JSON");
        let builds = manifest["builds"].as_array().expect("builds");
        builds.last().expect("one")["artifact_id"].as_str().expect("an id").to_owned()
    };
    let build = || env.run(["build", "--sandbox", "-color=false", "-force", "--if-changed", "t.json"]).expect(0);
    let _ = build()
        .has("file is always built")
        .has("No AMI was made of the same before")
        .has("Provisioning with shell script");
    let first = last();
    let output = build().has("Nothing has changed: AMI ami-").has(first.split_once(':').expect("a region and an id").1);
    assert!(!output.stdout.contains("Provisioning with shell script"), "{}", output.stdout);
    assert_eq!(last(), first, "the manifest names the image all the same");
    env.write("set-up.sh", "sudo touch /etc/made-otherwise\n");
    let _ = build().has("Provisioning with shell script");
    assert_ne!(last(), first);
    let _ = env.run(["build", "--if-changed", "-"]).expect(1).has("standard input");
    let _ = env.run(["build", "--max-age=1h", "t.json"]).expect(1).has("--if-changed");
}
