//! HTTP for downloads and `uri`: redirects by Ansible's rules, the host's certificates, proxies from the call's environment.

use super::{http_digest, http_transport, random};
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail};
use base64::Engine;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::http;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector, TcpConnector};

/// Which redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// None.
    None,
    /// Those of GET and HEAD.
    Safe,
    /// Those that Python's urllib follows: not 307 and 308 of POST, and a HEAD becomes a GET.
    Urllib,
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
    /// What the server said with the status.
    pub reason: Option<String>,
    /// Cookies that were set on the way, names and values.
    pub cookies: Vec<(String, String)>,
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
        let known = || http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        let reason = self.reason.as_deref().or_else(known).unwrap_or("Unknown");
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
        request.take_login_from_url();
        Ok(request)
    }

    /// Sends it. Every status is a response; `Err` means that there was none.
    pub fn send(mut self, ctx: &Ctx) -> Result<Response, Fail> {
        if let Some(path) = self.url.strip_prefix("file://") {
            let file = std::fs::File::open(path).at("can't read", Path::new(path))?;
            let size = file.metadata().map_or(0, |m| m.len()).to_string();
            let headers = vec![("content-length".to_string(), size)];
            let body = Box::new(file);
            return Ok(Response { status: 200, headers, url: self.url, reason: None, cookies: Vec::new(), body });
        }
        self.take_login_from_url();
        if self.login.is_none() && self.netrc {
            self.login = host_of(&self.url).and_then(|host| netrc(ctx, &host));
            // What stands there is sent at once, instead of what the call may have.
            self.force_login |= self.login.is_some();
        }
        let mut authorization = self.login.as_ref().filter(|_| self.force_login).map(basic);
        let mut cookies: Vec<(String, String)> = Vec::new();
        let mut asked = self.force_login;
        for _ in 0..11 {
            let mut response = self.once(ctx, authorization.as_deref(), &cookies)?;
            keep_cookies(&mut cookies, &response);
            if response.status == 401
                && !asked
                && let Some(login) = &self.login
            {
                asked = true;
                authorization = self.challenged(&response, login);
                if authorization.is_some() {
                    continue;
                }
            }
            let next = response.header("location").map(str::to_owned).filter(|_| self.follows(response.status));
            let Some(location) = next else {
                response.cookies = cookies;
                return Ok(response);
            };
            let next = join(&self.url, &location.replace(' ', "%20"))?;
            let kept = std::mem::take(&mut self.unredirected);
            self.headers.retain(|(name, _)| !kept.iter().any(|k| k.eq_ignore_ascii_case(name)));
            let stays = kept.iter().any(|k| k.eq_ignore_ascii_case("authorization"));
            if stays || host_of(&next) != host_of(&self.url) {
                self.login = None;
                authorization = None;
            }
            if authorization.as_ref().is_some_and(|a| a.starts_with("Digest")) {
                // It holds for one address.
                (authorization, asked) = (None, false);
            }
            self.redirected(response.status);
            self.url = next;
        }
        crate::fail!("too many redirects, the last to {}", self.url)
    }

    fn follows(&self, status: u16) -> bool {
        let safe = matches!(self.method.as_str(), "GET" | "HEAD");
        let kind = matches!(status, 301 | 302 | 303 | 307 | 308);
        kind && match self.follow {
            Follow::All => true,
            Follow::Safe => safe,
            Follow::Urllib => safe || (self.method == "POST" && status < 304),
            Follow::None => false,
        }
    }

    /// Makes it the request that follows a redirect.
    fn redirected(&mut self, status: u16) {
        let get = match (self.follow, status, self.method.as_str()) {
            (Follow::Urllib, ..) => true,
            (_, 307 | 308, _) => return,
            (_, 302 | 303, method) => method != "HEAD",
            (_, _, method) => method == "POST",
        };
        if get {
            self.method = "GET".into();
        }
        self.body = None;
        let of_body = ["content-type", "content-length", "transfer-encoding"];
        self.headers.retain(|(name, _)| !of_body.contains(&name.to_ascii_lowercase().as_str()));
    }

    /// What to answer where the server asks who this is.
    fn challenged(&self, response: &Response, login: &(String, String)) -> Option<String> {
        let asks = || response.headers.iter().filter(|(n, _)| n == "www-authenticate").map(|(_, v)| v.as_str());
        let uri: http::Uri = self.url.parse().ok()?;
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let digest = |c| http_digest::answer(c, &login.0, &login.1, &self.method, path, &random::token());
        let basic_asked = || asks().any(|c| c.to_ascii_lowercase().starts_with("basic"));
        asks().find_map(digest).or_else(|| basic_asked().then(|| basic(login)))
    }

    fn once(&self, ctx: &Ctx, authorization: Option<&str>, cookies: &[(String, String)]) -> Result<Response, Fail> {
        let mut headers = self.headers.clone();
        if let Some(value) = authorization {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            headers.push(("Authorization".into(), value.to_owned()));
        }
        if !cookies.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
            let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.push(("Cookie".into(), pairs.join("; ")));
        }
        let timeout = Some(Duration::from_secs_f64(self.timeout.max(0.001)));
        let direct = !self.proxy || self.unix_socket.is_some();
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
            .proxy(if direct { None } else { proxy(ctx, &self.url)? })
            .build();
        let reason = http_transport::Reason::default();
        let watch = || http_transport::Watch(Arc::clone(&reason));
        let agent = match &self.unix_socket {
            Some(socket) => {
                let unix = http_transport::Unix(socket.clone());
                let connector = unix.chain(RustlsConnector::default()).chain(watch());
                ureq::Agent::with_parts(config, connector, http_transport::NoNames)
            }
            None => {
                let tcp = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
                let connector = tcp.chain(RustlsConnector::default()).chain(watch());
                ureq::Agent::with_parts(config, connector, DefaultResolver::default())
            }
        };
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        // A method that usually brings something says that nothing comes.
        let nothing: Option<&[u8]> = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH").then_some(&[]);
        let sent = match self.body.as_deref().or(nothing) {
            Some(body) => agent.run(request.body(body).or_fail(format!("the request to {} can't be made", self.url))?),
            None => agent.run(request.body(()).or_fail(format!("the request to {} can't be made", self.url))?),
        };
        let response = sent.map_err(|e| unreachable(&self.url, &e))?;
        let (parts, body) = response.into_parts();
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(n, v)| (n.as_str().to_ascii_lowercase(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        // The library is built without gzip: it would undo it unasked, and drop the headers that tell of it.
        let packed =
            headers.iter().any(|(name, value)| name == "content-encoding" && value.eq_ignore_ascii_case("gzip"));
        let body: Box<dyn Read> = match body.into_reader() {
            _ if self.method == "HEAD" => Box::new(std::io::empty()),
            reader if packed && self.decompress => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            reader => Box::new(reader),
        };
        let reason = reason.lock().unwrap_or_else(|e| e.into_inner()).take();
        let (status, url) = (parts.status.as_u16(), self.url.clone());
        Ok(Response { status, headers, url, reason, cookies: Vec::new(), body })
    }

    fn tls(&self, ctx: &Ctx) -> Result<TlsConfig, Fail> {
        let roots = match &self.ca {
            Some(path) => read_certificates(path)?,
            None => host_roots(ctx),
        };
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
    let text = certificate(&text, url).unwrap_or(text);
    Fail::new(format!("Request failed: {text}")).with("status", -1).with("url", url)
}

/// What is wrong with a certificate, in the words of Python's ssl, which playbooks look for.
fn certificate(text: &str, url: &str) -> Option<String> {
    let (_, why) = text.split_once("invalid peer certificate: ")?;
    let why = why.trim_end_matches('>');
    let said = if why.starts_with("UnknownIssuer") {
        "unable to get local issuer certificate".to_owned()
    } else if why.contains("not valid for name") || why.contains("NotValidForName") {
        format!("Hostname mismatch, certificate is not valid for '{}'.", host_of(url).unwrap_or_default())
    } else if why.contains("xpired") {
        "certificate has expired".to_owned()
    } else {
        why.to_owned()
    };
    Some(format!("<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {said}>"))
}

fn basic((user, password): &(String, String)) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// Takes a response's cookies; a later one of the same name wins.
fn keep_cookies(cookies: &mut Vec<(String, String)>, response: &Response) {
    for (_, value) in response.headers.iter().filter(|(name, _)| name == "set-cookie") {
        let Some((name, value)) = value.split(';').next().and_then(|c| c.split_once('=')) else { continue };
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        cookies.retain(|(known, _)| *known != name);
        cookies.push((name, value));
    }
}

/// The host's certificate authorities, as they are now: a task may just have added one.
fn host_roots(ctx: &Ctx) -> Vec<Certificate<'static>> {
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
            .map_err(|e| Fail::new(format!("{scheme}_proxy is no proxy's address: {e}")).with("status", -1)),
        None => Ok(None),
    }
}

