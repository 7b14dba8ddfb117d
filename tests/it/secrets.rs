//! Values that templates ask of other services: parameters and secrets of AWS (the real SDK against moto), Vault and Consul (a
//! stub on loopback). Secrets never appear in what is printed.

use crate::support::servers::{Server, free_port, start};
use crate::support::{Env, finish, skip};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

/// moto with two parameters and three secrets, and an environment that leads to it.
fn moto(test: &str) -> Option<(Env, Server)> {
    let Some(moto) = std::env::var_os("IMGBUILD_TEST_MOTO").map(PathBuf::from) else {
        skip(test, "needs moto (IMGBUILD_TEST_MOTO): run `cargo xtask test`");
        return None;
    };
    let mut env = Env::new();
    let port = free_port();
    let mut command = env.command(moto.join("bin/moto_server"));
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let server = start(&mut command, port);
    env.set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")).set("AWS_REGION", "eu-west-1");
    env.set("AWS_ACCESS_KEY_ID", "testing").set("AWS_SECRET_ACCESS_KEY", "testing");
    let fill = r#"
import boto3
ssm = boto3.client("ssm", "eu-west-1")
ssm.put_parameter(Name="/web/ami", Value="ami-0123456789abcdef0", Type="String")
ssm.put_parameter(Name="/web/token", Value="first-token", Type="SecureString")
ssm.put_parameter(Name="/web/token", Value="parameter-secret", Type="SecureString", Overwrite=True)
secrets = boto3.client("secretsmanager", "eu-west-1")
secrets.create_secret(Name="db", SecretString='{"user":"webuser","password":"json-secret","port":5432}')
secrets.create_secret(Name="plain", SecretString="plain-secret")
secrets.create_secret(Name="binary", SecretBinary=b"binary-secret")
"#;
    finish(env.command(moto.join("bin/python")).args(["-c", fill])).expect(0);
    Some((env, server))
}

const HCL: &str = r#"
data "amazon-parameterstore" "ami" {
  name = "/web/ami"
}

data "amazon-parameterstore" "token" {
  name            = "/web/token"
  with_decryption = true
}

data "amazon-secretsmanager" "password" {
  name = "db"
  key  = "password"
}

data "amazon-secretsmanager" "whole" {
  name = "db"
}

locals {
  port = jsondecode(data.amazon-secretsmanager.whole.secret_string).port
}

source "file" "x" {
  target  = "out.txt"
  content = <<-EOT
    ${data.amazon-parameterstore.ami.value} ${data.amazon-parameterstore.ami.version}
    ${data.amazon-parameterstore.ami.arn}
    ${data.amazon-parameterstore.token.value} ${data.amazon-parameterstore.token.version}
    ${data.amazon-secretsmanager.password.value} ${data.amazon-secretsmanager.whole.value} ${local.port}
    ${aws_secretsmanager("db", "user")} ${aws_secretsmanager("plain", null)}
    ${aws_secretsmanager_raw("db")}
  EOT
}

build {
  sources = ["source.file.x"]

  provisioner "shell-local" {
    inline = ["cat out.txt", "echo ${data.amazon-secretsmanager.password.value}"]
  }
}
"#;

#[test]
fn parameters_and_secrets_of_aws_in_hcl() {
    let Some((env, server)) = moto("parameters_and_secrets_of_aws_in_hcl") else { return };
    env.write("web/web.pkr.hcl", HCL);
    let output = env.run(["build", "web"]).expect(0).has("ami-0123456789abcdef0").has("<sensitive>");
    let out = std::fs::read_to_string(env.work().join("out.txt")).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "ami-0123456789abcdef0 1");
    assert!(lines[1].starts_with("arn:aws:ssm:eu-west-1:") && lines[1].ends_with(":parameter/web/ami"), "{}", lines[1]);
    assert_eq!(lines[2], "parameter-secret 2");
    assert_eq!(lines[3], "json-secret webuser 5432");
    assert_eq!(lines[4], "webuser plain-secret");
    assert_eq!(lines[5], r#"{"user":"webuser","password":"json-secret","port":5432}"#);
    for secret in ["parameter-secret", "json-secret", "plain-secret", "webuser"] {
        assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret), "{secret}: {}", output.stdout);
    }
    // Without asking, all of it is not known yet.
    env.write(
        "data/data.pkr.hcl",
        &HCL.replace("${aws_secretsmanager(\"db\", \"user\")} ${aws_secretsmanager(\"plain\", null)}", "")
            .replace("${aws_secretsmanager_raw(\"db\")}", ""),
    );
    let (endpoint, nowhere) = (format!("http://127.0.0.1:{}", server.port), "http://127.0.0.1:9");
    let mut env = env;
    env.set("AWS_ENDPOINT_URL", nowhere);
    env.run(["validate", "data"]).expect(0).has("The configuration is valid.");
    env.set("AWS_ENDPOINT_URL", endpoint);
    env.run(["validate", "-evaluate-datasources", "data"]).expect(0);
}

