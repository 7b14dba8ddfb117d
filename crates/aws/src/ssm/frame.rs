//! Messages of the data channel, as bytes.
//!
//! All numbers are big-endian:
//! ```text
//! header length (4) │ message type (32, padded) │ schema (4) │ created, ms (8) │ sequence number (8) │ flags (8)
//! message id (16, its second half first) │ SHA-256 of the payload (32) │ payload type (4) │ payload length (4) │ payload
//! ```
//! The header length counts all before the payload length. Source: `clientmessage.go` and `messageparser.go` of
//! session-manager-plugin 1.2 (Apache-2.0), which document the format.

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const TYPE: usize = 4;
const TYPE_LENGTH: usize = 32;
const SEQUENCE: usize = TYPE + TYPE_LENGTH + 4 + 8;
const FLAGS: usize = SEQUENCE + 8;
const ID: usize = FLAGS + 8;
const DIGEST: usize = ID + 16;
const PAYLOAD_TYPE: usize = DIGEST + 32;
/// All before the payload length.
const HEADER: usize = PAYLOAD_TYPE + 4;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Data from us to the agent.
    Input,
    /// Data from the agent to us.
    Output,
    /// A data message came in.
    Acknowledge,
    /// The session is over.
    ChannelClosed,
    /// The agent is there: data may flow.
    StartPublication,
    /// The agent is away for a while.
    PausePublication,
    /// A type that this version does not know.
    Other,
}

impl Kind {
    const NAMED: [(&'static str, Kind); 6] = [
        ("input_stream_data", Kind::Input),
        ("output_stream_data", Kind::Output),
        ("acknowledge", Kind::Acknowledge),
        ("channel_closed", Kind::ChannelClosed),
        ("start_publication", Kind::StartPublication),
        ("pause_publication", Kind::PausePublication),
    ];

    fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// What a data message holds.
pub mod payload {
    /// Bytes of the port.
    pub const OUTPUT: u32 = 1;
    /// The agent asks what we can do.
    pub const HANDSHAKE_REQUEST: u32 = 5;
    /// Our answer.
    pub const HANDSHAKE_RESPONSE: u32 = 6;
    /// The session can be used.
    pub const HANDSHAKE_COMPLETE: u32 = 7;
    /// Whether the keys are right.
    pub const CHALLENGE_REQUEST: u32 = 8;
    /// They are.
    pub const CHALLENGE_RESPONSE: u32 = 9;
    /// A number that says something about the port.
    pub const FLAG: u32 = 10;
}

/// Values of [`payload::FLAG`].
pub mod flag {
    /// Our end of the port's connection is closed.
    pub const DISCONNECT_TO_PORT: u32 = 1;
    /// End the session.
    pub const TERMINATE_SESSION: u32 = 2;
    /// The agent can't connect to the port.
    pub const CONNECT_TO_PORT_ERROR: u32 = 3;
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Place among the data messages of its sender.
    pub sequence: i64,
    /// Bit 0: the first of its sender; bit 1: the last. Acknowledgements have both.
    pub flags: u64,
    /// Random.
    pub id: Uuid,
    /// One of [`payload`].
    pub payload_type: u32,
    /// What it holds.
    pub payload: Bytes,
}

/// A message that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It ends too early.
    #[error("a message of {0} bytes is too short")]
    Short(usize),
    /// Its parts do not fit together.
    #[error("a message says that it holds {said} bytes and holds {there}")]
    Length {
        /// In its header.
        said: usize,
        /// In fact.
        there: usize,
    },
    /// Its payload is not what was sent.
    #[error("a message's digest is wrong")]
    Digest,
}

impl Frame {
    /// Data for the agent.
    pub fn input(sequence: i64, payload_type: u32, payload: Bytes) -> Self {
        Frame { kind: Kind::Input, sequence, flags: 0, id: Uuid::new_v4(), payload_type, payload }
    }

