//! Where credentials come from, as a user sets it up: profiles, processes, web identity. The program runs `gc --from-tags`, whose
//! calls tell with which key they were signed.

use crate::support::{Env, Output};
use imgbuild_testkit::aws_stub::{Asked, Stub, empty, session};

fn answers(asked: &Asked, before: usize) -> (u16, String) {
    match asked.action().as_str() {
        action @ ("AssumeRole" | "AssumeRoleWithWebIdentity") => {
            session(action, &format!("SESSION{before}"), "2099-01-01T00:00:00Z")
        }
        action => empty(action),
    }
}

/// An environment whose AWS is the stub.
fn env(stub: &Stub) -> Env {
    let mut env = Env::new();
    env.set("AWS_ENDPOINT_URL", &stub.url);
    env.set("AWS_REGION", "us-east-1");
    env
}

fn config(env: &mut Env, text: &str) {
    let file = env.write("aws-config", text);
    env.set("AWS_CONFIG_FILE", file.display().to_string());
}

#[track_caller]
fn look(env: &Env, more: &[&str]) -> Output {
    let mut args = vec!["gc", "--from-tags", "--region", "us-east-1"];
    args.extend(more);
    env.run(args).expect(0).has("nothing to remove")
}

/// The key of every EC2 call.
#[track_caller]
fn key(stub: &Stub) -> String {
    let keys: Vec<String> =
        stub.asked().iter().filter(|a| a.action().starts_with("Describe")).map(Asked::key).collect();
    assert!(!keys.is_empty() && keys.iter().all(|k| *k == keys[0]), "{keys:?}");
    keys[0].clone()
}

#[test]
fn a_chain_of_profiles() {
    let stub = Stub::start(answers);
    let mut env = env(&stub);
    let text = "[profile outer]\nrole_arn = arn:aws:iam::1:role/outer\nsource_profile = inner\n\
                [profile inner]\nrole_arn = arn:aws:iam::1:role/inner\nsource_profile = base\nexternal_id = e\n\
                [profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n";
    config(&mut env, text);
    look(&env, &["--profile", "outer"]);
    let assumed = stub.of("AssumeRole");
    let roles: Vec<_> = assumed.iter().map(|a| (a.key(), a.param("RoleArn").unwrap_or_default())).collect();
    assert_eq!(
        roles,
        [
            ("BASE".to_owned(), "arn:aws:iam::1:role/inner".to_owned()),
            ("SESSION0".to_owned(), "arn:aws:iam::1:role/outer".to_owned())
        ]
    );
    assert_eq!(assumed[0].param("ExternalId").as_deref(), Some("e"));
    assert_eq!(key(&stub), "SESSION1");
}

#[test]
fn a_process_that_prints_credentials() {
    let stub = Stub::start(answers);
    let mut env = env(&stub);
    let json = "{\"Version\":1,\"AccessKeyId\":\"FROMPROCESS\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}";
    let script = env.write("process.sh", &format!("echo '{json}'\n"));
    config(&mut env, &format!("[profile made]\ncredential_process = sh {}\n", script.display()));
    env.set("AWS_PROFILE", "made");
    look(&env, &[]);
    assert_eq!(key(&stub), "FROMPROCESS");
}

#[test]
fn a_web_identity() {
    let stub = Stub::start(answers);
    let mut env = env(&stub);
    let token = env.write("token", "the.web.token");
    env.set("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string());
    env.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod");
    env.set("AWS_ROLE_SESSION_NAME", "pod-7");
    look(&env, &[]);
    let asked = &stub.of("AssumeRoleWithWebIdentity")[0];
    for (name, value) in
        [("WebIdentityToken", "the.web.token"), ("RoleArn", "arn:aws:iam::1:role/pod"), ("RoleSessionName", "pod-7")]
    {
        assert_eq!(asked.param(name).as_deref(), Some(value));
    }
    assert_eq!(key(&stub), "SESSION0");
}

#[test]
fn an_instance_role() {
    let metadata = Stub::start(|asked, _| match asked.path.as_str() {
        "/latest/api/token" => (200, "token".into()),
        "/latest/meta-data/iam/security-credentials/" => (200, "builder".into()),
        "/latest/meta-data/iam/security-credentials/builder" => {
            let json = "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"FROMROLE\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\",\"LastUpdated\":\"2026-01-01T00:00:00Z\"}";
            (200, json.into())
        }
        _ => (404, String::new()),
    });
    let stub = Stub::start(answers);
    let mut env = env(&stub);
    env.unset("AWS_EC2_METADATA_DISABLED");
    env.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url);
    look(&env, &[]);
    assert_eq!(key(&stub), "FROMROLE");
}
