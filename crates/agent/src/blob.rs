//! Contents that came ahead of the calls that use them: small ones in memory, larger ones in private files.

use crate::outcome::{Fail, OrFail};
use crate::workdir::Workdir;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Contents over this many bytes go to a file.
const IN_MEMORY: usize = 1 << 20;

/// A complete content. Its file goes when this is dropped.
#[derive(Debug)]
pub enum Blob {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a private file.
    File(PathBuf, u64),
    /// Could not be kept (disk full, ...).
    Broken(String),
}

impl Blob {
    /// Reads the content from its start.
    pub fn reader(&self) -> Result<Box<dyn Read + '_>, Fail> {
        Ok(match self {
            Blob::Bytes(bytes) => Box::new(bytes.as_slice()),
            Blob::File(path, _) => Box::new(File::open(path).at("can't read", path)?),
            Blob::Broken(why) => crate::fail!("the content could not be kept on the host: {why}"),
        })
    }

    /// The whole content.
    pub fn bytes(&self) -> Result<Vec<u8>, Fail> {
        let mut out = Vec::new();
        self.reader()?.read_to_end(&mut out).or_fail("can't read the content")?;
        Ok(out)
    }

    /// Writes the content to a path.
    pub fn write_to(&self, path: &Path, mode: u32) -> Result<(), Fail> {
        let mut file = open_private(path, mode).at("can't write", path)?;
        std::io::copy(&mut self.reader()?, &mut file).at("can't write", path)?;
        Ok(())
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if let Blob::File(path, _) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn open_private(path: &Path, mode: u32) -> std::io::Result<File> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)
}

/// The contents that have arrived.
#[derive(Debug)]
pub struct Blobs {
    kept: HashMap<u64, Blob>,
    workdir: Arc<Workdir>,
}

impl Blobs {
    /// None yet.
    pub fn new(workdir: Arc<Workdir>) -> Self {
        Blobs { kept: HashMap::new(), workdir }
    }

    /// Adds a piece.
    pub fn push(&mut self, id: u64, piece: Vec<u8>) {
        let blob = self.kept.entry(id).or_insert_with(|| Blob::Bytes(Vec::new()));
        let outcome = match blob {
            Blob::Bytes(bytes) if bytes.len() + piece.len() <= IN_MEMORY => {
                bytes.extend(piece);
                return;
            }
            Blob::Bytes(bytes) => self.workdir.file_name(false).map_err(|e| e.msg).and_then(|path| {
                let mut file = open_private(&path, 0o600).map_err(|e| e.to_string())?;
                file.write_all(bytes).and_then(|()| file.write_all(&piece)).map_err(|e| e.to_string())?;
                Ok(Blob::File(path, (bytes.len() + piece.len()) as u64))
            }),
            Blob::File(path, size) => {
                let written =
                    std::fs::OpenOptions::new().append(true).open(&*path).and_then(|mut f| f.write_all(&piece));
                match written {
                    Ok(()) => {
                        *size += piece.len() as u64;
                        return;
                    }
                    Err(e) => Err(e.to_string()),
                }
            }
            Blob::Broken(_) => return,
        };
        *blob = outcome.unwrap_or_else(Blob::Broken);
    }

    /// Takes a content out. A content without pieces is an empty file.
    pub fn take(&mut self, id: u64) -> Blob {
        self.kept.remove(&id).unwrap_or(Blob::Bytes(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_contents_move_to_a_file_that_goes_with_them() {
        let workdir = Arc::new(Workdir::new(None));
        let mut blobs = Blobs::new(workdir.clone());
        let piece = vec![7u8; IN_MEMORY / 2 + 1];
        for _ in 0..3 {
            blobs.push(1, piece.clone());
        }
        blobs.push(2, b"small".to_vec());
        let blob = blobs.take(1);
        let Blob::File(path, size) = &blob else { panic!("not in a file") };
        assert_eq!(*size, 3 * piece.len() as u64);
        assert_eq!(blob.bytes().unwrap().len(), 3 * piece.len());
        let path = path.clone();
        assert!(path.exists());
        drop(blob);
        assert!(!path.exists());
        assert_eq!(blobs.take(2).bytes().unwrap(), b"small");
        assert_eq!(blobs.take(3).bytes().unwrap(), b"");
        workdir.remove();
        assert!(!path.parent().unwrap().exists());
    }
}
