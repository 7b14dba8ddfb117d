//! The HTTP side: the Query protocol on `/`, and the sandbox's own paths below `/_sandbox/`.
//!
//! The signature of a request is read for its region and service and is not verified. What protects the endpoint is that it
//! listens on loopback only, admits the connections of the user who serves it, and refuses what a browser would send on
//! behalf of a web page. Machines reach it by a way of their own; those with an instance profile are admitted, whatever the
//! profile's role allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};

mod own;

use crate::calls::CallRecord;
use crate::core::{Call, Core, Signer};
use crate::faults::FaultKind;
use crate::state::Time;
use crate::wire::{ApiError, Result, Xml};
use crate::{json, ssm};

/// No request needs more.
const MAX_BODY: usize = 4 << 20;

const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
/// The namespace of a Query service's answers beside EC2's.
fn namespace(service: &str) -> Option<&'static str> {
    match service {
        "iam" => Some("https://iam.amazonaws.com/doc/2010-05-08/"),
        "sts" => Some("https://sts.amazonaws.com/doc/2011-06-15/"),
        _ => None,
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
pub struct Dropped;

type Answer = std::result::Result<Response<Full<Bytes>>, Dropped>;

/// Whose connection it is.
#[derive(Debug, Clone)]
pub enum Peer {
    /// A user of this host, if the kernel says which.
    User(Option<u32>),
    /// An instance of this sandbox.
    Instance(String),
}

/// Why a caller may not use the endpoint.
fn refusal(core: &Core, caller: &Peer) -> Option<String> {
    match caller {
        Peer::User(user) if core.admits(*user) => None,
        Peer::User(user) => {
            let who = user.map_or_else(|| "an unknown user".to_owned(), |u| format!("user {u}"));
            Some(format!("this sandbox is not for {who}: serve it as that user, or through that user's sudo"))
        }
        Peer::Instance(id) if core.may_call(id) => None,
        Peer::Instance(id) => Some(format!("{id} has no instance profile, so it may not call the endpoint")),
    }
}

/// Answers one request.
pub async fn answer(core: Arc<Core>, caller: Peer, request: Request<Incoming>) -> Answer {
    if let Some(why) = refusal(&core, &caller) {
        let error = ApiError::new("AuthFailure", why).status(403);
        return Ok(plain(StatusCode::FORBIDDEN, error.to_ec2_xml("none")));
    }
    let inside = matches!(caller, Peer::Instance(_));
    if let Some(refusal) = from_a_browser(request.headers()).filter(|_| !inside) {
        return Ok(plain(StatusCode::FORBIDDEN, refusal));
    }
    if let Some(session) = request.uri().path().strip_prefix("/v1/data-channel/") {
        let session = session.to_owned();
        return Ok(ssm::upgrade(core, &session, request));
    }
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long or broke off\n")),
    };
    let path = head.uri.path();
    if let Some(own) = path.strip_prefix("/_sandbox/").filter(|_| !inside) {
        return Ok(own::answer(&core, &head.method, own, &body).await);
    }
    if path != "/" {
        return Ok(plain(StatusCode::NOT_FOUND, "this is an EC2 endpoint: requests go to /\n"));
    }
    if head.headers.contains_key(json::TARGET) {
        let region = scope(&head.headers, &BTreeMap::new()).map(|(_, region)| region);
        return json::answer(core, &head.headers, region, &body).await;
    }
    let mut params = form(head.uri.query().unwrap_or("").as_bytes());
    if head.method == Method::POST {
        params.extend(form(&body));
    } else if head.method != Method::GET {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and POST\n"));
    }
    query(core, &head.headers, params).await
}

/// A page that a browser shows could otherwise send forms here.
fn from_a_browser(headers: &HeaderMap) -> Option<&'static str> {
    if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Some("requests of web pages are refused\n");
    }
    let host = headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(
        host,
        |(name, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }
        },
    );
    let local =
        matches!(name, "localhost" | "[::1]" | "::1") || name.starts_with("127.") || name.ends_with(".localhost");
    (!local).then_some("this endpoint answers to the name of this machine's loopback only\n")
}

