//! The agent's half of a session: handshake, order, acknowledgements, repetition; and its machine, with which it goes.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::keys::Seal;
use super::link::{Channel, Dice, Link};
use super::message::{
    ACKNOWLEDGE, CANNOT_CONNECT, CHALLENGE_REQUEST, CHALLENGE_RESPONSE, CLOSED, DATA, DISCONNECT, FLAG, FROM_AGENT,
    FROM_CLIENT, HANDSHAKE_COMPLETE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, Message, PAUSE, TERMINATE,
};
use super::ports::{Ports, Report};
use super::{Order, Socket};
use crate::core::Core;
use crate::state::Time;

/// What an agent of these days says that it is.
const CURRENT: &str = "3.3.987.0";
/// A payload's pieces.
const PIECE: usize = 1024;
/// Messages under way; a real agent has no limit but its memory.
const UNDER_WAY: usize = 2000;
/// What is not acknowledged goes again, but no more at once: a slow client must not drown in repetitions.
const REPEAT: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(1));
const REPEATED: usize = 50;
const TICK: Duration = Duration::from_millis(50);
/// How long each step of the handshake may take (the agent's own limit).
const HANDSHAKE: Duration = Duration::from_secs(15);

/// A session to begin.
pub struct Start {
    /// Its id.
    pub session: String,
    /// `i-…`
    pub instance: String,
    /// The machine's port.
    pub address: SocketAddr,
    /// How the way to it behaves.
    pub channel: Channel,
    /// The parameters of the document, for the client.
    pub properties: Value,
}

/// Runs a session to its end.
pub async fn run(core: Arc<Core>, start: Start, mut orders: mpsc::UnboundedReceiver<Order>) {
    let boot = core.machines.boot(&start.instance).await;
    let version = start.channel.agent_version.clone().unwrap_or_else(|| CURRENT.to_owned());
    let several = newer(&version, [3, 0, 196, 0]);
    let (ports, mut reports) = Ports::new(start.address, several);
    let seed = start.session.bytes().fold(17, |seed: u64, b| seed.wrapping_mul(31).wrapping_add(u64::from(b)));
    let mut agent = Agent {
        step: Step::Asked,
        step_since: Instant::now(),
        ports,
        socket: None,
        to_client: Link::default(),
        from_client: Link::default(),
        dice: Dice::new(seed),
        passed: 0,
        cuts: 0,
        next: 0,
        under_way: BTreeMap::new(),
        round_trip: Duration::ZERO,
        expected: 0,
        early: BTreeMap::new(),
        seal: None,
        challenge: Vec::new(),
        random: STANDARD.encode(uuid::Uuid::new_v4().as_bytes()),
        gone: false,
        over: None,
        core,
        start,
    };
    agent.ask(&version).await;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut boots = tokio::time::interval(Duration::from_millis(200));
    while agent.over.is_none() {
        let takes = agent.step == Step::Complete && agent.under_way.len() < UNDER_WAY && !agent.gone;
        tokio::select! {
            // What comes in first: acknowledgements that wait would be answered with repetitions.
            biased;
            order = orders.recv() => match order {
                Some(Order::Attach(socket)) => agent.attach(*socket).await,
                Some(Order::End) | None => agent.over = Some(String::new()),
            },
            frame = read(&mut agent.socket) => agent.received(frame).await,
            _ = ticks.tick() => agent.tick().await,
            _ = boots.tick(), if !agent.gone => {
                if agent.core.machines.boot(&agent.start.instance).await != boot {
                    agent.go().await;
                }
            }
            Some(report) = reports.recv(), if takes => agent.report(report).await,
        }
    }
    agent.close().await;
}

async fn read(socket: &mut Option<Socket>) -> Option<Frame> {
    match socket {
        // Any error is the end of a connection.
        Some(socket) => socket.next().await.and_then(Result::ok),
        None => std::future::pending().await,
    }
}

/// Whether a version of four numbers is newer than another.
fn newer(version: &str, than: [u32; 4]) -> bool {
    let numbers: Vec<u32> = version.split('.').filter_map(|n| n.parse().ok()).collect();
    numbers.len() == 4 && numbers.as_slice() > than.as_slice()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The handshake's request is out.
    Asked,
    /// The challenge is out.
    Challenged,
    /// Data flows.
    Complete,
}

