//! `expect`: a command on a terminal, its questions answered. As ansible-core's module on pexpect: answers end in a newline, what
//! the command writes up to each match is its output, no shell is involved.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::clock;
use crate::sys::pyregex::{Flags, PyRegex};
use crate::sys::run::which_in;
use crate::sys::shlex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions};
use serde_json::Value;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// The command-line flag of the process between the agent and the command: it takes the terminal and becomes the command.
pub const FLAG: &str = "--on-terminal";

/// `--on-terminal TERMINAL PROGRAM ARGUMENT…`. Returns only where the program can't be started.
pub fn terminal_main(args: Vec<OsString>) -> i32 {
    let [terminal, program, rest @ ..] = args.as_slice() else { return 127 };
    let take = || -> std::io::Result<()> {
        // The first terminal that the leader of a session opens becomes its own.
        rustix::process::setsid()?;
        let slave = File::options().read(true).write(true).open(terminal)?;
        rustix::stdio::dup2_stdin(&slave)?;
        rustix::stdio::dup2_stdout(&slave)?;
        rustix::stdio::dup2_stderr(&slave)?;
        Ok(())
    };
    if take().is_ok() {
        let _ = Command::new(program).args(rest).exec();
    }
    127
}

/// A question and what is answered to it.
struct Event {
    question: String,
    pattern: PyRegex,
    answers: Answers,
}

enum Answers {
    /// The same each time.
    Always(String),
    /// One after the other.
    Each(VecDeque<String>),
}

impl Event {
    fn new(question: &str, answer: &Value) -> Result<Self, Fail> {
        let line = |v: &Value| format!("{}\n", crate::args::text(v).trim_end_matches('\n'));
        let flags = Flags { dotall: true, ascii: true, ..Flags::default() };
        Ok(Event {
            question: question.to_string(),
            pattern: PyRegex::new(question, flags).map_err(Fail::new)?,
            answers: match answer {
                Value::Array(all) => Answers::Each(all.iter().map(line).collect()),
                one => Answers::Always(line(one)),
            },
        })
    }
}

/// The earliest match of any event in the text: which event, and where the match ends.
fn earliest(events: &[Event], text: &str) -> Option<(usize, usize)> {
    let found = events.iter().enumerate().filter_map(|(n, e)| {
        let whole = e.pattern.captures(text)?;
        whole.get(0).map(|m| (m.start(), n, m.end()))
    });
    found.min().map(|(_, n, end)| (n, end))
}

/// How a conversation went.
struct Talk {
    said: String,
    /// `None`: it took too long, or was killed.
    rc: Option<i32>,
}

fn converse(ctx: &Ctx, words: &[String], events: &mut [Event], limit: Option<Duration>) -> Result<Talk, Fail> {
    let path = ctx.env("PATH").unwrap_or_default();
    let Some(program) = words.first().and_then(|w| which_in(w, &path)) else {
        let name = words.first().map_or("", String::as_str);
        crate::fail!("The command was not found or was not executable: {name}.");
    };
    let (master, terminal) = open_terminal(ctx.args.bool("echo")).or_fail("no terminal for the command")?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(FLAG).arg(&terminal).arg(program).args(&words[1..]).envs(&ctx.env);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(dir) = ctx.args.path("chdir") {
        command.current_dir(dir);
    }
    let mut child = crate::sys::signals::unblocked(&mut command).spawn().or_fail("the command can't be started")?;
    let group = child.id() as i32;
    ctx.control.add_group(group);
    let ended = talk(ctx, &mut File::from(master), events, limit, || child.try_wait().ok().flatten().is_some());
    if !matches!(ended, Ok((_, true))) {
        // It is not heard any more. Its terminal is gone, most programs end by that.
        crate::sys::run::kill_group(group);
    }
    let status = child.wait().or_fail("the command's end can't be seen");
    ctx.control.drop_group(group);
    if ctx.control.ended() {
        crate::fail!("the command was ended");
    }
    let (said, whole) = ended?;
    let status = status?;
    Ok(Talk { said, rc: status.code().filter(|_| whole && status.signal().is_none()) })
}

fn open_terminal(echo: bool) -> std::io::Result<(OwnedFd, String)> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?.to_string_lossy().into_owned();
    if !echo {
        let mut modes = rustix::termios::tcgetattr(&master)?;
        modes.local_modes.remove(LocalModes::ECHO);
        rustix::termios::tcsetattr(&master, OptionalActions::Now, &modes)?;
    }
    Ok((master, name))
}

