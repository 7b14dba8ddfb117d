//! The main job, in the sandbox: the shipped template, unmodified, on a real machine.

use crate::support::{Env, Output, root, root_or_skip};
use std::path::Path;

/// Builds the original job in this environment's own sandbox.
#[must_use]
pub fn build_original(env: &Env, extra: &[&str]) -> Output {
    let template = root().join("templates/ubuntu_1404_aufs3.json");
    let mut args = vec!["build", "--sandbox", "-color=false"];
    args.extend(extra);
    args.push(template.to_str().unwrap());
    env.run(args)
}

/// What the sandbox holds, as JSON.
pub fn state(env: &Env) -> serde_json::Value {
    let output = env.run(["sandbox", "state", "--json"]).expect(0);
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e} in {}", output.stdout))
}

/// Ends every machine of an environment's sandbox when the test is over, however it ends.
pub struct Cleanup<'a>(pub &'a Env);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(["sandbox", "rm", "--all"]);
    }
}

#[test]
fn the_original_job_makes_the_image_that_its_template_asks_for() {
    if !root_or_skip("the_original_job_makes_the_image_that_its_template_asks_for") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let verify = root().join("playbooks/verify_docker.yml");
    let output = build_original(&env, &["--manifest", "manifest.json", "--verify", verify.to_str().unwrap()]).expect(0);
    assert!(output.stdout.contains("==> amazon-ebs: Found Image ID: ami-"), "{}", output.stdout);

    let state = state(&env);
    let images = state["images"].as_array().unwrap();
    let own: Vec<_> = images.iter().filter(|i| i["owned"] == true).collect();
    assert_eq!(own.len(), 1, "{state:#}");
    let image = own[0];
    let name = image["name"].as_str().unwrap();
    assert!(name.starts_with("Docker 1.12.3 Ubuntu 14.04 AUFS3 "), "{name}");
    for (key, value) in
        [("OS_Version", "Ubuntu"), ("Release", "14.04"), ("StorageDriver", "AUFS3"), ("Docker_Version", "1.12.3")]
    {
        assert_eq!(image["tags"][key], value, "{image:#}");
    }
    assert_eq!(image["snapshots"].as_array().unwrap().len(), 2, "the root and the data volume: {image:#}");
    // Nothing else is left: no instance that is not terminated, no volume, no key pair, no group beside the default one.
    for kind in ["instances", "volumes", "key_pairs", "security_groups"] {
        assert_eq!(state[kind].as_array().map(Vec::len), Some(0), "{kind} in {state:#}");
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(env.work().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["builds"][0]["builder_type"], "amazon-ebs");

    second_run_changes_nothing(&env, image["id"].as_str().unwrap());
}

/// Starts a node from the image and runs the playbook that made it once more.
fn second_run_changes_nothing(env: &Env, image: &str) {
    let inventory = env.work().join("inventory.ini");
    env.run(["sandbox", "run", image, "--inventory", inventory.to_str().unwrap()]).expect(0);
    let playbook = root().join("playbooks/docker.yml");
    let mut args = vec!["playbook", "-i", inventory.to_str().unwrap(), playbook.to_str().unwrap()];
    args.extend(["-e", "docker_pkg_name=docker-engine=1.12.3-0~ubuntu-trusty"]);
    env.run(&args).expect(0).has("changed=0");
    shell(env, &inventory, "grep -q 'DOCKER_OPTS=\"--graph /secondary --storage-driver=aufs\"' /etc/default/docker");
    shell(env, &inventory, "test \"$(dpkg-query -W -f '${Version}' docker-engine)\" = 1.12.3-0~ubuntu-trusty");
    shell(
        env,
        &inventory,
        "grep -Eq '^UUID=\\S+ /secondary ext4 \\S*nofail' /etc/fstab && findmnt -n -t ext4 /secondary",
    );
}

/// A command on the node must succeed.
#[track_caller]
fn shell(env: &Env, inventory: &Path, command: &str) {
    let play = format!(
        "- hosts: all\n  become: true\n  gather_facts: false\n  tasks:\n    - ansible.builtin.shell: |\n        {command}\n"
    );
    let file = env.write("check.yml", &play);
    env.run(["playbook", "-i", inventory.to_str().unwrap(), file.to_str().unwrap()]).expect(0);
}

#[test]
fn dockers_own_daemon_of_debian_12_runs_from_its_image() {
    if !root_or_skip("dockers_own_daemon_of_debian_12_runs_from_its_image") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let (template, verify) =
        (root().join("templates/debian_12_docker.json"), root().join("playbooks/verify_docker.yml"));
    let args = ["build", "--sandbox", "-color=false", "--verify", verify.to_str().unwrap(), template.to_str().unwrap()];
    let output = env.run(args).expect(0).has("Docker version 20.10.24");
    assert!(output.stdout.contains("AMIs were created:"), "{}", output.stdout);
    assert!(env.work().join("packer-manifest.json").exists(), "the template's own post-processor");
}
