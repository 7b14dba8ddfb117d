//! `json_query`: JMESPath. The parser is the `jmespath` crate's; evaluation is our own, because mappings keep their order and
//! integers stay integers here, as in the Python implementation that Ansible uses.

mod function;

use super::super::{Call, Table};
use crate::Key;
use crate::eval::fail;
use crate::val::compare::equal;
use crate::val::{Entries, R, Val};
use jmespath::Variable;
use jmespath::ast::{Ast, Comparator};

pub(super) const TABLE: Table = &[("json_query", json_query)];

fn json_query(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["expr"])?;
    let text = c.cx.text(bound.need(0)?)?;
    let problem = |e: &dyn std::fmt::Display| fail(format!("JMESPathError in json_query filter plugin:\n{e}"));
    let ast = jmespath::parse(&text).map_err(|e| problem(&e))?;
    let data = c.cx.plain(&c.input)?;
    let query = Query { call: &c };
    query.eval(&ast, &data).map_err(|e| if e.message.starts_with("JMESPathError") { e } else { problem(&e) })
}

/// One evaluation.
struct Query<'q, 'c, 'a> {
    call: &'q Call<'c, 'a>,
}

/// JMESPath's truth: nothing, `false` and empty things are false; zero is true.
fn holds(value: &Val) -> bool {
    match value {
        Val::None | Val::Bool(false) => false,
        Val::Str(_) | Val::List(_) | Val::Dict(_) => value.truth(),
        _ => true,
    }
}

fn literal(value: &Variable) -> Val {
    match value {
        Variable::Null | Variable::Expref(_) => Val::None,
        Variable::Bool(b) => Val::Bool(*b),
        Variable::String(s) => Val::str(s.as_str()),
        Variable::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => Val::Int(i),
            (None, Some(f)) => Val::Float(f),
            _ => Val::None,
        },
        Variable::Array(a) => Val::list(a.iter().map(|v| literal(v)).collect()),
        Variable::Object(o) => Val::dict(o.iter().map(|(k, v)| (Key::from(k.as_str()), literal(v))).collect()),
    }
}

fn list(value: &Val) -> Option<std::sync::Arc<Vec<Val>>> {
    match value {
        Val::List(l) => Some(l.items()),
        Val::Tuple(t) => Some(t.clone()),
        _ => None,
    }
}

/// JMESPath has one kind of number, and booleans are none.
fn number(value: &Val) -> Option<f64> {
    match value {
        Val::Bool(_) => None,
        other => other.as_float(),
    }
}

impl Query<'_, '_, '_> {
    fn eval(&self, ast: &Ast, data: &Val) -> R {
        self.call.cx.step()?;
        crate::eval::with_stack(|| self.eval_here(ast, data))
    }

    fn eval_here(&self, ast: &Ast, data: &Val) -> R {
        Ok(match ast {
            Ast::Identity { .. } => data.clone(),
            Ast::Field { name, .. } => match data {
                Val::Dict(d) => d.get(&Key::from(name.as_str())).unwrap_or(Val::None),
                _ => Val::None,
            },
            Ast::Index { idx, .. } => match list(data) {
                Some(items) => {
                    let i = i64::from(*idx) + if *idx < 0 { items.len() as i64 } else { 0 };
                    usize::try_from(i).ok().and_then(|i| items.get(i).cloned()).unwrap_or(Val::None)
                }
                None => Val::None,
            },
            Ast::Slice { start, stop, step, .. } => match list(data) {
                Some(_) => {
                    let part = |i: &Option<i32>| i.map(|i| Val::Int(i.into()));
                    self.call.cx.slice(data, [part(start), part(stop), Some(Val::Int((*step).into()))])?
                }
                None => Val::None,
            },
            Ast::Subexpr { lhs, rhs, .. } => {
                let left = self.eval(lhs, data)?;
                self.eval(rhs, &left)?
            }
            Ast::Projection { lhs, rhs, .. } => match list(&self.eval(lhs, data)?) {
                Some(items) => {
                    let mut out = Vec::new();
                    for item in items.iter() {
                        let found = self.eval(rhs, item)?;
                        if !found.is_none() {
                            out.push(found);
                        }
                    }
                    Val::list(out)
                }
                None => Val::None,
            },
            Ast::ObjectValues { node, .. } => match self.eval(node, data)? {
                Val::Dict(d) => Val::list(d.entries().values().cloned().collect()),
                _ => Val::None,
            },
            Ast::Flatten { node, .. } => match list(&self.eval(node, data)?) {
                Some(items) => {
                    let mut out = Vec::new();
                    for item in items.iter() {
                        match list(item) {
                            Some(inner) => out.extend(inner.iter().cloned()),
                            None => out.push(item.clone()),
                        }
                    }
                    Val::list(out)
                }
                None => Val::None,
            },
            Ast::Condition { predicate, then, .. } => {
                if holds(&self.eval(predicate, data)?) {
                    self.eval(then, data)?
                } else {
                    Val::None
                }
            }
            Ast::Comparison { comparator, lhs, rhs, .. } => {
                let (a, b) = (self.eval(lhs, data)?, self.eval(rhs, data)?);
                compare(comparator, &a, &b)
            }
            Ast::Not { node, .. } => Val::Bool(!holds(&self.eval(node, data)?)),
            Ast::And { lhs, rhs, .. } => {
                let left = self.eval(lhs, data)?;
                if holds(&left) { self.eval(rhs, data)? } else { left }
            }
            Ast::Or { lhs, rhs, .. } => {
                let left = self.eval(lhs, data)?;
                if holds(&left) { left } else { self.eval(rhs, data)? }
            }
            Ast::MultiList { .. } | Ast::MultiHash { .. } if data.is_none() => Val::None,
            Ast::MultiList { elements, .. } => {
                Val::list(elements.iter().map(|e| self.eval(e, data)).collect::<R<_>>()?)
            }
            Ast::MultiHash { elements, .. } => {
                let mut out = Entries::new();
                for pair in elements {
                    out.insert(Key::from(pair.key.as_str()), self.eval(&pair.value, data)?);
                }
                Val::dict(out)
            }
            Ast::Literal { value, .. } => literal(value),
            Ast::Function { name, args, .. } => self.function(name, args, data)?,
            Ast::Expref { .. } => return Err(fail("an expression reference is only allowed as a function's argument")),
        })
    }
}

/// Order is for numbers only.
fn compare(comparator: &Comparator, a: &Val, b: &Val) -> Val {
    let same = || equal(a, b) && matches!(a, Val::Bool(_)) == matches!(b, Val::Bool(_));
    let ordered = |test: fn(&f64, &f64) -> bool| match (number(a), number(b)) {
        (Some(a), Some(b)) => Val::Bool(test(&a, &b)),
        _ => Val::None,
    };
    match comparator {
        Comparator::Equal => Val::Bool(same()),
        Comparator::NotEqual => Val::Bool(!same()),
        Comparator::LessThan => ordered(f64::lt),
        Comparator::LessThanEqual => ordered(f64::le),
        Comparator::GreaterThan => ordered(f64::gt),
        Comparator::GreaterThanEqual => ordered(f64::ge),
    }
}
