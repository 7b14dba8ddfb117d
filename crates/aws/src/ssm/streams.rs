//! The streams of a session: pipes whose one end is the caller's and whose other end two tasks move to and from the driver.

use super::channel::Command;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};

/// What a pipe holds in each direction.
const PIPE: usize = 256 << 10;
/// The most that is taken from a caller at once.
const CHUNK: usize = 16 << 10;

/// A stream as its opener gets it.
pub struct Opened {
    /// The caller's end.
    pub stream: DuplexStream,
    /// Resolves with the first data, or with the reason why there will be none.
    pub first: oneshot::Receiver<Result<(), String>>,
}

/// A stream as the driver has it.
pub struct End {
    incoming: Option<mpsc::UnboundedSender<Bytes>>,
    first: Option<oneshot::Sender<Result<(), String>>>,
    waiting: Arc<AtomicUsize>,
}

impl End {
    /// A new stream. `waiting` counts the bytes that its caller has not taken yet.
    pub fn new(number: u32, commands: mpsc::Sender<Command>, waiting: &Arc<AtomicUsize>) -> (End, Opened) {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let (read, write) = tokio::io::split(ours);
        let (incoming, received) = mpsc::unbounded_channel();
        let (told, first) = oneshot::channel();
        tokio::spawn(take(read, number, commands));
        tokio::spawn(give(write, received, Arc::clone(waiting)));
        let end = End { incoming: Some(incoming), first: Some(told), waiting: Arc::clone(waiting) };
        (end, Opened { stream: theirs, first })
    }

    /// Data for the caller.
    pub fn give(&mut self, bytes: Bytes) {
        if let Some(first) = self.first.take() {
            let _ = first.send(Ok(()));
        }
        let length = bytes.len();
        if let Some(incoming) = &self.incoming {
            self.waiting.fetch_add(length, Ordering::Relaxed);
            if incoming.send(bytes).is_err() {
                // The caller is gone; what it did not read is nobody's.
                self.waiting.fetch_sub(length, Ordering::Relaxed);
            }
        }
    }

    /// The agent can't connect to the port for it.
    pub fn refused(&mut self) {
        if let Some(first) = self.first.take() {
            let _ = first.send(Err("the agent on the instance can't connect to the port".into()));
        }
    }

    /// Nothing more will come: the caller reads the rest, and then the end.
    pub fn finish(&mut self, why: &str) {
        if let Some(first) = self.first.take() {
            let _ = first.send(Err(why.to_owned()));
        }
        self.incoming = None;
    }
}

/// From the caller to the driver, until the caller shuts its side or drops it.
async fn take(mut from: ReadHalf<DuplexStream>, number: u32, commands: mpsc::Sender<Command>) {
    loop {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                if commands.send(Command::Data { number, bytes: buffer.freeze() }).await.is_err() {
                    return;
                }
            }
        }
    }
    // The driver may have ended; then there is nobody to tell.
    let _ = commands.send(Command::Closed { number }).await;
}

/// From the driver to the caller.
async fn give(
    mut to: WriteHalf<DuplexStream>,
    mut received: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
) {
    let mut there = true;
    while let Some(bytes) = received.recv().await {
        if there {
            there = to.write_all(&bytes).await.is_ok();
        }
        waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        if !there {
            received.close();
        }
    }
    let _ = to.shutdown().await;
}
