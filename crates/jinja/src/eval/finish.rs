//! From the evaluator's values to finished ones: everything rendered, `omit` taken out, undefined values raised.

use super::{Cx, fail, has_marks};
use crate::val::repr::to_str;
use crate::val::{Entries, R, Val};
use crate::{ErrorKind, Map, TemplateError, Value};

/// Nested deeper than this is a container that holds itself.
const DEEPEST: u32 = 500;

/// Nothing in it has to be rendered, opened or left out.
pub(crate) fn is_finished(value: &Value) -> bool {
    match value {
        Value::Str(s) => !(s.template && has_marks(&s.text)),
        Value::List(l) => l.iter().all(is_finished),
        Value::Map(m) => m.values().all(is_finished),
        Value::Vault(_) | Value::Omit => false,
        _ => true,
    }
}

impl Cx<'_> {
    /// The finished value. `omit` itself stays [`Value::Omit`].
    pub fn finish(&self, value: &Val) -> R<Value> {
        self.finish_at(value, 0)
    }

    fn finish_at(&self, value: &Val, depth: u32) -> R<Value> {
        self.step()?;
        if depth > DEEPEST {
            return Err(TemplateError::new(
                ErrorKind::Recursion,
                "Recursive loop detected in template: the value holds itself",
            ));
        }
        Ok(match value {
            Val::Marker(e) => return Err((**e).clone()),
            Val::None => Value::Null,
            Val::Bool(b) => Value::Bool(*b),
            Val::Int(i) => Value::Int(*i),
            Val::Big(i) => Value::BigInt(*i),
            Val::Float(f) => Value::Float(*f),
            Val::Str(s) if s.template && has_marks(&s.text) => {
                return self.finish_at(&self.render_str(s)?, depth + 1);
            }
            Val::Str(s) => Value::Str(s.clone()),
            Val::Bytes(b) => Value::Bytes(b.clone()),
            Val::Vault(_) => return self.finish_at(&self.resolve(value.clone())?, depth + 1),
            Val::Omit => Value::Omit,
            Val::List(l) => {
                if let Some(raw) = l.unopened().filter(|raw| raw.iter().all(is_finished)) {
                    return Ok(Value::List(raw));
                }
                self.finish_items(&l.items(), depth)?
            }
            Val::Tuple(t) => self.finish_items(t, depth)?,
            Val::Dict(d) => {
                if let Some(raw) = d.unopened().filter(|raw| raw.values().all(is_finished)) {
                    return Ok(Value::Map(raw));
                }
                let mut out = Map::new();
                for (k, v) in d.entries().iter() {
                    match super::limits::with_stack(|| self.finish_at(v, depth + 1))? {
                        Value::Omit => {}
                        done => drop(out.insert(k.clone(), done)),
                    }
                }
                Value::map(out)
            }
            Val::Obj(o) => match o.store(self) {
                Some(done) => return done,
                None => {
                    return Err(fail(format!("Type '{}' is unsupported for variable storage.", value.type_name())));
                }
            },
        })
    }

    fn finish_items(&self, items: &[Val], depth: u32) -> R<Value> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match super::limits::with_stack(|| self.finish_at(item, depth + 1))? {
                Value::Omit => {}
                done => out.push(done),
            }
        }
        Ok(Value::list(out))
    }

    /// The value with everything inside rendered, still with tuples and objects; undefined parts are errors.
    pub fn open(&self, value: &Val) -> R {
        self.open_at(value, 0, false)
    }

    /// As [`Cx::open`], for text: tuples become lists and `omit` drops out, as Ansible prints them.
    pub fn plain(&self, value: &Val) -> R {
        self.open_at(value, 0, true)
    }

    fn open_at(&self, value: &Val, depth: u32, plain: bool) -> R {
        self.step()?;
        if depth > DEEPEST {
            return Err(TemplateError::new(
                ErrorKind::Recursion,
                "Recursive loop detected in template: the value holds itself",
            ));
        }
        let inner = |v: &Val| super::limits::with_stack(|| self.open_at(v, depth + 1, plain));
        Ok(match value {
            Val::Marker(e) => return Err((**e).clone()),
            Val::Str(_) | Val::Vault(_) => match self.resolve(value.clone())? {
                Val::Str(s) => Val::Str(s),
                other => return inner(&other),
            },
            Val::List(l) => {
                if l.unopened().is_some_and(|raw| raw.iter().all(is_finished)) {
                    return Ok(value.clone());
                }
                let mut out = Vec::new();
                for item in l.items().iter() {
                    if !(plain && matches!(item, Val::Omit)) {
                        out.push(inner(item)?);
                    }
                }
                Val::list(out)
            }
            Val::Tuple(t) => {
                let items = t.iter().map(inner).collect::<R<Vec<_>>>()?;
                if plain { Val::list(items) } else { Val::tuple(items) }
            }
            Val::Dict(d) => {
                if d.unopened().is_some_and(|raw| raw.values().all(is_finished)) {
                    return Ok(value.clone());
                }
                let mut out = Entries::new();
                for (k, v) in d.entries().iter() {
                    if !(plain && matches!(v, Val::Omit)) {
                        out.insert(k.clone(), inner(v)?);
                    }
                }
                Val::dict(out)
            }
            Val::Obj(o) if o.is_mapping() => match o.store(self) {
                Some(done) => Val::from(done?),
                None => value.clone(),
            },
            Val::Obj(o) => {
                o.ready()?;
                value.clone()
            }
            other => other.clone(),
        })
    }

    /// Python's `str()` of a value, rendered.
    pub fn text(&self, value: &Val) -> R<String> {
        Ok(match value {
            Val::Str(s) if !(s.template && has_marks(&s.text)) => s.text.to_string(),
            other => to_str(&self.open(other)?),
        })
    }
}
