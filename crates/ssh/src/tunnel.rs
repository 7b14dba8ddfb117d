//! Forwarded ports (`ssh_local_tunnels`, `ssh_remote_tunnels`) and the forwarded agent.

use crate::live::Live;
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::Tunnel;
use russh::Channel;
use russh::client::Msg;
use std::sync::{Arc, Weak};
use tokio::io::{AsyncRead, AsyncWrite};

/// Copies in both directions until both ends are done.
pub(crate) async fn join<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, channel: Channel<Msg>) {
    let mut channel = channel.into_stream();
    if let Err(e) = tokio::io::copy_bidirectional(&mut stream, &mut channel).await {
        tracing::debug!("a forwarded connection ended: {e}");
    }
}

/// Listens here and forwards each connection through the host, for as long as the connection lives.
pub(crate) async fn listen(live: &Arc<Live>, tunnel: &Tunnel) -> Result<tokio::task::JoinHandle<()>, CommError> {
    let address = (tunnel.listen_host.as_str(), tunnel.listen_port);
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|e| {
        CommError::Local(format!(
            "the tunnel's port {}:{} can't be opened: {e}",
            tunnel.listen_host, tunnel.listen_port
        ))
    })?;
    let live: Weak<Live> = Arc::downgrade(live);
    let tunnel = tunnel.clone();
    Ok(tokio::spawn(async move {
        loop {
            let Ok((stream, from)) = listener.accept().await else { return };
            let Some(live) = live.upgrade() else { return };
            let (host, port) = (tunnel.host.clone(), u32::from(tunnel.port));
            tokio::spawn(async move {
                match live.handle.channel_open_direct_tcpip(host, port, from.ip().to_string(), from.port().into()).await
                {
                    Ok(channel) => join(stream, channel).await,
                    Err(e) => tracing::debug!("a tunnel's connection was refused: {e}"),
                }
            });
        }
    }))
}
