//! What a person (or a program that reads our output) sees. The only place that writes to standard output and error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that prints")]

mod human;
mod machine;
mod words;

use imgbuild_diag::{Diagnostics, Redactor};
use imgbuild_engine::event::Sink;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

pub use human::Human;
pub use machine::{Machine, record};
pub use words::words;

/// How to show things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours: `-color` and no `NO_COLOR`/`PACKER_NO_COLOR`.
    pub color: bool,
    /// An RFC 3339 time before each line (`-timestamp-ui`).
    pub timestamps: bool,
    /// `-machine-readable`.
    pub machine_readable: bool,
    /// Live spinners and bars: standard error is a terminal.
    pub live: bool,
}

impl Style {
    /// What the flags and the environment ask for. `no_color` is whether NO_COLOR or PACKER_NO_COLOR is set.
    pub fn new(color: bool, timestamps: bool, machine_readable: bool, no_color: bool) -> Self {
        let live = std::io::stderr().is_terminal() && std::io::stdout().is_terminal() && !machine_readable;
        let terminal = std::io::stdout().is_terminal();
        Style { color: color && terminal && !no_color && !machine_readable, timestamps, machine_readable, live }
    }

    /// The consumer of a run's events.
    pub fn sink(self, timings: bool) -> Arc<dyn Sink> {
        if self.machine_readable { Arc::new(Machine) } else { Arc::new(Human::new(self, timings)) }
    }
}

/// A line of data on standard output. A reader that went away is no error.
pub fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// Data on standard output as it is.
pub fn data(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// A line for the person on standard error.
pub fn note(text: impl AsRef<str>) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_ref().as_bytes()).and_then(|()| err.write_all(b"\n"));
}

/// Diagnostics of one pass, each with its place, on standard output as Packer does; machine-readable where asked for.
pub fn diagnostics(style: Style, all: &Diagnostics) {
    redacted_diagnostics(style, all, &Redactor::new());
}

/// The same without the secrets that are known.
pub fn redacted_diagnostics(style: Style, all: &Diagnostics, redactor: &Redactor) {
    for diagnostic in all.iter() {
        let text = redactor.redact(&diagnostic.to_string());
        if style.machine_readable {
            line(machine::record("", "ui", &["error", &text]));
            continue;
        }
        let code = match diagnostic.severity {
            imgbuild_diag::Severity::Error => "1;31",
            imgbuild_diag::Severity::Warning => "1;33",
        };
        line(human::paint(style.color, code, &text));
        line("");
    }
}

/// A table without frames, for lists.
pub fn table<const N: usize>(head: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head);
    table
}

/// A failure without a build, as `ui.Error` prints it.
pub fn error(style: Style, text: &str) {
    if style.machine_readable {
        line(machine::record("", "ui", &["error", text]));
    } else {
        line(human::paint(style.color, "1;31", text));
    }
}

/// A heading without a build, as `ui.Say` prints it.
pub fn say(style: Style, text: &str) {
    if style.machine_readable {
        line(machine::record("", "ui", &["say", text]));
    } else {
        line(text);
    }
}

/// A text without a heading, as `ui.Message` prints it.
pub fn message(style: Style, text: &str) {
    if style.machine_readable {
        line(machine::record("", "ui", &["message", text]));
    } else {
        line(text);
    }
}

/// Whether there is somebody to ask.
pub fn interactive() -> bool {
    std::io::stdin().is_terminal()
}

/// The terminal's width, if there is one.
pub fn columns() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

/// Whether `ansible-playbook` would colour: a terminal and no ANSIBLE_NOCOLOR/NO_COLOR, or ANSIBLE_FORCE_COLOR.
pub fn color(settings: &crate::settings::Settings) -> bool {
    let on =
        |name: &str| settings.var(name).is_some_and(|v| !["0", "false", "no"].contains(&v.to_lowercase().as_str()));
    on("ANSIBLE_FORCE_COLOR")
        || (std::io::stdout().is_terminal() && !on("ANSIBLE_NOCOLOR") && settings.var("NO_COLOR").is_none())
}

/// Asks without showing what is typed; `None` where there is no terminal.
pub async fn ask_secret(question: String) -> Option<String> {
    if !interactive() {
        return None;
    }
    tokio::task::spawn_blocking(move || {
        let term = console::Term::stderr();
        let _ = term.write_str(&question);
        term.read_secure_line().ok()
    })
    .await
    .ok()
    .flatten()
}

/// Asks for a password; where there is no terminal, the next line of the standard input is it, as with Python's `getpass`.
pub async fn ask_password(question: String) -> Option<String> {
    if interactive() {
        return ask_secret(question).await;
    }
    tokio::task::spawn_blocking(move || {
        note(&question);
        next_line()
    })
    .await
    .ok()
    .flatten()
}

/// The next line of the standard input, without its end.
fn next_line() -> Option<String> {
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(n) if n > 0 => Some(answer.trim_end_matches(['\r', '\n']).to_owned()),
        _ => None,
    }
}

/// Asks on the terminal; `None` where there is none.
pub async fn ask(question: String) -> Option<String> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    ask_anyone(question).await
}

/// Asks whoever writes to the standard input; `None` where nothing more comes.
pub async fn ask_anyone(question: String) -> Option<String> {
    tokio::task::spawn_blocking(move || {
        {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(question.as_bytes()).and_then(|()| out.flush());
        }
        next_line()
    })
    .await
    .ok()
    .flatten()
}
