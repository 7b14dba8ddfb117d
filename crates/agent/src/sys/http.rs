//! HTTP for downloads and `uri`: redirects by Ansible's rules, the host's certificates, proxies from the call's environment.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail};
use base64::Engine;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ureq::http;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Which redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// None.
    None,
    /// Those of GET and HEAD.
    Safe,
    /// All.
    All,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Address.
    pub url: String,
    /// Method.
    pub method: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Names of headers that stay with the first host.
    pub unredirected: Vec<String>,
    /// Body.
    pub body: Option<Arc<[u8]>>,
    /// Seconds for connecting and for each wait.
    pub timeout: f64,
    /// Check the server's certificate.
    pub verify: bool,
    /// Redirects.
    pub follow: Follow,
    /// Name and password.
    pub login: Option<(String, String)>,
    /// Send them before being asked.
    pub force_login: bool,
    /// Client certificate and key (PEM files).
    pub client: Option<(PathBuf, Option<PathBuf>)>,
    /// Further certificate authorities.
    pub ca: Option<PathBuf>,
    /// Use the environment's proxy.
    pub proxy: bool,
    /// Ask for and undo compression.
    pub decompress: bool,
    /// Talk over this socket.
    pub unix_socket: Option<PathBuf>,
    /// Look into ~/.netrc.
    pub netrc: bool,
}

/// A response; its body is still to be read.
pub struct Response {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Where it came from in the end.
    pub url: String,
    /// The body.
    pub body: Box<dyn Read>,
}

impl Response {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// `OK (12 bytes)`, as Ansible has it, or `HTTP Error 404: Not Found`.
    pub fn message(&self) -> String {
        let reason =
            http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown");
        if self.status < 300 {
            format!("OK ({} bytes)", self.header("content-length").unwrap_or("unknown"))
        } else {
            format!("HTTP Error {}: {reason}", self.status)
        }
    }
}

impl Request {
    /// A GET with the defaults of Ansible's modules.
    pub fn get(url: &str) -> Self {
        Request {
            url: url.to_string(),
            method: "GET".into(),
            headers: vec![("User-Agent".into(), "ansible-httpget".into())],
            unredirected: Vec::new(),
            body: None,
            timeout: 10.0,
            verify: true,
            follow: Follow::All,
            login: None,
            force_login: false,
            client: None,
            ca: None,
            proxy: true,
            decompress: true,
            unix_socket: None,
            netrc: true,
        }
    }

    /// Reads the options that all of Ansible's HTTP modules share.
    pub fn from_args(ctx: &Ctx) -> Result<Self, Fail> {
        let args = &ctx.args;
        for name in ["use_gssapi", "ciphers"] {
            if args.given(name).is_some_and(|v| {
                !matches!(v, serde_json::Value::Bool(false)) && v.as_array().is_none_or(|a| !a.is_empty())
            }) {
                crate::fail!("{name} is not supported on this host: the agent's TLS has no such choice");
            }
        }
        let mut request = Request::get(&args.req("url")?);
        if let Some(agent) = args.str("http_agent") {
            request.headers = vec![("User-Agent".into(), agent)];
        }
        if let Some(serde_json::Value::Object(headers)) = args.given("headers") {
            for (name, value) in headers {
                request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
                request.headers.push((name.clone(), crate::args::text(value)));
            }
        }
        request.unredirected = args.strs("unredirected_headers");
        request.timeout = args.float("timeout").unwrap_or(10.0);
        request.verify = args.opt_bool("validate_certs").unwrap_or(true);
        request.login = args.str("url_username").map(|user| (user, args.text("url_password")));
        request.force_login = args.bool("force_basic_auth");
        request.client = args.path("client_cert").map(|cert| (cert, args.path("client_key")));
        request.ca = args.path("ca_path");
        request.proxy = args.opt_bool("use_proxy").unwrap_or(true);
        request.decompress = args.opt_bool("decompress").unwrap_or(true);
        request.netrc = args.opt_bool("use_netrc").unwrap_or(true);
        request.unix_socket = args.path("unix_socket");
        if args.bool("force") {
            request.headers.push(("cache-control".into(), "no-cache".into()));
        }
        Ok(request)
    }

