//! Ansible's templating: values that remember which strings are templates, lazy variables, Jinja with Ansible's filters,
//! tests and globals, native result types.
//!
//! Knows no play, host or module: variables come through [`VarSource`], lookups through [`Lookups`].

mod value;

pub use value::{Key, Map, Str, Value};
