//! Options of `amazon-ebs` by what comes of them: builds in the sandbox with most options set, and what the account then holds. Those of the
//! communicator are in `communicator.rs`, those of the account in `credentials.rs`.

use crate::build_sandbox::Cleanup;
use crate::support::{Env, root_or_skip};
use serde_json::{Value, json};

fn base(more: &Value) -> Value {
    let mut builder = json!({
        "type": "amazon-ebs", "region": "us-east-1",
        "source_ami_filter": {"filters": {"name": "debian-12-amd64-*"}, "owners": ["136693071363"], "most_recent": true},
        "instance_type": "t3.small", "ssh_username": "admin", "ami_name": "options"
    });
    for (key, value) in more.as_object().expect("options") {
        builder[key] = value.clone();
    }
    builder
}

/// What the sandbox keeps of a region.
#[track_caller]
fn region(env: &Env, name: &str) -> Value {
    let text = std::fs::read_to_string(env.path().join("data/imgbuild/sandbox/state.json")).expect("the state");
    serde_json::from_str::<Value>(&text).expect("JSON")["regions"][name].take()
}

/// The account's own images of a region, by name.
fn image<'a>(region: &'a Value, name: &str) -> &'a Value {
    let all = region["images"].as_object().expect("images");
    all.values().find(|i| i["name"] == name).unwrap_or_else(|| panic!("no image {name} in {all:#?}"))
}

/// The account's own snapshots of a region.
fn own_snapshots(region: &Value) -> Vec<&Value> {
    let all = region["snapshots"].as_object().into_iter().flatten().map(|(_, v)| v);
    all.filter(|s| s["deleted"] != true && s["owner_id"] == "111122223333").collect()
}

#[track_caller]
fn holds(what: &Value, expected: &[(&str, Value)]) {
    for (pointer, value) in expected {
        assert_eq!(what.pointer(pointer).unwrap_or(&Value::Null), value, "{pointer} in {what:#}");
    }
}

#[test]
fn options_of_the_instance_and_of_the_image() {
    if !root_or_skip("options_of_the_instance_and_of_the_image") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let organization = "arn:aws:organizations::123456789012:organization/o-abcdefghij";
    let options = json!({
        "ami_description": "of {{ .SourceAMIName }}",
        "ami_users": ["210987654321"], "ami_org_arns": [organization],
        "tags": {"Name": "image", "From": "{{ .SourceAMI }}"}, "tag": [{"key": "Single", "value": "yes"}],
        "snapshot_tags": {"Name": "snapshot"}, "snapshot_users": ["210987654321"],
        "run_tags": {"Stage": "build"}, "run_volume_tags": {"Volume": "of a build"}, "skip_ami_run_tags": true,
        "ena_support": false, "imds_support": "v2.0", "deprecate_at": "2034-01-02T03:04:00Z",
        "deregistration_protection": {"enabled": true, "with_cooldown": true},
        "shutdown_behavior": "terminate", "ebs_optimized": true, "enable_unlimited_credits": true,
        "capacity_reservation_preference": "open", "availability_zone": "us-east-1b",
        "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 2, "instance_metadata_tags": "enabled"},
        "placement": {"tenancy": "default"},
        "launch_block_device_mappings": [{
            "device_name": "/dev/sdf", "volume_size": 8, "volume_type": "gp3", "iops": 4000, "throughput": 200,
            "delete_on_termination": true
        }],
        "ami_block_device_mappings": [{"device_name": "/dev/sdc", "virtual_name": "ephemeral0"}, {"device_name": "/dev/sdf", "no_device": true}],
        "temporary_key_pair_name": "key of a test", "temporary_key_pair_type": "rsa", "temporary_key_pair_bits": 3072,
        "temporary_security_group_source_cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
        "ssh_clear_authorized_keys": true, "ssh_file_transfer_method": "sftp", "ssh_pty": true, "pause_before_connecting": "1s",
        "ssh_interface": "private_ip", "aws_polling": {"delay_seconds": 1, "max_attempts": 300}
    });
    let look = json!([{"type": "shell", "inline": [
        "tty", "ls -l /dev/nvme1n1", "cut -d' ' -f1,3 ~/.ssh/authorized_keys",
        "curl -s -o /dev/null -w '%{http_code}\\n' http://169.254.169.254/latest/meta-data/ || true"
    ]}]);
    env.write("t.json", &json!({"builders": [base(&options)], "provisioners": look}).to_string());
    let output = env.run(["build", "--sandbox", "-color=false", "t.json"]).expect(0);
    let output = output.has("Creating temporary keypair: key of a test").has("ssh-rsa").has("/dev/pts/");
    let _ = output.has("port 22 from [10.0.0.0/8, 192.0.2.0/24]").has("Pausing 1 s before connecting").has("401");
    let region = region(&env, "us-east-1");
    let instance = region["instances"].as_object().and_then(|all| all.values().next()).expect("an instance");
    holds(
        instance,
        &[
            ("/shutdown_behavior", json!("terminate")),
            ("/ebs_optimized", json!(true)),
            ("/cpu_credits", json!("unlimited")),
            ("/capacity_reservation", json!("open")),
            ("/placement/availability_zone", json!("us-east-1b")),
            ("/placement/tenancy", json!("default")),
            ("/metadata/tokens_required", json!(true)),
            ("/metadata/hop_limit", json!(2)),
            ("/metadata/tags", json!(true)),
            ("/ena_support", json!(false)),
        ],
    );
    let made = image(&region, "options");
    holds(
        made,
        &[("/imds_support", json!("v2.0")), ("/protection/on/cooldown", json!(true)), ("/ena_support", json!(false))],
    );
    assert!(made["description"].as_str().is_some_and(|d| d.starts_with("of debian-12-amd64-")), "{made:#}");
    assert!(!made["deprecation"].is_null(), "{made:#}");
    let permissions = made["permissions"].to_string();
    assert!(permissions.contains("210987654321") && permissions.contains(organization), "{made:#}");
    let mappings = made["mappings"].to_string();
    assert!(mappings.contains("ephemeral0") && !mappings.contains("4000"), "{made:#}");
    let tags = |id: &Value| region["tags"][id.as_str().unwrap_or_default()].clone();
    let own = tags(&made["id"]);
    assert_eq!((&own["Name"], &own["Single"], &own["Stage"]), (&json!("image"), &json!("yes"), &Value::Null), "{own}");
    assert!(own["From"].as_str().is_some_and(|id| id.starts_with("ami-")), "{own}");
    let snapshots = own_snapshots(&region);
    assert_eq!(snapshots.len(), 1, "the data volume is not in the image: {snapshots:#?}");
    let snapshot = snapshots[0];
    assert!(snapshot["users"].to_string().contains("210987654321"), "{snapshot:#}");
    assert_eq!(tags(&snapshot["id"])["Name"], "snapshot");
    // The temporary key is in no file of the image.
    let layers = std::process::Command::new("grep")
        .args(["-rlF", "key of a test", "--include=authorized_keys"])
        .arg(env.path().join("data/imgbuild/sandbox"))
        .output()
        .expect("grep");
    assert_eq!(String::from_utf8_lossy(&layers.stdout), "");
}

