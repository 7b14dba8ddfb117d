//! JMESPath's functions.

use super::{Query, list, number};
use crate::eval::fail;
use crate::eval::object::Op;
use crate::eval::ops;
use crate::filters::json::{Style, dumps};
use crate::val::compare::{equal, order, sort_by_key};
use crate::val::{Entries, R, Val};
use jmespath::ast::Ast;
use std::cmp::Ordering;

/// The name of a value's type.
fn kind(value: &Val) -> &'static str {
    match value {
        Val::None => "null",
        Val::Bool(_) => "boolean",
        Val::Str(_) => "string",
        Val::List(_) | Val::Tuple(_) => "array",
        Val::Dict(_) => "object",
        v if number(v).is_some() => "number",
        _ => "unknown",
    }
}

impl Query<'_, '_, '_> {
    pub(super) fn function(&self, name: &str, args: &[Ast], data: &Val) -> R {
        let arity = match name {
            "abs" | "avg" | "ceil" | "floor" | "keys" | "length" | "max" | "min" | "reverse" | "sort" | "sum"
            | "to_array" | "to_number" | "to_string" | "type" | "values" => 1..=1,
            "contains" | "ends_with" | "join" | "map" | "max_by" | "min_by" | "sort_by" | "starts_with" => 2..=2,
            "merge" | "not_null" => 1..=usize::MAX,
            other => return Err(fail(format!("Unknown function: {other}()"))),
        };
        if !arity.contains(&args.len()) {
            return Err(fail(format!(
                "Expected {} arguments for function {name}(), received {}",
                arity.start(),
                args.len()
            )));
        }
        // Functions that take an expression do not evaluate that argument.
        let (values, by) = match (name, args) {
            ("map", [expression, over]) => (vec![self.eval(over, data)?], Some(expression)),
            ("max_by" | "min_by" | "sort_by", [over, expression]) => (vec![self.eval(over, data)?], Some(expression)),
            _ => (args.iter().map(|a| self.eval(a, data)).collect::<R<Vec<_>>>()?, None),
        };
        let wrong = |value: &Val, wanted: &str| {
            let shown = crate::val::repr::to_str(value);
            fail(format!(
                "In function {name}(), invalid type for value: {shown}, expected one of: ['{wanted}'], received: \"{}\"",
                kind(value)
            ))
        };
        let array = |i: usize| list(&values[i]).ok_or_else(|| wrong(&values[i], "array"));
        let text = |i: usize| values[i].as_str().ok_or_else(|| wrong(&values[i], "string"));
        let float = |i: usize| number(&values[i]).ok_or_else(|| wrong(&values[i], "number"));
        let expression = || match by {
            Some(Ast::Expref { ast, .. }) => Ok(ast),
            _ => Err(fail(format!("In function {name}(), an expression (&…) is needed"))),
        };
        let first = &values[0];
        Ok(match name {
            "abs" => match first {
                Val::Float(f) => Val::Float(f.abs()),
                v => Val::int(v.as_int().filter(|_| number(v).is_some()).ok_or_else(|| wrong(v, "number"))?.abs()),
            },
            "ceil" => Val::int(float(0)?.ceil() as i128),
            "floor" => Val::int(float(0)?.floor() as i128),
            "sum" | "avg" => {
                let items = array(0)?;
                let mut total = Val::Int(0);
                for item in items.iter() {
                    number(item).ok_or_else(|| wrong(first, "array-number"))?;
                    total = ops::math(self.call.cx, Op::Add, &total, item)?;
                }
                match name {
                    "sum" => total,
                    _ if items.is_empty() => Val::None,
                    _ => Val::Float(total.as_float().unwrap_or(0.0) / items.len() as f64),
                }
            }
            "contains" => match (first, &values[1]) {
                (Val::Str(s), Val::Str(part)) => Val::Bool(s.text.contains(&*part.text)),
                (Val::Str(_), _) => Val::Bool(false),
                (_, wanted) => Val::Bool(array(0)?.iter().any(|v| equal(v, wanted))),
            },
            "starts_with" => Val::Bool(text(0)?.starts_with(text(1)?)),
            "ends_with" => Val::Bool(text(0)?.ends_with(text(1)?)),
            "join" => {
                let items = array(1)?;
                let parts = items.iter().map(|v| v.as_str().ok_or_else(|| wrong(&values[1], "array-string")));
                Val::str(parts.collect::<R<Vec<_>>>()?.join(text(0)?))
            }
            "keys" | "values" => match first {
                Val::Dict(d) if name == "keys" => Val::list(d.keys()),
                Val::Dict(d) => Val::list(d.entries().values().cloned().collect()),
                v => return Err(wrong(v, "object")),
            },
            "length" => match first {
                Val::Str(_) | Val::List(_) | Val::Tuple(_) | Val::Dict(_) => Val::from(self.call.cx.len(first)?),
                v => return Err(wrong(v, "string', 'array', 'object")),
            },
            "map" => {
                let expression = expression()?;
                Val::list(array(0)?.iter().map(|v| self.eval(expression, v)).collect::<R<_>>()?)
            }
            "max" | "min" => {
                self.extreme(&array(0)?.iter().map(|v| (v.clone(), v.clone())).collect::<Vec<_>>(), name)?
            }
            "max_by" | "min_by" => self.extreme(&self.keyed(&array(0)?, expression()?)?, name)?,
            "sort" => sort_by_key(array(0)?.iter().map(|v| (v.clone(), v.clone())).collect(), false).map(Val::list)?,
            "sort_by" => sort_by_key(self.keyed(&array(0)?, expression()?)?, false).map(Val::list)?,
            "merge" => {
                let mut out = Entries::new();
                for value in &values {
                    let Val::Dict(d) = value else { return Err(wrong(value, "object")) };
                    out.extend(d.entries().iter().map(|(k, v)| (k.clone(), v.clone())));
                }
                Val::dict(out)
            }
            "not_null" => values.iter().find(|v| !v.is_none()).cloned().unwrap_or(Val::None),
            "reverse" => match first {
                Val::Str(s) => Val::str(s.text.chars().rev().collect::<String>()),
                _ => Val::list(array(0)?.iter().rev().cloned().collect()),
            },
            "to_array" => {
                if list(first).is_some() {
                    first.clone()
                } else {
                    Val::list(vec![first.clone()])
                }
            }
            "to_number" => match first {
                Val::Str(s) => match (s.text.trim().parse::<i64>(), s.text.trim().parse::<f64>()) {
                    (Ok(i), _) => Val::Int(i),
                    (_, Ok(f)) => Val::Float(f),
                    _ => Val::None,
                },
                v if number(v).is_some() => v.clone(),
                _ => Val::None,
            },
            "to_string" => match first {
                Val::Str(_) => first.clone(),
                v => {
                    let style = Style { item: ",".into(), key: ":".into(), ..Style::default() };
                    Val::str(dumps(self.call.cx, v, &style)?)
                }
            },
            _ => Val::str(kind(first)),
        })
    }

    fn keyed(&self, items: &[Val], expression: &Ast) -> R<Vec<(Val, Val)>> {
        items.iter().map(|v| Ok((self.eval(expression, v)?, v.clone()))).collect()
    }

    fn extreme(&self, keyed: &[(Val, Val)], name: &str) -> R {
        let wanted = if name.starts_with("max") { Ordering::Greater } else { Ordering::Less };
        let mut best: Option<&(Val, Val)> = None;
        for pair in keyed {
            if best.is_none_or(|b| order(&pair.0, &b.0, "<").is_ok_and(|o| o == Some(wanted))) {
                best = Some(pair);
            }
        }
        Ok(best.map_or(Val::None, |(_, v)| v.clone()))
    }
}