#[test]
fn secrets_of_aws_in_json_and_what_is_not_there() {
    let Some((env, _server)) = moto("secrets_of_aws_in_json_and_what_is_not_there") else { return };
    let template = r#"{
  "variables": {
    "password": "{{ aws_secretsmanager `db` `password` }}",
    "plain": "{{ aws_secretsmanager `plain` }}",
    "raw": "{{ aws_secretsmanager_raw `db` }}"
  },
  "builders": [{"type": "file", "target": "out.txt", "content": "{{user `password`}} {{user `plain`}} {{user `raw`}}"}],
  "provisioners": [{"type": "shell-local", "inline": ["cat out.txt; echo {{user `password`}}"]}]
}"#;
    env.write("t.json", template);
    let output = env.run(["build", "t.json"]).expect(0).has("<sensitive>");
    assert!(!output.stdout.contains("json-secret") && !output.stdout.contains("plain-secret"), "{}", output.stdout);
    let out = std::fs::read_to_string(env.work().join("out.txt")).unwrap();
    assert_eq!(out, r#"json-secret plain-secret {"user":"webuser","password":"json-secret","port":5432}"#);
    for (expression, why) in [
        ("aws_secretsmanager `db`", "several values"),
        ("aws_secretsmanager `db` `nope`", "no key \\\"nope\\\""),
        ("aws_secretsmanager `nope`", "there is no secret \\\"nope\\\""),
        ("aws_secretsmanager_raw `binary`", "is not a text"),
    ] {
        env.write("bad.json", &template.replace("aws_secretsmanager `plain`", expression));
        let output = env.run(["validate", "bad.json"]).expect(1).has("bad.json:4:").has(&why.replace("\\\"", "\""));
        assert!(!output.stdout.contains("json-secret"), "{}", output.stdout);
    }
    for (from, to, place, why) in [
        ("\"/web/ami\"", "\"/web/nope\"", "web.pkr.hcl:2:", "there is no parameter \"/web/nope\" in eu-west-1"),
        ("\"/web/ami\"", "\"/web/ami:9\"", "web.pkr.hcl:2:", "/web/ami:9"),
        ("name = \"db\"\n  key  = \"password\"", "name = \"nope\"", "web.pkr.hcl:11:", "there is no secret \"nope\""),
        ("key  = \"password\"", "key  = \"pass\"", "web.pkr.hcl:11:", "it has no key \"pass\""),
        ("key  = \"password\"", "version_id = \"00000000-0000-0000-0000-000000000000\"", "web.pkr.hcl:11:", "00000000"),
    ] {
        assert!(HCL.contains(from), "{from}");
        env.write("bad/web.pkr.hcl", &HCL.replace(from, to));
        env.run(["build", "bad"]).expect(1).has(place).has(why);
    }
}

