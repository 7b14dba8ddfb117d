//! JSON as Go's encoder writes it with `<` and `>` left readable: keys in alphabetical order, `&` escaped, two spaces.

use crate::quote;
use serde_json::Value;
use std::fmt::Write;

const ESCAPED: &[char] = &['&', '\u{2028}', '\u{2029}'];

/// A value over several lines, with a line break at its end.
pub(super) fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.push('\n');
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => number(n.as_f64().unwrap_or_default(), out),
        Value::String(s) => out.push_str(&quote::json(s, ESCAPED)),
        Value::Array(list) if list.is_empty() => out.push_str("[]"),
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Array(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                line(out, depth + 1);
                write(item, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                line(out, depth + 1);
                out.push_str(&quote::json(key, ESCAPED));
                out.push_str(": ");
                write(item, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
    }
}

/// The shortest digits that read back the same; an exponent below 1e-6 and from 1e21 on.
fn number(n: f64, out: &mut String) {
    let size = n.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{n:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                let _ = write!(out, "{digits}e+{exponent}");
            }
            _ => out.push_str(&text),
        }
        return;
    }
    // Negative zero is written as such by both.
    let _ = write!(out, "{n}");
}
