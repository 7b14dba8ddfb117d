//! `url`: the text behind a URL. The network is the caller's.
//!
//! Options, their variables and environment are those of ansible-core 2.19's `url` lookup.

use super::{Answer, Ask, failed};
use imgbuild_jinja::Value;
use std::path::PathBuf;

/// One request of the `url` lookup.
#[derive(Debug, Clone)]
pub struct UrlRequest {
    /// Address.
    pub url: String,
    /// Headers in order, `User-Agent` among them.
    pub headers: Vec<(String, String)>,
    /// Names of headers that stay with the first host.
    pub unredirected: Vec<String>,
    /// User and password.
    pub login: Option<(String, String)>,
    /// Send them before being asked.
    pub force_login: bool,
    /// Look for them in this `.netrc`.
    pub netrc: Option<PathBuf>,
    /// Check the server's certificate.
    pub validate_certs: bool,
    /// A file of further certificate authorities.
    pub ca: Option<PathBuf>,
    /// Follow redirects.
    pub follow: bool,
    /// Use the proxies of the environment.
    pub proxy: bool,
    /// Seconds for connecting and for each wait.
    pub timeout: f64,
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq)]
pub enum UrlFailure {
    /// The server said no: status and reason.
    Status(u16, String),
    /// There was no answer.
    Unreachable(String),
}

/// Reads URLs for the `url` lookup.
pub trait UrlClient: Send + Sync {
    /// The body, as text.
    fn get(&self, request: &UrlRequest) -> Result<String, UrlFailure>;
}

/// Options that are there in Ansible and not here.
const REFUSED: [(&str, &str); 3] = [
    ("use_gssapi", "there is no Kerberos here"),
    ("ciphers", "the ciphers of TLS are fixed"),
    ("unix_socket", "URLs are not read over Unix sockets"),
];

/// Options, and the name that their variable and environment have where it is another.
const KNOWN: [&str; 18] = [
    "validate_certs",
    "split_lines",
    "use_proxy",
    "username",
    "password",
    "headers",
    "force",
    "timeout",
    "http_agent",
    "force_basic_auth",
    "follow_redirects",
    "use_gssapi",
    "use_netrc",
    "unix_socket",
    "ca_path",
    "unredirected_headers",
    "ciphers",
    "wantlist",
];

pub fn run(ask: &Ask<'_>) -> Answer {
    let Some(client) = ask.plugins.url.get() else {
        return Err(failed("the url lookup has no network here"));
    };
    if let Some(wrong) = ask.kwargs.keys().map(ToString::to_string).find(|k| !KNOWN.contains(&k.as_str())) {
        let similar = imgbuild_diag::did_you_mean(&wrong, KNOWN).map(|s| format!(", did you mean {s:?}?"));
        return Err(failed(format!("{wrong:?} is no option of the url lookup{}", similar.unwrap_or_default())));
    }
    for (name, why) in REFUSED {
        let set = option(ask, name, name).filter(|v| match v {
            Value::List(items) => !items.is_empty(),
            other => crate::exec::connection::boolean(other).unwrap_or_else(|| other.is_true()),
        });
        if set.is_some() {
            return Err(failed(format!("the option {name} of the url lookup is not supported: {why}")));
        }
    }
    let flag = |name: &str, variable: &str, default: bool| {
        option(ask, name, variable).as_ref().and_then(crate::exec::connection::boolean).unwrap_or(default)
    };
    let text = |name: &str, variable: &str| option(ask, name, variable).map(|v| crate::text::of(&v));
    let mut headers = vec![("User-Agent".to_owned(), text("http_agent", "agent").unwrap_or("ansible-httpget".into()))];
    if let Some(map) = ask.option("headers").and_then(Value::as_map) {
        for (name, value) in map {
            let name = name.to_string();
            headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
            headers.push((name, crate::text::of(value)));
        }
    }
    if flag("force", "force", false) {
        headers.push(("cache-control".into(), "no-cache".into()));
    }
    let unredirected = option(ask, "unredirected_headers", "unredir_headers");
    let list = |value: Value| match value {
        Value::Str(text) => text.text.split(',').map(|h| h.trim().to_owned()).collect(),
        other => crate::play::scope::items(&other).iter().map(crate::text::of).collect(),
    };
    let follow = text("follow_redirects", "follow_redirects");
    let timeout = option(ask, "timeout", "timeout");
    let settings = &ask.plugins.settings;
    let request = UrlRequest {
        url: String::new(),
        headers,
        unredirected: unredirected.map(list).unwrap_or_default(),
        login: ask.text("username").map(|user| (user, ask.text("password").unwrap_or_default())),
        force_login: flag("force_basic_auth", "force_basic_auth", false),
        netrc: flag("use_netrc", "use_netrc", true).then(|| settings.home.join(".netrc")),
        validate_certs: ask.bool("validate_certs", true),
        ca: text("ca_path", "ca_path").map(|path| crate::settings::expand_home(&path, settings)),
        follow: !matches!(follow.as_deref(), Some("none" | "no" | "False" | "false")),
        proxy: ask.bool("use_proxy", true),
        timeout: timeout.as_ref().and_then(crate::exec::connection::number).unwrap_or(10.0),
    };
    let mut out = Vec::new();
    for term in ask.terms {
        let url = crate::text::of(term);
        let shown = masked(&url);
        let body = client.get(&UrlRequest { url, ..request.clone() }).map_err(|e| {
            failed(match e {
                UrlFailure::Status(code, reason) => {
                    format!("Received HTTP error for {shown}: HTTP Error {code}: {reason}")
                }
                UrlFailure::Unreachable(why) => format!("Failed lookup url for {shown}: {why}"),
            })
        })?;
        if ask.bool("split_lines", true) {
            out.extend(body.lines().map(Value::str));
        } else {
            out.push(Value::str(body));
        }
    }
    Ok(out)
}

/// An option of the call, else of the variable `ansible_lookup_url_NAME`, else of the environment.
fn option(ask: &Ask<'_>, name: &str, variable: &str) -> Option<Value> {
    let given = ask.option(name).cloned();
    let variable = format!("ansible_lookup_url_{variable}");
    given.or_else(|| ask.cx.var(&variable).ok().flatten()).or_else(|| {
        let text = ask.plugins.settings.env.get(&variable.to_uppercase()).filter(|v| !v.is_empty())?;
        Some(Value::str(text.as_str()))
    })
}

/// A URL without its password.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:********@{host}{}", &rest[end..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(masked("http://u:p@h:1/a@b"), "http://u:********@h:1/a@b");
        assert_eq!(masked("http://h/a:b@c"), "http://h/a:b@c");
    }
}