async fn query(core: Arc<Core>, headers: &HeaderMap, params: BTreeMap<String, String>) -> Answer {
    let request_id = uuid::Uuid::new_v4().to_string();
    let begun = std::time::Instant::now();
    let scope = scope(headers, &params);
    let action = params.get("Action").cloned().unwrap_or_default();
    let (service, region) = scope.clone().unwrap_or_default();
    let dry_run = params.get("DryRun").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let mut call = Call {
        service: service.clone(),
        region: region.clone(),
        action: action.clone(),
        time: Time::now(),
        signer: signer(headers, &params),
        params,
        fault: None,
    };
    let fault = core.faults.strike(&call);
    call.fault = fault.clone();
    let time = call.time;
    let outcome = match scope {
        None => Err(ApiError::new(
            "AuthFailure",
            "AWS was not able to validate the provided access credentials (the request is not signed)",
        )
        .status(401)),
        Some(_) if action.is_empty() => {
            Err(ApiError::new("MissingAction", "The request must contain the parameter Action"))
        }
        Some(_) => struck(&core, call, fault.as_ref()).await,
    };
    let skew = match &fault {
        Some(FaultKind::ClockSkew { seconds }) => Some(*seconds),
        _ => core.faults.skew(),
    };
    let dropped = matches!(fault, Some(FaultKind::DropBefore | FaultKind::DropAfter));
    let status = match &outcome {
        _ if dropped => 0,
        Ok(_) => 200,
        Err(e) => e.status,
    };
    core.calls.add(CallRecord {
        service: service.clone(),
        action: action.clone(),
        region,
        time: time.to_string(),
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        status,
        error: outcome.as_ref().err().map(|e| e.code.to_string()),
        fault: fault.map(|f| f.name().to_owned()),
        dry_run,
        request_id: request_id.clone(),
    });
    if dropped {
        return Err(Dropped);
    }
    let text = match outcome {
        Ok(inside) => document(&service, &action, &request_id, &inside.finish()),
        Err(e) => match namespace(&service) {
            Some(namespace) => e.to_query_xml(namespace, &request_id),
            None => e.to_ec2_xml(&request_id),
        },
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=UTF-8"));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    // Clients learn the endpoint's clock from its answers.
    if let Some(date) = skew.and_then(|s| HeaderValue::from_str(&Time::now().plus_seconds(s).http_date()).ok()) {
        headers.insert(DATE, date);
    }
    Ok(response)
}

/// Runs the call, with whatever fault strikes it.
async fn struck(core: &Arc<Core>, call: Call, fault: Option<&FaultKind>) -> Result<Xml> {
    match fault {
        Some(FaultKind::DropBefore) => return Err(ApiError::internal("dropped before its effect")),
        Some(FaultKind::Slow { milliseconds }) => {
            tokio::time::sleep(std::time::Duration::from_millis(*milliseconds)).await;
        }
        // A fleet tells of each type that it could not have.
        Some(FaultKind::NoCapacity { .. }) if call.action == "CreateFleet" => {}
        Some(kind) => {
            if let Some(e) = kind.error() {
                return Err(e);
            }
        }
        None => {}
    }
    core.clone().run(call).await
}

fn document(service: &str, action: &str, request_id: &str, inside: &str) -> String {
    let mut x = Xml::document();
    let response = format!("{action}Response");
    if let Some(namespace) = namespace(service) {
        x.open_with(&response, &[("xmlns", namespace)]);
        x.node(&format!("{action}Result"), |x| x.raw(inside));
        x.node("ResponseMetadata", |x| x.text("RequestId", request_id));
    } else {
        x.open_with(&response, &[("xmlns", EC2_NAMESPACE)]);
        x.text("requestId", request_id);
        x.raw(inside);
    }
    x.close(&response);
    x.finish()
}

/// Service and region out of `Credential=KEY/DATE/REGION/SERVICE/aws4_request`; requests signed the old way (version 2)
/// carry no region and mean us-east-1.
fn scope(headers: &HeaderMap, params: &BTreeMap<String, String>) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(|text| {
        let at = text.find("Credential=")? + "Credential=".len();
        text[at..].split([',', ' ']).next()
    });
    let credential = header.or_else(|| params.get("X-Amz-Credential").map(String::as_str));
    if let Some(credential) = credential {
        let mut parts = credential.rsplitn(5, '/');
        let (_end, service, region) = (parts.next()?, parts.next()?, parts.next()?);
        let (_date, key) = (parts.next()?, parts.next()?);
        return (!key.is_empty()).then(|| (service.to_owned(), region.to_owned()));
    }
    params.contains_key("AWSAccessKeyId").then(|| ("ec2".to_owned(), "us-east-1".to_owned()))
}

