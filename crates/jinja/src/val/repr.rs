//! Python's `str()` and `repr()`.

use super::Val;
use crate::{Key, Value};
use std::fmt::Write as _;

/// How deep nested containers are written; deeper ones (and lists that hold themselves) become `...`.
const DEEPEST: usize = 100;

/// Python's `str(value)`.
pub(crate) fn to_str(value: &Val) -> String {
    match value {
        Val::Str(s) => s.text.to_string(),
        Val::Obj(o) => o.str(),
        other => {
            let mut out = String::new();
            write_repr(&mut out, other, 0);
            out
        }
    }
}

/// Python's `repr(value)`.
pub(crate) fn to_repr(value: &Val) -> String {
    let mut out = String::new();
    write_repr(&mut out, value, 0);
    out
}

fn write_repr(out: &mut String, value: &Val, depth: usize) {
    if depth > DEEPEST {
        out.push_str("...");
        return;
    }
    match value {
        Val::Marker(e) => out.push_str(&e.message),
        Val::None => out.push_str("None"),
        Val::Bool(true) => out.push_str("True"),
        Val::Bool(false) => out.push_str("False"),
        Val::Int(i) => drop(write!(out, "{i}")),
        Val::Big(i) => drop(write!(out, "{i}")),
        Val::Float(f) => out.push_str(&float(*f)),
        Val::Str(s) => write_str_repr(out, &s.text),
        Val::Bytes(b) => write_bytes_repr(out, b),
        Val::List(l) => {
            out.push('[');
            write_items(out, &l.items(), depth);
            out.push(']');
        }
        Val::Tuple(t) => {
            out.push('(');
            write_items(out, t, depth);
            if t.len() == 1 {
                out.push(',');
            }
            out.push(')');
        }
        Val::Dict(d) => {
            out.push('{');
            for (i, (k, v)) in d.entries().iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(out, &Val::from(k), depth + 1);
                out.push_str(": ");
                write_repr(out, v, depth + 1);
            }
            out.push('}');
        }
        Val::Obj(o) => out.push_str(&o.repr()),
        Val::Vault(_) => out.push_str("<EncryptedString>"),
        Val::Omit => out.push_str("<<Omit>>"),
    }
}

fn write_items(out: &mut String, items: &[Val], depth: usize) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_repr(out, item, depth + 1);
    }
}

/// `repr` of a text: single quotes unless it holds some and no double ones.
pub(crate) fn str_repr(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_str_repr(&mut out, text);
    out
}

fn write_str_repr(out: &mut String, text: &str) {
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
            c if printable(c) => out.push(c),
            c if (c as u32) < 0x100 => drop(write!(out, "\\x{:02x}", c as u32)),
            c if (c as u32) < 0x10000 => drop(write!(out, "\\u{:04x}", c as u32)),
            c => drop(write!(out, "\\U{:08x}", c as u32)),
        }
    }
    out.push(quote);
}

/// What Python's `str.isprintable` says, for the characters that occur: no controls, no odd blanks, no surrogates or private use.
fn printable(c: char) -> bool {
    match c {
        ' ' => true,
        '\u{ad}'
        | '\u{600}'..='\u{605}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' => false,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' => false,
        '\u{e0000}'.. => false,
        c => !c.is_control() && !c.is_whitespace(),
    }
}

fn write_bytes_repr(out: &mut String, bytes: &[u8]) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    out.push('b');
    out.push(quote as char);
    for &b in bytes {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if b == quote => {
                out.push('\\');
                out.push(b as char);
            }
            0x20..=0x7e => out.push(b as char),
            b => drop(write!(out, "\\x{b:02x}")),
        }
    }
    out.push(quote as char);
}

/// Python's `repr(float)`: the shortest digits that read back, exponent form below 1e-4 and from 1e16.
pub(crate) fn float(f: f64) -> String {
    if f.is_nan() {
        return "nan".into();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let magnitude = f.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        // Rust writes `1e16` and `1.5e-7`; Python pads the exponent to two digits and always signs it.
        let text = format!("{f:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = format!("{f}");
    if text.contains('.') { text } else { text + ".0" }
}

/// Python's `str()` of a key.
pub(crate) fn key_str(key: &Key) -> String {
    to_str(&Val::from(key))
}

/// Python's `str()` of a finished value.
pub(crate) fn value_str(value: &Value) -> String {
    to_str(&Val::from(value.clone()))
}
