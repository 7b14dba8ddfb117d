//! `docker compose`: its command line, what it tells of on standard error, the containers and images of a project. Source:
//! community.docker's DOCUMENTATION and the output of Compose 2.18 to 2.40, as text before 2.29 and as JSON since.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{run::Ran, shlex, version::numbers};
use serde_json::{Map, Value, json};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// Something is being done.
const WORKING: &[&str] =
    &["Creating", "Starting", "Restarting", "Stopping", "Killing", "Removing", "Recreate", "Pulling", "Building"];
/// Something is as it should be, or is being waited for.
const DONE: &[&str] = &[
    "Started",
    "Healthy",
    "Exited",
    "Restarted",
    "Running",
    "Created",
    "Stopped",
    "Killed",
    "Removed",
    "Recreated",
    "Pulled",
    "Built",
    "Waiting",
];
const LAYER_WORKING: &[&str] =
    &["Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Extracting", "Working"];
const LAYER_DONE: &[&str] = &["Already exists", "Download complete", "Pull complete"];

/// One line of what Compose tells of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    kind: &'static str,
    id: Option<String>,
    status: Option<String>,
    msg: Option<String>,
}

impl Event {
    fn is(&self, status: &[&str]) -> bool {
        self.status.as_deref().is_some_and(|s| status.contains(&s))
    }

    fn layer_works(&self) -> bool {
        self.kind == "image-layer" && self.is(LAYER_WORKING)
    }

    /// Whether something is changed by it.
    fn changes(&self, but: &[&str]) -> bool {
        self.is(WORKING) && !self.is(but) || self.layer_works()
    }
}

fn kind_of(word: &str) -> &'static str {
    match word {
        "Network" => "network",
        "Image" => "image",
        "Volume" => "volume",
        "Container" => "container",
        "Service" => "service",
        _ => "unknown",
    }
}

fn known(status: &str) -> bool {
    WORKING.contains(&status) || DONE.contains(&status) || matches!(status, "Error" | "Warning")
}

/// A line of `--progress json`. `Err`: what can't be read.
fn from_json(line: &str) -> Result<Option<Event>, String> {
    if let Some(text) = line.strip_prefix("Warning: ") {
        let (status, msg) = (Some("Warning".into()), Some(text.to_string()));
        return Ok(Some(Event { kind: "unknown", status, msg, id: None }));
    }
    let Ok(Value::Object(all)) = serde_json::from_str::<Value>(line) else { return Err(line.to_string()) };
    let of = |name: &str| all.get(name).and_then(Value::as_str).map(str::to_string);
    let set =
        |name: &str| all.get(name).is_some_and(|v| !matches!(v, Value::Null | Value::Bool(false)) && *v != json!(""));
    let mut event = Event { kind: "unknown", id: of("id"), status: of("status"), msg: of("text") };
    if set("tail") {
        // What is said at the end is an error, but for one place.
        let text = event.msg.unwrap_or_default();
        let warned = text.get(..8).is_some_and(|t| t.eq_ignore_ascii_case("warning:"));
        let msg = if warned { text[8..].trim_start() } else { &text };
        let status = if warned { "Warning" } else { "Error" };
        return Ok(Some(Event { id: None, status: Some(status.into()), msg: Some(msg.into()), ..event }));
    }
    if set("error") {
        return Ok(Some(Event { status: Some("Error".into()), msg: of("message"), ..event }));
    }
    let text = event.msg.clone().unwrap_or_default();
    let id = event.id.clone().unwrap_or_default();
    // A dry run of a build names its steps.
    if id.ends_with("==>") && (text.starts_with("==> writing image ") || text.starts_with("naming to ")) {
        return Ok(None);
    }
    let swap = |event: &mut Event| std::mem::swap(&mut event.status, &mut event.msg);
    let parent = of("parent_id").and_then(|p| p.strip_prefix("Image ").map(str::to_string));
    if id == " " && text.starts_with("build service ") {
        event.kind = "service";
        event.id = text.strip_prefix("build service ").map(str::to_string);
        event.status = Some("Building".into());
        event.msg = None;
    } else if let (Some(image), true) = (parent, event.is(&["Working", "Done"])) {
        event.kind = "image-layer";
        event.id = Some(image);
    } else if let Some((kind, id)) = id.split_once(' ') {
        event.kind = kind_of(kind);
        event.id = Some(id.to_string());
    } else if matches!(text.as_str(), "Pulling" | "Pulled") {
        event.kind = "image";
        swap(&mut event);
    } else if LAYER_DONE.contains(&text.as_str()) || LAYER_WORKING[..5].contains(&text.as_str()) {
        event.kind = "image-layer";
        swap(&mut event);
    } else if event.status.is_none() && text.starts_with("Skipped - ") {
        event.status = Some("Skipped".into());
        event.msg = Some(text["Skipped - ".len()..].into());
    } else if let (Some(level @ ("warning" | "error")), Some(msg)) = (of("level").as_deref(), of("msg")) {
        event.status = Some(if level == "warning" { "Warning" } else { "Error" }.into());
        event.msg = Some(msg);
    }
    if !event.status.as_deref().is_some_and(known) && event.msg.as_deref().is_some_and(known) {
        swap(&mut event);
    }
    Ok(Some(event))
}

