//! The actions of Systems Manager and KMS that sessions need. Both speak JSON (protocol 1.1), not the Query protocol.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::agent;
use crate::core::{Call, Core};
use crate::faults::FaultKind;
use crate::state::{ACCOUNT, Instance, InstanceState, Session, State, Time, new_hex};
use crate::wire::{ApiError, Result};

/// The document that this sandbox has.
const DOCUMENT: &str = "AWS-StartPortForwardingSession";
/// Who every caller is.
const OWNER: &str = "sandbox";

/// An action: the service's address as the client sees it, the call, the parameters.
pub type Action = fn(Arc<Core>, String, Call, Map<String, Value>) -> BoxFuture<'static, Result<Value>>;

/// Systems Manager.
fn ssm(name: &str) -> Option<Action> {
    Some(match name {
        "StartSession" => |core, host, call, p| Box::pin(start(core, host, call, p)),
        "ResumeSession" => |core, host, _, p| Box::pin(resume(core, host, p)),
        "TerminateSession" => |core, _, _, p| Box::pin(terminate(core, p)),
        "DescribeSessions" => |core, _, call, p| Box::pin(describe(core, call, p)),
        _ => return None,
    })
}

/// KMS.
fn kms(name: &str) -> Option<Action> {
    Some(match name {
        "GenerateDataKey" => |core, _, _, p| Box::pin(std::future::ready(data_key(&core, p))),
        _ => return None,
    })
}

/// The action of a target header: `AmazonSSM.StartSession`.
pub fn find(target: &str) -> Result<(&'static str, &str, Action)> {
    let (service, name) = target.split_once('.').unwrap_or((target, ""));
    let found = match service {
        "AmazonSSM" => ssm(name).map(|action| ("ssm", action)),
        "TrentService" => kms(name).map(|action| ("kms", action)),
        _ => None,
    };
    let (service, action) =
        found.ok_or_else(|| ApiError::new("UnknownOperationException", format!("{target} is not served here")))?;
    Ok((service, name, action))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn text(p: &mut Map<String, Value>, name: &str) -> Result<Option<String>> {
    match p.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(ApiError::new("SerializationException", format!("{name} is {other}, not a string"))),
    }
}

fn need(p: &mut Map<String, Value>, name: &str) -> Result<String> {
    text(p, name)?.filter(|t| !t.is_empty()).ok_or_else(|| invalid(format!("Value at '{name}' must not be null")))
}

/// What no action reads is refused by name.
fn finish(p: &Map<String, Value>) -> Result<()> {
    match p.keys().next() {
        None => Ok(()),
        Some(name) => Err(ApiError::new("SerializationException", format!("{name} is not read by this action"))),
    }
}

/// The one value of a document's parameter.
fn parameter(parameters: &mut Map<String, Value>, name: &str) -> Result<Option<String>> {
    let wrong = || ApiError::new("InvalidParameters", format!("Parameter \"{name}\" has an invalid value"));
    match parameters.remove(name) {
        None => Ok(None),
        Some(Value::Array(values)) => match values.as_slice() {
            [Value::String(value)] if value.parse::<u16>().is_ok_and(|port| port > 0) => Ok(Some(value.clone())),
            _ => Err(wrong()),
        },
        Some(_) => Err(wrong()),
    }
}

