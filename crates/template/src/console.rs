//! The console: one line against a template, as `packer console` has it.

use crate::interpolate;
use crate::load::{LoadOptions, Parsed, parse_file, tiny};
use crate::model::Template;
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::path::Path;

/// A template that lines are evaluated against. What is wrong with its values doesn't matter: they are empty then.
#[derive(Debug)]
pub struct Console {
    template: Template,
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
The Packer console allows you to experiment with Packer interpolations.
You may access variables in the Packer config you called the console with.

Type in the interpolation to test and hit <enter> to see the result.

"variables" will dump all available variables and their values.

"{{timestamp}}" will output the timestamp, for example "1559855090".

To exit the console, type "exit" and hit <enter>, or use Control-C.

/!\ If you would like to start console in hcl2 mode without a config you can
use the --config-type=hcl2 option."#;

impl Console {
    /// Reads a template; without one there is a tiny one. `hcl` is the language asked for, else the name tells.
    ///
    /// # Errors
    /// The file can't be read, or it is not a template.
    pub fn open(path: Option<&Path>, hcl: Option<bool>, options: &LoadOptions) -> Result<Console, Diagnostics> {
        if hcl == Some(true) {
            return Err(Diagnostic::error("the console for HCL2 is not there yet, only that for JSON templates").into());
        }
        let parsed: Parsed = match path {
            Some(path) => parse_file(path, &options.ambient)?,
            None => tiny()?,
        };
        Ok(Console { template: parsed.resolve_anyway(options).0 })
    }

    /// Whether lines are expressions of HCL2.
    pub fn is_hcl(&self) -> bool {
        false
    }

    /// Evaluates a line, or does what its one word says: `variables`, `help`, `exit`.
    ///
    /// # Errors
    /// It can't be evaluated; places are in the line.
    pub fn answer(&self, line: &str) -> Result<Answer, Diagnostics> {
        Ok(match line {
            "exit" => Answer::Exit,
            "" => Answer::Text(String::new()),
            "help" => Answer::Text(HELP_JSON.to_owned()),
            "variables" => Answer::Text(self.template.list_variables()),
            line => Answer::Text(self.hidden(self.template.evaluate(line)?)),
        })
    }
}

impl Console {
    /// A text that is a sensitive variable's value as a whole is not shown, however short it is.
    fn hidden(&self, text: String) -> String {
        let variables = &self.template.variables;
        let values = variables.values();
        let secret = variables.declared().any(|v| v.sensitive && values.get(&v.name.value) == Some(&text));
        if secret && !text.is_empty() { "<sensitive>".to_owned() } else { text }
    }
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
