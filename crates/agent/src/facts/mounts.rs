//! `mounts`: each `statvfs` has a deadline, so that a dead network mount holds nobody up.

use super::{Facts, put};
use crate::ctx::Ctx;
use crate::sys::mounts::{self, Mount};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Gathers them.
pub fn collect(ctx: &Ctx, out: &mut Facts) {
    let limit = Duration::from_secs(ctx.args.int("gather_timeout").unwrap_or(10).max(1) as u64);
    put(out, "mounts", list(limit));
}

/// The mounts that are worth telling of, with sizes.
pub fn list(limit: Duration) -> Value {
    let binds = binds();
    let uuids = uuids();
    let wanted: Vec<Mount> = mounts::mounted().into_iter().filter(worth).collect();
    let until = Instant::now() + limit;
    // All at once: ten dead mounts cost no more than one.
    let running: Vec<_> = wanted
        .iter()
        .map(|m| {
            let (send, receive) = mpsc::channel();
            let point = m.point.clone();
            let started = std::thread::Builder::new().name("statvfs".into()).spawn(move || {
                let _ = send.send(rustix::fs::statvfs(&point).ok());
            });
            started.ok().map(|_| receive)
        })
        .collect();
    let mut out = Vec::new();
    for (mount, answer) in wanted.iter().zip(running) {
        let mut options = mount.options.clone();
        if binds.contains(&mount.point) {
            options.push_str(",bind");
        }
        let mut shown = crate::out! {
            "mount": mount.point.to_string_lossy(), "device": mount.source, "fstype": mount.fstype, "options": options,
            "dump": mount.dump.parse::<i64>().unwrap_or(0), "passno": mount.passno.parse::<i64>().unwrap_or(0),
        };
        let left = until.saturating_duration_since(Instant::now());
        match answer.map(|a| a.recv_timeout(left)) {
            Some(Ok(Some(stat))) => {
                let size = stat.f_frsize;
                shown.extend(crate::out! {
                    "size_total": size * stat.f_blocks, "size_available": size * stat.f_bavail, "block_size": stat.f_bsize,
                    "block_total": stat.f_blocks, "block_available": stat.f_bavail, "block_used": stat.f_blocks.saturating_sub(stat.f_bavail),
                    "inode_total": stat.f_files, "inode_available": stat.f_favail, "inode_used": stat.f_files.saturating_sub(stat.f_favail),
                });
            }
            Some(Ok(None)) => {}
            _ => {
                shown.insert("note".into(), "Timed out while attempting to get mount information".into());
            }
        }
        let device = Path::new(&mount.source).canonicalize().unwrap_or_else(|_| PathBuf::from(&mount.source));
        let uuid = device.file_name().and_then(|n| uuids.get(&n.to_string_lossy().into_owned()));
        shown.insert("uuid".into(), json!(uuid.map_or("N/A", String::as_str)));
        out.push(Value::Object(shown));
    }
    Value::Array(out)
}

/// Devices, network file systems and pools; not the kernel's own.
fn worth(mount: &Mount) -> bool {
    (mount.source.starts_with(['/', '\\'])
        || mount.source.contains(":/")
        || mount.fstype == "zfs"
        || mount.fstype == "fuse.lxcfs")
        && mount.fstype != "none"
}

/// Mount points that show a part of a file system that is mounted elsewhere.
fn binds() -> Vec<PathBuf> {
    mounts::bind_roots()
        .into_iter()
        .filter(|(_, root, source)| root != "/" && source.starts_with('/'))
        .map(|(point, ..)| point)
        .collect()
}

fn uuids() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir("/dev/disk/by-uuid").into_iter().flatten().flatten();
    entries
        .filter_map(|e| {
            let target = std::fs::read_link(e.path()).ok()?;
            Some((target.file_name()?.to_string_lossy().into_owned(), e.file_name().to_string_lossy().into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_told_of_and_proc_is_not() {
        let all = list(Duration::from_secs(5));
        let points: Vec<&str> = all.as_array().unwrap().iter().filter_map(|m| m["mount"].as_str()).collect();
        assert!(!points.contains(&"/proc"));
        let shown = mounts::mounted().into_iter().filter(worth).count();
        assert_eq!(points.len(), shown);
    }
}
