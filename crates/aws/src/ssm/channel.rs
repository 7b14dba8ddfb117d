//! A session's data channel: one task that owns the connection, brings it back when it breaks, and moves the bytes of streams.
//!
//! ```text
//! caller ─ pipe ─ streams.rs ─▶ Command ─▶ Driver ── mux.rs ── reliable.rs ── frame.rs ── websocket.rs ─▶ service ─▶ agent
//! ```
//! Invariants: data goes out only after the agent has completed the handshake (it acknowledges and drops what comes before); a
//! message is acknowledged when it came in, whether its turn has come or not; a broken connection is brought back by
//! ResumeSession and loses nothing, a session that has ended ends its streams.

mod port;
mod shake;

use super::cipher::Cipher;
use super::frame::{Frame, Kind, flag, payload};
use super::handshake::{Acknowledged, CLIENT_VERSION, ChannelClosed, Forwarding, HandshakeComplete, OpenDataChannel};
use super::mux::{Command as Mux, MuxFrame, MuxReader};
use super::reliable::{Receiver, Sender};
use super::streams::{End, Opened};
use super::websocket::{self, Socket};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use imgbuild_diag::Secret;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

/// The payload of a data message, as the reference client cuts it.
const PIECE: usize = 1024;
/// Messages that are ready for the socket at once.
const READY: usize = 64;
/// Callers that don't read what was asked for: from here on the socket is not read either.
const UNREAD: usize = 64 << 20;
/// A connection that is silent for this long is asked whether it lives, and after the second time is dead.
const SILENT: Duration = Duration::from_secs(20);
const DEAD: Duration = Duration::from_secs(45);
/// An agent that acknowledges nothing for this long has gone (a machine that reboots takes it along).
const GONE: Duration = Duration::from_secs(60);
/// How long a broken connection is brought back.
const RESUMING: Duration = Duration::from_secs(90);
/// smux's interval.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Where and with what to connect.
pub struct Ticket {
    /// `wss://…`
    pub url: String,
    /// For one connection.
    pub token: Secret,
}

/// Why a session can't be resumed.
pub struct NotResumed {
    /// It has ended: no new try can help.
    pub ended: bool,
    /// A sentence.
    pub why: String,
}

/// A data key: plain, and sealed for the agent.
pub struct DataKey {
    /// As it is used.
    pub plain: Secret<Vec<u8>>,
    /// As KMS sealed it.
    pub sealed: Vec<u8>,
}

/// What a channel asks of the account.
#[async_trait]
pub trait Service: Send + Sync {
    /// ResumeSession.
    async fn resume(&self) -> Result<Ticket, NotResumed>;
    /// KMS GenerateDataKey of 64 bytes for this session, and for the agent's challenge if it has one. The error is a sentence.
    async fn data_key(&self, key: &str, challenge: Option<&str>) -> Result<DataKey, String>;
}

/// What streams and openers ask of the driver.
pub enum Command {
    /// A new stream.
    Open(oneshot::Sender<Result<Opened, String>>),
    /// Data of a stream.
    Data {
        /// Which.
        number: u32,
        /// What.
        bytes: Bytes,
    },
    /// Its caller is done.
    Closed {
        /// Which.
        number: u32,
    },
}

/// An open channel.
pub struct DataChannel {
    commands: mpsc::Sender<Command>,
    over: watch::Receiver<Option<String>>,
    /// How the agent forwards.
    pub forwarding: Forwarding,
}

impl DataChannel {
    /// Connects and shakes hands within `limit`. The error is a sentence.
    pub async fn open(ticket: Ticket, service: Arc<dyn Service>, limit: Duration) -> Result<DataChannel, String> {
        let (commands, taken) = mpsc::channel(16);
        let (ready, shaken) = oneshot::channel();
        let (end, over) = watch::channel(None);
        let driver = Driver {
            service,
            client_id: uuid::Uuid::new_v4().to_string(),
            sender: Sender::default(),
            receiver: Receiver::default(),
            mux: MuxReader::default(),
            streams: HashMap::new(),
            early: Vec::new(),
            opening: Vec::new(),
            next_stream: 3,
            forwarding: None,
            cipher: None,
            outbox: VecDeque::new(),
            unread: Arc::default(),
            ready: Some(ready),
            commands: commands.downgrade(),
            heard: Instant::now(),
            asked: false,
            kept_alive: Instant::now(),
        };
        tokio::spawn(driver.run(ticket, taken, end));
        match tokio::time::timeout(limit, shaken).await {
            Ok(Ok(forwarding)) => Ok(DataChannel { commands, over, forwarding: forwarding? }),
            Ok(Err(_)) => Err("the session ended while it was being opened".into()),
            Err(_) => Err(format!("the agent did not complete the handshake within {} s", limit.as_secs())),
        }
    }

