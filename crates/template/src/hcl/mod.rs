//! HCL2: the front end for Packer's configurations in HCL, its values and types, and the functions that expressions may call.
//!
//! | files | [`files`] finds them, [`syntax`] reads both syntaxes, [`body`] reads blocks through schemas |
//! |---|---|
//! | expressions | [`expr`], [`eval`], [`scope`] |
//! | declarations | [`config`]: variables, locals, data sources, sources, builds |
//! | plugins' options | [`options`]: read with the plugin's table, and again when the build runs |
//!
//! Nothing here reads a clock or the environment by itself: they enter through the contexts that callers make.

mod body;
mod budget;
mod config;
mod console;
pub mod constraint;
pub mod convert;
mod dynamic;
mod eval;
mod expr;
mod files;
pub mod format;
pub mod functions;
pub mod json;
mod json_body;
mod load;
#[cfg(test)]
mod load_tests;
mod node;
pub mod number;
mod options;
mod overview;
mod own;
mod references;
pub mod required;
mod requirement;
mod scope;
mod syntax;
pub mod types;
pub mod unify;
pub mod value;

pub use config::core::RequiredPlugin;
pub use config::data::DataSources;
pub(crate) use console::Expressions;
pub use constraint::{TypeError, constraint};
pub use convert::{ConvertError, convert};
pub use files::is_hcl;
pub use load::Config;
pub(crate) use load::parse;
pub use node::UNKNOWN;
pub use number::Number;
pub(crate) use options::Options;
pub use overview::Overview;
pub use types::Type;
pub use value::{Data, Value};
