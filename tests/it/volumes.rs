//! Builders whose product or tool are volumes, on the sandbox's machines: `amazon-ebsvolume`, `amazon-ebssurrogate`, and
//! `amazon-chroot` inside a machine.

use crate::build_sandbox::{Cleanup, state};
use crate::policy::{self, ask};
use crate::support::servers::{Server, free_port, start};
use crate::support::{Env, Output, finish, root_or_skip};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DEBIAN: &str = r#""source_ami_filter": {"filters": {"name": "debian-12-amd64-*"}, "owners": ["136693071363"], "most_recent": true}"#;

/// How many things of a kind there are.
#[track_caller]
fn count(state: &serde_json::Value, kind: &str) -> usize {
    state[kind].as_array().unwrap_or_else(|| panic!("no {kind} in {state:#}")).len()
}

#[track_caller]
fn own_images(state: &serde_json::Value) -> Vec<serde_json::Value> {
    let images = state["images"].as_array().unwrap_or_else(|| panic!("{state:#}"));
    images.iter().filter(|i| i["owned"] == true).cloned().collect()
}

#[test]
fn an_ebsvolume_build_leaves_a_filled_volume_and_its_snapshot() {
    if !root_or_skip("an_ebsvolume_build_leaves_a_filled_volume_and_its_snapshot") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let template = format!(
        r#"{{
  "builders": [{{
    "type": "amazon-ebsvolume", "region": "us-east-1", {DEBIAN},
    "instance_type": "m3.medium", "ssh_username": "admin",
    "run_volume_tags": {{"Temporary": "yes"}},
    "ebs_volumes": [
      {{"device_name": "/dev/sdf", "volume_size": 1, "tags": {{"Name": "data", "From": "{{{{ .SourceAMIName }}}}"}},
       "snapshot_volume": true, "snapshot_tags": {{"Name": "snapshot of data"}}}},
      {{"device_name": "/dev/sdg", "volume_size": 1, "delete_on_termination": true}}
    ]
  }}],
  "provisioners": [{{"type": "shell", "inline": [
    "sudo mkfs.ext4 -q /dev/xvdf && sudo mount /dev/xvdf /mnt && echo filled | sudo tee /mnt/marker && sudo umount /mnt",
    "test -b /dev/xvdg"
  ]}}],
  "post-processors": [{{"type": "manifest", "output": "manifest.json"}}]
}}"#
    );
    env.write("t.json", &template);
    env.run(["build", "--sandbox", "-color=false", "t.json"]).expect(0).has("EBS Volumes were created:");
    let state = state(&env);
    for (kind, expected) in
        [("volumes", 1), ("snapshots", 1), ("instances", 0), ("key_pairs", 0), ("security_groups", 0)]
    {
        assert_eq!(count(&state, kind), expected, "{kind} in {state:#}");
    }
    let tags = &state["volumes"][0]["tags"];
    assert_eq!(tags["Name"], "data", "{state:#}");
    assert!(tags["From"].as_str().is_some_and(|name| name.starts_with("debian-12")), "{state:#}");
    assert_eq!(tags.as_object().map(serde_json::Map::len), Some(2), "{state:#}");
    assert_eq!(state["snapshots"][0]["tags"], serde_json::json!({"Name": "snapshot of data"}));
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(env.work().join("manifest.json")).expect("a manifest")).expect("JSON");
    let id = |kind: &str| format!("us-east-1:{}", state[kind][0]["id"].as_str().unwrap_or_default());
    let mut ids = [id("volumes"), id("snapshots")];
    ids.sort();
    assert_eq!(manifest["builds"][0]["artifact_id"], ids.join(","));
    assert_eq!(manifest["builds"][0]["builder_type"], "amazon-ebsvolume");
}

