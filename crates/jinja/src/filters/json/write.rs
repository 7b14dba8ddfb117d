//! `json.dumps`.

use crate::Key;
use crate::eval::{Cx, fail};
use crate::val::compare::sort_by_key;
use crate::val::repr::{float, to_str};
use crate::val::{R, Val};
use std::fmt::Write as _;

/// How it is written.
pub(crate) struct Style {
    pub indent: Option<String>,
    pub sort_keys: bool,
    pub ascii: bool,
    pub skip_keys: bool,
    /// Between items.
    pub item: String,
    /// Between key and value.
    pub key: String,
}

impl Default for Style {
    fn default() -> Self {
        Style { indent: None, sort_keys: false, ascii: true, skip_keys: false, item: ", ".into(), key: ": ".into() }
    }
}

/// The JSON text of a value, rendered.
pub(crate) fn dumps(cx: &Cx<'_>, value: &Val, style: &Style) -> R<String> {
    let value = cx.plain(value)?;
    let mut out = String::new();
    write(&value, style, 0, &mut out)?;
    Ok(out)
}

fn number(f: f64) -> String {
    match f {
        f if f.is_nan() => "NaN".into(),
        f if f == f64::INFINITY => "Infinity".into(),
        f if f == f64::NEG_INFINITY => "-Infinity".into(),
        f => float(f),
    }
}

pub(super) fn string(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c if (c as u32) < 0x20 => drop(write!(out, "\\u{:04x}", c as u32)),
            c if ascii && (c as u32) > 0x7e => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Str(s) => s.to_string(),
        Key::Bool(b) => b.to_string(),
        Key::Null => "null".into(),
        Key::Int(i) => i.to_string(),
        Key::Float(bits) => number(f64::from_bits(*bits)),
    }
}

fn write(value: &Val, style: &Style, depth: usize, out: &mut String) -> R<()> {
    if depth > 500 {
        return Err(fail("Circular reference detected"));
    }
    match value {
        Val::None => out.push_str("null"),
        Val::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Val::Int(i) => drop(write!(out, "{i}")),
        Val::Big(i) => drop(write!(out, "{i}")),
        Val::Float(f) => out.push_str(&number(*f)),
        Val::Str(s) => string(&s.text, style.ascii, out),
        Val::Bytes(b) => string(&String::from_utf8_lossy(b), style.ascii, out),
        Val::List(l) => list(&l.items(), style, depth, out)?,
        Val::Tuple(t) => list(t, style, depth, out)?,
        Val::Dict(d) => {
            let entries = d.entries();
            let mut pairs: Vec<(Key, Val)> = entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            if style.sort_keys {
                let keyed = pairs.iter().enumerate().map(|(i, (k, _))| (Val::from(k), Val::from(i))).collect();
                let order = sort_by_key(keyed, false)?;
                pairs = order.iter().filter_map(|i| pairs.get(i.as_int()? as usize).cloned()).collect();
            }
            if pairs.is_empty() {
                out.push_str("{}");
                return Ok(());
            }
            out.push('{');
            for (i, (k, v)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push_str(&style.item);
                }
                newline(style, depth + 1, out);
                string(&key_text(k), style.ascii, out);
                out.push_str(&style.key);
                write(v, style, depth + 1, out)?;
            }
            newline(style, depth, out);
            out.push('}');
        }
        Val::Obj(o) if matches!(o.type_name(), "datetime" | "date") => {
            string(&to_str(value).replacen(' ', "T", 1), style.ascii, out);
        }
        Val::Obj(o) if o.type_name() == "GroupTuple" => string(&to_str(value), style.ascii, out),
        other => {
            return Err(fail(format!("Object of type {} is not JSON serializable", other.type_name())));
        }
    }
    Ok(())
}

fn newline(style: &Style, depth: usize, out: &mut String) {
    if let Some(indent) = &style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(indent.as_str(), depth));
    }
}

fn list(items: &[Val], style: &Style, depth: usize, out: &mut String) -> R<()> {
    if items.is_empty() {
        out.push_str("[]");
        return Ok(());
    }
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(&style.item);
        }
        newline(style, depth + 1, out);
        write(item, style, depth + 1, out)?;
    }
    newline(style, depth, out);
    out.push(']');
    Ok(())
}
