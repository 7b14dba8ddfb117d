//! Credentials, regions, endpoints, retries: from what a template says to clients.

use crate::ec2::Client;
use crate::iam::IamClient;
use crate::pace::paced;
use crate::renew::{Given, Refusals, Renewing};
use crate::retry::Creating;
use crate::services;
use crate::session::Sessions;
use crate::ssm::SsmClient;
use crate::vault::VaultCredentials;
use async_trait::async_trait;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region as SdkRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use imgbuild_builders::amazon::ec2::{Account, Accounts, Ec2, Ec2Result};
use imgbuild_builders::amazon::iam::Iam;
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::is_loopback;
use imgbuild_builders::amazon::options::access::{Access, AssumeRole, Mfa, StaticKeys};
use imgbuild_builders::amazon::secrets::{Parameter, SecretValue, SecretVersion};
use imgbuild_builders::amazon::ssm::Ssm;
use imgbuild_engine::journal::Place;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// EC2's calls answer within seconds; a connection that does not is dead, and the SDK tries again.
const CONNECT: Duration = Duration::from_secs(10);
const ATTEMPT: Duration = Duration::from_secs(60);

/// Opens accounts over the AWS SDK. Accounts of equal access are opened once.
#[derive(Default)]
pub struct AwsAccounts {
    /// What Vault's client takes from the environment.
    env: BTreeMap<String, String>,
    open: tokio::sync::Mutex<Vec<(Access, Arc<AwsAccount>)>>,
}

impl AwsAccounts {
    /// None open yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an environment for what the SDK does not know of (`VAULT_ADDR`, …).
    pub fn with_env(env: BTreeMap<String, String>) -> Self {
        AwsAccounts { env, ..Self::default() }
    }

    /// Gives back what was lent: leases of Vault. What could not be given back, one sentence each.
    pub async fn close(&self) -> Vec<String> {
        let mut failed = Vec::new();
        for (_, account) in self.open.lock().await.iter() {
            if let Some(vault) = &account.vault {
                failed.extend(vault.revoke().await);
            }
        }
        failed
    }
}

#[async_trait]
impl Accounts for AwsAccounts {
    async fn open(&self, access: &Access) -> Result<Arc<dyn Account>, String> {
        let mut open = self.open.lock().await;
        if let Some((_, account)) = open.iter().find(|(known, _)| known == access) {
            return Ok(Arc::clone(account) as Arc<dyn Account>);
        }
        let account = Arc::new(AwsAccount::load(access, &self.env).await?);
        open.push((access.clone(), Arc::clone(&account)));
        Ok(account)
    }

    async fn reopen(&self, place: &Place) -> Result<Arc<dyn Account>, String> {
        let mut access = Access::of_place(place);
        // Secrets are not in the journal. An emulator on this machine asks for none; AWS needs the usual chain.
        if let (Some(endpoint), Some(id)) = (&place.endpoint, &place.access_key_id)
            && is_loopback(endpoint)
        {
            let secret = imgbuild_diag::Secret::new("unknown".to_owned());
            access.keys = Some(StaticKeys { id: id.clone(), secret, token: None });
        }
        self.open(&access).await
    }
}

/// One set of credentials.
struct AwsAccount {
    access: Access,
    config: SdkConfig,
    /// Credentials that can be asked for again.
    renewing: Option<Arc<Renewing>>,
    vault: Option<VaultCredentials>,
    clients: Mutex<HashMap<Region, Arc<dyn Ec2>>>,
}

