//! The committed table: a Markdown document whose rows are what a run must give.

use anyhow::{Context, Result};
use std::path::Path;

/// One class.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub class: String,
    /// Faults injected, one a trial.
    pub injected: usize,
    /// Trials that ended as they should, with nothing left in the account.
    pub survived: usize,
    /// Things left in the account.
    pub leaks: usize,
    /// What surviving means.
    pub means: String,
}

/// All classes.
pub struct Table {
    /// In the order in which they are run.
    pub rows: Vec<Row>,
}

const HEAD: &str = "# Faults, and what builds make of them

Written by `cargo xtask chaos --update`, compared by `cargo xtask chaos`: a command of its own, no part of `cargo xtask test` (`--quick` is a minute's part of it). Each trial is a
whole build (or a build and `gc`) by the program itself, over HTTP, on machines of the sandbox, with one fault in it. A leak
is anything in the account that was not there before and is in no artifact.

";

impl Table {
    /// As it is printed and committed.
    pub fn text(&self) -> String {
        let mut text =
            String::from("| class | survived | injected | leaks | surviving means |\n|---|---|---|---|---|\n");
        for r in &self.rows {
            text.push_str(&format!("| {} | {} | {} | {} | {} |\n", r.class, r.survived, r.injected, r.leaks, r.means));
        }
        let (injected, survived, leaks) =
            self.rows.iter().fold((0, 0, 0), |(i, s, l), row| (i + row.injected, s + row.survived, l + row.leaks));
        text.push_str(&format!("| all | {survived} | {injected} | {leaks} | |\n"));
        text
    }

    /// Writes it. Where not all classes ran, the others' rows stay as they are.
    pub fn write(&self, path: &Path, all: bool) -> Result<()> {
        let mut rows = if all { Vec::new() } else { Table::read(path).map(|t| t.rows).unwrap_or_default() };
        for row in &self.rows {
            match rows.iter_mut().find(|r| r.class == row.class) {
                Some(old) => *old = row.clone(),
                None => rows.push(row.clone()),
            }
        }
        let text = format!("{HEAD}{}", Table { rows }.text());
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// Reads it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Ok(Table { rows: text.lines().filter_map(row).filter(|r| r.class != "all").collect() })
    }

    /// Whether these rows are those of the committed table; says where not.
    pub fn compare(&self, committed: &Table) -> bool {
        let mut same = true;
        for row in &self.rows {
            let old = committed.rows.iter().find(|r| r.class == row.class);
            if old.is_none_or(|old| (old.injected, old.survived, old.leaks) != (row.injected, row.survived, row.leaks))
            {
                same = false;
                let had =
                    old.map_or("nothing".into(), |o| format!("{} of {}, {} leaks", o.survived, o.injected, o.leaks));
                println!(
                    "{}: {} of {}, {} leaks; the committed table has {had} (--update writes it)",
                    row.class, row.survived, row.injected, row.leaks
                );
            }
        }
        same
    }
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").map(str::trim).collect();
    let [class, survived, injected, leaks, rest @ ..] = cells.as_slice() else { return None };
    Some(Row {
        class: (*class).to_owned(),
        injected: injected.parse().ok()?,
        survived: survived.parse().ok()?,
        leaks: leaks.parse().ok()?,
        means: rest.join(" | "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_are_written() {
        let row = Row { class: "a-b".into(), injected: 3, survived: 2, leaks: 1, means: "it is | built".into() };
        let text = Table { rows: vec![row.clone()] }.text();
        let read: Vec<Row> = text.lines().filter_map(super::row).collect();
        assert_eq!(read[0], row);
        assert!(!Table { rows: vec![Row { survived: 3, ..row.clone() }] }.compare(&Table { rows: vec![row] }));
    }
}
