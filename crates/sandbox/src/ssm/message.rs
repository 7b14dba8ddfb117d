//! A message of the data channel: a header of 116 bytes, the payload's length, the payload. Numbers are big-endian.

use sha2::{Digest as _, Sha256};

/// Bytes of a header; a message says so itself.
const HEADER: u32 = 116;

/// Types of messages.
pub const FROM_CLIENT: &str = "input_stream_data";
pub const FROM_AGENT: &str = "output_stream_data";
pub const ACKNOWLEDGE: &str = "acknowledge";
pub const CLOSED: &str = "channel_closed";
pub const PAUSE: &str = "pause_publication";

/// Types of payloads.
pub const DATA: u32 = 1;
pub const HANDSHAKE_REQUEST: u32 = 5;
pub const HANDSHAKE_RESPONSE: u32 = 6;
pub const HANDSHAKE_COMPLETE: u32 = 7;
pub const CHALLENGE_REQUEST: u32 = 8;
pub const CHALLENGE_RESPONSE: u32 = 9;
pub const FLAG: u32 = 10;

/// Values of a flag.
pub const DISCONNECT: u32 = 1;
pub const TERMINATE: u32 = 2;
pub const CANNOT_CONNECT: u32 = 3;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One of the types.
    pub name: String,
    /// Number in its sender's order.
    pub number: i64,
    /// 1: the first; 3: an acknowledgement.
    pub flags: u64,
    /// A random UUID.
    pub id: uuid::Uuid,
    /// One of the payload types.
    pub kind: u32,
    /// The payload.
    pub body: Vec<u8>,
}

impl Message {
    /// A message with a new id.
    pub fn new(name: &str, number: i64, kind: u32, body: Vec<u8>) -> Self {
        let flags = match (name, number) {
            (ACKNOWLEDGE, _) => 3,
            (FROM_AGENT, 0) => 1,
            _ => 0,
        };
        Self { name: name.to_owned(), number, flags, id: uuid::Uuid::new_v4(), kind, body }
    }

    /// The acknowledgement of a message.
    pub fn acknowledgement(of: &Self) -> Self {
        let body = serde_json::json!({
            "AcknowledgedMessageType": of.name,
            "AcknowledgedMessageId": of.id.to_string(),
            "AcknowledgedMessageSequenceNumber": of.number,
            "IsSequentialMessage": true,
        });
        Self::new(ACKNOWLEDGE, 0, 0, body.to_string().into_bytes())
    }

    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = HEADER.to_be_bytes().to_vec();
        out.extend(format!("{:<32}", self.name).bytes());
        out.extend(1_u32.to_be_bytes());
        out.extend(crate::state::Time::now().0.to_be_bytes());
        out.extend(self.number.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        let id = self.id.as_bytes();
        out.extend(&id[8..]);
        out.extend(&id[..8]);
        out.extend(Sha256::digest(&self.body));
        out.extend(self.kind.to_be_bytes());
        out.extend(u32::try_from(self.body.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(&self.body);
        out
    }

    /// Reads and checks a client's message. The error is what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let (head, rest) = bytes.split_at_checked(116).ok_or("it is shorter than a header")?;
        let u32_at = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let u64_at = |at: usize| (u64::from(u32_at(at)) << 32) | u64::from(u32_at(at + 4));
        if u32_at(0) != HEADER {
            return Err("its header has another length");
        }
        if u32_at(36) != 1 {
            return Err("its schema is not 1");
        }
        if u64_at(40) == 0 {
            return Err("it has no date");
        }
        let name = std::str::from_utf8(&head[4..36]).map_err(|_| "its type is not text")?.trim_end();
        let (length, body) = rest.split_at_checked(4).ok_or("it has no payload length")?;
        if u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize != body.len() {
            return Err("its payload has another length");
        }
        if head[80..112] != *Sha256::digest(body) {
            return Err("its digest is wrong");
        }
        let mut id = [0; 16];
        id[..8].copy_from_slice(&head[72..80]);
        id[8..].copy_from_slice(&head[64..72]);
        Ok(Self {
            name: name.to_owned(),
            number: u64_at(48).cast_signed(),
            flags: u64_at(56),
            id: uuid::Uuid::from_bytes(id),
            kind: u32_at(112),
            body: body.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_was_written() {
        let message = Message::new(FROM_AGENT, 0, DATA, b"payload".to_vec());
        let bytes = message.write();
        assert_eq!(bytes.len(), 116 + 4 + 7);
        assert_eq!(Message::read(&bytes).unwrap(), message);
        for (at, why) in [(3, "header"), (39, "schema"), (90, "digest"), (119, "length"), (126, "digest")] {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert!(Message::read(&broken).unwrap_err().contains(why), "byte {at}");
        }
        assert!(Message::read(&bytes[..50]).is_err());
    }
}
