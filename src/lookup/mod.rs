//! What templates ask of other services by functions: `vault`, `consul_key`, `aws_secretsmanager`, `aws_secretsmanager_raw`. The
//! environment says where the services are and who asks, as with those services' own clients.
//!
//! Secrets are known to the redactor before anything else gets them. A question is asked once in a run: expressions of HCL2 are
//! evaluated whenever an option is read.

mod consul;
mod vault;

use crate::data_sources::apart;
use crate::settings::Settings;
use crate::wire;
use imgbuild_builders::amazon::ec2::Accounts as _;
use imgbuild_builders::amazon::options::access::Access;
use imgbuild_builders::amazon::options::data::read_secret;
use imgbuild_builders::amazon::secrets::{Keyless, SecretVersion, value_of};
use imgbuild_diag::{Redactor, Secret};
use imgbuild_template::interpolate::Lookup;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// All of them.
pub fn all(settings: &Settings, redactor: &Redactor) -> Arc<dyn Lookup> {
    Arc::new(Services { settings: settings.clone(), redactor: redactor.clone(), answers: Mutex::default() })
}

type Answer = Result<Secret, String>;

struct Services {
    settings: Settings,
    redactor: Redactor,
    /// Answers by function and what was asked.
    answers: Mutex<HashMap<(&'static str, String), Answer>>,
}

impl Services {
    fn once(
        &self,
        function: &'static str,
        question: &str,
        ask: impl FnOnce() -> Result<String, String>,
    ) -> Result<Secret, String> {
        let mut answers = self.answers.lock().unwrap_or_else(|e| e.into_inner());
        answers.entry((function, question.to_owned())).or_insert_with(|| ask().map(Secret::new)).clone()
    }

    /// The answer is a secret.
    fn secret(&self, answer: Result<Secret, String>) -> Result<String, String> {
        let value = answer?;
        self.redactor.add(value.expose());
        Ok(value.into_exposed())
    }

    /// The text of a secret's current version, with the usual credentials.
    fn aws(&self, name: &str) -> Result<String, String> {
        if name.is_empty() {
            return Err("At least one secret name must be provided".into());
        }
        let found = self.once("aws_secretsmanager", name, || {
            let found = apart(async {
                let (_, accounts) = wire::amazon(&self.settings, None);
                let account = accounts.open(&Access { max_attempts: 10, ..Access::default() }).await?;
                read_secret(account.as_ref(), name, &SecretVersion::default()).await
            })??;
            let text = found.text.ok_or_else(|| format!("the secret {name:?} is not a text"))?;
            Ok(text.into_exposed())
        });
        self.secret(found)
    }
}

impl Lookup for Services {
    fn consul_key(&self, key: &str) -> Result<String, String> {
        self.once("consul_key", key, || consul::get(&self.settings, key)).map(Secret::into_exposed)
    }

    fn vault(&self, path: &str, key: &str) -> Result<String, String> {
        let found = self.once("vault", &format!("{path}\n{key}"), || vault::get(&self.settings, path, key));
        self.secret(found)
    }

    fn aws_secret(&self, name: &str, key: Option<&str>) -> Result<String, String> {
        let whole = self.aws(name)?;
        let value = value_of(&whole, key, Keyless::Single).map_err(|why| format!("the secret {name:?}: {why}"))?;
        self.redactor.add(&value);
        Ok(value)
    }

    fn aws_secret_raw(&self, name: &str) -> Result<String, String> {
        self.aws(name)
    }
}

/// TLS as a service's variables have it, by their names.
struct Tls<'a> {
    /// A file of CA certificates.
    ca_file: &'a str,
    /// A folder of them.
    ca_folder: &'a str,
    /// The client's certificate and its key: files.
    client: [&'a str; 2],
    /// Whether the server's certificate is taken as it is.
    insecure: bool,
}

impl Tls<'_> {
    fn config(&self, settings: &Settings) -> Result<TlsConfig, String> {
        let mut tls = TlsConfig::builder().disable_verification(self.insecure);
        let mut roots = Vec::new();
        if let Some(file) = settings.var(self.ca_file) {
            roots.extend(certificates(&settings.cwd.join(file), self.ca_file)?);
        } else if let Some(folder) = settings.var(self.ca_folder) {
            let at = |e: std::io::Error| format!("{} {folder}: {e}", self.ca_folder);
            for entry in std::fs::read_dir(settings.cwd.join(folder)).map_err(at)? {
                roots.extend(certificates(&entry.map_err(at)?.path(), self.ca_folder)?);
            }
        }
        if !roots.is_empty() {
            tls = tls.root_certs(RootCerts::from(roots));
        }
        if let [Some(certificate), Some(key)] = self.client.map(|name| settings.var(name)) {
            let chain = certificates(&settings.cwd.join(certificate), self.client[0])?;
            let pem = read(&settings.cwd.join(key), self.client[1])?;
            let key = PrivateKey::from_pem(&pem).map_err(|e| format!("{} {key}: {e}", self.client[1]))?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(tls.build())
    }
}

fn read(path: &Path, variable: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{variable} {}: {e}", path.display()))
}

fn certificates(path: &Path, variable: &str) -> Result<Vec<Certificate<'static>>, String> {
    let pem = read(path, variable)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(e) => return Err(format!("{variable} {}: {e}", path.display())),
        }
    }
    Ok(found)
}

/// An HTTP client; a status that is no success is an answer, not an error.
fn client(tls: TlsConfig, timeout: Duration) -> ureq::Agent {
    let config =
        ureq::Agent::config_builder().tls_config(tls).timeout_global(Some(timeout)).http_status_as_error(false).build();
    ureq::Agent::new_with_config(config)
}

/// A variable that Go's `strconv.ParseBool` reads.
fn flag(settings: &Settings, name: &str) -> Result<Option<bool>, String> {
    match settings.var(name) {
        None => Ok(None),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
        Some(other) => Err(format!("{name} is {other:?}; it may be true or false")),
    }
}

/// A path with everything in it encoded that can't stand in a URL's path.
fn url_path(path: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/')
        .remove(b'$')
        .remove(b'&')
        .remove(b'+')
        .remove(b',')
        .remove(b':')
        .remove(b';')
        .remove(b'=')
        .remove(b'@');
    percent_encoding::utf8_percent_encode(path, KEPT).to_string()
}