/// Reads and answers until the terminal is closed (true) or nothing has matched for too long (false).
fn talk(
    ctx: &Ctx,
    terminal: &mut File,
    events: &mut [Event],
    limit: Option<Duration>,
    mut over: impl FnMut() -> bool,
) -> Result<(String, bool), Fail> {
    let (mut said, mut pending) = (String::new(), Vec::new());
    let mut last = Instant::now();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let text = String::from_utf8_lossy(&pending).into_owned();
        if let Some((n, end)) = earliest(events, &text) {
            let answer = match &mut events[n].answers {
                Answers::Always(answer) => answer.clone(),
                Answers::Each(left) => left.pop_front().ok_or_else(|| {
                    let question = &events[n].question;
                    Fail::new(format!("No remaining responses for '{question}', output was '{}'", &text[..end]))
                })?,
            };
            said.push_str(&text[..end]);
            pending = text.as_bytes()[end..].to_vec();
            terminal.write_all(answer.as_bytes()).or_fail("the command takes no answer")?;
            last = Instant::now();
            continue;
        }
        if limit.is_some_and(|limit| last.elapsed() > limit) || ctx.control.ended() {
            said.push_str(&text);
            return Ok((said, false));
        }
        let mut fds = [PollFd::from_borrowed_fd(terminal.as_fd(), PollFlags::IN)];
        let step = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if poll(&mut fds, Some(&step)).unwrap_or(0) == 0 {
            // A daemon may hold on to the terminal: the command's own end counts.
            if over() {
                said.push_str(&text);
                return Ok((said, true));
            }
            continue;
        }
        match terminal.read(&mut buffer) {
            // EIO: nobody has the other side open any more.
            Ok(0) | Err(_) => {
                said.push_str(&text);
                return Ok((said, true));
            }
            Ok(n) => pending.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let line = args.req("command")?;
    let limit = match args.given("timeout").cloned().unwrap_or_else(|| 30.into()) {
        Value::Null => None,
        value => match crate::args::text(&value).trim().parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => crate::fail!("argument 'timeout' can't be converted to int: {}", crate::args::text(&value)),
        },
    };
    if line.trim().is_empty() {
        return Err(Fail::new("no command given").with("rc", 256));
    }
    let mut events = Vec::new();
    if let Some(Value::Object(all)) = args.given("responses") {
        for (question, answer) in all {
            events.push(Event::new(question, answer)?);
        }
    }
    let base = args.path("chdir").unwrap_or_default();
    if args.path("chdir").is_some_and(|dir| !dir.is_dir()) {
        crate::fail!("chdir: no such directory: {}", base.display());
    }
    for (name, there) in [("creates", true), ("removes", false)] {
        if let Some(path) = args.path(name).filter(|p| base.join(p).exists() == there) {
            let what = if there { "exists" } else { "does not exist" };
            let stdout = format!("skipped, since {} {what}", path.display());
            return Ok(crate::out! {"cmd": line, "stdout": stdout, "changed": false, "rc": 0});
        }
    }
    let words = shlex::split(&line).ok_or_else(|| Fail::new(format!("a quote has no end: {line}")))?;
    let (start, clock_start) = (SystemTime::now(), Instant::now());
    let talk = converse(ctx, &words, &mut events, limit)?;
    let out = crate::out! {
        "cmd": line, "stdout": talk.said.trim_end_matches(['\r', '\n']), "rc": talk.rc,
        "start": clock::stamp(start), "end": clock::stamp(SystemTime::now()), "delta": clock::delta(clock_start.elapsed()),
        "changed": true,
    };
    match talk.rc {
        Some(0) => Ok(out),
        rc => {
            let why = if rc.is_some() { "non-zero return code" } else { "command exceeded timeout" };
            Err(Fail::new(why).with_all(out.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_earliest_question_counts() {
        let events = [Event::new("word", &json!("x")).unwrap(), Event::new("(?i)pass", &json!(["1", 2])).unwrap()];
        assert_eq!(earliest(&events, "PASSword: "), Some((1, 4)));
        assert_eq!(earliest(&events, "sword"), Some((0, 5)));
        assert_eq!(earliest(&events, "?"), None);
        assert!(Event::new("(", &json!("x")).is_err());
        assert!(matches!(&events[1].answers, Answers::Each(a) if a[1] == "2\n"));
    }

    #[test]
    fn what_needs_no_terminal() {
        let call = |args: Value| run(&Ctx::test("expect", args));
        assert_eq!(
            call(json!({"command": "x", "responses": {}, "creates": "/etc"})).unwrap()["stdout"],
            "skipped, since /etc exists"
        );
        assert_eq!(call(json!({"command": " ", "responses": {}})).unwrap_err().msg, "no command given");
        assert!(call(json!({"command": "/no/such", "responses": {}})).unwrap_err().msg.contains("was not found"));
        assert!(call(json!({"command": "x", "responses": {}, "timeout": "soon"})).is_err());
    }
}
