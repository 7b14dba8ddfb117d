//! Credentials and single services over the real SDK, against a server that keeps what it is asked: roles with all that a
//! template may say of them, MFA, sessions that end, KMS, decoded refusals, Vault.

use imgbuild_aws::AwsAccounts;
use imgbuild_builders::amazon::ec2::{Account, Accounts, ErrorKind};
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::options::access::{Access, AssumeRole, Mfa, StaticKeys, Vault};
use imgbuild_diag::Secret;
use imgbuild_testkit::aws_stub::{Asked, Stub, empty, refusal, session};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const LATER: &str = "2099-01-01T00:00:00Z";

fn access(stub: &Stub) -> Access {
    Access {
        keys: Some(StaticKeys { id: "BASE".into(), secret: Secret::new("secret".to_owned()), token: None }),
        region: Some(Region::new("eu-central-1")),
        endpoint: Some(stub.url.clone()),
        skip_metadata: true,
        max_attempts: 1,
        ..Access::default()
    }
}

async fn open(access: &Access) -> Arc<dyn Account> {
    AwsAccounts::new().open(access).await.unwrap()
}

fn answers(asked: &Asked, before: usize) -> (u16, String) {
    match asked.action().as_str() {
        action @ ("AssumeRole" | "GetSessionToken") => session(action, &format!("SESSION{before}"), LATER),
        action => empty(action),
    }
}

#[tokio::test]
async fn a_role_is_assumed_with_all_that_the_template_says() {
    let stub = Stub::start(answers);
    let role = AssumeRole {
        duration: Some(Duration::from_secs(1800)),
        external_id: Some("outside".into()),
        policy: Some("{\"Version\":\"2012-10-17\"}".into()),
        policy_arns: vec!["arn:aws:iam::aws:policy/a".into(), "arn:aws:iam::aws:policy/b".into()],
        session_name: Some("nightly".into()),
        tags: BTreeMap::from([("team".to_owned(), "images".to_owned()), ("run".to_owned(), "7 & 8".to_owned())]),
        transitive_tag_keys: vec!["team".into()],
        ..AssumeRole::new("arn:aws:iam::123456789012:role/builder")
    };
    let account = open(&Access { assume_role: Some(role), ..access(&stub) }).await;
    account.ec2(&Region::new("eu-central-1")).regions().await.unwrap();
    account.ec2(&Region::new("us-west-2")).regions().await.unwrap();
    let asked = stub.of("AssumeRole");
    let [assumed] = asked.as_slice() else { panic!("one session for all regions: {asked:?}") };
    assert_eq!(assumed.key(), "BASE");
    for (name, value) in [
        ("RoleArn", "arn:aws:iam::123456789012:role/builder"),
        ("RoleSessionName", "nightly"),
        ("DurationSeconds", "1800"),
        ("ExternalId", "outside"),
        ("Policy", "{\"Version\":\"2012-10-17\"}"),
        ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/a"),
        ("PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/b"),
        ("Tags.member.1.Key", "run"),
        ("Tags.member.1.Value", "7 & 8"),
        ("Tags.member.2.Key", "team"),
        ("TransitiveTagKeys.member.1", "team"),
    ] {
        assert_eq!(assumed.param(name).as_deref(), Some(value), "{name}");
    }
    for call in stub.of("DescribeRegions") {
        assert_eq!(call.key(), "SESSION0");
        assert_eq!(call.headers.get("x-amz-security-token").map(String::as_str), Some("SESSION0-token"));
    }
}

#[tokio::test]
async fn a_second_factor_opens_one_session() {
    let mfa = || Some(Mfa { code: Secret::new("123456".to_owned()), serial: Some("arn:aws:iam::1:mfa/me".into()) });
    let stub = Stub::start(answers);
    let account = open(&Access { mfa: mfa(), ..access(&stub) }).await;
    for region in ["eu-central-1", "us-west-2"] {
        account.ec2(&Region::new(region)).regions().await.unwrap();
    }
    let asked = stub.of("GetSessionToken");
    let [opened] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(opened.param("TokenCode").as_deref(), Some("123456"));
    assert_eq!(opened.param("SerialNumber").as_deref(), Some("arn:aws:iam::1:mfa/me"));
    // With a role the code goes along with that.
    let stub = Stub::start(answers);
    let role = Some(AssumeRole::new("arn:aws:iam::123456789012:role/builder"));
    let account = open(&Access { mfa: mfa(), assume_role: role, ..access(&stub) }).await;
    account.ec2(&Region::new("eu-central-1")).regions().await.unwrap();
    assert_eq!(stub.of("AssumeRole")[0].param("TokenCode").as_deref(), Some("123456"));
    assert!(stub.of("GetSessionToken").is_empty());
}

