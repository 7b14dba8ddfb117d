//! The main job, in the sandbox: the shipped template, unmodified, on a real machine.

use crate::support::{Env, Output, program_or_skip, root, root_or_skip, skip};
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

/// The role of that time, v2.2.1 (commit 7a85a30 of angstwad/docker.ubuntu), whole and unmodified: `include`, `always_run`, tests as
/// filters, key=value arguments. Its key server and PyPI's packages for Python 2 are gone: the key that the archive here is signed
/// with stands for the one, the stand-in's python-pip for the others.
#[test]
fn the_role_of_the_original_job_runs_whole() {
    const TEST: &str = "the_role_of_the_original_job_runs_whole";
    if !root_or_skip(TEST) || !program_or_skip(TEST, "gpg") {
        return;
    }
    let roles = std::env::var_os("IMGBUILD_TEST_ROLES").map(std::path::PathBuf::from);
    let Some(roles) = roles.filter(|r| r.join("angstwad.docker_ubuntu/tasks").is_dir()) else {
        return skip(TEST, "IMGBUILD_TEST_ROLES names no folder with angstwad.docker_ubuntu v2.2.1 (commit 7a85a30)");
    };
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    env.write("ansible.cfg", &format!("[defaults]\nroles_path = {}\n", roles.display()));
    let play = "- hosts: all\n  become: true\n  become_user: root\n  pre_tasks:\n    - filesystem: {dev: /dev/xvdb, fstype: ext4}\n    \
        - mount: {name: /secondary, src: /dev/xvdb, fstype: ext4, state: mounted}\n  roles:\n    - role: angstwad.docker_ubuntu\n      \
        docker_opts: \"--graph /secondary --storage-driver=aufs\"\n";
    let playbook = env.write("site.yml", play);
    let template = std::fs::read_to_string(root().join("templates/ubuntu_1404_aufs3.json")).unwrap();
    let template = template.replace("{{template_dir}}/../playbooks/docker.yml", "site.yml");
    let template = env.write("template.json", &template);
    // The fixture's key is made with the first machine; images make it.
    env.run(["sandbox", "prepare", "trusty"]).expect(0);
    let cache =
        std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap()));
    let key = format!("{cache}/imgbuild/sandbox/fixture/public.asc");
    let listed =
        crate::support::finish(env.command("gpg").args(["--show-keys", "--with-colons", &key])).expect(0).stdout;
    let print = listed.lines().find_map(|l| l.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned();
    env.write("group_vars/all.yml", &format!("apt_key_sig: {print}\n"));

    let built = env.run(["build", "--sandbox", "-color=false", template.to_str().unwrap()]).expect(0);
    assert!(built.stdout.contains("failed=0"), "{}", built.stdout);
    let state = state(&env);
    let images = state["images"].as_array().unwrap();
    let image = images.iter().find(|i| i["owned"] == true).unwrap()["id"].as_str().unwrap();
    let inventory = env.work().join("inventory.ini");
    env.run(["sandbox", "run", image, "--inventory", inventory.to_str().unwrap()]).expect(0);
    let args = ["-e", "docker_pkg_name=docker-engine=1.12.3-0~ubuntu-trusty"];
    env.run([&["playbook", "-i", inventory.to_str().unwrap(), playbook.to_str().unwrap()], &args[..]].concat())
        .expect(0)
        .has("changed=0");
    shell(&env, &inventory, "grep -qx 'DOCKER_OPTS=\"--graph /secondary --storage-driver=aufs\"' /etc/default/docker");
    shell(&env, &inventory, "pip freeze | grep -x docker-py==1.10.6");
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
