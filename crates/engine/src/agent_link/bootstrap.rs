//! From a communicator to a running agent in one channel:
//!
//! ```text
//! we:    exec a script (below)
//! host:  IMGBUILD-<nonce> <machine> <gz|plain> <need|have>      the script found a place where programs may run
//! we:    <bytes> <gz|plain>\n and that many bytes               only if it needs the agent
//! host:  password prompt on standard error                      only if become asks for one; we answer on standard input
//! host:  IMGBUILD-<nonce> here                                  only then: the agent is in its place
//! host:  IMGBUILD-<nonce> <go|far>                              by the agent's user; from here on frames
//! ```
//!
//! `far`: that user can't get at the place, for it is in a home directory that is closed to others; then the script runs once more,
//! all of it as that user.
//!
//! We send nothing before the host has asked for it, so a helper that reads ahead (`head`, `sudo`) can't swallow anything.
//! No secret is on a command line. Each agent of a link runs by a name of its own, `agent-<pid>`, a hard link to the one file: the
//! script stays behind the agent and removes that name when the agent ends, also when it is killed, and who comes last removes
//! the directory. So an agent that is ended takes nothing from the others, and one that is started later finds the file there.
//! The agent itself ends when its input does, so nothing outlives a controller that dies.

use super::binaries::{self, AgentBinaries};
use super::elevate::{self, Elevation};
use crate::communicator::{CommError, Command, Communicator, Exit, Output, Process, Reached};
use crate::shell_quote::sh;
use imgbuild_playbook::target::Become;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};

/// A started agent has to say hello within this time after its bytes have arrived.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running agent's pipes.
pub(crate) struct Started {
    pub stdin: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
    pub output: mpsc::Receiver<Output>,
    pub exit: oneshot::Receiver<Result<Exit, CommError>>,
    /// Bytes that came after the mark.
    pub first: Vec<u8>,
    /// Bytes that were written to its standard input, and how many of all may have come there.
    pub written: u64,
    pub reached: Reached,
}

/// Why an agent could not be started.
#[derive(Debug)]
pub(crate) enum NoAgent {
    /// The host can't be reached, or no agent runs on it.
    Comm(CommError),
    /// Becoming the user was refused: the task's failure, in Ansible's words.
    Become(String),
}

impl From<CommError> for NoAgent {
    fn from(error: CommError) -> Self {
        NoAgent::Comm(error)
    }
}

/// Starts an agent as the connecting user or, with `become_`, as another. `place` names the directory's unpredictable part,
/// the same for all agents of a link; its lock is held while one looks for it or fills it, so that others find it full.
pub(crate) async fn start(
    comm: &dyn Communicator,
    agents: &AgentBinaries,
    become_: Option<&Become>,
    place: &Place,
) -> Result<Started, NoAgent> {
    let elevation = become_.map(Elevation::new).transpose().map_err(NoAgent::Become)?;
    let mut way = Way { pty: elevation.as_ref().is_some_and(|e| e.pty), far: false };
    loop {
        match attempt(comm, agents, become_, elevation.as_ref(), place, way).await {
            Ok(started) => return Ok(started),
            Err(Trouble::No(why)) => return Err(why),
            Err(Trouble::WantsTty) if !way.pty => way.pty = true,
            Err(Trouble::WantsTty) => {
                return Err(NoAgent::Become("the become method wants a terminal and did not take ours".into()));
            }
            Err(Trouble::Far) => way.far = true,
        }
    }
}

/// Where the agents of a link are.
pub(crate) struct Place {
    /// The directory's unpredictable part.
    name: String,
    filling: tokio::sync::Mutex<()>,
}

impl Place {
    pub(crate) fn new(name: String) -> Self {
        Place { name, filling: tokio::sync::Mutex::default() }
    }
}

/// How it is tried.
#[derive(Clone, Copy)]
struct Way {
    /// With a terminal.
    pty: bool,
    /// The other user looks for a place of their own: they can't get at the connecting user's.
    far: bool,
}

enum Trouble {
    WantsTty,
    Far,
    No(NoAgent),
}

impl From<CommError> for Trouble {
    fn from(error: CommError) -> Self {
        Trouble::No(NoAgent::Comm(error))
    }
}

