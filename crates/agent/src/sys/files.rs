//! Writing files so that nobody sees half of one, keeping copies, and results about them.

use crate::args::Args;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::{Attrs, path_info};
use crate::sys::{clock, random, selinux, shlex};
use rustix::io::Errno;
use serde_json::{Value, json};
use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Text of a file, with bytes that are no UTF-8 kept apart by replacement characters. Missing is `None`.
pub fn read_text(path: &Path) -> Result<Option<String>, Fail> {
    match std::fs::read(path) {
        Ok(bytes) => {
            Ok(Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Fail::new(format!("can't read {}: {e}", path.display()))),
    }
}

/// Replaces a file's content. An existing file keeps owner, mode and context; a new one gets mode 0666 less the umask.
/// The new file appears by rename; where that can't be (a bind mount, say) `unsafe_writes` allows writing in place.
pub fn write(ctx: &Ctx, dest: &Path, mut content: impl Read, unsafe_writes: bool) -> Result<(), Fail> {
    let existing = dest.symlink_metadata().ok().filter(|m| !m.is_symlink());
    let parent = dest.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = dest.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let short: String = name.chars().take(60).collect();
    let temp = parent.join(format!(".ansible_tmp{}{short}", random::token()));
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp);
    let mut file = match made {
        Ok(file) => file,
        Err(_) if unsafe_writes && existing.is_some() => return write_in_place(dest, content),
        Err(e) => return Err(Fail::new(format!("Destination {} not writable: {e}", parent.display()))),
    };
    let done = (|| -> std::io::Result<()> {
        std::io::copy(&mut content, &mut file)?;
        take_over(&file, &temp, dest, existing.as_ref())?;
        std::fs::rename(&temp, dest)
    })();
    let Err(error) = done else {
        if existing.is_none() {
            label(ctx, dest);
        }
        return Ok(());
    };
    let busy = [Errno::BUSY, Errno::TXTBSY, Errno::PERM, Errno::ACCESS]
        .iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()));
    let outcome = if busy && unsafe_writes {
        File::open(&temp).at("can't read", &temp).and_then(|file| write_in_place(dest, file))
    } else {
        Err(Fail::new(format!("Could not replace file: {} to {}: {error}", temp.display(), dest.display())))
    };
    let _ = std::fs::remove_file(&temp);
    outcome
}

/// Gives a new file the properties of the one it replaces, or those of a fresh file.
fn take_over(file: &File, temp: &Path, dest: &Path, existing: Option<&Metadata>) -> std::io::Result<()> {
    match existing {
        Some(old) => {
            let new = file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                // Not everybody may give files away; Ansible goes on too.
                let _ = std::os::unix::fs::lchown(temp, Some(old.uid()), Some(old.gid()));
            }
            copy_xattrs(dest, temp);
            file.set_permissions(PermissionsExt::from_mode(old.mode() & 0o7777))?;
            if let Some(context) = selinux::context(dest) {
                let _ = selinux::set(temp, &context);
            }
        }
        None => file.set_permissions(PermissionsExt::from_mode(0o666 & !crate::sys::mode::umask()))?,
    }
    Ok(())
}

/// Access lists and other extended attributes, as far as they may be set.
fn copy_xattrs(from: &Path, to: &Path) {
    let mut names = vec![0; 64 << 10];
    let Ok(length) = rustix::fs::listxattr(from, &mut names[..]) else { return };
    for name in names[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 64 << 10];
        if let Ok(length) = rustix::fs::getxattr(from, name, &mut value[..]) {
            let _ = rustix::fs::setxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty());
        }
    }
}

fn write_in_place(dest: &Path, mut content: impl Read) -> Result<(), Fail> {
    let mut file = std::fs::OpenOptions::new().write(true).truncate(true).open(dest).at("can't write", dest)?;
    std::io::copy(&mut content, &mut file).at("can't write", dest)?;
    file.flush().at("can't write", dest)
}

/// Gives a new file the context that the policy wants for its place.
pub fn label(ctx: &Ctx, path: &Path) {
    if selinux::enabled()
        && let Some(context) = selinux::default_context(ctx, path)
    {
        let _ = selinux::set(path, &context);
    }
}

/// Copies a file beside itself: `name.PID.DATE@TIME~`. `None` if it doesn't exist.
pub fn backup(path: &Path) -> Result<Option<String>, Fail> {
    let Ok(meta) = path.metadata() else { return Ok(None) };
    let stamp = clock::format_local(clock::now() as i64, "%Y-%m-%d@%H:%M:%S~");
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".{}.{stamp}", std::process::id()));
    let copy = PathBuf::from(name);
    std::fs::copy(path, &copy)
        .map_err(|e| Fail::new(format!("Could not make backup of {} to {}: {e}", path.display(), copy.display())))?;
    let _ = std::os::unix::fs::lchown(&copy, Some(meta.uid()), Some(meta.gid()));
    let _ = std::fs::set_permissions(&copy, PermissionsExt::from_mode(meta.mode() & 0o7777));
    let _ = set_times(&copy, Some((meta.atime(), meta.atime_nsec())), Some((meta.mtime(), meta.mtime_nsec())));
    Ok(Some(copy.to_string_lossy().into_owned()))
}