/// A line of text, as Compose wrote before 2.29.
fn from_text(line: &str) -> Result<Option<Event>, String> {
    let some = |text: &str| Some(text.trim().to_string()).filter(|t| !t.is_empty());
    if line.starts_with("==>") {
        return Ok(None);
    }
    if let Some(at) = line.find(" level=warning msg=") {
        let msg = line[at + " level=warning msg=".len()..].trim();
        let msg = serde_json::from_str(msg).unwrap_or_else(|_| msg.to_string());
        return Ok(Some(Event { kind: "unknown", status: Some("Warning".into()), msg: Some(msg), id: None }));
    }
    if let Some(service) = line.strip_prefix("build service ") {
        return Ok(Some(Event { kind: "service", id: some(service), status: Some("Building".into()), msg: None }));
    }
    let Some((first, rest)) = line.split_once(char::is_whitespace) else { return Err(line.to_string()) };
    let rest = rest.trim();
    if kind_of(first) != "unknown"
        && let Some((id, status)) = rest.split_once(char::is_whitespace)
    {
        let status = some(status);
        let is_status = status.as_deref().is_some_and(known);
        let (status, msg) = if is_status { (status, None) } else { (None, status) };
        return Ok(Some(Event { kind: kind_of(first), id: some(id), status, msg }));
    }
    let id = some(first);
    let (word, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match word {
        "Pulling" | "Pulled" if more.is_empty() => {
            return Ok(Some(Event { kind: "service", id, status: some(word), msg: None }));
        }
        "Error" | "Warning" => return Ok(Some(Event { kind: "unknown", id, status: some(word), msg: some(more) })),
        "Skipped" => {
            let msg = some(more.trim_start_matches('-'));
            return Ok(Some(Event { kind: "unknown", id, status: some(word), msg }));
        }
        _ => {}
    }
    let layer = LAYER_DONE.iter().chain(&LAYER_WORKING[..5]).find(|s| rest.starts_with(**s));
    match layer {
        Some(status) => Ok(Some(Event { kind: "image-layer", id, status: some(status), msg: None })),
        None => Err(line.to_string()),
    }
}

/// What Compose told of; lines that can't be read are warned of.
fn events(ctx: &Ctx, stderr: &str, json: bool, failed: bool) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    for (n, line) in lines.iter().enumerate() {
        let line = line.strip_prefix("DRY-RUN MODE -").map_or(*line, str::trim_start);
        match if json { from_json(line) } else { from_text(line) } {
            Ok(event) => out.extend(event),
            Err(text) if !json => {
                // Further lines of an error, or one that stands alone.
                match out.last_mut().filter(|e| e.is(&["Error"])) {
                    Some(last) => {
                        last.msg = Some([last.msg.take().unwrap_or_default(), text].join("\n").trim().to_string());
                    }
                    None if text.starts_with("Error ") || lines.len() == 1 || failed && n + 1 == lines.len() => out
                        .push(Event {
                            kind: "unknown",
                            id: Some(String::new()),
                            status: Some("Error".into()),
                            msg: Some(text),
                        }),
                    None => ctx.warn(format!("docker compose says what can't be understood: {text}")),
                }
            }
            Err(text) => ctx.warn(format!("docker compose says what is no JSON: {text}")),
        }
    }
    out
}