/// The host of an address, without port.
pub fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    uri.host().map(|h| h.trim_matches(['[', ']']).to_ascii_lowercase())
}

/// A redirect's target, seen from where it was.
pub fn join(base: &str, location: &str) -> Result<String, Fail> {
    let uri: http::Uri = base.parse().or_fail(format!("no address: {base}"))?;
    let scheme = uri.scheme_str().unwrap_or("http");
    // The same scheme without a host (`https:///path`) is a path of the host that was asked, as Python's urljoin has it.
    let same = location.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).filter(|r| r.starts_with('/'));
    let location = same.unwrap_or(location);
    if location.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':')) {
        return Ok(location.to_string());
    }
    if let Some(rest) = location.strip_prefix("//") {
        return Ok(format!("{scheme}://{rest}"));
    }
    let authority = uri.authority().map_or("", |a| a.as_str());
    if location.is_empty() {
        return Ok(base.to_owned());
    }
    if location.starts_with('?') {
        return Ok(format!("{scheme}://{authority}{}{location}", uri.path()));
    }
    let end = location.find(['?', '#']).unwrap_or(location.len());
    let (path, rest) = location.split_at(end);
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{}/{path}", uri.path().rsplit_once('/').map_or("", |(dir, _)| dir))
    };
    Ok(format!("{scheme}://{authority}{}{rest}", without_dots(&path)))
}

/// A path without `.` and `..`, as RFC 3986 (5.2.4) takes them out.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let names: Vec<&str> = path.split('/').skip(1).collect();
    for (i, name) in names.iter().enumerate() {
        let last = i + 1 == names.len();
        match *name {
            "." => {}
            ".." => _ = parts.pop(),
            name => {
                parts.push(name);
                continue;
            }
        }
        if last {
            parts.push("");
        }
    }
    format!("/{}", parts.join("/"))
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
            // As Python's urljoin: https:// without a host is the host that was asked, and http:// is nowhere.
            ("https://a:8/b", "https:///c/d?e", "https://a:8/c/d?e"),
            ("https://a/b", "http:///c", "http:///c"),
            ("http://a/b/c/d", "../x/./y?z=/../", "http://a/b/x/y?z=/../"),
            ("http://a/b", "?c", "http://a/b?c"),
            ("http://a/b", "", "http://a/b"),
            ("http://a/b/", "..", "http://a/"),
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
