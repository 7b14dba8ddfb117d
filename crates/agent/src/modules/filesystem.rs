//! `filesystem`: a device holds a file system of this type, or none. What is there is found by its signature, never formatted
//! over unless `force` says so.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{mounts, shlex};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// How a type is made and grown.
struct Kind {
    name: &'static str,
    make: &'static str,
    force: &'static [&'static str],
    /// The growing command takes the mount point, not the device.
    grow: &'static str,
    grow_mounted: bool,
    uuid: &'static [&'static str],
}

const fn kind(name: &'static str, make: &'static str, force: &'static [&'static str], grow: &'static str) -> Kind {
    Kind { name, make, force, grow, grow_mounted: false, uuid: &[] }
}

const KINDS: &[Kind] = &[
    Kind { uuid: &["tune2fs", "-U"], ..kind("ext2", "mkfs.ext2", &["-F"], "resize2fs") },
    Kind { uuid: &["tune2fs", "-U"], ..kind("ext3", "mkfs.ext3", &["-F"], "resize2fs") },
    Kind { uuid: &["tune2fs", "-U"], ..kind("ext4", "mkfs.ext4", &["-F"], "resize2fs") },
    Kind { uuid: &["tune2fs", "-U"], ..kind("ext4dev", "mkfs.ext4", &["-F"], "resize2fs") },
    Kind { grow_mounted: true, uuid: &["xfs_admin", "-U"], ..kind("xfs", "mkfs.xfs", &["-f"], "xfs_growfs") },
    Kind { grow_mounted: true, ..kind("btrfs", "mkfs.btrfs", &["-f"], "btrfs") },
    Kind { uuid: &["bcachefs", "set-passphrase"], ..kind("bcachefs", "mkfs.bcachefs", &["--force"], "bcachefs") },
    kind("reiserfs", "mkfs.reiserfs", &["-q"], ""),
    kind("ocfs2", "mkfs.ocfs2", &["-Fx"], ""),
    kind("f2fs", "mkfs.f2fs", &[], "resize.f2fs"),
    kind("vfat", "mkfs.vfat", &[], "fatresize"),
    Kind { uuid: &["swaplabel", "-U"], ..kind("swap", "mkswap", &["-f"], "") },
    Kind { uuid: &["pvchange", "-u"], ..kind("lvm", "pvcreate", &["-f"], "pvresize") },
];

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let dev = args.req_path("dev")?;
    let mounted_at =
        mounts::mounted().into_iter().rev().find(|m| m.point == dev || Path::new(&m.source) == dev).map(|m| m.point);
    let state = args.text("state");
    let meta = match dev.metadata() {
        Ok(meta) => meta,
        Err(_) if state == "absent" => {
            return Ok(crate::out! {"changed": false, "msg": format!("Device {} not found.", dev.display())});
        }
        Err(_) => crate::fail!("Device {} not found.", dev.display()),
    };
    if !(meta.file_type().is_block_device() || meta.is_file()) {
        crate::fail!("Device {} is not a block device or a regular file.", dev.display());
    }
    let current = signature(ctx, &dev)?;
    if state == "absent" {
        let Some(current) = current else {
            return Ok(crate::out! {"changed": false, "msg": format!("No signature found on {}", dev.display())});
        };
        if !ctx.check {
            let ran = ctx.cmd("wipefs").arg("--all").arg(&dev).english().run()?;
            if !ran.ok() {
                return Err(ran.fail(format!("wipefs failed: {}", ran.complaint())));
            }
        }
        return Ok(crate::out! {"changed": true, "msg": format!("{current} signature removed from {}", dev.display())});
    }
    let fstype = args.req("fstype")?;
    if fstype == "ufs" {
        crate::fail!("module does not support this filesystem (ufs) yet on Linux.");
    }
    let Some(kind) = KINDS.iter().find(|k| k.name == fstype) else {
        crate::fail!("module does not support this filesystem ({fstype}) yet.")
    };
    let force = args.bool("force");
    let wanted = if fstype == "lvm" {
        "LVM2_member"
    } else if fstype == "ext4dev" {
        "ext4"
    } else {
        &fstype
    };
    if current.as_deref() == Some(wanted)
        && !(force && mounted_at.is_none() && args.given("uuid").is_none() && !args.bool("resizefs"))
    {
        if args.bool("resizefs") {
            return grow(ctx, kind, &dev, mounted_at);
        }
        if let Some(uuid) = args.str("uuid") {
            return set_uuid(ctx, kind, &dev, &uuid);
        }
        return Ok(crate::out! {"changed": false});
    }
    if let Some(current) = current.filter(|_| !force) {
        crate::fail!("'{}' is already used as {current}, use force=true to overwrite", dev.display());
    }
    if let Some(point) = mounted_at {
        crate::fail!("{} is mounted at {}: it can't be formatted", dev.display(), point.display());
    }
    if !ctx.check {
        let options = args.str("opts").unwrap_or_default();
        let options = shlex::split(&options).ok_or_else(|| Fail::new(format!("opts can't be read: {options}")))?;
        ctx.need(kind.make)?;
        let mut cmd = ctx.cmd(kind.make).english();
        if force || kind.name == "reiserfs" || kind.name == "lvm" {
            cmd = cmd.args(kind.force);
        }
        if kind.name == "lvm" {
            cmd = cmd.arg("-y");
        }
        if let Some(uuid) = args.str("uuid") {
            cmd = cmd.args(make_uuid(kind, &uuid)?);
        }
        let ran = cmd.args(options).arg(&dev).run()?;
        if !ran.ok() {
            return Err(ran.fail(format!("{} failed: {}", kind.make, ran.complaint())));
        }
    }
    Ok(crate::out! {"changed": true})
}

