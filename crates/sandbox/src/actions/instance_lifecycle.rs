//! StartInstances, StopInstances, RebootInstances, TerminateInstances: they set the state that the work follows from.

use super::instance_describe::state as write_state;
use super::instance_launch::check_ena;
use super::{Action, Context, Entry, done};
use crate::state::{Instance, InstanceState, State, StateReason, Time};
use crate::types::instance_type;
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("RebootInstances", Action::Write(reboot)),
    ("StartInstances", Action::Write(start)),
    ("StopInstances", Action::Write(stop)),
    ("TerminateInstances", Action::Write(terminate)),
];

fn ids(c: &Context<'_>) -> Result<Vec<String>> {
    let ids = c.p.list("InstanceId");
    if ids.is_empty() { Err(ApiError::missing("InstanceId")) } else { Ok(ids) }
}

fn wrong_state(i: &Instance, verb: &str) -> ApiError {
    ApiError::new(
        "IncorrectInstanceState",
        format!("The instance '{}' is not in a state from which it can be {verb}.", i.id),
    )
}

/// `User initiated (2026-11-20 20:00:00 GMT)`
fn user_initiated(now: Time) -> String {
    let text = now.to_string();
    format!("User initiated ({} {} GMT)", &text[..10], &text[11..19])
}

/// Changes all instances or none, and reports what each was and is.
fn change(c: &Context<'_>, state: &mut State, each: impl Fn(&mut Instance) -> Result<()>) -> Result<Xml> {
    let ids = ids(c)?;
    c.p.finish()?;
    let region = c.region_mut(state)?;
    let mut changes = Vec::new();
    for id in ids {
        let instance = region.instance_mut(&id)?;
        let before = instance.state;
        each(instance)?;
        changes.push((id, before, instance.state));
    }
    let mut x = Xml::new();
    x.set("instancesSet", changes, |x, (id, before, now)| {
        x.text("instanceId", id);
        write_state(x, "currentState", now);
        write_state(x, "previousState", before);
    });
    Ok(x)
}

fn start(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let now = c.now();
    change(c, state, |i| match i.state {
        InstanceState::Stopped => {
            if let Some(kind) = instance_type(&i.instance_type) {
                check_ena(kind, i.ena_support)?;
            }
            i.state = InstanceState::Pending;
            i.transition_reason = String::new();
            i.state_reason = None;
            i.launched = now.seconds();
            Ok(())
        }
        InstanceState::Pending | InstanceState::Running => Ok(()),
        _ => Err(wrong_state(i, "started")),
    })
}

fn stop(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    // A machine that does not stop by itself is stopped hard anyway.
    let _force = c.p.flag("Force")?;
    if c.p.flag("Hibernate")? == Some(true) {
        return Err(ApiError::new(
            "UnsupportedHibernationConfiguration",
            "The instances are not configured for hibernation",
        ));
    }
    let now = c.now();
    change(c, state, |i| match i.state {
        InstanceState::Running if i.lifecycle.as_deref() == Some("spot") => Err(ApiError::new(
            "UnsupportedOperation",
            format!(
                "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance request.",
                i.id
            ),
        )),
        InstanceState::Running if i.disable_stop => Err(ApiError::new(
            "OperationNotPermitted",
            format!(
                "The instance '{}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.",
                i.id
            ),
        )),
        InstanceState::Running => {
            i.state = InstanceState::Stopping;
            i.transition_reason = user_initiated(now);
            i.state_reason = Some(StateReason {
                code: "Client.UserInitiatedShutdown".into(),
                message: "Client.UserInitiatedShutdown: User initiated shutdown".into(),
            });
            Ok(())
        }
        InstanceState::Stopping | InstanceState::Stopped => Ok(()),
        _ => Err(wrong_state(i, "stopped")),
    })
}

fn terminate(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let now = c.now();
    change(c, state, |i| {
        if i.disable_termination && i.state != InstanceState::Terminated {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
                    i.id
                ),
            ));
        }
        if !matches!(i.state, InstanceState::Terminated | InstanceState::ShuttingDown) {
            i.state = InstanceState::ShuttingDown;
            i.transition_reason = user_initiated(now);
            i.state_reason = Some(StateReason {
                code: "Client.UserInitiatedShutdown".into(),
                message: "Client.UserInitiatedShutdown: User initiated shutdown".into(),
            });
        }
        Ok(())
    })
}

fn reboot(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let ids = ids(c)?;
    c.p.finish()?;
    let region = c.region_mut(state)?;
    for id in ids {
        let instance = region.instance_mut(&id)?;
        match instance.state {
            InstanceState::Running => instance.reboot = true,
            InstanceState::Pending => {}
            _ => return Err(wrong_state(instance, "rebooted")),
        }
    }
    Ok(done())
}
