//! The console's side of HCL2: one line is one expression.

use super::load::Config;
use super::overview::printable;
use super::scope::Env;
use super::syntax;
use crate::load::LoadOptions;
use crate::model::Template;
use imgbuild_diag::{Diagnostics, Source};
use std::path::Path;
use std::sync::Arc;

/// A configuration that expressions are evaluated against.
pub(crate) struct Expressions {
    template: Template,
    env: Arc<Env>,
}

impl Expressions {
    /// Reads the configuration, if there is one; what is wrong with its values doesn't matter.
    pub(crate) fn open(path: Option<&Path>, options: &LoadOptions) -> Result<Self, Diagnostics> {
        let config = match path {
            Some(path) => super::parse(path, &options.ambient)?,
            None => Config::none(),
        };
        let (template, env, _) = config.resolve_with_env(options);
        Ok(Expressions { template, env })
    }

    /// The value of one expression as Packer's console shows it.
    pub(crate) fn evaluate(&self, line: &str) -> Result<String, Diagnostics> {
        let source = Source::new("console", line);
        let expression = syntax::parse_expression(&source)?;
        let mut diags = Diagnostics::new();
        let value = expression.value(&self.env.afresh().scope(), &mut diags);
        diags.into_result(value).map(|(value, _)| printable(&value))
    }

    /// Variables and locals with their values.
    pub(crate) fn list(&self) -> String {
        self.template.overview.as_ref().map(|overview| overview.variables.clone()).unwrap_or_default()
    }
}
