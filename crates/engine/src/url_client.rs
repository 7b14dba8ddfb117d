//! The network of the `url` lookup: GET with redirects, proxies of the environment, basic authentication, `.netrc`.

use base64::Engine as _;
use imgbuild_playbook::{UrlClient, UrlFailure, UrlRequest};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use ureq::http;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Redirects that are followed at most.
const MOST_REDIRECTS: usize = 10;
/// Bytes that are read at most.
const MOST_BYTES: u64 = 256 << 20;

/// Reads URLs; proxies come from `env`.
pub struct HttpUrlClient {
    env: BTreeMap<String, String>,
}

impl HttpUrlClient {
    /// With this environment.
    pub fn new(env: BTreeMap<String, String>) -> Self {
        HttpUrlClient { env }
    }

    fn var(&self, name: &str) -> Option<&str> {
        let found = self.env.get(name).or_else(|| self.env.get(&name.to_ascii_uppercase()));
        found.map(String::as_str).filter(|v| !v.is_empty())
    }

    fn proxy(&self, url: &str) -> Result<Option<ureq::Proxy>, UrlFailure> {
        let (scheme, host) = (url.split("://").next().unwrap_or_default().to_ascii_lowercase(), host_of(url));
        let bare = host.rsplit_once(':').map_or(host.as_str(), |(h, _)| h);
        let excluded = self.var("no_proxy").is_some_and(|list| {
            list.split(',').map(|e| e.trim().trim_start_matches('.')).filter(|e| !e.is_empty()).any(|entry| {
                entry == "*" || bare == entry || bare.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.'))
            })
        });
        match self.var(&format!("{scheme}_proxy")).filter(|_| !excluded) {
            Some(proxy) => {
                ureq::Proxy::new(proxy).map(Some).map_err(|e| unreachable(format!("the proxy {proxy}: {e}")))
            }
            None => Ok(None),
        }
    }

    fn once(
        &self,
        request: &UrlRequest,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<http::Response<ureq::Body>, UrlFailure> {
        let timeout = Some(Duration::from_secs_f64(request.timeout.clamp(0.001, 1e9)));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(timeout)
            .timeout_resolve(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .user_agent("")
            .accept("")
            .accept_encoding("gzip")
            .tls_config(tls(request)?)
            .proxy(if request.proxy { self.proxy(url)? } else { None })
            .build();
        let mut built = http::Request::builder().method("GET").uri(url);
        for (name, value) in headers {
            built = built.header(name, value);
        }
        let built = built.body(()).map_err(|e| unreachable(e.to_string()))?;
        config.new_agent().run(built).map_err(|e| {
            unreachable(match e {
                ureq::Error::Timeout(_) => "<urlopen error timed out>".to_owned(),
                ureq::Error::HostNotFound => "<urlopen error [Errno -2] Name or service not known>".to_owned(),
                other => format!("<urlopen error {other}>"),
            })
        })
    }
}

impl UrlClient for HttpUrlClient {
    fn get(&self, request: &UrlRequest) -> Result<String, UrlFailure> {
        if let Some(path) = request.url.strip_prefix("file://") {
            let bytes = fs_err::read(path).map_err(|e| unreachable(e.to_string()))?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        let (mut url, in_url) = without_login(&request.url);
        let mut login = request.login.clone().or(in_url);
        if login.is_none() {
            login = request.netrc.as_deref().and_then(|path| netrc(path, &host_of(&url)));
        }
        let mut headers = request.headers.clone();
        let mut asked = request.force_login;
        for _ in 0..=MOST_REDIRECTS {
            let mut sent = headers.clone();
            if let Some((user, password)) = login.as_ref().filter(|_| asked) {
                let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                sent.push(("Authorization".into(), format!("Basic {token}")));
            }
            let mut response = self.once(request, &url, &sent)?;
            let status = response.status();
            if status == 401 && !asked && login.is_some() {
                asked = true;
                continue;
            }
            let location = response.headers().get("location").and_then(|v| v.to_str().ok());
            if let Some(location) = location.filter(|_| status.is_redirection() && request.follow) {
                let next = join(&url, location)?;
                if host_of(&next) != host_of(&url) {
                    login = None;
                    asked = false;
                }
                headers.retain(|(name, _)| !request.unredirected.iter().any(|k| k.eq_ignore_ascii_case(name)));
                url = next;
                continue;
            }
            if !status.is_success() {
                return Err(UrlFailure::Status(status.as_u16(), status.canonical_reason().unwrap_or_default().into()));
            }
            let read = response.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
            let bytes = read.map_err(|e| unreachable(e.to_string()))?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        Err(unreachable(format!("more than {MOST_REDIRECTS} redirects, the last to {url}")))
    }
}

fn unreachable(why: String) -> UrlFailure {
    UrlFailure::Unreachable(why)
}

/// This machine's certificate authorities, and those of `ca_path`.
fn tls(request: &UrlRequest) -> Result<TlsConfig, UrlFailure> {
    let certificates = |path: &Path| {
        let pem = fs_err::read(path)?;
        let found = parse_pem(&pem).filter_map(Result::ok);
        let found = found.filter_map(|i| if let PemItem::Certificate(c) = i { Some(c) } else { None });
        Ok::<Vec<_>, std::io::Error>(found.collect())
    };
    let usual = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let mut roots = usual.iter().find_map(|p| certificates(Path::new(p)).ok()).unwrap_or_default();
    if let Some(ca) = &request.ca {
        roots.extend(certificates(ca).map_err(|e| unreachable(e.to_string()))?);
    }
    let roots = if roots.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&roots) };
    Ok(TlsConfig::builder().disable_verification(!request.validate_certs).root_certs(roots).build())
}

/// Host and port of a URL.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())].to_ascii_lowercase()
}

/// `http://user:password@host/`.
fn without_login(url: &str) -> (String, Option<(String, String)>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((login, host)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (format!("{scheme}://{host}{}", &rest[end..]), Some((user.to_owned(), password.to_owned())))
        }
        None => (url.to_owned(), None),
    }
}

