//! What is mounted for a chroot, and how all of it goes again, also after this program was killed.
//!
//! The journal holds one entry for all: the directory. What is mounted there is read from the kernel, so that it does not matter
//! at which of the mounts a run died.

use super::shell::Shell;
use imgbuild_engine::shell_quote::quote;
use std::path::Path;
use std::time::Duration;

/// A mount of this process's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    id: u32,
    parent: u32,
    point: String,
}

/// The lines of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn parse(table: &str) -> Vec<Mount> {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let point = fields.nth(2)?;
        Some(Mount { id, parent, point: unescape(point) })
    };
    table.lines().filter_map(line).collect()
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.filter(|_| bytes[at] == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The mount at `root` that is on top there, and everything that is mounted on it, in the order in which it can be unmounted.
fn at(table: &[Mount], root: &str) -> Vec<String> {
    // A mount that covers another has it for its parent and comes later.
    let Some(top) = table.iter().rev().find(|m| m.point == root) else { return Vec::new() };
    let mut found = vec![top.clone()];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next].id;
        found.extend(table.iter().filter(|m| m.parent == parent && m.id != parent).cloned());
        next += 1;
    }
    found.into_iter().rev().map(|m| m.point).collect()
}

/// What is mounted at a directory and below, innermost first.
pub fn mounted(root: &str) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    at(&parse(&table), root)
}

/// Where volumes are mounted unless the template says otherwise.
const DEFAULT_PARENT: &str = "/mnt/packer-amazon-chroot-volumes";

/// How often unmounting is tried: what a provisioner has left running may need a moment to end.
const TRIES: u32 = 20;

/// Ends what runs in the directory, and unmounts all that is mounted there. Nothing there is success.
pub async fn unmount(shell: &Shell, root: &str) -> Result<(), String> {
    let mut last = String::new();
    for n in 0..TRIES {
        let mounted = mounted(root);
        if mounted.is_empty() {
            if Path::new(root).parent() == Some(Path::new(DEFAULT_PARENT)) {
                // It was made for this. One with something in it was not, and stays.
                let _ = shell.run(&format!("rmdir {}", quote(root))).await;
            }
            return Ok(());
        }
        if n > 0 {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        if n != 1 {
            end_processes(shell, root, n > 3).await;
        }
        for point in &mounted {
            if let Err(why) = shell.run(&format!("umount {}", quote(point))).await {
                last = why;
                break;
            }
        }
    }
    if mounted(root).is_empty() { Ok(()) } else { Err(format!("{root} can't be unmounted: {last}")) }
}

/// Daemons that a provisioner has started inside would keep the volume busy. Only what has the directory for its root.
async fn end_processes(shell: &Shell, root: &str, hard: bool) {
    let signal = if hard { "KILL" } else { "TERM" };
    let root = quote(root);
    let script = format!(
        "for p in /proc/[0-9]*; do r=$(readlink \"$p/root\" 2>/dev/null) || continue; \
         case \"$r\" in {root}|{root}/*) kill -s {signal} \"${{p#/proc/}}\" 2>/dev/null;; esac; done; :"
    );
    let _ = shell.script(&script).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hangs_on_the_mount_is_taken() {
        let table = parse(
            "1 0 254:0 / / rw - ext4 /dev/vda rw\n\
             2 1 0:5 / /dev rw - devtmpfs dev rw\n\
             3 1 254:1 / /mnt/other rw - ext4 /dev/xvdg1 rw\n\
             10 1 7:1 / /mnt/root rw - ext4 /dev/xvdf1 rw\n\
             11 10 0:6 / /mnt/root/proc rw - proc proc rw\n\
             12 10 0:5 / /mnt/root/dev rw - devtmpfs dev rw\n\
             13 12 0:7 / /mnt/root/dev/pts rw - devpts devpts rw\n\
             14 11 0:8 / /mnt/root/proc/sys/fs/binfmt_misc rw - binfmt_misc b rw\n\
             15 1 0:9 / /mnt/with\\040blank rw - tmpfs t rw\n",
        );
        let expected =
            ["/mnt/root/proc/sys/fs/binfmt_misc", "/mnt/root/dev/pts", "/mnt/root/dev", "/mnt/root/proc", "/mnt/root"];
        let mut found = at(&table, "/mnt/root");
        assert_eq!(found.last().map(String::as_str), Some("/mnt/root"));
        let place = |found: &[String], point: &str| found.iter().position(|p| p == point);
        assert!(place(&found, "/mnt/root/dev/pts") < place(&found, "/mnt/root/dev"));
        found.sort();
        let mut expected = expected.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(at(&table, "/mnt"), Vec::<String>::new());
        assert_eq!(at(&table, "/mnt/with blank"), ["/mnt/with blank"]);
    }

    #[tokio::test]
    async fn nothing_mounted_is_success() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        std::fs::create_dir(&path).unwrap();
        unmount(&Shell::as_root(), path.to_str().unwrap()).await.unwrap();
        assert!(path.exists(), "a directory of the user's stays");
    }
}
