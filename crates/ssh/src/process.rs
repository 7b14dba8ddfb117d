//! A channel as a process: standard input, both outputs, how it ended.
//!
//! russh reads a connection in one loop and hands each channel's data to a queue; when a queue is full the loop stops, and
//! with it every other channel and the keep-alives. So a task per channel takes data at once and holds up to [`BACKLOG`]
//! bytes for a slow reader; only beyond that does the loop wait.

use crate::error::comm_error;
use crate::live::{Live, Seat};
use crate::pool::{Opened, Pool};
use bytes::Bytes;
use imgbuild_engine::communicator::{CommError, Exit, Output, Process, Reached};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, Sig};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};

/// Bytes that wait for a slow reader.
const BACKLOG: usize = 64 << 20;
/// Bytes of standard input that wait for the network.
const STDIN_BUFFER: usize = 256 << 10;
/// Pieces of output that wait in the reader's queue.
const QUEUE: usize = 64;

/// What to ask of a new session channel.
pub(crate) enum Ask<'a> {
    Exec { line: &'a str, pty: bool, agent: bool },
    Subsystem(&'a str),
}

/// Opens a channel and starts something in it. The request travels without waiting for its answer; a refusal comes as the
/// process's end.
pub(crate) async fn start(pool: &Pool, ask: Ask<'_>) -> Result<Process, CommError> {
    run_in(pool.session().await?, ask).await
}

/// Starts something in an open channel.
pub(crate) async fn run_in(opened: Opened, ask: Ask<'_>) -> Result<Process, CommError> {
    let Opened { channel, live, seat } = opened;
    let sent = async {
        match ask {
            Ask::Exec { line, pty, agent } => {
                if agent {
                    channel.agent_forward(false).await?;
                }
                if pty {
                    // Packer's terminal: no echo, 40 lines of 80 columns.
                    let modes = [(Pty::ECHO, 0), (Pty::TTY_OP_ISPEED, 14400), (Pty::TTY_OP_OSPEED, 14400)];
                    channel.request_pty(false, "xterm", 80, 40, 0, 0, &modes).await?;
                }
                channel.exec(true, line).await
            }
            Ask::Subsystem(name) => channel.request_subsystem(true, name).await,
        }
    };
    sent.await.map_err(comm_error)?;
    let (read, write) = channel.split();
    let (stdin, stdin_end) = tokio::io::duplex(STDIN_BUFFER);
    let (output_in, output) = mpsc::channel(QUEUE);
    let (exit_in, exit) = oneshot::channel();
    let fed = Fed { connection: Arc::clone(&live.written), mark: Arc::default() };
    let reached = fed.reached();
    let pump = Pump { fed, live, seat, read, write, output: output_in, exit: exit_in };
    tokio::spawn(pump.run(stdin_end));
    Ok(Process { stdin: Box::new(stdin), output, exit, reached })
}

/// What of standard input may have gone out to the host.
struct Fed {
    /// Bytes that the connection has written.
    connection: Arc<AtomicU64>,
    mark: Arc<Mutex<Mark>>,
}

#[derive(Default)]
struct Mark {
    /// Bytes that were handed to the connection,
    all: u64,
    /// before the first of which the connection had written `written`, since when it has written nothing;
    before: u64,
    written: u64,
}

impl Fed {
    /// So many bytes are about to be handed over.
    fn more(&self, bytes: usize) {
        let written = self.connection.load(Ordering::Acquire);
        let mut mark = self.mark.lock().unwrap_or_else(|e| e.into_inner());
        if mark.written != written {
            (mark.before, mark.written) = (mark.all, written);
        }
        mark.all += bytes as u64;
    }

    fn reached(&self) -> Reached {
        let (connection, mark) = (Arc::clone(&self.connection), Arc::clone(&self.mark));
        Reached::new(move || {
            let mark = mark.lock().unwrap_or_else(|e| e.into_inner());
            if connection.load(Ordering::Acquire) == mark.written { mark.before } else { mark.all }
        })
    }
}

struct Pump {
    /// Keeps the connection while the process runs.
    live: Arc<Live>,
    seat: Seat,
    fed: Fed,
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    output: mpsc::Sender<Output>,
    exit: oneshot::Sender<Result<Exit, CommError>>,
}

impl Pump {
    async fn run(self, stdin: DuplexStream) {
        let Pump { live, seat, fed, mut read, write, output, mut exit } = self;
        let input = tokio::spawn(feed(stdin, write.make_writer(), fed));
        let mut output = Some(output);
        let mut waiting: VecDeque<Output> = VecDeque::new();
        let mut held = 0usize;
        let mut ended: Option<Exit> = None;
        let mut refused = false;
        let mut closed = false;
        let mut open = true;
        while open || (output.is_some() && !waiting.is_empty()) {
            let can_give = output.is_some() && !waiting.is_empty();
            let wanted = output.is_some();
            let step = tokio::select! {
                biased;
                message = read.wait(), if open && held < BACKLOG => Step::Message(message),
                permit = reserve(output.as_ref()), if can_give => match permit {
                    Ok(permit) => {
                        if let Some(piece) = waiting.pop_front() {
                            held -= length(&piece);
                            permit.send(piece);
                        }
                        Step::Given
                    }
                    Err(()) => Step::ReaderGone,
                },
                () = forgotten(&mut exit, output.as_ref()), if open => Step::Forgotten,
            };
            match step {
                Step::Message(Some(ChannelMsg::Data { data })) if wanted => {
                    held += data.len();
                    waiting.push_back(Output::Stdout(data));
                }
                Step::Message(Some(ChannelMsg::ExtendedData { data, ext: 1 })) if wanted => {
                    held += data.len();
                    waiting.push_back(Output::Stderr(data));
                }
                Step::Message(Some(ChannelMsg::ExitStatus { exit_status })) => ended = Some(Exit::Status(exit_status)),
                Step::Message(Some(ChannelMsg::ExitSignal { signal_name, .. })) => {
                    ended = Some(Exit::Signal(signal(&signal_name)));
                }
                Step::Message(Some(ChannelMsg::Failure)) => {
                    refused = true;
                    open = false;
                }
                Step::Message(Some(ChannelMsg::Close)) => {
                    closed = true;
                    open = false;
                }
                Step::Message(Some(_)) | Step::Given => {}
                Step::Message(None) => open = false,
                // What still comes is dropped; the end is told to who waits for it.
                Step::ReaderGone => {
                    output = None;
                    waiting.clear();
                    held = 0;
                }
                Step::Forgotten => break,
            }
        }
        input.abort();
        if !closed {
            let _ = write.close().await;
        }
        drop(output);
        // Who hears of the end may start another at once.
        drop(seat);
        let result = match ended {
            Some(exit) => Ok(exit),
            None if refused => Err(CommError::Remote("the server refused to run the command".into())),
            None if closed => Ok(Exit::Unknown),
            None if live.is_up() => Err(CommError::Disconnected("the channel broke off".into())),
            None => Err(CommError::Disconnected("the host closed the connection".into())),
        };
        let _ = exit.send(result);
    }
}

async fn reserve(output: Option<&mpsc::Sender<Output>>) -> Result<mpsc::Permit<'_, Output>, ()> {
    match output {
        Some(output) => output.reserve().await.map_err(drop),
        None => std::future::pending().await,
    }
}

