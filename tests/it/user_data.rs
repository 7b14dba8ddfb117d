//! User data of templates, joined with the part that makes the instance's host key known: what RunInstances gets is given to
//! cloud-init's own processor and handlers, which must find in it all that they would find without us, and our host key.

use crate::build_sandbox::Cleanup;
use crate::support::servers::{free_port, start};
use crate::support::{Env, finish, program_or_skip, root, root_or_skip};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

const SCRIPT: &str = "#!/bin/sh\necho 'd\u{e9}j\u{e0} vu \u{20ac}' > /etc/from-script\n";
const CONFIG: &str = "#cloud-config\nwrite_files:\n  - path: /etc/from-config\n    content: \"na\u{ef}ve \u{1f600}\"\nruncmd:\n  - touch /etc/ran\n";

fn mime() -> String {
    format!(
        "Content-Type: multipart/mixed; boundary=\"inner\"\nMIME-Version: 1.0\n\n--inner\nContent-Type: text/cloud-config\nMIME-Version: 1.0\n\
         Content-Transfer-Encoding: base64\n\n{}\n--inner\nContent-Type: text/x-shellscript; charset=\"utf-8\"\nMIME-Version: 1.0\n\
         Content-Transfer-Encoding: 7bit\n\n#!/bin/sh\ntouch /etc/from-script\n--inner--\n",
        STANDARD.encode(CONFIG)
    )
}

fn gzip(text: &str) -> Vec<u8> {
    let mut child = Command::new("gzip").arg("-9n").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    child.wait_with_output().expect("gzip").stdout
}

/// What cloud-init makes of user data (base64).
#[track_caller]
fn judged(env: &Env, encoded: &str) -> Value {
    let script = root().join("tests/it/support/user_data.py");
    std::fs::write(env.work().join("user-data"), encoded).expect("a file");
    let file = std::fs::File::open(env.work().join("user-data")).expect("a file");
    let output = finish(env.command("/usr/bin/python3").arg(script).stdin(file)).expect(0);
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.stdout))
}

