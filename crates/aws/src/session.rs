//! Sessions of STS: a role with all that a template may say of it, and MFA. The SDK's own provider knows neither session tags
//! nor MFA.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::types as sdk;
use imgbuild_builders::amazon::options::access::{AssumeRole, Mfa};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Credentials of a session, renewed by asking again.
#[derive(Debug, Clone)]
pub struct Sessions {
    sts: aws_sdk_sts::Client,
    kind: Kind,
    /// Serial number and code.
    mfa: Option<(String, imgbuild_diag::Secret)>,
    /// The session that is open. Clients of all regions share it: an MFA code opens one session only.
    open: Arc<Mutex<Option<Credentials>>>,
}

/// A session that ends sooner than this is not used any more.
const SPARE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
enum Kind {
    Role(AssumeRole),
    Session,
}

impl Sessions {
    /// Sessions of a role.
    pub fn role(config: &SdkConfig, endpoint: Option<&str>, role: &AssumeRole) -> Self {
        Sessions { sts: client(config, endpoint), kind: Kind::Role(role.clone()), mfa: None, open: Arc::default() }
    }

    /// Sessions of the credentials themselves, for MFA.
    pub fn own(config: &SdkConfig, endpoint: Option<&str>) -> Self {
        Sessions { sts: client(config, endpoint), kind: Kind::Session, mfa: None, open: Arc::default() }
    }

    /// With a second factor.
    pub fn with_mfa(self, mfa: &Mfa, serial: &str) -> Self {
        Sessions { mfa: Some((serial.to_owned(), mfa.code.clone())), ..self }
    }

    async fn current(&self) -> Result<Credentials, CredentialsError> {
        let mut open = self.open.lock().await;
        if let Some(session) = open.as_ref().filter(|c| c.expiry().is_none_or(|at| at > SystemTime::now() + SPARE)) {
            return Ok(session.clone());
        }
        let session = self.ask().await?;
        *open = Some(session.clone());
        Ok(session)
    }

    async fn ask(&self) -> Result<Credentials, CredentialsError> {
        let (serial, code) = match &self.mfa {
            Some((serial, code)) => (Some(serial.clone()), Some(code.expose().clone())),
            None => (None, None),
        };
        let role = match &self.kind {
            Kind::Session => {
                let call = self.sts.get_session_token().set_serial_number(serial).set_token_code(code);
                let out = call.send().await.map_err(refused)?;
                return credentials(out.credentials());
            }
            Kind::Role(role) => role,
        };
        let session_name = role.session_name.as_deref().unwrap_or("imgbuild");
        let mut call = self
            .sts
            .assume_role()
            .role_arn(&role.role_arn)
            .role_session_name(session_name)
            .set_external_id(role.external_id.clone())
            .set_policy(role.policy.clone())
            .set_serial_number(serial)
            .set_token_code(code);
        if let Some(length) = role.duration {
            call = call.duration_seconds(i32::try_from(length.as_secs()).unwrap_or(i32::MAX));
        }
        for arn in &role.policy_arns {
            call = call.policy_arns(sdk::PolicyDescriptorType::builder().arn(arn).build());
        }
        for (key, value) in &role.tags {
            let tag = sdk::Tag::builder().key(key).value(value).build();
            call = call.tags(tag.map_err(CredentialsError::invalid_configuration)?);
        }
        for key in &role.transitive_tag_keys {
            call = call.transitive_tag_keys(key);
        }
        let out = call.send().await.map_err(refused)?;
        credentials(out.credentials())
    }
}

/// The SDK wraps the reason; people need it.
fn refused<E>(error: aws_sdk_sts::error::SdkError<E, aws_smithy_runtime_api::http::Response>) -> CredentialsError
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    CredentialsError::provider_error(crate::error::ec2("AssumeRole", error))
}

fn client(config: &SdkConfig, endpoint: Option<&str>) -> aws_sdk_sts::Client {
    let mut builder = aws_sdk_sts::config::Builder::from(config);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    aws_sdk_sts::Client::from_conf(builder.build())
}

fn credentials(found: Option<&sdk::Credentials>) -> Result<Credentials, CredentialsError> {
    let found = found.ok_or_else(|| CredentialsError::provider_error("STS answered without credentials"))?;
    let expiry = SystemTime::try_from(*found.expiration()).ok();
    Ok(Credentials::new(
        found.access_key_id(),
        found.secret_access_key(),
        Some(found.session_token().to_owned()),
        expiry,
        "session",
    ))
}

impl ProvideCredentials for Sessions {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}
