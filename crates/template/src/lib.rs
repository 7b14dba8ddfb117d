//! Reads Packer templates: front ends for legacy JSON (and HCL2), one typed model, variables, template expressions, and the
//! weakly typed decoding of a plugin's options.
//!
//! Invariants: it knows no cloud and no plugin, opens no connection, and reads only the files it is asked to load. Time,
//! environment and randomness come in through [`interpolate::Ambient`].

pub mod decode;
pub mod interpolate;
mod load;
pub mod model;
pub mod value;
pub mod variables;

pub use decode::{Kind, Opt, Reader, Renamed, Table};
pub use interpolate::{Ambient, Context, Datum};
pub use load::{LoadOptions, Loaded};
pub use model::{Body, Build, Builder, PostProcessor, Provisioner, Template};
pub use value::{Node, Spanned, Value};
