//! A command's output as lines for a person, and how the command ended.

use crate::communicator::{Exit, Output, Process, signal_number};
use crate::event::Reporter;
use crate::provision::ProvisionError;

/// A line longer than this is shown in pieces.
const LONGEST: usize = 64 << 10;

/// Cuts bytes into lines as Packer shows them: without blanks at the end, and of a line that was written over (`\r`) only
/// what was seen last.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Takes bytes; calls `line` for each whole line.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
            let whole: Vec<u8> = self.buffer.drain(..=end).collect();
            line(&clean(&whole));
        }
        if self.buffer.len() > LONGEST {
            let whole = std::mem::take(&mut self.buffer);
            line(&clean(&whole));
        }
    }

    /// The rest.
    pub(crate) fn finish(mut self, mut line: impl FnMut(&str)) {
        if !self.buffer.is_empty() {
            let whole = std::mem::take(&mut self.buffer);
            line(&clean(&whole));
        }
    }
}

fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    text.rsplit('\r').next().unwrap_or(text).to_owned()
}

/// How a remote command ended, as Packer counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this status; a death by signal is 128 + signal.
    Status(i64),
    /// The connection broke.
    Disconnected,
}

/// Shows a process's output as it comes, and waits for its end.
pub(crate) async fn show(process: Process, reporter: &Reporter) -> Result<Ended, ProvisionError> {
    let Process { stdin, mut output, exit, .. } = process;
    drop(stdin);
    let (mut out, mut err) = (Lines::default(), Lines::default());
    while let Some(piece) = output.recv().await {
        match piece {
            Output::Stdout(bytes) => out.push(&bytes, |line| reporter.message(line)),
            Output::Stderr(bytes) => err.push(&bytes, |line| reporter.error(line)),
        }
    }
    out.finish(|line| reporter.message(line));
    err.finish(|line| reporter.error(line));
    match exit.await {
        Ok(Ok(Exit::Status(status))) => Ok(Ended::Status(i64::from(status))),
        // A name that nobody knows counts 0, as in Go's client.
        Ok(Ok(Exit::Signal(name))) => Ok(Ended::Status(128 + i64::from(signal_number(&name).unwrap_or(0)))),
        Ok(Ok(Exit::Unknown)) | Err(_) => Ok(Ended::Disconnected),
        Ok(Err(e)) if e.is_disconnect() => Ok(Ended::Disconnected),
        Ok(Err(e)) => Err(ProvisionError::Connection(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_are_seen() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in ["one  \nt", "wo\r\n10%\r5", "0%\rdone\n\nrest"] {
            lines.push(piece.as_bytes(), |line| seen.push(line.to_owned()));
        }
        lines.finish(|line| seen.push(line.to_owned()));
        assert_eq!(seen, ["one", "two", "done", "", "rest"]);
    }
}
