//! A remote shell over a socket of the controller's machine: rsync starts the agent's `--relay`, that one connects and speaks
//! this.
//!
//! It sends one frame with the command line and then nothing but the command's standard input, until it shuts down its side.
//! It is sent frames: `kind | u32 length, little-endian | bytes`.

/// Standard output.
pub const STDOUT: u8 = 1;
/// Standard error.
pub const STDERR: u8 = 2;
/// The end: four bytes, the exit status as a little-endian i32.
pub const EXIT: u8 = 3;
/// The command line.
pub const COMMAND: u8 = 4;

/// The longest command line.
pub const MAX_COMMAND: usize = 1 << 20;

/// A frame.
pub fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 5);
    out.push(kind);
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
    out
}

/// Kind and length of the frame that begins with these bytes.
pub fn head(bytes: [u8; 5]) -> (u8, usize) {
    let [kind, a, b, c, d] = bytes;
    (kind, u32::from_le_bytes([a, b, c, d]) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_what_frames_hold() {
        let bytes = frame(STDERR, b"abc");
        let first: [u8; 5] = bytes[..5].try_into().unwrap();
        assert_eq!((head(first), &bytes[5..]), ((STDERR, 3), &b"abc"[..]));
    }
}
