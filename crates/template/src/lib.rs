//! Reads Packer templates: front ends for legacy JSON and HCL2, one typed model, variables, template expressions, and the
//! weakly typed decoding of a plugin's options.
//!
//! Invariants: it knows no cloud and no plugin, opens no connection, and reads only the files it is asked to load. Time,
//! environment and randomness come in through [`interpolate::Ambient`].
//!
//! Behaviour is Packer's, but for these:
//! - all errors of a pass are told at once, with their places; what Packer passes over silently (a name in `-only` that no build
//!   has, a field without a value, a bare number as a duration) is a warning;
//! - a text that renders itself anew for ever is an error, where Packer never returns;
//! - two builders that come to one name once rendered are an error, where Packer drops one of them at random;
//! - negative durations and complex numbers in expressions are refused.

mod build;
pub mod console;
pub mod decode;
pub mod fix;
pub mod hcl;
pub mod interpolate;
pub mod json;
mod load;
#[cfg(test)]
mod load_tests;
pub mod model;
mod quote;
mod select;
pub mod upgrade;
pub mod value;
pub mod variables;
pub mod version;

pub use decode::{Kind, Opt, Reader, Renamed, Table};
pub use hcl::{UNKNOWN, is_hcl};
pub use interpolate::{Ambient, Context, Datum};
pub use load::{LoadOptions, Loaded, Parsed, check_syntax, inspect, load, parse_file, parse_text, read_text, tiniest};
pub use model::{Body, Build, Builder, PostProcessor, Provisioner, Template};
pub use value::{Node, Spanned, Value};
