//! `map`, `select`, `reject`, `selectattr`, `rejectattr`, and attribute paths.

use super::{Call, Table};
use crate::eval::{Args, Cx, fail};
use crate::val::{R, Val};

pub(super) const TABLE: Table =
    &[("map", map), ("reject", choose), ("rejectattr", choose_attr), ("select", choose), ("selectattr", choose_attr)];

/// `a.b.0` followed from a value; a missing part is `default`, or undefined.
pub(crate) fn path(cx: &Cx<'_>, value: &Val, path: &Val, default: Option<&Val>) -> R {
    let parts: Vec<Val> = match path {
        Val::Str(s) => s
            .text
            .split('.')
            .map(|p| {
                p.parse::<i64>()
                    .map_or_else(|_| Val::str(p), |i| if p.starts_with(['+', '-']) { Val::str(p) } else { Val::Int(i) })
            })
            .collect(),
        other => vec![other.clone()],
    };
    let mut at = value.clone();
    for part in parts {
        at = cx.item(&at, &part)?;
        if at.marker().is_some() {
            return Ok(default.cloned().unwrap_or(at));
        }
    }
    Ok(at)
}

fn map(c: Call<'_, '_>) -> R {
    // Jinja does not look further at what counts as nothing.
    if !c.input.truth() {
        return Ok(Val::list(Vec::new()));
    }
    let items = c.cx.items(&c.input)?;
    let mut out = Vec::with_capacity(items.len());
    if c.args.pos.is_empty() {
        if let Some(attribute) = c.args.kw("attribute") {
            if let Some((name, _)) = c.args.kw.iter().find(|(n, _)| !matches!(&**n, "attribute" | "default")) {
                return Err(fail(format!("Unexpected keyword argument '{name}'")));
            }
            for item in items {
                c.cx.step()?;
                out.push(path(c.cx, &item, attribute, c.args.kw("default"))?);
            }
            return Ok(Val::list(out));
        }
        return Err(fail("map requires a filter argument"));
    }
    let name = c.cx.text(&c.args.pos[0])?;
    let args = Args { pos: c.args.pos[1..].to_vec(), kw: c.args.kw.clone() };
    for item in items {
        c.cx.step()?;
        out.push(super::by_name(c.cx, &name, item, args.clone())?);
    }
    Ok(Val::list(out))
}

/// The test that `args` name, or the value's own truth.
fn holds(cx: &Cx<'_>, value: Val, args: &[Val], kw: &Args) -> R<bool> {
    cx.step()?;
    match args.split_first() {
        None => Ok(crate::eval::access::defined(value)?.truth()),
        Some((name, rest)) => {
            let name = cx.text(name)?;
            let args = Args { pos: rest.to_vec(), kw: kw.kw.clone() };
            let verdict = crate::tests::by_name(cx, &name, value, args)?;
            Ok(crate::eval::access::defined(verdict)?.truth())
        }
    }
}

fn choose(c: Call<'_, '_>) -> R {
    // Jinja does not look further at what counts as nothing.
    if !c.input.truth() {
        return Ok(Val::list(Vec::new()));
    }
    let keep = c.name == "select";
    let mut out = Vec::new();
    for item in c.cx.items(&c.input)? {
        if holds(c.cx, item.clone(), &c.args.pos, &c.args)? == keep {
            out.push(item);
        }
    }
    Ok(Val::list(out))
}

fn choose_attr(c: Call<'_, '_>) -> R {
    // Jinja does not look further at what counts as nothing.
    if !c.input.truth() {
        return Ok(Val::list(Vec::new()));
    }
    let keep = c.name == "selectattr";
    let Some((attribute, rest)) = c.args.pos.split_first() else {
        return Err(fail("Missing parameter for attribute name"));
    };
    let mut out = Vec::new();
    for item in c.cx.items(&c.input)? {
        let value = path(c.cx, &item, attribute, None)?;
        if holds(c.cx, value, rest, &c.args)? == keep {
            out.push(item);
        }
    }
    Ok(Val::list(out))
}
