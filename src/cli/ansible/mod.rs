//! What the commands of Ansible share: settings, passwords, warnings and errors as Ansible prints them.

pub mod adhoc;
pub mod galaxy;
pub mod inventory;
pub mod secrets;
pub mod vault;

use crate::settings::Settings as Process;
use crate::ui;
use clap::Parser;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_playbook::callback::{
    Callback, DefaultCallback, DisplayOptions, Fanout, LineSink, MinimalCallback, TreeCallback,
};
use imgbuild_playbook::settings::{Args as PlaybookArgs, ConfigFile, Settings, exit, find_config_file};
use imgbuild_playbook::{Prompt, Prompter};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments that the command itself reads.
#[derive(clap::Args)]
pub struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub words: Vec<OsString>,
}

/// Reads a command line. `Err` is the exit code: 0 for help, 2 for what argparse would refuse.
pub fn parse<T: Parser>(words: &[OsString]) -> Result<T, u8> {
    use clap::error::ErrorKind;
    T::try_parse_from(words).map_err(|error| {
        let text = error.render().to_string();
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            ui::data(text.as_bytes());
            return exit::OK;
        }
        ui::note(text.trim_end());
        USAGE
    })
}

/// argparse's exit code for a wrong command line.
pub const USAGE: u8 = 2;

/// What `--version` says of a command: its line, and as Ansible's programs have it the places that it looks at. What is Python's
/// and Jinja's there has no counterpart here.
pub fn version(name: &str, process: &Process) -> u8 {
    ui::line(format!("{name} [core 2.19.14] (imgbuild {})", env!("CARGO_PKG_VERSION")));
    let shown = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
    let (settings, config) = match settings(process) {
        Ok(settings) => {
            let config = settings.config_file.as_ref().map_or_else(|| "None".to_owned(), |p| p.display().to_string());
            (Some(settings), config)
        }
        // A configuration that can't be used keeps nobody from asking for the version.
        Err(_) => (None, "None".to_owned()),
    };
    ui::line(format!("  config file = {config}"));
    if let Some(settings) = settings {
        let library: Vec<String> = shown(&settings.module_paths).iter().map(|p| format!("'{p}'")).collect();
        if !library.is_empty() {
            ui::line(format!("  configured module search path = [{}]", library.join(", ")));
        }
        ui::line(format!("  ansible collection location = {}", shown(&settings.collections_path).join(":")));
    }
    ui::line(format!("  executable location = {}", process.program.display()));
    exit::OK
}

/// Settings from configuration and environment.
pub fn settings(process: &Process) -> Result<Settings, Diagnostics> {
    let config = match find_config_file(&process.env, &process.cwd, &process.home) {
        Some(path) => Some(ConfigFile::read(&path).map_err(|why| Diagnostics::from(Diagnostic::error(why)))?),
        None => None,
    };
    let (settings, unknown) = Settings::resolve(process.env.clone(), config.as_ref(), &process.cwd, &process.home);
    for unknown in unknown {
        ui::note(format!("[WARNING]: {}: {}", unknown.name, unknown.why));
    }
    Ok(settings)
}

/// Prints warnings.
pub fn warn(all: &Diagnostics) {
    for warning in all.iter() {
        ui::note(format!("[WARNING]: {}", warning.to_string().trim_start_matches("Warning: ")));
    }
}

/// Prints which of the given flags have nothing to do here.
pub fn without_effect(args: &PlaybookArgs) {
    for text in args.without_effect() {
        ui::note(format!("[WARNING]: {text}"));
    }
}

/// Prints what is wrong, each with its weight, and passes the exit code on.
pub fn fail(problems: &Diagnostics, code: u8) -> u8 {
    for problem in problems.iter() {
        let text = problem.to_string();
        match text.strip_prefix("Warning: ") {
            Some(text) => ui::note(format!("[WARNING]: {text}")),
            None => ui::note(format!("[ERROR]: {}", text.trim_start_matches("Error: "))),
        }
    }
    code
}

/// One error in Ansible's words.
pub fn error(text: impl std::fmt::Display, code: u8) -> u8 {
    ui::note(format!("[ERROR]: {text}"));
    code
}

