//! Results of tasks and items.

use imgbuild_diag::{Position, Span};
use imgbuild_jinja::{Key, Map, TemplateError, Value};
use serde_json::Map as Json;
use std::fmt::Write as _;
use std::sync::Arc;

/// A result: what modules answer, what `register` keeps.
pub type Res = Map;

/// A field by name.
pub fn get<'a>(res: &'a Res, key: &str) -> Option<&'a Value> {
    res.get(&Key::from(key))
}

/// Sets a field.
pub fn set(res: &mut Res, key: &str, value: impl Into<Value>) {
    res.insert(Key::from(key), value.into());
}

/// Whether a field is there and true.
pub fn flag(res: &Res, key: &str) -> bool {
    get(res, key).is_some_and(Value::is_true)
}

/// A module's answer as a result: its strings are data.
pub fn from_json(json: Json<String, serde_json::Value>) -> Res {
    json.into_iter().map(|(k, v)| (Key::from(k), Value::from_json(v, false))).collect()
}

/// One step of what went wrong, outermost first: what, and where in the user's file.
#[derive(Debug, Clone)]
pub struct Cause {
    /// What.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// What to do.
    pub help: Vec<String>,
}

/// Why a task could not be done.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Outermost first.
    pub causes: Vec<Cause>,
    /// More fields of the result.
    pub fields: Res,
}

impl Failure {
    /// One cause.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { causes: vec![Cause { message: message.into(), span: None, help: Vec::new() }], fields: Res::new() }
    }

    /// Puts a cause before those that are there.
    pub fn because(mut self, message: impl Into<String>, span: Option<&Span>) -> Self {
        self.causes.insert(0, Cause { message: message.into(), span: span.cloned(), help: Vec::new() });
        self
    }

    /// Sets the place of the innermost cause, unless it has one.
    pub fn at(mut self, span: Option<&Span>) -> Self {
        if let Some(last) = self.causes.last_mut().filter(|c| c.span.is_none()) {
            last.span = span.cloned();
        }
        self
    }

    /// Adds a field to the result.
    pub fn field(mut self, key: &str, value: impl Into<Value>) -> Self {
        set(&mut self.fields, key, value);
        self
    }

    /// The whole message in one line.
    pub fn message(&self) -> String {
        let mut out = String::new();
        for cause in self.causes.iter().filter(|c| !c.message.is_empty()) {
            if !out.is_empty() {
                out.push_str(": ");
            }
            out.push_str(cause.message.trim_end_matches(['.', ':']));
        }
        match self.causes.last() {
            Some(last) if last.message.ends_with('.') => out + ".",
            _ => out,
        }
    }

    /// The result that the failure stands for; `task` is the task's place.
    pub fn into_result(self, task: &Span) -> Res {
        let mut res = self.fields.clone();
        set(&mut res, "failed", true);
        let whole = self.message();
        let exception = explain(&whole, &self.causes, task);
        set(&mut res, "msg", whole);
        set(&mut res, "exception", exception);
        res
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        let help = error.similar.iter().take(1).map(|s| format!("did you mean {s:?}?"));
        let frames = error.frames.iter().map(|f| format!("while rendering the variable {:?}", f.name));
        Failure {
            causes: vec![Cause {
                message: error.message.clone(),
                span: error.span.clone(),
                help: frames.chain(help).collect(),
            }],
            fields: Res::new(),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::new(message)
    }
}

/// What Ansible shows after `[ERROR]: `: the message, then each cause with its place and lines of the file.
pub fn explain(whole: &str, causes: &[Cause], task: &Span) -> String {
    let mut out = format!("{whole}\n");
    let same = |a: &Span, b: &Span| Arc::ptr_eq(a.source(), b.source()) && a.range().start == b.range().start;
    let mut placed: Vec<(String, &Span, &[String])> = Vec::new();
    for (i, cause) in causes.iter().enumerate() {
        let span = cause.span.as_ref().or(if i == 0 { Some(task) } else { None });
        match (placed.last_mut(), span) {
            // Causes at one place are one sentence.
            (Some(last), Some(span)) if same(last.1, span) => {
                last.0 = format!("{}: {}", last.0, cause.message);
                last.2 = &cause.help;
            }
            (Some(last), None) => {
                last.0 = format!("{}: {}", last.0, cause.message);
                last.2 = &cause.help;
            }
            (_, Some(span)) => placed.push((cause.message.clone(), span, &cause.help)),
            (None, None) => {}
        }
    }
    if let [(_, span, help)] = &placed[..] {
        origin(&mut out, span);
        help.iter().for_each(|h| _ = write!(out, "\n{h}\n"));
        return out;
    }
    for (i, (message, span, help)) in placed.iter().enumerate() {
        if i > 0 {
            out.push_str("\n<<< caused by >>>\n");
        }
        let end = if i + 1 < placed.len() && !message.ends_with('.') { "." } else { "" };
        _ = write!(out, "\n{message}{end}\n");
        origin(&mut out, span);
        help.iter().for_each(|h| _ = write!(out, "\n{h}\n"));
    }
    out
}

