//! Expressions.

use super::access::defined;
use super::{Args, Cx, Env, caught, fail, ops, vars};
use crate::syntax::{Arg, At, Cmp, Expr, ExprKind};
use crate::val::compare::{equal, order};
use crate::val::{Entries, R, Val};
use crate::{ErrorKind, Str, TemplateError};
use std::cmp::Ordering;
use std::sync::Arc;

/// Evaluates an expression; undefined results are values.
pub(crate) fn eval(cx: &Cx<'_>, env: &Env, e: &Expr) -> R {
    cx.step()?;
    super::limits::with_stack(|| eval_kind(cx, env, e)).map_err(|error| env.program.locate(error, e.at)).map(|value| {
        match value {
            Val::Marker(m) if m.expression.is_none() => Val::Marker(Arc::new(mark(env, (*m).clone(), e.at))),
            other => other,
        }
    })
}

/// Gives an undefined value the place of the expression that made it.
fn mark(env: &Env, mut error: TemplateError, at: At) -> TemplateError {
    let snippet = env.program.snippet(at).to_owned();
    if error.undefined.is_none() {
        error.detail_mut().undefined = Some(snippet.clone());
    }
    error.detail_mut().expression = Some(snippet);
    error.or_at(|| env.program.span_of(at))
}

/// Evaluates an expression whose value is used: undefined is an error.
pub(crate) fn used(cx: &Cx<'_>, env: &Env, e: &Expr) -> R {
    defined(eval(cx, env, e)?).map_err(|error| env.program.locate(error, e.at))
}

/// Python's truth of an expression.
pub(crate) fn truth(cx: &Cx<'_>, env: &Env, e: &Expr) -> R<bool> {
    Ok(used(cx, env, e)?.truth())
}

fn eval_kind(cx: &Cx<'_>, env: &Env, e: &Expr) -> R {
    Ok(match &*e.kind {
        ExprKind::Const(value) => value.clone(),
        ExprKind::Embedded(text) => embedded(cx, env, text, e.at)?,
        ExprKind::Var(name) => vars::lookup(cx, env, name)?,
        ExprKind::List(items) => Val::list(items.iter().map(|i| eval(cx, env, i)).collect::<R<_>>()?),
        ExprKind::Tuple(items) => Val::tuple(items.iter().map(|i| eval(cx, env, i)).collect::<R<_>>()?),
        ExprKind::Dict(pairs) => {
            let mut out = Entries::new();
            for (k, v) in pairs {
                let key = used(cx, env, k)?;
                let key = cx.resolve(key)?;
                let Some(key) = key.to_key().or_else(|| match &key {
                    Val::Tuple(_) | Val::Big(_) | Val::Obj(_) => Some(cx.text(&key).ok()?.into()),
                    _ => None,
                }) else {
                    return Err(fail(format!("unhashable type: '{}'", key.type_name())));
                };
                out.insert(key, eval(cx, env, v)?);
            }
            Val::dict(out)
        }
        ExprKind::Not(inner) => Val::Bool(!truth(cx, env, inner)?),
        ExprKind::Neg(inner) => ops::negate(&used(cx, env, inner)?)?,
        ExprKind::And(left, right) => {
            let left = used(cx, env, left)?;
            if left.truth() { eval(cx, env, right)? } else { left }
        }
        ExprKind::Or(left, right) => {
            let left = used(cx, env, left)?;
            if left.truth() { left } else { eval(cx, env, right)? }
        }
        ExprKind::Math(op, left, right) => {
            let (left, right) = (used(cx, env, left)?, used(cx, env, right)?);
            ops::math(cx, *op, &left, &right)?
        }
        ExprKind::Concat(left, right) => {
            let (left, right) = (used(cx, env, left)?, used(cx, env, right)?);
            let mut text = cx.text(&left)?;
            text.push_str(&cx.text(&right)?);
            ops::checked_len(cx, text.len())?;
            Val::str(text)
        }
        ExprKind::Compare(first, rest) => {
            let mut left = used(cx, env, first)?;
            for (op, right) in rest {
                let right = used(cx, env, right)?;
                if !compare(cx, *op, &left, &right)? {
                    return Ok(Val::Bool(false));
                }
                left = right;
            }
            Val::Bool(true)
        }
        ExprKind::If { test, yes, no } => {
            if truth(cx, env, test)? {
                eval(cx, env, yes)?
            } else if let Some(no) = no {
                eval(cx, env, no)?
            } else {
                super::nothing::nothing()
            }
        }
        ExprKind::Filter { name, input, args } => {
            let input = match input {
                Some(input) => eval(cx, env, input)?,
                None => Val::None,
            };
            let args = arguments(cx, env, args)?;
            crate::filters::apply(cx, env, name, input, args)?
        }
        ExprKind::Test { name, input, args } => {
            // Only a variable that nobody has opened yet can be told to be a vault.
            if let (Some(("vault_encrypted", _)), ExprKind::Var(var)) = (crate::tests::find(name), &*input.kind)
                && env.scope.get(var).is_none()
                && matches!(cx.vars.get(var), Some(crate::Value::Vault(_)))
            {
                return Ok(Val::Bool(true));
            }
            let input = eval(cx, env, input)?;
            let args = arguments(cx, env, args)?;
            crate::tests::apply(cx, env, name, input, args)?
        }
        ExprKind::Attr(object, name) => {
            let object = eval(cx, env, object)?;
            cx.attr(&object, name)?
        }
        ExprKind::Item(object, key) => {
            let object = eval(cx, env, object)?;
            let key = eval(cx, env, key)?;
            cx.item(&object, &key)?
        }
        ExprKind::Slice(object, parts) => {
            let object = eval(cx, env, object)?;
            let [a, b, c] = parts;
            let part = |p: &Option<Expr>| p.as_ref().map(|p| eval(cx, env, p)).transpose();
            cx.slice(&object, [part(a)?, part(b)?, part(c)?])?
        }
        ExprKind::Call(callee, args) => call(cx, env, callee, args)?,
    })
}

