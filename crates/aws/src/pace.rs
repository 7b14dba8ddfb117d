//! Many builds, one account: requests are spread so that EC2 has no reason to throttle them. And what could not even be sent is sent
//! again: a name server or a network that is away for a moment ends no build that has reached its endpoint before.
//!
//! EC2 gives each account and region a bucket of requests that refills at 20 a second for what describes (EC2 API reference,
//! "Request throttling"; buckets of single actions are larger). A run keeps below it, whatever the number of its builds: a short burst goes
//! out at once, more waits its turn here instead of failing there.

use crate::error::UNSENT;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Requests that go out at once: more than one build makes in its first second.
const BURST: f64 = 30.0;
/// Requests a second from then on.
const RATE: f64 = 18.0;

/// How long an outage may last: within the time-out of one attempt.
const OUTAGE: Duration = Duration::from_secs(45);

/// The turns of all clients that share it.
#[derive(Debug)]
struct Turns(Mutex<(f64, Instant)>);

/// Whether nothing was sent: no address, no connection.
fn unsent(error: &ConnectorError) -> bool {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = next {
        if UNSENT.iter().any(|mark| cause.to_string().contains(mark)) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// What a request is called in the log: its host and its action, none of its parameters, which may be secrets.
fn name(request: &HttpRequest) -> String {
    let host = request.uri().split('/').nth(2).unwrap_or_default();
    let body = request.body().bytes().unwrap_or_default();
    let form = std::str::from_utf8(body).ok().and_then(|text| text.strip_prefix("Action=")?.split('&').next());
    let action = request.headers().get("x-amz-target").or(form).unwrap_or_else(|| request.method());
    format!("{host} {action}")
}

/// Sends, and sends again while nothing gets out, if something did before.
async fn send(
    inner: SharedHttpConnector,
    mut request: HttpRequest,
    reached: Arc<AtomicBool>,
) -> Result<HttpResponse, ConnectorError> {
    let begun = Instant::now();
    let name = name(&request);
    let mut pause = Duration::from_millis(500);
    loop {
        let again = request.try_clone();
        match (inner.call(request).await, again) {
            (Err(error), Some(again))
                if unsent(&error) && reached.load(Ordering::Relaxed) && begun.elapsed() + pause < OUTAGE =>
            {
                tracing::debug!("nothing could be sent, trying again: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(4));
                request = again;
            }
            (answer, _) => {
                match &answer {
                    Ok(response) => tracing::debug!("{name}: {}", response.status().as_u16()),
                    Err(error) => tracing::debug!("{name}: {error}"),
                }
                if answer.is_ok() {
                    reached.store(true, Ordering::Relaxed);
                }
                return answer;
            }
        }
    }
}

impl Turns {
    /// Takes a turn; how long to wait for it.
    fn take(&self, now: Instant) -> Duration {
        let mut turns = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let left = (turns.0 + (now - turns.1).as_secs_f64() * RATE).min(BURST) - 1.0;
        *turns = (left, now);
        Duration::from_secs_f64((-left / RATE).max(0.0))
    }
}

/// A client whose requests wait for their turns.
pub fn paced(inner: SharedHttpClient) -> SharedHttpClient {
    let turns = Arc::new(Turns(Mutex::new((BURST, Instant::now()))));
    SharedHttpClient::new(Paced { inner, turns, reached: Arc::default() })
}

#[derive(Debug)]
struct Paced {
    inner: SharedHttpClient,
    turns: Arc<Turns>,
    reached: Arc<AtomicBool>,
}

impl HttpClient for Paced {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        let (turns, reached) = (Arc::clone(&self.turns), Arc::clone(&self.reached));
        SharedHttpConnector::new(PacedConnector { inner, turns, reached })
    }
}

#[derive(Debug)]
struct PacedConnector {
    inner: SharedHttpConnector,
    turns: Arc<Turns>,
    reached: Arc<AtomicBool>,
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wait = self.turns.take(Instant::now());
        let (inner, reached) = (self.inner.clone(), Arc::clone(&self.reached));
        HttpConnectorFuture::new(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            send(inner, request, reached).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_turn() {
        let now = Instant::now();
        let turns = Turns(Mutex::new((BURST, now)));
        let waits: Vec<f64> = (0..48).map(|_| turns.take(now).as_secs_f64()).collect();
        assert!(waits[..30].iter().all(|w| *w == 0.0), "{waits:?}");
        assert!((waits[47] - 1.0).abs() < 0.01, "{waits:?}");
        // A second later the queue of a second has gone out; half a burst takes almost a second more to come back.
        let later = now + Duration::from_secs(1);
        assert!(turns.take(later).as_secs_f64() < 0.06);
        assert!(turns.take(later + Duration::from_secs(1)).is_zero());
    }
}
