//! The endpoint is killed at many moments while real machines are started, imaged and terminated; the next endpoint on the
//! same directory finishes what was begun, and in the end nothing is left. Needs what machines need (root, overlayfs, …);
//! elsewhere it says so and what it skipped.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use imgbuild_sandbox::machine::Namespace;

/// Moments after the answer at which the endpoint is killed, in milliseconds: before the work has begun, amid it, after it.
const MOMENTS: &[u64] = &[0, 5, 20, 60, 150, 400];

struct Served {
    endpoint: Child,
    port: u16,
    dir: PathBuf,
}

/// Where the base images' trees are kept between runs.
fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
        PathBuf::from,
    );
    base.join("imgbuild/sandbox")
}

impl Served {
    fn start(dir: &Path) -> Self {
        // Cargo builds this crate's examples with its tests.
        let program = std::env::current_exe().unwrap().parent().unwrap().join("../examples/endpoint");
        let mut endpoint = Command::new(program)
            .arg("--dir")
            .arg(dir)
            .arg("--cache")
            .arg(cache())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let mut byte = [0];
        let out = endpoint.stdout.as_mut().unwrap();
        while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            url.push(char::from(byte[0]));
        }
        let port = url.rsplit(':').next().and_then(|p| p.parse().ok()).unwrap_or_else(|| panic!("no endpoint: {url}"));
        Self { endpoint, port, dir: dir.to_owned() }
    }

    /// SIGKILL, and a new one.
    fn killed_after(mut self, milliseconds: u64) -> Self {
        std::thread::sleep(Duration::from_millis(milliseconds));
        self.endpoint.kill().unwrap();
        self.endpoint.wait().unwrap();
        Self::start(&self.dir)
    }

    fn call(&self, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "POST / HTTP/1.0\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 Credential=A/1/us-east-1/ec2/aws4_request, x\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn ok(&self, body: &str) -> String {
        let answer = self.call(body);
        assert!(answer.starts_with("HTTP/1.0 200"), "{body}: {answer}");
        answer
    }

    fn until(&self, body: &str, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let answer = self.ok(body);
            if answer.contains(text) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{body} never says {text}: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Served {
    /// After a failed assertion no machine stays.
    fn drop(&mut self) {
        if self.endpoint.try_wait().is_ok_and(|ended| ended.is_none()) && std::thread::panicking() {
            let all = self.call("Action=DescribeInstances");
            for id in all.split("<instanceId>").skip(1).filter_map(|rest| rest.split('<').next()) {
                self.call(&format!("Action=TerminateInstances&InstanceId.1={id}"));
            }
            std::thread::sleep(Duration::from_secs(10));
        }
        let _ = self.endpoint.kill();
        let _ = self.endpoint.wait();
    }
}

fn one(answer: &str, name: &str) -> String {
    let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {answer}"));
    rest.split('<').next().unwrap().to_owned()
}

fn answers_on_port_22(address: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect((address, 22)).is_err() {
        assert!(Instant::now() < deadline, "{address} has no sshd");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn whatever_was_begun_is_finished_by_the_next_endpoint() {
    if let Err(why) = Namespace::check_host() {
        // The one place where a reader of the test's output sees it.
        let _ = writeln!(std::io::stderr(), "SKIPPED whatever_was_begun_is_finished_by_the_next_endpoint: {why}");
        return;
    }
    let dir = tempfile::Builder::new().prefix("ib-killed-").tempdir().unwrap();
    let mut w = Served::start(dir.path());
    let image = one(&w.ok("Action=DescribeImages&Filter.1.Name=name&Filter.1.Value.1=debian-12-*"), "imageId");
    for (n, moment) in MOMENTS.iter().enumerate() {
        let run = format!(
            "Action=RunInstances&ImageId={image}&InstanceType=t3.micro&MinCount=1&MaxCount=1\
             &BlockDeviceMapping.1.DeviceName=/dev/sdb&BlockDeviceMapping.1.Ebs.VolumeSize=1"
        );
        let id = one(&w.ok(&run), "instanceId");
        w = w.killed_after(*moment);
        let instance = format!("Action=DescribeInstances&InstanceId.1={id}");
        let address = one(&w.until(&instance, "<name>running</name>"), "ipAddress");
        answers_on_port_22(&address);

        let new = one(&w.ok(&format!("Action=CreateImage&InstanceId={id}&Name=killed-{n}")), "imageId");
        w = w.killed_after(*moment);
        w.until(&format!("Action=DescribeImages&ImageId.1={new}"), "<imageState>available</imageState>");
        answers_on_port_22(&address);

        w.ok(&format!("Action=TerminateInstances&InstanceId.1={id}"));
        w = w.killed_after(*moment);
        w.until(&instance, "<name>terminated</name>");
        w.ok(&format!("Action=DeregisterImage&ImageId={new}&DeleteAssociatedSnapshots=true"));
    }
    let left = || -> Vec<PathBuf> {
        ["volumes", "layers", "blobs", "run"]
            .iter()
            .flat_map(|d| std::fs::read_dir(dir.path().join(d)).unwrap().map(|e| e.unwrap().path()))
            .collect()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !left().is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?}", left());
        std::thread::sleep(Duration::from_millis(100));
    }
}
