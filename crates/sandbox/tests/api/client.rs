//! A Query client of a few lines on plain hyper.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use imgbuild_sandbox::{Endpoint, Sandbox};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;

use crate::machines::{Pretended, sandbox};

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// The text of all elements of this name.
    pub fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let mut rest = self.text.as_str();
        let mut found = Vec::new();
        while let Some(at) = rest.find(&open) {
            rest = &rest[at + open.len()..];
            let end = rest.find(&close).expect("closed element");
            found.push(rest[..end].to_owned());
        }
        found
    }

    /// The text of the first element of this name.
    pub fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    /// The error's code, or `ok`.
    pub fn code(&self) -> String {
        if self.status == 200 { "ok".into() } else { self.one("Code") }
    }
}

/// A served sandbox with a client.
pub struct World {
    pub sandbox: Sandbox,
    pub endpoint: Endpoint,
    pub machines: std::sync::Arc<Pretended>,
    pub dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (sandbox, machines) = sandbox(dir.path());
        let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self { sandbox, endpoint, machines, dir }
    }

    /// Ends the endpoint and opens the directory again, with the machines that were there.
    pub async fn reopened(self) -> Self {
        self.endpoint.shutdown().await;
        let (sandbox, machines) = crate::machines::sandbox_with(self.dir.path(), self.machines.clone());
        let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self { sandbox, endpoint, machines, dir: self.dir }
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let stream = TcpStream::connect(self.endpoint.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some(Answer { status, text: String::from_utf8(body.to_vec()).unwrap() })
    }

    /// A call in a region; `None` when the connection was dropped.
    pub async fn try_in(&self, region: &str, action: &str, params: &[(&str, &str)]) -> Option<Answer> {
        let mut body = format!("Action={action}&Version=2016-11-15");
        for (name, value) in params {
            body.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
        let service = if action == "GetCallerIdentity" { "sts" } else { "ec2" };
        let request = Request::post("/")
            .header("host", self.endpoint.address.to_string())
            .header("content-type", "application/x-www-form-urlencoded")
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"),
            )
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        self.send(request).await
    }

    pub async fn call_in(&self, region: &str, action: &str, params: &[(&str, &str)]) -> Answer {
        self.try_in(region, action, params).await.expect("an answer")
    }

    pub async fn call(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.call_in("us-east-1", action, params).await
    }

    /// A call that must succeed.
    pub async fn ok(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        let answer = self.call(action, params).await;
        assert_eq!(answer.status, 200, "{action} {params:?}: {}", answer.text);
        answer
    }

    /// The id of the catalogue's Debian image.
    pub async fn debian(&self) -> String {
        self.ok("DescribeImages", &[("Filter.1.Name", "name"), ("Filter.1.Value.1", "debian-12-amd64*")])
            .await
            .one("imageId")
    }

    /// An instance that runs.
    pub async fn instance(&self, more: &[(&str, &str)]) -> String {
        let image = self.debian().await;
        let mut params =
            vec![("ImageId", image.as_str()), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1")];
        params.extend_from_slice(more);
        let id = self.ok("RunInstances", &params).await.one("instanceId");
        self.until_instance(&id, "running").await;
        id
    }

    /// Waits until a condition holds; tests never wait for longer than work that pretends can take.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut condition: impl FnMut() -> F) {
        for _ in 0..2000 {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not come about");
    }

    pub async fn until_instance(&self, id: &str, state: &str) {
        self.until(&format!("{id} {state}"), || async {
            self.ok("DescribeInstances", &[("InstanceId.1", id)]).await.text.contains(&format!("<name>{state}</name>"))
        })
        .await;
    }

    pub async fn until_image(&self, id: &str, state: &str) {
        self.until(&format!("{id} {state}"), || async {
            self.ok("DescribeImages", &[("ImageId.1", id)]).await.one("imageState") == state
        })
        .await;
    }

    pub async fn until_volume(&self, id: &str, state: &str) {
        self.until(&format!("{id} {state}"), || async {
            self.ok("DescribeVolumes", &[("VolumeId.1", id)]).await.one("status") == state
        })
        .await;
    }

    pub async fn until_snapshot(&self, id: &str, state: &str) {
        self.until(&format!("{id} {state}"), || async {
            self.ok("DescribeSnapshots", &[("SnapshotId.1", id)]).await.one("status") == state
        })
        .await;
    }
}
