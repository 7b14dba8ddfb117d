//! ModifyInstanceMetadataOptions and GetConsoleOutput: what reaches into, and comes out of, the machine itself.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::instance_describe::metadata_fields;
use super::instance_run::MetadataRequest;
use super::{Action, Context, Entry};
use crate::core::{Call, Core};
use crate::faults::FaultKind;
use crate::state::{InstanceState, State};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] =
    &[("GetConsoleOutput", Action::Slow(console)), ("ModifyInstanceMetadataOptions", Action::Write(modify_options))];

/// EC2 keeps the last 64 KiB.
const KEPT: usize = 64 * 1024;

fn console(core: Arc<Core>, call: Call) -> BoxFuture<'static, Result<Xml>> {
    async move {
        let (call, id) = core
            .read(call, |c, state| {
                let id = c.p.need("InstanceId")?;
                let _latest = c.p.flag("Latest")?; // it is always the latest
                c.p.finish()?;
                c.region(state)?.instance(&id)?;
                Ok(id)
            })
            .await?;
        let mut output = core.machines.console(&id).await;
        if call.fault == Some(FaultKind::Silent) {
            output.clear();
        }
        let start = output.len().saturating_sub(KEPT);
        output.drain(..start);
        let mut x = Xml::new();
        x.text("instanceId", id);
        x.text("timestamp", call.time);
        x.opt("output", Some(STANDARD.encode(&output)).filter(|o| !o.is_empty()));
        Ok(x)
    }
    .boxed()
}

fn modify_options(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("InstanceId")?;
    let wanted = MetadataRequest::parse(&c.p)?;
    c.p.finish()?;
    let i = c.region_mut(state)?.instance_mut(&id)?;
    if !matches!(i.state, InstanceState::Running | InstanceState::Stopped) {
        return Err(ApiError::new("IncorrectInstanceState", format!("The instance '{id}' is {}", i.state.name())));
    }
    if let Some(tokens) = wanted.tokens {
        i.metadata.tokens_required = tokens == "required";
    }
    if let Some(endpoint) = wanted.endpoint {
        i.metadata.enabled = endpoint == "enabled";
    }
    if let Some(limit) = wanted.hop_limit {
        i.metadata.hop_limit = limit;
    }
    if let Some(tags) = wanted.tags {
        i.metadata.tags = tags == "enabled";
    }
    i.refresh_metadata = i.state == InstanceState::Running;
    let mut x = Xml::new();
    x.text("instanceId", &i.id);
    x.node("instanceMetadataOptions", |x| metadata_fields(x, i, |on| if on { "enabled" } else { "disabled" }));
    Ok(x)
}