/// The UUID option of a type's maker.
fn make_uuid(kind: &Kind, uuid: &str) -> Result<Vec<String>, Fail> {
    let flag: &[&str] = match kind.name {
        "ext2" | "ext3" | "ext4" | "ext4dev" | "btrfs" | "swap" | "bcachefs" | "ocfs2" => &["-U", uuid],
        "xfs" => return Ok(vec!["-m".into(), format!("uuid={uuid}")]),
        "lvm" => &["--norestorefile", "--uuid", uuid],
        "reiserfs" => &["-u", uuid],
        _ => crate::fail!("module does not support UUID option for this filesystem ({}) yet.", kind.name),
    };
    Ok(flag.iter().map(|s| s.to_string()).collect())
}

/// What a device holds: by `blkid -p`, else by magic numbers.
fn signature(ctx: &Ctx, dev: &Path) -> Result<Option<String>, Fail> {
    if ctx.which("blkid").is_some() {
        let ran =
            ctx.cmd("blkid").args(["-c", "/dev/null", "-p", "-o", "value", "-s", "TYPE"]).arg(dev).english().run()?;
        match ran.rc {
            0 if !ran.stdout.trim().is_empty() => {
                return Ok(Some(ran.stdout.trim().lines().last().unwrap_or_default().to_string()));
            }
            0 | 2 => {}
            // Status 8: several signatures contradict each other. Nothing may be formatted on a guess.
            8 => crate::fail!(
                "{} holds signatures of several file systems; wipe it first (state: absent)",
                dev.display()
            ),
            _ => {}
        }
    }
    let mut head = vec![0u8; 70_000];
    let mut file = std::fs::File::open(dev).at("can't read", dev)?;
    let mut filled = 0;
    while filled < head.len() {
        match std::io::Read::read(&mut file, &mut head[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) => crate::fail!("can't read {}: {e}", dev.display()),
        }
    }
    Ok(magic(&head).map(str::to_string))
}