    /// Sends it. Every status is a response; `Err` means that there was none.
    pub fn send(mut self, ctx: &Ctx) -> Result<Response, Fail> {
        if let Some(path) = self.url.strip_prefix("file://") {
            let file = std::fs::File::open(path).at("can't read", Path::new(path))?;
            let size = file.metadata().map_or(0, |m| m.len()).to_string();
            let headers = vec![("content-length".to_string(), size)];
            return Ok(Response { status: 200, headers, url: self.url, body: Box::new(file) });
        }
        self.take_login_from_url();
        if self.login.is_none() && self.netrc {
            self.login = host_of(&self.url).and_then(|host| netrc(ctx, &host));
        }
        let mut asked = self.force_login;
        for _ in 0..10 {
            let response = self.once(ctx, asked)?;
            if response.status == 401 && !asked && self.login.is_some() {
                let digest =
                    response.header("www-authenticate").is_some_and(|h| h.to_ascii_lowercase().starts_with("digest"));
                if digest {
                    crate::fail!("{} asks for Digest authentication, which is not supported", self.url);
                }
                asked = true;
                continue;
            }
            let safe = matches!(self.method.as_str(), "GET" | "HEAD");
            let follows = match self.follow {
                Follow::All => true,
                Follow::Safe => safe,
                Follow::None => false,
            };
            let redirect = matches!(response.status, 301 | 302 | 303 | 307 | 308);
            let Some(location) = response.header("location").filter(|_| redirect && follows) else {
                return Ok(response);
            };
            let next = join(&self.url, location)?;
            if host_of(&next) != host_of(&self.url) {
                self.login = None;
                asked = false;
            }
            let kept = std::mem::take(&mut self.unredirected);
            self.headers.retain(|(name, _)| !kept.iter().any(|k| k.eq_ignore_ascii_case(name)));
            if response.status == 303 && self.method != "HEAD"
                || matches!(response.status, 301 | 302) && self.method == "POST"
            {
                self.method = "GET".into();
                self.body = None;
                self.headers.retain(|(n, _)| {
                    !n.eq_ignore_ascii_case("content-type") && !n.eq_ignore_ascii_case("content-length")
                });
            }
            self.url = next;
        }
        crate::fail!("too many redirects, the last to {}", self.url)
    }

