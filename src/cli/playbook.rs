//! `imgbuild playbook`, which is ansible-playbook: its flags, environment, configuration file, output and exit codes.

use crate::failure::Outcome;
use crate::settings::Settings as Process;
use crate::{ui, wire};
use imgbuild_diag::{Diagnostic, Diagnostics, Secret};
use imgbuild_playbook::callback::{DefaultCallback, DisplayOptions, LineSink};
use imgbuild_playbook::settings::{self, Args as PlaybookArgs, ConfigFile, Settings, exit, find_config_file};
use imgbuild_playbook::{Inventory, Playbook, Prompt, Prompter, Session};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    words: Vec<std::ffi::OsString>,
}

/// Runs it; the exit code is ansible-playbook's.
pub async fn run(args: Args, process: &Process) -> Outcome {
    let args = match PlaybookArgs::parse_words(&args.words) {
        Ok(args) => args,
        // clap's help is no error.
        Err(text) if text.starts_with("Usage") || args.words.iter().any(|w| w == "--help" || w == "-h") => {
            ui::data(text.as_bytes());
            return Ok(exit::OK);
        }
        Err(text) => {
            ui::note(text.trim_end());
            return Ok(exit::USAGE);
        }
    };
    if args.version {
        ui::line(concat!("ansible-playbook [core 2.19.14] (imgbuild ", env!("CARGO_PKG_VERSION"), ")"));
        return Ok(exit::OK);
    }
    if args.playbooks.is_empty() {
        ui::note(
            "usage: ansible-playbook [options] playbook [playbook …]\nerror: the following arguments are required: playbook",
        );
        return Ok(exit::USAGE);
    }
    for playbook in &args.playbooks {
        if !process.cwd.join(playbook).exists() {
            ui::note(format!("[ERROR]: the playbook: {} could not be found", playbook.display()));
            return Ok(exit::ERROR);
        }
    }
    match load(&args, process).await {
        Ok(settings) => start(&args, settings, process).await,
        Err(problems) => Ok(fail(&problems, exit::UNREACHABLE)),
    }
}

/// Settings from configuration, environment and flags.
async fn load(args: &PlaybookArgs, process: &Process) -> Result<Settings, Diagnostics> {
    let config = match find_config_file(&process.env, &process.cwd, &process.home) {
        Some(path) => Some(ConfigFile::read(&path).map_err(|why| Diagnostics::from(Diagnostic::error(why)))?),
        None => None,
    };
    let (mut settings, unknown) = Settings::resolve(process.env.clone(), config.as_ref(), &process.cwd, &process.home);
    for unknown in unknown {
        ui::note(format!("[WARNING]: {}: {}", unknown.name, unknown.why));
    }
    passwords(args, &mut settings).await?;
    args.apply(&mut settings)?;
    Ok(settings)
}

/// Passwords that are typed or read from files.
async fn passwords(args: &PlaybookArgs, settings: &mut Settings) -> Result<(), Diagnostics> {
    let missing = |what: &str| Diagnostics::from(Diagnostic::error(format!("{what}: there is no terminal to ask on")));
    if args.ask_pass {
        let text = ui::ask_secret("SSH password: ".into()).await.ok_or_else(|| missing("--ask-pass"))?;
        settings.connection.password = Some(Secret::new(text));
    } else if let Some(file) = &args.connection_password_file {
        settings.connection.password = Some(read_password(file, settings)?);
    }
    if args.ask_become_pass {
        let text = ui::ask_secret("BECOME password[defaults to SSH password]: ".into()).await;
        let text = text.ok_or_else(|| missing("--ask-become-pass"))?;
        let same = settings.connection.password.clone();
        settings.become_.password = if text.is_empty() { same } else { Some(Secret::new(text)) };
    } else if let Some(file) = &args.become_password_file {
        settings.become_.password = Some(read_password(file, settings)?);
    }
    let mut sources: Vec<(String, String)> = Vec::new();
    for id in &args.vault_id {
        let (name, source) = id.split_once('@').unwrap_or(("default", id));
        sources.push((if name.is_empty() { "default" } else { name }.to_owned(), source.to_owned()));
    }
    sources.extend(args.vault_password_file.iter().map(|file| ("default".to_owned(), file.clone())));
    if args.ask_vault_pass {
        sources.push(("default".into(), "prompt".into()));
    }
    for (id, source) in sources {
        let password = if source == "prompt" || source == "prompt_ask_vault_pass" {
            let question =
                format!("Vault password{}: ", if id == "default" { String::new() } else { format!(" ({id})") });
            Secret::new(ui::ask_secret(question).await.ok_or_else(|| missing("the vault password"))?)
        } else {
            read_password(&source, settings)?
        };
        settings.vault_secrets.push(settings::VaultSecret { id, password });
    }
    Ok(())
}

