//! The console: one line against a template, as `packer console` has it.

use crate::hcl::Expressions;
use crate::interpolate;
use crate::load::{LoadOptions, Parsed, parse_file, tiny};
use crate::model::Template;
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::path::Path;

/// A template that lines are evaluated against. What is wrong with its values doesn't matter: they are empty then.
pub struct Console {
    language: Language,
}

enum Language {
    Json(Box<Template>),
    Hcl(Box<Expressions>),
}

/// What a line gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A text to show.
    Text(String),
    /// The line was `exit`.
    Exit,
}

const HELP_JSON: &str = r#"Packer console JSON Mode.
A line with interpolations gives what they render to; the template's variables
are at hand.

variables        all variables and their values
{{timestamp}}    an interpolation: the time of now in seconds
exit             the end; also Control-C

For expressions of HCL2 without a template there is -config-type=hcl2."#;

const HELP_HCL: &str = r#"Packer console HCL2 Mode.
A line is one expression; the configuration's variables, locals and all
functions are at hand.

variables        input variables and locals with their values
upper(var.foo)   an expression
exit             the end; also Control-C

Interpolations such as {{timestamp}} are for JSON templates only."#;

impl Console {
    /// Reads a template or a configuration; without one there are functions only, in the language asked for.
    ///
    /// # Errors
    /// The file can't be read, or it is not a template.
    pub fn open(path: Option<&Path>, options: &LoadOptions) -> Result<Console, Diagnostics> {
        if path.map_or(options.hcl, |path| options.is_hcl(path)) {
            let mut options = options.clone();
            options.no_builds_needed = true;
            return Ok(Console { language: Language::Hcl(Box::new(Expressions::open(path, &options)?)) });
        }
        let parsed: Parsed = match path {
            Some(path) => parse_file(path, &options.ambient)?,
            None => tiny()?,
        };
        Ok(Console { language: Language::Json(Box::new(parsed.resolve_anyway(options).0)) })
    }

    /// Whether lines are expressions of HCL2.
    pub fn is_hcl(&self) -> bool {
        matches!(self.language, Language::Hcl(_))
    }

    /// Evaluates a line, or does what its one word says: `variables`, `help`, `exit`.
    ///
    /// # Errors
    /// It can't be evaluated; places are in the line.
    pub fn answer(&self, line: &str) -> Result<Answer, Diagnostics> {
        let text = match (line, &self.language) {
            ("exit", _) => return Ok(Answer::Exit),
            ("", _) => String::new(),
            ("help", Language::Json(_)) => HELP_JSON.to_owned(),
            ("help", Language::Hcl(_)) => HELP_HCL.to_owned(),
            ("variables", Language::Json(template)) => template.list_variables(),
            ("variables", Language::Hcl(expressions)) => expressions.list(),
            (line, Language::Json(template)) => hidden(template, template.evaluate(line)?),
            (line, Language::Hcl(expressions)) => expressions.evaluate(line)?,
        };
        Ok(Answer::Text(text))
    }
}

/// A text that is a sensitive variable's value as a whole is not shown, however short it is.
fn hidden(template: &Template, text: String) -> String {
    let values = template.variables.values();
    let secret = template.variables.declared().any(|v| v.sensitive && values.get(&v.name.value) == Some(&text));
    if secret && !text.is_empty() { "<sensitive>".to_owned() } else { text }
}

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