    fn once(&self, ctx: &Ctx, login: bool) -> Result<Response, Fail> {
        let mut headers = self.headers.clone();
        if let Some((user, password)) = self.login.as_ref().filter(|_| login) {
            let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            headers.push(("Authorization".into(), format!("Basic {token}")));
        }
        if let Some(socket) = &self.unix_socket {
            return super::http_unix::send(socket, self, &headers);
        }
        let timeout = Some(Duration::from_secs_f64(self.timeout.max(0.001)));
        let config = ureq::config::Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .timeout_connect(timeout)
            .timeout_resolve(timeout)
            .timeout_send_request(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .user_agent("")
            .accept("")
            .accept_encoding(if self.decompress { "gzip" } else { "identity" })
            .tls_config(self.tls(ctx)?)
            .proxy(if self.proxy { proxy(ctx, &self.url)? } else { None })
            .build();
        let agent = config.new_agent();
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let sent = match &self.body {
            Some(body) => {
                agent.run(request.body(&body[..]).or_fail(format!("the request to {} can't be made", self.url))?)
            }
            None => agent.run(request.body(()).or_fail(format!("the request to {} can't be made", self.url))?),
        };
        let response = sent.map_err(|e| unreachable(&self.url, &e))?;
        let (parts, body) = response.into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(n, v)| (n.as_str().to_ascii_lowercase(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let body: Box<dyn Read> =
            if self.method == "HEAD" { Box::new(std::io::empty()) } else { Box::new(body.into_reader()) };
        Ok(Response { status: parts.status.as_u16(), headers, url: self.url.clone(), body })
    }

    fn tls(&self, ctx: &Ctx) -> Result<TlsConfig, Fail> {
        let mut roots = host_roots(ctx).to_vec();
        if let Some(path) = &self.ca {
            roots.extend(read_certificates(path)?);
        }
        let roots = if roots.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&roots) };
        let mut tls = TlsConfig::builder().disable_verification(!self.verify).root_certs(roots);
        if let Some((cert, key)) = &self.client {
            let chain = read_certificates(cert)?;
            let key_path = key.as_ref().unwrap_or(cert);
            let pem = std::fs::read(key_path).at("can't read", key_path)?;
            let key = PrivateKey::from_pem(&pem).at("no private key in", key_path)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(tls.build())
    }

    /// `http://user:password@host/`.
    fn take_login_from_url(&mut self) {
        let Some((scheme, rest)) = self.url.split_once("://") else { return };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let Some((login, host)) = rest[..end].rsplit_once('@') else { return };
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        self.login.get_or_insert_with(|| (unquote(user), unquote(password)));
        self.url = format!("{scheme}://{host}{}", &rest[end..]);
    }
}

fn unreachable(url: &str, error: &ureq::Error) -> Fail {
    let text = match error {
        ureq::Error::Io(e) => match e.raw_os_error() {
            Some(number) => format!(
                "<urlopen error [Errno {number}] {}>",
                e.to_string().split(" (os error").next().unwrap_or_default()
            ),
            None => format!("<urlopen error {e}>"),
        },
        ureq::Error::HostNotFound => {
            format!("<urlopen error name {} can't be resolved>", host_of(url).unwrap_or_default())
        }
        ureq::Error::Timeout(_) => "Connection failure: timed out".into(),
        other => format!("<urlopen error {other}>"),
    };
    Fail::new(format!("Request failed: {text}")).with("status", -1).with("url", url)
}

/// The host's certificate authorities, read once.
fn host_roots(ctx: &Ctx) -> &'static [Certificate<'static>] {
    static ROOTS: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let named = ctx.env("SSL_CERT_FILE").map(PathBuf::from);
        let usual = [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
        ];
        let mut paths = named.into_iter().chain(usual.map(PathBuf::from));
        paths.find_map(|p| read_certificates(&p).ok().filter(|c| !c.is_empty())).unwrap_or_default()
    })
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Fail> {
    let pem = std::fs::read(path).at("can't read", path)?;
    Ok(parse_pem(&pem).filter_map(|item| if let Ok(PemItem::Certificate(c)) = item { Some(c) } else { None }).collect())
}

fn proxy(ctx: &Ctx, url: &str) -> Result<Option<ureq::Proxy>, Fail> {
    let scheme = url.split("://").next().unwrap_or_default().to_ascii_lowercase();
    let var = |name: &str| ctx.env(name).or_else(|| ctx.env(&name.to_ascii_uppercase())).filter(|v| !v.is_empty());
    let host = host_of(url).unwrap_or_default();
    let excluded = var("no_proxy").is_some_and(|list| {
        list.split(',').map(|e| e.trim().trim_start_matches('.')).filter(|e| !e.is_empty()).any(|entry| {
            let entry =
                entry.rsplit_once(':').filter(|(_, p)| p.chars().all(|c| c.is_ascii_digit())).map_or(entry, |(h, _)| h);
            entry == "*" || host == entry || host.ends_with(&format!(".{entry}"))
        })
    });
    if excluded {
        return Ok(None);
    }
    match var(&format!("{scheme}_proxy")).or_else(|| var("all_proxy")) {
        Some(address) => ureq::Proxy::new(&address)
            .map(Some)
            .map_err(|e| Fail::new(format!("{scheme}_proxy is no proxy's address: {e}"))),
        None => Ok(None),
    }
}

