//! Clients' WebSockets: the upgrade, the first message with its token, and the session that it opens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::Full;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::core::Core;

/// A client has this long for its first message.
const FIRST: Duration = Duration::from_secs(10);

/// Answers a request for `/v1/data-channel/SESSION?role=publish_subscribe`.
pub fn upgrade<B>(core: Arc<Core>, session: &str, mut request: Request<B>) -> Response<Full<Bytes>> {
    let refuse = |status: StatusCode, why: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from(why)));
        *response.status_mut() = status;
        response
    };
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok()).unwrap_or_default();
    let key = text(SEC_WEBSOCKET_KEY).to_owned();
    let asked = request.method() == Method::GET
        && text(UPGRADE).eq_ignore_ascii_case("websocket")
        && text(SEC_WEBSOCKET_VERSION) == "13"
        && !key.is_empty();
    if !asked {
        return refuse(StatusCode::BAD_REQUEST, "a data channel is a WebSocket\n");
    }
    if request.uri().query() != Some("role=publish_subscribe") {
        return refuse(StatusCode::BAD_REQUEST, "a client's role is publish_subscribe\n");
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let session = session.to_owned();
    tokio::spawn(async move {
        let stream = match upgraded.await {
            Ok(stream) => stream,
            Err(e) => return tracing::debug!("a data channel's connection was not upgraded: {e}"),
        };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
        match tokio::time::timeout(FIRST, socket.next()).await {
            Ok(Some(Ok(Message::Text(first)))) => match token(first.as_str()) {
                Ok(token) if core.sessions.attach(&session, &token, socket) => {}
                Ok(_) => tracing::debug!("a client's token does not open session {session}"),
                Err(why) => tracing::warn!("a client's first message on session {session}: {why}"),
            },
            _ => tracing::debug!("a client of session {session} sent no first message"),
        }
    });
    let mut response = refuse(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The token of an OpenDataChannel message.
fn token(text: &str) -> Result<String, String> {
    let message: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let field = |name: &str, least: usize| {
        let value = message.get(name).and_then(|v| v.as_str()).filter(|v| v.len() >= least);
        value.map(str::to_owned).ok_or_else(|| format!("{name} is missing or too short"))
    };
    if field("MessageSchemaVersion", 1)? != "1.0" {
        return Err("MessageSchemaVersion is not 1.0".into());
    }
    field("RequestId", 16)?;
    field("ClientId", 1)?;
    field("ClientVersion", 1)?;
    field("TokenValue", 1)
}
