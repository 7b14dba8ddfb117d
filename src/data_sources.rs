//! The data sources of HCL2 templates: what is asked of the world before anything is built.

use crate::settings::Settings;
use crate::wire;
use imgbuild_builders::amazon::options::data;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::hcl::{DataSources, Type, Value};
use imgbuild_template::{Kind, Opt, Reader, Table};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All of them. With a sandbox directory, those of amazon are asked there.
pub fn all(settings: &Settings, sandbox: Option<PathBuf>) -> Arc<dyn DataSources> {
    Arc::new(All { settings: settings.clone(), sandbox })
}

struct All {
    settings: Settings,
    sandbox: Option<PathBuf>,
}

const NAMES: &[&str] = &["amazon-ami", "amazon-parameterstore", "amazon-secretsmanager", "http", "null"];

static NULL: Table = Table::new("null", &[&[Opt::new("input", Kind::String, "The value.")]]);
static HTTP: Table = Table::new(
    "http",
    &[&[
        Opt::new("url", Kind::String, "Where to ask."),
        Opt::new("method", Kind::String, "GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH.").default("GET"),
        Opt::new("request_headers", Kind::Map, "Headers of the request."),
        Opt::new("request_body", Kind::String, "Body of the request."),
    ]],
);
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

impl DataSources for All {
    fn names(&self) -> &'static [&'static str] {
        NAMES
    }

    fn table(&self, kind: &str) -> Option<&'static Table> {
        match kind {
            "amazon-ami" => Some(&data::AMI),
            "amazon-parameterstore" => Some(&data::PARAMETER),
            "amazon-secretsmanager" => Some(&data::SECRET),
            "http" => Some(&HTTP),
            "null" => Some(&NULL),
            _ => None,
        }
    }

    fn result(&self, kind: &str) -> Type {
        let texts = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Type::String)).collect::<Vec<_>>();
        let (names, map) = match kind {
            "amazon-ami" => (texts(&["id", "name", "creation_date", "owner", "owner_name"]), Some("tags")),
            "amazon-parameterstore" => (texts(&["value", "version", "arn"]), None),
            "amazon-secretsmanager" => (texts(&["value", "secret_string", "secret_binary", "version_id"]), None),
            "http" => (texts(&["url", "body"]), Some("request_headers")),
            _ => (texts(&["output"]), None),
        };
        let map = map.map(|name| (name.to_owned(), Type::map(Type::String)));
        Type::object(
            names
                .into_iter()
                .chain(map)
                .map(|(name, ty)| (name.as_str().into(), ty))
                .collect::<Vec<(Arc<str>, Type)>>(),
        )
    }

    fn check(&self, kind: &str, options: &Reader, diags: &mut Diagnostics) {
        let required = match kind {
            "amazon-ami" => return data::check(options, diags),
            "amazon-parameterstore" | "amazon-secretsmanager" => return data::check_named(options, diags),
            "http" => "url",
            _ => "input",
        };
        if options.text(required).is_none() {
            diags.push(Diagnostic::error(format!("The `{required}` must be specified")).at(options.span()));
        }
        if let Some(method) = (kind == "http").then(|| options.text("method")).flatten()
            && !METHODS.contains(&method.value.to_uppercase().as_str())
        {
            let message = format!("{:?} is no method: it may be one of {}", method.value, METHODS.join(", "));
            diags.push(Diagnostic::error(message).at(&method.span));
        }
    }

    fn read(&self, kind: &str, options: &Reader) -> Result<Value, String> {
        let text = |name: &str| options.text(name).map_or_else(String::new, |text| text.value);
        match kind {
            "amazon-ami" => self.image(options),
            "http" => http(options),
            "null" => Ok(Value::object([("output", Value::string(text("input")))])),
            "amazon-parameterstore" => self.parameter(options),
            "amazon-secretsmanager" => self.secret(options),
            other => Err(format!("there is no data source {other:?}")),
        }
    }
}