/// Answers every request by its path and its token; any number of them.
fn stub() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|l| l.to_lowercase()).collect();
            let has = |header: &str| headers.iter().any(|line| line == header);
            let (status, body) = match request.split(' ').nth(1).unwrap_or_default() {
                path if path.starts_with("/v1/")
                    && !path.starts_with("/v1/kv/web/")
                    && !has("x-vault-token: let-me-in") =>
                {
                    (403, r#"{"errors":["permission denied"]}"#)
                }
                "/v1/secret/data/web" => (200, r#"{"data":{"data":{"password":"vault-secret"},"metadata":{}}}"#),
                "/v1/old/web" => (200, r#"{"data":{"password":"old-vault-secret"}}"#),
                "/v1/kv/web/size?dc=" | "/v1/kv/web/size" if has("x-consul-token: consul-token") => {
                    (200, r#"[{"Key":"web/size","Value":"dDMubWljcm8="}]"#)
                }
                "/v1/kv/web/size" => (403, "rpc error: Permission denied"),
                _ => (404, r#"{"errors":[]}"#),
            };
            let text =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = (&stream).write_all(text.as_bytes());
        }
    });
    port
}

#[test]
fn vault_and_consul() {
    let mut env = Env::new();
    let port = stub();
    env.set("VAULT_ADDR", format!("http://127.0.0.1:{port}")).set("VAULT_TOKEN", "let-me-in");
    env.set("CONSUL_HTTP_ADDR", format!("127.0.0.1:{port}")).set("CONSUL_HTTP_TOKEN", "consul-token");
    env.write(
        "t.json",
        r#"{
  "variables": {
    "password": "{{ vault `secret/data/web` `password` }}",
    "old": "{{ vault `/old/web` `password` }}",
    "size": "{{ consul_key `web/size` }}"
  },
  "builders": [{"type": "file", "target": "out.txt", "content": "{{user `password`}} {{user `old`}} {{user `size`}}"}],
  "provisioners": [{"type": "shell-local", "inline": ["cat out.txt"]}]
}"#,
    );
    let output = env.run(["build", "t.json"]).expect(0).has("<sensitive> <sensitive> t3.micro");
    assert!(!output.stdout.contains("vault-secret"), "{}", output.stdout);
    assert_eq!(std::fs::read_to_string(env.work().join("out.txt")).unwrap(), "vault-secret old-vault-secret t3.micro");
    let hcl = "source \"file\" \"x\" {\n  target  = \"hcl.txt\"\n  content = \"${vault(\"secret/data/web\", \"password\")} ${consul_key(\"web/size\")}\"\n}\n\nbuild {\n  sources = [\"source.file.x\"]\n}\n";
    env.write("t.pkr.hcl", hcl);
    env.run(["build", "t.pkr.hcl"]).expect(0);
    assert_eq!(std::fs::read_to_string(env.work().join("hcl.txt")).unwrap(), "vault-secret t3.micro");
    for (from, to, why) in [
        ("secret/data/web", "secret/data/nope", "Vault Secret does not exist"),
        ("\"password\"", "\"passwort\"", "does not contain the requested key \"passwort\""),
        ("web/size", "web/nope", "key does not exist"),
    ] {
        env.write("bad.pkr.hcl", &hcl.replace(from, to));
        env.run(["validate", "bad.pkr.hcl"]).expect(1).has("bad.pkr.hcl:3:").has(why);
    }
    env.set("VAULT_TOKEN", "wrong");
    env.run(["validate", "t.pkr.hcl"]).expect(1).has("code 403: permission denied");
    env.unset("VAULT_TOKEN");
    env.run(["validate", "t.pkr.hcl"]).expect(1).has("VAULT_TOKEN").has("t.pkr.hcl:3:");
}

#[test]
fn an_error_that_quotes_a_variable_file_hides_its_secret() {
    let env = Env::new();
    env.write(
        "web/web.pkr.hcl",
        "variable \"password\" {\n  type      = string\n  sensitive = true\n  validation {\n    condition     = length(var.password) > 20\n    error_message = \"It is too short.\"\n  }\n}\n\nsource \"null\" \"x\" {\n  communicator = \"none\"\n}\n\nbuild {\n  sources = [\"source.null.x\"]\n}\n",
    );
    env.write("web/web.auto.pkrvars.hcl", "password = \"hunter2hunter2\"\n");
    let output = env.run(["validate", "web"]).expect(1).has("It is too short.").has("<sensitive>");
    assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
}
