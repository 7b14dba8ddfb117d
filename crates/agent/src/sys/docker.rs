//! Docker's engine over its socket: requests, answers, errors. And what its modules' results share.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::http::Follow;
use crate::sys::http::Request;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::PathBuf;

/// A connection's place and version.
pub struct Docker<'a> {
    ctx: &'a Ctx,
    socket: Option<PathBuf>,
    base: String,
    timeout: f64,
}

/// An answer that is an error of Docker's: status and message.
#[derive(Debug)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// What Docker says.
    pub message: String,
}

impl<'a> Docker<'a> {
    /// From the options that all of Docker's modules share, and the variables of the environment that stand for them.
    pub fn new(ctx: &'a Ctx) -> Result<Self, Fail> {
        let args = &ctx.args;
        let given = args.given("docker_host").map(crate::args::text);
        let host = given.or_else(|| ctx.env("DOCKER_HOST")).unwrap_or_else(|| args.text("docker_host"));
        let version = args.given("api_version").map(crate::args::text).or_else(|| ctx.env("DOCKER_API_VERSION"));
        let version =
            version.filter(|v| v != "auto").map(|v| format!("/v{}", v.trim_start_matches('v'))).unwrap_or_default();
        let (socket, base) =
            if let Some(path) = host.strip_prefix("unix://").or_else(|| host.strip_prefix("http+unix://")) {
                (Some(PathBuf::from(path)), format!("http://localhost{version}"))
            } else if let Some(address) = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")) {
                (None, format!("http://{}{version}", address.trim_end_matches('/')))
            } else {
                crate::fail!("docker_host {host} is neither unix:// nor tcp://, the two that imgbuild speaks");
            };
        Ok(Docker { ctx, socket, base, timeout: args.float("timeout").unwrap_or(60.0) })
    }

    /// Sends a request. `Ok(Err)`: Docker refuses it.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Body>,
        slow: bool,
    ) -> Result<Result<Vec<u8>, Refused>, Fail> {
        let mut request = Request::get(&format!("{}{path}", self.base));
        request.method = method.into();
        request.proxy = false;
        // Pulls and builds take as long as they take.
        request.timeout = if slow { 3600.0 } else { self.timeout };
        let mut headers = Vec::new();
        if let Some(body) = body {
            let (kind, bytes) = match body {
                Body::Json(value) => ("application/json", value.to_string().into_bytes()),
                Body::Tar(bytes) => ("application/x-tar", bytes),
            };
            headers.push(("Content-Type".to_string(), kind.to_string()));
            request.body = Some(bytes.into());
        }
        request.headers.extend(headers);
        request.unix_socket = self.socket.clone();
        request.follow = Follow::None;
        let socket = self.socket.is_some();
        let mut response = request.send(self.ctx).map_err(|e| {
            let before = if socket { "Error connecting: Error while fetching server API version: " } else { "" };
            Fail::new(format!("{before}{}", e.msg))
        })?;
        let mut bytes = Vec::new();
        response.body.read_to_end(&mut bytes).or_fail("Docker's answer broke off")?;
        if (200..400).contains(&response.status) {
            return Ok(Ok(bytes));
        }
        let said = serde_json::from_slice::<Value>(&bytes).ok();
        let message = said.and_then(|v| v.get("message").map(crate::args::text));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(&bytes).trim().to_string());
        Ok(Err(Refused { status: response.status, message }))
    }

    /// An object of Docker's; `None` if there is none.
    pub fn find(&self, path: &str) -> Result<Option<Value>, Fail> {
        match self.send("GET", path, None, false)? {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).or_fail("Docker's answer is no JSON")?)),
            Err(refused) if refused.status == 404 => Ok(None),
            Err(refused) => Err(refused.fail()),
        }
    }

    /// Asks for a change; the answer's JSON, null where it has none.
    pub fn act(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Fail> {
        match self.send(method, path, body.map(Body::Json), false)? {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null)),
            Err(refused) => Err(refused.fail()),
        }
    }

    /// Asks for something that is told of while it happens (a line of JSON each); an error among the lines is a failure.
    pub fn stream(&self, path: &str, body: Option<Body>) -> Result<Vec<Value>, Fail> {
        let bytes = match self.send("POST", path, body, true)? {
            Ok(bytes) => bytes,
            Err(refused) => return Err(refused.fail()),
        };
        let lines: Vec<Value> =
            serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>().map_while(Result::ok).collect();
        if let Some(error) = lines.iter().find_map(|l| l.get("error")) {
            crate::fail!("{}", crate::args::text(error));
        }
        Ok(lines)
    }
}

/// What goes along with a request.
pub enum Body {
    /// JSON.
    Json(Value),
    /// A tar archive.
    Tar(Vec<u8>),
}

impl Refused {
    /// As a failure.
    pub fn fail(self) -> Fail {
        Fail::new(format!("An unexpected Docker error occurred: {} ({})", self.message, self.status))
    }
}

/// A name as a part of a URL's path or query.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `512M` in bytes; `-1` and plain numbers as they are.
pub fn bytes(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "unlimited" {
        return Some(-1);
    }
    let digits = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-'))).unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let power = match text[digits..].trim().chars().next().map(|c| c.to_ascii_uppercase()) {
        None | Some('B') => 0,
        Some(c) => "KMGTP".find(c)? as i32 + 1,
    };
    Some((number * 1024f64.powi(power)).round() as i64)
}

/// What of the wanted is not so: `(option, wanted, active)`.
pub fn differences(wanted: &Map<String, Value>, active: &Value, option: &str) -> Vec<(String, Value, Value)> {
    wanted
        .iter()
        .map(|(k, v)| (k, Value::from(crate::args::text(v)), active.get(k).cloned().unwrap_or(Value::Null)))
        .filter(|(_, v, now)| v != now)
        .map(|(k, v, now)| (format!("{option}.{k}"), v, now))
        .collect()
}

/// A dict of texts.
pub fn texts(ctx: &Ctx, name: &str) -> Option<Map<String, Value>> {
    let value = ctx.args.raw(name)?;
    let map = value.as_object()?;
    Some(map.iter().map(|(k, v)| (k.clone(), crate::args::text(v).into())).collect())
}

/// Actions and differences, where they are asked for.
pub fn finish(
    ctx: &Ctx,
    out: &mut Outcome,
    actions: Vec<String>,
    existed: bool,
    exists: bool,
    found: &[(String, Value, Value)],
) {
    if ctx.check || ctx.args.bool("debug") || !exists {
        out.insert("actions".into(), json!(actions));
    }
    if ctx.diff || ctx.check || ctx.args.bool("debug") {
        let (mut before, mut after) = (json!({"exists": existed}), json!({"exists": exists}));
        for (name, wanted, active) in found {
            before[name] = active.clone();
            after[name] = wanted.clone();
        }
        let list: Vec<Value> =
            found.iter().map(|(n, w, a)| json!({n.as_str(): {"parameter": w, "container": a}})).collect();
        out.insert("diff".into(), json!({"before": before, "after": after, "differences": list}));
    }
}