/// The first line of a file; of a program's output where the file can be executed, as Ansible does.
fn read_password(file: &str, settings: &Settings) -> Result<Secret, Diagnostics> {
    use std::os::unix::fs::PermissionsExt;
    let path = settings::expand_home(file, settings);
    let problem = |why: &dyn std::fmt::Display| {
        Diagnostics::from(Diagnostic::error(format!("the password file {} can't be used: {why}", path.display())))
    };
    let mode = std::fs::metadata(&path).map_err(|e| problem(&e))?.permissions().mode();
    let bytes = if mode & 0o111 != 0 {
        let output = std::process::Command::new(&path).output().map_err(|e| problem(&e))?;
        if !output.status.success() {
            return Err(problem(&format!("it ended with {}", output.status)));
        }
        output.stdout
    } else {
        std::fs::read(&path).map_err(|e| problem(&e))?
    };
    let text = String::from_utf8(bytes).map_err(|e| problem(&e))?;
    Ok(Secret::new(text.lines().next().unwrap_or("").trim().to_owned()))
}

async fn start(args: &PlaybookArgs, settings: Settings, process: &Process) -> Outcome {
    let (inventory, warnings) = match Inventory::load(&settings) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(fail(&problems, exit::ERROR)),
    };
    warn(&warnings);
    let columns = ui::columns();
    let options = DisplayOptions::new(&settings, ui::color(process), columns);
    let loaded = match Playbook::load(&args.playbooks, settings, inventory) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(fail(&problems, exit::UNREACHABLE)),
    };
    warn(&loaded.warnings);
    if args.list_hosts || args.list_tasks || args.list_tags || args.syntax_check {
        let (listed, unmatched) = loaded.list(args.list_hosts, args.list_tasks, args.list_tags);
        for pattern in unmatched {
            ui::note(format!("[WARNING]: Could not match supplied host pattern, ignoring: {pattern}"));
        }
        if args.syntax_check {
            ui::data(loaded.syntax_check().as_bytes());
        } else {
            ui::data(listed.as_bytes());
        }
        return Ok(exit::OK);
    }
    let cancel = CancellationToken::new();
    let interrupted = cancel.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        interrupted.cancel();
        // The second time nobody waits any more.
        let _ = tokio::signal::ctrl_c().await;
        std::process::exit(i32::from(exit::INTERRUPTED));
    });
    let session = Session {
        connector: wire::connector(process),
        callback: Arc::new(DefaultCallback::new(options, Arc::new(Lines))),
        prompter: Arc::new(Terminal),
        cancel,
    };
    let outcome = imgbuild_playbook::run(loaded, session).await;
    if let Some(error) = outcome.error {
        ui::note(format!("ERROR! {error}"));
    }
    Ok(outcome.exit_code)
}

fn warn(all: &Diagnostics) {
    for warning in all.iter() {
        ui::note(format!("[WARNING]: {}", warning.to_string().trim_start_matches("Warning: ")));
    }
}

fn fail(problems: &Diagnostics, code: u8) -> u8 {
    for problem in problems.iter() {
        let text = problem.to_string();
        match text.strip_prefix("Warning: ") {
            Some(text) => ui::note(format!("[WARNING]: {text}")),
            None => ui::note(format!("[ERROR]: {}", text.trim_start_matches("Error: "))),
        }
    }
    code
}

/// Finished lines go where ansible-playbook's go.
struct Lines;

impl LineSink for Lines {
    fn out(&self, line: &str) {
        ui::line(line);
    }
    fn err(&self, line: &str) {
        ui::note(line);
    }
}

/// `vars_prompt`, `pause`, `--step`.
struct Terminal;

#[async_trait::async_trait]
impl Prompter for Terminal {
    fn interactive(&self) -> bool {
        ui::interactive()
    }
    async fn ask(&self, prompt: Prompt) -> Option<String> {
        let answer =
            async { if prompt.private { ui::ask_secret(prompt.text).await } else { ui::ask(prompt.text).await } };
        match prompt.seconds {
            Some(seconds) => tokio::time::timeout(std::time::Duration::from_secs(seconds), answer).await.ok().flatten(),
            None => answer.await,
        }
    }
}