fn magic(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..offset + bytes.len()) == Some(bytes);
    let word = |offset: usize| head.get(offset..offset + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if at(0x438, &[0x53, 0xef]) {
        let (compat, incompat) = (word(0x45c), word(0x460));
        return Some(if incompat & 0x40 != 0 || incompat & 0x80 != 0 || incompat & 0x200 != 0 {
            "ext4"
        } else if compat & 4 != 0 {
            "ext3"
        } else {
            "ext2"
        });
    }
    let table: &[(usize, &[u8], &str)] = &[
        (0, b"XFSB", "xfs"),
        (0x10040, b"_BHRfS_M", "btrfs"),
        (0xff6, b"SWAPSPACE2", "swap"),
        (0x218, b"LVM2 001", "LVM2_member"),
        (0x18, b"LVM2 001", "LVM2_member"),
        (0x36, b"FAT1", "vfat"),
        (0x52, b"FAT32", "vfat"),
        (0x400, &[0x10, 0x20, 0xf5, 0xf2], "f2fs"),
        (0x10034, b"ReIsEr", "reiserfs"),
        (0, b"LUKS\xba\xbe", "crypto_LUKS"),
        (3, b"NTFS    ", "ntfs"),
    ];
    table.iter().find(|(offset, bytes, _)| at(*offset, bytes)).map(|(_, _, name)| *name)
}

fn set_uuid(ctx: &Ctx, kind: &Kind, dev: &Path, uuid: &str) -> Result<Outcome, Fail> {
    if kind.uuid.is_empty() || kind.name == "bcachefs" {
        crate::fail!("module does not support UUID option for this filesystem ({}) yet.", kind.name);
    }
    if !ctx.check {
        let ran = ctx.cmd(kind.uuid[0]).args(&kind.uuid[1..]).arg(uuid).arg(dev).english().run()?;
        if !ran.ok() {
            return Err(ran.fail(format!("{} failed: {}", kind.uuid[0], ran.complaint())));
        }
    }
    Ok(crate::out! {"changed": true})
}

fn grow(ctx: &Ctx, kind: &Kind, dev: &Path, mounted_at: Option<PathBuf>) -> Result<Outcome, Fail> {
    if kind.grow.is_empty() {
        crate::fail!("module does not support resizing {} filesystem yet", kind.name);
    }
    let device_size = size_of(ctx, dev)?;
    let used = match kind.name {
        "ext2" | "ext3" | "ext4" | "ext4dev" => {
            let ran = ctx.cmd("dumpe2fs").arg("-h").arg(dev).english().run()?;
            let field = |name: &str| {
                ran.stdout.lines().find_map(|l| l.strip_prefix(name)).and_then(|v| v.trim().parse::<u64>().ok())
            };
            match (field("Block count:"), field("Block size:")) {
                (Some(count), Some(size)) => Some((count * size, size)),
                _ => return Err(ran.fail(format!("dumpe2fs says nothing of the size of {}", dev.display()))),
            }
        }
        "xfs" | "btrfs" => {
            let Some(point) = &mounted_at else {
                crate::fail!("{} needs to be mounted for {} operations", dev.display(), kind.name);
            };
            let stat = rustix::fs::statvfs(point).at("can't look at", point)?;
            let xfs_blocks = if kind.name == "xfs" {
                let ran = ctx.cmd("xfs_info").arg(point).english().run()?;
                xfs_size(&ran.stdout)
            } else {
                None
            };
            Some(xfs_blocks.unwrap_or((stat.f_blocks * stat.f_frsize, stat.f_frsize)))
        }
        _ => None,
    };
    if let Some((have, block)) = used
        && have + block.max(4096) > device_size
    {
        let msg = format!("{} filesystem is using the whole device {}", kind.name, dev.display());
        return Ok(crate::out! {"changed": false, "msg": msg});
    }
    if ctx.check {
        return Ok(
            crate::out! {"changed": true, "msg": format!("resizing filesystem {} on device {}", kind.name, dev.display())},
        );
    }
    let target = if kind.grow_mounted { mounted_at.unwrap_or_else(|| dev.to_path_buf()) } else { dev.to_path_buf() };
    let mut cmd = ctx.cmd(kind.grow).english();
    match kind.name {
        "btrfs" => cmd = cmd.args(["filesystem", "resize", "max"]),
        "bcachefs" => cmd = cmd.args(["device", "resize"]),
        "vfat" => cmd = cmd.args(["-s", &device_size.to_string()]),
        _ => {}
    }
    let ran = cmd.arg(target).run()?;
    if !ran.ok() {
        return Err(ran.fail(format!("{} failed: {}", kind.grow, ran.complaint())));
    }
    Ok(crate::out! {"changed": true, "msg": ran.stdout})
}

