//! `docker_login`: an account of a registry, tried by Docker and kept where Docker's own `login` keeps it. Source: community.docker's
//! DOCUMENTATION, the Engine API's `/auth`, and the protocol of Docker's credential helpers.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::docker::Docker;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// What is known of a registry.
#[derive(Debug, Clone, Default, PartialEq)]
struct Account {
    username: String,
    password: String,
}

/// Where accounts are kept.
struct Store<'a> {
    ctx: &'a Ctx,
    file: PathBuf,
    config: Map<String, Value>,
    /// The program that keeps them instead of the file.
    helper: Option<String>,
}

/// Keys in order, as Docker's own file has them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            keys.into_iter().map(|key| (key.clone(), sorted(&map[key]))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

impl<'a> Store<'a> {
    fn open(ctx: &'a Ctx, file: PathBuf, registry: &str) -> Self {
        // A file that can't be read is written anew, as Docker's library does.
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let config: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
        let own = config.get("credHelpers").and_then(|helpers| helpers.get(registry));
        let helper = own.or_else(|| config.get("credsStore")).and_then(Value::as_str).filter(|name| !name.is_empty());
        let helper = helper.map(|name| format!("docker-credential-{name}"));
        Store { ctx, file, config, helper }
    }

    fn ask(&self, program: &str, what: &str, input: String) -> Result<crate::sys::run::Ran, Fail> {
        self.ctx.cmd(self.ctx.need(program)?).arg(what).stdin(input).run()
    }

    fn get(&self, registry: &str) -> Result<Option<Account>, Fail> {
        if let Some(program) = &self.helper {
            let ran = self.ask(program, "get", registry.to_owned())?;
            if !ran.ok() {
                return match ran.stdout.contains("credentials not found") {
                    true => Ok(None),
                    false => Err(ran.fail(format!("{program} get: {}", ran.complaint()))),
                };
            }
            let said: Value = serde_json::from_str(&ran.stdout).or_fail(format!("{program}'s answer is no JSON"))?;
            let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
            return Ok(Some(Account { username: text("Username"), password: text("Secret") }));
        }
        let auth = self.config.get("auths").and_then(|a| a.get(registry)).and_then(|e| e.get("auth"));
        let Some(auth) = auth.and_then(Value::as_str) else { return Ok(None) };
        let plain = STANDARD
            .decode(auth)
            .or_fail(format!("the entry of {registry} in {} is no base64", self.file.display()))?;
        let plain = String::from_utf8_lossy(&plain).into_owned();
        let (username, password) = plain.split_once(':').unwrap_or((&plain, ""));
        Ok(Some(Account { username: username.to_owned(), password: password.to_owned() }))
    }

    fn put(&mut self, registry: &str, account: &Account) -> Result<(), Fail> {
        if let Some(program) = &self.helper {
            let entry = json!({"ServerURL": registry, "Username": account.username, "Secret": account.password});
            let ran = self.ask(program, "store", entry.to_string())?;
            return if ran.ok() { Ok(()) } else { Err(ran.fail(format!("{program} store: {}", ran.complaint()))) };
        }
        let auth = STANDARD.encode(format!("{}:{}", account.username, account.password));
        let auths = self.config.entry("auths").or_insert_with(|| json!({}));
        match auths.as_object_mut() {
            Some(auths) => drop(auths.insert(registry.to_owned(), json!({"auth": auth}))),
            None => *auths = json!({registry: {"auth": auth}}),
        }
        self.write()
    }

    fn remove(&mut self, registry: &str) -> Result<(), Fail> {
        if let Some(program) = &self.helper {
            let ran = self.ask(program, "erase", registry.to_owned())?;
            return if ran.ok() { Ok(()) } else { Err(ran.fail(format!("{program} erase: {}", ran.complaint()))) };
        }
        if let Some(auths) = self.config.get_mut("auths").and_then(Value::as_object_mut) {
            auths.remove(registry);
        }
        self.write()
    }

