//! JSON as Python's `json` module reads and writes it.

mod read;
mod write;

use super::{Call, Table, refuse};
use crate::eval::{Args, fail, int};
use crate::val::R;
use crate::val::Val;
use crate::val::repr::to_str;
pub(crate) use write::{Style, dumps};

pub(super) const TABLE: Table =
    &[("from_json", from_json), ("to_json", to_json), ("to_nice_json", to_json), ("tojson", tojson)];

fn from_json(c: Call<'_, '_>) -> R {
    // Options of `json.loads` make no sense in templates; Ansible's own profiles are internal.
    let mut args = c.args.clone();
    args.take("profile");
    args.bind::<0>([])?;
    let text = match &c.input {
        Val::Str(_) | Val::Bytes(_) => c.cx.text(&c.input)?,
        other => {
            return refuse(format!("the JSON object must be str, bytes or bytearray, not {}", other.type_name()));
        }
    };
    read::parse(&text).map_err(fail)
}

fn style(args: &mut Args, nice: bool) -> R<Style> {
    let indent = args.take("indent").or_else(|| (!args.pos.is_empty() && nice).then(|| args.pos.remove(0)));
    let mut style = Style { sort_keys: nice, ..Style::default() };
    match indent {
        None if nice => style.indent = Some(" ".repeat(4)),
        None | Some(Val::None) => {}
        Some(Val::Str(s)) => style.indent = Some(s.text.to_string()),
        Some(v) => style.indent = Some(" ".repeat(usize::try_from(int(&v)?.max(0)).unwrap_or(0).min(1000))),
    }
    if style.indent.is_some() {
        style.item = ",".to_owned();
    }
    if let Some(sort) = args.take("sort_keys").or_else(|| (!args.pos.is_empty() && nice).then(|| args.pos.remove(0))) {
        style.sort_keys = sort.truth();
    }
    if let Some(ascii) = args.take("ensure_ascii") {
        style.ascii = ascii.truth();
    }
    if let Some(skip) = args.take("skipkeys") {
        style.skip_keys = skip.truth();
    }
    match args.take("separators") {
        None | Some(Val::None) => {}
        Some(Val::Tuple(t)) if t.len() == 2 => (style.item, style.key) = (to_str(&t[0]), to_str(&t[1])),
        Some(Val::List(l)) if l.len() == 2 => {
            let items = l.items();
            (style.item, style.key) = (to_str(&items[0]), to_str(&items[1]));
        }
        Some(_) => return refuse("separators must be a pair of strings"),
    }
    // Accepted and without effect on plain data.
    for name in ["allow_nan", "check_circular", "default", "cls", "vault_to_text", "preprocess_unsafe", "profile"] {
        args.take(name);
    }
    args.no_kw()?;
    Ok(style)
}

fn to_json(c: Call<'_, '_>) -> R {
    let mut args = c.args.clone();
    let style = style(&mut args, c.name == "to_nice_json")?;
    dumps(c.cx, &c.input, &style).map(Val::str)
}

/// Jinja's own: safe inside of HTML.
fn tojson(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["indent"])?;
    let mut style = Style { sort_keys: true, ..Style::default() };
    if let Some(indent) = bound.some(0) {
        style.indent = Some(" ".repeat(usize::try_from(int(indent)?.max(0)).unwrap_or(0).min(1000)));
        style.item = ",".to_owned();
    }
    let text = dumps(c.cx, &c.input, &style)?;
    Ok(Val::str(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027")))
}
