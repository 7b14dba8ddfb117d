//! Frames as bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// Largest head that is accepted, in bytes. Heads hold module arguments and results.
pub const MAX_HEAD: usize = 256 << 20;
/// Largest body that is accepted, in bytes. Larger contents travel as several frames.
pub const MAX_BODY: usize = 1 << 20;

/// A decoded frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<T> {
    /// The message.
    pub head: T,
    /// The bytes that belong to it.
    pub body: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq)]
pub enum FrameError {
    /// A length is over [`MAX_HEAD`] or [`MAX_BODY`].
    TooLarge {
        /// What the frame said, in bytes.
        length: usize,
    },
    /// The head is not the JSON that was expected.
    Head(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { length } => {
                write!(f, "a frame of {length} bytes is larger than the protocol allows")
            }
            FrameError::Head(why) => write!(f, "a frame's head can't be read: {why}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// One frame as bytes. Fails only on a body or head over the limits.
pub fn encode<T: Serialize>(head: &T, body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let head = serde_json::to_vec(head).map_err(|e| FrameError::Head(e.to_string()))?;
    if head.len() > MAX_HEAD {
        return Err(FrameError::TooLarge { length: head.len() });
    }
    if body.len() > MAX_BODY {
        return Err(FrameError::TooLarge { length: body.len() });
    }
    let mut out = Vec::with_capacity(8 + head.len() + body.len());
    out.extend((head.len() as u32).to_le_bytes());
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(head);
    out.extend(body);
    Ok(out)
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    read: usize,
}

impl Decoder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 && self.read == self.buffer.len() {
            self.buffer.clear();
            self.read = 0;
        } else if self.read > 1 << 20 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. After an error the stream can't be used any more.
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<Frame<T>>, FrameError> {
        let rest = &self.buffer[self.read..];
        let Some(lengths) = rest.get(..8) else { return Ok(None) };
        let length =
            |at: usize| u32::from_le_bytes([lengths[at], lengths[at + 1], lengths[at + 2], lengths[at + 3]]) as usize;
        let (head, body) = (length(0), length(4));
        if head > MAX_HEAD || body > MAX_BODY {
            return Err(FrameError::TooLarge { length: head.max(body) });
        }
        if rest.len() < 8 + head + body {
            return Ok(None);
        }
        let parsed = serde_json::from_slice(&rest[8..8 + head]).map_err(|e| FrameError::Head(e.to_string()))?;
        let body = rest[8 + head..8 + head + body].to_vec();
        self.read += 8 + head + body.len();
        Ok(Some(Frame { head: parsed, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_byte_by_byte() {
        let bytes: Vec<u8> = [encode(&1u32, b"abc"), encode(&2u32, b"")].into_iter().flat_map(Result::unwrap).collect();
        let mut decoder = Decoder::new();
        let mut seen = Vec::new();
        for byte in bytes {
            decoder.push(&[byte]);
            while let Some(frame) = decoder.next_frame::<u32>().unwrap() {
                seen.push((frame.head, frame.body));
            }
        }
        assert_eq!(seen, [(1, b"abc".to_vec()), (2, Vec::new())]);
    }

    #[test]
    fn refuses_what_is_too_large() {
        let mut decoder = Decoder::new();
        decoder.push(&[0xff; 8]);
        assert!(matches!(decoder.next_frame::<u32>(), Err(FrameError::TooLarge { .. })));
    }
}
