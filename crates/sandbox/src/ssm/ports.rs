//! The agent's connections to the machine's port: one a session, or several over smux.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// What a connection reports.
pub enum Report {
    /// Data of the port.
    Data(u32, Vec<u8>),
    /// The port closed it.
    Closed(u32),
    /// It could not be made.
    Refused(u32),
}

/// Commands of smux frames (version 1).
const OPEN: u8 = 0;
const CLOSE: u8 = 1;
const PUSH: u8 = 2;
const NOP: u8 = 3;

/// All connections of a session.
pub struct Ports {
    address: SocketAddr,
    several: bool,
    unread: Vec<u8>,
    open: BTreeMap<u32, mpsc::UnboundedSender<Vec<u8>>>,
    reports: mpsc::Sender<Report>,
}

impl Ports {
    /// None yet. At most some reports wait; a port whose data nobody takes is not read.
    pub fn new(address: SocketAddr, several: bool) -> (Self, mpsc::Receiver<Report>) {
        let (reports, receiver) = mpsc::channel(64);
        (Self { address, several, unread: Vec::new(), open: BTreeMap::new(), reports }, receiver)
    }

    /// Connects, where there is one connection only.
    pub fn connect(&mut self) {
        if !self.several {
            self.start(0);
        }
    }

    /// Bytes of the client. The error is what is wrong with them.
    pub fn give(&mut self, bytes: &[u8]) -> Result<(), String> {
        if !self.several {
            if !self.open.contains_key(&0) {
                // A connection that was closed is made again by new data.
                self.start(0);
            }
            return self.push(0, bytes.to_vec());
        }
        self.unread.extend(bytes);
        while self.unread.len() >= 8 {
            let head = &self.unread[..8];
            let (version, command) = (head[0], head[1]);
            let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let stream = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            if version != 1 {
                return Err(format!("a smux frame of version {version}"));
            }
            if self.unread.len() < 8 + length {
                break;
            }
            let data = self.unread[8..8 + length].to_vec();
            self.unread.drain(..8 + length);
            match command {
                OPEN if stream.is_multiple_of(2) || stream < 3 => {
                    return Err(format!("a client opens stream {stream}"));
                }
                OPEN => self.start(stream),
                PUSH => self.push(stream, data)?,
                CLOSE => drop(self.open.remove(&stream)),
                NOP => {}
                other => return Err(format!("a smux frame with command {other}")),
            }
        }
        Ok(())
    }

    /// Closes the one connection of a session that has one.
    pub fn disconnect(&mut self) {
        self.open.remove(&0);
    }

    /// Closes all.
    pub fn close_all(&mut self) {
        self.open.clear();
    }

    /// The port's data as it goes to the client.
    pub fn frame(&mut self, report: Report) -> Vec<u8> {
        let (command, stream, data) = match report {
            Report::Data(stream, data) => (PUSH, stream, data),
            Report::Closed(stream) | Report::Refused(stream) => {
                self.open.remove(&stream);
                (CLOSE, stream, Vec::new())
            }
        };
        if !self.several {
            return data;
        }
        let mut out = vec![1, command];
        out.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(stream.to_le_bytes());
        out.extend(data);
        out
    }

    fn push(&mut self, stream: u32, data: Vec<u8>) -> Result<(), String> {
        if let Some(to) = self.open.get(&stream) {
            // A connection that the port has closed takes nothing; its report is on the way.
            let _ = to.send(data);
        }
        Ok(())
    }

    fn start(&mut self, stream: u32) {
        let (to, from_client) = mpsc::unbounded_channel();
        self.open.insert(stream, to);
        tokio::spawn(carry(self.address, stream, from_client, self.reports.clone()));
    }
}

async fn carry(
    address: SocketAddr,
    stream: u32,
    mut from_client: mpsc::UnboundedReceiver<Vec<u8>>,
    reports: mpsc::Sender<Report>,
) {
    let Ok(tcp) = TcpStream::connect(address).await else {
        let _ = reports.send(Report::Refused(stream)).await;
        return;
    };
    let _ = tcp.set_nodelay(true);
    let (mut read, mut write) = tcp.into_split();
    let writing = async {
        while let Some(data) = from_client.recv().await {
            if write.write_all(&data).await.is_err() {
                break;
            }
        }
    };
    let reading = async {
        loop {
            let mut buffer = vec![0; 16 << 10];
            match read.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    buffer.truncate(n);
                    if reports.send(Report::Data(stream, buffer)).await.is_err() {
                        return;
                    }
                }
            }
        }
        let _ = reports.send(Report::Closed(stream)).await;
    };
    // As the agent does it: when one direction ends, so does the connection.
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
}
