//! Data formats: `csvdecode`, `jsondecode`, `jsonencode`, `yamldecode`, `yamlencode`.

use super::{Call, FunctionError, Kind, Spec, nullable, p, yaml};
use crate::hcl::json;
use crate::hcl::types::Type;
use crate::hcl::value::Value;

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("csvdecode", &[p("str", Kind::String)], Kind::Any, csvdecode),
    Spec::new("jsondecode", &[p("str", Kind::String)], Kind::Any, |c| {
        within(c)?;
        json::decode(c.text(0)).or_else(|error| c.bad(0, format!("this is not JSON: {}", position(c.text(0), &error))))
    }),
    Spec::new("jsonencode", &[nullable("val", Kind::Any)], Kind::String, |c| {
        Ok(json::encode(&c.args[0]).unwrap_or_default().into())
    }),
    Spec::new("yamldecode", &[p("src", Kind::String)], Kind::Any, |c| {
        within(c)?;
        yaml::decode(c.text(0)).or_else(|message| c.bad(0, format!("this is not YAML: {message}")))
    }),
    Spec::new("yamlencode", &[nullable("value", Kind::Any)], Kind::String, |c| Ok(yaml::encode(&c.args[0]).into())),
];

/// The place as a reader counts it.
fn position(text: &str, error: &json::JsonError) -> String {
    let before = text.get(..error.at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{} (line {line}, column {column})", error.message)
}

/// The longest text that is decoded: a value takes many times the room of its text.
const LONGEST: usize = 8 << 20;

fn within(c: &Call<'_>) -> std::result::Result<(), FunctionError> {
    if c.text(0).len() > LONGEST {
        c.bad(0, format!("a text of more than {LONGEST} bytes is not decoded"))
    } else {
        Ok(())
    }
}

fn csvdecode(c: &Call<'_>) -> Result {
    within(c)?;
    let mut records =
        records(c.text(0)).or_else(|message| c.bad(0, format!("this is not CSV: {message}")))?.into_iter();
    let Some((_, names)) = records.next() else {
        return c.bad(0, "a first line with the names of the columns is required");
    };
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return c.bad(0, format!("two columns have the name \"{twice}\""));
    }
    let mut rows = Vec::new();
    for (line, record) in records {
        if record.len() != names.len() {
            let message = format!("line {line} has {} fields, but the first has {}", record.len(), names.len());
            return c.bad(0, message);
        }
        rows.push(Value::object(names.iter().map(String::as_str).zip(record.iter().map(Value::string))));
    }
    let row = Type::object(names.iter().map(|name| (name.as_str(), Type::String)));
    Ok(Value::list(row, rows))
}

/// The records and the lines on which they start. Strict, as Packer's reader is and the `csv` crate isn't: a quote in a field
/// without quotes, and text behind a closing quote, are errors.
fn records(text: &str) -> std::result::Result<Vec<(usize, Vec<String>)>, String> {
    let mut all = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let (start, mut record) = (line, Vec::new());
        loop {
            let mut field = String::new();
            if let Some(mut quoted) = rest.strip_prefix('"') {
                loop {
                    let Some(end) = quoted.find('"') else {
                        return Err(format!("the quote on line {start} has no end"));
                    };
                    line += quoted[..end].matches('\n').count();
                    field.push_str(&quoted[..end].replace("\r\n", "\n"));
                    quoted = &quoted[end + 1..];
                    match quoted.strip_prefix('"') {
                        Some(more) => {
                            field.push('"');
                            quoted = more;
                        }
                        None => break,
                    }
                }
                rest = quoted;
            } else {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                field.push_str(&rest[..end]);
                rest = &rest[end..];
                if rest.is_empty() || rest.starts_with('\n') {
                    field.truncate(field.trim_end_matches('\r').len().max(field.len().saturating_sub(1)));
                }
                if field.contains('"') {
                    return Err(format!("line {line} has a quote in a field that doesn't start with one"));
                }
            }
            record.push(field);
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        let ended = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).or_else(|| rest.strip_prefix('\r'));
        rest = match ended {
            Some(more) => more,
            None if rest.is_empty() => rest,
            None => return Err(format!("line {line} has text behind a closing quote")),
        };
        line += 1;
        // Empty lines are passed over.
        if record.len() > 1 || record.first().is_some_and(|field| !field.is_empty()) {
            all.push((start, record));
        }
    }
    Ok(all)
}