impl AwsAccount {
    async fn load(access: &Access, env: &BTreeMap<String, String>) -> Result<Self, String> {
        if access.insecure_tls && access.endpoint.is_some() && !is_plain(access) {
            return Err(
                "insecure_skip_tls_verify is not supported for an https endpoint: add the endpoint's CA to this \
                        machine's trusted certificates instead (SSL_CERT_FILE names a file of them)"
                    .into(),
            );
        }
        let mut loader = defaults(access);
        let vault = access.vault.as_ref().map(|engine| VaultCredentials::new(engine, env)).transpose()?;
        if let Some(vault) = &vault {
            loader = loader.credentials_provider(vault.clone());
        } else if let Some(keys) = &access.keys {
            let token = keys.token.as_ref().map(|t| t.expose().clone());
            let fixed = Credentials::new(&keys.id, keys.secret.expose(), token, None, "template");
            loader = loader.credentials_provider(fixed);
        } else if access.skip_metadata {
            loader = loader.credentials_provider(without_metadata(access));
        }
        if let Some(region) = &access.region {
            loader = loader.region(SdkRegion::new(region.as_str().to_owned()));
        } else if access.skip_metadata || access.endpoint.is_some() {
            // The default chain ends at the metadata service, which costs seconds where there is none.
            loader = loader.region(region_without_metadata());
        }
        let mut config = loader.load().await;
        let emulator = emulator(access);
        if vault.is_some() {
            services::known(&config, emulator).await;
        }
        let sessions = match (&access.mfa, &access.assume_role) {
            (Some(mfa), _) => Some(second_factor(access, mfa, &config, emulator).await?),
            (None, Some(role)) => Some(Sessions::role(&config, emulator, role)),
            (None, None) => None,
        };
        let lasting = access.keys.is_some() && sessions.is_none();
        if let Some(sessions) = sessions {
            config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(sessions)).build();
        }
        let mut renewing = None;
        if !lasting && let Some(provider) = config.credentials_provider() {
            let provider = Arc::new(Renewing::new(provider));
            let cache = aws_config::identity::IdentityCache::no_cache();
            let builder = config.into_builder().identity_cache(cache);
            let shared = SharedCredentialsProvider::new(Given(Arc::clone(&provider)));
            config = builder.credentials_provider(shared).build();
            renewing = Some(provider);
        }
        Ok(AwsAccount { access: access.clone(), config, renewing, vault, clients: Mutex::default() })
    }

    /// The endpoint for services beside EC2, where there is one for all.
    fn emulator(&self) -> Option<&str> {
        emulator(&self.access)
    }

    fn creating(&self) -> Creating {
        Creating { attempts: self.access.max_attempts, emulated: self.access.endpoint.is_some() }
    }
}

/// An EC2 endpoint on this machine is an emulator, and the other services are there, too.
fn emulator(access: &Access) -> Option<&str> {
    access.endpoint.as_deref().filter(|endpoint| is_loopback(endpoint))
}

/// A session with a second factor: of the role that the template or the profile names, else of the credentials themselves.
async fn second_factor(
    access: &Access,
    mfa: &Mfa,
    config: &SdkConfig,
    emulator: Option<&str>,
) -> Result<Sessions, String> {
    let files = profile_files(access).unwrap_or_default();
    let (fs, env) = (aws_types::os_shim_internal::Fs::real(), aws_types::os_shim_internal::Env::real());
    let selected = access.profile.clone().map(std::borrow::Cow::Owned);
    // Without files there is nothing to be had from them; keys may stand in the template or the environment.
    let profiles = aws_config::profile::load(&fs, &env, &files, selected).await.ok();
    let of = |key: &str| profiles.as_ref().and_then(|p| p.get(key)).map(str::to_owned);
    let serial = mfa.serial.clone().or_else(|| of("mfa_serial")).ok_or(
        "\"mfa_code\" is set, but which device it is of is not known: set \"mfa_serial\" in the template or in the profile",
    )?;
    if let Some(role) = &access.assume_role {
        return Ok(Sessions::role(config, emulator, role).with_mfa(mfa, &serial));
    }
    let Some(role_arn) = of("role_arn") else { return Ok(Sessions::own(config, emulator).with_mfa(mfa, &serial)) };
    let role = AssumeRole {
        external_id: of("external_id"),
        session_name: of("role_session_name"),
        duration: of("duration_seconds").and_then(|s| s.parse().ok()).map(Duration::from_secs),
        ..AssumeRole::new(role_arn)
    };
    let Some(source) = of("source_profile") else {
        return Err("the profile names a role but no \"source_profile\" whose keys open the session".into());
    };
    let mut loader = defaults(access).profile_name(source);
    if let Some(region) = config.region() {
        loader = loader.region(region.clone());
    }
    Ok(Sessions::role(&loader.load().await, emulator, &role).with_mfa(mfa, &serial))
}

/// Whether the endpoint speaks plain HTTP, so that no certificate matters.
fn is_plain(access: &Access) -> bool {
    access.endpoint.as_deref().is_some_and(|e| e.starts_with("http://"))
}

fn defaults(access: &Access) -> ConfigLoader {
    let builder = aws_smithy_http_client::Builder::new();
    let http = if is_plain(access) && access.keys.is_some() && access.assume_role.is_none() {
        // Nothing here speaks TLS, and reading the system's certificates takes time. An emulator that answers in two packets
        // waits on a kept connection for our delayed acknowledgement (40 ms a call); a new one costs nothing beside it.
        builder.pool_max_idle_per_host(0).build_http()
    } else {
        https()
    };
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
    // Packer counts 10 tries by default; exponential with jitter, as the SDK's standard mode.
    let retries = RetryConfig::standard()
        .with_max_attempts(access.max_attempts.max(1))
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(20));
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(paced(http))
        .retry_config(retries)
        .timeout_config(timeouts);
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(files) = profile_files(access) {
        loader = loader.profile_files(files);
    }
    loader
}

/// `shared_credentials_file` stands in the place of `~/.aws/credentials`.
fn profile_files(access: &Access) -> Option<EnvConfigFiles> {
    let file = access.shared_credentials_file.as_ref()?;
    Some(
        EnvConfigFiles::builder()
            .with_file(EnvConfigFileKind::Credentials, file)
            .include_default_config_file(true)
            .build(),
    )
}

