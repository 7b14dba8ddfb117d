//! Commands without an agent (`raw`).

use super::elevate::{self, Elevation};
use crate::communicator::{CommError, Command, Communicator, Exit, Output, Process, signal_number};
use crate::shell_quote::{quote, sh};
use imgbuild_playbook::target::{Become, RawOutcome};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// Runs `command`; [`CommError::Unreachable`] means that nothing of it has. As it stands where nothing else is asked for, so that hosts whose shell is no POSIX shell work; else by
/// `/bin/sh`, which reads it from standard input: environment values may be secrets and must not be on a command line.
pub(crate) async fn run(
    comm: &dyn Communicator,
    command: &str,
    become_: Option<&Become>,
    environment: &BTreeMap<String, String>,
    timeout: Option<u64>,
) -> Result<RawOutcome, CommError> {
    let work = async {
        if become_.is_none() && environment.is_empty() {
            let done = crate::communicator::finish(start(comm, Command::new(command)).await?, b"").await?;
            return Ok(outcome(&done.exit, done.stdout, done.stderr));
        }
        let elevation = match become_.map(Elevation::new).transpose() {
            Ok(elevation) => elevation,
            Err(message) => return Ok(refused(message)),
        };
        let pty = elevation.as_ref().is_some_and(|e| e.pty);
        match scripted(comm, command, become_, elevation.as_ref(), environment, pty).await? {
            Some(done) => Ok(done),
            None => {
                let again = scripted(comm, command, become_, elevation.as_ref(), environment, true).await?;
                Ok(again.unwrap_or_else(|| refused("the become method wants a terminal and did not take ours".into())))
            }
        }
    };
    match timeout {
        None | Some(0) => work.await,
        Some(seconds) => match tokio::time::timeout(Duration::from_secs(seconds), work).await {
            Ok(done) => done,
            Err(_) => Ok(RawOutcome {
                refused: None,
                rc: 124,
                stdout: Vec::new(),
                stderr: format!("Timeout: the command took longer than {seconds} s").into_bytes(),
            }),
        },
    }
}

/// Starts a process. A connection that turns out to be lost before anything was asked of the host counts as one that could not be
/// made, so that whoever calls may make another: nothing has begun.
async fn start(comm: &dyn Communicator, command: Command) -> Result<Process, CommError> {
    comm.start(command).await.map_err(|error| match error {
        CommError::Disconnected(why) => CommError::Unreachable(format!("the connection was lost: {why}")),
        other => other,
    })
}

fn refused(message: String) -> RawOutcome {
    RawOutcome { refused: Some(message), rc: 1, ..RawOutcome::default() }
}

