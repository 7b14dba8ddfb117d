//! Partition tables, as far as the sandbox needs them: where partitions are, and a new table with one of them.
//!
//! Formats: UEFI specification 2.10, section 5 (GPT, and the MBR that it protects itself with).

use std::io;
use std::os::unix::fs::FileExt as _;

const SECTOR: u64 = 512;
/// Where partitioning programs begin a first partition: one MiB.
pub const FIRST: u64 = 2048;

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// 1 for `/dev/xvdf1`.
    pub number: u32,
    /// First sector.
    pub start: u64,
    /// Sectors.
    pub sectors: u64,
    /// It is what firmware or a boot loader uses, not a file system with a system in it.
    pub boot: bool,
}

/// The partitions of a disk; none where there is no table.
pub fn read(disk: &std::fs::File) -> io::Result<Vec<Partition>> {
    let mut mbr = [0; 512];
    match disk.read_exact_at(&mut mbr, 0) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Vec::new()),
        other => other?,
    }
    if mbr[510..] != [0x55, 0xaa] {
        return Ok(Vec::new());
    }
    let entries: Vec<&[u8]> = mbr[446..510].chunks_exact(16).collect();
    if entries.iter().any(|e| e[4] == 0xee) {
        return gpt(disk);
    }
    // A file system's boot sector ends in the same mark; its bytes there are no table.
    if entries.iter().any(|e| e[0] & 0x7f != 0) {
        return Ok(Vec::new());
    }
    let partition = |(n, e): (usize, &&[u8])| Partition {
        number: n as u32 + 1,
        start: u64::from(le32(e, 8)),
        sectors: u64::from(le32(e, 12)),
        boot: matches!(e[4], 0xef | 0x82),
    };
    // Extended partitions (5, f, 85) hold others, which are left out: EC2's images have none.
    let primary = entries.iter().enumerate().filter(|(_, e)| !matches!(e[4], 0 | 0x05 | 0x0f | 0x85));
    Ok(primary.map(partition).filter(|p| p.start > 0 && p.sectors > 0).collect())
}

/// BIOS boot, EFI system, swap, as they stand in a table.
const NOT_ROOT: [[u8; 4]; 3] =
    [0x2168_6148_u32.to_le_bytes(), 0xc12a_7328_u32.to_le_bytes(), 0x0657_fd6d_u32.to_le_bytes()];

fn gpt(disk: &std::fs::File) -> io::Result<Vec<Partition>> {
    let mut header = [0; 92];
    disk.read_exact_at(&mut header, SECTOR)?;
    if !header.starts_with(b"EFI PART") {
        return Ok(Vec::new());
    }
    let (table, count, size) = (le64(&header, 72), le32(&header, 80).min(256), le32(&header, 84));
    if !(128..=4096).contains(&size) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut entry = vec![0; size as usize];
    for n in 0..count {
        disk.read_exact_at(&mut entry, table.saturating_mul(SECTOR) + u64::from(n) * u64::from(size))?;
        let (start, last) = (le64(&entry, 32), le64(&entry, 40));
        if entry[..16] == [0; 16] || start == 0 || last < start {
            continue;
        }
        let boot = NOT_ROOT.iter().any(|kind| entry.starts_with(kind));
        found.push(Partition { number: n + 1, start, sectors: last - start + 1, boot });
    }
    Ok(found)
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Writes a table with one bootable Linux partition that takes the rest of a disk of `bytes`.
pub fn write_one(disk: &std::fs::File, bytes: u64) -> io::Result<()> {
    let sectors = u32::try_from(bytes / SECTOR - FIRST).unwrap_or(u32::MAX);
    let mut mbr = [0; 512];
    let entry = &mut mbr[446..462];
    entry[0] = 0x80;
    // Cylinders and heads mean nothing any more: these values say so.
    entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[4] = 0x83;
    entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&(FIRST as u32).to_le_bytes());
    entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    disk.write_all_at(&mbr, 0)
}

/// Where a root file system can be: the largest partition, else the whole disk. Offset and length in bytes.
pub fn root(disk: &std::fs::File) -> io::Result<(u64, u64)> {
    let largest = read(disk)?.into_iter().filter(|p| !p.boot).max_by_key(|p| p.sectors);
    Ok(match largest {
        Some(p) => (p.start * SECTOR, p.sectors * SECTOR),
        None => (0, disk.metadata()?.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn disk(bytes: u64) -> (tempfile::TempDir, std::fs::File, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let file = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(bytes).unwrap();
        (dir, file, path)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (_dir, file, _) = disk(64 << 20);
        assert_eq!(read(&file).unwrap(), []);
        assert_eq!(root(&file).unwrap(), (0, 64 << 20));
        write_one(&file, 64 << 20).unwrap();
        let one = Partition { number: 1, start: 2048, sectors: 131_072 - 2048, boot: false };
        assert_eq!(read(&file).unwrap(), [one]);
        assert_eq!(root(&file).unwrap(), (1 << 20, 63 << 20));
    }

    /// The tables that sfdisk makes.
    #[test]
    fn tables_of_other_programs() {
        for (script, expected) in [
            ("label: dos\n2048,40960,L\n43008,,S\n", vec![(1, 2048, 40960, false), (2, 43008, 88064, true)]),
            (
                "label: gpt\n,8192,21686148-6449-6E6F-744E-656564454649\n,,L\n",
                vec![(1, 2048, 8192, true), (2, 10240, 118_784, false)],
            ),
        ] {
            let (_dir, file, path) = disk(64 << 20);
            let mut child = match Command::new("sfdisk").arg("-q").arg(&path).stdin(Stdio::piped()).spawn() {
                Ok(child) => child,
                Err(e) => panic!("sfdisk (package fdisk) is needed: {e}"),
            };
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
            let found: Vec<_> = read(&file).unwrap().iter().map(|p| (p.number, p.start, p.sectors, p.boot)).collect();
            assert_eq!(found, expected, "{script}");
        }
    }

    #[test]
    fn a_file_system_is_no_table() {
        let (_dir, file, _) = disk(1 << 20);
        // What a boot sector of FAT ends in, with code before it.
        file.write_all_at(&[0xb8; 64], 446).unwrap();
        file.write_all_at(&[0x55, 0xaa], 510).unwrap();
        assert_eq!(read(&file).unwrap(), []);
    }
}
