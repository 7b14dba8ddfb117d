//! One running agent: frames out, frames in, who waits for what.

use super::bootstrap::Started;
use crate::communicator::{CommError, Exit, Output};
use imgbuild_playbook::target::{Content, OutputSink};
use imgbuild_proto::{Call, Decoder, Hello, MAX_BODY, Reply, Request, encode};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};

/// Frames that wait for the network.
const QUEUE: usize = 64;
/// An agent that was told to go has this long.
const GOOD_BYE: Duration = Duration::from_secs(10);

/// A module's result.
pub(crate) type Outcome = Map<String, Value>;

/// One agent.
pub(crate) struct Session {
    frames: mpsc::Sender<Vec<u8>>,
    /// Held while the frames that belong together (pieces of content and their call) go out: calls of a chain must arrive
    /// in the order in which they were made.
    order: tokio::sync::Mutex<()>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
    ended: tokio::sync::watch::Receiver<bool>,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<u64, Caller>,
    /// Why the agent is gone.
    lost: Option<String>,
}

struct Caller {
    done: oneshot::Sender<Outcome>,
    output: Option<OutputSink>,
    chunks: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

/// A call on its way. Dropping it before its end ends the call on the host.
pub(crate) struct Under<'a> {
    session: &'a Session,
    id: u64,
    done: oneshot::Receiver<Outcome>,
    over: bool,
}

impl Session {
    /// Takes over a started agent and waits for its hello.
    pub(crate) async fn open(started: Started) -> Result<Arc<Session>, CommError> {
        let (frames, queue) = mpsc::channel(QUEUE);
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let (hello_in, hello) = oneshot::channel();
        let (ended_in, ended) = tokio::sync::watch::channel(false);
        let Started { stdin, output, exit, first } = started;
        tokio::spawn(write(stdin, queue));
        let sink = Arc::clone(&waiting);
        tokio::spawn(async move {
            let why = read(output, first, &sink, hello_in).await;
            let why = match exit.await {
                Ok(Err(e)) => e.to_string(),
                Ok(Ok(Exit::Status(0))) => why,
                Ok(Ok(end)) => format!("{why} (the agent ended: {end:?})"),
                Err(_) => why,
            };
            let mut waiting = lock(&sink);
            waiting.lost = Some(why);
            // Dropping the callers tells them.
            waiting.calls.clear();
            drop(waiting);
            ended_in.send_replace(true);
        });
        let session = Session { frames, order: tokio::sync::Mutex::new(()), waiting, next: AtomicU64::new(1), ended };
        let hello: Hello = match tokio::time::timeout(Duration::from_secs(60), hello).await {
            Ok(Ok(hello)) => hello,
            _ => return Err(CommError::Remote(format!("the agent said nothing: {}", session.why()))),
        };
        let own = env!("CARGO_PKG_VERSION");
        if hello.version != own {
            return Err(CommError::Remote(format!("the agent is of version {}, this is {own}", hello.version)));
        }
        Ok(Arc::new(session))
    }