/// The installation of a system by copying the running one: what a surrogate build does with debootstrap, in seconds.
const COPY_SYSTEM: &str = r#"
        "sudo sh -c 'printf \"label: dos\\n2048,,L,*\\n\" | sfdisk -q /dev/xvdf'",
        "for n in $(seq 100); do sudo head -c 1 /dev/xvdf1 >/dev/null 2>&1 && break; sleep 0.05; done; sudo mkfs.ext4 -q /dev/xvdf1",
        "sudo mount /dev/xvdf1 /mnt && sudo tar -C / --one-file-system -cf - . --exclude=./mnt --exclude=./var/lib/cloud --exclude=./proc --exclude=./sys | sudo tar -C /mnt -xf - && sudo mkdir -p /mnt/proc /mnt/sys /mnt/mnt",
        "echo surrogate | sudo tee /mnt/etc/marker && sudo umount /mnt""#;

#[test]
fn a_surrogate_image_boots() {
    if !root_or_skip("a_surrogate_image_boots") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let template = format!(
        r#"{{
  "builders": [{{
    "type": "amazon-ebssurrogate", "region": "us-east-1", {DEBIAN},
    "instance_type": "m3.medium", "ssh_username": "admin", "ami_name": "a surrogate", "ami_virtualization_type": "hvm",
    "launch_block_device_mappings": [{{"device_name": "/dev/sdf", "volume_size": 4, "delete_on_termination": true}}],
    "ami_root_device": {{"source_device_name": "/dev/sdf", "device_name": "/dev/xvda", "delete_on_termination": true}}
  }}],
  "provisioners": [{{"type": "shell", "inline": [{COPY_SYSTEM}]}}]
}}"#
    );
    env.write("t.json", &template);
    env.run(["build", "--sandbox", "-color=false", "t.json"]).expect(0);
    let image = own_images(&state(&env)).pop().expect("an image");
    boots_with(&env, image["id"].as_str().expect("an id"), "surrogate");
}

/// Starts an instance from an image and looks for the marker in it.
#[track_caller]
fn boots_with(env: &Env, image: &str, marker: &str) {
    let id = run_instance(env, image, &[]);
    env.run(["sandbox", "ssh", &id, "cat", "/etc/marker"]).expect(0).has(marker);
}

/// Starts an instance; its id.
#[track_caller]
fn run_instance(env: &Env, image: &str, more: &[&str]) -> String {
    let mut args = vec!["sandbox", "run", image];
    args.extend(more);
    let output = env.run(args).expect(0);
    let id = output.stdout.split_whitespace().next().unwrap_or_default().to_owned();
    assert!(id.starts_with("i-"), "{}", output.stdout);
    id
}

/// An instance with the program on it and a way to the endpoint that is served beside it.
struct Builder<'a> {
    env: &'a Env,
    id: String,
    endpoint: Server,
}

impl<'a> Builder<'a> {
    #[track_caller]
    fn new(env: &'a Env) -> Self {
        let port = free_port();
        let endpoint = start(
            env.imgbuild(["sandbox", "up", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()),
            port,
        );
        let images = state(env);
        let debian = images["images"].as_array().and_then(|all| {
            all.iter().find(|i| i["name"].as_str().is_some_and(|n| n.starts_with("debian-12-amd64-"))).cloned()
        });
        let debian = debian.unwrap_or_else(|| panic!("no Debian in {images:#}"));
        let id = run_instance(env, debian["id"].as_str().expect("an id"), &["--instance-profile", "builder"]);
        let builder = Builder { env, id, endpoint };
        // Without what only a debugger needs it is a fifth of its size.
        let stripped = env.work().join("imgbuild");
        let strip = Command::new("strip").arg("-o").arg(&stripped).arg(env!("CARGO_BIN_EXE_imgbuild")).status();
        assert!(strip.is_ok_and(|s| s.success()), "strip (package binutils)");
        let file = std::fs::File::open(&stripped).expect("the program");
        let mut copy = env.imgbuild(["sandbox", "ssh", &builder.id, "sudo tee /usr/local/bin/imgbuild >/dev/null"]);
        finish(copy.stdin(file)).expect(0);
        builder.ssh("sudo chmod 755 /usr/local/bin/imgbuild").expect(0);
        builder
    }

    /// A command on the machine.
    fn ssh(&self, command: &str) -> Output {
        self.env.run(["sandbox", "ssh", &self.id, command])
    }

    /// Writes a file there.
    #[track_caller]
    fn write(&self, path: &str, text: &str) {
        let file = self.env.write("transfer", text);
        let mut copy = self.env.imgbuild(["sandbox", "ssh", &self.id, &format!("sudo tee {path} >/dev/null")]);
        finish(copy.stdin(std::fs::File::open(file).expect("a file"))).expect(0);
    }

    /// The program on the machine, as root.
    fn imgbuild(&self, args: &str) -> Output {
        self.ssh(&format!("sudo env HOME=/root AWS_ENDPOINT_URL=http://sandbox.internal NO_COLOR=1 imgbuild {args}"))
    }
}

fn chroot_template(name: &str, more: &str, provisioners: &str) -> String {
    format!(
        r#"{{
  "builders": [{{
    "type": "amazon-chroot", "region": "us-east-1", "ami_name": "{name}",
    "tags": {{"Base": "{{{{ .SourceAMI }}}}"}}, "root_volume_tags": {{"For": "a chroot"}}{more}
  }}],
  "provisioners": [{provisioners}]
}}"#
    )
}