async fn attempt(
    comm: &dyn Communicator,
    agents: &AgentBinaries,
    become_: Option<&Become>,
    elevation: Option<&Elevation>,
    place: &Place,
    Way { pty, far }: Way,
) -> Result<Started, Trouble> {
    let nonce = super::token();
    let mark = format!("IMGBUILD-{nonce}");
    // A terminal would turn bytes of frames into others and echo them.
    let raw = if pty { "stty raw -echo 2>/dev/null; " } else { "" };
    let line = match elevation {
        Some(elevation) if far => elevation.wrap(&script(&mark, &place.name, None, agents.room())),
        _ => script(&mark, &place.name, elevation, agents.room()),
    };
    let line = sh(&format!("{raw}{line}"));
    let filling = place.filling.lock().await;
    let Process { stdin, output, exit, reached } = comm.start(Command { line, pty }).await?;
    let password = become_.and_then(|b| b.password.as_ref()).map(|p| p.0.expose().as_str());
    let mut talk = Talk { stdin, output, exit, seen: Vec::new(), errors: Vec::new(), written: 0, pty };
    let work = async {
        let question = || elevation.map(|of| Question { of, answer: password });
        let hello = talk.line_after(&mark, if far { question() } else { None }).await?;
        let words: Vec<&str> = hello.split_ascii_whitespace().collect();
        let [machine, packing, state] = words.as_slice() else {
            return Err(CommError::Remote(if hello.trim() == "no-place" {
                "no directory of the host takes a program: /tmp, /var/tmp, /dev/shm, /run and the home directory are read-only, full or mounted noexec".into()
            } else {
                format!("the host's shell gave an answer that can't be read: {hello:?}")
            })
            .into());
        };
        if *state == "need" {
            let packed = agents.for_machine(machine)?;
            let plain;
            let (bytes, packing) = match *packing {
                "gz" => (packed, "gz"),
                _ => {
                    plain = binaries::unpack(packed)?;
                    (plain.as_slice(), "plain")
                }
            };
            talk.send(format!("{} {packing}\n", bytes.len()).as_bytes()).await?;
            talk.send(bytes).await?;
            talk.line_after(&mark, None).await?;
        }
        drop(filling);
        let last = talk.line_after(&mark, if far { None } else { question() }).await?;
        if last.trim() == "far" { Err(Trouble::Far) } else { Ok::<(), Trouble>(()) }
    };
    let patience = become_.and_then(|b| b.wait).map_or(PATIENCE, Duration::from_secs);
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(())) => {}
        Ok(Err(trouble)) => return Err(talk.why(trouble, elevation, password.is_some(), pty).await),
        Err(_) => {
            let said = String::from_utf8_lossy(if pty { &talk.seen } else { &talk.errors }).trim().to_owned();
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let what = if become_.is_some() {
                elevate::TIMED_OUT.to_owned()
            } else {
                format!("the agent did not start within {} s", patience.as_secs())
            };
            return Err(CommError::Remote(format!("{what}{said}")).into());
        }
    }
    let Talk { stdin, output, exit, seen, written, .. } = talk;
    Ok(Started { stdin, output, exit, first: seen, written, reached })
}

/// The script. One line: see [`sh`]. `room`: the KiB that the agent takes; a place that is too full is passed over.
fn script(mark: &str, place: &str, elevation: Option<&Elevation>, room: u64) -> String {
    let inner = format!("printf \"{mark} go\\n\"; exec @F@ --remove-self @F@");
    let command = match elevation {
        None => sh(&inner),
        Some(elevation) => elevation.wrap(&format!("[ -x @F@ ] || {{ printf \"{mark} far\\n\"; exit 1; }}; {inner}")),
    };
    // However deep `inner` is quoted, at this level it stands in single quotes: they are closed and opened again round the
    // path, which holds nothing that any of the shells would take for more than text (see `case`).
    let run = command.replace("@F@", "'\"$f\"'");
    format!(
        "u=$(umask); umask 077; d=; \
         for b in /tmp /var/tmp /dev/shm /run \"$HOME\"; do \
         t=\"$b/.imgbuild-{place}\"; \
         case \"$t\" in *[!A-Za-z0-9/._-]*) continue;; esac; \
         for e in \"$t\"/agent-*; do if [ -x \"$e\" ] && [ -O \"$t\" ] && \
         {{ printf \"\" > \"$t/new-$$\"; }} 2>/dev/null; then d=$t; break 2; fi; done; \
         mkdir \"$t\" 2>/dev/null || continue; \
         printf \"#!/bin/sh\\n\" > \"$t/x\" && chmod 700 \"$t/x\" && \"$t/x\" 2>/dev/null && d=$t; \
         set -- $(df -Pk \"$t\" 2>/dev/null | tail -n 1); \
         case \"$4\" in \"\"|*[!0-9]*) ;; *) [ \"$4\" -ge {room} ] || d=;; esac; \
         rm -f \"$t/x\"; [ -n \"$d\" ] && break; rmdir \"$t\"; done; \
         if [ -z \"$d\" ]; then printf \"{mark} no-place\\n\"; exit 1; fi; \
         f=$d/agent-$$; n=$d/new-$$; \
         l=\"ls $d/agent-*\"; m=\"ls $d/new-*\"; \
         trap \"trap \\\"\\\" HUP TERM INT; rm -f $f $n; rmdir $d 2>/dev/null || {{ $l || $m; }} >/dev/null 2>&1 || rm -rf $d\" EXIT; trap \"exit 1\" HUP TERM INT; \
         z=plain; command -v gzip >/dev/null 2>&1 && z=gz; \
         for e in $d/agent-*; do [ -x \"$e\" ] && {{ ln \"$e\" $f 2>/dev/null || cp -p \"$e\" $f; }} && break; done; \
         if [ -x $f ]; then rm -f $n; printf \"{mark} %s %s have\\n\" \"$(uname -m)\" $z; else \
         printf \"{mark} %s %s need\\n\" \"$(uname -m)\" $z; read -r l z || exit 1; \
         if [ \"$z\" = gz ]; then head -c \"$l\" | gzip -dc > $n; else head -c \"$l\" > $n; fi || exit 1; \
         chmod 755 $n && mv $n $f && chmod 711 $d || exit 1; printf \"{mark} here\\n\"; fi; \
         umask \"$u\"; {run}"
    )
}

