//! What the server may ask of us: its key to be checked, forwarded ports and agents to be served.

use crate::error::SessionError;
use crate::hostkey::Check;
use imgbuild_engine::connect::Tunnel;
use russh::Channel;
use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use std::path::PathBuf;
use std::sync::Arc;

/// Serves one connection.
pub(crate) struct Client {
    pub host: String,
    pub check: Arc<Check>,
    pub forward_agent: Option<PathBuf>,
    pub remote_tunnels: Vec<Tunnel>,
}

impl Handler for Client {
    type Error = SessionError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.check.check(&self.host, key).map_err(SessionError::HostKey)?;
                Ok(true)
            }
            // We offer no certificate algorithm, so no honest server shows one.
            PublicKeyOrCertificate::Certificate(_) => {
                Err(SessionError::HostKey(format!("{} showed a host certificate that was not asked for", self.host)))
            }
        }
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Self::Error> {
        tracing::debug!(host = %self.host, %banner, "banner");
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(socket) = self.forward_agent.clone() else { return Ok(()) };
        reply.accept().await;
        tokio::spawn(async move {
            match tokio::net::UnixStream::connect(&socket).await {
                Ok(agent) => crate::tunnel::join(agent, channel).await,
                Err(e) => tracing::debug!("the agent at {} can't be reached: {e}", socket.display()),
            }
        });
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        connected_port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(tunnel) = self.remote_tunnels.iter().find(|t| u32::from(t.listen_port) == connected_port).cloned()
        else {
            return Ok(());
        };
        reply.accept().await;
        tokio::spawn(async move {
            match tokio::net::TcpStream::connect((tunnel.host.as_str(), tunnel.port)).await {
                Ok(stream) => crate::tunnel::join(stream, channel).await,
                Err(e) => tracing::debug!(
                    "the end of a remote tunnel, {}:{}, can't be reached: {e}",
                    tunnel.host,
                    tunnel.port
                ),
            }
        });
        Ok(())
    }
}