    /// Whether it still runs, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        lock(&self.waiting).lost.is_none()
    }

    /// Why it is gone.
    pub(crate) fn why(&self) -> String {
        lock(&self.waiting).lost.clone().unwrap_or_else(|| "the connection was lost".into())
    }

    /// Sends a call with its content. `Err(Ok(msg))`: the content can't be read here, a failure of the task;
    /// `Err(Err(..))`: the agent is gone.
    pub(crate) async fn send(
        &self,
        mut call: Call,
        content: Option<&Content>,
        output: Option<OutputSink>,
        chunks: Option<mpsc::UnboundedSender<Vec<u8>>>,
    ) -> Result<Under<'_>, Result<String, String>> {
        let order = self.order.lock().await;
        call.id = self.next.fetch_add(1, Ordering::Relaxed);
        let id = call.id;
        if let Some(content) = content {
            call.blob = Some(id);
            self.content(id, content).await?;
        }
        let (done_in, done) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if let Some(why) = &waiting.lost {
                return Err(Err(why.clone()));
            }
            waiting.calls.insert(id, Caller { done: done_in, output, chunks });
        }
        let under = Under { session: self, id, done, over: false };
        self.frame(&Request::Call(call), &[]).await?;
        drop(order);
        Ok(under)
    }

    async fn content(&self, blob: u64, content: &Content) -> Result<(), Result<String, String>> {
        match content {
            Content::Bytes(bytes) => {
                // An empty file is one empty piece.
                let mut rest: &[u8] = bytes;
                loop {
                    let (piece, after) = rest.split_at(rest.len().min(MAX_BODY));
                    self.frame(&Request::Blob { blob }, piece).await?;
                    rest = after;
                    if rest.is_empty() {
                        return Ok(());
                    }
                }
            }
            Content::File(path) => {
                let unreadable = |e: std::io::Error| Ok(format!("could not read {}: {e}", path.display()));
                let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
                let mut sent = false;
                let mut buffer = vec![0; 256 << 10];
                loop {
                    let n = file.read(&mut buffer).await.map_err(unreadable)?;
                    if n == 0 && sent {
                        return Ok(());
                    }
                    self.frame(&Request::Blob { blob }, &buffer[..n]).await?;
                    sent = true;
                    if n == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn frame(&self, request: &Request, body: &[u8]) -> Result<(), Result<String, String>> {
        let bytes = encode(request, body).map_err(|e| Ok(e.to_string()))?;
        self.frames.send(bytes).await.map_err(|_| Err(self.why()))
    }

    /// Lets it finish, clean up and go.
    pub(crate) async fn bye(&self) {
        if self.frame(&Request::Bye, &[]).await.is_err() {
            return;
        }
        let mut ended = self.ended.clone();
        // An agent that hangs ends with its channel, which the caller closes next.
        let _ = tokio::time::timeout(GOOD_BYE, ended.wait_for(|ended| *ended)).await;
    }
}

impl Under<'_> {
    /// The result; `Err` is why the agent is gone.
    pub(crate) async fn result(mut self) -> Result<Outcome, String> {
        let result = (&mut self.done).await;
        self.over = true;
        result.map_err(|_| self.session.why())
    }
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        lock(&self.session.waiting).calls.remove(&self.id);
        // Nobody waits for this call any more: its processes must not go on. If the queue is full the network is stuck and
        // the agent will end with its connection.
        if let Ok(bytes) = encode(&Request::Kill { id: self.id }, &[]) {
            let _ = self.session.frames.try_send(bytes);
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> std::sync::MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(|e| e.into_inner())
}

async fn write(mut stdin: Box<dyn AsyncWrite + Send + Unpin>, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, QUEUE).await > 0 {
        // Frames that wait together go out together: one packet for a row of small calls.
        let bytes = if batch.len() == 1 { batch.pop().unwrap_or_default() } else { batch.concat() };
        batch.clear();
        if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
    let _ = stdin.shutdown().await;
}

/// Reads until the output ends; returns why it did.
async fn read(
    mut output: mpsc::Receiver<Output>,
    first: Vec<u8>,
    waiting: &Mutex<Waiting>,
    hello: oneshot::Sender<Hello>,
) -> String {
    let mut decoder = Decoder::new();
    let mut hello = Some(hello);
    let mut said = Vec::new();
    let mut next = Some(Output::Stdout(first.into()));
    while let Some(piece) = next {
        match piece {
            Output::Stdout(bytes) => decoder.push(&bytes),
            Output::Stderr(bytes) => {
                // A panic message or the loader's complaint; not more than a person can read.
                said.extend_from_slice(&bytes);
                said.truncate(4096);
            }
        }
        loop {
            let frame = match decoder.next_frame::<Reply>() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(e) => return format!("the agent's answer can't be read: {e}"),
            };
            match frame.head {
                Reply::Hello(it) => {
                    if let Some(hello) = hello.take() {
                        let _ = hello.send(it);
                    }
                }
                Reply::Output { id, stream } => {
                    let sink = lock(waiting).calls.get(&id).and_then(|caller| caller.output.clone());
                    if let Some(sink) = sink {
                        sink(stream, &frame.body);
                    }
                }
                Reply::Chunk { id } => {
                    if let Some(Caller { chunks: Some(chunks), .. }) = lock(waiting).calls.get(&id) {
                        let _ = chunks.send(frame.body);
                    }
                }
                Reply::Done { id, result } => {
                    if let Some(caller) = lock(waiting).calls.remove(&id) {
                        let _ = caller.done.send(result);
                    }
                }
            }
        }
        next = output.recv().await;
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if said.is_empty() { "the agent is gone".into() } else { format!("the agent is gone: {said}") }
}