struct Agent {
    core: Arc<Core>,
    start: Start,
    step: Step,
    step_since: Instant,
    ports: Ports,
    socket: Option<Socket>,
    to_client: Link,
    from_client: Link,
    dice: Dice,
    passed: u32,
    cuts: u32,
    next: i64,
    under_way: BTreeMap<i64, (Vec<u8>, Instant)>,
    round_trip: Duration,
    expected: i64,
    early: BTreeMap<i64, Message>,
    seal: Option<Seal>,
    challenge: Vec<u8>,
    /// What a data key is bound to beside session and instance.
    random: String,
    /// Its machine went down.
    gone: bool,
    /// The session is over, and why.
    over: Option<String>,
}

impl Agent {
    async fn ask(&mut self, version: &str) {
        let mut actions = vec![json!({
            "ActionType": "SessionType",
            "ActionParameters": { "SessionType": "Port", "Properties": self.start.properties },
        })];
        if let Some(key) = &self.start.channel.kms_key {
            let asked = json!({ "KMSKeyId": key, "Challenge": self.random });
            actions.push(json!({ "ActionType": "KMSEncryption", "ActionParameters": asked }));
        }
        let request = json!({ "AgentVersion": version, "RequestedClientActions": actions });
        self.send(HANDSHAKE_REQUEST, request.to_string().as_bytes()).await;
    }

    async fn attach(&mut self, socket: Socket) {
        // The old connection is closed by being dropped: there is one client.
        self.socket = Some(socket);
        self.passed = 0;
        let now = Instant::now();
        for (_, sent) in self.under_way.values_mut() {
            *sent = now.checked_sub(REPEAT.1).unwrap_or(now);
        }
        self.tick().await;
    }

    /// A data message, kept until it is acknowledged.
    async fn send(&mut self, kind: u32, body: &[u8]) {
        let body = match &mut self.seal {
            Some(seal) if kind == DATA => seal.close(body),
            _ => body.to_vec(),
        };
        let bytes = Message::new(FROM_AGENT, self.next, kind, body).write();
        self.under_way.insert(self.next, (bytes.clone(), Instant::now()));
        self.next += 1;
        self.put(bytes).await;
    }

    /// Onto the link; what comes out of it goes into the socket.
    async fn put(&mut self, bytes: Vec<u8>) {
        let out = self.to_client.pass(bytes, &self.start.channel, &mut self.dice);
        self.write(out).await;
    }

    async fn write(&mut self, messages: Vec<Vec<u8>>) {
        for message in messages {
            let Some(socket) = &mut self.socket else { return };
            if socket.send(Frame::Binary(message.into())).await.is_err() {
                self.socket = None;
                return;
            }
            self.count();
        }
    }

    /// Another message has passed; cuts the connection where it is time.
    fn count(&mut self) {
        self.passed += 1;
        let allowed = self.start.channel.cuts.is_none_or(|cuts| self.cuts < cuts);
        if allowed && self.start.channel.cut_after.is_some_and(|after| self.passed >= after) {
            // Dropped without a word, as a network does it.
            self.socket = None;
            self.passed = 0;
            self.cuts += 1;
        }
    }

    async fn received(&mut self, frame: Option<Frame>) {
        match frame {
            Some(Frame::Binary(bytes)) => {
                if self.gone {
                    return;
                }
                self.count();
                for bytes in self.from_client.pass(bytes.to_vec(), &self.start.channel, &mut self.dice) {
                    self.take(&bytes).await;
                }
            }
            Some(Frame::Close(_)) | None => self.socket = None,
            Some(_) => {}
        }
    }

