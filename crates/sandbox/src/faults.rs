//! Misbehaviour on demand: a table of rules, tried in order for every call. Set by library users and by
//! `PUT /_sandbox/faults`.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod kind;
mod marks;

pub use kind::FaultKind;
use marks::Marks;

use crate::core::Call;
use crate::state::{Kind, State, Time};
use crate::wire::{Result, glob};

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

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    marks: Marks,
}

/// A rule with what it has seen.
#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u32,
    bucket: kind::Bucket,
}

/// The rules with how often each matched, and what is hidden.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Inner>);

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all rules; what is hidden shows again, what was held goes on.
    pub fn set(&self, rules: Vec<Fault>) {
        let mut inner = self.lock();
        let rules = rules.into_iter().map(|fault| Rule { fault, seen: 0, bucket: kind::Bucket::default() });
        *inner = Inner { rules: rules.collect(), marks: Marks::default() };
    }

    /// The rules.
    pub fn get(&self) -> Vec<Fault> {
        self.lock().rules.iter().map(|r| r.fault.clone()).collect()
    }

    /// What happens to this call: the first rule that is due decides; rules after it don't count the call.
    pub fn strike(&self, call: &Call) -> Option<FaultKind> {
        let mut inner = self.lock();
        for Rule { fault, seen, bucket } in &mut inner.rules {
            if !glob(&fault.action, &call.action) || !fault.kind.concerns(call, bucket) {
                continue;
            }
            let n = *seen;
            *seen = seen.saturating_add(1);
            if n >= fault.skip && fault.times.is_none_or(|times| n - fault.skip < times) {
                return Some(fault.kind.clone());
            }
        }
        None
    }

    /// Ids that can't be found now.
    pub fn hidden(&self, now: Time) -> BTreeSet<String> {
        self.lock().marks.hidden(now)
    }

    /// Refuses a call that names a hidden id, as if it did not exist.
    pub fn refuse_hidden(&self, call: &Call) -> Result<()> {
        let hidden = self.hidden(call.time);
        match call.params.values().find(|v| hidden.contains(*v)) {
            None => Ok(()),
            Some(id) => Err(Kind::of(id).unwrap_or(Kind::KeyPair).not_found(id)),
        }
    }

    /// The ids before a call whose new ones will be marked.
    pub fn ids_before(call: &Call, state: &State) -> Option<BTreeSet<String>> {
        call.fault.as_ref().is_some_and(FaultKind::marks).then(|| ids(state))
    }

    /// Marks what the call created: hidden, held up, doomed.
    pub fn mark_new(&self, call: &Call, state: &State, known: Option<BTreeSet<String>>) {
        let (Some(known), Some(fault)) = (known, &call.fault) else { return };
        let made = ids(state).difference(&known).cloned().collect();
        self.lock().marks.add(fault, call.time, made);
    }

    /// How far ahead the endpoint's clock is said to be.
    pub fn skew(&self) -> Option<i64> {
        let inner = self.lock();
        inner.rules.iter().find_map(|r| match r.fault.kind {
            FaultKind::ClockSkew { seconds } => Some(seconds),
            _ => None,
        })
    }

    /// Why a thing that is being made will not come to be.
    pub fn doom(&self, id: &str) -> Option<String> {
        self.lock().marks.doom(id)
    }

    /// Whether a thing is to stay as it is for now.
    pub fn holds(&self, id: &str) -> bool {
        self.lock().marks.holds(id)
    }

    /// How long a machine's SSH server is to take connections and say nothing.
    pub fn mute(&self, id: &str) -> Option<Duration> {
        self.lock().marks.mute(id)
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
    use crate::core::Signer;
    use std::collections::BTreeMap;

    fn call(action: &str, params: &[(&str, &str)]) -> Call {
        Call {
            service: "ec2".into(),
            region: "us-east-1".into(),
            action: action.into(),
            signer: Signer { access_key: "AK1".into(), time: Some(Time(0)) },
            time: Time(0),
            params: params.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<BTreeMap<_, _>>(),
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
    fn signatures_are_judged_by_key_and_time() {
        let faults = Faults::default();
        let rule = |kind| vec![Fault { action: "*".into(), skip: 0, times: None, kind }];
        faults.set(rule(FaultKind::Expired { access_keys: vec!["AK2*".into()] }));
        assert_eq!(struck(&faults, "RunInstances"), None);
        faults.set(rule(FaultKind::Expired { access_keys: vec!["AK1".into()] }));
        assert_eq!(struck(&faults, "RunInstances"), Some("expired"));
        faults.set(rule(FaultKind::ClockSkew { seconds: 600 }));
        assert_eq!(struck(&faults, "RunInstances"), Some("clock-skew"));
        faults.set(rule(FaultKind::ClockSkew { seconds: -200 }));
        assert_eq!(struck(&faults, "RunInstances"), None);
    }

    #[test]
    fn a_bucket_lets_bursts_through_and_refills() {
        let faults = Faults::default();
        let kind = FaultKind::RateLimit { per_second: 2.0, burst: 3.0 };
        faults.set(vec![Fault { action: "*".into(), skip: 0, times: None, kind }]);
        let at = |ms| faults.strike(&Call { time: Time(ms), ..call("X", &[]) }).map(|k| k.name());
        let seen: Vec<_> = [0, 0, 0, 0, 400, 600].map(at).to_vec();
        assert_eq!(seen, [None, None, None, Some("rate-limit"), Some("rate-limit"), None]);
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
