//! Errors and warnings about a user's file, gathered over one pass and shown together.

use crate::{Position, Span};
use std::fmt;

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
    /// The exit code of a program that this error ends, where it is another than that of most errors.
    pub exit: Option<u8>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Error, message: message.into(), span: None, help: Vec::new(), exit: None }
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

    /// Sets the exit code.
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = Some(code);
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

impl Span {
    /// `on name:line:column`, the line, and a marker below the place. Of a long line only what is around the place is shown.
    pub fn excerpt(&self) -> String {
        let Position { line, column } = self.position();
        let text = self.source().line(line);
        let mut out = format!("on {self}");
        if text.trim().is_empty() {
            return out;
        }
        let before = column as usize - 1;
        let skipped = if before < LONGEST / 2 { 0 } else { before - LONGEST / 4 };
        let dots = if skipped > 0 { "…" } else { "" };
        let shown: String = text.chars().skip(skipped).take(LONGEST).collect();
        // Tabs stay tabs in the marker line, or the marker would stand elsewhere than its text.
        let lead: String =
            dots.chars().chain(shown.chars()).take(before - skipped + dots.chars().count()).map(blank).collect();
        let on_line = shown.chars().count().saturating_sub(before - skipped).max(1);
        let text_of_span = self.source().text().get(self.range()).unwrap_or("");
        let width = text_of_span.lines().next().unwrap_or("").chars().count().clamp(1, on_line);
        let number = line.to_string();
        out.push_str(&format!("\n{number} | {dots}{shown}\n{:1$} | {lead}{2}", "", number.len(), "^".repeat(width)));
        out
    }
}

fn blank(c: char) -> char {
    if c == '\t' { '\t' } else { ' ' }
}

/// No more characters of a line are shown.
const LONGEST: usize = 400;

/// The whole message: severity, sentence, place, the line with a marker, what to do.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "Warning",
            Severity::Error => "Error",
        };
        write!(f, "{word}: {}", self.message)?;
        if let Some(span) = &self.span {
            write!(f, "\n  {}", span.excerpt().replace('\n', "\n  "))?;
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
    fn of_a_long_line_the_place_is_shown() {
        let source = Source::new("a.json", format!("[{}wrong, {}]", "1, ".repeat(1000), "2, ".repeat(1000)));
        let excerpt = Span::new(&source, 3001..3006).excerpt();
        let lines: Vec<&str> = excerpt.lines().collect();
        assert_eq!(lines[0], "on a.json:1:3002");
        assert!(lines[1].chars().count() < 420, "{excerpt}");
        let at = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().skip(at).take(5).collect::<String>(), "wrong");
        assert_eq!(lines[2].trim_start_matches([' ', '|']), "^^^^^");
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