/// Where a redirect leads.
fn join(base: &str, location: &str) -> Result<String, UrlFailure> {
    if location.starts_with("http://") || location.starts_with("https://") {
        return Ok(location.to_owned());
    }
    if let Some((scheme, _)) = location.split_once("://") {
        return Err(unreachable(format!("a redirect to {scheme}:// is not followed")));
    }
    let Some((scheme, rest)) = base.split_once("://") else { return Ok(location.to_owned()) };
    if let Some(rest) = location.strip_prefix("//") {
        return Ok(format!("{scheme}://{rest}"));
    }
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if location.starts_with('/') {
        return Ok(format!("{scheme}://{host}{location}"));
    }
    let path = rest[host.len()..].split(['?', '#']).next().unwrap_or_default();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    Ok(format!("{scheme}://{host}{folder}/{location}"))
}

/// Login of a host in a `.netrc`: its own entry, else the default one.
fn netrc(path: &Path, host: &str) -> Option<(String, String)> {
    let text = fs_err::read_to_string(path).ok()?;
    let bare = host.rsplit_once(':').map_or(host, |(h, _)| h);
    let mut words = text.lines().filter(|l| !l.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    let (mut here, mut user, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                if here && user.is_some() {
                    break;
                }
                here = word == "default" || words.next() == Some(bare);
            }
            "login" | "user" => user = words.next().filter(|_| here).map(str::to_owned).or(user),
            "password" => password = words.next().filter(|_| here).map(str::to_owned).or(password),
            _ => {}
        }
    }
    Some((user?, password.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};

    /// Answers one request after the other; returns what it was sent.
    fn server(answers: Vec<String>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let serve = |answer: String| {
                let (mut stream, _) = listener.accept().unwrap();
                let reader = BufReader::new(stream.try_clone().unwrap());
                let seen: Vec<String> = reader.lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
                stream.write_all(answer.as_bytes()).unwrap();
                seen.join("\n")
            };
            answers.into_iter().map(serve).collect()
        });
        (port, thread)
    }

    fn request(url: String) -> UrlRequest {
        UrlRequest {
            url,
            headers: vec![("User-Agent".into(), "ansible-httpget".into()), ("X-A".into(), "1".into())],
            unredirected: vec!["x-a".into()],
            login: Some(("me".into(), "pw".into())),
            force_login: false,
            netrc: None,
            validate_certs: true,
            ca: None,
            follow: true,
            proxy: true,
            timeout: 10.0,
        }
    }

    #[test]
    fn asks_logs_in_and_follows() {
        let end = "Content-Length: 3\r\nConnection: close\r\n\r\na\nb";
        let (port, thread) = server(vec![
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            "HTTP/1.1 302 Found\r\nLocation: b?c=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            format!("HTTP/1.1 200 OK\r\n{end}"),
        ]);
        let client = HttpUrlClient::new(BTreeMap::from([
            ("http_proxy".into(), "http://127.0.0.1:1".into()),
            ("no_proxy".into(), "127.0.0.1".into()),
        ]));
        assert_eq!(client.get(&request(format!("http://127.0.0.1:{port}/x/a"))), Ok("a\nb".into()));
        let seen = thread.join().unwrap();
        assert!(seen[0].starts_with("GET /x/a ") && !seen[0].to_lowercase().contains("authorization"), "{seen:?}");
        assert!(seen[1].contains("Basic bWU6cHc="), "{seen:?}");
        assert!(seen[2].starts_with("GET /x/b?c=1 ") && !seen[2].to_lowercase().contains("x-a"), "{seen:?}");
    }

    #[test]
    fn says_why_there_is_nothing() {
        let (port, thread) = server(vec!["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()]);
        let client = HttpUrlClient::new(BTreeMap::new());
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(client.get(&request(url.clone())), Err(UrlFailure::Status(404, "Not Found".into())));
        thread.join().unwrap();
        assert!(matches!(client.get(&request(url)), Err(UrlFailure::Unreachable(_))));
    }

    #[test]
    fn netrc_entries() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("netrc");
        fs_err::write(&path, "machine a login u password p\ndefault login d password q\n").unwrap();
        assert_eq!(netrc(&path, "a:80"), Some(("u".into(), "p".into())));
        assert_eq!(netrc(&path, "b"), Some(("d".into(), "q".into())));
    }
}
