//! `cargo xtask docs`: the option tables, written by the program itself.

use crate::{cargo, run as run_command};
use anyhow::Result;
use std::process::Command;

/// The command that writes them, or says where they are not current.
pub fn command(check: bool) -> Command {
    let mut command = cargo();
    command.args(["run", "--quiet", "--", "__docs"]);
    if check {
        command.arg("--check");
    }
    command.arg("docs/options");
    command
}

/// Writes them.
pub fn run() -> Result<u8> {
    run_command(&mut command(false))?;
    Ok(0)
}
