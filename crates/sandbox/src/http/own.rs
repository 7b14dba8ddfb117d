//! The sandbox's own paths below `/_sandbox/`: faults, calls, the address that connections come from, spot interruptions.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode};

use super::{as_json, plain};
use crate::core::Core;
use crate::faults::Fault;
use crate::state::{InstanceState, StateReason, Time};

/// Answers.
pub async fn answer(core: &Arc<Core>, method: &Method, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
    match (path, method) {
        ("faults", &Method::GET) => as_json(&core.faults.get()),
        ("faults", &Method::PUT) => match serde_json::from_slice::<Vec<Fault>>(body) {
            Ok(rules) => {
                core.faults.set(rules);
                as_json(&core.faults.get())
            }
            Err(e) => plain(StatusCode::BAD_REQUEST, format!("the body is not a list of faults: {e}\n")),
        },
        ("faults", &Method::DELETE) => {
            core.faults.set(Vec::new());
            as_json(&core.faults.get())
        }
        ("calls", &Method::GET) => as_json(&core.calls.all()),
        ("calls", &Method::DELETE) => {
            core.calls.clear();
            as_json(&core.calls.all())
        }
        ("caller", &Method::GET) => plain(StatusCode::OK, format!("{}\n", core.caller.address())),
        ("caller", &Method::PUT) => match std::str::from_utf8(body).ok().and_then(|text| text.trim().parse().ok()) {
            Some(address) => {
                core.caller.set(Some(address));
                core.work.notify_one();
                plain(StatusCode::OK, format!("{address}\n"))
            }
            None => plain(StatusCode::BAD_REQUEST, "the body is not an IPv4 address\n"),
        },
        ("caller", &Method::DELETE) => {
            core.caller.set(None);
            core.work.notify_one();
            plain(StatusCode::OK, format!("{}\n", core.caller.address()))
        }
        ("interrupt", &Method::POST) => interrupt(core, String::from_utf8_lossy(body).trim().to_owned()).await,
        ("faults" | "calls" | "caller" | "interrupt", _) => {
            plain(StatusCode::METHOD_NOT_ALLOWED, "GET, DELETE, and PUT for faults and caller; POST for interrupt\n")
        }
        _ => plain(StatusCode::NOT_FOUND, "there is /_sandbox/faults, calls, caller and interrupt\n"),
    }
}

/// EC2 takes running spot instances back: the one that the body names, or all. (User guide, "Spot Instance interruptions".)
async fn interrupt(core: &Arc<Core>, only: String) -> Response<Full<Bytes>> {
    let taken = core
        .change(move |state| {
            let mut taken = Vec::new();
            for i in state.regions.values_mut().flat_map(|r| r.instances.values_mut()) {
                let wanted = only.is_empty() || i.id == only;
                if wanted && i.lifecycle.as_deref() == Some("spot") && i.state == InstanceState::Running {
                    i.state = InstanceState::ShuttingDown;
                    i.transition_reason = format!("Server.SpotInstanceTermination ({})", Time::now().seconds());
                    i.state_reason = Some(StateReason {
                        code: "Server.SpotInstanceTermination".into(),
                        message: "Server.SpotInstanceTermination: Spot instance termination".into(),
                    });
                    taken.push(i.id.clone());
                }
            }
            taken
        })
        .await;
    core.work.notify_one();
    match taken {
        Ok(taken) => as_json(&taken),
        Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", e.message)),
    }
}
