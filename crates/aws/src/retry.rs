//! Retries of calls that create things.
//!
//! The SDK repeats a call whose reply was lost. Where a call has no idempotency token that makes a second thing, and the first
//! is nobody's. So creating calls are sent once; only a refusal for their number is waited out, for then nothing was done. What
//! becomes of a lost reply is decided by `Env::acquire` of the builders, which looks for the thing first.

use crate::error;
use crate::renew::EXPIRED;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use imgbuild_builders::amazon::ec2::{Ec2Result, ErrorKind};
use std::time::Duration;

/// The override for a creating call.
pub fn no_retry() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}

/// The code of an emulator that crashed over a parameter which it does not know.
pub const CRASHED: &str = "Http500";

/// How a client sends creating calls.
#[derive(Debug, Clone, Copy)]
pub struct Creating {
    /// Tries of a call that is throttled.
    pub attempts: u32,
    /// The endpoint is not AWS's own.
    pub emulated: bool,
}

/// Sends a creating call; waits and sends again only while it is throttled.
pub async fn once<T, E, F, Fut>(how: Creating, send: F, operation: &'static str) -> Ec2Result<T>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, SdkError<E, Response>>>,
{
    let mut pause = Duration::from_millis(500);
    let sent = async || {
        send().await.map_err(|e| error::ec2(operation, e)).map_err(|mut e| {
            if how.emulated && e.code == CRASHED {
                e.kind = ErrorKind::Certain;
            }
            e
        })
    };
    let mut renewed = false;
    for _ in 1..how.attempts {
        match sent().await {
            // Refused for its credentials: nothing was done, and `renew` has thrown them away.
            Err(e) if EXPIRED.contains(&e.code.as_str()) && !renewed => renewed = true,
            Err(e) if e.kind == ErrorKind::Throttled => {
                tokio::time::sleep(pause).await;
                pause = pause.mul_f64(1.7).min(Duration::from_secs(20));
            }
            other => return other,
        }
    }
    sent().await
}