    /// A new stream to the port, once the agent has taken note of it.
    pub async fn stream(&self) -> Result<Opened, String> {
        let (reply, answer) = oneshot::channel();
        let gone = || self.ended().unwrap_or_else(|| "the session has ended".into());
        self.commands.send(Command::Open(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Why the session is over, if it is.
    pub fn ended(&self) -> Option<String> {
        self.over.borrow().clone()
    }
}

/// Why a connection is left.
enum Left {
    /// It broke.
    Broken(String),
    /// The session is over.
    Over(String),
}

enum Event {
    Message(Message),
    Sent,
}

/// The number of the message that tells the agent of a stream, who waits for it, and the stream.
type Opening = (i64, oneshot::Sender<Result<Opened, String>>, Opened);

struct Driver {
    service: Arc<dyn Service>,
    client_id: String,
    sender: Sender,
    receiver: Receiver,
    mux: MuxReader,
    streams: HashMap<u32, End>,
    /// What an agent without smux sent before its one stream was opened: SSH servers speak first.
    early: Vec<Bytes>,
    /// Streams that the agent has not taken note of yet: the message that tells it.
    opening: Vec<Opening>,
    next_stream: u32,
    forwarding: Option<Forwarding>,
    cipher: Option<Cipher>,
    /// Acknowledgements and what the sender gave out, on their way to the socket.
    outbox: VecDeque<Message>,
    /// Bytes that callers have not read.
    unread: Arc<AtomicUsize>,
    ready: Option<oneshot::Sender<Result<Forwarding, String>>>,
    /// For new streams; it alone keeps nothing alive.
    commands: mpsc::WeakSender<Command>,
    heard: Instant,
    asked: bool,
    kept_alive: Instant,
}

impl Driver {
    async fn run(mut self, ticket: Ticket, mut taken: mpsc::Receiver<Command>, over: watch::Sender<Option<String>>) {
        let mut socket = self.connect(&ticket).await;
        let why = loop {
            let broken = match socket {
                Ok(connected) => match self.serve(connected, &mut taken).await {
                    Left::Over(why) => break why,
                    Left::Broken(why) => why,
                },
                // The first connection; a session that nobody has reached is not worth a fight.
                Err(why) => break why,
            };
            tracing::debug!("the data channel's connection broke: {broken}");
            socket = self.resume(broken).await;
        };
        tracing::debug!("the session is over: {why}");
        over.send_replace(Some(why.clone()));
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(Err(why.clone()));
        }
        for (_, reply, _) in self.opening.drain(..) {
            let _ = reply.send(Err(why.clone()));
        }
        for stream in self.streams.values_mut() {
            stream.finish(&why);
        }
    }

    async fn connect(&mut self, ticket: &Ticket) -> Result<Socket, String> {
        let socket = websocket::connect(&ticket.url).await?;
        let hello = OpenDataChannel {
            message_schema_version: "1.0",
            request_id: uuid::Uuid::new_v4().to_string(),
            token_value: ticket.token.expose(),
            client_id: &self.client_id,
            client_version: CLIENT_VERSION,
        };
        let hello = serde_json::to_string(&hello).map_err(|e| e.to_string())?;
        // What was ready for the old connection is sent anew by the sender; acknowledgements are asked for again.
        self.outbox.clear();
        self.outbox.push_back(Message::text(hello));
        (self.heard, self.asked) = (Instant::now(), false);
        Ok(socket)
    }

    async fn resume(&mut self, broken: String) -> Result<Socket, String> {
        let end = Instant::now() + RESUMING;
        let mut pause = Duration::from_millis(100);
        let mut last = broken;
        while Instant::now() < end {
            match self.service.resume().await {
                Ok(ticket) => match self.connect(&ticket).await {
                    Ok(socket) => {
                        self.sender.reconnected();
                        return Ok(socket);
                    }
                    Err(why) => last = why,
                },
                Err(NotResumed { ended: true, why }) => return Err(why),
                Err(NotResumed { why, .. }) => last = why,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        Err(format!("the connection broke and could not be brought back within {} s: {last}", RESUMING.as_secs()))
    }

    /// Everything on one connection.
    async fn serve(&mut self, mut socket: Socket, taken: &mut mpsc::Receiver<Command>) -> Left {
        loop {
            let now = Instant::now();
            while self.outbox.len() < READY
                && let Some(bytes) = self.sender.next(now)
            {
                self.outbox.push_back(Message::Binary(bytes));
            }
            let wake = match self.clock(now) {
                Ok(wake) => wake,
                Err(left) => return left,
            };
            let read = self.unread.load(Ordering::Relaxed) < UNREAD;
            let take = self.sender.has_room() && self.forwarding.is_some() && self.ready.is_none();
            tokio::select! {
                event = traffic(&mut socket, &mut self.outbox, read) => match event {
                    Ok(Event::Sent) => {}
                    Ok(Event::Message(message)) => {
                        (self.heard, self.asked) = (Instant::now(), false);
                        if let Err(left) = self.message(message).await {
                            return left;
                        }
                    }
                    Err(error) => return Left::Broken(error.to_string()),
                },
                command = taken.recv(), if take => match command {
                    Some(command) => self.command(command),
                    None => {
                        self.farewell(&mut socket).await;
                        return Left::Over("it is no longer needed".into());
                    }
                },
                () = unwanted(&mut self.ready) => return Left::Over("nobody waits for it any more".into()),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    /// What time alone brings about; when to look again.
    fn clock(&mut self, now: Instant) -> Result<Instant, Left> {
        if self.sender.oldest(now) > GONE {
            let why = format!("the agent has acknowledged nothing for {} s", GONE.as_secs());
            return Err(Left::Over(why));
        }
        let silent = now.saturating_duration_since(self.heard);
        if silent > DEAD {
            return Err(Left::Broken(format!("nothing was heard for {} s", DEAD.as_secs())));
        }
        if silent > SILENT && !self.asked {
            self.asked = true;
            self.outbox.push_back(Message::Ping(Bytes::from_static(b"keepalive")));
        }
        let mut wake = self.heard + if self.asked { DEAD } else { SILENT } + Duration::from_millis(10);
        if self.forwarding.is_some_and(|f| f.keep_alive) && self.ready.is_none() {
            if now >= self.kept_alive + KEEP_ALIVE {
                self.kept_alive = now;
                self.send_mux(&MuxFrame::bare(Mux::Nothing, 0))?;
            }
            wake = wake.min(self.kept_alive + KEEP_ALIVE);
        }
        if !self.sender.is_empty() {
            wake = wake.min(now + Duration::from_secs(1));
        }
        // Callers that begin to read again tell nobody.
        if self.unread.load(Ordering::Relaxed) >= UNREAD {
            wake = wake.min(now + Duration::from_millis(20));
        }
        Ok(self.sender.wake().map_or(wake, |at| at.min(wake)))
    }

    async fn message(&mut self, message: Message) -> Result<(), Left> {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::from(text),
            Message::Close(_) => return Err(Left::Broken("the service closed the connection".into())),
            _ => return Ok(()),
        };
        let frame = match Frame::decode(&bytes) {
            Ok(frame) => frame,
            Err(error) => {
                // It is not acknowledged, so it comes again if it matters.
                tracing::debug!("a message on the data channel: {error}");
                return Ok(());
            }
        };
        match frame.kind {
            Kind::Output => {
                let acknowledgement = acknowledge(&frame);
                if self.receiver.take(frame) {
                    self.outbox.push_back(Message::Binary(acknowledgement.encode()));
                }
                while let Some(frame) = self.receiver.next() {
                    self.data(frame).await?;
                }
                Ok(())
            }
            Kind::Acknowledge => {
                if let Ok(of) = serde_json::from_slice::<Acknowledged>(&frame.payload) {
                    self.sender.acknowledged(of.sequence, Instant::now());
                    self.opened();
                }
                Ok(())
            }
            Kind::ChannelClosed => {
                let closed: ChannelClosed = serde_json::from_slice(&frame.payload).unwrap_or_default();
                let why = if closed.output.is_empty() { "it was ended" } else { closed.output.as_str() };
                Err(Left::Over(format!("the session was closed: {why}")))
            }
            Kind::StartPublication => {
                self.sender.pause(false);
                Ok(())
            }
            Kind::PausePublication => {
                self.sender.pause(true);
                Ok(())
            }
            Kind::Input | Kind::Other => Ok(()),
        }
    }

    /// A data message whose turn it is.
    async fn data(&mut self, frame: Frame) -> Result<(), Left> {
        match frame.payload_type {
            payload::HANDSHAKE_REQUEST => self.shake(&frame.payload).await,
            payload::CHALLENGE_REQUEST => {
                let answer = self.challenge(&frame.payload).map_err(Left::Over)?;
                self.sender.push(payload::CHALLENGE_RESPONSE, answer.into());
                Ok(())
            }
            payload::HANDSHAKE_COMPLETE => {
                let told: Option<HandshakeComplete> = serde_json::from_slice(&frame.payload).ok();
                tracing::debug!(
                    "the agent's handshake is complete: {}",
                    told.map(|t| t.customer_message).unwrap_or_default()
                );
                self.kept_alive = Instant::now();
                match (self.ready.take(), self.forwarding) {
                    (Some(ready), Some(forwarding)) => {
                        let _ = ready.send(Ok(forwarding));
                        Ok(())
                    }
                    (_, None) => Err(Left::Over("the agent completed a handshake that it had not begun".into())),
                    (None, Some(_)) => Ok(()),
                }
            }
            payload::OUTPUT => {
                let bytes = match &self.cipher {
                    Some(cipher) => cipher.open(&frame.payload).map_err(Left::Over)?.into(),
                    None => frame.payload,
                };
                self.take_from_port(bytes)
            }
            payload::FLAG => {
                if frame.payload.as_ref() == flag::CONNECT_TO_PORT_ERROR.to_be_bytes() {
                    // It says not for which stream; those that had an answer are not meant.
                    self.streams.values_mut().for_each(|s| s.refused());
                }
                Ok(())
            }
            other => {
                tracing::debug!("a payload of type {other} on a port session");
                Ok(())
            }
        }
    }

    /// Tells the agent that the session is over. Whether it hears is not waited for: TerminateSession follows.
    async fn farewell(&mut self, socket: &mut Socket) {
        let flag = Bytes::copy_from_slice(&flag::TERMINATE_SESSION.to_be_bytes());
        self.sender.push(payload::FLAG, flag);
        while let Some(bytes) = self.sender.next(Instant::now()) {
            self.outbox.push_back(Message::Binary(bytes));
        }
        let last = async {
            while !self.outbox.is_empty() {
                if traffic(socket, &mut self.outbox, false).await.is_err() {
                    return;
                }
            }
            let _ = socket.close(None).await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), last).await;
    }
}

/// Resolves when the one who opens the channel has given up.
async fn unwanted(ready: &mut Option<oneshot::Sender<Result<Forwarding, String>>>) {
    match ready {
        Some(ready) => ready.closed().await,
        None => std::future::pending().await,
    }
}

fn acknowledge(of: &Frame) -> Frame {
    let content = Acknowledged {
        message_type: "output_stream_data".into(),
        id: of.id.to_string(),
        sequence: of.sequence,
        sequential: true,
    };
    Frame {
        kind: Kind::Acknowledge,
        sequence: 0,
        flags: 3,
        id: uuid::Uuid::new_v4(),
        payload_type: 0,
        payload: serde_json::to_vec(&content).unwrap_or_default().into(),
    }
}

/// Writes what is ready and, if `read`, reads a message. Can be dropped at any point and loses nothing.
async fn traffic(socket: &mut Socket, outbox: &mut VecDeque<Message>, read: bool) -> Result<Event, WsError> {
    let work = !outbox.is_empty();
    std::future::poll_fn(|context| {
        let mut socket = Pin::new(&mut *socket);
        while !outbox.is_empty() && socket.as_mut().poll_ready(context)?.is_ready() {
            if let Some(message) = outbox.pop_front() {
                socket.as_mut().start_send(message)?;
            }
        }
        // Where it can't be flushed now, the next call goes on with it.
        let _ = socket.as_mut().poll_flush(context)?;
        if read && let Poll::Ready(message) = socket.as_mut().poll_next(context)? {
            return Poll::Ready(message.map(Event::Message).ok_or(WsError::ConnectionClosed));
        }
        if work && outbox.is_empty() { Poll::Ready(Ok(Event::Sent)) } else { Poll::Pending }
    })
    .await
}
