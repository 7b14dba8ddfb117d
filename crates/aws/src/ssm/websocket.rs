//! A WebSocket connection to the data channel's endpoint, over TLS with the system's certificates.

use imgbuild_builders::amazon::is_loopback;
use imgbuild_engine::connect::Stream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, http::Uri};

/// TCP, TLS and the upgrade together.
const LIMIT: Duration = Duration::from_secs(15);

/// A connection.
pub type Socket = WebSocketStream<Box<dyn Stream>>;

/// Connects. The error is a sentence; it never holds the URL's query.
pub async fn connect(url: &str) -> Result<Socket, String> {
    let uri: Uri = url.parse().map_err(|e| format!("the stream's address can't be read: {e}"))?;
    let host = uri.host().unwrap_or_default().to_owned();
    let fail = |why: String| format!("{host}: {why}");
    let secure = match uri.scheme_str() {
        Some("wss") => true,
        // An emulator on this machine; nothing else may be without TLS.
        Some("ws") if is_loopback(url) => false,
        other => {
            return Err(fail(format!("the stream's address must begin with wss://, not {}://", other.unwrap_or(""))));
        }
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let open = async {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((name, port)).await.map_err(|e| fail(e.to_string()))?;
        tcp.set_nodelay(true).map_err(|e| fail(e.to_string()))?;
        let stream: Box<dyn Stream> = if secure {
            let server = ServerName::try_from(name.to_owned()).map_err(|e| fail(e.to_string()))?;
            let tls = TlsConnector::from(tls()?).connect(server, tcp).await;
            Box::new(tls.map_err(|e| fail(e.to_string()))?)
        } else {
            Box::new(tcp)
        };
        match tokio_tungstenite::client_async(&uri, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(fail(format!("it answered with status {}", response.status()))),
            Err(other) => Err(fail(other.to_string())),
        }
    };
    tokio::time::timeout(LIMIT, open)
        .await
        .unwrap_or_else(|_| Err(fail(format!("no answer within {} s", LIMIT.as_secs()))))
}

/// Reading the system's certificates takes time; once is enough.
fn tls() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let make = || {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found.errors.first().map(|e| format!(": {e}")).unwrap_or_default();
            return Err(format!("no trusted certificates were found on this machine{why}"));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    };
    CONFIG.get_or_init(make).clone()
}
