//! YAML as PyYAML reads and writes it, for the filters.

mod emit;
mod resolve;
mod scalar;
mod parse;

pub(crate) use emit::{Options, dump};
pub(crate) use parse::parse;
