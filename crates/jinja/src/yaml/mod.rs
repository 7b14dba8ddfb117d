//! YAML as PyYAML reads and writes it, for the filters.

mod emit;
mod parse;
mod resolve;
mod scalar;

pub(crate) use emit::{Options, dump};
pub(crate) use parse::parse;
