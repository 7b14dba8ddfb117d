//! The operations of Systems Manager that `ssh_interface = "session_manager"` needs: sessions that forward a port.
//! `imgbuild-aws` implements them; errors are those of [`super::ec2`].

use super::ec2::Ec2Result;
use super::ids::InstanceId;
use async_trait::async_trait;
use imgbuild_diag::Secret;
use imgbuild_engine::connect::Stream;
use std::sync::Arc;

/// The document of the sessions, as Packer starts them.
pub const DOCUMENT: &str = "AWS-StartPortForwardingSession";

/// The error code for an instance whose agent has not called yet (or never will).
pub const NOT_CONNECTED: &str = "TargetNotConnected";

/// What StartSession gives.
pub struct NewSession {
    /// Id.
    pub id: String,
    /// Where its data channel is.
    pub url: String,
    /// Opens it once.
    pub token: Secret,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    /// Id.
    pub id: String,
    /// As StartSession was told.
    pub reason: String,
}

/// Why a session has no stream for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamError {
    /// The agent is there, the port takes no connection: later, perhaps.
    Port(String),
    /// The session is of no use any more.
    Session(String),
}

/// Sessions in one region.
#[async_trait]
pub trait Ssm: Send + Sync {
    /// StartSession of [`DOCUMENT`] to a port of an instance. Sent once: there is no idempotency token.
    async fn start_session(&self, instance: &InstanceId, port: u16, reason: &str) -> Ec2Result<NewSession>;
    /// DescribeSessions: the active ones to an instance.
    async fn active_sessions(&self, instance: &InstanceId) -> Ec2Result<Vec<ActiveSession>>;
    /// TerminateSession; not there is success.
    async fn terminate_session(&self, id: &str) -> Ec2Result<()>;
    /// Opens the session's data channel. The error is a sentence.
    async fn connect(&self, instance: &InstanceId, session: NewSession) -> Result<Arc<dyn SessionChannel>, String>;
}

/// An open data channel. Dropping it and its streams closes the connection; the session itself ends with TerminateSession.
#[async_trait]
pub trait SessionChannel: Send + Sync {
    /// A connection to the port. An SSH server speaks first: what it says, or that nobody is there, is waited for a moment.
    async fn stream(&self) -> Result<Box<dyn Stream>, StreamError>;
    /// Whether another stream can be asked for (agents before 3.0.196 forward one connection a session).
    fn takes_more(&self) -> bool;
    /// Whether the session is over.
    fn ended(&self) -> bool;
}
