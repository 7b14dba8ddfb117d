//! What a value is.

use super::{Call, Table};
use crate::eval::int;
use crate::eval::nothing::is_nothing;
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("ansible._protomatter.tagged_with", |c| match c.args.pos.first().and_then(Val::as_str) {
        Some("TrustedAsTemplate") => Ok(matches!(&c.input, Val::Str(s) if s.template)),
        _ => crate::filters::refuse("Unknown tag name."),
    }),
    ("boolean", |c| Ok(matches!(c.input, Val::Bool(_)))),
    ("callable", |c| Ok(matches!(&c.input, Val::Obj(o) if o.callable()))),
    ("defined", |c| Ok(!is_undefined(&c))),
    ("divisibleby", divisibleby),
    ("escaped", |_| Ok(false)),
    ("even", |c| number(&c).map(|i| i.rem_euclid(2) == 0)),
    ("false", |c| Ok(matches!(c.input, Val::Bool(false)))),
    ("falsy", truthy),
    ("filter", |c| Ok(crate::filters::find(&c.cx.text(&c.input)?).is_some())),
    ("float", |c| Ok(matches!(c.input, Val::Float(_)))),
    ("integer", |c| Ok(matches!(c.input, Val::Int(_) | Val::Big(_)))),
    ("iterable", |c| Ok(iterable(&c))),
    ("isnan", isnan),
    ("mapping", |c| Ok(crate::filters::is_mapping(&c.input))),
    ("nan", isnan),
    ("none", |c| Ok(c.input.is_none())),
    ("number", |c| Ok(c.input.as_float().is_some())),
    ("odd", |c| number(&c).map(|i| i.rem_euclid(2) == 1)),
    ("sequence", |c| Ok(c.cx.len(&c.input).is_ok())),
    ("string", |c| Ok(matches!(c.input, Val::Str(_)))),
    ("test", |c| Ok(super::find(&c.cx.text(&c.input)?).is_some())),
    ("true", |c| Ok(matches!(c.input, Val::Bool(true)))),
    ("truthy", truthy),
    ("undefined", |c| Ok(is_undefined(&c))),
    ("vault_encrypted", |c| Ok(matches!(c.input, Val::Vault(_)))),
];

fn number(c: &Call<'_, '_>) -> R<i128> {
    match (&c.input, c.input.as_int()) {
        (_, Some(i)) => Ok(i),
        (Val::Float(f), _) if f.fract() == 0.0 => Ok(*f as i128),
        // A fraction is neither even nor odd: a remainder that no test asks for.
        (Val::Float(_), _) => Ok(i128::from(c.name == "even")),
        (other, _) => {
            Err(crate::eval::fail(format!("unsupported operand type(s) for %: '{}' and 'int'", other.type_name())))
        }
    }
}

fn divisibleby(c: Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(["num"])?;
    let by = i128::from(int(bound.need(0)?)?);
    if by == 0 {
        return Err(crate::eval::fail("integer modulo by zero"));
    }
    match &c.input {
        Val::Float(f) => Ok(f % by as f64 == 0.0),
        _ => Ok(number(&c)? % by == 0),
    }
}

fn iterable(c: &Call<'_, '_>) -> bool {
    match &c.input {
        Val::Obj(o) => o.iter(c.cx).is_some(),
        v => matches!(v, Val::Str(_) | Val::List(_) | Val::Tuple(_) | Val::Dict(_) | Val::Bytes(_)),
    }
}

fn isnan(c: Call<'_, '_>) -> R<bool> {
    Ok(c.input.as_float().is_some_and(f64::is_nan))
}

fn is_undefined(c: &Call<'_, '_>) -> bool {
    c.input.marker().is_some_and(|e| e.is_undefined()) || is_nothing(&c.input)
}

/// Python's truth; `convert_bool` also reads words such as `no`.
fn truthy(c: Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(["convert_bool"])?;
    let mut value = c.input.truth();
    if bound.flag(0, false)
        && let Val::Str(s) = &c.input
    {
        match s.text.to_lowercase().trim() {
            "yes" | "on" | "1" | "true" | "t" | "y" => value = true,
            "no" | "off" | "0" | "false" | "f" | "n" => value = false,
            _ => {}
        }
    }
    Ok(value == (c.name == "truthy"))
}
