//! Filters about values as such: `default`, `mandatory`, `bool`, `ternary`, types.

use super::{Call, Table, refuse};
use crate::eval::nothing::is_nothing;
use crate::val::repr::to_repr;
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("attr", attr),
    ("bool", boolean),
    ("d", default),
    ("default", default),
    ("mandatory", mandatory),
    ("pprint", pprint),
    ("reveal_ansible_type", type_debug),
    ("string", string),
    ("ternary", ternary),
    ("type_debug", type_debug),
];

/// Names that only Ansible's own tests use.
pub(super) const INTERNAL: Table = &[("finalize", finalize)];

fn finalize(c: Call<'_, '_>) -> R {
    Ok(Val::from(c.cx.finish(&c.input)?))
}

fn default(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["default_value", "boolean"])?;
    let fallback = || bound.get(0).cloned().unwrap_or_else(|| Val::str(""));
    match c.input.marker() {
        Some(e) if e.is_undefined() => Ok(fallback()),
        Some(_) => Ok(c.input),
        None if is_nothing(&c.input) => Ok(fallback()),
        None if bound.flag(1, false) && !c.input.truth() => Ok(fallback()),
        None => Ok(c.input),
    }
}

fn mandatory(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["msg"])?;
    let Some(e) = c.input.marker() else { return Ok(c.input) };
    match bound.text(0) {
        Some(message) => refuse(message),
        None => {
            let name = e.undefined.as_deref().map_or_else(String::new, |n| format!("'{n}' "));
            refuse(format!("Mandatory variable {name}not defined."))
        }
    }
}

fn ternary(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["true_val", "false_val", "none_val"])?;
    if let Some(e) = c.input.marker() {
        return Err((**e).clone());
    }
    let chosen = match (&c.input, bound.some(2)) {
        (Val::None, Some(none)) => none,
        (v, _) if v.truth() => bound.need(0)?,
        _ => bound.need(1)?,
    };
    Ok(chosen.clone())
}

/// What Ansible takes for true and false. Anything else is false, with a warning.
fn boolean(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    let value = c.cx.open(&c.input)?;
    let known = match &value {
        Val::None => return Ok(Val::Bool(false)),
        Val::Bool(_) => return Ok(value),
        Val::Str(s) => match s.text.to_lowercase().as_str() {
            "yes" | "on" | "1" | "true" => Some(true),
            "no" | "off" | "0" | "false" => Some(false),
            _ => None,
        },
        other => match other.as_float() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
    };
    if known.is_none() {
        c.cx.warn(format!(
            "The `bool` filter coerced invalid value {} ('{}') to False.",
            to_repr(&value),
            value.type_name()
        ));
    }
    Ok(Val::Bool(known.unwrap_or(false)))
}

fn type_debug(c: Call<'_, '_>) -> R {
    Ok(Val::str(c.input.type_name()))
}

fn string(c: Call<'_, '_>) -> R {
    match &c.input {
        Val::Str(_) => c.cx.resolve(c.input),
        other => c.cx.text(other).map(Val::str),
    }
}

fn attr(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["name"])?;
    let name = c.cx.text(bound.need(0)?)?;
    // Attributes only: entries of mappings are not looked at.
    match &c.input {
        Val::Dict(_) if !crate::methods::exists(&c.input, &name) => {
            Ok(crate::eval::undefined(format!("object of type 'dict' has no attribute '{name}'"), None))
        }
        other => c.cx.attr(other, &name),
    }
}

/// Python's `repr`: what `pformat` makes of Ansible's own container types, on one line and in their order.
fn pprint(c: Call<'_, '_>) -> R {
    Ok(Val::str(to_repr(&c.cx.open(&c.input)?)))
}