    /// As it travels.
    pub fn encode(&self) -> Bytes {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut out = BytesMut::with_capacity(HEADER + 4 + self.payload.len());
        out.put_u32(u32::try_from(HEADER).unwrap_or_default());
        let mut name = [b' '; TYPE_LENGTH];
        name[..self.kind.name().len()].copy_from_slice(self.kind.name().as_bytes());
        out.put_slice(&name);
        out.put_u32(1);
        out.put_u64(u64::try_from(now.as_millis()).unwrap_or_default());
        out.put_i64(self.sequence);
        out.put_u64(self.flags);
        let (high, low) = self.id.as_u64_pair();
        out.put_u64(low);
        out.put_u64(high);
        out.put_slice(&Sha256::digest(&self.payload));
        out.put_u32(self.payload_type);
        out.put_u32(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        out.put_slice(&self.payload);
        out.freeze()
    }

    /// Reads a message.
    pub fn decode(bytes: &Bytes) -> Result<Frame, FrameError> {
        let short = || FrameError::Short(bytes.len());
        let number = |at: usize| -> Result<u32, FrameError> {
            let part = bytes.get(at..at + 4).and_then(|p| p.try_into().ok());
            part.map(u32::from_be_bytes).ok_or_else(short)
        };
        let long = |at: usize| -> Result<u64, FrameError> {
            let part = bytes.get(at..at + 8).and_then(|p| p.try_into().ok());
            part.map(u64::from_be_bytes).ok_or_else(short)
        };
        let header = usize::try_from(number(0)?).unwrap_or(usize::MAX);
        let start = header.checked_add(4).filter(|start| *start <= bytes.len()).ok_or_else(short)?;
        let name = String::from_utf8_lossy(bytes.get(TYPE..TYPE + TYPE_LENGTH).ok_or_else(short)?).into_owned();
        let name = name.trim_matches(['\0', ' ']);
        let kind = Kind::NAMED.iter().find(|(known, _)| *known == name).map_or(Kind::Other, |(_, kind)| *kind);
        let payload = bytes.slice(start..);
        if !matches!(kind, Kind::StartPublication | Kind::PausePublication) {
            let said = usize::try_from(number(header)?).unwrap_or(usize::MAX);
            if said != payload.len() {
                return Err(FrameError::Length { said, there: payload.len() });
            }
            let digest = bytes.get(DIGEST..DIGEST + 32).ok_or_else(short)?;
            if !payload.is_empty() && digest != Sha256::digest(&payload).as_slice() {
                return Err(FrameError::Digest);
            }
        }
        Ok(Frame {
            kind,
            sequence: long(SEQUENCE)?.cast_signed(),
            flags: long(FLAGS)?,
            id: Uuid::from_u64_pair(long(ID + 8)?, long(ID)?),
            payload_type: number(PAYLOAD_TYPE)?,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let id = Uuid::from_u64_pair(0x0102_0304_0506_0708, 0x090a_0b0c_0d0e_0f10);
        let frame = Frame { id, ..Frame::input(7, payload::OUTPUT, Bytes::from_static(b"hello")) };
        let bytes = frame.encode();
        assert_eq!(bytes.len(), 116 + 4 + 5);
        assert_eq!(&bytes[..4], &116_u32.to_be_bytes());
        assert_eq!(&bytes[4..36], b"input_stream_data               ");
        assert_eq!(&bytes[36..40], &1_u32.to_be_bytes());
        assert_eq!(&bytes[48..56], &7_i64.to_be_bytes());
        assert_eq!(&bytes[56..64], &[0; 8]);
        // The id's second half comes first.
        assert_eq!(&bytes[64..80], &[9, 10, 11, 12, 13, 14, 15, 16, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(&bytes[80..84], &[0x2c, 0xf2, 0x4d, 0xba], "SHA-256 of hello");
        assert_eq!(&bytes[112..120], &[0, 0, 0, 1, 0, 0, 0, 5]);
        assert_eq!(Frame::decode(&bytes).unwrap(), frame);
    }

    #[test]
    fn broken_messages_are_refused() {
        let good = Frame::input(0, payload::OUTPUT, Bytes::from_static(b"x")).encode();
        assert_eq!(Frame::decode(&good.slice(..20)), Err(FrameError::Short(20)));
        assert_eq!(Frame::decode(&Bytes::new()), Err(FrameError::Short(0)));
        let mut bad = good.to_vec();
        *bad.last_mut().unwrap() = b'y';
        assert_eq!(Frame::decode(&bad.into()), Err(FrameError::Digest));
        let mut long = good.to_vec();
        long.push(0);
        assert_eq!(Frame::decode(&long.into()), Err(FrameError::Length { said: 1, there: 2 }));
        let mut huge = good.to_vec();
        huge[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(Frame::decode(&huge.into()).is_err());
    }

    #[test]
    fn types_may_be_padded_with_zeros_and_be_unknown() {
        let mut bytes = Frame::input(0, 0, Bytes::new()).encode().to_vec();
        bytes[4..36].fill(0);
        bytes[4..21].copy_from_slice(b"start_publication");
        assert_eq!(Frame::decode(&bytes.clone().into()).unwrap().kind, Kind::StartPublication);
        bytes[4..36].fill(b'?');
        assert_eq!(Frame::decode(&bytes.into()).unwrap().kind, Kind::Other);
    }
}
