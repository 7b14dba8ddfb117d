//! Commands: start, feed, stream, time out, kill. Each runs in a process group of its own, so that ending a call ends all of it.

use crate::ctx::Ctx;
use crate::outcome::Fail;
use imgbuild_proto::Stream;
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Process groups that run right now, of all calls.
static GROUPS: Mutex<Option<HashSet<i32>>> = Mutex::new(None);

/// What came of a command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ran {
    /// Exit status; a death by signal N is -N, as Python has it.
    pub rc: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Whether it ended with status 0.
    pub fn ok(&self) -> bool {
        self.rc == 0
    }

    /// Standard error, or standard output where that is empty, without white space at the ends.
    pub fn complaint(&self) -> &str {
        if self.stderr.trim().is_empty() { self.stdout.trim() } else { self.stderr.trim() }
    }

    /// A failure with this message and `rc`, `stdout` and `stderr`.
    pub fn fail(&self, msg: impl Into<String>) -> Fail {
        Fail::new(msg).with_all(serde_json::json!({"rc": self.rc, "stdout": self.stdout, "stderr": self.stderr}))
    }
}

/// A command to be run.
pub struct Cmd<'a> {
    ctx: &'a Ctx,
    argv: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    cwd: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    umask: Option<String>,
    interactive: bool,
    limit: Option<Duration>,
    quiet: bool,
}

impl Ctx {
    /// A command by name (found on PATH and in the sbin directories) or path.
    pub fn cmd(&self, program: impl AsRef<OsStr>) -> Cmd<'_> {
        Cmd {
            ctx: self,
            argv: vec![program.as_ref().to_os_string()],
            env: Vec::new(),
            cwd: None,
            stdin: None,
            umask: None,
            interactive: false,
            limit: None,
            quiet: true,
        }
    }

    /// Runs a command with messages in English and waits for it.
    pub fn run<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Ran, Fail> {
        let Some((program, rest)) = argv.split_first() else { crate::fail!("an empty command") };
        self.cmd(program).args(rest).english().run()
    }

    /// Runs a command as [`Ctx::run`] does; a status other than 0 is a failure with its complaint.
    pub fn must<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Ran, Fail> {
        let ran = self.run(argv)?;
        if ran.ok() {
            return Ok(ran);
        }
        let line: Vec<_> = argv.iter().map(|a| a.as_ref().to_string_lossy()).collect();
        Err(ran.fail(format!("{} failed: {}", line.join(" "), ran.complaint())).with("cmd", line.join(" ")))
    }

    /// Where a program is: PATH of the call, then the sbin directories.
    pub fn which(&self, name: &str) -> Option<PathBuf> {
        which_in(name, &self.env("PATH").unwrap_or_default())
    }

    /// Where a program is, or a failure that says it's missing.
    pub fn need(&self, name: &str) -> Result<PathBuf, Fail> {
        self.which(name).ok_or_else(|| {
            let paths = self.env("PATH").unwrap_or_default();
            Fail::new(format!(
                "Failed to find required executable \"{name}\" in paths: {paths}:/sbin:/usr/sbin:/usr/local/sbin"
            ))
        })
    }
}

/// Finds a program in a list of directories and the sbin ones.
pub fn which_in(name: &str, path: &str) -> Option<PathBuf> {
    let usable = |p: &Path| p.is_file() && rustix::fs::access(p, rustix::fs::Access::EXEC_OK).is_ok();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|p| usable(p));
    }
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];
    path.split(':').filter(|d| !d.is_empty()).chain(more).map(|d| Path::new(d).join(name)).find(|p| usable(p))
}

