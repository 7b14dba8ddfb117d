//! `consul_key(key)`: a value of HashiCorp Consul's key-value store (plugin-sdk 0.6 `template/funcs.go`, Consul's client library for
//! the variables).

use super::{Tls, client, flag, url_path};
use crate::settings::Settings;
use base64::Engine as _;
use serde_json::Value;
use std::time::Duration;

/// Asks for one value.
pub fn get(settings: &Settings, key: &str) -> Result<String, String> {
    for unread in ["CONSUL_TLS_SERVER_NAME", "CONSUL_HTTP_PROXY"] {
        if settings.var(unread).is_some() {
            return Err(format!("{unread} is not supported: unset it, and name the server by CONSUL_HTTP_ADDR"));
        }
    }
    let given = settings.var("CONSUL_HTTP_ADDR").unwrap_or("127.0.0.1:8500");
    let secure = flag(settings, "CONSUL_HTTP_SSL")?.unwrap_or(false);
    let address = match given.split_once("://") {
        None => format!("{}://{given}", if secure { "https" } else { "http" }),
        Some(("http", rest)) if secure => format!("https://{rest}"),
        Some(("http" | "https", _)) => given.to_owned(),
        Some(_) => return Err(format!("CONSUL_HTTP_ADDR is {given:?}: only http and https are supported")),
    };
    let tls = Tls {
        ca_file: "CONSUL_CACERT",
        ca_folder: "CONSUL_CAPATH",
        client: ["CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY"],
        insecure: flag(settings, "CONSUL_HTTP_SSL_VERIFY")? == Some(false),
    };
    let client = client(tls.config(settings)?, Duration::from_secs(60));
    let url = format!("{}/v1/kv/{}", address.trim_end_matches('/'), url_path(key.trim_start_matches('/')));
    let mut request = client.get(&url);
    for (variable, parameter) in [("CONSUL_NAMESPACE", "ns"), ("CONSUL_PARTITION", "partition")] {
        if let Some(value) = settings.var(variable) {
            request = request.query(parameter, value);
        }
    }
    if let Some(token) = token(settings)? {
        request = request.header("X-Consul-Token", token);
    }
    if let Some(login) = settings.var("CONSUL_HTTP_AUTH") {
        let login = if login.contains(':') { login.to_owned() } else { format!("{login}:") };
        let login = base64::engine::general_purpose::STANDARD.encode(login);
        request = request.header("Authorization", format!("Basic {login}"));
    }
    let mut response = request.call().map_err(|e| format!("error reading consul key: {url}: {e}"))?;
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().map_err(|e| format!("error reading consul key: {url}: {e}"))?;
    answer(status, &body, key).map_err(|why| format!("{why} ({url})"))
}

/// The token itself wins over the file that holds one.
fn token(settings: &Settings) -> Result<Option<String>, String> {
    if let Some(token) = settings.var("CONSUL_HTTP_TOKEN") {
        return Ok(Some(token.to_owned()));
    }
    let Some(file) = settings.var("CONSUL_HTTP_TOKEN_FILE") else { return Ok(None) };
    let text = std::fs::read_to_string(settings.cwd.join(file));
    let text = text.map_err(|e| format!("CONSUL_HTTP_TOKEN_FILE {file}: {e}"))?;
    Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty()))
}

fn answer(status: u16, body: &str, key: &str) -> Result<String, String> {
    if status == 404 {
        return Err(format!("key does not exist at the given path: {key}"));
    }
    if status != 200 {
        return Err(format!("error reading consul key: Unexpected response code: {status} ({})", body.trim()));
    }
    let json: Value = serde_json::from_str(body).map_err(|e| format!("error reading consul key: {e}"))?;
    let encoded = json[0]["Value"].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded);
    let bytes = bytes.map_err(|e| format!("error reading consul key: {e}"))?;
    match String::from_utf8_lossy(&bytes).into_owned() {
        empty if empty.is_empty() => Err(format!("value is empty at path {key}")),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (status, body, want) in [
            (200, r#"[{"Key":"k","Value":"dmFsdWU="}]"#, Ok("value")),
            (200, r#"[{"Key":"k","Value":null}]"#, Err("value is empty at path k")),
            (404, "", Err("key does not exist at the given path: k")),
            (403, "Permission denied", Err("403 (Permission denied)")),
            (200, "<html>", Err("error reading consul key")),
        ] {
            match (answer(status, body, "k"), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want),
                (Err(got), Err(want)) => assert!(got.contains(want), "{body}: {got}"),
                (got, want) => panic!("{body}: {got:?}, not {want:?}"),
            }
        }
    }
}