#[test]
fn what_is_there_already_is_used() {
    if !root_or_skip("what_is_there_already_is_used") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let key = env.path().join("own");
    imgbuild_testkit::sshd::keygen(&key, "ed25519");
    // No temporary key, no temporary group; the machine powers itself off; the copy alone stays, under the other region's key.
    let options = json!({
        "user_data": format!("#cloud-config\nssh_authorized_keys:\n  - {}", std::fs::read_to_string(key.with_extension("pub")).expect("a key").trim()),
        "ssh_private_key_file": key, "vpc_filter": {"filters": {"isDefault": "true"}},
        "subnet_filter": {"filters": {"availability-zone": "us-east-1*"}, "most_free": true},
        "security_group_filter": {"filters": {"group-name": "default"}}, "associate_public_ip_address": true,
        "disable_stop_instance": true, "encrypt_boot": true, "ami_regions": ["us-west-2"],
        "region_kms_key_ids": {"us-west-2": "alias/away"}, "kms_key_id": "alias/home",
        "skip_save_build_region": true, "skip_region_validation": true
    });
    let off =
        json!([{"type": "shell", "inline": ["(sleep 1; sudo poweroff) >/dev/null 2>&1 &"], "expect_disconnect": true}]);
    env.write("t.json", &json!({"builders": [base(&options)], "provisioners": off}).to_string());
    let output = env.run(["build", "--sandbox", "-color=false", "t.json"]).expect(0);
    let output = output
        .has("Using existing SSH private key")
        .has("Found Security Group(s): sg-")
        .has("Please stop instance manually");
    assert!(!output.stdout.contains("Creating temporary"), "{}", output.stdout);
    let (home, away) = (region(&env, "us-east-1"), region(&env, "us-west-2"));
    let made = image(&away, "options");
    let snapshots = own_snapshots(&away);
    assert!(
        !snapshots.is_empty()
            && snapshots.iter().all(|s| s["encrypted"] == true && s["kms_key_id"].to_string().contains("away")),
        "{snapshots:#?}"
    );
    assert!(made["name"] == "options");
    let own = home["images"].as_object().expect("images").values().filter(|i| i["source"].get("catalogue").is_none());
    assert_eq!(own.count(), 0);
    assert!(own_snapshots(&home).is_empty(), "{home:#}");
}