    async fn take(&mut self, bytes: &[u8]) {
        let message = match Message::read(bytes) {
            Ok(message) => message,
            Err(why) => {
                tracing::warn!("a client's message on session {}: {why}", self.start.session);
                return;
            }
        };
        match message.name.as_str() {
            ACKNOWLEDGE => {
                let content: Value = serde_json::from_slice(&message.body).unwrap_or_default();
                if let Some(number) = content["AcknowledgedMessageSequenceNumber"].as_i64()
                    && let Some((_, sent)) = self.under_way.remove(&number)
                {
                    self.round_trip = (self.round_trip * 7 + sent.elapsed()) / 8;
                }
            }
            FROM_CLIENT => {
                if message.number >= self.expected {
                    if self.early.len() >= 10_000 {
                        return;
                    }
                    self.early.insert(message.number, message.clone());
                }
                self.put(Message::acknowledgement(&message).write()).await;
                while let Some(message) = self.early.remove(&self.expected) {
                    self.expected += 1;
                    self.process(message).await;
                }
            }
            other => tracing::warn!("a client sent a message of type {other:?} on session {}", self.start.session),
        }
    }

    async fn process(&mut self, message: Message) {
        match (message.kind, self.step) {
            (HANDSHAKE_RESPONSE, Step::Asked) => match self.answered(&message.body) {
                Ok(()) if self.seal.is_some() => self.defy().await,
                Ok(()) => self.complete().await,
                Err(why) => self.over = Some(why),
            },
            (CHALLENGE_RESPONSE, Step::Challenged) => {
                let answer: Value = serde_json::from_slice(&message.body).unwrap_or_default();
                let sealed = STANDARD.decode(answer["Challenge"].as_str().unwrap_or_default()).unwrap_or_default();
                let opened = self.seal.as_ref().and_then(|seal| seal.open(&sealed));
                if opened.is_some_and(|opened| opened == self.challenge) {
                    self.complete().await;
                } else {
                    self.over = Some("Encryption challenge does not match!".into());
                }
            }
            (DATA, Step::Complete) => {
                let opened = match &self.seal {
                    Some(seal) => seal.open(&message.body),
                    None => Some(message.body),
                };
                let given = opened.ok_or_else(|| "a payload that can't be decrypted".to_owned());
                if let Err(why) = given.and_then(|bytes| self.ports.give(&bytes)) {
                    tracing::warn!("a client of session {} sent {why}", self.start.session);
                    self.over = Some(why);
                }
            }
            (FLAG, Step::Complete) => match message.body.try_into().map(u32::from_be_bytes) {
                Ok(DISCONNECT) => self.ports.disconnect(),
                Ok(TERMINATE) => self.over = Some(String::new()),
                _ => tracing::warn!("a client of session {} sent an unknown flag", self.start.session),
            },
            (kind, step) => {
                // A real agent drops it as well, although it has acknowledged it.
                tracing::warn!(
                    "a client of session {} sent a payload of type {kind} while {step:?}",
                    self.start.session
                );
            }
        }
    }

    /// Checks what the client did of what it was asked.
    fn answered(&mut self, body: &[u8]) -> Result<(), String> {
        let answer: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let version = answer["ClientVersion"].as_str().unwrap_or_default();
        if !newer(version, [1, 1, 69, 0]) {
            return Err(format!("a client of version {version:?} knows no multiplexed sessions"));
        }
        let done: Vec<&Value> = answer["ProcessedClientActions"].as_array().into_iter().flatten().collect();
        let wanted = ["SessionType", "KMSEncryption"];
        let asked = if self.start.channel.kms_key.is_some() { &wanted[..] } else { &wanted[..1] };
        for name in asked {
            let found = done.iter().find(|action| action["ActionType"] == **name);
            let action = found.ok_or_else(|| format!("{name} is not in the client's answer"))?;
            if action["ActionStatus"] != 1 {
                return Err(format!(
                    "{name} failed on client with status {}: {}",
                    action["ActionStatus"], action["Error"]
                ));
            }
            if *name == "KMSEncryption" {
                let sealed = action["ActionResult"]["KMSCipherTextKey"].as_str().unwrap_or_default();
                let sealed = STANDARD.decode(sealed).map_err(|e| e.to_string())?;
                if action["ActionResult"]["ChallengeAcknowledgement"] != true {
                    return Err("client does not support required encryption context random challenge".into());
                }
                let context = BTreeMap::from([
                    ("aws:ssm:RandomChallenge".to_owned(), self.random.clone()),
                    ("aws:ssm:SessionId".to_owned(), self.start.session.clone()),
                    ("aws:ssm:TargetId".to_owned(), self.start.instance.clone()),
                ]);
                let key = self.core.data_keys.open(&sealed, &context).ok_or("Fetching data key failed")?;
                self.seal = Some(Seal::new(&key).ok_or("the data key is too short")?);
            }
        }
        Ok(())
    }