/// The host of an address, without port.
pub fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    uri.host().map(|h| h.trim_matches(['[', ']']).to_ascii_lowercase())
}

/// A redirect's target, seen from where it was.
fn join(base: &str, location: &str) -> Result<String, Fail> {
    if location.contains("://") {
        return Ok(location.to_string());
    }
    let uri: http::Uri = base.parse().or_fail(format!("no address: {base}"))?;
    let scheme = uri.scheme_str().unwrap_or("http");
    if let Some(rest) = location.strip_prefix("//") {
        return Ok(format!("{scheme}://{rest}"));
    }
    let authority = uri.authority().map_or("", |a| a.as_str());
    if location.starts_with('/') {
        return Ok(format!("{scheme}://{authority}{location}"));
    }
    let dir = uri.path().rsplit_once('/').map_or("", |(d, _)| d);
    Ok(format!("{scheme}://{authority}{dir}/{location}"))
}

/// Undoes percent-encoding.
pub fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex =
            (bytes[i] == b'%').then(|| text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok())).flatten();
        out.push(hex.unwrap_or(bytes[i]));
        i += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes for forms.
pub fn quote(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"_.-~".contains(&b);
    text.bytes()
        .map(|b| {
            if keep(b) {
                (b as char).to_string()
            } else if b == b' ' {
                "+".into()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// Name and password for a host from ~/.netrc.
fn netrc(ctx: &Ctx, host: &str) -> Option<(String, String)> {
    let path = ctx.env("NETRC").map_or_else(|| ctx.args.expand("~/.netrc"), PathBuf::from);
    parse_netrc(&std::fs::read_to_string(path).ok()?, host)
}

fn parse_netrc(text: &str, host: &str) -> Option<(String, String)> {
    let mut words = text.split_whitespace();
    let (mut here, mut found) = (false, (None, None));
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                if here {
                    break;
                }
                here = word == "default" || words.next() == Some(host);
            }
            "login" if here => found.0 = words.next(),
            "password" if here => found.1 = words.next(),
            _ => {}
        }
    }
    Some((found.0?.to_string(), found.1.unwrap_or_default().to_string()))
}

/// Fetches a file without further options.
pub fn download(ctx: &Ctx, url: &str, to: &Path) -> Result<(), Fail> {
    let mut request = Request::get(url);
    request.timeout = 60.0;
    request.verify = ctx.args.opt_bool("validate_certs").unwrap_or(true);
    let mut response = request.send(ctx)?;
    if response.status != 200 {
        crate::fail!("Failed to download {url}: {}", response.message());
    }
    let mut file = std::fs::File::create(to).at("can't write", to)?;
    std::io::copy(&mut response.body, &mut file).map_err(|e| Fail::new(format!("Failed to download {url}: {e}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (base, location, want) in [
            ("http://a/b/c?d", "/x", "http://a/x"),
            ("https://a:8443/b/c", "x", "https://a:8443/b/x"),
            ("http://a/b", "//c/d", "http://c/d"),
            ("http://a/b", "https://z/", "https://z/"),
        ] {
            assert_eq!(join(base, location).unwrap(), want);
        }
        let mut request = Request::get("https://u%40x:p@h:1/path@x");
        request.take_login_from_url();
        assert_eq!((request.url.as_str(), request.login), ("https://h:1/path@x", Some(("u@x".into(), "p".into()))));
        assert_eq!((quote("a b&ü"), unquote("a%20b%zz")), ("a+b%26%C3%BC".into(), "a b%zz".into()));
        let netrc = "machine a login x password y\nmachine b\n login u\n password v\ndefault login d password e\n";
        assert_eq!(parse_netrc(netrc, "b"), Some(("u".into(), "v".into())));
        assert_eq!(parse_netrc(netrc, "z"), Some(("d".into(), "e".into())));
    }
}
