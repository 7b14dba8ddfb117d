//! `imgbuild playbook`, which is ansible-playbook: its flags, environment, configuration file, output and exit codes.

use super::ansible::{self, Words, fail, secrets, warn};
use crate::failure::Outcome;
use crate::settings::Settings as Process;
use crate::{ui, wire};
use imgbuild_diag::Diagnostics;
use imgbuild_playbook::settings::{Args as PlaybookArgs, Settings, exit};
use imgbuild_playbook::{Inventory, Playbook, Session};
use std::sync::Arc;

/// Runs it; the exit code is ansible-playbook's.
pub async fn run(args: Words, process: &Process) -> Outcome {
    let mut args = match PlaybookArgs::parse_words(&args.words) {
        Ok(args) => args,
        // clap's help is no error.
        Err(text) if text.starts_with("Usage") || args.words.iter().any(|w| w == "--help" || w == "-h") => {
            ui::data(text.as_bytes());
            return Ok(exit::OK);
        }
        Err(text) => {
            ui::note(text.trim_end());
            return Ok(ansible::USAGE);
        }
    };
    if args.version {
        return Ok(ansible::version("ansible-playbook", process));
    }
    if args.playbooks.is_empty() {
        ui::note(
            "usage: ansible-playbook [options] playbook [playbook …]\nerror: the following arguments are required: playbook",
        );
        return Ok(ansible::USAGE);
    }
    let of_collections = ansible::settings(process).ok();
    for playbook in &mut args.playbooks {
        if !process.cwd.join(&playbook).exists() {
            let named = playbook.to_str().zip(of_collections.as_ref());
            if let Some(path) = named.and_then(|(name, settings)| Playbook::of_collection(name, settings)) {
                *playbook = path;
                continue;
            }
            ui::note(format!("[ERROR]: the playbook: {} could not be found", playbook.display()));
            return Ok(exit::ERROR);
        }
        if process.cwd.join(&playbook).is_dir() {
            ui::note(format!("[ERROR]: the playbook: {} does not appear to be a file", playbook.display()));
            return Ok(exit::ERROR);
        }
    }
    if args.forks == Some(0) {
        ui::note("ansible-playbook: error: The number of processes (--forks) must be >= 1");
        return Ok(ansible::USAGE);
    }
    match load(&args, process).await {
        Ok(settings) => start(&args, settings, process).await,
        Err((problems, code)) => Ok(fail(&problems, code)),
    }
}

/// Settings from configuration, environment and flags; with errors comes the exit code.
async fn load(args: &PlaybookArgs, process: &Process) -> Result<Settings, (Diagnostics, u8)> {
    let failed = |problems: Diagnostics| (problems, exit::ERROR);
    let mut settings = ansible::settings(process).map_err(failed)?;
    let listing = args.list_hosts || args.list_tasks || args.list_tags || args.syntax_check;
    let mut wanted = args.clone();
    if listing {
        // Nothing is run: nobody is asked for passwords of connections.
        (wanted.ask_pass, wanted.ask_become_pass) = (false, false);
        (settings.prompts.connection, settings.prompts.become_) = (false, false);
    }
    secrets::of_playbook(&wanted, &mut settings).await.map_err(failed)?;
    let doubts = args.apply(&mut settings).map_err(|problems| {
        let code = exit::of(&problems);
        (problems, code)
    })?;
    warn(&doubts);
    ansible::without_effect(args);
    Ok(settings)
}

async fn start(args: &PlaybookArgs, settings: Settings, process: &Process) -> Outcome {
    let (mut inventory, warnings) = match Inventory::load(&settings) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(fail(&problems, exit::ERROR)),
    };
    warn(&warnings);
    if let (Some(limit), false) = (&settings.limit, inventory.hosts.is_empty()) {
        let left = match imgbuild_playbook::inventory::limit_patterns(limit, &settings.cwd) {
            Ok(patterns) => inventory.select(&["all".to_owned()], Some(&patterns)),
            Err(problems) => return Ok(fail(&problems, exit::ERROR)),
        };
        if left.hosts.is_empty() {
            for pattern in &left.unmatched {
                ui::note(format!("[WARNING]: Could not match supplied host pattern, ignoring: {pattern}"));
            }
            let message = "Specified inventory, host pattern and/or --limit leaves us with no hosts to target.";
            return Ok(ansible::error(message, exit::ERROR));
        }
    }
    let callback = ansible::callback(&settings.display.stdout, &settings, process);
    let loaded = match Playbook::load(&args.playbooks, settings, inventory) {
        Ok(loaded) => loaded.with_url_client(wire::url_client(process)),
        Err(problems) => return Ok(fail(&problems, exit::of(&problems))),
    };
    warn(&loaded.warnings);
    if args.list_hosts || args.list_tasks || args.list_tags || args.syntax_check {
        let problems = if args.syntax_check { Diagnostics::new() } else { loaded.unlistable() };
        if problems.has_errors() {
            return Ok(fail(&problems, exit::UNREACHABLE));
        }
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
    let session = Session {
        connector: wire::connector(process),
        callback,
        prompter: Arc::new(ansible::Terminal),
        cancel: ansible::interruptible(),
    };
    let outcome = imgbuild_playbook::run(loaded, session).await;
    if let Some(error) = outcome.error {
        ui::note(format!("[ERROR]: {error}"));
    }
    Ok(outcome.exit_code)
}