#[tokio::test]
async fn a_session_that_ends_is_opened_again() {
    let stub = Stub::start(|asked, before| match asked.action().as_str() {
        "AssumeRole" => {
            // Credentials that end within a minute are not used for one more call.
            let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(30);
            session("AssumeRole", &format!("SESSION{before}"), &soon.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        action => empty(action),
    });
    let role = Some(AssumeRole::new("arn:aws:iam::123456789012:role/builder"));
    let account = open(&Access { assume_role: role, ..access(&stub) }).await;
    let ec2 = account.ec2(&Region::new("eu-central-1"));
    ec2.regions().await.unwrap();
    ec2.regions().await.unwrap();
    let keys: Vec<String> = stub.of("DescribeRegions").iter().map(Asked::key).collect();
    assert_eq!(keys, ["SESSION0", "SESSION1"]);
}

#[tokio::test]
async fn a_role_that_is_refused_says_why() {
    let stub = Stub::start(|asked, _| match asked.action().as_str() {
        "AssumeRole" => refusal(403, "AccessDenied", "User: u is not authorized to perform: sts:AssumeRole"),
        action => empty(action),
    });
    let role = Some(AssumeRole::new("arn:aws:iam::123456789012:role/builder"));
    let account = open(&Access { assume_role: role, ..access(&stub) }).await;
    let error = account.ec2(&Region::new("eu-central-1")).regions().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(error.to_string().contains("not authorized to perform: sts:AssumeRole"), "{error}");
}

#[tokio::test]
async fn keys_are_looked_at_before_they_are_used() {
    let stub = Stub::start(|asked, _| {
        let key: serde_json::Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let described = |state: &str, usage: &str| {
            (200, format!("{{\"KeyMetadata\":{{\"KeyId\":\"k\",\"KeyState\":\"{state}\",\"KeyUsage\":\"{usage}\"}}}}"))
        };
        match key["KeyId"].as_str().unwrap_or_default() {
            "alias/good" => described("Enabled", "ENCRYPT_DECRYPT"),
            "alias/off" => described("Disabled", "ENCRYPT_DECRYPT"),
            "alias/gone" => described("PendingDeletion", "ENCRYPT_DECRYPT"),
            "alias/sign" => described("Enabled", "SIGN_VERIFY"),
            _ => (400, "{\"__type\":\"NotFoundException\",\"message\":\"Alias is not found.\"}".to_owned()),
        }
    });
    let account = open(&access(&stub)).await;
    let region = Region::new("us-west-2");
    account.check_key(&region, "alias/good").await.unwrap();
    for (key, code, text) in [
        ("alias/off", "KeyUnusable", "state is Disabled"),
        ("alias/gone", "KeyUnusable", "state is PendingDeletion"),
        ("alias/sign", "KeyUnusable", "for SIGN_VERIFY"),
        ("alias/none", "NotFoundException", "Alias is not found"),
    ] {
        let error = account.check_key(&region, key).await.unwrap_err();
        assert_eq!(error.code, code, "{key}: {error}");
        assert!(error.message.contains(text), "{key}: {error}");
    }
    let scope = stub.asked()[0].headers["authorization"].clone();
    assert!(scope.contains("/us-west-2/kms/"), "the key's own region: {scope}");
}

#[tokio::test]
async fn refusals_are_decoded() {
    let stub = Stub::start(|asked, _| {
        assert_eq!(asked.param("EncodedMessage").as_deref(), Some("4e/co+ded=="));
        let result = "<DecodedMessage>{&quot;allowed&quot;:false}</DecodedMessage>";
        let action = asked.action();
        (200, format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"))
    });
    let account = open(&access(&stub)).await;
    assert_eq!(account.decode_authorization("4e/co+ded==").await.unwrap(), "{\"allowed\":false}");
}

/// Vault and AWS in one server.
fn vault(asked: &Asked, before: usize) -> (u16, String) {
    if asked.path.starts_with("/v1/") {
        if asked.headers.get("x-vault-token").map(String::as_str) != Some("s.token") {
            return (403, "{\"errors\":[\"permission denied\"]}".into());
        }
        return match asked.path.as_str() {
            "/v1/aws/creds/builder" => {
                let body = serde_json::json!({
                    "lease_id": format!("aws/creds/builder/{before}"), "lease_duration": 3600, "renewable": true,
                    "data": {"access_key": "VAULTKEY", "secret_key": "vaultsecret", "security_token": null}
                });
                (200, body.to_string())
            }
            "/v1/team/aws/sts/builder" => {
                let body = serde_json::json!({
                    "lease_id": "team/aws/sts/builder/x", "lease_duration": 900, "renewable": false,
                    "data": {"access_key": "STSKEY", "secret_key": "s", "security_token": "ststoken"}
                });
                (200, body.to_string())
            }
            "/v1/sys/leases/revoke" => (204, String::new()),
            _ => (404, "{\"errors\":[]}".into()),
        };
    }
    match asked.action().as_str() {
        // What IAM made a moment ago is not known everywhere yet.
        "GetCallerIdentity" if before == 0 => refusal(403, "InvalidClientTokenId", "The security token is invalid."),
        "GetCallerIdentity" => (200, "<GetCallerIdentityResponse/>".into()),
        action => empty(action),
    }
}

fn engine(name: &str) -> Vault {
    Vault { engine: "aws".into(), name: name.into(), role_arn: None, ttl: None }
}

fn env(stub: &Stub, token: &str) -> BTreeMap<String, String> {
    [("VAULT_ADDR", format!("{}/", stub.url)), ("VAULT_TOKEN", token.into()), ("VAULT_NAMESPACE", "ns".into())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[tokio::test]
async fn credentials_come_from_vault_and_go_back() {
    let stub = Stub::start(vault);
    let accounts = AwsAccounts::with_env(env(&stub, "s.token"));
    let access = Access { keys: None, vault: Some(engine("builder")), ..access(&stub) };
    let account = accounts.open(&access).await.unwrap();
    account.ec2(&Region::new("eu-central-1")).regions().await.unwrap();
    assert_eq!(stub.of("DescribeRegions")[0].key(), "VAULTKEY");
    assert_eq!(stub.of("GetCallerIdentity").len(), 2, "waited until IAM knew the key");
    assert_eq!(accounts.close().await, Vec::<String>::new());
    let asked = stub.asked();
    let of = |path: &str| asked.iter().filter(|a| a.path == path).cloned().collect::<Vec<_>>();
    assert_eq!(of("/v1/aws/creds/builder").len(), 1);
    assert_eq!(of("/v1/aws/creds/builder")[0].headers["x-vault-namespace"], "ns");
    let [revoked] = of("/v1/sys/leases/revoke").try_into().unwrap();
    assert_eq!((revoked.method.as_str(), revoked.body.as_str()), ("PUT", "{\"lease_id\":\"aws/creds/builder/0\"}"));
}

#[tokio::test]
async fn vault_assumes_a_role() {
    let stub = Stub::start(vault);
    let accounts = AwsAccounts::with_env(env(&stub, "s.token"));
    let wanted = Vault {
        engine: "team/aws".into(),
        role_arn: Some("arn:aws:iam::1:role/r".into()),
        ttl: Some("15m".into()),
        ..engine("builder")
    };
    let access = Access { keys: None, vault: Some(wanted), ..access(&stub) };
    let account = accounts.open(&access).await.unwrap();
    account.ec2(&Region::new("eu-central-1")).regions().await.unwrap();
    let call = &stub.of("DescribeRegions")[0];
    assert_eq!((call.key().as_str(), call.headers["x-amz-security-token"].as_str()), ("STSKEY", "ststoken"));
    let asked = stub.asked();
    let asked = asked.iter().find(|a| a.path == "/v1/team/aws/sts/builder").unwrap();
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body, serde_json::json!({"role_arn": "arn:aws:iam::1:role/r", "ttl": "15m"}));
}

#[tokio::test]
async fn what_vault_refuses_is_told() {
    let stub = Stub::start(vault);
    for (environment, name, text) in [
        (env(&stub, "wrong"), "builder", "permission denied"),
        (env(&stub, "s.token"), "nobody", "Vault has no secret at aws/creds/nobody"),
    ] {
        let accounts = AwsAccounts::with_env(environment);
        let access = Access { keys: None, vault: Some(engine(name)), ..access(&stub) };
        let account = accounts.open(&access).await.unwrap();
        let error = account.ec2(&Region::new("eu-central-1")).regions().await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let accounts = AwsAccounts::new();
    let error = accounts.open(&Access { vault: Some(engine("builder")), ..access(&stub) }).await.err().unwrap();
    assert!(error.contains("VAULT_TOKEN"), "{error}");
}
