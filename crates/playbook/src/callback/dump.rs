//! Results as text, as Python's `json.dumps(sort_keys=True, ensure_ascii=False)` writes them.

use imgbuild_jinja::{Map, Value};
use std::fmt::Write as _;

/// JSON on one line, or indented by `indent` spaces; keys sorted.
pub fn json(value: &Value, indent: Option<usize>) -> String {
    let mut out = String::new();
    write_value(&mut out, value, indent, 0, true);
    out
}

/// JSON on one line, keys in their order.
pub fn json_in_order(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, None, 0, false);
    out
}

fn write_value(out: &mut String, value: &Value, indent: Option<usize>, depth: usize, sort: bool) {
    match value {
        Value::Null | Value::Omit => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => _ = write!(out, "{i}"),
        Value::BigInt(i) => _ = write!(out, "{i}"),
        Value::Float(f) => out.push_str(&float(*f)),
        Value::Str(s) | Value::Vault(s) => string(out, &s.text),
        Value::Moment(moment) => string(out, &moment.isoformat()),
        Value::Bytes(b) => string(out, &String::from_utf8_lossy(b)),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                separate(out, i, indent, depth);
                write_value(out, item, indent, depth + 1, sort);
            }
            close(out, ']', indent, depth);
        }
        Value::Map(map) if map.is_empty() => out.push_str("{}"),
        Value::Map(map) => {
            out.push('{');
            let mut entries: Vec<(String, &Value)> = map.iter().map(|(k, v)| (k.to_string(), v)).collect();
            if sort {
                entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            }
            for (i, (key, item)) in entries.into_iter().enumerate() {
                separate(out, i, indent, depth);
                string(out, &key);
                out.push_str(": ");
                write_value(out, item, indent, depth + 1, sort);
            }
            close(out, '}', indent, depth);
        }
    }
}

fn separate(out: &mut String, index: usize, indent: Option<usize>, depth: usize) {
    if index > 0 {
        out.push_str(if indent.is_some() { "," } else { ", " });
    }
    if let Some(width) = indent {
        _ = write!(out, "\n{:1$}", "", width * (depth + 1));
    }
}

fn close(out: &mut String, end: char, indent: Option<usize>, depth: usize) {
    if let Some(width) = indent {
        _ = write!(out, "\n{:1$}", "", width * depth);
    }
    out.push(end);
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 => _ = write!(out, "\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// As Python's `repr`.
pub fn float(f: f64) -> String {
    if f.is_nan() {
        return "NaN".into();
    }
    if f.is_infinite() {
        return if f > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let magnitude = f.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{f:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{f:?}")
}

/// A result without what is never shown: internal keys, and what the lines around it show already.
pub fn abridged(result: &Value, verbosity: u8) -> Value {
    let Value::Map(map) = result else { return result.clone() };
    let mut shown = Map::with_capacity(map.len());
    for (key, value) in map.iter() {
        let name = key.to_string();
        let hidden = name.starts_with("_ansible_")
            || matches!(name.as_str(), "exception" | "warnings" | "deprecations" | "failed" | "skipped")
            || (verbosity < 3 && matches!(name.as_str(), "invocation" | "diff"));
        if !hidden {
            shown.insert(key.clone(), value.clone());
        }
    }
    Value::map(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python() {
        let value = Value::from_json(serde_json::json!({"b": [1, 2.0, "é\n\u{1}"], "a": {}, "c": null}), false);
        assert_eq!(json(&value, None), "{\"a\": {}, \"b\": [1, 2.0, \"é\\n\\u0001\"], \"c\": null}");
        assert_eq!(
            json(&value, Some(4)),
            "{\n    \"a\": {},\n    \"b\": [\n        1,\n        2.0,\n        \"é\\n\\u0001\"\n    ],\n    \"c\": null\n}"
        );
        assert_eq!(float(1e22), "1e+22");
        assert_eq!(float(0.00001), "1e-05");
    }
}
