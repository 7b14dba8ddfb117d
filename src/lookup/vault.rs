//! `vault(path, key)`: a value of HashiCorp Vault's key-value store, version 1 or 2 (plugin-sdk 0.6 `template/funcs.go`, Vault's
//! client library for the variables).

use super::{Tls, client, flag, url_path};
use crate::settings::Settings;
use serde_json::Value;
use std::time::Duration;

/// Asks for one value.
pub fn get(settings: &Settings, path: &str, key: &str) -> Result<String, String> {
    let Some(token) = settings.var("VAULT_TOKEN") else {
        return Err("Must set VAULT_TOKEN env var in order to use vault template function".into());
    };
    let address = settings.var("VAULT_AGENT_ADDR").or(settings.var("VAULT_ADDR")).unwrap_or("https://127.0.0.1:8200");
    for unread in ["VAULT_TLS_SERVER_NAME", "VAULT_SRV_LOOKUP", "VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
        if settings.var(unread).is_some() {
            return Err(format!("{unread} is not supported: unset it, and name the server by VAULT_ADDR"));
        }
    }
    if address.starts_with("unix:") {
        return Err(format!("VAULT_ADDR is {address:?}: sockets are not supported, only http and https"));
    }
    let tls = Tls {
        ca_file: "VAULT_CACERT",
        ca_folder: "VAULT_CAPATH",
        client: ["VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"],
        insecure: flag(settings, "VAULT_SKIP_VERIFY")?.unwrap_or(false),
    };
    let timeout = settings.var("VAULT_CLIENT_TIMEOUT").map_or(Ok(Duration::from_secs(60)), seconds)?;
    let retries = settings.var("VAULT_MAX_RETRIES").map_or(Ok(2), str::parse::<u32>);
    let retries = retries.map_err(|_| "VAULT_MAX_RETRIES must be a whole number from 0 on")?;
    let client = client(tls.config(settings)?, timeout);
    let path = path.trim_matches('/');
    let url = format!("{}/v1/{}", address.trim_end_matches('/'), url_path(path));
    let mut tries = 0;
    loop {
        let mut request = client.get(&url).header("X-Vault-Token", token).header("X-Vault-Request", "true");
        if let Some(namespace) = settings.var("VAULT_NAMESPACE") {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let mut response = request.call().map_err(|e| format!("Error reading vault secret: {url}: {e}"))?;
        let status = response.status().as_u16();
        let body =
            response.body_mut().read_to_string().map_err(|e| format!("Error reading vault secret: {url}: {e}"))?;
        if status >= 500 && status != 501 && tries < retries {
            tries += 1;
            // Where Vault is sealed or has no leader yet, a second helps. Nothing else happens meanwhile: the template is being read.
            std::thread::sleep(Duration::from_secs(1));
            continue;
        }
        return answer(status, &body, path, key).map_err(|why| format!("{why} ({url})"));
    }
}

/// `60` or `1m30s`.
fn seconds(text: &str) -> Result<Duration, String> {
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => imgbuild_template::decode::parse_duration(text).map_err(|e| e.to_string()),
    };
    duration.map_err(|why| format!("VAULT_CLIENT_TIMEOUT {text:?}: {why}"))
}

fn answer(status: u16, body: &str, path: &str, key: &str) -> Result<String, String> {
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let texts = |name: &str| -> String {
        let list = json[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
        list.join("; ")
    };
    if status == 404 {
        let why = format!("Vault Secret does not exist at the given path {path:?}");
        let warnings = texts("warnings");
        return Err(if warnings.is_empty() { why } else { format!("{why}: {warnings}") });
    }
    if !(200..300).contains(&status) {
        return Err(format!("Error reading vault secret: code {status}: {}", texts("errors")));
    }
    let found = match &json["data"]["data"] {
        // Version 1: the values themselves.
        Value::Null => json["data"].get(key).ok_or_else(|| {
            format!(
                "Vault data was empty at the given path {path:?}: it has no key {key:?}; in a version 2 store the path is \
                 MOUNT/data/NAME {}",
                texts("warnings")
            )
            .trim_end()
            .to_owned()
        }),
        data => data.get(key).ok_or_else(|| format!("Vault path {path:?} does not contain the requested key {key:?}")),
    };
    match found? {
        Value::String(text) => Ok(text.clone()),
        // Packer ends here in a panic.
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(format!("the value of {key:?} at {path:?} is neither text nor number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (status, body, want) in [
            (200, r#"{"data":{"data":{"k":"two"},"metadata":{}}}"#, Ok("two")),
            (200, r#"{"data":{"k":"one"}}"#, Ok("one")),
            (200, r#"{"data":{"k":7}}"#, Ok("7")),
            (200, r#"{"data":{"data":{"j":"x"}}}"#, Err("does not contain the requested key \"k\"")),
            (200, r#"{"data":{"j":"x"},"warnings":["read kv/data/p"]}"#, Err("read kv/data/p")),
            (200, r#"{"data":{"k":[1]}}"#, Err("neither text nor number")),
            (404, r#"{"errors":[]}"#, Err("does not exist")),
            (403, r#"{"errors":["permission denied"]}"#, Err("code 403: permission denied")),
            (200, "no JSON", Err("Vault data was empty")),
        ] {
            match (answer(status, body, "p", "k"), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want),
                (Err(got), Err(want)) => assert!(got.contains(want), "{body}: {got}"),
                (got, want) => panic!("{body}: {got:?}, not {want:?}"),
            }
        }
        assert_eq!(seconds("90").unwrap(), seconds("1m30s").unwrap());
        assert!(seconds("x").is_err());
    }
}
