//! Front end for legacy JSON templates: text to values with places, values to a template's parts.

mod keys;
mod parse;
mod structure;

pub use parse::{Duplicates, parse, parse_first};
pub use structure::{JsonBuilder, JsonPostProcessor, JsonProvisioner, JsonTemplate, Names, OnlyExcept, read};
