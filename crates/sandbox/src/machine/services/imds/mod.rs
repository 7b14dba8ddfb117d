//! The instance metadata service, versions 1 and 2, as an instance sees it at 169.254.169.254.
//!
//! Behaviour follows the EC2 user guide ("Instance metadata service"): tokens by PUT with a lifetime, 401 for a missing
//! token where tokens are required and for a wrong one always, 403 for a PUT that came through a proxy and for a service
//! that is off, and the hop limit of the token's reply as the IP time to live.

mod token;
pub mod tree;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use token::Tokens;
use tree::{Found, Tree};

const TOKEN: &str = "x-aws-ec2-metadata-token";
const LIFETIME: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, tree: Arc<Mutex<Tree>>) {
    let tokens = Arc::new(Mutex::new(Tokens::default()));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tree, tokens) = (Arc::clone(&tree), Arc::clone(&tokens));
        tokio::spawn(async move {
            let hops = tree.lock().map_or(1, |tree| tree.hop_limit());
            let stream = Arc::new(stream);
            let for_reply = Arc::clone(&stream);
            let service = service_fn(move |request: Request<Incoming>| {
                let reply = answer(&request, &tree, &tokens, Instant::now());
                // Only the reply that carries a token is kept close; the data itself may travel further.
                let limited = request.method() == Method::PUT;
                let _ = for_reply.set_ttl(if limited { u32::from(hops.max(1)) } else { 64 });
                async move { Ok::<_, Infallible>(reply) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(Shared(stream)), service);
            // A client that breaks off is its own affair.
            let _ = connection.await;
        });
    }
}

/// A stream that is written by the connection while its options are set per reply.
struct Shared(Arc<TcpStream>);

impl tokio::io::AsyncRead for Shared {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        loop {
            std::task::ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read_buf(buffer) {
                Ok(_) => return std::task::Poll::Ready(Ok(())),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return std::task::Poll::Ready(Err(error)),
            }
        }
    }
}

impl tokio::io::AsyncWrite for Shared {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        loop {
            std::task::ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write(bytes) {
                Ok(written) => return std::task::Poll::Ready(Ok(written)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return std::task::Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        // The connection is dropped right after: that closes it.
        std::task::Poll::Ready(Ok(()))
    }
}

/// The reply to one request; only method, path and headers matter.
fn answer<B>(request: &Request<B>, tree: &Mutex<Tree>, tokens: &Mutex<Tokens>, now: Instant) -> Response<Full<Bytes>> {
    let (Ok(tree), Ok(mut tokens)) = (tree.lock(), tokens.lock()) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR);
    };
    if !tree.enabled() {
        return refuse(StatusCode::FORBIDDEN);
    }
    let path = request.uri().path();
    if request.method() == Method::PUT {
        return match tree::unversioned(path) {
            Some("api/token") => issue(request, &mut tokens, now),
            _ => refuse(StatusCode::NOT_FOUND),
        };
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return refuse(StatusCode::METHOD_NOT_ALLOWED);
    }
    if tree::unversioned(path) == Some("api/token") {
        return refuse(StatusCode::METHOD_NOT_ALLOWED);
    }
    let mut left = None;
    match request.headers().get(TOKEN) {
        Some(given) => match given.to_str().ok().and_then(|given| tokens.lifetime_left(given, now)) {
            Some(seconds) => left = Some(seconds),
            None => return refuse(StatusCode::UNAUTHORIZED),
        },
        None if tree.tokens_required() => return refuse(StatusCode::UNAUTHORIZED),
        None => {}
    }
    let mut response = match tree.get(path) {
        Found::Nothing => return refuse(StatusCode::NOT_FOUND),
        Found::Listing(text) => Response::new(Full::from(text)),
        Found::Leaf(bytes) => Response::new(Full::from(bytes)),
    };
    let kind = if tree::unversioned(path) == Some("user-data") { "application/octet-stream" } else { "text/plain" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(SERVER, HeaderValue::from_static("EC2ws"));
    if let Some(seconds) = left {
        response.headers_mut().insert(HeaderName::from_static(LIFETIME), HeaderValue::from(seconds));
    }
    response
}

/// A new token for a PUT that says how long it shall live.
fn issue<B>(request: &Request<B>, tokens: &mut Tokens, now: Instant) -> Response<Full<Bytes>> {
    if request.headers().contains_key("x-forwarded-for") {
        return refuse(StatusCode::FORBIDDEN);
    }
    let seconds = request.headers().get(LIFETIME).and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    let Some(seconds) = seconds.filter(|seconds| (1..=21_600).contains(seconds)) else {
        return refuse(StatusCode::BAD_REQUEST);
    };
    let Some(token) = tokens.issue(seconds, now) else { return refuse(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut response = Response::new(Full::from(token));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(SERVER, HeaderValue::from_static("EC2ws"));
    headers.insert(HeaderName::from_static(LIFETIME), HeaderValue::from(seconds));
    response
}

/// An error page of the service's kind.
fn refuse(status: StatusCode) -> Response<Full<Bytes>> {
    let title = format!("{} - {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
         <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
    );
    let mut response = Response::new(Full::from(page));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response.headers_mut().insert(SERVER, HeaderValue::from_static("EC2ws"));
    response
}

#[cfg(test)]
mod tests;
