//! Several connections to the port in one session: frames of smux, protocol version 1.
//!
//! ```text
//! version (1) │ command (1) │ length (2) │ stream (4) │ data          numbers are little-endian
//! ```
//! Source: the smux library's README and `frame.go` (MIT), which agents after 3.0.196.0 speak on a port session.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const VERSION: u8 = 1;
const HEADER: usize = 8;
/// The most that a frame holds, as smux's defaults have it.
pub const LARGEST: usize = 32_768;

/// What a frame does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Opens a stream.
    Open,
    /// Its sender sends no more.
    Close,
    /// Data.
    Data,
    /// Keeps the session alive.
    Nothing,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuxFrame {
    /// What it does.
    pub command: Command,
    /// To which stream. Those that a client opens are odd, from 3.
    pub stream: u32,
    /// With which data.
    pub data: Bytes,
}

impl MuxFrame {
    /// A frame without data.
    pub fn bare(command: Command, stream: u32) -> Self {
        MuxFrame { command, stream, data: Bytes::new() }
    }

    /// As it travels. `data` is at most [`LARGEST`] long.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER + self.data.len());
        out.put_u8(VERSION);
        out.put_u8(match self.command {
            Command::Open => 0,
            Command::Close => 1,
            Command::Data => 2,
            Command::Nothing => 3,
        });
        out.put_u16_le(u16::try_from(self.data.len()).unwrap_or(u16::MAX));
        out.put_u32_le(self.stream);
        out.put_slice(&self.data);
        out.freeze()
    }
}

/// Finds frames in a stream of bytes.
#[derive(Default)]
pub struct MuxReader {
    buffer: BytesMut,
}

impl MuxReader {
    /// More bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame. The error is a sentence: the far side speaks something else.
    pub fn next(&mut self) -> Result<Option<MuxFrame>, String> {
        let Some(head) = self.buffer.get(..HEADER) else { return Ok(None) };
        let command = match (head[0], head[1]) {
            (VERSION, 0) => Command::Open,
            (VERSION, 1) => Command::Close,
            (VERSION, 2) => Command::Data,
            (VERSION, 3) => Command::Nothing,
            (version, command) => {
                return Err(format!("a frame of version {version} with command {command} can't be understood"));
            }
        };
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let stream = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if self.buffer.len() < HEADER + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        Ok(Some(MuxFrame { command, stream, data: self.buffer.split_to(length).freeze() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_cut() {
        let frames = [
            MuxFrame::bare(Command::Open, 3),
            MuxFrame { command: Command::Data, stream: 3, data: Bytes::from(vec![7; 1000]) },
            MuxFrame::bare(Command::Nothing, 0),
            MuxFrame::bare(Command::Close, 3),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(MuxFrame::encode).collect();
        assert_eq!(bytes[8..16], [1, 2, 0xe8, 3, 3, 0, 0, 0]);
        for size in [1, 3, 8, 999, 5000] {
            let mut reader = MuxReader::default();
            let mut found = Vec::new();
            for part in bytes.chunks(size) {
                reader.feed(part);
                while let Some(frame) = reader.next().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames, "in parts of {size}");
        }
    }

    #[test]
    fn another_protocol_is_told_apart() {
        let mut reader = MuxReader::default();
        reader.feed(b"SSH-2.0-OpenSSH");
        assert!(reader.next().unwrap_err().contains("version 83"));
    }
}
