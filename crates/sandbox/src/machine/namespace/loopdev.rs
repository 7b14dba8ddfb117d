//! Volumes as loop devices. A device is bound with "autoclear": when its last holder is gone, so is the binding.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, makedev};
use serde::{Deserialize, Serialize};

use super::sys::{self, Part};
use crate::disks::partition;

/// Loop devices have this major number.
pub const MAJOR: u32 = 7;

/// A volume's file bound to a loop device, for as long as this is held.
#[derive(Debug)]
pub struct Loop {
    /// N of /dev/loopN.
    pub number: u32,
    device: File,
}

/// What is known of an attached volume by other processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The volume.
    pub volume: crate::machine::VolumeAttachment,
    /// N of /dev/loopN.
    pub number: u32,
    /// Its partitions, as the kernel has them.
    #[serde(default)]
    pub partitions: Vec<Shown>,
}

/// A partition of a loop device that the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// 1 for `/dev/xvdf1`.
    pub partition: u32,
    /// The device's numbers.
    pub major: u32,
    /// See above.
    pub minor: u32,
    /// First sector.
    pub start: u64,
    /// Sectors.
    pub sectors: u64,
}

impl Loop {
    /// Binds a file to a free loop device of the host.
    pub fn attach(file: &Path) -> io::Result<Self> {
        Self::attach_part(file, Part { partitions: true, ..Part::default() })
    }

    /// Binds a part of a file.
    pub fn attach_part(file: &Path, part: Part) -> io::Result<Self> {
        let backing = OpenOptions::new().read(true).write(!part.read_only).open(file)?;
        let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
        // Another process may take the free device first, then the kernel answers EBUSY and the next one is tried.
        for _ in 0..64 {
            let number = sys::loop_free(&control)?;
            let device = open_device(number)?;
            match sys::loop_configure(&device, &backing, file, part) {
                Ok(()) => return Ok(Self { number, device }),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no loop device stays free long enough to be bound"))
    }

    /// The device's path on this host.
    pub fn path(&self) -> PathBuf {
        device_path(self.number)
    }

    /// The partitions, after the kernel was told of those that the table on the disk has: some kernels read no tables, and
    /// none reads a table anew because it was written. One that is in use stays as it is.
    pub fn partitions(&self) -> io::Result<Vec<Shown>> {
        let table = partition::read(&self.device)?;
        let mut shown = self.shown()?;
        let is =
            |p: &partition::Partition, s: &Shown| (s.partition, s.start, s.sectors) == (p.number, p.start, p.sectors);
        let gone: Vec<u32> = shown.iter().filter(|s| !table.iter().any(|p| is(p, s))).map(|s| s.partition).collect();
        let new: Vec<_> = table.iter().filter(|p| !shown.iter().any(|s| is(p, s))).collect();
        if gone.is_empty() && new.is_empty() {
            return Ok(shown);
        }
        for number in gone {
            let _ = sys::remove_partition(&self.device, number);
        }
        for p in new {
            let _ = sys::add_partition(&self.device, p.number, p.start * 512, p.sectors * 512);
        }
        shown = self.shown()?;
        Ok(shown)
    }

    /// What the kernel has now.
    fn shown(&self) -> io::Result<Vec<Shown>> {
        let name = format!("loop{}", self.number);
        let mut found = Vec::new();
        for entry in fs_err::read_dir(format!("/sys/block/{name}"))? {
            let entry = entry?;
            let file = entry.file_name();
            let number = file.to_str().and_then(|f| f.strip_prefix(&name)?.strip_prefix('p')?.parse().ok());
            let Some(partition) = number else { continue };
            let read = |leaf: &str| fs_err::read_to_string(entry.path().join(leaf));
            // One that goes at this moment is none.
            let (Ok(numbers), Ok(start), Ok(sectors)) = (read("dev"), read("start"), read("size")) else { continue };
            let numbers = numbers.trim().split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            let (Some((major, minor)), Ok(start), Ok(sectors)) =
                (numbers, start.trim().parse(), sectors.trim().parse())
            else {
                continue;
            };
            found.push(Shown { partition, major, minor, start, sectors });
        }
        found.sort_by_key(|s| s.partition);
        Ok(found)
    }

    /// Whether something (a mount, a swap area, …) claims the device.
    pub fn in_use(&self) -> io::Result<bool> {
        use std::os::unix::fs::OpenOptionsExt;
        // On a block device O_EXCL without O_CREAT means "fail if it is claimed", see open(2).
        match OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(device_path(self.number)) {
            Ok(_) => Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Gives the file back; a device that is still mounted goes when the mount does.
    pub fn detach(self) -> io::Result<()> {
        sys::loop_clear(&self.device)
    }
}

/// The loop devices that are bound to `file` at this moment.
pub fn bound_to(file: &Path) -> Vec<u32> {
    let Ok(entries) = fs_err::read_dir("/sys/block") else { return Vec::new() };
    let wanted = file.as_os_str().as_encoded_bytes();
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix("loop")?.parse().ok()?;
            let backing = fs_err::read(entry.path().join("loop/backing_file")).ok()?;
            (backing.trim_ascii_end() == wanted).then_some(number)
        })
        .collect()
}

/// The bytes of a loop device divided by 512, from sysfs.
pub fn sectors(number: u32) -> io::Result<u64> {
    let text = fs_err::read_to_string(format!("/sys/block/loop{number}/size"))?;
    text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn device_path(number: u32) -> PathBuf {
    PathBuf::from(format!("/dev/loop{number}"))
}

/// Opens /dev/loopN; hosts without udev have no node for numbers that were never used.
fn open_device(number: u32) -> io::Result<File> {
    let path = device_path(number);
    if !fs_err::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_block_device()) {
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::BlockDevice,
            Mode::from_raw_mode(0o660),
            makedev(MAJOR, number),
        );
        if let Err(error) = made
            && error != rustix::io::Errno::EXIST
        {
            return Err(error.into());
        }
    }
    OpenOptions::new().read(true).write(true).open(path)
}
