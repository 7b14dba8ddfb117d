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
    frames: mpsc::Sender<Frame>,
    /// Held while the frames that belong together (pieces of content and their call) go out: calls of a chain must arrive
    /// in the order in which they were made.
    order: tokio::sync::Mutex<()>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
    ended: tokio::sync::watch::Receiver<bool>,
}

/// A frame on its way out; the number of the call that is complete with it.
struct Frame {
    bytes: Vec<u8>,
    call: Option<u64>,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<u64, Caller>,
    /// Set when the agent is gone.
    lost: Option<Gone>,
}

/// The agent's end.
struct Gone {
    why: String,
    /// A call may have begun that has no result.
    begun: bool,
    /// Follows the last of the calls that go to the next agent.
    last: Option<oneshot::Receiver<()>>,
}

/// A call without a result.
#[derive(Debug)]
pub(crate) struct Lost {
    pub why: String,
    /// Given where nothing has begun that is not known to have ended: the call may be made again, in its turn.
    pub again: Option<Turn>,
}

/// The order in which calls are made again: that in which they were made.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    after: oneshot::Sender<()>,
}

impl Turn {
    /// Waits for the one before. `None`: it could not be made again, so this one must not be.
    pub(crate) async fn come(&mut self) -> Option<()> {
        match self.before.take() {
            Some(before) => before.await.ok(),
            None => Some(()),
        }
    }

    /// It is made: the next may come.
    pub(crate) fn over(self) {
        let _ = self.after.send(());
    }
}

impl Gone {
    fn lost(&mut self) -> Lost {
        let again = (!self.begun).then(|| {
            let (after, next) = oneshot::channel();
            Turn { before: self.last.replace(next), after }
        });
        Lost { why: self.why.clone(), again }
    }
}

struct Caller {
    /// Bytes of standard input up to its end, once it was written.
    end: Option<u64>,
    done: oneshot::Sender<Result<Outcome, Lost>>,
    output: Option<OutputSink>,
    chunks: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

/// A call on its way. Dropping it before its end ends the call on the host.
pub(crate) struct Under<'a> {
    session: &'a Session,
    id: u64,
    done: oneshot::Receiver<Result<Outcome, Lost>>,
    over: bool,
}

impl Session {
    /// Takes over a started agent and waits for its hello.
    pub(crate) async fn open(started: Started) -> Result<Arc<Session>, CommError> {
        let (frames, queue) = mpsc::channel(QUEUE);
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let (hello_in, hello) = oneshot::channel();
        let (ended_in, ended) = tokio::sync::watch::channel(false);
        let Started { stdin, output, exit, first, written, reached } = started;
        tokio::spawn(write(stdin, queue, written, Arc::clone(&waiting)));
        let sink = Arc::clone(&waiting);
        tokio::spawn(async move {
            let why = read(output, first, &sink, hello_in).await;
            let why = match exit.await {
                Ok(Err(e)) => e.to_string(),
                Ok(Ok(Exit::Status(0))) => why,
                Ok(Ok(end)) => format!("{why} (the agent ended: {end:?})"),
                Err(_) => why,
            };
            end(&mut lock(&sink), why, reached.at_most());
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
        lock(&self.waiting).lost.as_ref().map_or_else(|| "the connection was lost".into(), |gone| gone.why.clone())
    }

    /// A call that was not handed over because the agent is gone.
    fn lost(&self) -> Lost {
        match &mut lock(&self.waiting).lost {
            Some(gone) => gone.lost(),
            None => Lost { why: "the connection was lost".into(), again: None },
        }
    }

    /// Sends a call with its content. `Err(Ok(msg))`: the content can't be read here, a failure of the task;
    /// `Err(Err(..))`: the agent is gone.
    pub(crate) async fn send(
        &self,
        mut call: Call,
        content: Option<&Content>,
        output: Option<OutputSink>,
        chunks: Option<mpsc::UnboundedSender<Vec<u8>>>,
    ) -> Result<Under<'_>, Result<String, Lost>> {
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
            if let Some(gone) = &mut waiting.lost {
                return Err(Err(gone.lost()));
            }
            waiting.calls.insert(id, Caller { end: None, done: done_in, output, chunks });
        }
        let under = Under { session: self, id, done, over: false };
        let bytes = encode(&Request::Call(call), &[]).map_err(|e| Ok(e.to_string()))?;
        // Where nobody takes it any more, the end of the session tells who waits for the call.
        let _ = self.frames.send(Frame { bytes, call: Some(id) }).await;
        drop(order);
        Ok(under)
    }

    async fn content(&self, blob: u64, content: &Content) -> Result<(), Result<String, Lost>> {
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

    async fn frame(&self, request: &Request, body: &[u8]) -> Result<(), Result<String, Lost>> {
        let bytes = encode(request, body).map_err(|e| Ok(e.to_string()))?;
        if self.frames.send(Frame { bytes, call: None }).await.is_ok() {
            return Ok(());
        }
        // Nobody writes any more: the session is about to end.
        let _ = tokio::time::timeout(GOOD_BYE, self.ended.clone().wait_for(|ended| *ended)).await;
        Err(Err(self.lost()))
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
    /// The result, or that there is none.
    pub(crate) async fn result(mut self) -> Result<Outcome, Lost> {
        let result = (&mut self.done).await;
        self.over = true;
        result.unwrap_or_else(|_| Err(Lost { why: self.session.why(), again: None }))
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
            let _ = self.session.frames.try_send(Frame { bytes, call: None });
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> std::sync::MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(|e| e.into_inner())
}

/// The agent is gone, and at most so many bytes of its standard input have come to it: calls whose frames go beyond have not begun.
/// Where any other may have, none is made again: what it left is not known.
fn end(waiting: &mut Waiting, why: String, reached: u64) {
    let mut calls: Vec<_> = waiting.calls.drain().collect();
    calls.sort_by_key(|(id, _)| *id);
    let begun = calls.iter().any(|(_, caller)| caller.end.is_some_and(|end| end <= reached));
    let mut gone = Gone { why, begun, last: None };
    for (_, caller) in calls {
        let _ = caller.done.send(Err(gone.lost()));
    }
    waiting.lost = Some(gone);
}

async fn write(
    mut stdin: Box<dyn AsyncWrite + Send + Unpin>,
    mut queue: mpsc::Receiver<Frame>,
    mut written: u64,
    waiting: Arc<Mutex<Waiting>>,
) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, QUEUE).await > 0 {
        // Frames that wait together go out together: one packet for a row of small calls.
        let mut bytes = Vec::new();
        for frame in batch.drain(..) {
            written += frame.bytes.len() as u64;
            if let Some(id) = frame.call
                && let Some(caller) = lock(&waiting).calls.get_mut(&id)
            {
                caller.end = Some(written);
            }
            if bytes.is_empty() { bytes = frame.bytes } else { bytes.extend(frame.bytes) }
        }
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
                        let _ = caller.done.send(Ok(result));
                    }
                }
            }
        }
        next = output.recv().await;
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if said.is_empty() { "the agent is gone".into() } else { format!("the agent is gone: {said}") }
}
