//! The project's own chores: `cargo xtask test`, `demo`, `check`, `bench`, `chaos`, `conformance`. Each installs what it needs and says so.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool for developers")]

mod bench;
mod chaos;
mod check;
mod conformance;
mod demo;
mod docs;
mod setup;
mod test;

use anyhow::Result;
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the imgbuild project")]
enum Task {
    /// Install what is missing, build, prepare the base image, run the main job in the sandbox, show the result
    Demo(demo::Options),
    /// Install what the tests need, and run them all
    Test(test::Options),
    /// fmt, clippy, direction of dependencies, file sizes, cargo-deny; lists every failure
    Check(check::Options),
    /// Write the option tables of docs/options out of the code
    Docs,
    /// The figures, each beside its peer, with the machine's description
    Bench(bench::Options),
    /// Builds under faults and kills, whole and over HTTP; fails on a leak, and on a table that differs from the committed one
    Chaos(chaos::Options),
    /// imgbuild beside the programs that it stands in for; fails on differences that are not recorded
    #[command(subcommand)]
    Conformance(conformance::Options),
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Check(options) => check::run(&options),
        Task::Docs => docs::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Chaos(options) => chaos::run(&options),
        Task::Conformance(options) => conformance::run(&options),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Cargo, in the root.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command to its end, shows it first, and fails if it fails.
fn run(command: &mut Command) -> Result<()> {
    let status = show(command).status()?;
    anyhow::ensure!(status.success(), "{:?} ended with {status}", command.get_program());
    Ok(())
}

/// Prints a command as it would be typed.
fn show(command: &mut Command) -> &mut Command {
    let words: Vec<_> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(|w| w.to_string_lossy()).collect();
    println!("$ {}", words.join(" "));
    command
}
