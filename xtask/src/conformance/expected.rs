//! The committed tables of differences: rows of a Markdown document, so that what is read by people is what is enforced.
//!
//! A row is `` | `case` | ours | theirs | why | ``; in a case's name `*` stands for anything.

use anyhow::{Context, Result};
use std::path::Path;

/// One explained difference.
pub struct Row {
    /// The case, or a pattern of cases.
    pub case: String,
    /// Our outcome.
    pub ours: String,
    /// Theirs.
    pub theirs: String,
    /// Cases that it explained.
    pub used: usize,
}

/// The table of a document.
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Reads all rows of a document whose first cell is code.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Ok(Table { rows: text.lines().filter_map(row).collect() })
    }

    /// Whether the difference is explained.
    pub fn explains(&mut self, case: &str, ours: &str, theirs: &str) -> bool {
        let found = self.rows.iter_mut().find(|r| r.ours == ours && r.theirs == theirs && matches(&r.case, case));
        found.map(|r| r.used += 1).is_some()
    }

    /// Rows that explain nothing any more, among the cases that begin with one of `ran`.
    pub fn stale(&self, ran: &[&str]) -> impl Iterator<Item = &Row> {
        let ran: Vec<String> = ran.iter().map(|p| (*p).to_owned()).collect();
        self.rows.iter().filter(move |r| r.used == 0 && ran.iter().any(|p| r.case.starts_with(p.as_str())))
    }
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix("| `")?.splitn(5, " | ").map(str::trim).collect();
    let [case, ours, theirs, ..] = cells.as_slice() else { return None };
    Some(Row { case: case.strip_suffix('`')?.to_owned(), ours: (*ours).into(), theirs: (*theirs).into(), used: 0 })
}

/// `*` is any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|i| text.is_char_boundary(*i)).any(|i| matches(rest, &text[i..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_patterns_match() {
        let row = row("| `mutation/a *b` | 0 | 1 | since x | y |").unwrap();
        assert_eq!((row.case.as_str(), row.ours.as_str(), row.theirs.as_str()), ("mutation/a *b", "0", "1"));
        assert!(super::row("| case | ours | theirs | why |").is_none());
        assert!(matches("a*c*", "abcd") && matches("a", "a") && !matches("a*d", "abc") && !matches("a", "ab"));
    }
}
