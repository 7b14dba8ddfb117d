//! The directory of a zip file: enough to know whether its files stand on the disk already.

use std::io::{Read, Seek, SeekFrom};

/// A file in an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Path inside the archive.
    pub name: String,
    /// Size when unpacked.
    pub size: u64,
    /// CRC-32.
    pub crc: u32,
    /// Unix mode, 0 if none was stored.
    pub mode: u32,
}

/// Reads the central directory. The error is for people.
pub fn entries(mut file: impl Read + Seek) -> Result<Vec<Entry>, String> {
    let length = file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
    let tail = length.min(66_000);
    file.seek(SeekFrom::Start(length - tail)).map_err(|e| e.to_string())?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(|e| e.to_string())?;
    let at = end.windows(4).rposition(|w| w == b"PK\x05\x06").ok_or("it has no zip directory")?;
    let cut = || "its directory is cut off".to_string();
    let short =
        |b: &[u8], i: usize| b.get(i..i + 2).map(|v| u64::from(u16::from_le_bytes([v[0], v[1]]))).ok_or_else(cut);
    let long =
        |b: &[u8], i: usize| b.get(i..i + 4).map(|v| u32::from_le_bytes([v[0], v[1], v[2], v[3]])).ok_or_else(cut);
    let (count, offset) = (short(&end, at + 10)?, u64::from(long(&end, at + 16)?));
    if count == 0xffff || offset == 0xffff_ffff {
        return Err("it is a zip64 archive, whose directory is not read here".into());
    }
    file.seek(SeekFrom::Start(offset)).map_err(|e| e.to_string())?;
    let mut dir = Vec::new();
    file.read_to_end(&mut dir).map_err(|e| e.to_string())?;
    let (mut i, mut out) = (0, Vec::new());
    for _ in 0..count {
        if dir.get(i..i + 4) != Some(b"PK\x01\x02") {
            return Err(cut());
        }
        let (name, extra, comment) =
            (short(&dir, i + 28)? as usize, short(&dir, i + 30)? as usize, short(&dir, i + 32)? as usize);
        let text = dir.get(i + 46..i + 46 + name).ok_or_else(cut)?;
        out.push(Entry {
            name: String::from_utf8_lossy(text).into_owned(),
            size: u64::from(long(&dir, i + 24)?),
            crc: long(&dir, i + 16)?,
            mode: long(&dir, i + 38)? >> 16,
        });
        i += 46 + name + extra + comment;
    }
    Ok(out)
}

/// CRC-32 of what a reader gives.
pub fn crc(mut reader: impl Read) -> std::io::Result<u32> {
    let mut sum = flate2::Crc::new();
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(sum.sum()),
            n => sum.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read() {
        // One stored file `a` with the content `hi`.
        let crc_of_hi = crc(&b"hi"[..]).unwrap();
        let mut zip = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0".to_vec();
        zip.extend(crc_of_hi.to_le_bytes());
        zip.extend([2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]);
        zip.extend(b"ahi");
        let start = zip.len() as u32;
        zip.extend(b"PK\x01\x02\x1e\x03\x0a\0\0\0\0\0\0\0\0\0");
        zip.extend(crc_of_hi.to_le_bytes());
        zip.extend([2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        zip.extend((0o100_644u32 << 16).to_le_bytes());
        zip.extend([0, 0, 0, 0]);
        zip.push(b'a');
        let size = zip.len() as u32 - start;
        zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        zip.extend(size.to_le_bytes());
        zip.extend(start.to_le_bytes());
        zip.extend([0, 0]);
        let found = entries(std::io::Cursor::new(&zip)).unwrap();
        assert_eq!(found, [Entry { name: "a".into(), size: 2, crc: crc_of_hi, mode: 0o100_644 }]);
        assert!(entries(std::io::Cursor::new(b"nonsense")).is_err());
        assert!(entries(std::io::Cursor::new(&zip[start as usize..])).is_err());
    }
}
