//! Credentials that the service refuses before their time: asked for again, and the call with them.
//!
//! The SDK keeps credentials until the moment at which their provider said that they expire. Sessions are revoked, clocks differ,
//! and providers say nothing about it; then every call of a long build would fail although the provider has new ones. So what
//! they are kept in is here, and a refusal empties it.

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Codes of a refusal that new credentials mend (EC2 API reference, "Common client errors"; STS).
pub const EXPIRED: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"];

/// Credentials that expire within this time are not used for a call any more.
const EARLY: Duration = Duration::from_secs(60);

/// A provider and the credentials that it gave last.
#[derive(Debug)]
pub struct Renewing {
    inner: SharedCredentialsProvider,
    kept: Mutex<Option<Credentials>>,
    refused: AtomicBool,
    futile: AtomicBool,
}

impl Renewing {
    /// Over a provider, which is asked when they are first needed.
    pub fn new(inner: SharedCredentialsProvider) -> Self {
        Renewing { inner, kept: Mutex::default(), refused: AtomicBool::new(false), futile: AtomicBool::new(false) }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut kept = self.kept.lock().await;
        let refused = self.refused.swap(false, Ordering::Relaxed);
        let usable = |c: &&Credentials| !refused && c.expiry().is_none_or(|end| end > SystemTime::now() + EARLY);
        if let Some(credentials) = kept.as_ref().filter(usable) {
            return Ok(credentials.clone());
        }
        let new = self.inner.provide_credentials().await?;
        let same = |old: &Credentials| {
            old.access_key_id() == new.access_key_id() && old.session_token() == new.session_token()
        };
        if refused {
            tracing::debug!("the service refused credentials before their time; the provider was asked again");
            self.futile.store(kept.as_ref().is_some_and(same), Ordering::Relaxed);
        }
        *kept = Some(new.clone());
        Ok(new)
    }
}

/// Gives them to clients.
#[derive(Debug)]
pub struct Given(pub Arc<Renewing>);

impl ProvideCredentials for Given {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.credentials())
    }
}

/// Notices refusals in the answers of a client.
#[derive(Debug)]
pub struct Refusals(pub Arc<Renewing>);

impl ClassifyRetry for Refusals {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let body = context.response().filter(|r| !r.status().is_success()).and_then(|r| r.body().bytes());
        let text = body.map(String::from_utf8_lossy).unwrap_or_default();
        let refused = EXPIRED.iter().any(|code| text.contains(&format!("<Code>{code}</Code>")));
        // Where the provider gives the same ones again there is nothing to be gained.
        if !refused || self.0.futile.load(Ordering::Relaxed) {
            return RetryAction::NoActionIndicated;
        }
        self.0.refused.store(true, Ordering::Relaxed);
        RetryAction::transient_error()
    }

    fn name(&self) -> &'static str {
        "refused credentials"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Debug)]
    struct Counting(AtomicUsize, bool);

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            let id = if self.1 { format!("AK{n}") } else { "AK".into() };
            future::ProvideCredentials::ready(Ok(Credentials::new(id, "secret", None, None, "test")))
        }
    }

    #[tokio::test]
    async fn a_refusal_brings_new_ones_and_gives_up_on_the_same() {
        for (changes, futile) in [(true, false), (false, true)] {
            let renewing = Renewing::new(SharedCredentialsProvider::new(Counting(AtomicUsize::new(0), changes)));
            let first = renewing.credentials().await.unwrap();
            assert_eq!(renewing.credentials().await.unwrap().access_key_id(), first.access_key_id());
            renewing.refused.store(true, Ordering::Relaxed);
            let second = renewing.credentials().await.unwrap();
            assert_eq!(second.access_key_id() != first.access_key_id(), changes);
            assert_eq!(renewing.futile.load(Ordering::Relaxed), futile);
        }
    }
}
