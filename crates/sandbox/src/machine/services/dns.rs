//! The resolver of a machine's network, at the address of a VPC's: the machine's own names and the fixture
//! repository's are answered here, everything else is passed on to the host's resolver through slirp4netns.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::super::namespace::network::{API, FIXTURES, Links, METADATA, UPSTREAM_RESOLVER};
use super::super::namespace::spec::Spec;

const A: u16 = 1;
const PTR: u16 = 12;

/// Names that are answered here.
#[derive(Debug)]
pub struct Names {
    forward: Vec<(String, Ipv4Addr)>,
    /// The machine's reverse name and what it points to.
    reverse: (String, String),
}

/// What is known about a question.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    /// Ask the host's resolver.
    Unknown,
    /// The name exists; this is its address, or it has nothing of the kind asked for.
    Address(Option<Ipv4Addr>),
    /// The reverse name's target.
    Name(String),
    /// A name below one of ours: there is none.
    Nothing,
}

impl Names {
    /// The names of a machine, and the fixture repository's where there is one.
    pub fn new(spec: &Spec, links: Links) -> Self {
        let host = &spec.launch.hostname;
        let regional = format!("{host}.{}.compute.internal", spec.launch.region);
        let mut forward: Vec<(String, Ipv4Addr)> = vec![
            (host.clone(), links.machine),
            (format!("{host}.ec2.internal"), links.machine),
            (regional, links.machine),
            ("instance-data".to_owned(), METADATA),
            ("sandbox.internal".to_owned(), API),
            ("instance-data.ec2.internal".to_owned(), METADATA),
        ];
        if let Some(fixtures) = &spec.fixtures {
            let names = fs_err::read_to_string(fixtures.join("names")).unwrap_or_default();
            forward.extend(names.lines().map(|name| (name.trim().to_owned(), FIXTURES)));
        }
        let [a, b, c, d] = links.machine.octets();
        let reverse = (format!("{d}.{c}.{b}.{a}.in-addr.arpa"), format!("{host}.ec2.internal"));
        Self { forward, reverse }
    }

    fn know(&self, question: &Question) -> Known {
        if let Some((_, address)) = self.forward.iter().find(|(name, _)| *name == question.name) {
            return Known::Address((question.kind == A).then_some(*address));
        }
        if question.kind == PTR && question.name == self.reverse.0 {
            return Known::Name(self.reverse.1.clone());
        }
        let below_ours = |(name, _): &(String, Ipv4Addr)| {
            question.name.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        if self.forward.iter().any(below_ours) || question.name.ends_with(".ec2.internal") {
            return Known::Nothing;
        }
        Known::Unknown
    }

    /// The answer to a query, if it is ours to give.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let question = Question::read(query)?;
        let record = match self.know(&question) {
            Known::Unknown => return None,
            Known::Nothing => return Some(reply(query, &question, 3, None)),
            Known::Address(address) => address.map(|address| address.octets().to_vec()),
            Known::Name(name) => Some(encode_name(&name)),
        };
        Some(reply(query, &question, 0, record))
    }
}

/// The first question of a query.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    /// Lower case, without the last dot.
    name: String,
    kind: u16,
    /// Where the question ends in the message.
    end: usize,
}

impl Question {
    /// `None` when the message is no query with one question (then it is passed on).
    fn read(message: &[u8]) -> Option<Self> {
        let is_query = message.get(2)? & 0xf8 == 0;
        if !is_query || message.get(4..6)? != [0, 1] {
            return None;
        }
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            if length > 63 {
                return None;
            }
            let label = message.get(at..at + length)?;
            labels.push(String::from_utf8(label.to_ascii_lowercase()).ok()?);
            at += length;
        }
        let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
        message.get(at + 2..at + 4)?;
        Some(Self { name: labels.join("."), kind, end: at + 4 })
    }
}

fn encode_name(name: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    for label in name.split('.') {
        encoded.push(u8::try_from(label.len()).unwrap_or(0));
        encoded.extend_from_slice(label.as_bytes());
    }
    encoded.push(0);
    encoded
}

