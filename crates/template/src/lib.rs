//! Reads Packer templates: front ends for legacy JSON (and HCL2), one typed model, variables, template expressions, and the
//! weakly typed decoding of a plugin's options.
//!
//! Invariants: it knows no cloud and no plugin, opens no connection, and reads only the files it is asked to load. Time,
//! environment and randomness come in through [`interpolate::Ambient`].

mod build;
mod console;
pub mod decode;
pub mod interpolate;
pub mod json;
mod load;
#[cfg(test)]
mod load_tests;
pub mod model;
pub mod value;
pub mod variables;
pub mod version;

pub use decode::{Kind, Opt, Reader, Renamed, Table};
pub use interpolate::{Ambient, Context, Datum};
pub use load::{LoadOptions, Loaded, Parsed, load, parse_file, parse_text, tiniest};
pub use model::{Body, Build, Builder, PostProcessor, Provisioner, Template};
pub use value::{Node, Spanned, Value};
