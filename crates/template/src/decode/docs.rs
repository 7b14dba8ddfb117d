//! Prints an option table for the documentation.

use super::{Kind, Table};
use std::fmt::Write as _;

/// The table as Markdown: one row an option, nested blocks as tables of their own below.
pub fn markdown(table: &Table) -> String {
    let mut out = String::new();
    section(table, table.name, &mut out);
    out
}

fn section(table: &Table, title: &str, out: &mut String) {
    // Writing to a String can't fail.
    let _ = writeln!(out, "### {title}\n\n| option | type | default | meaning |\n|---|---|---|---|");
    let mut nested = Vec::new();
    for row in table.rows() {
        let mut doc = row.doc.to_owned();
        if row.later {
            doc.push_str(" Rendered when the build runs, with its data fields.");
        }
        if let Some(advice) = row.deprecated {
            let _ = write!(doc, " Deprecated: {advice}.");
        }
        if let Some(reason) = row.refused {
            let _ = write!(doc, " Not supported: {reason}.");
        }
        let name = match row.kind {
            Kind::KeyValues { singular } | Kind::NameValues { singular } => format!("`{}`, `{singular}`", row.name),
            _ => format!("`{}`", row.name),
        };
        let _ = writeln!(out, "| {name} | {} | {} | {} |", kind(row.kind), cell(row.default), cell(&doc));
        if let Kind::Block(inner) | Kind::Blocks(inner) = row.kind {
            nested.push((row.name, inner));
        }
    }
    for (name, inner) in nested {
        out.push('\n');
        section(inner, name, out);
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Int | Kind::UInt(_) => "int",
        Kind::Bool => "bool",
        Kind::Trilean => "bool or unset",
        Kind::Duration => "duration",
        Kind::Strings => "list of strings",
        Kind::StringLists => "list of lists of strings",
        Kind::Ints => "list of ints",
        Kind::Map | Kind::KeyValues { .. } | Kind::NameValues { .. } => "map of strings",
        Kind::MapOfStrings => "map of lists of strings",
        Kind::Block(_) => "block",
        Kind::Blocks(_) => "list of blocks",
        Kind::Any => "any",
    }
}