/// `None`: the become method wants a terminal.
async fn scripted(
    comm: &dyn Communicator,
    command: &str,
    become_: Option<&Become>,
    elevation: Option<&Elevation>,
    environment: &BTreeMap<String, String>,
    pty: bool,
) -> Result<Option<RawOutcome>, CommError> {
    let mut text = String::new();
    for (name, value) in environment {
        text.push_str(&format!("export {name}={}\n", quote(value)));
    }
    text.push_str(command);
    let (process, first) = match reach(comm, &text, become_, elevation, pty).await? {
        Reached::User(process, first) => (process, first),
        Reached::Refused(message) => return Ok(Some(refused(message))),
        Reached::WantsTerminal => return Ok(None),
        Reached::Ended(outcome) => return Ok(Some(outcome)),
    };
    let Process { mut stdin, mut output, exit, .. } = process;
    // A terminal has no end of input; the channel's end would hang it up.
    if !pty {
        let _ = stdin.shutdown().await;
        drop(stdin);
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut take = |piece: Output| match piece {
        Output::Stdout(bytes) => stdout.extend_from_slice(&bytes),
        Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
    };
    first.into_iter().for_each(&mut take);
    while let Some(piece) = output.recv().await {
        take(piece);
    }
    let exit = exit.await.map_err(|_| CommError::Disconnected("the process's channel was dropped".into()))??;
    Ok(Some(outcome(&exit, stdout, stderr)))
}

/// Starts `command` as another user, or as the one that connects, with its standard input open. The error of the result: why
/// the user could not be become. What wants a terminal is refused: bytes must pass as they are.
pub(crate) async fn open(
    comm: &dyn Communicator,
    command: &str,
    become_: Option<&Become>,
) -> Result<Result<(Process, Vec<Output>), String>, CommError> {
    if become_.is_none() {
        return Ok(Ok((comm.start(Command::new(command)).await?, Vec::new())));
    }
    let elevation = match become_.map(Elevation::new).transpose() {
        Ok(elevation) => elevation,
        Err(message) => return Ok(Err(message)),
    };
    Ok(match reach(comm, command, become_, elevation.as_ref(), false).await? {
        Reached::User(process, first) => Ok((process, first)),
        Reached::Refused(message) => Err(message),
        Reached::WantsTerminal => Err("the become method wants a terminal, through which no files can go".into()),
        Reached::Ended(outcome) => Err(String::from_utf8_lossy(&outcome.stderr).trim().to_owned()),
    })
}

/// What came of handing a text to a shell.
enum Reached {
    /// The user's shell has the text. The process, and what it has said since.
    User(Process, Vec<Output>),
    /// The user can't be become.
    Refused(String),
    /// The become method wants a terminal.
    WantsTerminal,
    /// The shell ended before it asked.
    Ended(RawOutcome),
}

/// Has `text` read by a shell of that user.
async fn reach(
    comm: &dyn Communicator,
    text: &str,
    become_: Option<&Become>,
    elevation: Option<&Elevation>,
    pty: bool,
) -> Result<Reached, CommError> {
    let text = format!("{text}\n");
    let mark = format!("IMGBUILD-{}\n", super::token());
    // The mark says that the user has been reached and the text may come. It comes on both outputs: what is before it, questions of
    // sudo and greetings of login shells, is not the command's.
    let both = if pty { "" } else { "printf \"$m\\n\"; " };
    let inner = format!("m={}; {both}printf \"$m\\n\" >&2; c=$(head -c {}); eval \"$c\"", mark.trim_end(), text.len());
    let line = match elevation {
        Some(elevation) => elevation.wrap(&inner),
        None => inner,
    };
    // A terminal must neither echo what we send nor change it.
    let line = sh(&if pty { format!("stty raw -echo 2>/dev/null; {line}") } else { line });
    let Process { mut stdin, mut output, exit, reached } = start(comm, Command { line, pty }).await?;
    let password = become_.and_then(|b| b.password.as_ref()).map(|p| p.0.expose().as_str());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut answered = false;
    // Until the user has been reached.
    let patience = become_.and_then(|b| b.wait).map_or(super::bootstrap::PATIENCE, Duration::from_secs);
    let by = tokio::time::Instant::now() + patience;
    loop {
        let late = |_| CommError::Remote(elevate::TIMED_OUT.to_owned());
        let Some(piece) = tokio::time::timeout_at(by, output.recv()).await.map_err(late)? else { break };
        match piece {
            Output::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
        }
        // On a terminal both are one.
        let said = String::from_utf8_lossy(if pty { &stdout } else { &stderr }).into_owned();
        let after = |said: &[u8]| {
            let at = said.windows(mark.len()).position(|window| window == mark.as_bytes());
            at.map(|at| at + mark.len())
        };
        let (on_out, on_err) = (after(&stdout), after(&stderr));
        if on_out.is_some() && (pty || on_err.is_some()) {
            stdout.drain(..on_out.unwrap_or_default());
            stderr.drain(..on_err.unwrap_or_default());
            let _ = stdin.write_all(text.as_bytes()).await;
            let _ = stdin.flush().await;
            let first = vec![Output::Stdout(stdout.into()), Output::Stderr(stderr.into())];
            return Ok(Reached::User(Process { stdin, output, exit, reached }, first));
        }
        if let Some(elevation) = elevation
            && elevation.asks(&said)
        {
            match password {
                Some(password) if !answered => {
                    answered = true;
                    if pty {
                        stdout.clear()
                    } else {
                        stderr.clear()
                    }
                    let _ = stdin.write_all(format!("{password}\n").as_bytes()).await;
                    let _ = stdin.flush().await;
                }
                _ => return Ok(Reached::Refused(elevation.unanswered(password.is_some()))),
            }
        }
    }
    let exit = exit.await.map_err(|_| CommError::Disconnected("the process's channel was dropped".into()))??;
    if let Some(elevation) = elevation {
        let said = String::from_utf8_lossy(if pty { &stdout } else { &stderr }).into_owned();
        if elevate::wants_tty(&said) && !pty {
            return Ok(Reached::WantsTerminal);
        }
        if let Some(message) = elevation.refusal(&said, password.is_some()) {
            return Ok(Reached::Refused(message));
        }
    }
    Ok(Reached::Ended(outcome(&exit, stdout, stderr)))
}

fn outcome(exit: &Exit, stdout: Vec<u8>, stderr: Vec<u8>) -> RawOutcome {
    let rc = match exit {
        Exit::Status(status) => i32::try_from(*status).unwrap_or(255),
        Exit::Signal(name) => 128 + signal_number(name).unwrap_or(127),
        Exit::Unknown => 255,
    };
    RawOutcome { refused: None, rc, stdout, stderr }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::LocalCommunicator;

    #[tokio::test]
    async fn environment_and_status() {
        let comm = LocalCommunicator::new("/");
        let env = BTreeMap::from([("SECRET".to_owned(), "it's $me".to_owned())]);
        let done = run(&comm, "printf %s \"$SECRET\"; echo e >&2; exit 4", None, &env, None).await.unwrap();
        assert_eq!(done, RawOutcome { refused: None, rc: 4, stdout: b"it's $me".to_vec(), stderr: b"e\n".to_vec() });
        let plain = run(&comm, "kill -TERM $$", None, &BTreeMap::new(), None).await.unwrap();
        assert_eq!(plain.rc, 143);
        let late = run(&comm, "sleep 30", None, &env, Some(1)).await.unwrap();
        assert_eq!(late.rc, 124);
    }
}