impl All {
    fn image(&self, options: &Reader) -> Result<Value, String> {
        let image = apart(async {
            let (_, accounts) = wire::amazon(&self.settings, self.sandbox.as_deref());
            let found = data::find(options, accounts.as_ref()).await;
            accounts.shutdown().await;
            found
        })??;
        let tags = image.tags.iter().map(|(name, value)| (name.as_str().into(), Value::string(value))).collect();
        Ok(Value::object([
            ("id", Value::string(image.id.as_str())),
            ("name", Value::string(&image.name)),
            ("creation_date", Value::string(&image.creation_date)),
            ("owner", Value::string(&image.owner_id)),
            ("owner_name", Value::string(image.owner_alias.as_deref().unwrap_or_default())),
            ("tags", Value::map(Type::String, tags)),
        ]))
    }
}

impl All {
    /// The sandbox keeps neither parameters nor secrets: they are AWS's whatever the builds do.
    fn accounts(&self) -> Arc<wire::AnyAccounts> {
        wire::amazon(&self.settings, None).1
    }

    fn parameter(&self, options: &Reader) -> Result<Value, String> {
        let accounts = self.accounts();
        let found = apart(data::parameter(options, accounts.as_ref()))??;
        Ok(Value::object([
            // A plain String is none: the ids of public images are such parameters, and people want to see them.
            ("value", Value::string(found.value.expose()).sensitive_if(found.secure)),
            ("version", Value::string(found.version.to_string())),
            ("arn", Value::string(&found.arn)),
        ]))
    }

    fn secret(&self, options: &Reader) -> Result<Value, String> {
        let accounts = self.accounts();
        let (found, value) = apart(data::secret(options, accounts.as_ref()))??;
        let text = found.text.as_ref().map_or("", |text| text.expose());
        let binary = found.binary.as_ref().map_or(&[][..], |bytes| bytes.expose());
        Ok(Value::object([
            ("value", Value::string(value.expose()).sensitive()),
            ("secret_string", Value::string(text).sensitive()),
            ("secret_binary", Value::string(String::from_utf8_lossy(binary)).sensitive()),
            ("version_id", Value::string(&found.version_id)),
        ]))
    }
}

/// Runs a future to its end on a thread of its own: templates are loaded with and without a runtime around.
pub fn apart<T: Send>(future: impl Future<Output = T> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.map(|runtime| runtime.block_on(future)).map_err(|e| e.to_string())
        };
        scope.spawn(run).join().unwrap_or_else(|_| Err("the thread that asked ended early".into()))
    })
}

/// `url`, `body` and `request_headers`, as Packer gives them.
fn http(options: &Reader) -> Result<Value, String> {
    let url = options.text("url").map_or_else(String::new, |url| url.value);
    let method = options.text("method").map_or_else(|| "GET".to_owned(), |method| method.value.to_uppercase());
    let body = options.text("request_body").map_or_else(String::new, |body| body.value);
    let headers = options.map("request_headers").map(|map| map.value).unwrap_or_default();
    let mut request = ureq::http::Request::builder().method(method.as_str()).uri(&url);
    for (name, value) in &headers {
        request = request.header(name, &value.value);
    }
    let request = request.body(body).map_err(|e| format!("{url}: {e}"))?;
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build();
    let mut response = ureq::Agent::new_with_config(config).run(request).map_err(|e| format!("{url}: {e}"))?;
    if response.status() != 200 {
        return Err(format!("{url}: HTTP request error. Response code: {}", response.status().as_u16()));
    }
    let text = response.body_mut().read_to_string().map_err(|e| format!("{url}: {e}"))?;
    let sent = headers.iter().map(|(name, value)| (name.as_str().into(), Value::string(&value.value))).collect();
    Ok(Value::object([
        ("url", Value::string(&url)),
        ("body", Value::string(text)),
        ("request_headers", Value::map(Type::String, sent)),
    ]))
}
