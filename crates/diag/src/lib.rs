//! What every front end needs to talk to a person about a file: sources with positions, diagnostics, "did you mean",
//! and the two things that keep secrets out of output, [`Secret`] and [`Redactor`].
//!
//! Invariant: this crate knows no file format, does no I/O and prints nothing.

mod diagnostic;
mod redact;
mod secret;
mod source;
mod suggest;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use redact::Redactor;
pub use secret::Secret;
pub use source::{Position, Source, Span};
pub use suggest::did_you_mean;