impl<'a> Cmd<'a> {
    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.argv.push(arg.as_ref().to_os_string());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(|a| a.as_ref().to_os_string()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// Output in English and untouched by the user's locale, for parsing.
    pub fn english(self) -> Self {
        self.env("LANG", "C").env("LC_ALL", "C").env("LC_MESSAGES", "C").env("LANGUAGE", "C")
    }

    /// Runs it in this directory.
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// Feeds these bytes to its standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Runs it with this umask (octal).
    pub fn umask(mut self, umask: Option<String>) -> Self {
        self.umask = umask;
        self
    }

    /// Feeds it the call's `Input` frames.
    pub fn interactive(mut self, on: bool) -> Self {
        self.interactive = on;
        self
    }

    /// Kills it after this time.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Streams its output to the controller, where the call asks for that.
    pub fn stream(mut self) -> Self {
        self.quiet = false;
        self
    }

    /// Runs it to its end; a status other than 0 is no error. `Err`: it can't be started, or the call was ended.
    pub fn run(self) -> Result<Ran, Fail> {
        let path_in_env = self.env.iter().rev().find(|(n, _)| n == "PATH").and_then(|(_, v)| v.clone());
        let search = path_in_env.map(|p| p.to_string_lossy().into_owned()).or_else(|| self.ctx.env("PATH"));
        let name = self.argv[0].to_string_lossy().into_owned();
        let program = match &self.cwd {
            // A relative program with a slash is meant from the new directory.
            Some(dir) if name.contains('/') => dir.join(&name),
            _ => which_in(&name, &search.unwrap_or_default()).unwrap_or_else(|| PathBuf::from(&name)),
        };
        let mut command = match &self.umask {
            None => Command::new(&program),
            Some(umask) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", "umask \"$1\" && shift && exec \"$@\"", "sh", umask]).arg(&program);
                shell
            }
        };
        command.args(&self.argv[1..]).envs(&self.ctx.env);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        let feed = self.stdin.is_some() || self.interactive;
        command.stdin(if feed { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = spawn(super::signals::unblocked(&mut command)).map_err(|e| {
            let errno = e.raw_os_error().unwrap_or(2);
            let text = std::io::Error::from_raw_os_error(errno).to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_string();
            Fail::new(format!("[Errno {errno}] {text}: b'{name}'"))
                .with("rc", errno)
                .with("stdout", "")
                .with("stderr", "")
        })?;
        let group = child.id() as i32;
        note_group(group, true);
        self.ctx.control.add_group(group);
        let outcome = self.pump(&mut child);
        self.ctx.control.drop_group(group);
        note_group(group, false);
        if self.ctx.control.ended() {
            crate::fail!("the command was ended");
        }
        outcome
    }

    fn pump(&self, child: &mut Child) -> Result<Ran, Fail> {
        let started = Instant::now();
        let mut stdin = child.stdin.take();
        let mut to_write: Vec<u8> = self.stdin.clone().unwrap_or_default();
        let mut written = 0;
        let mut input_over = !self.interactive;
        if let Some(stdin) = &stdin {
            let _ = rustix::io::ioctl_fionbio(stdin, true);
        }
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut status = None;
        let mut buffer = vec![0u8; 64 << 10];
        loop {
            while !input_over && let Some(bytes) = self.ctx.control.pop_input() {
                input_over = bytes.is_empty();
                to_write.extend(bytes);
            }
            if written == to_write.len() && input_over {
                stdin = None;
            }
            if out.is_none() && err.is_none() && stdin.is_none() && status.is_none() && self.limit.is_none() {
                // Nothing is left to read or write: the end is all there is to wait for.
                status = Some(child.wait().map_err(|e| Fail::new(format!("can't wait for the command: {e}")))?);
            }
            if status.is_none() {
                status = child.try_wait().map_err(|e| Fail::new(format!("can't wait for the command: {e}")))?;
            }
            if self.limit.is_some_and(|limit| started.elapsed() > limit) && status.is_none() {
                kill_group(child.id() as i32);
            }
            if status.is_some() && out.is_none() && err.is_none() {
                break;
            }
            let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(3);
            if let Some(out) = &out {
                fds.push(PollFd::from_borrowed_fd(out.as_fd(), PollFlags::IN));
            }
            if let Some(err) = &err {
                fds.push(PollFd::from_borrowed_fd(err.as_fd(), PollFlags::IN));
            }
            if let Some(stdin) = stdin.as_ref().filter(|_| written < to_write.len()) {
                fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::OUT));
            }
            // Output ends when the pipes close. A daemon that holds on to them doesn't keep us: after the command's own end,
            // what is still in the pipes is read and no more.
            let closed = out.is_none() && err.is_none();
            let wait = match (status.is_some(), closed) {
                (true, _) => 50,
                (false, true) => 2,
                (false, false) => 20,
            };
            let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: wait * 1_000_000 };
            let ready = poll(&mut fds, Some(&timeout)).unwrap_or(0);
            drop(fds);
            if ready == 0 {
                if status.is_some() {
                    break;
                }
                continue;
            }
            if take_ready(&mut out, &mut buffer, &mut stdout, |b| self.send(Stream::Stdout, b)) {
                out = None;
            }
            if take_ready(&mut err, &mut buffer, &mut stderr, |b| self.send(Stream::Stderr, b)) {
                err = None;
            }
            if let Some(pipe) = stdin.as_mut().filter(|_| written < to_write.len()) {
                match pipe.write(&to_write[written..]) {
                    Ok(n) => written += n,
                    Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {}
                    Err(_) => (written, input_over, stdin) = (to_write.len(), true, None),
                }
            }
        }
        let status = match status {
            Some(status) => status,
            None => child.wait().map_err(|e| Fail::new(format!("can't wait for the command: {e}")))?,
        };
        let rc = status.code().unwrap_or_else(|| -status.signal().unwrap_or(1));
        Ok(Ran { rc, stdout: lossy(stdout), stderr: lossy(stderr) })
    }

    fn send(&self, stream: Stream, bytes: &[u8]) {
        if !self.quiet {
            self.ctx.output(stream, bytes);
        }
    }
}

