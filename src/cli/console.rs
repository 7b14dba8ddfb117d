//! `imgbuild console`: evaluates interpolations (JSON templates) or expressions (HCL2) against a template, as Packer's does.
//!
//! With a terminal it asks line by line, and so it answers a file. From a pipe it evaluates all lines of standard input and prints what the last one gave; a line
//! that can't be evaluated gives nothing. Like Packer's, it works on whatever is wrong with the template's values.

use super::args::TemplateArgs;
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use anyhow::Context as _;
use imgbuild_diag::Redactor;
use imgbuild_template::console::{Answer, Console};
use std::io::{BufRead, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    /// The template; without it functions only
    #[arg(value_name = "TEMPLATE")]
    path: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args, settings: &Settings, style: Style) -> Outcome {
    let redactor = Redactor::new();
    let options = args.template.load_options(settings, &redactor)?;
    let console = match Console::open(args.path.as_deref(), &options) {
        Ok(console) => console,
        Err(all) => {
            ui::redacted_diagnostics(style, &all, &redactor);
            return Ok(failure::FAILED);
        }
    };
    if ui::interactive() {
        return interactive(&console, &redactor, style);
    }
    if !piped() {
        return each(&console, &redactor, style);
    }
    let mut code = failure::OK;
    let mut last = String::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.context("standard input can't be read").map_err(Failure::from)?;
        last.clear();
        match console.answer(line.trim()) {
            Ok(Answer::Text(text)) => last = text,
            Ok(Answer::Exit) => {}
            Err(all) => {
                ui::redacted_diagnostics(style, &all, &redactor);
                // Packer's console for JSON templates never fails because of what it is asked.
                if console.is_hcl() {
                    code = failure::FAILED;
                }
            }
        }
    }
    ui::message(style, &redactor.redact(&last));
    Ok(code)
}

/// Packer takes only a pipe for one: what comes from a file is answered line by line, without a prompt here.
fn piped() -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata("/dev/stdin").map(|meta| meta.file_type());
    kind.map_or(true, |kind| kind.is_fifo() || kind.is_socket())
}

fn each(console: &Console, redactor: &Redactor, style: Style) -> Outcome {
    for line in std::io::stdin().lock().lines() {
        match console.answer(line.context("standard input can't be read").map_err(Failure::from)?.trim()) {
            Ok(Answer::Text(text)) => ui::say(style, &redactor.redact(&text)),
            Ok(Answer::Exit) => break,
            Err(all) => ui::redacted_diagnostics(style, &all, redactor),
        }
    }
    Ok(failure::OK)
}

fn interactive(console: &Console, redactor: &Redactor, style: Style) -> Outcome {
    let mut lines = std::io::stdin().lock().lines();
    loop {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(b"> ").and_then(|()| out.flush());
        drop(out);
        let Some(line) = lines.next() else {
            ui::line("");
            return Ok(failure::OK);
        };
        match console.answer(&line.context("the terminal can't be read").map_err(Failure::from)?) {
            Ok(Answer::Text(text)) => ui::say(style, &redactor.redact(&text)),
            Ok(Answer::Exit) => return Ok(failure::OK),
            Err(all) => ui::redacted_diagnostics(style, &all, redactor),
        }
    }
}
