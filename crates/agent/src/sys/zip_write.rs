//! Writing zip files: deflated members with their modes, one after the other, and the directory at the end.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// A zip file being written.
pub struct Writer<W> {
    out: W,
    at: u64,
    directory: Vec<u8>,
    count: u16,
}

impl<W: Write> Writer<W> {
    /// An empty one.
    pub fn new(out: W) -> Self {
        Writer { out, at: 0, directory: Vec::new(), count: 0 }
    }

    /// Adds a file, a directory or a link under a name.
    pub fn add(&mut self, path: &Path, name: &str) -> std::io::Result<()> {
        let meta = path.symlink_metadata()?;
        let mut name = name.to_string();
        let mut content = Vec::new();
        if meta.is_dir() {
            name.push('/');
        } else if meta.is_symlink() {
            content = std::os::unix::ffi::OsStrExt::as_bytes(std::fs::read_link(path)?.as_os_str()).to_vec();
        } else {
            std::fs::File::open(path)?.read_to_end(&mut content)?;
        }
        let too_big = |what: &str| std::io::Error::other(format!("{what} is too much for a plain zip file"));
        let mut sum = flate2::Crc::new();
        sum.update(&content);
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&content)?;
        let packed = packed.finish()?;
        let size = |n: usize| u32::try_from(n).map_err(|_| too_big(&name));
        let mode = (meta.permissions().mode() << 16) | if meta.is_dir() { 0x10 } else { 0 };
        // Version 2.0, names in UTF-8, deflate.
        let mut head = vec![20, 0, 0, 8, 8, 0];
        head.extend(dos_time(meta.mtime()));
        for number in [sum.sum(), size(packed.len())?, size(content.len())?] {
            head.extend(number.to_le_bytes());
        }
        head.extend(u16::try_from(name.len()).map_err(|_| too_big(&name))?.to_le_bytes());
        head.extend([0, 0]);
        let offset = u32::try_from(self.at).map_err(|_| too_big("the archive"))?;
        self.directory.extend(b"PK\x01\x02\x14\x03");
        self.directory.extend(&head);
        self.directory.extend([0; 6]);
        self.directory.extend(mode.to_le_bytes());
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count = self.count.checked_add(1).ok_or_else(|| too_big("the number of files"))?;
        for part in [&b"PK\x03\x04"[..], &head, name.as_bytes(), &packed] {
            self.out.write_all(part)?;
            self.at += part.len() as u64;
        }
        Ok(())
    }

    /// Writes the directory.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.out.write_all(&self.directory)?;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend(self.count.to_le_bytes());
        end.extend(self.count.to_le_bytes());
        let small = |n: u64| {
            u32::try_from(n).map_err(|_| std::io::Error::other("the archive is too much for a plain zip file"))
        };
        end.extend(small(self.directory.len() as u64)?.to_le_bytes());
        end.extend(small(self.at)?.to_le_bytes());
        end.extend([0, 0]);
        self.out.write_all(&end)?;
        self.out.flush()
    }
}

/// Time and date as MS-DOS had them; 1980 for anything before.
fn dos_time(seconds: i64) -> [u8; 4] {
    let text = crate::sys::clock::format_local(seconds, "%Y %m %d %H %M %S");
    let parts: Vec<u32> = text.split(' ').filter_map(|p| p.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = parts[..] else { return [0, 0, 0x21, 0] };
    if !(1980..2108).contains(&year) {
        return [0, 0, 0x21, 0];
    }
    let time = ((hour << 11) | (minute << 5) | (second / 2)) as u16;
    let date = (((year - 1980) << 9) | (month << 5) | day) as u16;
    let (t, d) = (time.to_le_bytes(), date.to_le_bytes());
    [t[0], t[1], d[0], d[1]]
}