#[test]
fn what_the_user_asks_for_stays_and_the_host_key_is_added() {
    const NAME: &str = "what_the_user_asks_for_stays_and_the_host_key_is_added";
    if !root_or_skip(NAME) || !program_or_skip(NAME, "cloud-init") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let port = free_port();
    let _endpoint = start(env.imgbuild(["sandbox", "up", "--port", &port.to_string()]).stdout(Stdio::null()), port);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a script", SCRIPT.into()),
        ("a script with CRLF", "#!/bin/sh\r\necho\r\n".into()),
        ("a cloud-config", CONFIG.into()),
        ("a cloud-config that keeps keys", format!("{CONFIG}ssh_deletekeys: false\n").into()),
        ("a message", mime().into()),
        ("a message with a line before it", format!("From nobody Mon Jan  1 00:00:00 2026\n{}", mime()).into()),
        ("a packed cloud-config", gzip(CONFIG)),
        ("a packed script", gzip(SCRIPT)),
        ("a packed message", gzip(&mime())),
        ("a script in base64", STANDARD.encode(SCRIPT).into()),
        ("a packed script in base64", STANDARD.encode(gzip(SCRIPT)).into()),
        ("a boothook", "#cloud-boothook\n#!/bin/sh\ntrue\n".into()),
        ("a template", format!("## template: jinja\n{CONFIG}").into()),
        ("a long script", format!("#!/bin/sh\n: {}\necho done\n", "\u{e9}".repeat(7900)).into()),
    ];
    // Nobody waits for their boots: what was sent is all that is looked at.
    let builders: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(n, (_, own))| {
            std::fs::write(env.work().join(format!("own{n}")), own).expect("a file");
            json!({
                "type": "amazon-ebs", "region": "us-east-1", "access_key": "AKIATEST", "secret_key": "nothing",
                "custom_endpoint_ec2": format!("http://127.0.0.1:{port}"), "name": format!("case{n}"),
                "source_ami_filter": {"filters": {"name": "debian-12-amd64-*"}, "owners": ["136693071363"], "most_recent": true},
                "instance_type": "t3.small", "ssh_username": "admin", "ami_name": "user data", "skip_create_ami": true,
                "user_data_file": format!("own{n}"), "ssh_timeout": "1s", "run_tags": {"case": format!("{n}")}
            })
        })
        .collect();
    env.write("t.json", &json!({"builders": builders}).to_string());
    let _ = env.run(["build", "-color=false", "t.json"]).expect(1);
    let text = std::fs::read_to_string(env.path().join("data/imgbuild/sandbox/state.json")).expect("the state");
    let state: Value = serde_json::from_str(&text).expect("JSON");
    let region = &state["regions"]["us-east-1"];
    let instances = region["instances"].as_object().expect("instances");
    for (n, (name, own)) in cases.iter().enumerate() {
        let case = n.to_string();
        let launched = instances.iter().find(|(id, _)| region["tags"][*id]["case"] == case.as_str());
        let (_, launched) = launched.unwrap_or_else(|| panic!("{name}: no instance in {instances:#?}"));
        let sent = launched["user_data"].as_str().expect("user data");
        assert!(STANDARD.decode(sent).expect("base64").len() <= 16 * 1024, "{name}");
        let (with, without) = (judged(&env, sent), judged(&env, &encoded(own)));
        for part in without["parts"].as_array().expect("parts") {
            assert!(with["parts"].as_array().expect("parts").contains(part), "{name}: {part} is not in {with:#}");
        }
        assert_eq!(
            with["parts"].as_array().map(Vec::len),
            without["parts"].as_array().map(Vec::len),
            "{name}: {with:#}"
        );
        let (mut config, empty) = (with["config"].clone(), serde_json::Map::new());
        for (key, value) in without["config"].as_object().unwrap_or(&empty) {
            assert_eq!(&config[key], value, "{name}: {key} in {with:#}");
        }
        let keys = config["ssh_keys"].take();
        assert!(
            keys["ecdsa_private"].as_str().is_some_and(|k| k.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n")),
            "{name}: {with:#}"
        );
        assert!(keys["ecdsa_public"].as_str().is_some_and(|k| k.starts_with("ecdsa-sha2-nistp256 ")), "{name}");
        let file = env.write("merged.yaml", with["yaml"].as_str().expect("text"));
        let schema = finish(env.command("cloud-init").args(["schema", "--config-file"]).arg(file)).expect(0);
        let _ = schema.has("Valid cloud-config");
    }
}

/// As EC2 gets it from Packer.
fn encoded(own: &[u8]) -> String {
    match STANDARD.decode(own) {
        Ok(_) => String::from_utf8_lossy(own).into_owned(),
        Err(_) => STANDARD.encode(own),
    }
}

#[test]
fn a_machine_does_what_its_user_data_says_and_is_known_at_once() {
    if !root_or_skip("a_machine_does_what_its_user_data_says_and_is_known_at_once") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    std::fs::write(env.work().join("own"), gzip(&mime())).expect("a file");
    let look = "cloud-init status --wait >/dev/null; cat /etc/from-config; ls /etc/from-script /etc/ran";
    let template = json!({
        "builders": [{
            "type": "amazon-ebs", "region": "us-east-1",
            "source_ami_filter": {"filters": {"name": "debian-12-amd64-*"}, "owners": ["136693071363"], "most_recent": true},
            "instance_type": "t3.small", "ssh_username": "admin", "ami_name": "user data", "skip_create_ami": true,
            "user_data_file": "own"
        }],
        "provisioners": [{"type": "shell", "inline": [look]}]
    });
    env.write("t.json", &template.to_string());
    let output = env.run(["build", "--sandbox", "-color=false", "t.json"]).expect(0);
    let output = output.has("na\u{ef}ve \u{1f600}").has("/etc/from-script").has("/etc/ran");
    // By the key that was in the user data: the console was not asked.
    assert!(!output.stdout.contains("console"), "{}", output.stdout);
}
