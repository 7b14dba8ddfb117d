//! Credentials of HashiCorp Vault's AWS secrets engine (`vault_aws_engine`), by Vault's HTTP API: `GET /v1/ENGINE/creds/NAME`, or
//! `PUT /v1/ENGINE/sts/NAME` where a role is to be assumed; leases are renewed and, at the end, revoked (`/v1/sys/leases/…`).
//!
//! Where Vault is, and who we are to it, comes from the environment, as with Vault's own client: `VAULT_ADDR`, `VAULT_TOKEN`,
//! `VAULT_NAMESPACE`, `VAULT_CACERT`, `VAULT_SKIP_VERIFY`.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use imgbuild_builders::amazon::options::access::Vault;
use imgbuild_diag::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Mutex;

/// A lease that ends sooner than this is renewed first.
const SPARE: Duration = Duration::from_secs(120);

/// Vault, as the environment names it.
#[derive(Clone)]
struct Server {
    address: String,
    token: Secret,
    namespace: Option<String>,
    agent: ureq::Agent,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault at {}", self.address)
    }
}

impl Server {
    fn of(env: &BTreeMap<String, String>) -> Result<Self, String> {
        let set = |name: &str| env.get(name).map(String::as_str).filter(|v| !v.is_empty());
        let address = set("VAULT_ADDR").unwrap_or("https://127.0.0.1:8200").trim_end_matches('/').to_owned();
        let token = set("VAULT_TOKEN").ok_or("\"vault_aws_engine\" needs VAULT_TOKEN in the environment")?;
        let mut tls = ureq::tls::TlsConfig::builder();
        if let Some(path) = set("VAULT_CACERT") {
            let text = std::fs::read(path).map_err(|e| format!("VAULT_CACERT {path}: {e}"))?;
            let certificates: Vec<_> = ureq::tls::parse_pem(&text)
                .filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(format!("VAULT_CACERT {path} holds no certificate"));
            }
            tls = tls.root_certs(ureq::tls::RootCerts::new_with_certs(&certificates));
        }
        if set("VAULT_SKIP_VERIFY").is_some_and(|v| matches!(v, "1" | "t" | "T" | "true" | "TRUE" | "True")) {
            tls = tls.disable_verification(true);
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .tls_config(tls.build())
            .http_status_as_error(false)
            .build();
        Ok(Server {
            address,
            token: Secret::new(token.to_owned()),
            namespace: set("VAULT_NAMESPACE").map(str::to_owned),
            agent: ureq::Agent::new_with_config(config),
        })
    }

    /// A call; none where there is nothing at the path.
    async fn call(&self, path: String, body: Option<Value>) -> Result<Option<Value>, String> {
        let server = self.clone();
        let ask = move || -> Result<Option<Value>, String> {
            let url = format!("{}/v1/{path}", server.address);
            let failed = |e: ureq::Error| format!("Vault at {}: {e}", server.address);
            let token = server.token.expose().as_str();
            let namespace = server.namespace.as_deref();
            let mut answer = match &body {
                None => {
                    let mut call = server.agent.get(&url).header("X-Vault-Token", token);
                    if let Some(namespace) = namespace {
                        call = call.header("X-Vault-Namespace", namespace);
                    }
                    call.call().map_err(failed)?
                }
                Some(body) => {
                    let mut call = server.agent.put(&url).header("X-Vault-Token", token);
                    if let Some(namespace) = namespace {
                        call = call.header("X-Vault-Namespace", namespace);
                    }
                    call.header("Content-Type", "application/json").send(body.to_string()).map_err(failed)?
                }
            };
            let status = answer.status().as_u16();
            let text = answer.body_mut().read_to_string().map_err(failed)?;
            let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            match status {
                200 => Ok(Some(value)),
                204 => Ok(Some(Value::Null)),
                404 => Ok(None),
                _ => {
                    let errors = value["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    let errors: Vec<&str> = errors.collect();
                    Err(format!("Vault refused {path} ({status}): {}", errors.join("; ").replace('\n', " ")))
                }
            }
        };
        tokio::task::spawn_blocking(ask).await.map_err(|e| e.to_string())?
    }
}

/// A lease with its credentials.
#[derive(Debug, Clone)]
struct Lease {
    id: String,
    renewable: bool,
    /// When it ends; none: never.
    end: Option<Instant>,
    credentials: Credentials,
}

/// Credentials from Vault: asked for when they are first needed, the lease renewed or made anew before it ends.
#[derive(Debug, Clone)]
pub struct VaultCredentials {
    server: Server,
    engine: Vault,
    open: Arc<Mutex<Vec<Lease>>>,
}

impl VaultCredentials {
    /// Of an engine; nothing is asked yet. The error is one sentence.
    pub fn new(engine: &Vault, env: &BTreeMap<String, String>) -> Result<Self, String> {
        Ok(VaultCredentials { server: Server::of(env)?, engine: engine.clone(), open: Arc::default() })
    }

