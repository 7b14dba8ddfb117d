//! Errors and warnings about a user's file, gathered over one pass and shown together.

use crate::{Position, Span};
use std::fmt::{self, Write as _};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The input can be used.
    Warning,
    /// It can't.
    Error,
}

/// One message about a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: one sentence, no full stop.
    pub message: String,
    /// Where, if there is a place.
    pub span: Option<Span>,
    /// What to do about it, one line each.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Error, message: message.into(), span: None, help: Vec::new() }
    }

    /// A warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(message) }
    }

    /// Adds the place.
    pub fn at(mut self, span: &Span) -> Self {
        self.span = Some(span.clone());
        self
    }

    /// Adds the place if there is one.
    pub fn at_opt(mut self, span: Option<&Span>) -> Self {
        self.span = span.cloned();
        self
    }

    /// Adds a line on what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds `did you mean "x"?` where a candidate is close to `wrong`.
    pub fn suggest<'a>(self, wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match crate::did_you_mean(wrong, candidates) {
            Some(right) => self.help(format!("did you mean {right:?}?")),
            None => self,
        }
    }
}

/// The whole message: severity, sentence, place, the line with a marker, what to do.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "Warning",
            Severity::Error => "Error",
        };
        write!(f, "{word}: {}", self.message)?;
        if let Some(span) = &self.span {
            let Position { line, column } = span.position();
            let text = span.source().line(line);
            write!(f, "\n  on {span}")?;
            if !text.trim().is_empty() {
                let number = line.to_string();
                // Tabs stay tabs in the marker line, or the marker would stand elsewhere than its text.
                let lead: String =
                    text.chars().take(column as usize - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                let on_line = text.chars().count().saturating_sub(column as usize - 1).max(1);
                let text_of_span = span.source().text().get(span.range()).unwrap_or("");
                let width = text_of_span.lines().next().unwrap_or("").chars().count().clamp(1, on_line);
                let mut shown = String::new();
                for c in text.chars().take(400) {
                    shown.push(c);
                }
                write!(f, "\n  {number} | {shown}")?;
                if column < 400 {
                    let mut pad = String::new();
                    write!(pad, "{:1$}", "", number.len())?;
                    write!(f, "\n  {pad} | {lead}{}", "^".repeat(width))?;
                }
            }
        }
        for help in &self.help {
            write!(f, "\n  {help}")?;
        }
        Ok(())
    }
}

/// All that one pass found, in the order in which it was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another pass.
    pub fn extend(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// The errors, in order.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|d| d.severity == Severity::Error)
    }

    /// The warnings, in order.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|d| d.severity == Severity::Warning)
    }

    /// `value` and the warnings, or all diagnostics where one is an error.
    pub fn into_result<T>(self, value: T) -> Result<(T, Diagnostics), Diagnostics> {
        if self.has_errors() { Err(self) } else { Ok((value, self)) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    #[test]
    fn shows_line_marker_and_suggestion() {
        let source = Source::new("a.json", "{\n\t\"amo_name\": 1\n}");
        let d = Diagnostic::error("unknown configuration key \"amo_name\"")
            .at(&Span::new(&source, 3..13))
            .suggest("amo_name", ["ami_name", "region"]);
        assert_eq!(
            d.to_string(),
            "Error: unknown configuration key \"amo_name\"\n  on a.json:2:2\n  2 | \t\"amo_name\": 1\n    | \t^^^^^^^^^^\n  did you mean \"ami_name\"?"
        );
    }

    #[test]
    fn errors_fail_and_warnings_pass() {
        let mut all = Diagnostics::new();
        all.push(Diagnostic::warning("w"));
        assert!(all.clone().into_result(()).is_ok());
        all.push(Diagnostic::error("e"));
        assert!(all.into_result(()).is_err());
    }
}
