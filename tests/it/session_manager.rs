//! Builds through Session Manager, on real machines with real SSH servers, over the sandbox's data channels at their worst.

use crate::build_sandbox::{Cleanup, state};
use crate::support::servers::{Server, free_port, start};
use crate::support::{Env, root_or_skip};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

/// `imgbuild sandbox up` in a process of its own, as AWS is.
fn endpoint(env: &Env) -> Server {
    let port = free_port();
    start(env.imgbuild(["sandbox", "up", "--port", &port.to_string()]).stdout(Stdio::null()), port)
}

/// One of the sandbox's own requests.
fn ask(server: &Server, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!("{method} /_sandbox/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn channel(server: &Server, channel: &Value) {
    let faults = json!([{ "action": "StartSession", "kind": { "channel": channel } }]);
    ask(server, "PUT", "faults", &faults.to_string());
}

fn started(server: &Server) -> usize {
    let calls: Value = serde_json::from_str(&ask(server, "GET", "calls", "")).unwrap();
    calls.as_array().unwrap().iter().filter(|c| c["action"] == "StartSession" && c["status"] == 200).count()
}

fn template(env: &Env, server: &Server, provisioners: &Value) -> String {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": ["ssm:UpdateInstanceInformation", "ssmmessages:*"], "Resource": ["*"] }
    ] });
    let template = json!({
        "builders": [{
            "type": "amazon-ebs",
            "region": "us-east-1",
            "access_key": "AKIATEST",
            "secret_key": "nothing",
            "custom_endpoint_ec2": format!("http://127.0.0.1:{}", server.port),
            "source_ami_filter": {
                "filters": { "name": "debian-12-amd64-*", "architecture": "x86_64" },
                "owners": ["136693071363"],
                "most_recent": true
            },
            "instance_type": "t3.small",
            "ssh_username": "admin",
            "ssh_interface": "session_manager",
            "temporary_iam_instance_profile_policy_document": policy,
            "ami_name": "through a channel {{timestamp}}"
        }],
        "provisioners": provisioners,
    });
    env.write("ssm.json", &template.to_string()).display().to_string()
}

/// Nothing is left but what was published.
fn nothing_left(env: &Env) {
    let state = state(env);
    for kind in ["sessions", "instances", "volumes", "key_pairs", "security_groups"] {
        assert_eq!(state[kind].as_array().map(Vec::len), Some(0), "{kind} in {state:#}");
    }
}

#[test]
fn a_build_through_a_bad_channel_with_a_reboot_in_it() {
    if !root_or_skip("a_build_through_a_bad_channel_with_a_reboot_in_it") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let server = endpoint(&env);
    channel(&server, &json!({ "loss": 1, "duplicate": 2, "reorder": 3, "cut_after": 5000, "cuts": 2 }));
    let data: Vec<u8> = (0..250_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(env.work().join("data"), &data).unwrap();
    env.write(
        "play.yml",
        "- hosts: all\n  tasks:\n    - ansible.builtin.command: uname -s\n      register: it\n    - ansible.builtin.debug: {var: it.stdout}\n",
    );
    let greeting = "exec 3<>/dev/tcp/{{build `Host`}}/{{build `Port`}}; echo \"the port says $(head -c 8 <&3)\"";
    let provisioners = json!([
        { "type": "file", "source": "data", "destination": "/home/admin/data" },
        { "type": "shell", "inline": ["sudo reboot"], "expect_disconnect": true },
        { "type": "shell", "inline": ["echo back with $(stat -c %s /home/admin/data) bytes"] },
        { "type": "ansible", "playbook_file": "play.yml" },
        { "type": "file", "direction": "download", "source": "/home/admin/data", "destination": "back" },
        { "type": "shell-local", "inline_shebang": "/bin/bash -e", "inline": [greeting] },
    ]);
    let template = template(&env, &server, &provisioners);
    let output = env.run(["build", "-color=false", &template]).expect(0);
    let output = output.has("back with 1000000 bytes").has("Linux").has("the port says SSH-2.0-");
    assert!(output.stdout.contains("Using Session Manager to connect: i-"), "{}", output.stdout);
    assert!(std::fs::read(env.work().join("back")).unwrap() == data, "what came back is what went there");
    assert!(started(&server) >= 2, "a new one after the reboot");
    nothing_left(&env);
}

#[test]
fn a_killed_build_leaves_no_session_once_gc_has_run() {
    if !root_or_skip("a_killed_build_leaves_no_session_once_gc_has_run") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let server = endpoint(&env);
    // An agent of before multiplexing, while we are at it.
    channel(&server, &json!({ "agent_version": "2.3.1569.0" }));
    let provisioners = json!([{ "type": "shell", "inline": ["echo it runs", "sleep 600"] }]);
    let template = template(&env, &server, &provisioners);
    let mut build = env.imgbuild(["build", "-color=false", &template]);
    let mut build = build.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(build.stdout.take().unwrap()).lines().map_while(Result::ok);
    let seen: Vec<String> = lines.take_while(|line| !line.contains("it runs")).collect();
    build.kill().unwrap();
    build.wait().unwrap();
    assert_eq!(state(&env)["sessions"].as_array().map(Vec::len), Some(1), "{seen:#?}");
    let _ = env.run(["gc"]).expect(0).has("session sandbox-");
    nothing_left(&env);
}

#[test]
fn a_policy_without_the_agents_permissions_is_said_so() {
    if !root_or_skip("a_policy_without_the_agents_permissions_is_said_so") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let server = endpoint(&env);
    let template = template(&env, &server, &json!([]));
    let text = std::fs::read_to_string(&template).unwrap();
    let text = text
        .replace("ssmmessages:*", "s3:GetObject")
        .replace("\"instance_type\"", "\"ssh_timeout\":\"8s\",\"instance_type\"");
    std::fs::write(&template, text).unwrap();
    let output = env.run(["build", "-color=false", &template]).expect(1);
    let _ = output.has("is not connected to Session Manager (StartSession: TargetNotConnected").has("ssmmessages");
    nothing_left(&env);
}
