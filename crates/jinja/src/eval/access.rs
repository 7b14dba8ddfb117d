//! Attributes, items, slices and loops over values.

use super::{Cx, fail, undefined};
use crate::Key;
use crate::val::repr::to_repr;
use crate::val::{R, Val};
use std::sync::Arc;

impl Cx<'_> {
    /// `value.name`: attributes and methods first, then the entry of that name, as Jinja does.
    pub fn attr(&self, value: &Val, name: &str) -> R {
        if value.marker().is_some() {
            return Ok(value.clone());
        }
        if let Val::Obj(o) = value
            && let Some(found) = o.attr(self, name)
        {
            return found;
        }
        if crate::methods::exists(value, name) {
            return Ok(Val::obj(crate::methods::Bound { value: value.clone(), name: name.to_owned() }));
        }
        if let Val::Dict(_) = value
            && let Some(found) = self.entry(value, &Key::from(name))?
        {
            return Ok(found);
        }
        if let Some(found) = crate::methods::property(value, name) {
            return Ok(found);
        }
        Ok(missing(value, &format!("'{name}'")))
    }

    /// `value[key]`, then the attribute of that name.
    pub fn item(&self, value: &Val, key: &Val) -> R {
        if value.marker().is_some() {
            return Ok(value.clone());
        }
        if key.marker().is_some() {
            return Ok(key.clone());
        }
        let found = match value {
            Val::Dict(_) => match key.to_key() {
                Some(key) => self.entry(value, &key)?,
                None => None,
            },
            Val::List(l) => match index(key, l.len()) {
                Some(i) => self.at(l, i)?,
                None => None,
            },
            Val::Tuple(t) => match index(key, t.len()).and_then(|i| t.get(i)) {
                Some(found) => Some(self.resolve(found.clone())?),
                None => None,
            },
            Val::Str(s) => {
                let count = s.text.chars().count();
                index(key, count).and_then(|i| s.text.chars().nth(i)).map(|c| Val::str(c.to_string()))
            }
            Val::Bytes(b) => index(key, b.len()).and_then(|i| b.get(i)).map(|b| Val::Int(i64::from(*b))),
            Val::Obj(o) => o.item(self, key).transpose()?,
            _ => None,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        match key {
            Val::Str(name) if !matches!(value, Val::Dict(_)) || crate::methods::exists(value, &name.text) => {
                self.attr(value, &name.text)
            }
            _ => Ok(missing(value, &to_repr(key))),
        }
    }

    /// An entry of a mapping, rendered.
    pub fn entry(&self, value: &Val, key: &Key) -> R<Option<Val>> {
        let Val::Dict(d) = value else { return Ok(None) };
        let Some(raw) = d.get(key) else { return Ok(None) };
        if !needs_rendering(&raw) {
            return Ok(Some(raw));
        }
        let found = self.resolve(raw)?;
        d.change(|entries| {
            if let Some(slot) = entries.get_mut(key) {
                *slot = found.clone();
            }
        });
        Ok(Some(found))
    }

    /// An item of a list, rendered.
    pub fn at(&self, list: &crate::val::List, i: usize) -> R<Option<Val>> {
        let Some(raw) = list.get(i) else { return Ok(None) };
        if !needs_rendering(&raw) {
            return Ok(Some(raw));
        }
        let found = self.resolve(raw)?;
        list.store(i, found.clone());
        Ok(Some(found))
    }

    /// What a loop over the value yields; items may be undefined.
    pub fn items(&self, value: &Val) -> R<Vec<Val>> {
        let items = match value {
            Val::Marker(e) => return Err((**e).clone()),
            Val::List(l) => {
                let n = l.len();
                let mut out = Vec::with_capacity(n);
                for i in 0..n {
                    out.extend(self.at(l, i)?);
                }
                out
            }
            Val::Tuple(t) => t.iter().map(|v| self.resolve(v.clone())).collect::<R<_>>()?,
            Val::Dict(d) => d.keys(),
            Val::Str(s) => s.text.chars().map(|c| Val::str(c.to_string())).collect(),
            Val::Bytes(b) => b.iter().map(|b| Val::Int(i64::from(*b))).collect(),
            Val::Obj(o) => match o.iter(self) {
                Some(items) => items?,
                None => return Err(fail(format!("'{}' object is not iterable", value.type_name()))),
            },
            other => return Err(fail(format!("'{}' object is not iterable", other.type_name()))),
        };
        self.spend(items.len())?;
        Ok(items)
    }

    /// As [`Cx::items`]; an undefined item is an error.
    pub fn each(&self, value: &Val) -> R<Vec<Val>> {
        let items = self.items(value)?;
        match items.iter().find_map(Val::marker) {
            Some(e) => Err((**e).clone()),
            None => Ok(items),
        }
    }

    /// Key and rendered value of each entry.
    pub fn pairs(&self, value: &Val) -> R<Vec<(Key, Val)>> {
        match value {
            Val::Marker(e) => Err((**e).clone()),
            Val::Dict(d) => {
                let mut out = Vec::with_capacity(d.len());
                for key in d.entries().keys() {
                    if let Some(v) = self.entry(value, key)? {
                        out.push((key.clone(), v));
                    }
                }
                Ok(out)
            }
            Val::Obj(o) if o.is_mapping() => {
                let mut out = Vec::new();
                for key in self.items(value)? {
                    let v = self.item(value, &key)?;
                    out.extend(key.to_key().map(|k| (k, v)));
                }
                Ok(out)
            }
            other => Err(fail(format!("'{}' object is not a mapping", other.type_name()))),
        }
    }

    /// `len()`.
    pub fn len(&self, value: &Val) -> R<usize> {
        Ok(match value {
            Val::Marker(e) => return Err((**e).clone()),
            Val::List(l) => l.len(),
            Val::Tuple(t) => t.len(),
            Val::Dict(d) => d.len(),
            Val::Str(s) => s.text.chars().count(),
            Val::Bytes(b) => b.len(),
            Val::Obj(o) => {
                o.len().ok_or_else(|| fail(format!("object of type '{}' has no len()", value.type_name())))?
            }
            other => return Err(fail(format!("object of type '{}' has no len()", other.type_name()))),
        })
    }

    /// `value[start:stop:step]`.
    pub fn slice(&self, value: &Val, parts: [Option<Val>; 3]) -> R {
        if value.marker().is_some() {
            return Ok(value.clone());
        }
        let mut bounds = [None; 3];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            *bound = match part {
                None | Some(Val::None) => None,
                Some(Val::Marker(e)) => return Err((*e).clone()),
                Some(v) => Some(
                    v.as_int()
                        .ok_or_else(|| fail("slice indices must be integers or None or have an __index__ method"))?,
                ),
            };
        }
        let picked = |n: usize| slice_indices(bounds, n);
        Ok(match value {
            Val::Str(s) => {
                let chars: Vec<char> = s.text.chars().collect();
                Val::str(picked(chars.len())?.into_iter().map(|i| chars[i]).collect::<String>())
            }
            Val::Bytes(b) => Val::Bytes(picked(b.len())?.into_iter().map(|i| b[i]).collect::<Vec<_>>().into()),
            Val::List(l) => {
                let items = l.items();
                Val::list(picked(items.len())?.into_iter().map(|i| items[i].clone()).collect())
            }
            Val::Tuple(t) => Val::tuple(picked(t.len())?.into_iter().map(|i| t[i].clone()).collect()),
            Val::Obj(o) if o.iter(self).is_some() && !o.is_mapping() => {
                let items = self.items(value)?;
                Val::list(picked(items.len())?.into_iter().map(|i| items[i].clone()).collect())
            }
            other => return Err(fail(format!("'{}' object is not subscriptable", other.type_name()))),
        })
    }
}

