//! The instance that this program runs on: its metadata service tells which it is.

use async_trait::async_trait;
use serde::Deserialize;
use std::time::Duration;

/// Where the service answers on every instance.
pub const ENDPOINT: &str = "http://169.254.169.254";

/// What the instance identity document says (EC2 user guide, "Instance identity documents").
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `i-…`
    pub instance_id: String,
    /// `us-east-1`
    pub region: String,
    /// `us-east-1a`
    pub availability_zone: String,
}

/// Tells which instance this is. A trait, so that tests need no instance.
#[async_trait]
pub trait Here: Send + Sync {
    /// The identity document. The error is one sentence.
    async fn identity(&self) -> Result<Identity, String>;
}

/// The metadata service: version 2, and version 1 where that refuses a token.
pub struct Imds {
    endpoint: String,
}

impl Default for Imds {
    fn default() -> Self {
        Imds { endpoint: ENDPOINT.into() }
    }
}

impl Imds {
    /// At another address (`AWS_EC2_METADATA_SERVICE_ENDPOINT`).
    pub fn at(endpoint: &str) -> Self {
        Imds { endpoint: endpoint.trim_end_matches('/').to_owned() }
    }
}

#[async_trait]
impl Here for Imds {
    async fn identity(&self) -> Result<Identity, String> {
        let endpoint = self.endpoint.clone();
        let ask = move || -> Result<Identity, String> {
            let config = ureq::Agent::config_builder()
                .timeout_connect(Some(Duration::from_secs(2)))
                .timeout_global(Some(Duration::from_secs(10)))
                // A proxy of the environment has another instance's, or none.
                .proxy(None)
                .build();
            let agent = ureq::Agent::new_with_config(config);
            let token = agent
                .put(format!("{endpoint}/latest/api/token"))
                .header("X-aws-ec2-metadata-token-ttl-seconds", "60")
                .send_empty()
                .ok()
                .and_then(|mut answer| answer.body_mut().read_to_string().ok());
            let mut call = agent.get(format!("{endpoint}/latest/dynamic/instance-identity/document"));
            if let Some(token) = &token {
                call = call.header("X-aws-ec2-metadata-token", token.trim());
            }
            let mut answer = call.call().map_err(|e| format!("the instance metadata service at {endpoint}: {e}"))?;
            let text = answer.body_mut().read_to_string().map_err(|e| e.to_string())?;
            serde_json::from_str(&text).map_err(|e| format!("the instance identity document can't be read: {e}"))
        };
        tokio::task::spawn_blocking(ask).await.map_err(|e| e.to_string())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};

    #[tokio::test]
    async fn asks_with_a_token() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for body in
                ["secret-token", r#"{"instanceId":"i-1","region":"eu-west-1","availabilityZone":"eu-west-1b","x":1}"#]
            {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).unwrap() > 2 {}
                seen.push(head.to_ascii_lowercase());
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                    .unwrap();
            }
            seen
        });
        let identity = Imds::at(&format!("http://{address}/")).identity().await.unwrap();
        let expected =
            Identity { instance_id: "i-1".into(), region: "eu-west-1".into(), availability_zone: "eu-west-1b".into() };
        assert_eq!(identity, expected);
        let seen = served.join().unwrap();
        assert!(seen[0].starts_with("put /latest/api/token"), "{seen:?}");
        assert!(seen[1].contains("x-aws-ec2-metadata-token: secret-token"), "{seen:?}");
    }
}
