//! The same build against an EC2 endpoint that is not ours: moto, with OpenSSH's server as the instance.

use crate::support::servers::{free_port, sshd, start};
use crate::support::{Env, program_or_skip, root_or_skip, skip};
use std::path::PathBuf;
use std::process::Stdio;

#[test]
fn the_build_passes_against_moto() {
    let test = "the_build_passes_against_moto";
    if !root_or_skip(test) || !program_or_skip(test, "sshd") {
        return;
    }
    let Some(moto) = std::env::var_os("IMGBUILD_TEST_MOTO").map(PathBuf::from) else {
        return skip(test, "needs moto (IMGBUILD_TEST_MOTO): run `cargo xtask test`");
    };
    let env = Env::new();
    let port = free_port();
    let endpoint = start(
        env.command(moto.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
        port,
    );
    let ssh = sshd(&env);
    let template = format!(
        r#"{{
  "builders": [{{
    "type": "amazon-ebs",
    "access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "testing", "region": "us-east-1",
    "custom_endpoint_ec2": "http://127.0.0.1:{}",
    "skip_region_validation": true, "skip_metadata_api_check": true,
    "source_ami_filter": {{
      "filters": {{ "virtualization-type": "hvm", "name": "ubuntu/images/*ubuntu-trusty-14.04-amd64-server-*", "root-device-type": "ebs" }},
      "owners": ["099720109477"], "most_recent": true
    }},
    "instance_type": "t2.micro",
    "ssh_username": "root", "ssh_host": "127.0.0.1", "ssh_port": "{}",
    "ami_name": "moto-{{{{timestamp}}}}",
    "launch_block_device_mappings": [{{ "device_name": "/dev/sdb", "volume_size": 40, "volume_type": "gp2", "delete_on_termination": true }}],
    "tags": {{ "OS_Version": "Ubuntu", "Base": "{{{{ .SourceAMI }}}}" }}
  }}],
  "provisioners": [{{ "type": "shell", "inline": ["echo provisioned as $(id -un)"] }}],
  "post-processors": [{{ "type": "manifest", "output": "manifest.json" }}]
}}"#,
        endpoint.port, ssh.port
    );
    env.write("t.json", &template);
    let output =
        env.run(["build", "-color=false", "t.json"]).expect(0).has("provisioned as root").has("AMIs were created:");
    assert!(!output.stdout.contains("testing"), "the secret key was printed");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(env.work().join("manifest.json")).unwrap()).unwrap();
    assert!(manifest["builds"][0]["artifact_id"].as_str().unwrap().starts_with("us-east-1:ami-"));
    // A second gc has nothing to do: nothing is owed.
    env.run(["gc", "--dry-run"]).expect(0).has("nothing");
}
