//! `imgbuild plan --iam-policy` against what builds really call: the sandbox's endpoint lists the calls of a whole build of each family
//! of options, and every one of them is in the policy. What the policy has beyond is for what did not happen: lost
//! replies, failures, `gc`.

use crate::build_sandbox::Cleanup;
use crate::support::servers::{Server, free_port, start};
use crate::support::{Env, root_or_skip};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

/// What a policy may allow although a build that goes well calls none of it, and why.
const UNCALLED: [(&str, &str); 30] = [
    ("ec2:CreateTags", "to create with tags is a permission of its own; and where tags must follow"),
    ("ec2:DescribeVolumes", "volumes that outlive their instance are looked for"),
    ("ec2:DeleteVolume", "and deleted"),
    ("ec2:DetachVolume", "a volume whose instance still has it"),
    ("ec2:DescribeKeyPairs", "a lost reply"),
    ("ec2:DescribeSecurityGroups", "a lost reply"),
    ("ec2:DescribeLaunchTemplates", "a lost reply"),
    ("ec2:DescribeSnapshots", "the progress of a long copy; what an unwound image leaves"),
    ("ec2:RevokeSecurityGroupIngress", "this machine's address changes"),
    ("ec2:DeregisterImage", "unwinding"),
    ("ec2:DeleteSnapshot", "unwinding"),
    ("ec2:DescribeImages", "unwinding"),
    ("ec2:DescribeInstances", "a lost reply"),
    ("ec2:GetConsoleOutput", "the host key, where user data can't carry it; the end of a machine's story"),
    ("ec2:StopInstances", "on demand instead of spot"),
    ("ec2:RunInstances", "CreateFleet asks for it; and on demand instead of spot"),
    ("iam:GetRole", "a lost reply"),
    ("iam:TagRole", "to create with tags is a permission of its own"),
    ("iam:TagInstanceProfile", "the same"),
    ("iam:PassRole", "RunInstances asks for it"),
    ("iam:CreateServiceLinkedRole", "the account's first spot instance"),
    ("ssm:ResumeSession", "a connection that broke"),
    ("ssm:DescribeSessions", "a lost reply"),
    ("kms:CreateGrant", "EC2 asks for it in the caller's name"),
    ("kms:Decrypt", "the same"),
    ("kms:DescribeKey", "the same"),
    ("kms:GenerateDataKeyWithoutPlaintext", "the same"),
    ("kms:ReEncryptFrom", "the same"),
    ("kms:ReEncryptTo", "the same"),
    ("ec2:DeleteTags", "where a failure comes before images are settled"),
];

