//! An account of its own: a served sandbox, the program with a home of its own, and what the account holds.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No build of ours takes longer, even on a machine that is busy; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(900);

/// The account, and the program.
pub struct World {
    dir: TempDir,
    program: PathBuf,
    sandbox: Child,
    _input: Option<ChildStdin>,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; a signal is 128 + its number.
    pub code: i32,
    /// Both outputs.
    pub text: String,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.faults("[]");
        let _ = self.run(&["sandbox", "rm", "--all", "--sandbox-dir", &self.path("sandbox")], &[]);
        let pid = self.sandbox.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.sandbox.wait();
    }
}

impl World {
    /// Serves a new sandbox.
    pub fn start(program: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("imgbuild-chaos-").tempdir()?;
        for name in ["home", "state", "data", "config", "work"] {
            std::fs::create_dir(dir.path().join(name))?;
        }
        let sandbox = dir.path().join("sandbox");
        let mut serve = Command::new(program);
        serve.args(["sandbox", "up", "--sandbox-dir"]).arg(&sandbox);
        let mut sandbox = serve.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(sandbox.stdout.take().context("no output")?).read_line(&mut line)?;
        let url = line.split_whitespace().find(|w| w.starts_with("http://")).unwrap_or_default().to_owned();
        let input = sandbox.stdin.take();
        let world = World { dir, program: program.to_owned(), sandbox, _input: input, url };
        ensure!(!world.url.is_empty(), "the sandbox did not say where it listens: {line:?}");
        // A region is set up, its images are listed, when it is first asked.
        for region in ["us-east-1", "us-west-2", "eu-west-1"] {
            world.call(region, "DescribeRegions", &[])?;
        }
        Ok(world)
    }

    /// A path in the world's folder.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes a file in the working directory.
    pub fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.dir.path().join("work").join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// A command in the world's environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.dir.path().join("work")).stdin(Stdio::null());
        let cache = std::env::var("XDG_CACHE_HOME")
            .unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap_or_else(|_| "/root".into())));
        command
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", cache)
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// The program with these arguments, in the world's environment.
    pub fn imgbuild(&self, args: &[&str], env: &[(&str, &str)]) -> Command {
        let mut command = self.command(&self.program);
        command.args(args).envs(env.iter().copied());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str], env: &[(&str, &str)]) -> Result<Ended> {
        finish(&mut self.imgbuild(args, env))
    }

    /// Builds a template.
    pub fn build(&self, template: &Value, env: &[(&str, &str)]) -> Result<Ended> {
        let path = self.write("t.json", &serde_json::to_string_pretty(template)?)?;
        self.run(&["build", "-color=false", &path], env)
    }

    /// Sets the faults; `[]` clears them.
    pub fn faults(&self, rules: &str) -> Result<()> {
        let (status, answer) = self.http("PUT", "/_sandbox/faults", rules.as_bytes(), &[])?;
        ensure!(status == 200, "the faults were refused: {answer}");
        Ok(())
    }

    /// The calls since the last [`World::forget_calls`].
    pub fn calls(&self) -> Result<Vec<Value>> {
        let (_, answer) = self.http("GET", "/_sandbox/calls", b"", &[])?;
        Ok(serde_json::from_str::<Vec<Value>>(&answer)?)
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) -> Result<()> {
        self.http("DELETE", "/_sandbox/calls", b"", &[]).map(drop)
    }

    /// An EC2 call of somebody else's.
    pub fn call(&self, region: &str, action: &str, params: &[(&str, &str)]) -> Result<String> {
        let mut body = format!("Action={action}&Version=2016-11-15");
        for (name, value) in params {
            let value: String = value
                .bytes()
                .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
                .collect();
            body.push_str(&format!("&{name}={value}"));
        }
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=OTHER/20260101/{region}/ec2/aws4_request, SignedHeaders=host, Signature=x"
        );
        let headers = [("Authorization", signed.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let (status, answer) = self.http("POST", "/", body.as_bytes(), &headers)?;
        ensure!(status == 200, "{action}: {answer}");
        Ok(answer)
    }

    /// An HTTP request to the endpoint.
    pub fn http(&self, method: &str, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Result<(u16, String)> {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Ok((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
    }

    /// What the account holds beside what every account holds: `kind id` of each.
    pub fn holdings(&self) -> Result<BTreeMap<String, String>> {
        let text = std::fs::read_to_string(self.dir.path().join("sandbox/state.json"))?;
        let state: Value = serde_json::from_str(&text)?;
        let mut all = BTreeMap::new();
        let each = |value: &Value| {
            value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>()
        };
        for (name, region) in each(&state["regions"]) {
            for kind in ["key_pairs", "security_groups", "snapshots", "volumes", "instances", "launch_templates"] {
                for (id, thing) in each(&region[kind]) {
                    // A snapshot that was deleted while it was being made goes when it is done.
                    let over = kind == "instances" && thing["state"] == "terminated" || thing["deleted"] == true;
                    if !(over || kind == "security_groups" && thing["name"] == "default") {
                        all.insert(format!("{kind} {id} in {name}"), thing.to_string());
                    }
                }
            }
            for (id, thing) in each(&region["images"]) {
                if thing["source"].get("catalogue").is_none() {
                    all.insert(format!("images {id} in {name}"), thing.to_string());
                }
            }
        }
        for kind in ["roles", "instance_profiles"] {
            for (id, thing) in each(&state[kind]) {
                all.insert(format!("{kind} {id}"), thing.to_string());
            }
        }
        Ok(all)
    }

    /// The same, once the requests that a killed program had under way are done: when no thing comes or goes for a second.
    pub fn settled(&self) -> Result<BTreeMap<String, String>> {
        let mut last = self.holdings()?;
        for _ in 0..20 {
            std::thread::sleep(Duration::from_secs(1));
            let now = self.holdings()?;
            let still = now.keys().eq(last.keys());
            last = now;
            if still {
                break;
            }
        }
        Ok(last)
    }

    /// The journals that are there.
    pub fn journals(&self) -> Vec<PathBuf> {
        let dir = self.dir.path().join("state/imgbuild/journals");
        let files = std::fs::read_dir(dir).into_iter().flatten().filter_map(|f| Some(f.ok()?.path()));
        files.filter(|p| p.extension().is_some_and(|e| e == "jsonl")).collect()
    }
}

/// Runs a command to its end, or kills it when it takes too long.
pub fn finish(command: &mut Command) -> Result<Ended> {
    finish_within(command, PATIENCE)
}

/// The same, with a limit of its own.
pub fn finish_within(command: &mut Command, limit: Duration) -> Result<Ended> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else { bail!("no output") };
    let gather = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let (out, err) = (gather(Box::new(out)), gather(Box::new(err)));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > limit {
            let _ = child.kill();
            let status = child.wait()?;
            let text = format!("{}{}", out.join().unwrap_or_default(), err.join().unwrap_or_default());
            bail!("hangs ({status}):\n{text}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let text = format!("{}{}", out.join().unwrap_or_default(), err.join().unwrap_or_default());
    Ok(Ended { code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), text })
}
