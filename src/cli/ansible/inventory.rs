//! `imgbuild inventory`, which is ansible-inventory.

use super::secrets::{self, VaultArgs};
use super::{Words, error, fail, parse, settings, version, warn};
use crate::failure::Outcome;
use crate::settings::Settings as Process;
use crate::ui;
use clap::Parser;
use imgbuild_diag::Diagnostics;
use imgbuild_playbook::Inventory;
use imgbuild_playbook::inventory::{View, limit_patterns};
use imgbuild_playbook::settings::{Args as PlaybookArgs, exit};
use std::path::PathBuf;

/// Shows hosts, groups and variables
#[derive(Parser, Debug)]
#[command(name = "ansible-inventory", disable_version_flag = true, no_binary_name = true)]
pub(super) struct Args {
    /// For --graph: begin at this group
    group: Option<String>,
    /// All hosts, as an inventory script prints them
    #[arg(long)]
    list: bool,
    /// One host's variables
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Groups and hosts as a tree
    #[arg(long)]
    graph: bool,
    /// YAML instead of JSON
    #[arg(short = 'y', long)]
    yaml: bool,
    /// TOML instead of JSON (refused)
    #[arg(long)]
    toml: bool,
    /// Variables in the tree of --graph
    #[arg(long)]
    vars: bool,
    /// Variables where they are defined, instead of merged for each host
    #[arg(long)]
    export: bool,
    /// Write to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Inventory: a file, a folder, or hosts separated by commas
    #[arg(short = 'i', long = "inventory", visible_alias = "inventory-file", value_name = "INVENTORY")]
    inventory: Vec<String>,
    /// Only these hosts
    #[arg(short = 'l', long = "limit", value_name = "PATTERN")]
    limit: Option<String>,
    /// Variables: k=v, JSON or YAML, @file
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    extra_vars: Vec<String>,
    /// Where group_vars and host_vars of a playbook would be
    #[arg(long, value_name = "DIR")]
    playbook_dir: Option<PathBuf>,
    /// Forget cached facts
    #[arg(long)]
    flush_cache: bool,
    /// Say more; may be repeated
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    verbose: u8,
    /// Print the version
    #[arg(long)]
    version: bool,
    #[command(flatten)]
    vault: VaultArgs,
}

/// Runs it; the exit code is ansible-inventory's.
pub async fn run(words: Words, process: &Process) -> Outcome {
    let args: Args = match parse(&words.words) {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    if args.version {
        return Ok(version("ansible-inventory", process));
    }
    match [args.list, args.host.is_some(), args.graph].iter().filter(|a| **a).count() {
        0 => {
            let message = "No action selected, at least one of --host, --graph or --list needs to be specified.";
            return Ok(error(message, exit::USAGE));
        }
        1 => {}
        _ => {
            let message =
                "Conflicting options used, only one of --host, --graph or --list can be used at the same time.";
            return Ok(error(message, exit::USAGE));
        }
    }
    if args.toml {
        return Ok(error("--toml is not supported: use --yaml or the default, JSON", exit::ERROR));
    }
    Ok(show(&args, process).await.unwrap_or_else(|problems| fail(&problems, exit::ERROR)))
}

async fn show(args: &Args, process: &Process) -> Result<u8, Diagnostics> {
    let mut settings = settings(process)?;
    settings.vault_secrets = secrets::of_vaults(&args.vault, &settings, false, false).await?;
    let common = PlaybookArgs {
        inventory: args.inventory.clone(),
        extra_vars: args.extra_vars.clone(),
        flush_cache: args.flush_cache,
        verbose: args.verbose,
        ..PlaybookArgs::default()
    };
    warn(&common.apply(&mut settings)?);
    // Without a playbook the current folder stands for its folder.
    match &args.playbook_dir {
        Some(dir) => settings.playbook_dir = Some(process.cwd.join(dir)),
        None => _ = settings.playbook_dir.get_or_insert_with(|| process.cwd.clone()),
    }
    let (mut inventory, warnings) = Inventory::load(&settings)?;
    warn(&warnings);
    let mut one = None;
    if let Some(pattern) = &args.host {
        let selection = inventory.select(std::slice::from_ref(pattern), None);
        unmatched(&selection.unmatched);
        let [host] = &selection.hosts[..] else {
            return Ok(error("You must pass a single valid host to --host parameter", exit::USAGE));
        };
        one = Some(host.clone());
    }
    let mut limited = None;
    if let (Some(limit), false) = (&args.limit, args.graph) {
        let selection = inventory.select(&limit_patterns(limit, &process.cwd)?, None);
        unmatched(&selection.unmatched);
        limited = Some(selection.hosts);
    }
    let mut view = View::new(&inventory, &settings, args.export);
    if let Some(hosts) = limited {
        view.hosts.retain(|h| hosts.contains(h));
    }
    let text = if let Some(host) = one {
        let vars = imgbuild_jinja::Value::map(view.host_vars(&host)?);
        if args.yaml { view.yaml(&vars)? } else { View::json(&vars) }
    } else if args.graph {
        match view.graph(args.group.as_deref().unwrap_or("all"), args.vars)? {
            Some(tree) => tree,
            None => return Ok(error("Pattern must be valid group name when using --graph", exit::USAGE)),
        }
    } else if args.yaml {
        view.yaml(&view.tree()?)?
    } else {
        View::json(&view.list()?)
    };
    let Some(file) = &args.output else {
        ui::line(text.strip_suffix('\n').unwrap_or(&text));
        return Ok(exit::OK);
    };
    let path = process.cwd.join(file);
    Ok(match std::fs::write(&path, text) {
        Ok(()) => exit::OK,
        Err(why) => error(format!("Unable to write to destination file {}: {why}", path.display()), exit::ERROR),
    })
}

fn unmatched(patterns: &[String]) {
    for pattern in patterns {
        ui::note(format!("[WARNING]: Could not match supplied host pattern, ignoring: {pattern}"));
    }
}
