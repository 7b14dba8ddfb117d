//! The address that this machine is seen under: the only one that a temporary security group admits.

use async_trait::async_trait;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Finds addresses of this machine. A trait, so that tests and the sandbox need no internet.
#[async_trait]
pub trait CallerAddress: Send + Sync {
    /// The address that the internet sees. The error is one sentence.
    async fn public(&self) -> Result<IpAddr, String>;

    /// Whether the user named who is to be asked: then it is asked, whatever the endpoint.
    fn is_chosen(&self) -> bool {
        false
    }

    /// The local address from which this machine sends to `target`. The error is one sentence.
    fn toward(&self, target: IpAddr) -> Result<IpAddr, String>;
}

/// Asks `https://checkip.amazonaws.com`, as Packer's `temporary_security_group_source_public_ip` does.
pub struct CheckIp {
    url: String,
    chosen: bool,
}

impl Default for CheckIp {
    fn default() -> Self {
        CheckIp { url: "https://checkip.amazonaws.com".into(), chosen: false }
    }
}

impl CheckIp {
    /// Another service that answers with an address and nothing else.
    pub fn at(url: impl Into<String>) -> Self {
        CheckIp { url: url.into(), chosen: true }
    }
}

/// Seconds between tries where the service can't be reached: names and networks are away for a moment now and then.
const PAUSES: [u64; 3] = [1, 2, 4];

/// Why there is no address.
enum Asked {
    /// No answer came.
    Unreached(String),
    /// One that is no address.
    Answered(String),
}

impl Asked {
    fn into_text(self) -> String {
        match self {
            Asked::Unreached(why) | Asked::Answered(why) => why,
        }
    }
}

impl CheckIp {
    async fn ask(&self) -> Result<IpAddr, Asked> {
        let url = self.url.clone();
        let ask = move || -> Result<IpAddr, Asked> {
            let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build();
            let mut answer = match ureq::Agent::new_with_config(config).get(&url).call() {
                Err(e @ ureq::Error::StatusCode(_)) => return Err(Asked::Answered(format!("{url}: {e}"))),
                other => other.map_err(|e| Asked::Unreached(format!("{url}: {e}")))?,
            };
            let text = answer.body_mut().read_to_string().map_err(|e| Asked::Unreached(format!("{url}: {e}")))?;
            text.trim().parse().map_err(|_| Asked::Answered(format!("{url} did not answer with an address")))
        };
        tokio::task::spawn_blocking(ask).await.map_err(|e| Asked::Answered(e.to_string()))?
    }
}

#[async_trait]
impl CallerAddress for CheckIp {
    async fn public(&self) -> Result<IpAddr, String> {
        for pause in PAUSES {
            match self.ask().await {
                Err(Asked::Unreached(why)) => tracing::debug!("asking again for this machine's address: {why}"),
                other => return other.map_err(Asked::into_text),
            }
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
        self.ask().await.map_err(Asked::into_text)
    }

    fn is_chosen(&self) -> bool {
        self.chosen
    }

    fn toward(&self, target: IpAddr) -> Result<IpAddr, String> {
        // Connecting a datagram socket sends nothing; it only asks the routing table.
        let any: SocketAddr = if target.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        UdpSocket::bind(any)
            .and_then(|socket| socket.connect((target, 9)).and_then(|()| socket.local_addr()))
            .map(|address| address.ip())
            .map_err(|e| format!("no route to {target}: {e}"))
    }
}

/// The block with one address.
pub fn only(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{v4}/32"),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => format!("{v4}/32"),
            None => format!("{v6}/128"),
        },
    }
}