/// A project and the way to it.
pub struct Compose<'a> {
    ctx: &'a Ctx,
    cli: Vec<String>,
    env: Vec<(&'static str, String)>,
    dir: PathBuf,
    version: Vec<u64>,
    out: Outcome,
}

/// Does something with the project that the options name. One that is a part of the task (`definition`) is on disk no longer.
pub fn with_project(ctx: &Ctx, act: impl FnOnce(&mut Compose<'_>) -> Result<(), Fail>) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let given = args.given("definition");
    let dir = match given {
        Some(definition) => {
            let dir = ctx.temp()?;
            std::fs::DirBuilder::new().mode(0o700).create(&dir).at("can't make", &dir)?;
            let file = dir.join(FILES[0]);
            // JSON is YAML.
            let text = serde_json::to_vec(definition).or_fail("definition")?;
            let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
            open.and_then(|mut f| std::io::Write::write_all(&mut f, &text)).at("can't write", &file)?;
            dir
        }
        None => std::path::absolute(args.req_path("project_src")?).or_fail("project_src")?,
    };
    let done = Compose::new(ctx, dir.clone()).and_then(|mut compose| {
        act(&mut compose)?;
        Ok(compose.out)
    });
    if given.is_some() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    let mut out = done?;
    for name in ["stdout", "stderr"] {
        if out.get(name).is_some_and(|v| v == "") {
            out.remove(name);
        }
    }
    Ok(out)
}

impl<'a> Compose<'a> {
    fn new(ctx: &'a Ctx, dir: PathBuf) -> Result<Self, Fail> {
        let args = &ctx.args;
        let program = match args.str("docker_cli") {
            Some(path) => path,
            None => ctx
                .which("docker")
                .ok_or_else(|| {
                    Fail::new(
                        "Cannot find docker CLI in path. Please provide it explicitly with the docker_cli parameter",
                    )
                })?
                .to_string_lossy()
                .into_owned(),
        };
        let or_env = |name: &str, variable: &str| {
            args.given(name).map(crate::args::text).or_else(|| ctx.env(variable)).filter(|v| !v.is_empty())
        };
        let on = |name: &str, variable: &str| {
            or_env(name, variable).is_some_and(|v| crate::args::boolean(&v.into()) == Some(true))
        };
        let mut cli = vec![program];
        let context = args.str("cli_context");
        let default = || context.is_none().then(|| "unix:///var/run/docker.sock".to_string());
        if let Some(host) = or_env("docker_host", "DOCKER_HOST").or_else(default) {
            cli.extend(["--host".into(), host]);
        }
        if on("validate_certs", "DOCKER_TLS_VERIFY") {
            cli.push("--tlsverify".into());
        } else if on("tls", "DOCKER_TLS") {
            cli.push("--tls".into());
        }
        for (name, flag) in [("ca_path", "--tlscacert"), ("client_cert", "--tlscert"), ("client_key", "--tlskey")] {
            cli.extend(args.str(name).into_iter().flat_map(|v| [flag.to_string(), v]));
        }
        cli.extend(context.into_iter().flat_map(|c| ["--context".to_string(), c]));
        let mut env = Vec::new();
        env.extend(or_env("tls_hostname", "DOCKER_TLS_HOSTNAME").map(|v| ("DOCKER_TLS_HOSTNAME", v)));
        let api = or_env("api_version", "DOCKER_API_VERSION").filter(|v| v != "auto");
        env.extend(api.map(|v| ("DOCKER_API_VERSION", v)));
        let mut compose = Compose { ctx, cli, env, dir, version: Vec::new(), out: crate::out! {"changed": false} };
        let version = compose.find_version()?;
        compose.version = numbers(&version);
        if !compose.since(&[2, 18]) {
            crate::fail!(
                "Docker CLI {} has the compose plugin with version {version}; need version 2.18.0 or later",
                compose.cli[0]
            );
        }
        compose.check_files()?;
        Ok(compose)
    }

    /// Whether Compose is of this version or newer.
    pub fn since(&self, version: &[u64]) -> bool {
        self.version.as_slice() >= version
    }

    fn json(&self) -> bool {
        self.since(&[2, 29])
    }

    fn find_version(&self) -> Result<String, Fail> {
        let plain = |text: &str| Some(text.trim_start_matches('v').to_string()).filter(|v| v != "dev" && !v.is_empty());
        let ran = self.docker(&["compose", "version", "--format", "json"], None)?;
        let said: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        if let Some(version) = said["version"].as_str().filter(|_| ran.ok()).and_then(plain) {
            return Ok(version);
        }
        // Builds that do not know their version are known to Docker.
        let ran = self.docker(&["info", "--format", "{{ json . }}"], None)?;
        let said: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let plugins = said["ClientInfo"]["Plugins"].as_array().cloned().unwrap_or_default();
        let Some(plugin) = plugins.iter().find(|p| p["Name"] == "compose") else {
            crate::fail!("Docker CLI {} does not have the compose plugin installed", self.cli[0]);
        };
        plugin["Version"].as_str().and_then(plain).ok_or_else(|| {
            Fail::new(format!("Docker CLI {} has a compose plugin that does not tell its version", self.cli[0]))
        })
    }

    fn check_files(&self) -> Result<(), Fail> {
        let (args, dir) = (&self.ctx.args, &self.dir);
        if !dir.is_dir() {
            crate::fail!("\"{}\" is not a directory", dir.display());
        }
        let files = self.paths("files");
        if let Some(missing) = files.iter().find(|f| !dir.join(f).exists()) {
            crate::fail!("Cannot find Compose file \"{missing}\" relative to project directory \"{}\"", dir.display());
        }
        let none = files.is_empty() && !FILES.iter().any(|f| dir.join(f).exists());
        if none && args.bool("check_files_existing") {
            let (last, most) = FILES.split_last().unwrap_or((&"", &[]));
            crate::fail!("\"{}\" does not contain {}, or {last}", dir.display(), most.join(", "));
        }
        Ok(())
    }

    fn paths(&self, name: &str) -> Vec<String> {
        let args = &self.ctx.args;
        args.strs(name).iter().map(|p| args.expand(p).to_string_lossy().into_owned()).collect()
    }

    fn docker(&self, words: &[impl AsRef<str>], dir: Option<&Path>) -> Result<Ran, Fail> {
        let mut cmd = self.ctx.cmd(&self.cli[0]).args(&self.cli[1..]).args(words.iter().map(AsRef::as_ref));
        for (name, value) in &self.env {
            cmd = cmd.env(name, value);
        }
        if let Some(dir) = dir {
            cmd = cmd.cwd(dir);
        }
        cmd.run()
    }

    fn base(&self) -> Vec<String> {
        let mut out: Vec<String> = ["compose", "--ansi", "never"].map(String::from).into();
        if self.since(&[2, 19]) {
            out.extend(["--progress".into(), if self.json() { "json" } else { "plain" }.into()]);
        }
        out.extend(["--project-directory".into(), self.dir.to_string_lossy().into_owned()]);
        let mut each = |flag: &str, values: Vec<String>| {
            out.extend(values.into_iter().flat_map(|v| [flag.to_string(), v]));
        };
        each("--project-name", self.ctx.args.str("project_name").into_iter().collect());
        each("--file", self.paths("files"));
        each("--env-file", self.paths("env_files"));
        each("--profile", self.ctx.args.strs("profiles"));
        out
    }

    /// Runs a command of Compose's for the services that the task names, and adds to the result what it did.
    /// `but`: what is no change.
    pub fn act(&mut self, words: &[String], but: &[&str]) -> Result<(), Fail> {
        let mut line = self.base();
        line.extend_from_slice(words);
        if self.ctx.check {
            line.push("--dry-run".into());
        }
        line.push("--".into());
        line.extend(self.ctx.args.strs("services"));
        let ran = self.docker(&line, Some(&self.dir))?;
        let events = events(self.ctx, &ran.stderr, self.json(), !ran.ok());
        for event in events.iter().filter(|e| e.status.is_none() && e.msg.is_some() || e.is(&["Warning"])) {
            let of = event.id.as_ref().map(|id| format!("{} {id}: ", event.kind)).unwrap_or_default();
            self.ctx.warn(format!("Docker compose: {of}{}", event.msg.as_deref().unwrap_or_default()));
        }
        let changed = self.out.get("changed") == Some(&json!(true)) || events.iter().any(|e| e.changes(but));
        self.out.insert("changed".into(), changed.into());
        let mut actions = self.out.get("actions").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut layers: Vec<Value> = Vec::new();
        for event in &events {
            let action = json!({"what": event.kind, "id": event.id, "status": event.status});
            if event.layer_works() && !layers.contains(&action) {
                layers.push(action.clone());
                actions.push(action);
            } else if event.kind != "image-layer" && event.is(WORKING) {
                actions.push(action);
            }
        }
        self.out.insert("actions".into(), actions.into());
        for (name, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            let before = self.out.get(name).and_then(Value::as_str).unwrap_or_default();
            let all = [before, text.as_str()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n");
            self.out.insert(name.into(), all.into());
        }
        if ran.ok() { Ok(()) } else { Err(self.failure(&line, &events, &ran)) }
    }

    fn failure(&self, line: &[String], events: &[Event], ran: &Ran) -> Fail {
        let one = |e: &Event| {
            let what = match (e.id.as_deref(), e.kind) {
                (None | Some(""), _) => "General error".to_string(),
                (Some(id), "unknown") => format!("Error when processing {id}"),
                (Some(id), kind) => format!("Error when processing {kind} {id}"),
            };
            format!("{what}: {}", e.msg.as_deref().or(e.status.as_deref()).unwrap_or_default())
        };
        let mut errors: Vec<String> = events.iter().filter(|e| e.is(&["Error"])).map(one).collect();
        if errors.is_empty() {
            errors.push(format!("Return code {} is non-zero", ran.rc));
        }
        let cmd: Vec<String> = std::iter::once(&self.cli[0]).chain(line).map(|w| shlex::quote(w)).collect();
        let mut fail = ran.fail(errors.join("\n")).with("cmd", cmd.join(" "));
        for name in ["changed", "actions"] {
            fail.fields.extend(self.out.get(name).map(|v| (name.to_string(), v.clone())));
        }
        fail
    }

    fn list(&self, words: &[&str]) -> Result<Vec<Value>, Fail> {
        let mut line = self.base();
        line.extend(words.iter().map(|w| w.to_string()));
        let ran = self.docker(&line, Some(&self.dir))?;
        if !ran.ok() {
            return Err(self.failure(&line, &events(self.ctx, &ran.stderr, self.json(), true), &ran));
        }
        // A list, an object whose values are meant, or one object a line: Compose changed its mind.
        let all: Vec<Value> =
            serde_json::Deserializer::from_str(&ran.stdout).into_iter::<Value>().map_while(Result::ok).collect();
        Ok(match (all.as_slice(), words[0]) {
            ([Value::Array(list)], _) => list.clone(),
            ([Value::Object(map)], "images") => map.values().cloned().collect(),
            _ => all,
        })
    }

    fn raw_containers(&self) -> Result<Vec<Value>, Fail> {
        let words = ["ps", "--format", "json", "--all", "--no-trunc"];
        self.list(if self.since(&[2, 23]) { &words } else { &words[..4] })
    }

    /// Whether no container of the project runs.
    pub fn all_stopped(&self) -> Result<bool, Fail> {
        let stopped = |c: &Value| matches!(c["State"].as_str(), Some("created" | "exited" | "stopped" | "killed"));
        Ok(self.raw_containers()?.iter().all(stopped))
    }

    /// Adds `containers` and `images` to the result.
    pub fn describe(&mut self) -> Result<(), Fail> {
        let words = |value: &Value| value.as_str().unwrap_or_default().split(',').map(Value::from).collect::<Value>();
        let mut containers = self.raw_containers()?;
        for container in &mut containers {
            let labels = container["Labels"].as_str().unwrap_or_default().to_string();
            let pairs = labels.split(',').filter(|l| !l.is_empty()).map(|l| l.split_once('=').unwrap_or((l, "")));
            let labels: Map<String, Value> = pairs.map(|(k, v)| (k.to_string(), v.into())).collect();
            let names = container.get("Names").filter(|n| n.is_string()).unwrap_or(&container["Name"]);
            let (names, networks) = (words(names), words(&container["Networks"]));
            container["Labels"] = labels.into();
            container["Names"] = names;
            container["Networks"] = networks;
            if !container["Publishers"].is_array() {
                container["Publishers"] = json!([]);
            }
        }
        self.out.insert("containers".into(), containers.into());
        let images = self.list(&["images", "--format", "json"])?;
        self.out.insert("images".into(), images.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compose_says() {
        let event = |kind, id: &str, status: Option<&str>, msg: Option<&str>| Event {
            kind,
            id: Some(id.into()),
            status: status.map(String::from),
            msg: msg.map(String::from),
        };
        for (line, want) in [
            (
                r#"{"id":"Container a-web-1","status":"Creating"}"#,
                event("container", "a-web-1", Some("Creating"), None),
            ),
            (r#"{"id":"Network a","text":"Created"}"#, event("network", "a", Some("Created"), None)),
            (r#"{"id":"web","text":"Pulling"}"#, event("image", "web", Some("Pulling"), None)),
            (
                r#"{"id":"63a2","parent_id":"Image x:1","status":"Working"}"#,
                event("image-layer", "x:1", Some("Working"), None),
            ),
            (r#"{"id":"9f","text":"Extracting"}"#, event("image-layer", "9f", Some("Extracting"), None)),
            (r#"{"id":" ","text":"build service app"}"#, event("service", "app", Some("Building"), None)),
            (r#"{"error":true,"id":"web","message":"no"}"#, event("unknown", "web", Some("Error"), Some("no"))),
        ] {
            assert_eq!(from_json(line), Ok(Some(want)), "{line}");
        }
        let tail = from_json(r#"{"tail":true,"text":"WARNING: old"}"#).unwrap().unwrap();
        assert_eq!((tail.status.as_deref(), tail.msg.as_deref()), (Some("Warning"), Some("old")));
        let step = r#"{"dry-run":true,"id":"==>","text":"==> writing image dryRun-7d"}"#;
        assert_eq!(from_json(step), Ok(None));
        assert!(from_json("what?").is_err());
        for (line, want) in [
            ("Container a-web-1  Recreate", event("container", "a-web-1", Some("Recreate"), None)),
            ("Volume \"v\"  is in use", event("volume", "\"v\"", None, Some("is in use"))),
            ("web Pulled", event("service", "web", Some("Pulled"), None)),
            ("web Error no such image", event("unknown", "web", Some("Error"), Some("no such image"))),
            ("9f Downloading [==>  ] 1kB/2kB", event("image-layer", "9f", Some("Downloading"), None)),
        ] {
            assert_eq!(from_text(line), Ok(Some(want)), "{line}");
        }
        let ctx = Ctx::test("docker_compose_v2", json!({"project_src": "/"}));
        let all = events(&ctx, "DRY-RUN MODE -  Container a  Creating \nError response\nmore\n", false, true);
        assert_eq!(all[1].msg.as_deref(), Some("Error response\nmore"));
        assert!(all[0].changes(&[]) && !all[1].changes(&[]));
        assert!(!event("service", "x", Some("Pulling"), None).changes(&["Pulling"]));
    }
}