/// The warning of a template whose undefined parts are told instead of their values.
pub fn template_errors(messages: &[String], span: Option<&Span>) -> String {
    let many = if messages.len() == 1 { "" } else { "s" };
    let mut out = format!("Encountered {} template error{many}.\n", messages.len());
    for (i, message) in messages.iter().enumerate() {
        _ = writeln!(out, "error {} - {message}", i + 1);
        if let Some(span) = span {
            origin(&mut out, span);
        }
    }
    out
}

/// As [`origin`], alone.
pub fn origin_of(span: &Span) -> String {
    let mut out = String::new();
    origin(&mut out, span);
    out
}

/// `Origin: file:line:column` and the lines around it.
fn origin(out: &mut String, span: &Span) {
    let Position { line, column } = span.position();
    _ = writeln!(out, "Origin: {}:{line}:{column}\n", span.source().name());
    let width = line.to_string().len();
    for number in line.saturating_sub(2).max(1)..=line {
        let text: String = span.source().line(number).chars().take(160).collect();
        let text = format!("{number:>width$} {text}");
        _ = writeln!(out, "{}", text.trim_end());
    }
    _ = writeln!(out, "{:1$}^ column {column}", "", width + column as usize);
}

/// A value as a result.
pub fn as_map(value: &Value) -> Res {
    match value {
        Value::Map(map) => Map::clone(map),
        _ => Map::new(),
    }
}

/// A result as a value.
pub fn value(res: &Res) -> Value {
    Value::Map(Arc::new(res.clone()))
}

/// What `register` keeps: no internal fields, no invocation.
pub fn registered(res: &Res) -> Value {
    fn clean(value: &Value) -> Value {
        match value {
            Value::Map(map) => Value::map(
                map.iter()
                    .filter(|(k, _)| !internal(&k.to_string()))
                    .map(|(k, v)| (k.clone(), if k.to_string() == "results" { clean(v) } else { v.clone() }))
                    .collect(),
            ),
            Value::List(items) => Value::list(items.iter().map(clean).collect()),
            other => other.clone(),
        }
    }
    let mut map = as_map(&clean(&value(res)));
    map.shift_remove(&Key::from("invocation"));
    Value::map(map)
}

fn internal(key: &str) -> bool {
    key.starts_with("_ansible_")
}

/// A result whose fields nobody may see.
pub fn censor(res: &Res) -> Res {
    const KEEP: [&str; 10] = [
        "attempts",
        "changed",
        "retries",
        "unreachable",
        "failed",
        "skipped",
        "deprecations",
        "warnings",
        "ansible_loop_var",
        "ansible_index_var",
    ];
    let mut out: Res = res
        .iter()
        .filter(|(k, _)| KEEP.contains(&k.to_string().as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    set(
        &mut out,
        "censored",
        "the output has been hidden due to the fact that 'no_log: true' was specified for this result",
    );
    set(&mut out, "_ansible_no_log", true);
    out
}

/// The message of a condition that can't be evaluated, in Ansible's words.
pub fn condition_message(message: &str) -> String {
    const WORDS: &str = "Error while evaluating conditional";
    if message.starts_with(WORDS) { message.to_owned() } else { format!("{WORDS}: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Source;

    #[test]
    fn explains_as_ansible() {
        let source = Source::new("/t/a.yml", "- hosts: a\n  tasks:\n    - debug: msg=x\n      when: foo.bar\n");
        let at = |text: &str| source.text().find(text).unwrap_or_default();
        let task = Span::new(&source, at("debug")..at("debug") + 5);
        let when = Span::new(&source, at("foo")..at("foo") + 3);
        let failure = Failure::new("Error while evaluating conditional: 'foo' is undefined")
            .at(Some(&when))
            .because("Task failed", None);
        assert_eq!(failure.message(), "Task failed: Error while evaluating conditional: 'foo' is undefined");
        let res = failure.into_result(&task);
        let text = get(&res, "exception").and_then(Value::as_str).unwrap().to_owned();
        assert!(text.contains("\n\nTask failed.\nOrigin: /t/a.yml:3:7\n\n1 - hosts: a\n2   tasks:\n3     - debug: msg=x\n        ^ column 7\n\n<<< caused by >>>\n\n"), "{text}");
    }
}
