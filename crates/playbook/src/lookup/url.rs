//! `url`: the text behind a URL. The network is the caller's.

use super::{Answer, Ask, failed};
use imgbuild_jinja::Value;

/// Reads URLs for the `url` lookup.
pub trait UrlClient: Send + Sync {
    /// The body. `headers` in order; `validate_certs` false accepts any certificate.
    fn get(
        &self,
        url: &str,
        headers: &[(String, String)],
        validate_certs: bool,
        timeout: f64,
    ) -> Result<String, String>;
}

pub fn run(ask: &Ask<'_>) -> Answer {
    let Some(client) = ask.plugins.url.get() else {
        return Err(failed("the url lookup has no network here"));
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(map) = ask.option("headers").and_then(Value::as_map) {
        headers.extend(map.iter().map(|(k, v)| (k.to_string(), crate::text::of(v))));
    }
    if let (Some(user), Some(password)) = (ask.text("username"), ask.text("password")) {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        headers.push(("Authorization".into(), format!("Basic {basic}")));
    }
    let timeout = ask.option("timeout").and_then(crate::exec::connection::number).unwrap_or(10.0);
    let mut out = Vec::new();
    for term in ask.terms {
        let url = crate::text::of(term);
        let body = client
            .get(&url, &headers, ask.bool("validate_certs", true), timeout)
            .map_err(|e| failed(format!("Received HTTP error for {url} : {e}")))?;
        if ask.bool("split_lines", true) {
            out.extend(body.lines().map(Value::str));
        } else {
            out.push(Value::str(body));
        }
    }
    Ok(out)
}