/// The usual chain, less this machine's metadata service (`skip_metadata_api_check`).
fn without_metadata(access: &Access) -> CredentialsProviderChain {
    // Providers that ask over HTTP take no client of their own accord.
    let config = ProviderConfig::without_region().with_http_client(https());
    let config = match &access.region {
        Some(region) => config.with_region(Some(SdkRegion::new(region.as_str().to_owned()))),
        None => config,
    };
    let mut profile = aws_config::profile::ProfileFileCredentialsProvider::builder().configure(&config);
    if let Some(name) = &access.profile {
        profile = profile.profile_name(name);
    }
    if let Some(files) = profile_files(access) {
        profile = profile.profile_files(files);
    }
    let web = aws_config::web_identity_token::WebIdentityTokenCredentialsProvider::builder().configure(&config);
    CredentialsProviderChain::first_try(
        "Environment",
        aws_config::environment::EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else("Profile", profile.build())
    .or_else("WebIdentityToken", web.build())
    .or_else("EcsContainer", aws_config::ecs::EcsCredentialsProvider::builder().configure(&config).build())
}

fn https() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn region_without_metadata() -> aws_config::meta::region::RegionProviderChain {
    aws_config::meta::region::RegionProviderChain::first_try(
        aws_config::environment::EnvironmentVariableRegionProvider::new(),
    )
    .or_else(aws_config::profile::ProfileFileRegionProvider::new())
}

#[async_trait]
impl Account for AwsAccount {
    fn default_region(&self) -> Option<Region> {
        self.config.region().map(|r| Region::new(r.as_ref()))
    }

    fn ec2(&self, region: &Region) -> Arc<dyn Ec2> {
        let mut clients = self.clients.lock().unwrap_or_else(|e| e.into_inner());
        let make = || {
            let mut builder = aws_sdk_ec2::config::Builder::from(&self.config);
            builder.set_region(Some(SdkRegion::new(region.as_str().to_owned())));
            // All regions and all calls: Packer's own client forgets the endpoint in every region but the first.
            builder.set_endpoint_url(
                self.access.endpoint.clone().or_else(|| self.config.endpoint_url().map(str::to_owned)),
            );
            if let Some(renewing) = &self.renewing {
                builder = builder.retry_classifier(Refusals(Arc::clone(renewing)));
            }
            let sdk = aws_sdk_ec2::Client::from_conf(builder.build());
            Arc::new(Client::new(region.clone(), sdk, self.creating())) as Arc<dyn Ec2>
        };
        Arc::clone(clients.entry(region.clone()).or_insert_with(make))
    }

    fn iam(&self) -> Arc<dyn Iam> {
        let mut builder = aws_sdk_iam::config::Builder::from(&self.config);
        if self.config.region().is_none() {
            // IAM is one for all regions; the SDK wants one to sign for.
            builder.set_region(self.access.region.as_ref().map(|r| SdkRegion::new(r.as_str().to_owned())));
        }
        if let Some(url) = self.emulator() {
            builder = builder.endpoint_url(url);
        }
        Arc::new(IamClient { sdk: aws_sdk_iam::Client::from_conf(builder.build()), creating: self.creating() })
    }

    fn ssm(&self, region: &Region) -> Arc<dyn Ssm> {
        let region = SdkRegion::new(region.as_str().to_owned());
        let mut ssm = aws_sdk_ssm::config::Builder::from(&self.config).region(region.clone());
        let mut kms = aws_sdk_kms::config::Builder::from(&self.config).region(region);
        if let Some(url) = self.emulator() {
            (ssm, kms) = (ssm.endpoint_url(url), kms.endpoint_url(url));
        }
        Arc::new(SsmClient {
            sdk: aws_sdk_ssm::Client::from_conf(ssm.build()),
            kms: aws_sdk_kms::Client::from_conf(kms.build()),
            creating: self.creating(),
        })
    }

    async fn check_key(&self, region: &Region, key: &str) -> Ec2Result<()> {
        services::check_key(&self.config, self.emulator(), region, key).await
    }

    async fn decode_authorization(&self, encoded: &str) -> Ec2Result<String> {
        services::decode_authorization(&self.config, self.emulator(), encoded).await
    }

    async fn secret(&self, name: &str, version: &SecretVersion) -> Ec2Result<SecretValue> {
        services::secret(&self.config, self.emulator(), name, version).await
    }

    async fn parameter(&self, name: &str, decrypt: bool) -> Ec2Result<Parameter> {
        services::parameter(&self.config, self.emulator(), name, decrypt).await
    }

    fn place(&self, region: &Region) -> Place {
        self.access.place(region)
    }
}