/// The conversation before frames begin.
struct Talk {
    stdin: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
    output: mpsc::Receiver<Output>,
    exit: oneshot::Receiver<Result<Exit, CommError>>,
    seen: Vec<u8>,
    errors: Vec<u8>,
    written: u64,
    pty: bool,
}

/// A question that may come while we wait.
struct Question<'a> {
    of: &'a Elevation,
    answer: Option<&'a str>,
}

impl Talk {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.written += bytes.len() as u64;
        let sent = async {
            self.stdin.write_all(bytes).await?;
            self.stdin.flush().await
        };
        sent.await.map_err(|e| CommError::Disconnected(format!("the agent can't be sent: {e}")).into())
    }

    /// What follows the mark on its line. Anything before it is noise of a login shell or a prompt.
    async fn line_after(&mut self, mark: &str, question: Option<Question<'_>>) -> Result<String, Trouble> {
        let mut answered = false;
        loop {
            if let Some(line) = take_line(&mut self.seen, mark) {
                return Ok(line);
            }
            if let Some(Question { of, answer }) = &question {
                let text = if self.pty { &self.seen } else { &self.errors };
                let text = String::from_utf8_lossy(text).into_owned();
                let asked = of.asks(&text);
                match answer {
                    Some(answer) if asked && !answered => {
                        answered = true;
                        // What was said up to here must not be taken for a second question.
                        if self.pty {
                            self.seen.clear()
                        } else {
                            self.errors.clear()
                        }
                        self.send(format!("{answer}\n").as_bytes()).await?;
                    }
                    Some(_) if asked => return Err(refused(&of.unanswered(true))),
                    None if asked => return Err(refused(&of.unanswered(false))),
                    _ => {}
                }
            }
            match self.output.recv().await {
                Some(Output::Stdout(bytes)) => self.seen.extend_from_slice(&bytes),
                Some(Output::Stderr(bytes)) => self.errors.extend_from_slice(&bytes),
                None => return Err(Trouble::No(NoAgent::Comm(CommError::Remote(String::new())))),
            }
        }
    }

    /// The reason behind a conversation that broke off, from what the far side said.
    async fn why(mut self, trouble: Trouble, elevation: Option<&Elevation>, password: bool, pty: bool) -> Trouble {
        let Trouble::No(NoAgent::Comm(error)) = trouble else { return trouble };
        drop(self.stdin);
        while let Some(piece) = self.output.recv().await {
            match piece {
                Output::Stdout(bytes) => self.seen.extend_from_slice(&bytes),
                Output::Stderr(bytes) => self.errors.extend_from_slice(&bytes),
            }
        }
        let exit = self.exit.await.unwrap_or_else(|_| Err(CommError::Disconnected("the channel was dropped".into())));
        let said = if pty { [self.seen, self.errors].concat() } else { self.errors };
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if let Some(elevation) = elevation {
            if elevate::wants_tty(&said) && !pty {
                return Trouble::WantsTty;
            }
            if let Some(message) = elevation.refusal(&said, password) {
                return refused(&message);
            }
        }
        match (error, exit) {
            (CommError::Remote(text), _) if !text.is_empty() => CommError::Remote(text).into(),
            (CommError::Local(text), _) => CommError::Local(text).into(),
            (_, Err(e)) => e.into(),
            (_, Ok(exit)) => {
                let said = if said.is_empty() { format!("{exit:?}") } else { said };
                CommError::Remote(format!("the agent did not start: {said}")).into()
            }
        }
    }
}

fn refused(message: &str) -> Trouble {
    Trouble::No(NoAgent::Become(message.to_owned()))
}

/// Takes a whole marked line and all before it out of `seen`.
fn take_line(seen: &mut Vec<u8>, mark: &str) -> Option<String> {
    let at = seen.windows(mark.len()).position(|window| window == mark.as_bytes())?;
    let end = at + seen[at..].iter().position(|byte| *byte == b'\n')?;
    let line = String::from_utf8_lossy(&seen[at + mark.len()..end]).trim().to_owned();
    seen.drain(..=end);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_lines_are_taken_with_what_is_before_them() {
        let mut seen = b"Welcome!\nIMGBUILD-1 x86_64 gz need\nrest".to_vec();
        assert_eq!(take_line(&mut seen, "IMGBUILD-1").as_deref(), Some("x86_64 gz need"));
        assert_eq!(seen, b"rest");
        let mut half = b"IMGBUILD-1 x86".to_vec();
        assert_eq!(take_line(&mut half, "IMGBUILD-1"), None);
        assert_eq!(half, b"IMGBUILD-1 x86");
    }
}
