//! The front door: renders values, evaluates expressions and conditions, renders files, checks names before anything runs.

use crate::{FileOptions, Host, Limits, Loader, Lookups, Str, TemplateError, Value, VarSource, Warning};
use imgbuild_diag::{Diagnostic, Span};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a text is, for [`Templar::check`] and [`Templar::references`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckKind {
    /// An expression without braces: `when`, `until`, `that`, `var`.
    Expression,
    /// A string with `{{ }}`.
    Template,
}

/// Renders templates. One per run; cheap to clone; scopes are the `vars` arguments.
#[derive(Clone)]
pub struct Templar {
    shared: Arc<Shared>,
}

struct Shared {
    lookups: Arc<dyn Lookups>,
    host: Arc<dyn Host>,
    limits: Limits,
}

impl Templar {
    /// With default [`Limits`].
    pub fn new(lookups: Arc<dyn Lookups>, host: Arc<dyn Host>) -> Self {
        Self::with_limits(lookups, host, Limits::default())
    }

    /// With limits of the caller's choice.
    pub fn with_limits(lookups: Arc<dyn Lookups>, host: Arc<dyn Host>, limits: Limits) -> Self {
        Templar { shared: Arc::new(Shared { lookups, host, limits }) }
    }

    /// Renders a value deeply: strings that are templates are rendered with native result types, containers recursively.
    /// Keys of mappings are rendered, too. Entries of mappings and lists that render to `omit` are removed; a whole value
    /// that renders to it is [`Value::Omit`]. The result is data: none of its strings is a template any more.
    pub fn template(&self, value: &Value, vars: &Arc<dyn VarSource>) -> Result<Value, TemplateError> {
        let _ = (value, vars, &self.shared.lookups, &self.shared.host, self.shared.limits);
        Err(TemplateError::new(crate::ErrorKind::Limit, "not ready"))
    }

    /// Evaluates an expression without braces (`when`, `until`, `changed_when`, `that`, `var`).
    pub fn evaluate(
        &self,
        expression: &str,
        span: Option<&Span>,
        vars: &Arc<dyn VarSource>,
    ) -> Result<Value, TemplateError> {
        let _ = (expression, span, vars);
        Err(TemplateError::new(crate::ErrorKind::Limit, "not ready"))
    }

    /// Evaluates one conditional: a boolean, an expression, a template. A list is true where all its entries are (checked in
    /// order, stopping at the first false one). Results that are no booleans count by Python's truth, with a warning.
    pub fn condition(
        &self,
        value: &Value,
        vars: &Arc<dyn VarSource>,
    ) -> Result<(bool, Option<Warning>), TemplateError> {
        let _ = (value, vars);
        Err(TemplateError::new(crate::ErrorKind::Limit, "not ready"))
    }

    /// Renders a template file's text. `name` is shown in messages; a `#jinja2:` header line overrides `options`.
    pub fn render_file(
        &self,
        name: &str,
        text: &str,
        options: &FileOptions,
        vars: &Arc<dyn VarSource>,
        loader: &dyn Loader,
    ) -> Result<String, TemplateError> {
        let _ = (name, text, options, vars, loader);
        Err(TemplateError::new(crate::ErrorKind::Limit, "not ready"))
    }

    /// Whether a string would be rendered: it is marked as a template and holds `{{`, `{%` or `{#`.
    pub fn is_template(&self, text: &Str) -> bool {
        text.template && ["{{", "{%", "{#"].iter().any(|mark| text.text.contains(mark))
    }

    /// Syntax errors and unknown filters, tests and lookups, with their places. Runs nothing.
    pub fn check(&self, text: &Str, kind: CheckKind) -> Vec<Diagnostic> {
        let _ = (text, kind);
        Vec::new()
    }

    /// The variables that a template or an expression reads (not those that it sets itself). Names that `vars` and `varnames`
    /// lookups find at run time are not seen.
    pub fn references(&self, text: &str, kind: CheckKind) -> BTreeSet<String> {
        let _ = (text, kind);
        BTreeSet::new()
    }
}
