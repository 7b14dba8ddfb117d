//! /etc/fstab at boot and data volumes at shutdown.

use super::boot::{program, say};

/// An entry that the boot has to mount.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    target: String,
    /// `nofail`: the boot goes on without it.
    optional: bool,
}

/// Mounts what /etc/fstab says; false when something that the boot needs is missing.
pub fn mount_all() -> bool {
    let Ok(table) = fs_err::read_to_string("/etc/fstab") else { return true };
    let mut complete = true;
    for entry in entries(&table) {
        // systemd makes missing mount points; a refusal shows in the mount itself.
        let _ = fs_err::create_dir_all(&entry.target);
        let mounted = program("mount").arg(&entry.target).status().is_ok_and(|status| status.success());
        if mounted {
            say(&format!("Mounted {}.", entry.target));
        } else if entry.optional {
            say(&format!("Could not mount {} (nofail): going on without it.", entry.target));
        } else {
            say(&format!("Failed to mount {}.", entry.target));
            complete = false;
        }
    }
    complete
}

/// The entries in the order of the table, without the root, swap areas and `noauto`.
fn entries(table: &str) -> Vec<Entry> {
    table
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return None;
            }
            let mut fields = line.split_whitespace().skip(1);
            let target = fields.next()?;
            let kind = fields.next()?;
            let options: Vec<&str> = fields.next().unwrap_or("defaults").split(',').collect();
            let ours = ["/", "/proc", "/sys", "/dev", "/dev/pts", "/run", "/dev/shm"];
            if kind == "swap" || !target.starts_with('/') || ours.contains(&target) || options.contains(&"noauto") {
                return None;
            }
            Some(Entry { target: unescape(target), optional: options.contains(&"nofail") })
        })
        .collect()
}

/// fstab and the mount table write spaces, tabs, newlines and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// Unmounts everything on block devices, last mounted first, so that their file systems are clean.
pub fn unmount_all() {
    let Ok(table) = fs_err::read_to_string("/proc/self/mounts") else { return };
    for target in mounted_devices(&table).iter().rev() {
        let flags = rustix::mount::UnmountFlags::empty();
        if let Err(error) = rustix::mount::unmount(target.as_str(), flags) {
            say(&format!("shutdown: {target}: {error}"));
            let _ = rustix::mount::unmount(target.as_str(), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// Mount points of block devices, in the order they were mounted. overlay mounts of containers come along: they keep
/// the volume below them busy.
fn mounted_devices(table: &str) -> Vec<String> {
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (source, target, kind) = (fields.next()?, fields.next()?, fields.next()?);
            let on_device = source.starts_with("/dev/") || (kind == "overlay" && target != "/");
            // Nodes bound over /dev/… and /proc/… are devices of tmpfs and devpts, not file systems on a device.
            let ours = ["/dev", "/proc", "/sys"].iter().any(|place| target.starts_with(place));
            (on_device && !ours).then(|| unescape(target))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_the_boot_mounts() {
        let table = "# comment\n\
                     UUID=1 / ext4 rw 0 1\n\
                     UUID=2 /secondary ext4 defaults,nofail,comment=x 0 2\n\
                     /dev/xvdc /with\\040space xfs\n\
                     /dev/xvdd /later ext4 noauto\n\
                     /swap none swap sw 0 0\n";
        assert_eq!(
            entries(table),
            [
                Entry { target: "/secondary".into(), optional: true },
                Entry { target: "/with space".into(), optional: false }
            ]
        );
    }

    #[test]
    fn only_devices_are_unmounted() {
        let table = "overlay / overlay rw 0 0\n\
                     /dev/pts/3 /dev/console devpts rw 0 0\n\
                     /dev/xvdb /secondary ext4 rw 0 0\n\
                     overlay /secondary/overlay2/x/merged overlay rw 0 0\n\
                     tmpfs /run tmpfs rw 0 0\n";
        assert_eq!(mounted_devices(table), ["/secondary", "/secondary/overlay2/x/merged"]);
    }
}
