//! Other people's client on our endpoint: Debian's packer builds against the sandbox.

use crate::build_sandbox::{Cleanup, state};
use crate::support::servers::{free_port, start};
use crate::support::{Env, finish, program_or_skip, root_or_skip};
use std::process::Stdio;

#[test]
fn packer_builds_against_the_sandbox() {
    let test = "packer_builds_against_the_sandbox";
    if !root_or_skip(test) || !program_or_skip(test, "packer") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let port = free_port();
    let endpoint = start(
        env.imgbuild(["sandbox", "up", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()),
        port,
    );
    // The image of Packer 1.6.6's own time: it signs with SHA-1, which trusty's server takes and Debian 12's does not.
    let template = format!(
        r#"{{
  "builders": [{{
    "type": "amazon-ebs",
    "access_key": "sandbox", "secret_key": "sandbox", "region": "us-east-1",
    "custom_endpoint_ec2": "http://127.0.0.1:{}",
    "skip_metadata_api_check": true,
    "source_ami_filter": {{
      "filters": {{ "virtualization-type": "hvm", "name": "*ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-*", "root-device-type": "ebs" }},
      "owners": ["099720109477"], "most_recent": true
    }},
    "instance_type": "m3.medium",
    "ssh_username": "ubuntu",
    "ami_name": "packer-{{{{timestamp}}}}",
    "launch_block_device_mappings": [{{ "device_name": "/dev/sdb", "volume_size": 2, "volume_type": "gp2", "delete_on_termination": true }}],
    "tags": {{ "Name": "by packer" }}
  }}],
  "provisioners": [{{ "type": "shell", "inline": ["test -b /dev/xvdb", "sudo mkfs.ext4 -q /dev/xvdb", "echo built-by-packer | sudo tee /etc/marker"] }}]
}}"#,
        endpoint.port
    );
    env.write("t.json", &template);
    let mut packer = env.command("packer");
    packer.args(["build", "-color=false", "t.json"]).env("CHECKPOINT_DISABLE", "1").env("AWS_POLL_DELAY_SECONDS", "1");
    finish(&mut packer).expect(0).has("AMIs were created:");
    drop(endpoint);
    let state = state(&env);
    let own: Vec<_> = state["images"].as_array().unwrap().iter().filter(|i| i["owned"] == true).collect();
    assert_eq!(own.len(), 1, "{state:#}");
    assert_eq!(own[0]["tags"]["Name"], "by packer");
    assert_eq!(own[0]["snapshots"].as_array().map(Vec::len), Some(2));
}