    async fn current(&self) -> Result<Credentials, String> {
        let mut open = self.open.lock().await;
        let ends_soon = |lease: &Lease| lease.end.is_some_and(|end| end < Instant::now() + SPARE);
        if let Some(lease) = open.last_mut() {
            if !ends_soon(lease) {
                return Ok(lease.credentials.clone());
            }
            if lease.renewable && self.renew(lease).await && !ends_soon(lease) {
                return Ok(lease.credentials.clone());
            }
        }
        let lease = self.ask().await?;
        let credentials = lease.credentials.clone();
        open.push(lease);
        Ok(credentials)
    }

    async fn ask(&self) -> Result<Lease, String> {
        let Vault { engine, name, role_arn, ttl } = &self.engine;
        let (path, body) = match role_arn {
            Some(role) => {
                let mut body = json!({ "role_arn": role });
                if let Some(ttl) = ttl {
                    body["ttl"] = ttl.as_str().into();
                }
                (format!("{engine}/sts/{name}"), Some(body))
            }
            None => (format!("{engine}/creds/{name}"), None),
        };
        let answer = self.server.call(path.clone(), body).await?;
        let answer = answer.ok_or_else(|| format!("Vault has no secret at {path}"))?;
        let text = |name: &str| answer["data"][name].as_str().map(str::to_owned);
        let (Some(id), Some(secret)) = (text("access_key"), text("secret_key")) else {
            return Err(format!("Vault's answer for {path} holds no access key"));
        };
        let seconds = answer["lease_duration"].as_u64().filter(|s| *s > 0);
        let end = seconds.and_then(|s| Instant::now().checked_add(Duration::from_secs(s)));
        Ok(Lease {
            id: answer["lease_id"].as_str().unwrap_or_default().to_owned(),
            renewable: answer["renewable"].as_bool().unwrap_or(false),
            end,
            credentials: Credentials::new(id, secret, text("security_token"), expiry(seconds), "vault"),
        })
    }

    /// Lets the lease live on. Where Vault does not want to, new credentials are asked for.
    async fn renew(&self, lease: &mut Lease) -> bool {
        let Ok(Some(answer)) = self.server.call("sys/leases/renew".into(), Some(json!({ "lease_id": lease.id }))).await
        else {
            return false;
        };
        let Some(seconds) = answer["lease_duration"].as_u64().filter(|s| *s > 0) else { return false };
        lease.end = Instant::now().checked_add(Duration::from_secs(seconds));
        let old = &lease.credentials;
        let (id, secret, token) =
            (old.access_key_id(), old.secret_access_key(), old.session_token().map(str::to_owned));
        lease.credentials = Credentials::new(id, secret, token, expiry(Some(seconds)), "vault");
        true
    }

    /// Revokes what was leased: an IAM user that Vault made for it goes at once. The errors are sentences.
    pub async fn revoke(&self) -> Vec<String> {
        let mut failed = Vec::new();
        for lease in self.open.lock().await.drain(..).filter(|lease| !lease.id.is_empty()) {
            let revoked = self.server.call("sys/leases/revoke".into(), Some(json!({ "lease_id": lease.id }))).await;
            if let Err(why) = revoked {
                failed.push(format!("the lease {} was not revoked: {why}", lease.id));
            }
        }
        failed
    }
}

/// The SDK asks again some time before.
fn expiry(seconds: Option<u64>) -> Option<SystemTime> {
    SystemTime::now().checked_add(Duration::from_secs(seconds?))
}

impl ProvideCredentials for VaultCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.current().await.map_err(CredentialsError::provider_error) })
    }
}
