//! RabbitMQ, by `rabbitmqctl` on its host or by the HTTP API of its management plugin.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail};
use crate::sys::http::Request;
use crate::sys::run::Ran;
use crate::sys::version::numbers;
use serde_json::Value;
use std::io::Read;

/// A broker and the way to it.
pub struct Rabbit<'a> {
    ctx: &'a Ctx,
    way: Way,
}

enum Way {
    /// `rabbitmqctl` and the node that it is for.
    Program(String, String),
    /// The URL in front of `/api/`.
    Api(String),
}

/// An answer of the API: its status, and what it says.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body: JSON, or text that is none.
    pub body: Value,
}

impl Answer {
    /// Whether it was done.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// As a failure to do something.
    pub fn fail(&self, what: &str) -> Fail {
        let reason = self.body.get("reason").unwrap_or(&self.body);
        Fail::new(format!("{what}: RabbitMQ answers {} {}", self.status, crate::args::text(reason)))
            .with("status", self.status)
    }
}

impl<'a> Rabbit<'a> {
    /// By the API where a host is named, else by the program.
    pub fn new(ctx: &'a Ctx) -> Result<Self, Fail> {
        let args = &ctx.args;
        let way = match args.str("login_host").filter(|h| !h.is_empty()) {
            Some(host) => Way::Api(format!("{}://{host}:{}", args.text("login_protocol"), args.text("login_port"))),
            None => Way::Program(ctx.need("rabbitmqctl")?.to_string_lossy().into_owned(), args.text("node")),
        };
        Ok(Rabbit { ctx, way })
    }

    /// Whether the API is spoken.
    pub fn by_api(&self) -> bool {
        matches!(self.way, Way::Api(_))
    }

    /// Runs `rabbitmqctl`. A secret is a line of its input: on its command line everybody could read it.
    pub fn call(&self, words: &[&str], secret: Option<&str>) -> Result<Ran, Fail> {
        let Way::Program(program, node) = &self.way else {
            crate::fail!("rabbitmqctl is not asked where login_host is given")
        };
        let mut cmd = self.ctx.cmd(program).arg("-q");
        if !node.is_empty() {
            cmd = cmd.args(["-n", node]);
        }
        cmd = cmd.args(words).english();
        if let Some(secret) = secret {
            cmd = cmd.stdin(format!("{secret}\n"));
        }
        cmd.run()
    }

    /// Runs it and expects it to do what it is told; its output.
    pub fn must(&self, words: &[&str], secret: Option<&str>) -> Result<String, Fail> {
        let ran = self.call(words, secret)?;
        if ran.ok() {
            return Ok(ran.stdout);
        }
        Err(ran.fail(format!("rabbitmqctl {} failed: {}", words.first().unwrap_or(&""), ran.complaint())))
    }

    /// Asks it for a list of objects.
    pub fn list(&self, words: &[&str]) -> Result<Vec<Value>, Fail> {
        let mut line = words.to_vec();
        line.extend(["--formatter", "json"]);
        let text = self.must(&line, None)?;
        // Versions before 3.7.6 know no JSON.
        serde_json::from_str(text.trim()).or_fail(format!("rabbitmqctl {} prints no JSON", words[0]))
    }

    /// The version of the broker.
    pub fn version(&self) -> Result<Vec<u64>, Fail> {
        let text = self.must(&["status", "--formatter", "json"], None)?;
        let said: Value = serde_json::from_str(text.trim()).unwrap_or_default();
        let version = said.get("rabbitmq_version").map(crate::args::text).unwrap_or_default();
        if version.is_empty() {
            crate::fail!("Could not determine the version of the RabbitMQ server; imgbuild needs 3.8 or later");
        }
        Ok(numbers(&version))
    }

    /// Sends a request to the API as somebody: the task's login, where nobody is named.
    pub fn api(
        &self,
        method: &str,
        path: &[&str],
        body: Option<&Value>,
        whom: Option<(&str, &str)>,
    ) -> Result<Answer, Fail> {
        let Way::Api(base) = &self.way else { crate::fail!("the API is not asked where login_host is not given") };
        let args = &self.ctx.args;
        // A vhost is called `/`, so slashes are escaped as well.
        let parts: Vec<String> = path.iter().map(|p| escape(p)).collect();
        let mut request = Request::get(&format!("{base}/api/{}", parts.join("/")));
        request.method = method.into();
        let own = || (args.text("login_user"), args.text("login_password"));
        request.login = Some(whom.map_or_else(own, |(user, password)| (user.to_string(), password.to_string())));
        request.force_login = true;
        request.ca = args.path("ca_cert");
        request.client = args.path("client_cert").map(|cert| (cert, args.path("client_key")));
        if let Some(body) = body {
            request.headers.push(("Content-Type".into(), "application/json".into()));
            request.body = Some(body.to_string().into_bytes().into());
        }
        let mut answer = request.send(self.ctx)?;
        let mut text = String::new();
        answer.body.read_to_string(&mut text).or_fail("RabbitMQ's answer broke off")?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status: answer.status, body })
    }

    /// As [`Rabbit::api`]; what is not done is a failure.
    pub fn must_api(&self, method: &str, path: &[&str], body: Option<&Value>, what: &str) -> Result<Value, Fail> {
        let answer = self.api(method, path, body, None)?;
        if answer.ok() { Ok(answer.body) } else { Err(answer.fail(what)) }
    }
}

fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// For tests: a broker of their own, with its API, on loopback.
#[cfg(test)]
pub mod real {
    use crate::ctx::Ctx;
    use crate::sys::files::{Scratch, skipped};
    use serde_json::{Value, json};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    const BIN: &str = "/usr/lib/rabbitmq/bin";

    /// A running broker, and the variables by which its programs find it.
    pub struct Broker {
        _dir: Scratch,
        child: Child,
        env: Vec<(&'static str, String)>,
        api: u16,
        _names: Names,
    }

    /// The daemon of names that Erlang's programs start and leave: on a port of its own, and gone with the value.
    pub struct Names(pub u16);

    impl Names {
        /// A port that nobody listens on.
        pub fn new() -> Self {
            Names(free_port())
        }
    }

    impl Drop for Names {
        fn drop(&mut self) {
            let _ = Command::new("epmd").arg("-kill").env("ERL_EPMD_PORT", self.0.to_string()).output();
        }
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map(|a| a.port()).unwrap()
    }

    impl Broker {
        /// Starts one. `None`: it was said why there is none.
        pub fn start() -> Option<Self> {
            if !Path::new(BIN).join("rabbitmq-server").exists() {
                skipped("no RabbitMQ here");
                return None;
            }
            let dir = Scratch::new();
            let (api, names) = (free_port(), Names::new());
            dir.file("rabbitmq.conf", &format!("management.tcp.port = {api}\nmanagement.tcp.ip = 127.0.0.1\n"));
            dir.file("plugins", "[rabbitmq_management].\n");
            let env = vec![
                ("HOME", dir.path("")),
                ("RABBITMQ_NODENAME", "test@localhost".into()),
                ("RABBITMQ_MNESIA_BASE", dir.path("db")),
                ("RABBITMQ_LOG_BASE", dir.path("log")),
                ("RABBITMQ_ENABLED_PLUGINS_FILE", dir.path("plugins")),
                ("RABBITMQ_CONFIG_FILE", dir.path("rabbitmq")),
                ("RABBITMQ_CONF_ENV_FILE", "/dev/null".into()),
                ("RABBITMQ_PID_FILE", dir.path("pid")),
                ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
                ("RABBITMQ_NODE_PORT", free_port().to_string()),
                ("RABBITMQ_DIST_PORT", free_port().to_string()),
                ("ERL_EPMD_PORT", names.0.to_string()),
                ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ];
            let child = Command::new(Path::new(BIN).join("rabbitmq-server"))
                .envs(env.iter().cloned())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let broker = Broker { _dir: dir, child, env, api, _names: names };
            for _ in 0..60 {
                if broker.ctl(&["await_startup"]).0 && std::net::TcpStream::connect(("127.0.0.1", api)).is_ok() {
                    return Some(broker);
                }
                std::thread::sleep(std::time::Duration::from_millis(500));
            }
            panic!("RabbitMQ does not come up");
        }

        /// Runs `rabbitmqctl`: whether it did it, and what it said.
        pub fn ctl(&self, words: &[&str]) -> (bool, String) {
            let out = Command::new(Path::new(BIN).join("rabbitmqctl"))
                .args(["-q", "-n", "test@localhost"])
                .args(words)
                .envs(self.env.iter().cloned())
                .output()
                .unwrap();
            (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
        }

        /// A call of a module for this broker, by the program or by the API.
        pub fn ctx(&self, module: &str, args: Value, check: bool, api: bool) -> Ctx {
            let mut all = if api {
                json!({"login_host": "127.0.0.1", "login_port": self.api, "login_user": "guest", "login_password": "guest"})
            } else {
                json!({"node": "test@localhost"})
            };
            all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            let mut ctx = Ctx::test(module, all);
            ctx.check = check;
            ctx.env.extend(self.env.iter().map(|(k, v)| (k.to_string(), v.clone())));
            ctx.env.insert("PATH".into(), format!("{BIN}:/usr/bin:/bin"));
            ctx
        }
    }

    impl Drop for Broker {
        fn drop(&mut self) {
            self.ctl(&["shutdown"]);
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
