//! `from_csv`: Python's `csv` dialects.

use super::super::{Call, Table, refuse};
use crate::Key;
use crate::val::{Entries, R, Val};

pub(super) const TABLE: Table = &[("from_csv", from_csv)];

struct Dialect {
    delimiter: char,
    skip_space: bool,
    strict: bool,
}

fn from_csv(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["dialect", "fieldnames", "delimiter", "skipinitialspace", "strict"])?;
    let mut dialect = Dialect { delimiter: ',', skip_space: false, strict: false };
    match bound.text_or(0, "excel").as_str() {
        "excel" | "unix" => {}
        "excel-tab" => dialect.delimiter = '\t',
        other => return refuse(format!("Dialect '{other}' is not supported by your version of python.")),
    }
    if let Some(text) = bound.text(2) {
        let mut chars = text.chars();
        let (Some(delimiter), None) = (chars.next(), chars.next()) else {
            return refuse("\"delimiter\" must be a 1-character string");
        };
        dialect.delimiter = delimiter;
    }
    dialect.skip_space = bound.flag(3, false);
    dialect.strict = bound.flag(4, false);
    let text = c.text()?;
    let mut rows = rows(text.strip_prefix('\u{feff}').unwrap_or(&text), &dialect)?.into_iter();
    let names: Vec<Val> = match bound.some(1) {
        Some(names) => c.cx.each(names)?,
        None => rows.next().unwrap_or_default().into_iter().map(Val::from).collect(),
    };
    let mut out = Vec::new();
    for row in rows.filter(|r| !r.is_empty()) {
        let mut entries = Entries::new();
        let mut cells = row.into_iter();
        for name in &names {
            let key = name.to_key().unwrap_or(Key::Null);
            entries.insert(key, cells.next().map_or(Val::None, Val::from));
        }
        // What has no name is listed under the null key, as in Python.
        let rest: Vec<String> = cells.collect();
        if !rest.is_empty() {
            entries.insert(Key::Null, Val::strs(rest));
        }
        out.push(Val::dict(entries));
    }
    c.cx.spend(out.len())?;
    Ok(Val::list(out))
}

fn rows(text: &str, dialect: &Dialect) -> R<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        // One field.
        let mut field = String::new();
        if dialect.skip_space {
            while chars.next_if_eq(&' ').is_some() {}
        }
        let mut quoted = chars.next_if_eq(&'"').is_some();
        let was_quoted = quoted;
        let mut end = None;
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted => {
                    if chars.next_if_eq(&'"').is_some() {
                        field.push('"');
                    } else {
                        quoted = false;
                        let next = chars.peek();
                        if dialect.strict && next.is_some_and(|n| *n != dialect.delimiter && *n != '\n' && *n != '\r') {
                            return refuse(format!(
                                "Unable to process file: '{}' expected after '\"'",
                                dialect.delimiter
                            ));
                        }
                    }
                }
                c if quoted => field.push(c),
                c if c == dialect.delimiter => {
                    end = Some(false);
                    break;
                }
                '\r' | '\n' => {
                    if c == '\r' {
                        chars.next_if_eq(&'\n');
                    }
                    end = Some(true);
                    break;
                }
                c => field.push(c),
            }
        }
        if quoted && dialect.strict {
            return refuse("Unable to process file: unexpected end of data");
        }
        let line_ends = end != Some(false);
        let blank = line_ends && row.is_empty() && field.is_empty() && !was_quoted;
        if !blank {
            row.push(field);
        }
        if end == Some(false) && chars.peek().is_none() {
            row.push(String::new());
            rows.push(std::mem::take(&mut row));
        } else if line_ends {
            rows.push(std::mem::take(&mut row));
        }
    }
    Ok(rows)
}
