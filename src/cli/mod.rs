//! The commands, one file each. Packer's and Ansible's command lines are the interface: their flags, output and exit codes.

mod ansible;
mod args;
mod build;
mod console;
mod docs;
mod fix;
mod fmt;
mod gc;
mod hcl2_upgrade;
mod init;
mod inspect;
mod machine;
mod plan;
mod playbook;
mod plugins;
mod prepare;
mod prune;
mod sandbox;
mod userdata;
mod validate;
mod wait_for;

use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;

#[derive(Parser)]
#[command(
    name = "imgbuild",
    version,
    about = "Builds machine images from Packer templates and provisions hosts with Ansible playbooks",
    disable_help_subcommand = true
)]
enum Command {
    /// Check a template; no network call is made
    Validate(validate::Args),
    /// Build images from a template
    Build(build::Args),
    /// Say what a build would launch, create and tag, and which permissions it needs
    Plan(plan::Args),
    /// Show what a template holds: variables, builders, provisioners
    Inspect(inspect::Args),
    /// Say which required plugins are built in; install roles and collections that requirements files name
    Init(init::Args),
    /// List the plugins that are built in, or that a template requires
    Plugins(plugins::Args),
    /// Put a JSON template of an older Packer into today's words
    Fix(fix::Args),
    /// Put HCL2 templates and variable files into the canonical layout
    Fmt(fmt::Args),
    /// Make an HCL2 template of a JSON one
    #[command(name = "hcl2_upgrade")]
    Hcl2Upgrade(hcl2_upgrade::Args),
    /// Evaluate interpolations or expressions against a template
    Console(console::Args),
    /// Run Ansible playbooks; the same as calling this program as ansible-playbook
    Playbook(ansible::Words),
    /// Show hosts, groups and variables; the same as ansible-inventory
    Inventory(ansible::Words),
    /// Encrypt and decrypt files and strings; the same as ansible-vault
    Vault(ansible::Words),
    /// Run one module on some hosts; the same as ansible
    Adhoc(ansible::Words),
    /// Install roles and collections, with a lock file; the same as ansible-galaxy
    Galaxy(ansible::Words),
    /// Render cloud-init user data for a node
    Userdata(userdata::Args),
    /// Remove what killed runs left behind
    Gc(gc::Args),
    /// Remove old images of a name pattern, but the newest and those that are in use
    Prune(prune::Args),
    /// Machines on this host behind an EC2 endpoint
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Print the manual page of the program or of one command
    Man {
        /// The command
        command: Option<String>,
    },
    /// Print the option tables as Markdown (cargo xtask docs)
    #[command(name = "__docs", hide = true)]
    Docs(docs::Args),
    /// Supervise one machine of the sandbox (started by the sandbox itself)
    #[command(name = "__machine", hide = true)]
    Machine(machine::Args),
}

/// Runs what the arguments ask for and returns the exit code.
pub fn main(settings: Settings, arguments: Vec<OsString>) -> u8 {
    let (arguments, machine_readable) = args::normalise(arguments);
    let style = Style::new(true, false, machine_readable, settings.no_color());
    let command = match Command::try_parse_from(&arguments) {
        Ok(command) => command,
        Err(error) => return usage(&error),
    };
    match dispatch(command, settings, style) {
        Ok(code) => code,
        Err(Failure::Diagnostics(all, redactor)) => {
            ui::redacted_diagnostics(style, &all, &redactor);
            failure::FAILED
        }
        Err(Failure::Error(error)) => {
            let mut text = format!("Error: {error}");
            for cause in error.chain().skip(1) {
                text.push_str(&format!("\n  caused by: {cause}"));
            }
            ui::note(text);
            failure::FAILED
        }
    }
}

/// Packer's exit codes for a wrong command line: 0 for help, 127 where there is no such command, else 1; ansible-playbook's
/// is 5 (2 before 2.19 for flags that are unknown).
fn usage(error: &clap::Error) -> u8 {
    use clap::error::ErrorKind;
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            ui::data(text.as_bytes());
            failure::OK
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingSubcommand
        | ErrorKind::InvalidSubcommand => {
            ui::note(text);
            failure::NO_COMMAND
        }
        _ => {
            ui::note(text);
            failure::FAILED
        }
    }
}

fn dispatch(command: Command, settings: Settings, style: Style) -> Outcome {
    match command {
        Command::Validate(args) => validate::run(&args, &settings, style),
        Command::Build(args) => block_on(build::run(args, &settings, style)),
        Command::Plan(args) => block_on(plan::run(args, &settings, style)),
        Command::Console(args) => console::run(&args, &settings, style),
        Command::Inspect(args) => inspect::run(&args, &settings, style),
        Command::Init(args) => init::run(&args, &settings, style),
        Command::Plugins(args) => plugins::run(&args, style),
        Command::Fix(args) => fix::run(&args, &settings, style),
        Command::Fmt(args) => fmt::run(&args, style),
        Command::Hcl2Upgrade(args) => hcl2_upgrade::run(&args, style),
        Command::Playbook(args) => block_on(playbook::run(args, &settings)),
        Command::Inventory(args) => block_on(ansible::inventory::run(args, &settings)),
        Command::Vault(args) => block_on(ansible::vault::run(args, &settings)),
        Command::Galaxy(args) => block_on(ansible::galaxy::run(args, &settings)),
        Command::Adhoc(args) => block_on(ansible::adhoc::run(args, &settings)),
        Command::Userdata(args) => userdata::run(&args),
        Command::Gc(args) => block_on(gc::run(args, &settings, style)),
        Command::Prune(args) => block_on(prune::run(args, &settings, style)),
        Command::Sandbox(command) => sandbox::run(command, &settings, style),
        Command::Docs(args) => docs::run(&args),
        Command::Machine(args) => machine::run(&args),
        Command::Version => {
            let (name, number) = settings.called_version();
            let text = format!("{name} v{number}");
            if style.machine_readable {
                ui::line(ui::record("", "version", &[number]));
                // Packer's spelling.
                ui::line(ui::record("", "version-prelease", &[""]));
                ui::line(ui::record("", "version-commit", &[""]));
                ui::line(ui::record("", "ui", &["say", &text]));
            } else {
                ui::line(text);
            }
            Ok(failure::OK)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Command::command(), "imgbuild", &mut script);
            ui::data(&script);
            Ok(failure::OK)
        }
        Command::Man { command } => {
            let mut page = Vec::new();
            manual(command.as_deref())?.render(&mut page).map_err(anyhow::Error::from)?;
            ui::data(&page);
            Ok(failure::OK)
        }
    }
}

/// The manual page of the program, or of one command.
fn manual(command: Option<&str>) -> Result<clap_mangen::Man, Failure> {
    let mut program = Command::command();
    program.build();
    let Some(name) = command else { return Ok(clap_mangen::Man::new(program)) };
    let known = program.get_subcommands().find(|c| c.get_name() == name && !c.is_hide_set());
    let known = known.ok_or_else(|| anyhow::anyhow!("there is no command {name:?}; `imgbuild --help` lists them"))?;
    // The page's name is that of the program and the command, as in git-commit(1).
    let title = format!("imgbuild-{name}");
    Ok(clap_mangen::Man::new(known.clone().name(title.clone())).title(title.to_uppercase()))
}

/// Runs a command that talks to the outside. When it is over nothing is waited for: a question that nobody answers any more would
/// keep the program.
fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Error(e.into()))?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_background();
    outcome
}
