//! Many builds, one account: requests are spread so that EC2 has no reason to throttle them.
//!
//! EC2 gives each account and region a bucket of requests that refills at 20 a second for what describes (EC2 API reference,
//! "Request throttling"; buckets of single actions are larger). A run keeps below it, whatever the number of its builds: a short burst goes
//! out at once, more waits its turn here instead of failing there.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Requests that go out at once: more than one build makes in its first second.
const BURST: f64 = 30.0;
/// Requests a second from then on.
const RATE: f64 = 18.0;

/// The turns of all clients that share it.
#[derive(Debug)]
struct Turns(Mutex<(f64, Instant)>);

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
    SharedHttpClient::new(Paced { inner, turns: Arc::new(Turns(Mutex::new((BURST, Instant::now())))) })
}

#[derive(Debug)]
struct Paced {
    inner: SharedHttpClient,
    turns: Arc<Turns>,
}

impl HttpClient for Paced {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(PacedConnector { inner, turns: Arc::clone(&self.turns) })
    }
}

#[derive(Debug)]
struct PacedConnector {
    inner: SharedHttpConnector,
    turns: Arc<Turns>,
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wait = self.turns.take(Instant::now());
        if wait.is_zero() {
            return self.inner.call(request);
        }
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(wait).await;
            inner.call(request).await
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