/// One of the endpoint's own requests.
pub fn ask(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the endpoint");
    let head = format!("{method} /_sandbox/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

/// The actions called since the log was cleared, as policies name them.
pub fn called(port: u16) -> BTreeSet<String> {
    let calls: Value = serde_json::from_str(&ask(port, "GET", "calls", "")).expect("JSON");
    let text = |call: &Value, key: &str| call[key].as_str().unwrap_or_default().to_owned();
    calls.as_array().expect("a list").iter().map(|c| format!("{}:{}", text(c, "service"), text(c, "action"))).collect()
}

/// The actions that a policy allows.
pub fn allowed(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).expect("a policy");
    let statements = policy["Statement"].as_array().expect("statements");
    let actions = statements.iter().flat_map(|s| s["Action"].as_array().expect("actions"));
    actions.filter_map(|a| Some(a.as_str()?.to_owned())).collect()
}

/// Fails where a call is not allowed, or something is allowed for no reason.
#[track_caller]
pub fn compare(family: &str, policy: &str, called: &BTreeSet<String>) {
    let allowed = allowed(policy);
    let refused: Vec<_> = called.difference(&allowed).collect();
    assert!(refused.is_empty(), "{family}: called, but the policy does not allow it: {refused:?}");
    let idle: Vec<_> = allowed.difference(called).filter(|a| !UNCALLED.iter().any(|(known, _)| a == known)).collect();
    assert!(idle.is_empty(), "{family}: allowed, but nothing calls it: {idle:?}");
    assert!(called.len() >= 8, "{family}: {called:?}");
}

fn builder(port: u16, more: &Value) -> Value {
    let mut builder = json!({
        "type": "amazon-ebs",
        "region": "us-east-1",
        "access_key": "AKIATEST",
        "secret_key": "nothing",
        "custom_endpoint_ec2": format!("http://127.0.0.1:{port}"),
        "source_ami_filter": {
            "filters": {"name": "debian-12-amd64-*", "architecture": "x86_64"},
            "owners": ["136693071363"],
            "most_recent": true
        },
        "instance_type": "t3.small",
        "ssh_username": "admin",
        "ami_name": "policy {{uuid}}"
    });
    for (key, value) in more.as_object().expect("options") {
        if value.is_null() {
            builder.as_object_mut().expect("options").remove(key);
        } else {
            builder[key] = value.clone();
        }
    }
    builder
}

fn families() -> [(&'static str, Value); 8] {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ssm:UpdateInstanceInformation", "ssmmessages:*"], "Resource": ["*"]}
    ]});
    [
        ("plain", json!({})),
        (
            "through a session, with a temporary profile",
            json!({"ssh_interface": "session_manager", "temporary_iam_instance_profile_policy_document": policy}),
        ),
        ("spot", json!({"instance_type": null, "spot_price": "auto", "spot_instance_types": ["t3.micro", "t3.small"]})),
        (
            "copies, encrypted, shared",
            json!({
                "ami_regions": ["us-west-2"], "encrypt_boot": true, "kms_key_id": "alias/build",
                "region_kms_key_ids": {"us-west-2": "alias/copy"},
                "ami_users": ["123456789012"], "snapshot_users": ["123456789012"],
                "deprecate_at": "2034-01-01T00:00:00Z", "deregistration_protection": {"enabled": true},
                "imds_support": "v2.0", "ena_support": true
            }),
        ),
        (
            "network filters",
            json!({"associate_public_ip_address": true, "security_group_filter": {"filters": {"group-name": "default"}}}),
        ),
        (
            "copies only, replacing",
            json!({"ami_regions": ["us-west-2"], "skip_save_build_region": true, "force_deregister": true, "force_delete_snapshot": true}),
        ),
        (
            "surrogate",
            json!({
                "type": "amazon-ebssurrogate", "ami_virtualization_type": "hvm",
                "launch_block_device_mappings": [{"device_name": "/dev/sdf", "volume_size": 1, "delete_on_termination": true}],
                "ami_root_device": {"source_device_name": "/dev/sdf", "device_name": "/dev/xvda"}
            }),
        ),
        (
            "volumes",
            json!({
                "type": "amazon-ebsvolume", "ami_name": null,
                "ebs_volumes": [{"device_name": "/dev/sdf", "volume_size": 1, "snapshot_volume": true, "tags": {"Name": "data"}}]
            }),
        ),
    ]
}

#[test]
fn the_policy_allows_what_builds_call_and_little_more() {
    if !root_or_skip("the_policy_allows_what_builds_call_and_little_more") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let port = free_port();
    let _endpoint: Server =
        start(env.imgbuild(["sandbox", "up", "--port", &port.to_string()]).stdout(Stdio::null()), port);
    for (family, options) in families() {
        let template = json!({
            "builders": [builder(port, &options)],
            "provisioners": [{"type": "shell", "inline": ["echo provisioned"]}]
        });
        env.write("t.json", &template.to_string());
        let policy = env.run(["plan", "--iam-policy", "t.json"]).expect(0).stdout;
        let _ = ask(port, "DELETE", "calls", "");
        let output = env.run(["build", "-color=false", "t.json"]);
        let called = called(port);
        assert_eq!(output.code, 0, "{family}: {}{}\n{called:?}", output.stdout, output.stderr);
        compare(family, &policy, &called);
    }
}
