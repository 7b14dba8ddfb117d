//! What a failed call means: was anything done, and what should the user hear?

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use imgbuild_builders::amazon::ec2::{Ec2Error, ErrorKind};

/// Codes of refusals for want of permission or of valid credentials (EC2 API reference, "Common client errors").
const AUTH: [&str; 14] = [
    "UnauthorizedOperation",
    "AuthFailure",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "MissingAuthenticationToken",
    "OptInRequired",
    "Blocked",
    "PendingVerification",
    "AccessDenied",
    "AccessDeniedException",
    "UnrecognizedClientException",
];

/// Codes for things that are not there, where they are not `….NotFound`: launch templates, IAM, KMS, sessions, Secrets Manager, SSM.
const NOT_FOUND: [&str; 8] = [
    "InvalidLaunchTemplateId.NotFoundException",
    "InvalidLaunchTemplateName.NotFoundException",
    "NoSuchEntity",
    "NotFoundException",
    "DoesNotExistException",
    "ParameterNotFound",
    "ParameterVersionNotFound",
    "ResourceNotFoundException",
];

/// Codes of throttling.
const THROTTLED: [&str; 5] =
    ["RequestLimitExceeded", "Throttling", "ThrottlingException", "RequestThrottled", "TooManyRequestsException"];

/// What errors say where no connection was made.
pub const UNSENT: [&str; 4] = ["Connection refused", "dns error", "failed to lookup address", "Network is unreachable"];

/// The error of `operation` from the SDK's.
pub fn ec2<E>(operation: &'static str, error: SdkError<E, Response>) -> Ec2Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let make = |code: &str, message: String, kind| Ec2Error {
        operation,
        code: code.to_owned(),
        message,
        request_id: None,
        kind,
    };
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let meta = context.err().meta();
            // AWS always names a code. Without one the answer is not EC2's: a proxy's page, an emulator's crash.
            let code = meta.code().map_or_else(|| format!("Http{status}"), str::to_owned);
            let message = meta.message().unwrap_or_default().to_owned();
            let kind = if THROTTLED.contains(&code.as_str()) {
                ErrorKind::Throttled
            } else if code.ends_with(".NotFound") || code.ends_with(".Unknown") || NOT_FOUND.contains(&code.as_str()) {
                ErrorKind::NotFound
            } else if AUTH.contains(&code.as_str()) {
                ErrorKind::Auth
            } else if status >= 500 && !code.starts_with("Insufficient") {
                ErrorKind::Uncertain
            } else {
                ErrorKind::Certain
            };
            let request_id = meta.extra("aws_request_id").map(str::to_owned);
            Ec2Error { request_id, ..make(&code, message, kind) }
        }
        SdkError::ConstructionFailure(_) => make("Request", chain(&error), ErrorKind::Certain),
        SdkError::TimeoutError(_) => make("Timeout", chain(&error), ErrorKind::Uncertain),
        SdkError::DispatchFailure(_) => {
            let text = chain(&error);
            // No credentials means that nothing was sent; anything else may have arrived.
            let auth = text.contains("credentials");
            // Nor was anything sent where no connection was made.
            let refused = text.contains("invalid peer certificate");
            let kind = match (auth, refused || UNSENT.iter().any(|mark| text.contains(mark))) {
                (true, _) => ErrorKind::Auth,
                (false, true) => ErrorKind::Certain,
                (false, false) => ErrorKind::Uncertain,
            };
            if auth { make("Credentials", no_credentials(&text), kind) } else { make("Connection", text, kind) }
        }
        other => make("Response", chain(&other), ErrorKind::Uncertain),
    }
}

/// Why there are no credentials. The SDK's chain reports every provider, most of them only to say that nobody asked for them.
fn no_credentials(text: &str) -> String {
    let Some((_, attempts)) = text.split_once("no credentials found in chain. Attempted:") else {
        return text.to_owned();
    };
    let failed: Vec<_> =
        attempts.lines().map(str::trim).filter(|l| !l.is_empty() && !l.contains("was not enabled")).collect();
    if failed.is_empty() {
        "no AWS credentials were found".to_owned()
    } else {
        format!("no AWS credentials were found: {}", failed.join("; "))
    }
}

/// The error and its causes in one line; the SDK's own Display says only "dispatch failure".
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_providers_that_failed_are_named() {
        let chain = |rest: &str| {
            format!(
                "other: not enabled: no credentials found in chain. Attempted:\n  Environment: the credential provider was not enabled: not set\n{rest}"
            )
        };
        assert_eq!(super::no_credentials(&chain("")), "no AWS credentials were found");
        assert_eq!(
            super::no_credentials(&chain("  Profile: could not find profile `x`\n")),
            "no AWS credentials were found: Profile: could not find profile `x`"
        );
        assert_eq!(super::no_credentials("failed to load credentials: x"), "failed to load credentials: x");
    }
}
