//! A remote shell for programs of this machine: they connect to a socket (through the agent's `--relay`), name a command, and are
//! joined to it. Each connection is a channel of the link's own communicator.

use super::raw;
use crate::communicator::{CommError, Communicator, Exit, Output, Process, signal_number};
use imgbuild_playbook::target::{Become, Relay};
use imgbuild_proto::relay::{COMMAND, EXIT, MAX_COMMAND, STDERR, STDOUT, frame, head};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// Opens the socket, in a directory that only this user enters.
pub(crate) fn open(comm: Arc<dyn Communicator>, become_: Option<&Become>) -> io::Result<Relay> {
    let dir = tempfile::Builder::new().prefix("imgbuild-rsh-").tempdir()?;
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket)?;
    let become_ = become_.cloned();
    let served = Box::pin(async move {
        let _dir = dir;
        let mut running = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                taken = listener.accept() => match taken {
                    Ok((stream, _)) => {
                        running.spawn(join(Arc::clone(&comm), stream, become_.clone()));
                    }
                    Err(e) => return format!("the socket of the relay can't be read: {e}"),
                },
                // Only tidies up: a command that could not be run has told its caller.
                Some(_) = running.join_next() => {}
            }
        }
    });
    Ok(Relay { socket, served })
}

/// One command. What goes wrong is told to the caller on its standard error.
async fn join(comm: Arc<dyn Communicator>, stream: UnixStream, become_: Option<Become>) {
    let (mut from, mut to) = stream.into_split();
    let say = |text: String| {
        let mut bytes = frame(STDERR, format!("{text}\n").as_bytes());
        bytes.extend(frame(EXIT, &255i32.to_le_bytes()));
        bytes
    };
    let trouble = match line(&mut from).await {
        Err(e) => say(format!("the relay was sent no command: {e}")),
        Ok(line) => match raw::open(&*comm, &line, become_.as_ref()).await {
            Err(e) => say(e.to_string()),
            Ok(Err(refused)) => say(refused),
            Ok(Ok((process, first))) => match pump(process, first, from, &mut to).await {
                Ok(()) => return,
                Err(e) => say(e.to_string()),
            },
        },
    };
    let _ = to.write_all(&trouble).await;
}

async fn line(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut first = [0; 5];
    from.read_exact(&mut first).await?;
    let (COMMAND, length @ 1..=MAX_COMMAND) = head(first) else { return Err(io::ErrorKind::InvalidData.into()) };
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

async fn pump(
    process: Process,
    first: Vec<Output>,
    mut from: impl tokio::io::AsyncRead + Unpin,
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> Result<(), CommError> {
    let Process { mut stdin, mut output, exit, .. } = process;
    let local = |e: io::Error| CommError::Local(e.to_string());
    let feed = async move {
        // A command that does not read all of its input is no error here.
        let _ = tokio::io::copy(&mut from, &mut stdin).await;
        let _ = stdin.shutdown().await;
        // A pipe of this machine ends when it is closed.
        drop(stdin);
        // Standard input may end long before the command does.
        std::future::pending::<()>().await;
    };
    let gather = async {
        let mut pieces = first.into_iter();
        while let Some(piece) = match pieces.next() {
            Some(piece) => Some(piece),
            None => output.recv().await,
        } {
            let bytes = match piece {
                Output::Stdout(bytes) => frame(STDOUT, &bytes),
                Output::Stderr(bytes) => frame(STDERR, &bytes),
            };
            to.write_all(&bytes).await.map_err(local)?;
        }
        let exit = exit.await.map_err(|_| CommError::Disconnected("the process's channel was dropped".into()))??;
        let status = match exit {
            Exit::Status(status) => i32::try_from(status).unwrap_or(255),
            Exit::Signal(name) => 128 + signal_number(&name).unwrap_or(127),
            Exit::Unknown => 255,
        };
        to.write_all(&frame(EXIT, &status.to_le_bytes())).await.map_err(local)?;
        to.flush().await.map_err(local)
    };
    tokio::select! {
        () = feed => Ok(()),
        done = gather => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::LocalCommunicator;

    async fn ask(socket: &std::path::Path, line: &str, input: &[u8]) -> (Vec<u8>, Vec<u8>, i32) {
        let (mut stream, mut up) = UnixStream::connect(socket).await.unwrap().into_split();
        // What comes back is read meanwhile, or both sides would wait for the other to read.
        let all = [frame(COMMAND, line.as_bytes()), input.to_vec()].concat();
        let sent = tokio::spawn(async move { up.write_all(&all).await.and(up.shutdown().await) });
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            let mut first = [0; 5];
            stream.read_exact(&mut first).await.unwrap();
            let (kind, length) = head(first);
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).await.unwrap();
            match kind {
                STDOUT => out.extend(bytes),
                STDERR => err.extend(bytes),
                _ => {
                    let _ = sent.await;
                    return (out, err, i32::from_le_bytes(bytes.try_into().unwrap()));
                }
            }
        }
    }

    #[tokio::test]
    async fn commands_are_joined_to_who_asks() {
        let Relay { socket, served } = open(Arc::new(LocalCommunicator::new("/")), None).unwrap();
        let served = tokio::spawn(served);
        let input = vec![7u8; 300_000];
        let (one, two) = tokio::join!(ask(&socket, "cat; echo e >&2; exit 3", &input), ask(&socket, "wc -c", b"12345"));
        assert_eq!((one.0 == input, one.1.as_slice(), one.2), (true, &b"e\n"[..], 3));
        assert_eq!((String::from_utf8_lossy(&two.0).trim(), two.2), ("5", 0));
        served.abort();
        let _ = served.await;
        assert!(!socket.exists());
    }
}
