//! `imgbuild adhoc`, which is `ansible`: one task on some hosts.

use super::{Words, callback, error, fail, interruptible, parse, secrets, settings, version, warn, without_effect};
use crate::failure::Outcome;
use crate::settings::Settings as Process;
use crate::{ui, wire};
use clap::Parser;
use imgbuild_playbook::settings::{Args as PlaybookArgs, Settings, exit};
use imgbuild_playbook::{Inventory, Playbook, Session};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs one module on some hosts
#[derive(Parser, Debug)]
#[command(name = "ansible", disable_version_flag = true, no_binary_name = true)]
pub(super) struct Args {
    /// Hosts
    #[arg(value_name = "PATTERN", required_unless_present = "version")]
    pattern: Option<String>,
    /// The module
    #[arg(short = 'm', long = "module-name", default_value = "command", value_name = "MODULE")]
    module: String,
    /// Its arguments: k=v, a command line, or JSON
    #[arg(short = 'a', long = "args", default_value = "", allow_hyphen_values = true, value_name = "ARGS")]
    arguments: String,
    /// Run in the background, for at most so many seconds
    #[arg(short = 'B', long = "background", value_name = "SECONDS")]
    background: Option<i64>,
    /// Seconds between questions to a task in the background
    #[arg(short = 'P', long = "poll", value_name = "SECONDS")]
    poll: Option<i64>,
    /// One line a host
    #[arg(short = 'o', long = "one-line")]
    one_line: bool,
    /// Write results to files in this folder
    #[arg(short = 't', long = "tree", value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Seconds that the task may take
    #[arg(long, value_name = "SECONDS")]
    task_timeout: Option<u64>,
    /// Where group_vars and host_vars of a playbook would be
    #[arg(long, value_name = "DIR")]
    playbook_dir: Option<PathBuf>,
    /// List hosts, run nothing
    #[arg(long)]
    list_hosts: bool,
    /// Print the version
    #[arg(long)]
    version: bool,
    #[arg(short = 'i', long = "inventory", visible_alias = "inventory-file")]
    inventory: Vec<String>,
    #[arg(short = 'l', long)]
    limit: Option<String>,
    #[arg(short = 'e', long)]
    extra_vars: Vec<String>,
    #[arg(short = 'C', long)]
    check: bool,
    #[arg(short = 'D', long)]
    diff: bool,
    #[arg(short = 'f', long)]
    forks: Option<usize>,
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    verbose: u8,
    #[arg(long)]
    flush_cache: bool,
    #[arg(short = 'c', long)]
    connection: Option<String>,
    #[arg(short = 'u', long)]
    user: Option<String>,
    #[arg(short = 'T', long)]
    timeout: Option<u64>,
    #[arg(long = "private-key", visible_alias = "key-file")]
    private_key: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    ssh_common_args: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    ssh_extra_args: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    sftp_extra_args: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    scp_extra_args: Option<String>,
    #[arg(short = 'k', long)]
    ask_pass: bool,
    #[arg(long = "connection-password-file", visible_alias = "conn-pass-file")]
    connection_password_file: Option<String>,
    #[arg(short = 'b', long = "become")]
    become_: bool,
    #[arg(long)]
    become_method: Option<String>,
    #[arg(long)]
    become_user: Option<String>,
    #[arg(short = 'K', long)]
    ask_become_pass: bool,
    #[arg(long = "become-password-file", visible_alias = "become-pass-file")]
    become_password_file: Option<String>,
    #[arg(short = 'M', long)]
    module_path: Option<String>,
    #[command(flatten)]
    vault: secrets::VaultArgs,
}

impl Args {
    fn common(&self) -> PlaybookArgs {
        PlaybookArgs {
            inventory: self.inventory.clone(),
            limit: self.limit.clone(),
            extra_vars: self.extra_vars.clone(),
            check: self.check,
            diff: self.diff,
            forks: self.forks,
            verbose: self.verbose,
            flush_cache: self.flush_cache,
            connection: self.connection.clone(),
            user: self.user.clone(),
            timeout: self.timeout,
            private_key: self.private_key.clone(),
            ssh_common_args: self.ssh_common_args.clone(),
            ssh_extra_args: self.ssh_extra_args.clone(),
            sftp_extra_args: self.sftp_extra_args.clone(),
            scp_extra_args: self.scp_extra_args.clone(),
            ask_pass: self.ask_pass,
            connection_password_file: self.connection_password_file.clone(),
            become_: self.become_,
            become_method: self.become_method.clone(),
            become_user: self.become_user.clone(),
            ask_become_pass: self.ask_become_pass,
            become_password_file: self.become_password_file.clone(),
            ask_vault_pass: self.vault.ask,
            vault_password_file: self.vault.password_files.clone(),
            vault_id: self.vault.vault_id.clone(),
            module_path: self.module_path.clone(),
            ..PlaybookArgs::default()
        }
    }

