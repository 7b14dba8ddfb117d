//! `imgbuild galaxy`, which is the installing half of ansible-galaxy: roles and collections, with a lock file.

use super::{Words, error, parse, settings, version};
use crate::failure::Outcome;
use crate::settings::Settings as Process;
use crate::ui;
use clap::{Parser, Subcommand};
use imgbuild_engine::galaxy::{self, Lock, Options, Requirement};
use imgbuild_playbook::settings::{Settings, exit};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Installs roles and collections
#[derive(Parser, Debug)]
#[command(name = "ansible-galaxy", disable_version_flag = true, no_binary_name = true, arg_required_else_help = true)]
pub(super) struct Args {
    /// Print the version
    #[arg(long)]
    version: bool,
    #[command(subcommand)]
    kind: Option<Kind>,
}

#[derive(Subcommand, Debug)]
enum Kind {
    /// Roles
    #[command(subcommand)]
    Role(Action),
    /// Collections
    #[command(subcommand)]
    Collection(Action),
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Install what a file or the command line names
    Install(Install),
    /// List what is installed
    List(List),
    /// Remove
    Remove(List),
}

#[derive(clap::Args, Debug)]
struct Install {
    /// Names, URLs, archives
    names: Vec<String>,
    /// A requirements file
    #[arg(short = 'r', long = "role-file", visible_alias = "requirements-file", value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// Where to
    #[arg(short = 'p', long = "roles-path", visible_alias = "collections-path", value_name = "DIR")]
    path: Option<PathBuf>,
    /// Replace what is installed
    #[arg(short = 'f', long)]
    force: bool,
    /// Replace dependencies, too
    #[arg(long)]
    force_with_deps: bool,
    /// Leave dependencies out
    #[arg(short = 'n', long)]
    no_deps: bool,
    /// The Galaxy server
    #[arg(short = 's', long, value_name = "URL")]
    server: Option<String>,
    /// The lock file; beside the requirements file if not given
    #[arg(long, value_name = "FILE")]
    lock_file: Option<PathBuf>,
    /// Neither read nor write a lock file
    #[arg(long)]
    no_lock: bool,
    /// Forget the lock file's versions, take the newest that are asked for
    #[arg(short = 'U', long)]
    upgrade: bool,
    /// Say more; may be repeated
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(clap::Args, Debug)]
struct List {
    /// Names
    names: Vec<String>,
    /// Where
    #[arg(short = 'p', long = "roles-path", visible_alias = "collections-path", value_name = "DIR")]
    path: Option<PathBuf>,
}