/// Access key and time of the signature.
pub fn signer(headers: &HeaderMap, params: &BTreeMap<String, String>) -> Signer {
    let header = headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(|text| {
        let at = text.find("Credential=")? + "Credential=".len();
        text[at..].split([',', ' ']).next()
    });
    let credential = header.or_else(|| params.get("X-Amz-Credential").map(String::as_str)).unwrap_or_default();
    // An access key's id may hold slashes; four parts follow it.
    let access_key = credential.rsplitn(5, '/').nth(4).unwrap_or_default().to_owned();
    let date = headers.get("x-amz-date").and_then(|h| h.to_str().ok());
    let date = date.or_else(|| params.get("X-Amz-Date").map(String::as_str));
    Signer { access_key, time: date.and_then(Time::parse_basic) }
}

fn form(text: &[u8]) -> BTreeMap<String, String> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        percent_encoding::percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    text.split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|b| *b == b'=');
            let (name, value) = at.map_or((pair, &[][..]), |i| (&pair[..i], &pair[i + 1..]));
            (decode(name), decode(value))
        })
        .collect()
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}

fn as_json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(text) => {
            let mut response = plain(StatusCode::OK, text);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = form(b"Action=CreateTags&Tag.1.Value=a%2Bb+c&Empty=&Alone&Tag.1.Key=%C3%BC");
        assert_eq!(form["Tag.1.Value"], "a+b c");
        assert_eq!((form["Empty"].as_str(), form["Alone"].as_str(), form["Tag.1.Key"].as_str()), ("", "", "ü"));
    }

    #[test]
    fn scopes_come_from_the_signature() {
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_static(
                "AWS4-HMAC-SHA256 Credential=AK/with/slash/20260101/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=x",
            ),
        );
        assert_eq!(scope(&headers, &BTreeMap::new()), Some(("sts".into(), "eu-west-1".into())));
        assert_eq!(scope(&HeaderMap::new(), &BTreeMap::new()), None);
        let old = BTreeMap::from([("AWSAccessKeyId".to_owned(), "AK".to_owned())]);
        assert_eq!(scope(&HeaderMap::new(), &old), Some(("ec2".into(), "us-east-1".into())));
    }

    #[test]
    fn web_pages_are_refused() {
        let headers = |all: &[(&'static str, &'static str)]| {
            all.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect::<HeaderMap>()
        };
        assert!(from_a_browser(&headers(&[("host", "127.0.0.1:4000")])).is_none());
        assert!(from_a_browser(&headers(&[("host", "localhost")])).is_none());
        assert!(from_a_browser(&headers(&[("host", "127.0.0.1:4000"), ("origin", "https://example.org")])).is_some());
        assert!(from_a_browser(&headers(&[("host", "rebound.example.org:4000")])).is_some());
    }
}