const PROVISION: &str = r#"
    {"type": "shell", "inline": ["echo chroot > /etc/marker", "test -d /proc/1", "test -s /etc/resolv.conf", "(sleep 600 &) >/dev/null 2>&1"]},
    {"type": "file", "source": "/root/play", "destination": "/tmp"},
    {"type": "file", "source": "/etc/marker", "destination": "/root/fetched", "direction": "download"},
    {"type": "ansible", "playbook_file": "/root/play/site.yml"}"#;

#[test]
fn a_chroot_build_inside_a_machine() {
    if !root_or_skip("a_chroot_build_inside_a_machine") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let builder = Builder::new(&env);
    builder.ssh("sudo mkdir -p /root/play").expect(0);
    builder.write(
        "/root/play/site.yml",
        "- hosts: all\n  tasks:\n    - ansible.builtin.copy:\n        content: by ansible\n        dest: /etc/by_ansible\n        mode: '0600'\n",
    );
    builder.write("/root/t.json", &chroot_template("a chroot", &format!(", {DEBIAN}"), PROVISION));
    let policy = builder.imgbuild("plan --iam-policy /root/t.json").expect(0).stdout;
    let _ = ask(builder.endpoint.port, "DELETE", "calls", "");
    let output = builder.imgbuild("build /root/t.json").expect(0).has("AMIs were created:");
    policy::compare("chroot", &policy, &policy::called(builder.endpoint.port));
    assert!(output.stdout.contains("Attaching the root volume to /dev/sdf"), "{}", output.stdout);
    builder.ssh("sudo cat /root/fetched").expect(0).has("chroot");
    nothing_is_left(&builder, 1);
    let image = own_images(&state(&env)).pop().expect("an image");
    assert!(image["tags"]["Base"].as_str().is_some_and(|id| id.starts_with("ami-")), "{image:#}");
    let id = run_instance(&env, image["id"].as_str().expect("an id"), &[]);
    let look = "cat /etc/marker; sudo cat /etc/by_ansible; test -e /tmp/play/site.yml && echo whole";
    env.run(["sandbox", "ssh", &id, look]).expect(0).has("chroot").has("by ansible").has("whole");
}

/// Nothing is mounted on the builder, and the account holds its instance with its root volume and the images' snapshots only.
#[track_caller]
fn nothing_is_left(builder: &Builder<'_>, images: usize) {
    builder.ssh("! grep -q packer-amazon-chroot /proc/mounts && ! ls /dev/xvdf* 2>/dev/null").expect(0);
    let state = state(builder.env);
    assert_eq!(own_images(&state).len(), images, "{state:#}");
    for (kind, expected) in [("volumes", 1), ("snapshots", images), ("instances", 1)] {
        assert_eq!(count(&state, kind), expected, "{kind} in {state:#}");
    }
}