/// Sets access and modification times (seconds, nanoseconds); `None` leaves one as it is.
pub fn set_times(path: &Path, access: Option<(i64, i64)>, modification: Option<(i64, i64)>) -> std::io::Result<()> {
    let spec = |time: Option<(i64, i64)>| match time {
        Some((s, ns)) => rustix::fs::Timespec { tv_sec: s, tv_nsec: ns as _ },
        None => rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT as _ },
    };
    let times = rustix::fs::Timestamps { last_access: spec(access), last_modification: spec(modification) };
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Sets access and modification times to now.
pub fn set_times_now(path: &Path) -> std::io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW as _ };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Runs a `validate` command on a file; `%s` stands for it.
pub fn validate(ctx: &Ctx, command: Option<&str>, file: &Path) -> Result<(), Fail> {
    let Some(command) = command.filter(|c| !c.is_empty()) else { return Ok(()) };
    if !command.contains("%s") {
        crate::fail!("validate must contain %s: {command}");
    }
    let words = shlex::split(&command.replace("%s", &shlex::quote(&file.to_string_lossy())));
    let words =
        words.filter(|w| !w.is_empty()).ok_or_else(|| Fail::new(format!("validate can't be read: {command}")))?;
    let ran = ctx.cmd(&words[0]).args(&words[1..]).run()?;
    if ran.ok() {
        return Ok(());
    }
    let msg = format!("failed to validate: rc:{} error:{}", ran.rc, ran.stderr);
    Err(Fail::new(msg).with("exit_status", ran.rc).with("stdout", ran.stdout).with("stderr", ran.stderr))
}

/// Writes new content after validating it in a private file, keeping a copy where asked. The name of the copy.
pub fn write_checked(ctx: &Ctx, dest: &Path, content: &[u8]) -> Result<Option<String>, Fail> {
    let args = &ctx.args;
    let command = args.str("validate").filter(|c| !c.is_empty());
    if command.is_some() {
        let temp = ctx.temp()?;
        std::fs::write(&temp, content).at("can't write", &temp)?;
        let outcome = validate(ctx, command.as_deref(), &temp);
        let _ = std::fs::remove_file(&temp);
        outcome?;
    }
    let copy = if args.bool("backup") { backup(dest)? } else { None };
    write(ctx, dest, content, args.bool("unsafe_writes"))?;
    Ok(copy)
}

/// Applies the common file options to a path and adds what came of it to a result; whether anything changed.
pub fn apply_attrs(ctx: &Ctx, args: &Args, path: &Path) -> Result<bool, Fail> {
    Ok(Attrs::from_args(args)?.apply(ctx, path, ctx.check)?.changed())
}

/// Adds owner, group, mode, state, size, uid, gid of a path to a result.
pub fn add_info(result: &mut Outcome, path: &Path) {
    for (key, value) in path_info(path) {
        if key != "state" || !result.contains_key("state") {
            result.insert(key, value);
        }
    }
}

/// A diff of two texts.
pub fn diff(before: &str, after: &str, before_header: &str, after_header: &str) -> Value {
    json!({"before": before, "after": after, "before_header": before_header, "after_header": after_header})
}

/// Follows links as far as they go; the path itself if it is none. A link to nowhere yields its target.
pub fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let mut current = path.to_path_buf();
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&current) else { break };
        current = current.parent().map_or(target.clone(), |p| p.join(&target));
    }
    match (current.parent().and_then(|p| p.canonicalize().ok()), current.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => current,
    }
}

/// For tests: says that one can't run here, and why.
#[cfg(test)]
#[expect(clippy::print_stderr, reason = "a skipped test is told of")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// For tests: a directory of its own that goes with the value.
#[cfg(test)]
pub struct Scratch(pub PathBuf);

#[cfg(test)]
impl Scratch {
    /// A fresh one.
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("agent-test-{}", random::token()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    /// A path inside, as text.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// Writes a file inside; its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.0.join(name), content).unwrap();
        self.path(name)
    }

    /// Reads a file inside.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

#[cfg(test)]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_keeps_properties_and_leaves_no_temporary_files() {
        let dir = Scratch::new();
        let ctx = Ctx::test("copy", json!({}));
        let path = PathBuf::from(dir.file("a", "old"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        write(&ctx, &path, &b"new"[..], false).unwrap();
        assert_eq!(dir.read("a"), "new");
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640);
        let copy = backup(&path).unwrap().unwrap();
        assert!(copy.ends_with('~') && copy.contains("/a."), "{copy}");
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 2);
        assert!(write(&ctx, &dir.0.join("no/such"), &b""[..], false).is_err());
        assert_eq!(real_path(&dir.0.join("a")), dir.0.canonicalize().unwrap().join("a"));
    }
}