/// Runs it; the exit code is ansible-galaxy's.
pub async fn run(words: Words, process: &Process) -> Outcome {
    // `ansible-galaxy install` is for roles, and for both with -r.
    let both = words.words.first().is_some_and(|w| ["install", "list", "remove"].iter().any(|a| w == a));
    let words: Vec<OsString> =
        both.then(|| OsString::from("role")).into_iter().chain(words.words.iter().cloned()).collect();
    let args: Args = match parse(&words) {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    let Some(kind) = args.kind else { return Ok(version("ansible-galaxy", process)) };
    let settings = match settings(process) {
        Ok(settings) => settings,
        Err(problems) => return Ok(super::fail(&problems, exit::ERROR)),
    };
    let done = match kind {
        Kind::Role(Action::Install(args)) => install(&args, &settings, process, "role", both),
        Kind::Collection(Action::Install(args)) => install(&args, &settings, process, "collection", false),
        Kind::Role(Action::List(args)) => list_roles(&args, &settings),
        Kind::Collection(Action::List(args)) => list_collections(&args, &settings),
        Kind::Role(Action::Remove(args)) => remove_roles(&args, &settings),
        Kind::Collection(Action::Remove(_)) => {
            Err("collections are not removed by ansible-galaxy: delete the folder".into())
        }
    };
    Ok(done.unwrap_or_else(|why| error(why, exit::ERROR)))
}

fn install(args: &Install, settings: &Settings, process: &Process, kind: &str, both: bool) -> Result<u8, String> {
    let first = |paths: &[PathBuf]| paths.first().cloned().unwrap_or_else(|| settings.cwd.clone());
    let own = args.path.as_ref().map(|p| imgbuild_playbook::settings::expand_home(&p.to_string_lossy(), settings));
    let file = args.requirements.as_ref().map(|f| settings.cwd.join(f));
    let mut wanted: Vec<Requirement> = Vec::new();
    if let Some(file) = &file {
        let all = galaxy::read_file(file)?;
        wanted.extend(all.into_iter().filter(|r| r.kind() == kind || both && own.is_none()));
        if kind == "role" && !args.names.is_empty() {
            wanted.retain(|r| args.names.iter().any(|n| n == r.name()));
        }
    } else if args.names.is_empty() {
        let why = if kind == "role" {
            "- you must specify a user/role name or a roles file"
        } else {
            "You must specify a collection name or a requirements file."
        };
        return Ok(error(why, exit::USAGE));
    } else {
        for name in &args.names {
            wanted.push(if kind == "role" { galaxy::role(name)? } else { galaxy::collection(name) });
        }
    }
    if wanted.is_empty() {
        ui::line("Skipping install, no requirements found");
        return Ok(exit::OK);
    }
    let dir = file.as_ref().and_then(|f| f.parent()).unwrap_or(&settings.cwd).to_owned();
    let server = args.server.clone().or_else(|| process.var("ANSIBLE_GALAXY_SERVER").map(str::to_owned));
    let options = Options {
        roles: own.clone().unwrap_or_else(|| first(&settings.roles_path)),
        collections: own.unwrap_or_else(|| first(&settings.collections_path)),
        server: server.unwrap_or_else(|| "https://galaxy.ansible.com".into()),
        force: args.force || args.force_with_deps || args.upgrade,
        no_deps: args.no_deps,
        dir,
    };
    let lock_path =
        args.lock_file.as_ref().map(|f| settings.cwd.join(f)).or(file.map(|f| f.with_extension("lock.json")));
    let lock_path = lock_path.filter(|_| !args.no_lock);
    let mut lock = match lock_path.as_deref().filter(|_| !args.upgrade) {
        Some(path) => Lock::read(path)?,
        None => Lock::default(),
    };
    let before = lock.clone();
    ui::line(format!("Starting galaxy {kind} install process"));
    let done = galaxy::install(wanted, &options, &mut lock, &mut |text| ui::line(text));
    // What was installed before something failed is locked, too.
    if let Some(path) = lock_path.filter(|_| lock != before) {
        lock.write(&path)?;
    }
    match done {
        Ok(()) => Ok(exit::OK),
        Err(why) => Ok(error(why, exit::ERROR)),
    }
}

fn paths(args: &List, configured: &[PathBuf], settings: &Settings) -> Vec<PathBuf> {
    args.path.as_ref().map_or_else(|| configured.to_vec(), |p| vec![settings.cwd.join(p)])
}

fn folders(dir: &Path) -> Vec<(String, PathBuf)> {
    let mut all: Vec<(String, PathBuf)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
        .filter(|(name, path)| path.is_dir() && !name.starts_with('.'))
        .collect();
    all.sort();
    all
}

fn list_roles(args: &List, settings: &Settings) -> Result<u8, String> {
    let mut found = false;
    for dir in paths(args, &settings.roles_path, settings).iter().filter(|d| d.is_dir()) {
        found = true;
        ui::line(format!("# {}", dir.display()));
        for (name, path) in folders(dir) {
            let named = args.names.is_empty() || args.names.contains(&name);
            if named && (path.join("meta/main.yml").is_file() || path.join("meta/main.yaml").is_file()) {
                let version = galaxy::installed_version(&path).unwrap_or_else(|| "(unknown version)".into());
                ui::line(format!("- {name}, {version}"));
            }
        }
    }
    if found {
        Ok(exit::OK)
    } else {
        Err("- None of the provided paths were usable. Please specify a valid path with --roles-path".into())
    }
}

fn list_collections(args: &List, settings: &Settings) -> Result<u8, String> {
    for dir in paths(args, &settings.collections_path, settings) {
        let root = dir.join("ansible_collections");
        let mut rows = Vec::new();
        for (namespace, path) in folders(&root) {
            for (name, path) in folders(&path) {
                let full = format!("{namespace}.{name}");
                if args.names.is_empty() || args.names.contains(&full) {
                    rows.push((full, galaxy::collection_version(&path).unwrap_or_else(|| "*".into())));
                }
            }
        }
        if rows.is_empty() {
            continue;
        }
        let width = rows.iter().map(|r| r.0.len()).max().unwrap_or(0).max("Collection".len());
        let second = rows.iter().map(|r| r.1.len()).max().unwrap_or(0).max("Version".len());
        ui::line(format!("\n# {}", root.display()));
        ui::line(format!("{:width$} {:second$}", "Collection", "Version"));
        ui::line(format!("{} {}", "-".repeat(width), "-".repeat(second)));
        rows.iter().for_each(|(name, version)| ui::line(format!("{name:width$} {version:second$}")));
    }
    Ok(exit::OK)
}

fn remove_roles(args: &List, settings: &Settings) -> Result<u8, String> {
    if args.names.is_empty() {
        return Ok(error("- you must specify at least one role to remove.", exit::USAGE));
    }
    for name in &args.names {
        let dirs = paths(args, &settings.roles_path, settings);
        let found = dirs.iter().map(|d| d.join(name)).find(|d| !name.contains('/') && d.join("meta").is_dir());
        match found {
            Some(dir) => {
                std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
                ui::line(format!("- successfully removed {name}"));
            }
            None => ui::line(format!("- {name} is not installed, skipping.")),
        }
    }
    Ok(exit::OK)
}