/// `data = bsize=4096 blocks=123, ...` of xfs_info.
fn xfs_size(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find(|l| l.starts_with("data"))?;
    let number = |key: &str| -> Option<u64> {
        let rest = line.split_once(key)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let (size, count) = (number("bsize=")?, number("blocks=")?);
    Some((size * count, size))
}

fn size_of(ctx: &Ctx, dev: &Path) -> Result<u64, Fail> {
    let meta = dev.metadata().at("can't look at", dev)?;
    if meta.is_file() {
        return Ok(meta.len());
    }
    let ran = ctx.cmd("blockdev").arg("--getsize64").arg(dev).english().run()?;
    ran.stdout.trim().parse().map_err(|_| ran.fail(format!("can't determine the size of {}", dev.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn signatures() {
        let mut ext = vec![0u8; 2048];
        ext[0x438..0x43a].copy_from_slice(&[0x53, 0xef]);
        assert_eq!(magic(&ext), Some("ext2"));
        ext[0x45c] = 4;
        assert_eq!(magic(&ext), Some("ext3"));
        ext[0x460] = 0x40;
        assert_eq!(magic(&ext), Some("ext4"));
        assert_eq!(magic(b"XFSB rest"), Some("xfs"));
        assert_eq!(magic(&[0; 512]), None);
        let info =
            "meta-data=/dev/x isize=512\ndata     =                       bsize=4096   blocks=2560, imaxpct=25\n";
        assert_eq!(xfs_size(info), Some((4096 * 2560, 4096)));
    }

    #[test]
    fn ext4_in_a_file_is_made_once() {
        let dir = Scratch::new();
        let image = dir.file("disk", "");
        std::fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(16 << 20).unwrap();
        let call = |args: serde_json::Value| run(&Ctx::test("filesystem", args));
        let ctx = Ctx::test("filesystem", json!({"dev": image, "fstype": "ext4"}));
        if ctx.which("mkfs.ext4").is_none() {
            crate::sys::files::skipped("mkfs.ext4 is not installed");
            return;
        }
        let uuid = "11111111-2222-3333-4444-555555555555";
        let args = json!({"dev": image, "fstype": "ext4", "opts": format!("-L 'a b' -U {uuid}")});
        assert_eq!(call(args.clone()).unwrap()["changed"], true);
        assert_eq!(call(args).unwrap()["changed"], false);
        assert!(call(json!({"dev": image, "fstype": "ext3"})).unwrap_err().msg.contains("is already used as ext4"));
        std::fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(32 << 20).unwrap();
        assert_eq!(call(json!({"dev": image, "fstype": "ext4", "resizefs": true})).unwrap()["changed"], true);
        assert_eq!(call(json!({"dev": image, "fstype": "ext4", "resizefs": true})).unwrap()["changed"], false);
        assert_eq!(call(json!({"dev": image, "state": "absent"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"dev": image, "state": "absent"})).unwrap()["changed"], false);
        assert!(call(json!({"dev": dir.path("no"), "fstype": "ext4"})).is_err());
        assert_eq!(call(json!({"dev": dir.path("no"), "state": "absent"})).unwrap()["changed"], false);
    }
}