fn needs_rendering(value: &Val) -> bool {
    match value {
        Val::Str(s) => s.template && super::has_marks(&s.text),
        Val::Vault(_) => true,
        _ => false,
    }
}

fn missing(value: &Val, shown: &str) -> Val {
    let empty = matches!(value, Val::List(l) if l.items().is_empty()) && !shown.starts_with('\'');
    let message = if empty {
        // Of an empty list, Jinja's own words come through.
        format!("list object has no element {shown}")
    } else {
        format!("object of type '{}' has no attribute {shown}", value.type_name())
    };
    let Val::Dict(dict) = value else { return undefined(message, None) };
    let wrong = shown.trim_matches('\'');
    let keys: Vec<String> = dict.keys().iter().filter_map(|k| k.as_str().map(str::to_owned)).collect();
    let close = imgbuild_diag::did_you_mean(wrong, keys.iter().map(String::as_str)).map(str::to_owned);
    let mut error = crate::TemplateError::new(crate::ErrorKind::Undefined, message);
    error.detail_mut().similar.extend(close);
    Val::Marker(std::sync::Arc::new(error))
}

/// A Python index: negative ones count from the end.
fn index(key: &Val, len: usize) -> Option<usize> {
    let i = key.as_int()?;
    let i = if i < 0 { i + len as i128 } else { i };
    usize::try_from(i).ok().filter(|i| *i < len)
}

/// The indices that Python's slice picks.
fn slice_indices([start, stop, step]: [Option<i128>; 3], len: usize) -> R<Vec<usize>> {
    let len = len as i128;
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(fail("slice step cannot be zero"));
    }
    let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: Option<i128>, default: i128| match bound {
        None => default,
        Some(b) => (if b < 0 { b.saturating_add(len) } else { b }).clamp(lowest, highest),
    };
    let (from, to) = if step > 0 {
        (clamp(start, lowest), clamp(stop, highest))
    } else {
        (clamp(start, highest), clamp(stop, lowest))
    };
    let mut out = Vec::new();
    let mut i = from;
    while if step > 0 { i < to } else { i > to } {
        out.push(i as usize);
        i = i.saturating_add(step);
    }
    Ok(out)
}

/// The error of an undefined value, or the value.
pub(crate) fn defined(value: Val) -> R {
    match value {
        Val::Marker(e) => Err(Arc::unwrap_or_clone(e)),
        other => Ok(other),
    }
}
