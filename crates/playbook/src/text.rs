//! Values as text, as Python's `str()` gives it.

use imgbuild_jinja::Value;
use std::fmt::Write as _;

/// `str(value)`.
pub fn of(value: &Value) -> String {
    match value {
        Value::Str(s) | Value::Vault(s) => s.text.to_string(),
        Value::Moment(moment) => moment.to_string(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Omit => out.push_str("<<Omit>>"),
        Value::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
        Value::Int(i) => _ = write!(out, "{i}"),
        Value::BigInt(i) => _ = write!(out, "{i}"),
        Value::Float(f) => out.push_str(&crate::callback::python_float(*f)),
        Value::Str(s) | Value::Vault(s) => quoted(out, &s.text),
        Value::Moment(moment) => out.push_str(&moment.repr()),
        Value::Bytes(b) => {
            out.push('b');
            quoted(out, &String::from_utf8_lossy(b));
        }
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                match key {
                    imgbuild_jinja::Key::Str(s) => quoted(out, s),
                    imgbuild_jinja::Key::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
                    imgbuild_jinja::Key::Null => out.push_str("None"),
                    other => _ = write!(out, "{other}"),
                }
                out.push_str(": ");
                write(out, item);
            }
            out.push('}');
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => _ = write!(out, "\\x{:02x}", c as u32),
            c => out.push(c),
        }
    }
    out.push(quote);
}
