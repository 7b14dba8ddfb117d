//! Volumes as loop devices. A device is bound with "autoclear": when its last holder is gone, so is the binding.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, makedev};
use serde::{Deserialize, Serialize};

use super::sys;

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
}

impl Loop {
    /// Binds a file to a free loop device of the host.
    pub fn attach(file: &Path) -> io::Result<Self> {
        let backing = OpenOptions::new().read(true).write(true).open(file)?;
        let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
        // Another process may take the free device first, then the kernel answers EBUSY and the next one is tried.
        for _ in 0..64 {
            let number = sys::loop_free(&control)?;
            let device = open_device(number)?;
            match sys::loop_configure(&device, &backing, file) {
                Ok(()) => return Ok(Self { number, device }),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no loop device stays free long enough to be bound"))
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