/// A literal with template marks inside. Data, except in conditionals and in the terms of lookups (with a warning).
fn embedded(cx: &Cx<'_>, env: &Env, text: &Arc<str>, at: At) -> R {
    if !cx.embedded.get() {
        return Ok(Val::str(text.clone()));
    }
    cx.templar.host().warn(crate::Warning {
        message: "Jinja constant strings should not contain embedded templates; use the variable itself instead".into(),
        span: env.program.span_of(at),
        deprecated: false,
    });
    cx.resolve(Val::Str(Str { text: text.clone(), template: true, span: env.program.span_of(at) }))
}

pub(crate) fn arguments(cx: &Cx<'_>, env: &Env, args: &[Arg]) -> R<Args> {
    let mut out = Args::default();
    for arg in args {
        match arg {
            Arg::Pos(e) => out.pos.push(eval(cx, env, e)?),
            Arg::Kw(name, e) => out.kw.push((name.clone(), eval(cx, env, e)?)),
            Arg::Splat(e) => {
                let list = used(cx, env, e)?;
                out.pos.extend(cx.items(&list)?);
            }
            Arg::KwSplat(e) => {
                let map = used(cx, env, e)?;
                for (k, v) in cx.pairs(&map)? {
                    out.kw.push((crate::val::repr::key_str(&k).into(), v));
                }
            }
        }
    }
    Ok(out)
}

