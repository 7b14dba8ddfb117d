//! The system calls that have no safe wrapper: fork, signal waiting, loop device ioctls, the process title and the
//! capability bounding set.
//!
//! Owns every `unsafe` of the machines. Invariant: [`fork`] is only called by a process with one thread.
#![expect(unsafe_code, reason = "fork, sigwait, ioctl and prctl have no safe wrapper in std or rustix")]

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Which side of a [`fork`] this is.
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, with the child's pid.
    Parent(u32),
}

/// Forks. The caller must have one thread only: in the child of a threaded process, locks may be held for ever.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the callers are single-threaded (see the module's invariant), so the child may go on like the parent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid.unsigned_abs())),
    }
}

/// Leaves namespaces for new ones (CLONE_NEW… flags).
pub fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: no flag that separates file descriptors is used by the callers; unshare takes no pointers.
    check(unsafe { libc::unshare(flags) })
}

/// Ends this process at once, without running destructors or flushing what a fork duplicated.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

/// Blocks `signals` for this thread, so that [`wait_signal`] gets them.
pub fn block_signals(signals: &[i32]) -> io::Result<()> {
    let set = signal_set(signals);
    // SAFETY: `set` is an initialised signal set; the old mask is not asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) })
}

/// Unblocks every signal; children that run other programs must not inherit a mask.
pub fn unblock_all_signals() -> io::Result<()> {
    let set = signal_set(&[]);
    // SAFETY: as in `block_signals`.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) })
}

/// Waits for one of the blocked `signals`.
pub fn wait_signal(signals: &[i32]) -> io::Result<i32> {
    let set = signal_set(signals);
    loop {
        // SAFETY: `set` is initialised; no siginfo is asked for.
        let got = unsafe { libc::sigwaitinfo(&raw const set, std::ptr::null_mut()) };
        if got >= 0 {
            return Ok(got);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal (the init of a pid namespace ends by SIGHUP on reboot(2), by SIGINT on power-off).
    Signal(i32),
}

/// Collects a child that ended: blocks for one, or only looks when `block` is false. `None`: nobody has ended yet, or
/// there are no children.
pub fn wait_any(block: bool) -> io::Result<Option<(u32, Ended)>> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, if block { 0 } else { libc::WNOHANG }) };
        if pid == 0 {
            return Ok(None);
        }
        if pid < 0 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ECHILD) => return Ok(None),
                _ => return Err(error),
            }
        }
        let ended = if libc::WIFSIGNALED(status) {
            Ended::Signal(libc::WTERMSIG(status))
        } else {
            Ended::Code(libc::WEXITSTATUS(status))
        };
        return Ok(Some((pid.unsigned_abs(), ended)));
    }
}

/// Sends a signal; a process that is gone is no error. `pid` -1 means every process that may be signalled.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes no pointers.
    match check(unsafe { libc::kill(pid, signal) }) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other,
    }
}

/// Puts a seccomp filter on this process and everything that it starts.
pub fn install_filter(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = libc::c_ushort::try_from(program.len()).map_err(io::Error::other)?;
    let header = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the program and its header outlive the call; the kernel checks the program.
    check(unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::c_ulong::from(libc::SECCOMP_MODE_FILTER), &raw const header, 0, 0)
    })
}

/// Joins a cgroup namespace, pid namespace, … by its file.
pub fn join_namespace(namespace: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for the duration of the call.
    check(unsafe { libc::setns(namespace.as_raw_fd(), 0) })
}

/// Lets `command` run in another namespace (of any one type).
pub fn run_in_namespace(command: &mut Command, namespace: &File) -> io::Result<()> {
    let namespace = namespace.try_clone()?;
    // SAFETY: the closure runs between fork and exec and only makes a system call.
    unsafe {
        command.pre_exec(move || check(libc::setns(namespace.as_raw_fd(), 0)));
    }
    Ok(())
}

/// Lets `command` be killed when the thread that starts it ends.
pub fn end_with_us(command: &mut Command) {
    // SAFETY: as above.
    unsafe {
        command.pre_exec(|| {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(libc::SIGKILL.unsigned_abs()), 0, 0, 0))
        });
    }
}

/// Lets `command` lead a session of its own and start with no signal blocked.
pub fn detach_from_us(command: &mut Command) {
    // SAFETY: as above; sigprocmask gets an initialised set.
    unsafe {
        command.pre_exec(|| {
            unblock_all_signals()?;
            check(libc::setsid())
        });
    }
}

/// Overwrites this process's command line as `ps` shows it, so that a machine's init shows nothing of the host.
/// `area` is the range of the argument strings, from /proc/self/stat.
pub fn set_title(title: &str) -> io::Result<()> {
    let stat = fs_err::read_to_string("/proc/self/stat")?;
    // Fields after the program name in parentheses; arg_start and arg_end are fields 48 and 49 of proc(5).
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<usize>().ok());
    let (Some(start), Some(end)) = (field(48), field(49)) else { return Ok(()) };
    if start == 0 || end <= start {
        return Ok(());
    }
    let length = end - start;
    let text = &title.as_bytes()[..title.len().min(length.saturating_sub(1))];
    // SAFETY: the kernel says that [start, end) holds this process's argument strings: mapped, writable, and read by
    // nothing of ours (std copied the arguments of interest long before).
    let area = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, length) };
    area.fill(0);
    area[..text.len()].copy_from_slice(text);
    Ok(())
}

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_CLR_FD: libc::c_ulong = 0x4C01;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_PARTSCAN: u32 = 8;
const BLKPG: libc::c_ulong = 0x1269;
const BLKPG_ADD_PARTITION: i32 = 1;
const BLKPG_DEL_PARTITION: i32 = 2;

