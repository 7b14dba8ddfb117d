//! The JSON protocol (version 1.1), beside the Query protocol of [`crate::http`]: `X-Amz-Target` names service and action.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::calls::CallRecord;
use crate::core::{Call, Core};
use crate::faults::FaultKind;
use crate::http::{self, Dropped};
use crate::ssm;
use crate::state::Time;
use crate::wire::{ApiError, Result};

/// The header that makes a request one of these.
pub const TARGET: &str = "x-amz-target";

/// What policies call the service of a target such as `AmazonSSM.StartSession`.
fn service(target: &str) -> &str {
    match target.split_once('.').map_or(target, |(service, _)| service) {
        "AmazonSSM" => "ssm",
        "TrentService" => "kms",
        other => other,
    }
}

/// Answers a request of a region.
pub async fn answer(
    core: Arc<Core>,
    headers: &HeaderMap,
    region: Option<String>,
    body: &[u8],
) -> std::result::Result<Response<Full<Bytes>>, Dropped> {
    let begun = std::time::Instant::now();
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (target, host) = (text(TARGET), text(HOST.as_str()));
    let action = target.split_once('.').map_or_else(String::new, |(_, name)| name.to_owned());
    let time = Time::now();
    let place = region.clone().unwrap_or_default();
    let mut call = Call {
        service: String::new(),
        region: place.clone(),
        action: action.clone(),
        time,
        signer: http::signer(headers, &BTreeMap::new()),
        params: BTreeMap::new(),
        fault: None,
    };
    let parameters: Result<Map<String, Value>> = serde_json::from_slice(body)
        .map_err(|e| ApiError::new("SerializationException", format!("the body can't be read: {e}")));
    if let Ok(parameters) = &parameters {
        let strings = parameters.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
        call.params.extend(strings);
    }
    let fault = core.faults.strike(&call);
    call.fault = fault.clone();
    let outcome = match region {
        None => Err(ApiError::new("MissingAuthenticationTokenException", "Missing Authentication Token")),
        Some(_) => run(&core, &target, host, call, fault.as_ref(), parameters).await,
    };
    let dropped = matches!(fault, Some(FaultKind::DropBefore | FaultKind::DropAfter));
    let status = match &outcome {
        _ if dropped => 0,
        Ok(_) => 200,
        Err(e) => e.status,
    };
    let request_id = uuid::Uuid::new_v4().to_string();
    core.calls.add(CallRecord {
        service: service(&target).to_owned(),
        action,
        region: place,
        time: time.to_string(),
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        status,
        error: outcome.as_ref().err().map(|e| e.code.to_string()),
        fault: fault.map(|f| f.name().to_owned()),
        dry_run: false,
        request_id: request_id.clone(),
    });
    if dropped {
        return Err(Dropped);
    }
    let body = match outcome {
        Ok(value) => value,
        Err(e) => json!({ "__type": e.code, "message": e.message }),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    Ok(response)
}

async fn run(
    core: &Arc<Core>,
    target: &str,
    host: String,
    mut call: Call,
    fault: Option<&FaultKind>,
    parameters: Result<Map<String, Value>>,
) -> Result<Value> {
    match fault {
        Some(FaultKind::DropBefore) => return Err(ApiError::internal("dropped before its effect")),
        Some(FaultKind::Slow { milliseconds }) => {
            tokio::time::sleep(std::time::Duration::from_millis(*milliseconds)).await;
        }
        // Throttling has its own name here.
        Some(FaultKind::Throttle) => return Err(ApiError::new("ThrottlingException", "Rate exceeded")),
        Some(kind) => {
            if let Some(e) = kind.error() {
                return Err(e);
            }
        }
        None => {}
    }
    let (service, _, action) = ssm::find(target)?;
    call.service = service.to_owned();
    action(Arc::clone(core), host, call, parameters?).await
}