    fn write(&self) -> Result<(), Fail> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).at("can't make the directory", folder)?;
        }
        let mut bytes = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut out = serde_json::Serializer::with_formatter(&mut bytes, indent);
        serde::Serialize::serialize(&sorted(&self.config.clone().into()), &mut out).or_fail("can't write JSON")?;
        // In place: the file may be a link, or one that Docker has open.
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.file);
        std::io::Write::write_all(&mut file.at("can't write", &self.file)?, &bytes).at("can't write", &self.file)
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let registry = args.text("registry_url");
    let docker = Docker::new(ctx)?;
    let mut store = Store::open(ctx, args.req_path("config_path")?, &registry);
    let known = store.get(&registry)?;
    if args.text("state") == "absent" {
        if known.is_some() && !ctx.check {
            store.remove(&registry)?;
        }
        return Ok(crate::out! {"changed": known.is_some(), "login_result": {}});
    }
    let wanted = Account { username: args.req("username")?, password: args.req("password")? };
    let again = args.bool("reauthorize");
    let same = known.as_ref() == Some(&wanted);
    let told = if same && !again {
        json!({"username": wanted.username, "email": null, "serveraddress": registry})
    } else {
        let body = json!({
            "username": wanted.username, "password": wanted.password, "email": null, "serveraddress": registry,
        });
        docker.act("POST", "/auth", Some(body)).map_err(|why| {
            Fail::new(format!("Logging into {registry} for user {} failed - {}", wanted.username, why.msg))
        })?
    };
    let changed = !same || again;
    if changed && !ctx.check {
        store.put(&registry, &wanted)?;
    }
    Ok(crate::out! {"changed": changed, "login_result": told})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    /// A daemon that lets `joe` with `right` in, for as many requests as are told.
    fn daemon(socket: &str, requests: usize) -> std::thread::JoinHandle<()> {
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            for _ in 0..requests {
                let (mut peer, _) = listener.accept().unwrap();
                let (mut all, mut piece) = (Vec::new(), [0; 4096]);
                while !String::from_utf8_lossy(&all).contains("serveraddress") {
                    let n = peer.read(&mut piece).unwrap();
                    all.extend_from_slice(&piece[..n]);
                }
                let right = String::from_utf8_lossy(&all).contains("\"password\":\"right\"");
                let (status, body) = match right {
                    true => ("200 OK", r#"{"IdentityToken":"","Status":"Login Succeeded"}"#),
                    false => ("401 Unauthorized", r#"{"message":"unauthorized: incorrect username or password"}"#),
                };
                let length = body.len();
                write!(peer, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
                    .unwrap();
            }
        })
    }

    #[test]
    fn in_again_and_out() {
        let dir = Scratch::new();
        let socket = dir.path("docker.sock");
        let server = daemon(&socket, 3);
        let config = dir.path("home/.docker/config.json");
        let call = |more: Value| {
            let mut args = json!({"docker_host": format!("unix://{socket}"), "registry_url": "https://r.example",
                "config_path": config, "username": "joe", "password": "right"});
            more.as_object().unwrap().iter().for_each(|(k, v)| args[k] = v.clone());
            run(&Ctx::test("docker_login", args))
        };
        let wrong = call(json!({"password": "wrong"})).unwrap_err();
        assert!(wrong.msg.contains("for user joe failed") && wrong.msg.contains("incorrect username"), "{}", wrong.msg);
        assert!(!std::path::Path::new(&config).exists());
        let first = call(json!({})).unwrap();
        assert_eq!((&first["changed"], &first["login_result"]["Status"]), (&json!(true), &json!("Login Succeeded")));
        let text = std::fs::read_to_string(&config).unwrap();
        assert_eq!(
            text,
            "{\n    \"auths\": {\n        \"https://r.example\": {\n            \"auth\": \"am9lOnJpZ2h0\"\n        }\n    }\n}"
        );
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&config).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(call(json!({})).unwrap()["changed"], false);
        assert_eq!(call(json!({"reauthorize": true})).unwrap()["changed"], true);
        server.join().unwrap();
        assert_eq!(call(json!({"state": "absent"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"state": "absent"})).unwrap()["changed"], false);
        assert_eq!(std::fs::read_to_string(&config).unwrap(), "{\n    \"auths\": {}\n}");
    }
}
