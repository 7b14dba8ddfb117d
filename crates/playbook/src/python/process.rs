//! The helper process: one request and one answer a line, with questions of a lookup in between.

use super::wire;
use imgbuild_jinja::{Key, LookupContext, LookupError, Value, Warning};
use serde_json::{Value as Json, json};
use std::io::{BufRead as _, BufReader, Write as _};
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
    /// Starts the first Python of the search path. What plugins print goes where the program's own errors go.
    pub fn start(path: Option<&str>, dir: &std::path::Path) -> Result<Self, String> {
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
                    return Ok(Process { child, to, from: BufReader::new(from) });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => failure = format!("{name} could not be started: {error}"),
            }
        }
        Err(failure)
    }

    /// Sends a line and reads one.
    fn exchange(&mut self, message: &Json) -> Result<Json, String> {
        let mut line = message.to_string();
        line.push('\n');
        let mut answer = String::new();
        let io = self.to.write_all(line.as_bytes()).and_then(|()| self.to.flush());
        match io.and_then(|()| self.from.read_line(&mut answer)) {
            Ok(read) if read > 0 => serde_json::from_str(&answer).map_err(|e| format!("Python answered no JSON: {e}")),
            _ => {
                let status = self.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
                Err(format!("Python ended ({status}): its own messages stand above"))
            }
        }
    }

    /// A request that asks nothing back.
    pub fn request(&mut self, request: &Json) -> Result<Json, String> {
        let mut answer = self.exchange(request)?;
        match answer.get_mut("failed").map(Json::take) {
            Some(why) => Err(why.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer),
        }
    }

    /// A call of a plugin; what it wants to know on the way is answered from the place where it was written.
    pub fn call(&mut self, request: &Json, cx: &LookupContext<'_>) -> Result<Value, LookupError> {
        let mut answer = self.exchange(request).map_err(LookupError::Failed)?;
        loop {
            if let Some(value) = answer.get_mut("value") {
                return Ok(wire::unpack(value.take()));
            }
            if let Some(why) = answer.get("failed") {
                return Err(LookupError::Failed(why.as_str().unwrap_or_default().to_owned()));
            }
            let reply = reply(&answer, cx);
            answer = self.exchange(&reply).map_err(LookupError::Failed)?;
        }
    }
}

/// The answer to a question of the helper.
fn reply(question: &Json, cx: &LookupContext<'_>) -> Json {
    let failed = |why: String| json!({"error": why});
    if let Some(name) = question.get("variable") {
        return match cx.var(name.as_str().unwrap_or_default()) {
            Ok(Some(value)) => json!({"value": wire::pack(&value)}),
            Ok(None) => json!({}),
            Err(error) => failed(error.message.clone()),
        };
    }
    if question.get("variables").is_some() {
        return json!({"names": cx.vars().names()});
    }
    if let Some(value) = question.get("template") {
        let value = trusted(wire::unpack(value.clone()));
        return match cx.templar().template(&value, cx.vars()) {
            Ok(value) => json!({"value": wire::pack(&value)}),
            Err(error) => failed(error.message.clone()),
        };
    }
    if let Some(text) = question.get("warning") {
        let message = text.as_str().unwrap_or_default().to_owned();
        cx.templar().warn(Warning { message, span: cx.span().cloned(), deprecated: false });
        return json!({});
    }
    failed(format!("the question {question} is not known"))
}

/// A lookup that asks for a template means it.
fn trusted(value: Value) -> Value {
    match value {
        Value::Str(text) => Value::template(text.text, None),
        Value::List(items) => Value::list(items.iter().cloned().map(trusted).collect()),
        Value::Map(map) => Value::map(map.iter().map(|(k, v)| (Key::clone(k), trusted(v.clone()))).collect()),
        other => other,
    }
}