    async fn defy(&mut self) {
        self.challenge = uuid::Uuid::new_v4().as_bytes().repeat(4);
        let challenge = self.challenge.clone();
        let Some(seal) = &mut self.seal else { return };
        let body = json!({ "Challenge": STANDARD.encode(seal.close(&challenge)) }).to_string();
        (self.step, self.step_since) = (Step::Challenged, Instant::now());
        self.send(CHALLENGE_REQUEST, body.as_bytes()).await;
    }

    async fn complete(&mut self) {
        let message = if self.seal.is_some() { "This session is encrypted using AWS KMS." } else { "" };
        let took = u64::try_from(self.step_since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let body = json!({ "HandshakeTimeToComplete": took, "CustomerMessage": message }).to_string();
        self.step = Step::Complete;
        self.send(HANDSHAKE_COMPLETE, body.as_bytes()).await;
        self.ports.connect();
    }

    async fn report(&mut self, report: Report) {
        if matches!(report, Report::Refused(0)) {
            // A session with one connection ends with it.
            self.over = Some(format!("Unable to connect to specified port: {}", self.start.address.port()));
            return;
        }
        if matches!(report, Report::Closed(_)) && self.start.channel.sudden_end {
            return;
        }
        if matches!(report, Report::Refused(_)) {
            self.send(FLAG, &CANNOT_CONNECT.to_be_bytes()).await;
        }
        let bytes = self.ports.frame(report);
        for piece in bytes.chunks(PIECE) {
            self.send(DATA, piece).await;
        }
    }

    async fn tick(&mut self) {
        if self.step != Step::Complete && self.socket.is_some() && self.step_since.elapsed() > HANDSHAKE {
            self.over = Some("Handshake timed out.".into());
        }
        if self.gone || self.socket.is_none() {
            return;
        }
        let held: Vec<Vec<u8>> = self.from_client.flush();
        for bytes in held {
            self.take(&bytes).await;
        }
        let held = self.to_client.flush();
        self.write(held).await;
        let now = Instant::now();
        let repeat = (self.round_trip * 2).clamp(REPEAT.0, REPEAT.1);
        let late: VecDeque<Vec<u8>> = self
            .under_way
            .values_mut()
            .filter(|(_, sent)| now.saturating_duration_since(*sent) >= repeat)
            .take(REPEATED)
            .map(|(bytes, sent)| {
                *sent = now;
                bytes.clone()
            })
            .collect();
        for bytes in late {
            self.put(bytes).await;
        }
    }

    /// The machine went down, and the agent with it. The service tells the client that nobody is there.
    async fn go(&mut self) {
        self.gone = true;
        self.ports.close_all();
        let bytes = Message::new(PAUSE, 0, 0, Vec::new()).write();
        self.write(vec![bytes]).await;
    }

    /// Tells the client, and remembers that the session is over.
    async fn close(mut self) {
        let (session, instance) = (self.start.session.clone(), self.start.instance.clone());
        let output = self.over.take().unwrap_or_default();
        let body = json!({
            "MessageId": uuid::Uuid::new_v4().to_string(),
            "CreatedDate": Time::now().to_string(),
            "DestinationId": instance,
            "SessionId": session.clone(),
            "MessageType": CLOSED,
            "SchemaVersion": 1,
            "Output": output,
        });
        let bytes = Message::new(CLOSED, 0, 0, body.to_string().into_bytes()).write();
        self.write(vec![bytes]).await;
        if let Some(mut socket) = self.socket.take() {
            let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
        }
        let ended = self.core.change(move |state| {
            if let Some(session) = state.sessions.get_mut(&session) {
                session.ended.get_or_insert_with(Time::now);
            }
        });
        if let Err(e) = ended.await {
            tracing::warn!("a session's end could not be written: {e}");
        }
    }
}
