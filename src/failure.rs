//! Exit codes, and the one place where an error becomes words.

use imgbuild_diag::{Diagnostic, Diagnostics, Redactor};

/// All went well.
pub const OK: u8 = 0;
/// Anything else, as Packer: bad input, bad flags, a failed or cancelled build.
pub const FAILED: u8 = 1;
/// Things were created that could not be removed; they are listed.
pub const LEAKED: u8 = 4;
/// No command, or an unknown one, as Packer.
pub const NO_COMMAND: u8 = 127;
/// Ended by a second Ctrl-C: nothing was undone.
pub const INTERRUPTED: u8 = 130;

/// An error that ends a command.
#[derive(Debug)]
pub enum Failure {
    /// Show these, without the secrets that are known by now.
    Diagnostics(Diagnostics, Redactor),
    /// Show this chain of causes.
    Error(anyhow::Error),
}

impl From<Diagnostics> for Failure {
    fn from(all: Diagnostics) -> Self {
        Failure::Diagnostics(all, Redactor::new())
    }
}

impl From<Diagnostic> for Failure {
    fn from(one: Diagnostic) -> Self {
        Diagnostics::from(one).into()
    }
}

impl Failure {
    /// The same, shown without these secrets: the line of a variable file that an error quotes may hold one.
    pub fn hiding(self, redactor: &Redactor) -> Self {
        match self {
            Failure::Diagnostics(all, _) => Failure::Diagnostics(all, redactor.clone()),
            Failure::Error(error) => Failure::Error(error),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Error(error)
    }
}

/// A command's outcome: its exit code, or why it failed.
pub type Outcome = Result<u8, Failure>;