fn call(cx: &Cx<'_>, env: &Env, callee: &Expr, args: &[Arg]) -> R {
    if let ExprKind::Attr(object, name) = &*callee.kind {
        let object = eval(cx, env, object)?;
        if object.marker().is_some() {
            return Ok(object);
        }
        let args = arguments(cx, env, args)?;
        if let Some(m) = args.marker()
            && !matches!(&object, Val::Obj(o) if o.takes_markers())
        {
            return Ok(m.clone());
        }
        if let Some(result) = crate::methods::call(cx, &object, name, &args) {
            return caught(result);
        }
        let function = cx.attr(&object, name)?;
        return invoke(cx, &function, args, env.program.snippet(callee.at));
    }
    let function = eval(cx, env, callee)?;
    if function.marker().is_some() {
        return Ok(function);
    }
    let outer = cx.embedded.get();
    let lookup = matches!(&function, Val::Obj(o) if o.as_any().is::<crate::functions::Lookup>());
    if lookup {
        cx.embedded.set(true);
    }
    let mut args = args;
    let mut name = None;
    // The name of a lookup is none of its terms.
    if lookup && let Some((Arg::Pos(first), rest)) = args.split_first() {
        cx.embedded.set(false);
        name = Some(eval(cx, env, first));
        cx.embedded.set(true);
        args = rest;
    }
    let args = arguments(cx, env, args);
    cx.embedded.set(outer);
    let mut args = args?;
    if let Some(name) = name {
        args.pos.insert(0, name?);
    }
    invoke(cx, &function, args, env.program.snippet(callee.at))
}

/// Calls a value. Undefined arguments become the result unless the function takes them.
pub(crate) fn invoke(cx: &Cx<'_>, function: &Val, args: Args, shown: &str) -> R {
    let Val::Obj(object) = function else {
        if function.marker().is_some() {
            return Ok(function.clone());
        }
        return Err(fail(format!("'{}' object is not callable", function.type_name())));
    };
    if !object.callable() {
        return Err(fail(format!("'{}' object is not callable", function.type_name())));
    }
    if !object.takes_markers()
        && let Some(m) = args.marker()
    {
        return Ok(m.clone());
    }
    let _guard = super::limits::deeper(cx.templar.limits().depth)?;
    caught(object.call(cx, args)).map_err(|e| match e.kind {
        ErrorKind::Value
            if e.message.starts_with("takes ")
                || e.message.starts_with("got ")
                || e.message.starts_with("missing ") =>
        {
            fail(format!("{shown}() {}", e.message))
        }
        _ => e,
    })
}

/// One comparison.
pub(crate) fn compare(cx: &Cx<'_>, op: Cmp, left: &Val, right: &Val) -> R<bool> {
    if matches!(op, Cmp::In | Cmp::NotIn) {
        return Ok(contains(cx, right, left)? == (op == Cmp::In));
    }
    let (left, right) = (cx.open(left)?, cx.open(right)?);
    let sign = match op {
        Cmp::Eq => return Ok(equal(&left, &right)),
        Cmp::Ne => return Ok(!equal(&left, &right)),
        Cmp::Lt => "<",
        Cmp::Le => "<=",
        Cmp::Gt => ">",
        _ => ">=",
    };
    let found = order(&left, &right, sign)?;
    Ok(match op {
        Cmp::Lt => found == Some(Ordering::Less),
        Cmp::Le => matches!(found, Some(Ordering::Less | Ordering::Equal)),
        Cmp::Gt => found == Some(Ordering::Greater),
        _ => matches!(found, Some(Ordering::Greater | Ordering::Equal)),
    })
}

/// `needle in haystack`.
pub(crate) fn contains(cx: &Cx<'_>, haystack: &Val, needle: &Val) -> R<bool> {
    match (haystack, needle) {
        (Val::Str(h), Val::Str(n)) => Ok(h.text.contains(&*n.text)),
        (Val::Str(_), other) => {
            Err(fail(format!("'in <string>' requires string as left operand, not {}", other.type_name())))
        }
        (Val::Dict(d), key) => match key.to_key() {
            Some(key) => Ok(d.contains(&key)),
            None => Err(fail(format!("unhashable type: '{}'", key.type_name()))),
        },
        (Val::Obj(o), key) if o.contains(key).is_some() => Ok(o.contains(key) == Some(true)),
        (Val::List(_) | Val::Tuple(_) | Val::Obj(_) | Val::Bytes(_), _) => {
            let needle = cx.open(needle)?;
            for item in cx.each(haystack)? {
                if equal(&cx.open(&item)?, &needle) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Val::Marker(e), _) => Err((**e).clone()),
        (other, _) => Err(fail(format!("argument of type '{}' is not iterable", other.type_name()))),
    }
}
