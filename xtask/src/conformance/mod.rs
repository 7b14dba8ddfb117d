//! `cargo xtask conformance`: imgbuild beside the programs that it stands in for, one file a suite. Each prints its totals and its
//! differences, and fails on a difference that its committed record does not know.

mod ansible;
mod debops;
mod expected;
mod packer;

pub use ansible::Options as Ansible;

use anyhow::Result;

/// The suites.
#[derive(clap::Subcommand)]
pub enum Options {
    /// ansible-core's own integration suite, with imgbuild as `ansible-playbook`
    Ansible(Ansible),
    /// Beside Packer: exit codes, files and output, on our fixtures and on fixtures that the user brings
    Packer(packer::Options),
    /// DebOps' playbooks and roles, listed by imgbuild and by ansible-core
    Debops(debops::Options),
}

/// Entry.
pub fn run(options: &Options) -> Result<u8> {
    match options {
        Options::Ansible(options) => ansible::run(options),
        Options::Packer(options) => packer::run(options),
        Options::Debops(options) => debops::run(options),
    }
}
