//! Arithmetic by Python's rules.

use super::object::Op;
use super::{Cx, fail};
use crate::val::{Entries, R, Val};
use crate::{ErrorKind, TemplateError};

/// The text or list that an operation is about to make is not too long.
pub(crate) fn checked_len(cx: &Cx<'_>, len: usize) -> R<()> {
    if len > cx.templar.limits().output {
        return Err(TemplateError::new(ErrorKind::Limit, "the result is too long"));
    }
    Ok(())
}

fn unsupported(op: Op, a: &Val, b: &Val) -> TemplateError {
    if op == Op::Add {
        match a {
            Val::Str(_) => {
                return fail(format!("can only concatenate str (not \"{}\") to str", b.type_name()));
            }
            Val::List(_) => {
                return fail(format!("can only concatenate list (not \"{}\") to list", b.type_name()));
            }
            Val::Tuple(_) => {
                return fail(format!("can only concatenate tuple (not \"{}\") to tuple", b.type_name()));
            }
            _ => {}
        }
    }
    fail(format!("unsupported operand type(s) for {}: '{}' and '{}'", op.sign(), a.type_name(), b.type_name()))
}

/// `a op b`.
pub(crate) fn math(cx: &Cx<'_>, op: Op, a: &Val, b: &Val) -> R {
    if let Val::Obj(o) = a
        && let Some(result) = o.operate(op, b, false)
    {
        return result;
    }
    if let Val::Obj(o) = b
        && let Some(result) = o.operate(op, a, true)
    {
        return result;
    }
    match (op, a, b) {
        (Op::Add, Val::Str(x), Val::Str(y)) => {
            checked_len(cx, x.text.len() + y.text.len())?;
            return Ok(Val::str(format!("{}{}", x.text, y.text)));
        }
        (Op::Add, Val::List(x), Val::List(y)) => {
            let mut out = x.items().to_vec();
            out.extend(y.items().iter().cloned());
            cx.spend(out.len())?;
            return Ok(Val::list(out));
        }
        (Op::Add, Val::Tuple(x), Val::Tuple(y)) => {
            return Ok(Val::tuple(x.iter().chain(y.iter()).cloned().collect()));
        }
        (Op::Add, Val::Bytes(x), Val::Bytes(y)) => return Ok(Val::Bytes([&**x, &**y].concat().into())),
        (Op::Mul, v, n) | (Op::Mul, n, v) if repeatable(v) && n.as_int().is_some() => {
            return repeat(cx, v, n.as_int().unwrap_or(0));
        }
        (Op::Mod, Val::Str(format), args) => {
            return crate::methods::format::percent(cx, &format.text, args).map(Val::str);
        }
        _ => {}
    }
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        return integers(op, x, y);
    }
    match (a.as_float(), b.as_float()) {
        (Some(x), Some(y)) => floats(op, x, y),
        _ => Err(unsupported(op, a, b)),
    }
}

fn repeatable(v: &Val) -> bool {
    matches!(v, Val::Str(_) | Val::List(_) | Val::Tuple(_))
}

fn repeat(cx: &Cx<'_>, v: &Val, n: i128) -> R {
    let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
    match v {
        Val::Str(s) => {
            checked_len(cx, s.text.len().saturating_mul(n))?;
            Ok(Val::str(s.text.repeat(n)))
        }
        Val::List(_) | Val::Tuple(_) => {
            let items = match v {
                Val::List(l) => l.items(),
                Val::Tuple(t) => t.clone(),
                _ => Default::default(),
            };
            let total = items.len().saturating_mul(n);
            checked_len(cx, total.saturating_mul(16))?;
            cx.spend(total)?;
            let out: Vec<Val> = items.iter().cycle().take(total).cloned().collect();
            Ok(if matches!(v, Val::List(_)) { Val::list(out) } else { Val::tuple(out) })
        }
        other => Ok(other.clone()),
    }
}

fn too_large() -> TemplateError {
    fail("the integer is too large: integers are limited to 127 bits")
}

fn integers(op: Op, x: i128, y: i128) -> R {
    let result = match op {
        Op::Add => x.checked_add(y),
        Op::Sub => x.checked_sub(y),
        Op::Mul => x.checked_mul(y),
        Op::Div => {
            if y == 0 {
                return Err(fail("division by zero"));
            }
            return Ok(Val::Float(x as f64 / y as f64));
        }
        Op::FloorDiv | Op::Mod if y == 0 => {
            return Err(fail(if op == Op::Mod {
                "integer modulo by zero"
            } else {
                "integer division or modulo by zero"
            }));
        }
        Op::FloorDiv => {
            x.checked_div(y).map(|q| if x.checked_rem(y) != Some(0) && (x < 0) != (y < 0) { q - 1 } else { q })
        }
        Op::Mod => x.checked_rem(y).map(|r| if r != 0 && (r < 0) != (y < 0) { r + y } else { r }),
        Op::Pow if y < 0 => {
            if x == 0 {
                return Err(fail("0.0 cannot be raised to a negative power"));
            }
            return Ok(Val::Float((x as f64).powf(y as f64)));
        }
        Op::Pow => match (x, y) {
            (0 | 1, _) | (_, 0) => Some(if y == 0 { 1 } else { x }),
            (-1, _) => Some(if y % 2 == 0 { 1 } else { -1 }),
            _ => u32::try_from(y).ok().and_then(|y| x.checked_pow(y)),
        },
    };
    result.map(Val::int).ok_or_else(too_large)
}

fn floats(op: Op, x: f64, y: f64) -> R {
    if y == 0.0 && matches!(op, Op::Div | Op::FloorDiv | Op::Mod) {
        return Err(fail(match op {
            Op::Div => "float division by zero",
            Op::FloorDiv => "float floor division by zero",
            _ => "float modulo",
        }));
    }
    Ok(Val::Float(match op {
        Op::Add => x + y,
        Op::Sub => x - y,
        Op::Mul => x * y,
        Op::Div => x / y,
        Op::FloorDiv => {
            let r = modulo(x, y);
            ((x - r) / y).round()
        }
        Op::Mod => modulo(x, y),
        Op::Pow if x == 0.0 && y < 0.0 => return Err(fail("0.0 cannot be raised to a negative power")),
        Op::Pow => x.powf(y),
    }))
}

fn modulo(x: f64, y: f64) -> f64 {
    let r = x % y;
    if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
}

/// `-a`.
pub(crate) fn negate(a: &Val) -> R {
    match a {
        Val::Float(f) => Ok(Val::Float(-f)),
        Val::Obj(o) => match o.operate(Op::Mul, &Val::Int(-1), false) {
            Some(result) => result,
            None => Err(fail(format!("bad operand type for unary -: '{}'", a.type_name()))),
        },
        other => match other.as_int() {
            Some(i) => i.checked_neg().map(Val::int).ok_or_else(too_large),
            None => Err(fail(format!("bad operand type for unary -: '{}'", a.type_name()))),
        },
    }
}

/// A new mapping of `left` with `right`'s entries over it.
pub(crate) fn merged(left: &Entries, right: &Entries) -> Entries {
    let mut out = left.clone();
    out.extend(right.iter().map(|(k, v)| (k.clone(), v.clone())));
    out
}
