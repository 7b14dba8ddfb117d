//! Misbehaviour on demand: a table of rules, tried in order for every call. Set by library users and by
//! `PUT /_sandbox/faults`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::core::Call;
use crate::ssm::Channel;
use crate::state::{Kind, State, Time};
use crate::wire::{ApiError, Result, glob};

/// A rule: for calls of these actions, skip some, then misbehave for some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// A pattern of actions: `RunInstances`, `Describe*`, `*`.
    pub action: String,
    /// How many matching calls pass first.
    #[serde(default)]
    pub skip: u32,
    /// How many then fail; absent is all of them.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub kind: FaultKind,
}

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
        }
    }

    /// The error that it answers instead of running the call.
    pub fn error(&self) -> Option<ApiError> {
        match self {
            Self::Throttle => Some(ApiError::new("RequestLimitExceeded", "Request limit exceeded.").status(503)),
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
            Self::DropBefore | Self::DropAfter | Self::Slow { .. } | Self::Hide { .. } | Self::Channel(_) => None,
        }
    }

    fn concerns(&self, call: &Call) -> bool {
        match self {
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

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<(Fault, u32)>,
    hidden: BTreeMap<String, Time>,
}

/// The rules with how often each matched, and what is hidden.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Inner>);

impl Faults {
    /// Replaces all rules; what is hidden shows again.
    pub fn set(&self, rules: Vec<Fault>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner { rules: rules.into_iter().map(|r| (r, 0)).collect(), hidden: BTreeMap::new() };
    }

    /// The rules.
    pub fn get(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rules.iter().map(|r| r.0.clone()).collect()
    }

    /// What happens to this call: the first rule that is due decides; rules after it don't count the call.
    pub fn strike(&self, call: &Call) -> Option<FaultKind> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut struck = None;
        for (rule, seen) in &mut inner.rules {
            if !glob(&rule.action, &call.action) || !rule.kind.concerns(call) || struck.is_some() {
                continue;
            }
            let n = *seen;
            *seen = seen.saturating_add(1);
            if n >= rule.skip && rule.times.is_none_or(|times| n - rule.skip < times) {
                struck = Some(rule.kind.clone());
            }
        }
        struck
    }

    /// Ids that can't be found now.
    pub fn hidden(&self, now: Time) -> BTreeSet<String> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.hidden.retain(|_, until| *until > now);
        inner.hidden.keys().cloned().collect()
    }

    /// Refuses a call that names a hidden id, as if it did not exist.
    pub fn refuse_hidden(&self, call: &Call) -> Result<()> {
        let hidden = self.hidden(call.time);
        match call.params.values().find(|v| hidden.contains(*v)) {
            None => Ok(()),
            Some(id) => Err(Kind::of(id).unwrap_or(Kind::KeyPair).not_found(id)),
        }
    }

    /// The ids before a call whose new ones will be hidden.
    pub fn ids_before(call: &Call, state: &State) -> Option<BTreeSet<String>> {
        matches!(call.fault, Some(FaultKind::Hide { .. })).then(|| ids(state))
    }

    /// Hides what the call created.
    pub fn hide_new(&self, call: &Call, state: &State, known: Option<BTreeSet<String>>) {
        let (Some(known), Some(FaultKind::Hide { seconds })) = (known, &call.fault) else { return };
        #[expect(clippy::cast_possible_truncation, reason = "a few seconds in milliseconds fit")]
        let until = Time(call.time.0.saturating_add((seconds * 1000.0) as i64));
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.hidden.extend(ids(state).difference(&known).map(|id| (id.clone(), until)));
    }
}

fn ids(state: &State) -> BTreeSet<String> {
    state
        .regions
        .values()
        .flat_map(|r| {
            let keys = r.instances.keys().chain(r.images.keys()).chain(r.snapshots.keys()).chain(r.volumes.keys());
            keys.chain(r.security_groups.keys()).chain(r.key_pairs.keys()).chain(r.launch_templates.keys()).cloned()
        })
        .collect()
}

/// The state without what is hidden.
pub fn without(state: &State, hidden: &BTreeSet<String>) -> State {
    let mut state = state.clone();
    for r in state.regions.values_mut() {
        r.instances.retain(|id, _| !hidden.contains(id));
        r.images.retain(|id, _| !hidden.contains(id));
        r.snapshots.retain(|id, _| !hidden.contains(id));
        r.volumes.retain(|id, _| !hidden.contains(id));
        r.security_groups.retain(|id, _| !hidden.contains(id));
        r.key_pairs.retain(|id, _| !hidden.contains(id));
        r.launch_templates.retain(|id, _| !hidden.contains(id));
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(action: &str, params: &[(&str, &str)]) -> Call {
        Call {
            service: "ec2".into(),
            region: "us-east-1".into(),
            action: action.into(),
            time: Time(0),
            params: params.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            fault: None,
        }
    }

    fn struck(faults: &Faults, action: &str) -> Option<&'static str> {
        faults.strike(&call(action, &[])).map(|k| k.name())
    }

    #[test]
    fn rules_skip_then_strike_then_end() {
        let faults = Faults::default();
        faults.set(vec![
            Fault { action: "Run*".into(), skip: 1, times: Some(2), kind: FaultKind::Throttle },
            Fault { action: "*".into(), skip: 0, times: None, kind: FaultKind::DropAfter },
        ]);
        let seen: Vec<_> = (0..4).map(|_| struck(&faults, "RunInstances")).collect();
        assert_eq!(seen, [Some("drop-after"), Some("throttle"), Some("throttle"), Some("drop-after")]);
        faults.set(Vec::new());
        assert_eq!(struck(&faults, "RunInstances"), None);
    }

    #[test]
    fn capacity_is_missing_for_the_named_types_only() {
        let faults = Faults::default();
        let kind = FaultKind::NoCapacity { instance_types: vec!["m3.*".into()] };
        faults.set(vec![Fault { action: "*".into(), skip: 0, times: None, kind }]);
        assert!(faults.strike(&call("RunInstances", &[("InstanceType", "m3.medium")])).is_some());
        assert!(faults.strike(&call("RunInstances", &[("InstanceType", "t3.micro")])).is_none());
        assert!(faults.strike(&call("DescribeImages", &[])).is_none());
    }

    #[test]
    fn rules_are_json() {
        let rules: Vec<Fault> = serde_json::from_str(
            r#"[{"action":"*","kind":"throttle"},{"action":"CreateImage","skip":1,"kind":{"hide":{"seconds":2.5}}}]"#,
        )
        .unwrap();
        assert_eq!(rules[1].kind, FaultKind::Hide { seconds: 2.5 });
        assert!(serde_json::from_str::<Vec<Fault>>(r#"[{"action":"*","kind":"thorttle"}]"#).is_err());
        assert!(serde_json::from_str::<Vec<Fault>>(r#"[{"action":"*","knid":1,"kind":"throttle"}]"#).is_err());
    }
}
