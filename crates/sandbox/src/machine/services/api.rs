//! The way from a machine to the endpoint of its sandbox: each connection is handed on to a socket of an endpoint, after a line
//! that says whose it is. Whether the instance may use it is the endpoint's to decide.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// Hands on every connection until the process ends.
pub async fn serve(listener: TcpListener, endpoints: PathBuf, instance_id: String) {
    let (endpoints, instance_id) = (Arc::new(endpoints), Arc::new(instance_id));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (endpoints, instance_id) = (Arc::clone(&endpoints), Arc::clone(&instance_id));
        tokio::spawn(async move {
            // Where nobody serves the sandbox, the connection ends here.
            let _ = hand_on(stream, &endpoints, &instance_id).await;
        });
    }
}

async fn hand_on(mut from: TcpStream, endpoints: &Path, instance_id: &str) -> io::Result<()> {
    let mut to = connect(endpoints).await?;
    to.write_all(format!("{instance_id}\n").as_bytes()).await?;
    from.set_nodelay(true)?;
    copy_bidirectional(&mut from, &mut to).await.map(drop)
}

/// An endpoint that answers. Sockets of processes that were killed do not.
async fn connect(endpoints: &Path) -> io::Result<UnixStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for entry in fs_err::read_dir(endpoints)?.filter_map(Result::ok) {
        match crate::endpoint_socket::connect(&entry.path()).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