    /// The play around the task, as JSON (which is YAML).
    fn play(&self, pattern: &str) -> Result<String, String> {
        let arguments = if self.arguments.trim_start().starts_with('{') && self.arguments.trim_end().ends_with('}') {
            serde_json::from_str(&self.arguments)
                .map_err(|why| format!("the arguments begin like JSON and are none: {why}"))?
        } else {
            serde_json::Value::String(self.arguments.clone())
        };
        let mut task = serde_json::Map::new();
        task.insert(self.module.clone(), arguments);
        for (key, value) in [("async", self.background), ("poll", self.poll)] {
            if let Some(value) = value {
                task.insert(key.into(), value.into());
            }
        }
        if let Some(seconds) = self.task_timeout {
            task.insert("timeout".into(), seconds.into());
        }
        let play = serde_json::json!([{
            "name": "Ansible Ad-Hoc", "hosts": pattern, "gather_facts": false, "tasks": [task]
        }]);
        Ok(play.to_string())
    }
}

/// Runs it; the exit code is ansible's.
pub async fn run(words: Words, process: &Process) -> Outcome {
    // argparse takes the last of several positional words apart; so does clap, with its own message.
    let words: Vec<OsString> = words.words;
    let args: Args = match parse(&words) {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    if args.version {
        return Ok(version("ansible", process));
    }
    let settings = match prepare(&args, process).await {
        Ok(settings) => settings,
        Err(problems) => return Ok(fail(&problems, exit::USAGE)),
    };
    start(&args, settings, process).await
}

async fn prepare(args: &Args, process: &Process) -> Result<Settings, imgbuild_diag::Diagnostics> {
    let mut settings = settings(process)?;
    let common = args.common();
    if !args.list_hosts {
        secrets::of_playbook(&common, &mut settings).await?;
    }
    warn(&common.apply(&mut settings)?);
    without_effect(&common);
    if let Some(dir) = &args.playbook_dir {
        settings.playbook_dir = Some(process.cwd.join(dir));
    }
    Ok(settings)
}

async fn start(args: &Args, settings: Settings, process: &Process) -> Outcome {
    const COMMANDS: [&str; 6] = ["command", "raw", "script", "shell", "win_command", "win_shell"];
    let pattern = args.pattern.as_deref().unwrap_or_default();
    let (mut inventory, warnings) = match Inventory::load(&settings) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(fail(&problems, exit::ERROR)),
    };
    warn(&warnings);
    let empty = inventory.hosts.is_empty();
    if empty && !imgbuild_playbook::inventory::LOCALHOST.contains(&pattern) {
        ui::note(
            "[WARNING]: provided hosts list is empty, only localhost is available. Note that the implicit localhost does not match 'all'",
        );
    }
    let limit = settings.limit.as_deref().map(|l| imgbuild_playbook::inventory::limit_patterns(l, &settings.cwd));
    let limit = match limit.transpose() {
        Ok(limit) => limit,
        Err(problems) => return Ok(fail(&problems, exit::ERROR)),
    };
    let selection = inventory.select(&[pattern.to_owned()], limit.as_deref());
    for pattern in &selection.unmatched {
        ui::note(format!("[WARNING]: Could not match supplied host pattern, ignoring: {pattern}"));
    }
    if selection.hosts.is_empty() && !empty {
        if limit.is_some() {
            let message = "Specified inventory, host pattern and/or --limit leaves us with no hosts to target.";
            return Ok(error(message, exit::ERROR));
        }
        ui::note("[WARNING]: No hosts matched, nothing to do");
    }
    if args.list_hosts {
        ui::line(format!("  hosts ({}):", selection.hosts.len()));
        selection.hosts.iter().for_each(|host| ui::line(format!("    {host}")));
        return Ok(exit::OK);
    }
    let short = args.module.strip_prefix("ansible.builtin.").or(args.module.strip_prefix("ansible.legacy."));
    let short = short.unwrap_or(&args.module);
    if COMMANDS.contains(&short) && args.arguments.is_empty() {
        let hint = if pattern.ends_with(".yml") { " (did you mean to run ansible-playbook?)" } else { "" };
        return Ok(error(format!("No argument passed to {} module{hint}", args.module), exit::USAGE));
    }
    if short == "import_playbook" {
        let message = format!("'{}' is not a valid action for ad-hoc commands", args.module);
        return Ok(error(message, exit::USAGE));
    }
    if selection.hosts.is_empty() {
        return Ok(exit::OK);
    }
    let text = match args.play(pattern) {
        Ok(text) => text,
        Err(why) => return Ok(error(why, exit::ERROR)),
    };
    let name = match &settings.display {
        _ if args.one_line => "oneline".to_owned(),
        display if display.stdout_in_ad_hoc && display.stdout != "default" => display.stdout.clone(),
        _ => "minimal".to_owned(),
    };
    let mut callback = callback(&name, &settings, process);
    if let Some(dir) = &args.tree {
        callback = super::with_tree(callback, process.cwd.join(dir), &settings);
    }
    let dir = settings.playbook_dir.clone().unwrap_or_else(|| settings.cwd.clone());
    let loaded = match Playbook::load_text("__adhoc_playbook__", &text, &dir, settings, inventory) {
        Ok(loaded) => loaded.with_url_client(wire::url_client(process)),
        Err(problems) => return Ok(fail(&problems, exit::FAILED)),
    };
    warn(&loaded.warnings);
    let session = Session {
        connector: wire::connector(process),
        callback,
        prompter: Arc::new(super::Terminal),
        cancel: interruptible(),
    };
    let outcome = imgbuild_playbook::run(loaded, session).await;
    if let Some(why) = outcome.error {
        ui::note(format!("[ERROR]: {why}"));
    }
    Ok(outcome.exit_code)
}