/// The callback of this name.
pub fn callback(name: &str, settings: &Settings, process: &Process) -> Arc<dyn Callback> {
    let mut options = DisplayOptions::new(settings, ui::color(process), ui::columns());
    let sink: Arc<dyn LineSink> = Arc::new(Lines { log: Log::open(settings) });
    match name {
        "minimal" => Arc::new(MinimalCallback::new(options, sink, false)),
        "oneline" => Arc::new(MinimalCallback::new(options, sink, true)),
        "yaml" | "community.general.yaml" => {
            options.display.result_format = imgbuild_playbook::settings::ResultFormat::Yaml;
            Arc::new(DefaultCallback::new(options, sink))
        }
        _ => Arc::new(DefaultCallback::new(options, sink)),
    }
}

/// The callback, and files of results (`--tree`).
pub fn with_tree(callback: Arc<dyn Callback>, dir: PathBuf, settings: &Settings) -> Arc<dyn Callback> {
    let sink: Arc<dyn LineSink> = Arc::new(Lines { log: Log::open(settings) });
    Arc::new(Fanout(vec![callback, Arc::new(TreeCallback::new(dir, sink))]))
}

/// Finished lines go where Ansible's go, and to the log.
struct Lines {
    log: Option<Log>,
}

impl LineSink for Lines {
    fn out(&self, line: &str) {
        ui::line(line);
        self.log.iter().for_each(|log| log.write("INFO", line));
    }
    fn err(&self, line: &str) {
        ui::note(line);
        self.log.iter().for_each(|log| log.write("WARNING", line));
    }
}

/// `log_path`: each line with the time, as ansible-core writes it.
struct Log {
    file: std::sync::Mutex<std::fs::File>,
    user: String,
}

impl Log {
    fn open(settings: &Settings) -> Option<Self> {
        let path = settings.log_path.as_ref()?;
        match std::fs::OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Some(Log { file: file.into(), user: settings.local_user.clone() }),
            Err(error) => {
                ui::note(format!("[WARNING]: log file at '{}' is not writeable, aborting: {error}", path.display()));
                None
            }
        }
    }

    fn write(&self, level: &str, text: &str) {
        use std::io::Write as _;
        let now = jiff::Zoned::now();
        let time = format!("{},{:03}", now.strftime("%Y-%m-%d %H:%M:%S"), now.millisecond());
        let plain = console::strip_ansi_codes(text);
        let line = format!("{time} p={} u={} n=ansible {level}| {plain}\n", std::process::id(), self.user);
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A log that can't be written is no reason to end the run.
        _ = file.write_all(line.as_bytes());
    }
}

/// `vars_prompt`, `pause`, `--step`.
pub struct Terminal;

#[async_trait::async_trait]
impl Prompter for Terminal {
    fn interactive(&self) -> bool {
        ui::interactive()
    }
    async fn ask(&self, prompt: Prompt) -> Option<String> {
        let answer = async {
            match (prompt.private, prompt.piped) {
                (true, _) => ui::ask_secret(prompt.text).await,
                (false, true) => ui::ask_anyone(prompt.text).await,
                (false, false) => ui::ask(prompt.text).await,
            }
        };
        match prompt.seconds {
            Some(seconds) => tokio::time::timeout(std::time::Duration::from_secs(seconds), answer).await.ok().flatten(),
            None => answer.await,
        }
    }
}

/// Ends a run at Ctrl-C, the program at the second.
pub fn interruptible() -> tokio_util::sync::CancellationToken {
    let cancel = tokio_util::sync::CancellationToken::new();
    let interrupted = cancel.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        interrupted.cancel();
        // The second time nobody waits any more.
        let _ = tokio::signal::ctrl_c().await;
        std::process::exit(i32::from(exit::INTERRUPTED));
    });
    cancel
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_lines_are_sound() {
        super::adhoc::Args::command().debug_assert();
        super::galaxy::Args::command().debug_assert();
        super::inventory::Args::command().debug_assert();
        super::vault::Args::command().debug_assert();
    }
}