/// A reply with at most one record of the kind that was asked for.
fn reply(query: &[u8], question: &Question, code: u8, record: Option<Vec<u8>>) -> Vec<u8> {
    let mut message = query[..2].to_vec();
    // An authoritative answer; recursion is available and as desired as it was.
    message.extend_from_slice(&[0x84 | (query[2] & 1), 0x80 | code, 0, 1, 0, u8::from(record.is_some()), 0, 0, 0, 0]);
    message.extend_from_slice(&query[12..question.end]);
    if let Some(data) = record {
        // The name is a pointer to the question's; class IN; one minute.
        message.extend_from_slice(&[0xc0, 12]);
        message.extend_from_slice(&question.kind.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        message.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        message.extend_from_slice(&data);
    }
    message
}

/// Serves UDP until the process ends.
pub async fn serve_datagrams(socket: UdpSocket, names: Arc<Names>) {
    let socket = Arc::new(socket);
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let query = buffer[..length].to_vec();
        let (socket, names) = (Arc::clone(&socket), Arc::clone(&names));
        tokio::spawn(async move {
            let answer = match names.answer(&query) {
                Some(answer) => Ok(answer),
                None => pass_on(&query).await,
            };
            // No answer: the client asks again, as it would with any resolver.
            if let Ok(answer) = answer {
                let _ = socket.send_to(&answer, client).await;
            }
        });
    }
}

async fn pass_on(query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect((UPSTREAM_RESOLVER, 53)).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; 4096];
    let length = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut buffer)).await??;
    buffer.truncate(length);
    Ok(buffer)
}

/// Serves TCP until the process ends.
pub async fn serve_streams(listener: TcpListener, names: Arc<Names>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let names = Arc::clone(&names);
        tokio::spawn(async move {
            // The client's loss only.
            let _ = serve_stream(stream, &names).await;
        });
    }
}

async fn serve_stream(mut client: TcpStream, names: &Names) -> io::Result<()> {
    loop {
        let query = read_message(&mut client).await?;
        let answer = match names.answer(&query) {
            Some(answer) => answer,
            None => {
                let mut upstream = TcpStream::connect((UPSTREAM_RESOLVER, 53)).await?;
                write_message(&mut upstream, &query).await?;
                tokio::time::timeout(Duration::from_secs(10), read_message(&mut upstream)).await??
            }
        };
        write_message(&mut client, &answer).await?;
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_u16(length).await?;
    stream.write_all(message).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            forward: vec![
                ("ip-10-99-0-2".into(), Ipv4Addr::new(10, 99, 0, 2)),
                ("apt.dockerproject.org".into(), FIXTURES),
            ],
            reverse: ("2.0.99.10.in-addr.arpa".into(), "ip-10-99-0-2.ec2.internal".into()),
        }
    }

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(encode_name(name));
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message
    }

    #[test]
    fn own_names_have_addresses() {
        let answer = names().answer(&query("APT.dockerproject.org", A)).unwrap();
        assert_eq!(answer[..4], [0xab, 0xcd, 0x85, 0x80]);
        assert_eq!(answer[answer.len() - 4..], FIXTURES.octets());
        // No IPv6 address, but the name exists.
        let answer = names().answer(&query("ip-10-99-0-2", 28)).unwrap();
        assert_eq!((answer[3] & 15, answer[7]), (0, 0));
        let answer = names().answer(&query("_http._tcp.apt.dockerproject.org", 33)).unwrap();
        assert_eq!(answer[3] & 15, 3);
    }

    #[test]
    fn the_address_has_a_name() {
        let answer = names().answer(&query("2.0.99.10.in-addr.arpa", PTR)).unwrap();
        assert!(answer.ends_with(&encode_name("ip-10-99-0-2.ec2.internal")));
    }

    #[test]
    fn everything_else_is_passed_on() {
        assert_eq!(names().answer(&query("deb.debian.org", A)), None);
        assert_eq!(names().answer(&query("notapt.dockerproject.org", A)), None);
        assert_eq!(names().answer(b"short"), None);
        // Two questions, and a label that runs out of the message.
        let mut two = query("ip-10-99-0-2", A);
        two[5] = 2;
        assert_eq!(names().answer(&two), None);
        let mut cut = query("ip-10-99-0-2", A);
        cut.truncate(16);
        assert_eq!(names().answer(&cut), None);
    }
}
