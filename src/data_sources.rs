//! The data sources of HCL2 templates: what is asked of the world before anything is built.

use crate::settings::Settings;
use imgbuild_diag::Diagnostics;
use imgbuild_template::hcl::{DataSources, Type, Value};
use imgbuild_template::{Kind, Opt, Reader, Table};
use std::path::PathBuf;
use std::sync::Arc;

/// All of them.
pub fn all(_settings: &Settings, _sandbox: Option<PathBuf>) -> Arc<dyn DataSources> {
    Arc::new(All)
}

struct All;

const NAMES: &[&str] = &["null"];

static NULL: Table = Table::new("null", &[&[Opt::new("input", Kind::String, "The value.")]]);

impl DataSources for All {
    fn names(&self) -> &'static [&'static str] {
        NAMES
    }

    fn table(&self, kind: &str) -> Option<&'static Table> {
        (kind == "null").then_some(&NULL)
    }

    fn result(&self, _: &str) -> Type {
        Type::object([("output", Type::String)])
    }

    fn check(&self, _: &str, _: &Reader, _: &mut Diagnostics) {}

    fn read(&self, _: &str, options: &Reader) -> Result<Value, String> {
        let input = options.string("input").map_or_else(String::new, |input| input.value);
        Ok(Value::object([("output", Value::string(input))]))
    }
}
