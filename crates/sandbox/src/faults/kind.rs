//! What can happen to a call.

use serde::{Deserialize, Serialize};

use crate::core::Call;
use crate::ssm::Channel;
use crate::state::Time;
use crate::wire::{ApiError, glob};

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// `RequestLimitExceeded`, status 503.
    Throttle,
    /// `InternalError`, status 500.
    InternalError,
    /// `Unavailable`, status 503.
    Unavailable,
    /// Any error.
    Error {
        /// For example `UnauthorizedOperation`.
        code: String,
        /// For people.
        message: String,
        /// HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
    },
    /// The connection closes before anything happens.
    DropBefore,
    /// The call has its effect, then the connection closes: a lost reply.
    DropAfter,
    /// The call waits first.
    Slow {
        /// How long.
        milliseconds: u64,
    },
    /// What the call creates can't be found for a while.
    Hide {
        /// How long.
        seconds: f64,
    },
    /// The session that the call starts has a bad data channel.
    Channel(Channel),
    /// `InsufficientInstanceCapacity` when these instance types (patterns) are asked for.
    NoCapacity {
        /// `m3.*`
        instance_types: Vec<String>,
    },
    /// `RequestLimitExceeded` once a bucket of calls is empty, as EC2's API throttling works.
    RateLimit {
        /// Calls that come back each second.
        per_second: f64,
        /// Calls in the full bucket.
        burst: f64,
    },
    /// The endpoint's clock is this far ahead: what is signed more than five minutes away from it is refused (`AuthFailure`).
    ClockSkew {
        /// Negative: it is behind.
        seconds: i64,
    },
    /// `ExpiredToken` for these access keys (patterns).
    Expired {
        /// `ASIA*`
        access_keys: Vec<String>,
    },
    /// What the call begins to make (an image, a snapshot) fails.
    Fails {
        /// What the state's reason says.
        reason: String,
    },
    /// What the call begins to make (an image, a snapshot) stays pending, until the faults are cleared.
    Stuck,
    /// The SSH server of the instance that the call launches takes connections and says nothing for a while.
    SshHangs {
        /// How long.
        seconds: f64,
    },
    /// `GetConsoleOutput` has no output yet.
    Silent,
}

/// How far a signature's time may be from the endpoint's (IAM user guide, "Signing AWS API requests").
const SKEW: i64 = 300;

/// The calls that a [`FaultKind::RateLimit`] has left.
#[derive(Debug, Default)]
pub struct Bucket(Option<(f64, Time)>);

impl Bucket {
    fn take(&mut self, per_second: f64, burst: f64, now: Time) -> bool {
        let (left, since) = self.0.unwrap_or((burst, now));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds between two calls")]
        let passed = (now.0 - since.0).max(0) as f64 / 1000.0;
        let left = (left + passed * per_second).min(burst);
        let taken = left >= 1.0;
        self.0 = Some((if taken { left - 1.0 } else { left }, now));
        taken
    }
}

fn bad_request() -> u16 {
    400
}

impl FaultKind {
    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::InternalError => "internal-error",
            Self::Unavailable => "unavailable",
            Self::Error { .. } => "error",
            Self::DropBefore => "drop-before",
            Self::DropAfter => "drop-after",
            Self::Slow { .. } => "slow",
            Self::Hide { .. } => "hide",
            Self::Channel(_) => "channel",
            Self::NoCapacity { .. } => "no-capacity",
            Self::RateLimit { .. } => "rate-limit",
            Self::ClockSkew { .. } => "clock-skew",
            Self::Expired { .. } => "expired",
            Self::Fails { .. } => "fails",
            Self::Stuck => "stuck",
            Self::SshHangs { .. } => "ssh-hangs",
            Self::Silent => "silent",
        }
    }

    /// The error that it answers instead of running the call.
    pub fn error(&self) -> Option<ApiError> {
        match self {
            Self::Throttle | Self::RateLimit { .. } => {
                Some(ApiError::new("RequestLimitExceeded", "Request limit exceeded.").status(503))
            }
            Self::InternalError => Some(ApiError::internal("An internal error has occurred")),
            Self::Unavailable => {
                Some(ApiError::new("Unavailable", "The service is unavailable. Please try again shortly.").status(503))
            }
            Self::Error { code, message, status } => Some(ApiError::new(code.clone(), message.clone()).status(*status)),
            Self::NoCapacity { instance_types } => Some(
                ApiError::new(
                    "InsufficientInstanceCapacity",
                    format!(
                        "We currently do not have sufficient {} capacity in the Availability Zone you requested.",
                        instance_types.join(", ")
                    ),
                )
                .status(500),
            ),
            Self::ClockSkew { .. } => Some(
                ApiError::new("AuthFailure", "AWS was not able to validate the provided access credentials")
                    .status(401),
            ),
            Self::Expired { .. } => {
                Some(ApiError::new("ExpiredToken", "The security token included in the request is expired"))
            }
            Self::DropBefore
            | Self::DropAfter
            | Self::Slow { .. }
            | Self::Hide { .. }
            | Self::Channel(_)
            | Self::Fails { .. }
            | Self::Stuck
            | Self::SshHangs { .. }
            | Self::Silent => None,
        }
    }

    /// Whether what the call makes is marked.
    pub fn marks(&self) -> bool {
        matches!(self, Self::Hide { .. } | Self::Fails { .. } | Self::Stuck | Self::SshHangs { .. })
    }

    /// Whether it concerns this call at all.
    pub fn concerns(&self, call: &Call, bucket: &mut Bucket) -> bool {
        match self {
            Self::RateLimit { per_second, burst } => !bucket.take(*per_second, *burst, call.time),
            Self::ClockSkew { seconds } => call
                .signer
                .time
                .is_some_and(|signed| (signed.0 - call.time.plus_seconds(*seconds).0).abs() > SKEW * 1000),
            Self::Expired { access_keys } => access_keys.iter().any(|p| glob(p, &call.signer.access_key)),
            Self::NoCapacity { instance_types } => {
                let asked = call
                    .params
                    .iter()
                    .filter(|(name, _)| *name == "InstanceType" || name.ends_with(".InstanceType"))
                    .map(|(_, value)| value);
                asked.into_iter().any(|t| instance_types.iter().any(|p| glob(p, t)))
            }
            Self::Channel(_) => call.action == "StartSession",
            _ => true,
        }
    }
}