/// The kernel's `struct loop_info64`.
#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// The kernel's `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

/// Which part of a file a loop device shows, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part {
    /// First byte.
    pub offset: u64,
    /// Bytes; 0 is up to the end.
    pub length: u64,
    /// Nobody can write to it.
    pub read_only: bool,
    /// The device can have partitions.
    pub partitions: bool,
}

/// The kernel's `struct blkpg_partition`.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// The kernel's `struct blkpg_ioctl_arg`.
#[repr(C)]
struct BlkpgArgument {
    operation: i32,
    flags: i32,
    length: i32,
    data: *mut BlkpgPartition,
}

fn blkpg(device: &File, operation: i32, number: u32, start: u64, length: u64) -> io::Result<()> {
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut partition: BlkpgPartition = unsafe { mem::zeroed() };
    partition.number = i32::try_from(number).map_err(io::Error::other)?;
    partition.start = i64::try_from(start).map_err(io::Error::other)?;
    partition.length = i64::try_from(length).map_err(io::Error::other)?;
    let argument = BlkpgArgument {
        operation,
        flags: 0,
        length: i32::try_from(mem::size_of::<BlkpgPartition>()).map_err(io::Error::other)?,
        data: &raw mut partition,
    };
    // SAFETY: the kernel reads the argument and the partition behind it; both outlive the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), BLKPG, &raw const argument) })
}

/// Tells the kernel of a partition of a device; start and length in bytes.
pub fn add_partition(device: &File, number: u32, start: u64, length: u64) -> io::Result<()> {
    blkpg(device, BLKPG_ADD_PARTITION, number, start, length)
}

/// Lets the kernel forget a partition that nothing uses.
pub fn remove_partition(device: &File, number: u32) -> io::Result<()> {
    blkpg(device, BLKPG_DEL_PARTITION, number, 0, 0)
}

/// The number of a loop device that is free at this moment (another process may take it first).
pub fn loop_free(control: &File) -> io::Result<u32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    check(number)?;
    Ok(number.unsigned_abs())
}

/// Binds `backing` to a loop device. The binding ends by itself when the last descriptor and the last mount of the
/// device are gone, so that no crash leaves one behind.
pub fn loop_configure(device: &File, backing: &File, name: &Path, part: Part) -> io::Result<()> {
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut config: LoopConfig = unsafe { mem::zeroed() };
    config.fd = backing.as_raw_fd().unsigned_abs();
    config.info.flags = LO_FLAGS_AUTOCLEAR | if part.read_only { LO_FLAGS_READ_ONLY } else { 0 };
    if part.partitions {
        config.info.flags |= LO_FLAGS_PARTSCAN;
    }
    (config.info.offset, config.info.sizelimit) = (part.offset, part.length);
    let bytes = name.as_os_str().as_encoded_bytes();
    let length = bytes.len().min(63);
    config.info.file_name[..length].copy_from_slice(&bytes[..length]);
    // SAFETY: the kernel reads one `loop_config` from the pointer, which outlives the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) })
}

/// Takes the file from a loop device; while it is open or mounted elsewhere, that happens when it is let go of.
pub fn loop_clear(device: &File) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument.
    check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CLR_FD) })
}

/// A pipe whose ends are closed on exec.
pub fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: both descriptors are new and owned by nobody else.
    let (read, write) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    Ok((File::from(read), File::from(write)))
}

/// Closes every descriptor above standard error; the init of a machine must hold nothing of the host.
pub fn close_all_but_standard() -> io::Result<()> {
    // SAFETY: no object of this process that lives on owns a descriptor above 2 (called right before the init loop).
    check(unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) } as i32)
}

/// Makes `fd` the descriptor `target` (0, 1 or 2).
pub fn duplicate_to(fd: &File, target: i32) -> io::Result<()> {
    // SAFETY: `fd` is open; `target` is a standard descriptor, which no owner in this process closes by number.
    check(unsafe { libc::dup2(fd.as_raw_fd(), target) })
}

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set, sigaddset gets valid signal numbers from the callers.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// inotify(7), as much of it as waiting for "something happened" needs.
#[derive(Debug)]
pub struct Inotify {
    descriptor: File,
}

impl Inotify {
    /// A new queue without watches.
    pub fn new() -> io::Result<Self> {
        // SAFETY: inotify_init1 takes a number.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
        check(descriptor)?;
        // SAFETY: the descriptor is new and owned by nobody else.
        Ok(Self { descriptor: File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }) })
    }

    /// Watches a path for `events` (IN_… flags).
    pub fn watch(&mut self, path: &Path, events: u32) -> io::Result<()> {
        let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
        // SAFETY: the path is a C string that outlives the call.
        check(unsafe { libc::inotify_add_watch(self.descriptor.as_raw_fd(), path.as_ptr(), events) })
    }

    /// Blocks until something happens; what it was is not told.
    pub fn wait(&mut self) -> io::Result<()> {
        use std::io::Read;
        let mut events = [0; 4096];
        self.descriptor.read(&mut events).map(|_| ())
    }
}
