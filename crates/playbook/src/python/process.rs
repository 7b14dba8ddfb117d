//! The helper process: one request and one answer a line, with questions in between.

use super::answers;
use super::wire;
use crate::settings::Settings;
use imgbuild_jinja::{LookupContext, LookupError, Value};
use serde_json::{Value as Json, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const HELPER: &str = include_str!("helper.py");

/// Why no plugin can be used.
pub const MISSING: &str = "this machine has no python3 to run it with";

/// A Python that waits for requests. It ends when its input does.
pub struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the first Python of the search path. What plugins print goes where the program's own errors go. `collections`:
    /// folders named `ansible_collections`.
    pub fn start(path: Option<&str>, dir: &std::path::Path, collections: &[PathBuf]) -> Result<Self, String> {
        let mut failure = String::from(MISSING);
        for name in ["python3", "python"] {
            let mut command = Command::new(name);
            command.args(["-c", HELPER]).current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1");
            if let Some(path) = path {
                command.env("PATH", path);
            }
            match command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn() {
                Ok(mut child) => {
                    let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
                        return Err("Python's pipes could not be made".into());
                    };
                    let mut process = Process { child, to, from: BufReader::new(from) };
                    let told = json!({"modules": super::library::for_controller(), "collections": collections});
                    process.tell(&told).map_err(|e| format!("Python could not be told what it needs: {e}"))?;
                    return Ok(process);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => failure = format!("{name} could not be started: {error}"),
            }
        }
        Err(failure)
    }

    fn tell(&mut self, message: &Json) -> std::io::Result<()> {
        let mut line = message.to_string();
        line.push('\n');
        self.to.write_all(line.as_bytes()).and_then(|()| self.to.flush())
    }

    /// Sends a line and reads one.
    pub fn exchange(&mut self, message: &Json) -> Result<Json, String> {
        let mut answer = String::new();
        match self.tell(message).and_then(|()| self.from.read_line(&mut answer)) {
            Ok(read) if read > 0 => serde_json::from_str(&answer).map_err(|e| format!("Python answered no JSON: {e}")),
            _ => {
                let status = self.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
                Err(format!("Python ended ({status}): its own messages stand above"))
            }
        }
    }

    /// A request that asks nothing back but what needs no place.
    pub fn request(&mut self, request: &Json) -> Result<Json, String> {
        let mut answer = self.exchange(request)?;
        match answer.get_mut("failed").map(Json::take) {
            Some(why) => Err(why.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer),
        }
    }

    /// A call of a plugin; what it wants to know on the way is answered from the place where it was written.
    pub fn call(&mut self, request: &Json, settings: &Settings, cx: &LookupContext<'_>) -> Result<Value, LookupError> {
        let mut answer = self.exchange(request).map_err(LookupError::Failed)?;
        loop {
            match finished(&mut answer) {
                Some(result) => return result.map_err(LookupError::Failed),
                None => {
                    let reply = answers::reply(&answer, settings, cx);
                    answer = self.exchange(&reply).map_err(LookupError::Failed)?;
                }
            }
        }
    }
}

/// What a plugin gave, if this is no question.
pub fn finished(answer: &mut Json) -> Option<Result<Value, String>> {
    if let Some(value) = answer.get_mut("value") {
        return Some(Ok(wire::unpack(value.take())));
    }
    answer.get("failed").map(|why| Err(why.as_str().unwrap_or_default().to_owned()))
}