#[test]
fn a_chroot_from_scratch_is_an_image_of_its_own() {
    if !root_or_skip("a_chroot_from_scratch_is_an_image_of_its_own") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let builder = Builder::new(&env);
    let more = r#", "from_scratch": true, "root_volume_size": 4, "ami_virtualization_type": "hvm", "root_device_name": "/dev/xvda",
    "ami_block_device_mappings": [{"device_name": "/dev/xvda", "delete_on_termination": true, "volume_type": "gp2"}],
    "command_wrapper": "env WRAPPED=yes {{.Command}}",
    "pre_mount_commands": ["sfdisk -q {{.Device}} < /root/layout", "sh -c 'for n in $(seq 100); do head -c 1 {{.Device}}1 >/dev/null 2>&1 && break; sleep 0.05; done; mkfs.ext4 -q {{.Device}}1'"],
    "post_mount_commands": ["sh -c 'tar -C / --one-file-system -cf - . --exclude=./mnt --exclude=./root/* --exclude=./usr/local/bin/imgbuild --exclude=./var/lib/cloud | tar -C {{.MountPath}} -xf - && mkdir -p {{.MountPath}}/mnt'"],
    "mount_options": ["noatime"], "copy_files": []"#;
    builder.write("/root/layout", "label: dos\n2048,,L,*\n");
    let provision = r#"{"type": "shell", "inline": ["echo scratch > /etc/marker"]}"#;
    builder.write("/root/t.json", &chroot_template("from scratch", more, provision));
    builder
        .imgbuild("build /root/t.json")
        .expect(0)
        .has("AMIs were created:")
        .has("Executing command: env WRAPPED=yes");
    nothing_is_left(&builder, 1);
    let image = own_images(&state(&env)).pop().expect("an image");
    boots_with(&env, image["id"].as_str().expect("an id"), "scratch");
}

#[test]
fn a_chroot_build_that_is_killed_leaves_nothing_after_gc() {
    if !root_or_skip("a_chroot_build_that_is_killed_leaves_nothing_after_gc") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let builder = Builder::new(&env);
    let provision = r#"{"type": "shell", "inline": ["touch /tmp/reached", "sleep 300"]}"#;
    builder.write("/root/t.json", &chroot_template("killed", &format!(", {DEBIAN}"), provision));
    builder
        .ssh("sudo sh -c 'HOME=/root AWS_ENDPOINT_URL=http://sandbox.internal nohup imgbuild build /root/t.json >/root/log 2>&1 & echo $! >/root/pid'")
        .expect(0);
    let begin = Instant::now();
    while builder.ssh("ls /mnt/packer-amazon-chroot-volumes/*/tmp/reached").code != 0 {
        let log = builder.ssh("sudo cat /root/log").stdout;
        assert!(begin.elapsed() < Duration::from_secs(180) && !log.contains("error"), "{log}");
        std::thread::sleep(Duration::from_millis(500));
    }
    builder.ssh("sudo sh -c 'kill -9 $(cat /root/pid)'").expect(0);
    builder.ssh("grep -c packer-amazon-chroot /proc/mounts").expect(0);
    let held = state(&env);
    assert_eq!(count(&held, "volumes"), 2, "the machine's root and the chroot's: {held:#}");
    builder.imgbuild("gc").expect(0).has("volume vol-").has("chroot /mnt/packer-amazon-chroot-volumes/");
    nothing_is_left(&builder, 0);
    builder.ssh("! pgrep -f '[s]leep 300'").expect(0);
    builder.imgbuild("gc").expect(0).has("nothing to remove");
}

#[test]
fn a_machine_without_a_profile_may_not_call_the_endpoint() {
    if !root_or_skip("a_machine_without_a_profile_may_not_call_the_endpoint") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let port = free_port();
    let _endpoint = start(
        env.imgbuild(["sandbox", "up", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()),
        port,
    );
    let images = state(&env);
    let all = images["images"].as_array().expect("images");
    let debian = all.iter().find(|i| i["name"].as_str().is_some_and(|n| n.starts_with("debian-12-amd64-")));
    let id = run_instance(&env, debian.and_then(|i| i["id"].as_str()).expect("Debian"), &[]);
    let call = "exec 3<>/dev/tcp/sandbox.internal/80; printf 'GET /?Action=DescribeVolumes HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; head -c 400 <&3";
    let script = format!("bash -c {}", shell_word(call));
    env.run(["sandbox", "ssh", &id, &script]).expect(0).has("403").has("has no instance profile");
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
