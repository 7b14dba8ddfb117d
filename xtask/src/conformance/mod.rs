//! `cargo xtask conformance`: other people's test suites, run with imgbuild in the place of their program.

mod ansible;

pub use ansible::Options as Ansible;

use anyhow::Result;

#[derive(clap::Subcommand)]
pub enum Options {
    /// ansible-core's own integration suite, with imgbuild as `ansible-playbook`
    Ansible(Ansible),
}

/// Entry.
pub fn run(options: &Options) -> Result<u8> {
    match options {
        Options::Ansible(options) => ansible::run(options),
    }
}
