//! BGZF: gzip members of at most 64 KiB, each with its own size in an extra field, and an empty one at the end. Source: the SAM/BAM
//! format's specification, section 4.1. Any gzip reads it.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::io::{self, Write};

/// What goes into one member: what can't be compressed still fits into 64 KiB.
const BLOCK: usize = 0xff00;
/// The member that ends a file.
const END: [u8; 28] =
    [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Writes BGZF.
pub(super) struct Bgzf<W> {
    to: W,
    level: Compression,
    block: Vec<u8>,
}

impl<W: Write> Bgzf<W> {
    /// With a level of 1 to 9.
    pub(super) fn new(to: W, level: u32) -> Self {
        Bgzf { to, level: Compression::new(level), block: Vec::with_capacity(BLOCK) }
    }

    /// Writes what is left and the end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.member()?;
        self.to.write_all(&END)?;
        Ok(self.to)
    }

    fn member(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let deflated = match deflate(&self.block, self.level)? {
            Some(deflated) => deflated,
            // Stored: 5 bytes more than the content.
            None => deflate(&self.block, Compression::none())?
                .ok_or_else(|| io::Error::other("a block does not fit into a member"))?,
        };
        let mut crc = Crc::new();
        crc.update(&self.block);
        // Without its header (18) and its trailer (8) a member's size less one is what the extra field says.
        let size = u16::try_from(deflated.len() + 25).map_err(io::Error::other)?;
        self.to.write_all(&END[..16])?;
        self.to.write_all(&size.to_le_bytes())?;
        self.to.write_all(&deflated)?;
        self.to.write_all(&crc.sum().to_le_bytes())?;
        self.to.write_all(&crc.amount().to_le_bytes())?;
        self.block.clear();
        Ok(())
    }
}

/// The content as one raw deflate stream; none if it does not fit into a member.
fn deflate(content: &[u8], level: Compression) -> io::Result<Option<Vec<u8>>> {
    let mut out = Vec::with_capacity(0x1_0000 - 26);
    let status = Compress::new(level, false).compress_vec(content, &mut out, FlushCompress::Finish);
    Ok((status.map_err(io::Error::other)? == Status::StreamEnd).then_some(out))
}

impl<W: Write> Write for Bgzf<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK {
            self.member()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn gzip_reads_it() {
        // Nothing, little, more than a block, and what can't be compressed.
        let noise: Vec<u8> = (0..200_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u8).collect();
        for content in [&b""[..], b"abc", &[7; 300_000], &noise] {
            let mut writer = Bgzf::new(Vec::new(), 6);
            writer.write_all(content).unwrap();
            let packed = writer.finish().unwrap();
            assert!(packed.ends_with(&END));
            let mut back = Vec::new();
            flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut back).unwrap();
            assert!(back == content);
        }
    }
}