/// Resolves when nobody waits for the end and nobody reads.
async fn forgotten(exit: &mut oneshot::Sender<Result<Exit, CommError>>, output: Option<&mpsc::Sender<Output>>) {
    exit.closed().await;
    if let Some(output) = output {
        output.closed().await;
    }
}

/// What the pump does next.
enum Step {
    Message(Option<ChannelMsg>),
    Given,
    ReaderGone,
    Forgotten,
}

/// Standard input: from the caller's pipe to the channel, then end of file.
async fn feed(mut stdin: DuplexStream, mut channel: impl tokio::io::AsyncWrite + Unpin, fed: Fed) {
    let mut buffer = vec![0; 32 << 10];
    loop {
        match stdin.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(n) => {
                fed.more(n);
                if channel.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = channel.shutdown().await;
}

fn length(output: &Output) -> usize {
    match output {
        Output::Stdout(bytes) | Output::Stderr(bytes) => bytes.len(),
    }
}

fn signal(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        other => format!("{other:?}"),
    }
}

/// A process as one stream: what it writes is read, what is written is its input. For SFTP.
pub(crate) fn stream(process: Process) -> impl imgbuild_engine::connect::Stream + 'static {
    use futures_util::stream::unfold;
    let pieces = unfold(process.output, |mut output| async move {
        loop {
            match output.recv().await {
                Some(Output::Stdout(bytes)) => return Some((Ok::<Bytes, std::io::Error>(bytes), output)),
                Some(Output::Stderr(_)) => {}
                None => return None,
            }
        }
    });
    let reader = tokio_util::io::StreamReader::new(Box::pin(pieces));
    // The exit's receiver must live as long as the stream, or the pump would think that nobody cares.
    Held { io: tokio::io::join(reader, process.stdin), _with: process.exit }
}

/// A stream, and what must live as long as it.
pub(crate) struct Held<T, E> {
    pub(crate) io: T,
    pub(crate) _with: E,
}

impl<T: tokio::io::AsyncRead + Unpin, E: Unpin> tokio::io::AsyncRead for Held<T, E> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: tokio::io::AsyncWrite + Unpin, E: Unpin> tokio::io::AsyncWrite for Held<T, E> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