/// Whether the instance's role lets an agent open channels. A profile that this sandbox did not make is believed.
fn may_connect(state: &State, instance: &Instance) -> bool {
    let Some(arn) = &instance.iam_profile else { return false };
    let Some(profile) = arn.rsplit('/').next().and_then(|name| state.instance_profiles.get(name)) else { return true };
    let allows = |pattern: &str| {
        let action = "ssmmessages:createdatachannel";
        let pattern = pattern.to_ascii_lowercase();
        pattern.strip_suffix('*').map_or(pattern == action, |start| action.starts_with(start))
    };
    let strings = |value: &Value| -> Vec<String> {
        match value {
            Value::String(one) => vec![one.clone()],
            Value::Array(all) => all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    };
    let statements = profile
        .roles
        .iter()
        .filter_map(|role| state.roles.get(role))
        .flat_map(|role| role.policies.values())
        .filter_map(|text| serde_json::from_str::<Value>(text).ok())
        .flat_map(|document| match document["Statement"].clone() {
            Value::Array(all) => all,
            one => vec![one],
        });
    statements
        .into_iter()
        .filter(|s| s["Effect"] == "Allow")
        .any(|s| strings(&s["Action"]).iter().any(|action| allows(action)))
}

async fn start(core: Arc<Core>, host: String, call: Call, mut p: Map<String, Value>) -> Result<Value> {
    let target = need(&mut p, "Target")?;
    let document = need(&mut p, "DocumentName")?;
    if document != DOCUMENT {
        return Err(ApiError::new("InvalidDocument", format!("Document with name {document} does not exist.")));
    }
    let reason = text(&mut p, "Reason")?.unwrap_or_default();
    if reason.len() > 256 {
        return Err(invalid(
            "Value at 'reason' failed to satisfy constraint: Member must have length less than or equal to 256",
        ));
    }
    let mut parameters = match p.remove("Parameters") {
        Some(Value::Object(parameters)) => parameters,
        _ => Map::new(),
    };
    let port = parameter(&mut parameters, "portNumber")?.unwrap_or_else(|| "80".into());
    let local = parameter(&mut parameters, "localPortNumber")?.unwrap_or_default();
    if let Some(name) = parameters.keys().next() {
        return Err(ApiError::new("InvalidParameters", format!("Parameter \"{name}\" is not of document {document}")));
    }
    finish(&p)?;
    let not_connected = || ApiError::new("TargetNotConnected", format!("{target} is not connected."));
    let asked = target.clone();
    let (call, found) = core
        .read(call, move |c, state| {
            let Some(instance) = c.region(state)?.instances.get(&asked) else { return Ok(None) };
            let there = instance.state == InstanceState::Running && may_connect(state, instance);
            Ok(instance.interface.address.filter(|_| there))
        })
        .await?;
    let address = found.ok_or_else(not_connected)?;
    // Its agent is up once the machine is.
    core.machines.boot(&target).await.ok_or_else(not_connected)?;
    let channel = match &call.fault {
        Some(FaultKind::Channel(channel)) => channel.clone(),
        _ => super::Channel::default(),
    };
    let id = format!("{OWNER}-{}", new_hex(17));
    let session = Session {
        id: id.clone(),
        target: target.clone(),
        document,
        port: port.parse().unwrap_or_default(),
        reason,
        started: call.time,
        ended: None,
    };
    let kept = id.clone();
    core.write(call, move |c, state| {
        let now = c.now();
        state.sessions.retain(|_, s| s.ended.is_none_or(|at| at.plus_seconds(3600) > now));
        state.sessions.insert(kept, session);
        Ok(())
    })
    .await?;
    let (orders, taken) = mpsc::unbounded_channel();
    let token = core.sessions.add(&id, orders);
    let begin = agent::Start {
        session: id.clone(),
        instance: target,
        address: SocketAddr::new(IpAddr::V4(address), port.parse().unwrap_or_default()),
        channel,
        properties: json!({ "portNumber": port, "localPortNumber": local, "type": "LocalPortForwarding" }),
    };
    tokio::spawn(agent::run(Arc::clone(&core), begin, taken));
    Ok(ticket(&host, &id, &token))
}

fn ticket(host: &str, id: &str, token: &str) -> Value {
    let url = format!("ws://{host}/v1/data-channel/{id}?role=publish_subscribe");
    json!({ "SessionId": id, "StreamUrl": url, "TokenValue": token })
}

fn unknown(id: &str) -> ApiError {
    ApiError::new("DoesNotExistException", format!("Session {id} does not exist."))
}

async fn resume(core: Arc<Core>, host: String, mut p: Map<String, Value>) -> Result<Value> {
    let id = need(&mut p, "SessionId")?;
    finish(&p)?;
    let state = core.store.read()?;
    let session = state.sessions.get(&id).ok_or_else(|| unknown(&id))?;
    let token = core.sessions.renew(&id).filter(|_| session.ended.is_none()).ok_or_else(|| unknown(&id))?;
    Ok(ticket(&host, &id, &token))
}

async fn terminate(core: Arc<Core>, mut p: Map<String, Value>) -> Result<Value> {
    let id = need(&mut p, "SessionId")?;
    finish(&p)?;
    core.sessions.end(&id);
    let known = id.clone();
    let there = core.change(move |state| match state.sessions.get_mut(&known) {
        Some(session) => {
            session.ended.get_or_insert_with(Time::now);
            true
        }
        None => false,
    });
    if there.await? { Ok(json!({ "SessionId": id })) } else { Err(unknown(&id)) }
}

/// A session is active while nobody ended it and its instance is there.
fn active(state: &State, session: &Session) -> bool {
    let instance = state.regions.values().find_map(|r| r.instances.get(&session.target));
    session.ended.is_none() && instance.is_some_and(|i| i.state == InstanceState::Running)
}

async fn describe(core: Arc<Core>, call: Call, mut p: Map<String, Value>) -> Result<Value> {
    let wanted = match need(&mut p, "State")?.as_str() {
        "Active" => true,
        "History" => false,
        other => return Err(invalid(format!("Value '{other}' at 'state' must be one of [Active, History]"))),
    };
    let mut filters = Vec::new();
    if let Some(Value::Array(all)) = p.remove("Filters") {
        for filter in all {
            let of = |name: &str| filter[name].as_str().map(str::to_owned);
            match (of("key"), of("value")) {
                (Some(key), Some(value)) if ["Target", "Owner", "SessionId"].contains(&key.as_str()) => {
                    filters.push((key, value));
                }
                _ => return Err(ApiError::new("InvalidFilterKey", "The specified key is not valid.")),
            }
        }
    }
    finish(&p)?;
    let state = core.store.read()?;
    let passes = |s: &Session| {
        filters.iter().all(|(key, value)| match key.as_str() {
            "Target" => s.target == *value,
            "Owner" => arn() == *value,
            _ => s.id == *value,
        })
    };
    let here = |s: &Session| state.regions.get(&call.region).is_some_and(|r| r.instances.contains_key(&s.target));
    let found = state.sessions.values().filter(|s| here(s) && passes(s) && active(&state, s) == wanted);
    let found: Vec<Value> = found
        .map(|s| {
            #[expect(clippy::cast_precision_loss, reason = "the protocol has seconds as a fraction")]
            let seconds = |time: Time| time.0 as f64 / 1000.0;
            let mut session = json!({
                "SessionId": s.id,
                "Target": s.target,
                "Status": if wanted { "Connected" } else { "Terminated" },
                "StartDate": seconds(s.started),
                "DocumentName": s.document,
                "Owner": arn(),
                "Reason": s.reason,
            });
            if let Some(ended) = s.ended {
                session["EndDate"] = json!(seconds(ended));
            }
            session
        })
        .collect();
    Ok(json!({ "Sessions": found }))
}

fn arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{OWNER}")
}

fn data_key(core: &Core, mut p: Map<String, Value>) -> Result<Value> {
    let key = need(&mut p, "KeyId")?;
    let length = match (p.remove("NumberOfBytes").and_then(|n| n.as_u64()), text(&mut p, "KeySpec")?.as_deref()) {
        (Some(n @ 1..=1024), None) => usize::try_from(n).unwrap_or(32),
        (None, Some("AES_256")) => 32,
        (None, Some("AES_128")) => 16,
        _ => return Err(invalid("Please specify either number of bytes or key spec.")),
    };
    let context = match p.remove("EncryptionContext") {
        Some(Value::Object(context)) => context,
        _ => Map::new(),
    };
    let context: BTreeMap<String, String> =
        context.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_owned()))).collect();
    finish(&p)?;
    let (plain, sealed) = core.data_keys.make(length, context)?;
    Ok(json!({ "KeyId": key, "Plaintext": STANDARD.encode(plain), "CiphertextBlob": STANDARD.encode(sealed) }))
}
