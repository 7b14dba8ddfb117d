//! The builders. Each is one straight asynchronous function over phases whose types say what exists.
//!
//! Invariants: nothing is created except through [`imgbuild_engine::run::BuildRun::acquire`]; no SDK type and no SSH library is
//! named here, both come in through traits; options are read and checked without the network.

pub mod amazon;
pub mod file;
pub mod gc;
pub mod inputs;
pub mod null;
pub mod paths;
pub mod plan;
pub mod private_key;
pub mod prune;
mod read;
mod registry;
pub mod ssh_options;
pub mod strays;

pub use amazon::options::Flags;
pub use registry::{Prepared, prepare, tables};
