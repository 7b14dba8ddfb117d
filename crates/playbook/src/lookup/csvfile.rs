//! `csvfile`: the column of a row.

use super::{Answer, Ask, failed};
use imgbuild_jinja::Value;

pub fn run(ask: &Ask<'_>) -> Answer {
    let mut out = Vec::new();
    if ask.terms.is_empty() {
        return Err(failed("Search key is required but was not found"));
    }
    const OPTIONS: [&str; 6] = ["file", "delimiter", "col", "keycol", "default", "encoding"];
    for term in ask.terms {
        let term = crate::text::of(term);
        let (pairs, raw) = crate::play::split::key_values(&term, false).map_err(failed)?;
        if let Some((wrong, _)) = pairs.iter().find(|(k, _)| !OPTIONS.contains(&k.as_str())) {
            return Err(failed(format!("'{wrong}' is not a valid option")));
        }
        let option =
            |name: &str| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()).or_else(|| ask.text(name));
        let key = raw.map(|r| r.trim().to_owned()).unwrap_or_default();
        if key.is_empty() {
            return Err(failed("Search key is required but was not found"));
        }
        let file = option("file").unwrap_or_else(|| "ansible.csv".into());
        let Some(path) = ask.find("files", &file) else {
            return Err(failed(format!("[Errno 2] No such file or directory: '{file}'")));
        };
        let bytes = crate::vault::read(&path, &ask.plugins.settings).map_err(failed)?;
        let encoding = option("encoding").unwrap_or_else(|| "utf-8".into());
        let text = crate::encoding::decode(&bytes, &encoding).map_err(|e| failed(format!("csvfile: {e}")))?;
        let delimiter = match option("delimiter").as_deref() {
            None | Some("TAB" | "\\t" | "\t") => '\t',
            Some(text) => text.chars().next().unwrap_or('\t'),
        };
        let number = |name: &str, default: i64| {
            option(name).map_or(Ok(default), |t| {
                t.trim().parse().map_err(|_| {
                    failed(format!(
                        "Config '{name}' for 'csvfile' lookup plugin from 'Direct' has an invalid value: Invalid value provided for 'integer': '{t}'"
                    ))
                })
            })
        };
        let (column, key_column) = (number("col", 1)?, number("keycol", 0)?);
        let pick = |row: &[String], at: i64| {
            let index = if at < 0 { row.len() as i64 + at } else { at };
            usize::try_from(index).ok().and_then(|i| row.get(i).cloned())
        };
        let rows = rows(&text, delimiter);
        let found = rows.iter().find(|row| pick(row, key_column).as_deref() == Some(&key));
        let value = match found {
            Some(row) => Some(pick(row, column).ok_or_else(|| failed("csvfile: list index out of range"))?),
            None => match ask.option("default") {
                Some(Value::List(items)) => {
                    out.extend(items.iter().cloned());
                    None
                }
                _ => option("default"),
            },
        };
        if let Some(value) = value {
            out.push(Value::str(value));
        }
    }
    Ok(out)
}

/// RFC 4180: quotes, doubled quotes, line ends inside quotes.
fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            c if c == delimiter && !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn quotes() {
        assert_eq!(
            rows("a,\"b,\"\"c\"\nd,e\n", ','),
            [vec!["a".to_owned(), "b,\"c".into()], vec!["d".into(), "e".into()]]
        );
    }
}
