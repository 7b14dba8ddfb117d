//! Ansible's templating: values that remember which strings are templates, lazy variables, Jinja with Ansible's filters,
//! tests and globals, native result types.
//!
//! Knows no play, host or module: variables come through [`VarSource`], lookups through [`Lookups`], the controller's clock,
//! random numbers, environment and files through [`Host`]. Lexing and parsing are minijinja's; evaluation is our own,
//! because Ansible's values follow Python's rules (docs/decisions/0002).

mod brought;
mod check;
mod error;
mod eval;
mod filters;
mod functions;
mod host;
mod lookups;
mod methods;
mod moment;
mod options;
mod sources;
#[cfg(test)]
mod suite;
mod syntax;
mod templar;
mod tests;
mod val;
mod value;
mod yaml;

pub use error::{Detail, ErrorKind, Frame, LookupError, TemplateError, Warning};
pub use filters::random::SeededRandom;
pub use filters::time::strftime_at as strftime;
pub use functions::NAMES as FUNCTIONS;
pub use host::{FileKind, FileStat, Host, LocalHost, Stamp};
pub use moment::Moment;
pub use options::{Extensions, FileOptions, Limits};
pub use sources::{HostScopes, Loader, LookupContext, Lookups, NoLoader, NoLookups, Overlay, PluginKind, VarSource};
pub use templar::{CheckKind, Templar};
pub use value::{Key, Map, Str, Value};
