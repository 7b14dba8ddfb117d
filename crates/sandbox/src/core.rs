//! What an endpoint is made of, and how a request runs: region set up, dry run, transaction, notice to the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::actions::{Action, Context, find};
use crate::caller::Caller;
use crate::calls::Calls;
use crate::disks::Disks;
use crate::faults::{FaultKind, Faults};
use crate::image::Catalogue;
use crate::latency::Latencies;
use crate::machine::MachineKind;
use crate::ssm::{DataKeys, Sessions};
use crate::state::{State, Store, StoreError, Time};
use crate::types::is_region;
use crate::wire::{ApiError, Result, Xml};

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// `ec2`, `sts`, from the scope of the signature.
    pub service: String,
    /// `us-east-1`, from the scope of the signature.
    pub region: String,
    /// `RunInstances`
    pub action: String,
    /// When it came in.
    pub time: Time,
    /// Who signed it, and when.
    pub signer: Signer,
    /// All parameters.
    pub params: BTreeMap<String, String>,
    /// The fault that strikes it.
    pub fault: Option<FaultKind>,
}

/// What the signature says beside its scope.
#[derive(Debug, Clone, Default)]
pub struct Signer {
    /// The access key's id.
    pub access_key: String,
    /// `X-Amz-Date`
    pub time: Option<Time>,
}

impl Call {
    fn dry_run(&self) -> bool {
        self.service == "ec2" && self.params.get("DryRun").is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }
}

/// Everything that requests and workers share.
pub struct Core {
    /// State.
    pub store: Store,
    /// Files of volumes and snapshots.
    pub disks: Disks,
    /// What runs instances.
    pub machines: Arc<dyn MachineKind>,
    /// Base images.
    pub catalogue: Arc<dyn Catalogue>,
    /// How long things take, beyond the time that they take.
    pub latencies: Latencies,
    /// Misbehaviour.
    pub faults: Faults,
    /// What was called.
    pub calls: Calls,
    /// The tasks of sessions.
    pub sessions: Sessions,
    /// Data keys that were made.
    pub data_keys: DataKeys,
    /// The users whose connections are accepted.
    pub users: RwLock<BTreeSet<u32>>,
    /// The address that connections to machines are said to come from.
    pub caller: Caller,
    /// Rung when there may be work.
    pub work: Notify,
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        ApiError::internal(message)
    }
}

impl Core {
    /// Runs a request.
    pub async fn run(self: Arc<Self>, call: Call) -> Result<Xml> {
        match find(&call.service, &call.action)? {
            Action::Read(f) => Ok(self.read(call, f).await?.1),
            Action::Write(f) => Ok(self.write(call, f).await?.1),
            Action::Slow(f) => {
                let core = self.clone();
                f(core, call).await
            }
        }
    }

    /// Looks at the state; a dry run ends here. Gives the call back for what comes next.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        call: Call,
        f: impl FnOnce(&Context<'_>, &State) -> Result<T> + Send + 'static,
    ) -> Result<(Call, T)> {
        let core = self.clone();
        blocking(move || {
            let mut state = core.store.read()?;
            if !state.regions.contains_key(&call.region) {
                core.set_up(&call.region)?;
                state = core.store.read()?;
            }
            let hidden = core.faults.hidden(call.time);
            let view;
            let state: &State = if hidden.is_empty() {
                &state
            } else {
                view = crate::faults::without(&state, &hidden);
                &view
            };
            let answer = f(&Context::new(&call), state)?;
            dry(&call, answer).map(|t| (call, t))
        })
        .await
    }

    /// Changes the state; a dry run leaves it as it is.
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        call: Call,
        f: impl FnOnce(&Context<'_>, &mut State) -> Result<T> + Send + 'static,
    ) -> Result<(Call, T)> {
        let core = self.clone();
        let done = blocking(move || {
            if !core.store.read()?.regions.contains_key(&call.region) {
                core.set_up(&call.region)?;
            }
            core.faults.refuse_hidden(&call)?;
            let answer = core.store.write(|state| {
                let known = Faults::ids_before(&call, state);
                let answer = f(&Context::new(&call), state)?;
                let answer = dry(&call, answer)?;
                core.faults.mark_new(&call, state, known);
                Ok::<T, ApiError>(answer)
            })??;
            Ok((call, answer))
        })
        .await;
        self.work.notify_one();
        done
    }

    /// Changes the state on behalf of a worker.
    pub async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        f: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T> {
        let core = self.clone();
        blocking(move || core.store.write(|state| Ok::<T, ApiError>(f(state)))?).await
    }

    /// Whether connections of this user are accepted.
    pub fn admits(&self, user: Option<u32>) -> bool {
        user.is_some_and(|u| self.users.read().unwrap_or_else(PoisonError::into_inner).contains(&u))
    }

    /// Whether an instance may use the endpoint: one with an instance profile, whose credentials its metadata service has.
    pub fn may_call(&self, instance_id: &str) -> bool {
        let Ok(state) = self.store.read() else { return false };
        let found = state.regions.values().find_map(|r| r.instances.get(instance_id));
        found.is_some_and(|i| i.iam_profile.is_some())
    }

    /// Makes a region that is used for the first time.
    fn set_up(&self, region: &str) -> Result<()> {
        if !is_region(region) {
            return Err(ApiError::new(
                "AuthFailure",
                format!("There is no region {region} (the region comes from the scope of the request's signature)"),
            ));
        }
        self.store.write(|state| {
            state.ensure_region(region, self.catalogue.images());
            Ok::<(), ApiError>(())
        })?
    }
}

fn dry<T>(call: &Call, answer: T) -> Result<T> {
    if call.dry_run() {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(ApiError::new("DryRunOperation", message).status(412));
    }
    Ok(answer)
}

/// Off the async threads: the file lock and the disk can block.
pub async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(|e| ApiError::internal(format!("the request ended unexpectedly: {e}")))?
}
