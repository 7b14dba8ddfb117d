//! The fixture repository over http and https: plain files, one directory per host name (see `image::fixture`).

use std::convert::Infallible;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::namespace::fault::{Fault, Step};
use super::super::namespace::network::FIXTURES;

/// Starts both servers for the fixture directory `dir`.
pub async fn start(dir: &Path) -> Result<(), Fault> {
    let plain = TcpListener::bind((FIXTURES, 80)).await.step("serving the fixture repository")?;
    let secure = TcpListener::bind((FIXTURES, 443)).await.step("serving the fixture repository")?;
    let acceptor = acceptor(&dir.join("tls.pem")).step("reading the fixture repository's certificate")?;
    let root = dir.join("www");
    let for_plain = root.clone();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = plain.accept().await else { continue };
            tokio::spawn(serve(stream, for_plain.clone()));
        }
    });
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = secure.accept().await else { continue };
            let (acceptor, root) = (acceptor.clone(), root.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate is its own affair.
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, root).await;
                }
            });
        }
    });
    Ok(())
}

fn acceptor(path: &Path) -> std::io::Result<TlsAcceptor> {
    let pem = fs_err::read(path)?;
    let certificates =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(std::io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(std::io::Error::other)?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(std::io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, root: PathBuf) {
    let service = service_fn(|request: Request<Incoming>| {
        let reply = answer(&request, &root);
        async move { Ok::<_, Infallible>(reply) }
    });
    // A client that breaks off is its own affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer<B>(request: &Request<B>, root: &Path) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let Ok(path) = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8() else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let Some(file) = below(root, host, &path) else { return empty(StatusCode::NOT_FOUND) };
    match fs_err::read(file) {
        Ok(bytes) => Response::new(Full::from(bytes)),
        Err(_) => empty(StatusCode::NOT_FOUND),
    }
}

/// The file that a request means; `None` when it would lie elsewhere.
fn below(root: &Path, host: &str, path: &str) -> Option<PathBuf> {
    let relative = PathBuf::from(host).join(path.trim_start_matches('/'));
    let plain = relative.components().all(|component| matches!(component, Component::Normal(_)));
    (plain && !host.is_empty()).then(|| root.join(relative))
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_stay_below_their_host() {
        let root = Path::new("/f");
        assert_eq!(below(root, "h", "/repo/x"), Some("/f/h/repo/x".into()));
        for (host, path) in [("h", "/../x"), ("h", "/a/../../x"), ("..", "/x"), ("", "/x"), ("/etc", "/passwd")] {
            assert_eq!(below(root, host, path), None, "{host} {path}");
        }
    }
}
