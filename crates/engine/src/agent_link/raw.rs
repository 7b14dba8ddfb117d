//! Commands without an agent (`raw`).

use super::elevate::{self, Elevation};
use crate::communicator::{CommError, Command, Communicator, Exit, Output, Process, signal_number};
use crate::shell_quote::{quote, sh};
use imgbuild_playbook::target::{Become, RawOutcome};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// Runs `command`. As it stands where nothing else is asked for, so that hosts whose shell is no POSIX shell work; else by
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
            let done = crate::communicator::run(comm, Command::new(command), b"").await?;
            return Ok(outcome(&done.exit, done.stdout, done.stderr));
        }
        scripted(comm, command, become_, environment).await
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

async fn scripted(
    comm: &dyn Communicator,
    command: &str,
    become_: Option<&Become>,
    environment: &BTreeMap<String, String>,
) -> Result<RawOutcome, CommError> {
    let refused = |message: String| RawOutcome { refused: Some(message), rc: 1, ..RawOutcome::default() };
    let elevation = match become_.map(Elevation::new).transpose() {
        Ok(elevation) => elevation,
        Err(message) => return Ok(refused(message)),
    };
    let mut text = String::new();
    for (name, value) in environment {
        text.push_str(&format!("export {name}={}\n", quote(value)));
    }
    text.push_str(command);
    text.push('\n');
    let mark = format!("IMGBUILD-{}", super::token());
    // The mark on standard error says that the user has been reached and the text may come.
    let inner = format!("printf \"{mark}\\n\" >&2; c=$(head -c {}); eval \"$c\"", text.len());
    let line = match &elevation {
        Some(elevation) => sh(&elevation.wrap(&inner)),
        None => sh(&inner),
    };
    let Process { mut stdin, mut output, exit } = comm.start(Command::new(line)).await?;
    let password = become_.and_then(|b| b.password.as_ref()).map(|p| p.0.expose().as_str());
    let prompt = elevation.as_ref().and_then(|e| e.prompt);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut answered, mut sent) = (false, false);
    let mut pipe = Some(&mut stdin);
    while let Some(piece) = output.recv().await {
        match piece {
            Output::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
        }
        if sent {
            continue;
        }
        let said = String::from_utf8_lossy(&stderr).into_owned();
        if let Some(at) = said.find(&format!("{mark}\n")) {
            sent = true;
            // Prompts and greetings of sudo are not the command's.
            stderr = said.as_bytes()[at + mark.len() + 1..].to_vec();
            if let Some(pipe) = pipe.take() {
                let _ = pipe.write_all(text.as_bytes()).await;
                let _ = pipe.shutdown().await;
            }
        } else if prompt.is_some_and(|prompt| said.trim_end().ends_with(prompt)) {
            match (password, pipe.as_mut()) {
                (Some(password), Some(pipe)) if !answered => {
                    answered = true;
                    stderr.clear();
                    let _ = pipe.write_all(format!("{password}\n").as_bytes()).await;
                    let _ = pipe.flush().await;
                }
                _ => {
                    let which = if password.is_some() { "Incorrect" } else { "Missing" };
                    return Ok(refused(format!("{which} become password")));
                }
            }
        }
    }
    let exit = exit.await.map_err(|_| CommError::Disconnected("the process's channel was dropped".into()))??;
    if !sent {
        let said = String::from_utf8_lossy(&stderr).into_owned();
        if let Some(message) = elevate::refusal(&said, password.is_some()) {
            return Ok(refused(message));
        }
    }
    Ok(outcome(&exit, stdout, stderr))
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