/// Starts a command. A program that another chain has just written may still be open in a child that is being forked at that moment, and
/// then the kernel refuses to run it: that passes within a moment.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..100 {
        match command.spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
    command.spawn()
}

/// Reads what a ready pipe holds; true when it is closed.
fn take_ready(
    pipe: &mut Option<impl Read + AsFd>,
    buffer: &mut [u8],
    into: &mut Vec<u8>,
    mut send: impl FnMut(&[u8]),
) -> bool {
    let Some(open) = pipe else { return false };
    let mut fds = [PollFd::from_borrowed_fd(open.as_fd(), PollFlags::IN)];
    let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut fds, Some(&none)).unwrap_or(0) == 0 {
        return false;
    }
    match open.read(buffer) {
        Ok(0) => true,
        Ok(n) => {
            send(&buffer[..n]);
            into.extend_from_slice(&buffer[..n]);
            false
        }
        Err(e) => e.kind() != std::io::ErrorKind::Interrupted,
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn note_group(group: i32, running: bool) {
    let mut groups = GROUPS.lock().unwrap_or_else(|e| e.into_inner());
    let groups = groups.get_or_insert_default();
    if running {
        groups.insert(group)
    } else {
        groups.remove(&group)
    };
}

/// Asks a process group to end, and makes it two seconds later.
pub fn kill_group(group: i32) {
    let Some(pid) = rustix::process::Pid::from_raw(group) else { return };
    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
    let _ = std::thread::Builder::new().name("kill".into()).spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        let groups = GROUPS.lock().unwrap_or_else(|e| e.into_inner());
        if groups.as_ref().is_some_and(|g| g.contains(&group)) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    });
}

/// Ends all process groups that still run. For the agent's own end.
pub fn kill_everything() {
    use rustix::process::{Pid, Signal, kill_process_group};
    let running = || -> Vec<Pid> {
        let groups = GROUPS.lock().unwrap_or_else(|e| e.into_inner());
        groups.iter().flatten().filter_map(|g| Pid::from_raw(*g)).collect()
    };
    for group in running() {
        let _ = kill_process_group(group, Signal::TERM);
    }
    for _ in 0..40 {
        if running().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for group in running() {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn output_status_input_and_daemons() {
        let ctx = Ctx::test("command", json!({}));
        let ran = ctx.cmd("sh").args(["-c", "cat; echo err >&2; exit 3"]).stdin("in").run().unwrap();
        assert_eq!(ran, Ran { rc: 3, stdout: "in".into(), stderr: "err\n".into() });
        let ran = ctx.cmd("sh").args(["-c", "kill -9 $$"]).run().unwrap();
        assert_eq!(ran.rc, -9);
        // A background process that keeps the pipe open must not hold the call.
        let ran = ctx.cmd("sh").args(["-c", "sleep 5 & echo started"]).run().unwrap();
        assert_eq!(ran.stdout, "started\n");
        let big = vec![b'x'; 1 << 20];
        assert_eq!(ctx.cmd("cat").stdin(big.clone()).run().unwrap().stdout.len(), big.len());
        assert_eq!(ctx.cmd("sh").args(["-c", "umask"]).umask(Some("0027".into())).run().unwrap().stdout, "0027\n");
        let fail = ctx.cmd("/nonexistent/program").run().unwrap_err();
        assert!(fail.msg.starts_with("[Errno 2] No such file or directory"), "{}", fail.msg);
        assert_eq!(fail.fields["rc"], 2);
    }

    #[test]
    fn a_limit_and_an_end_kill_the_whole_group() {
        let ctx = Ctx::test("command", json!({}));
        let ran = ctx.cmd("sh").args(["-c", "sleep 100; echo never"]).limit(Duration::from_millis(50)).run().unwrap();
        assert_eq!((ran.rc, ran.stdout.as_str()), (-15, ""));
        let control = ctx.control.clone();
        let ender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            control.end(false);
        });
        assert!(ctx.cmd("sleep").arg("100").run().is_err());
        ender.join().unwrap();
    }
}
