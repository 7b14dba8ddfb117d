//! Evaluates one line against a loaded template, as `packer console` does for JSON templates.

use crate::interpolate;
use crate::model::Template;
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Source, Span};

impl Template {
    /// Renders one line, until nothing changes any more, with the template's variables.
    ///
    /// # Errors
    /// The expression can't be read or evaluated; the place is in the line.
    pub fn evaluate(&self, line: &str) -> Result<String, Diagnostic> {
        let source = Source::new("console", line);
        let text = Spanned::new(line.to_owned(), Span::new(&source, 0..line.len()));
        interpolate::render(&text, &self.plain_context())
    }

    /// What the console's command `variables` prints: every variable and its value, sorted, sensitive ones hidden.
    pub fn list_variables(&self) -> String {
        let sensitive = |name: &str| self.variables.declared().any(|v| v.sensitive && v.name.value == name);
        let mut out = String::from("\n");
        for (name, value) in self.variables.values().iter() {
            let shown = if sensitive(name) { "<sensitive>" } else { value };
            out.push_str(&format!("{name}: {shown},\n"));
        }
        out
    }
}
