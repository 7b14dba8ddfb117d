//! One type for several: the arms of a conditional, the elements of a list. And the order of a set's elements.

use super::convert::convertible;
use super::types::{Attribute, Type};
use super::value::{Data, Value};
use std::cmp::Ordering;
use std::sync::Arc;

/// The one type that values of all these types can be converted to; `None` if there is none. With `any` among collections it is
/// `any`, since nothing can be said yet.
pub fn unify(types: &[Type]) -> Option<Type> {
    unify_mode(types, true)
}

/// As [`unify`], with or without conversions that may fail (a string to a number).
pub fn unify_mode(types: &[Type], lossy: bool) -> Option<Type> {
    let first = types.first()?;
    let mut distinct: Vec<Type> = Vec::new();
    for ty in types {
        if !distinct.contains(ty) {
            distinct.push(ty.clone());
        }
    }
    if distinct.len() == 1 {
        return Some(first.clone());
    }
    let types = distinct.as_slice();
    let all = |of: &dyn Fn(&Type) -> bool| types.iter().all(|ty| of(ty) || *ty == Type::Any);
    let some = |of: &dyn Fn(&Type) -> bool| types.iter().any(of);
    let any = types.contains(&Type::Any);
    let is_map: &dyn Fn(&Type) -> bool = &|ty| matches!(ty, Type::Map(_));
    let is_list: &dyn Fn(&Type) -> bool = &|ty| matches!(ty, Type::List(_));
    let is_set: &dyn Fn(&Type) -> bool = &|ty| matches!(ty, Type::Set(_));
    let is_object: &dyn Fn(&Type) -> bool = &|ty| matches!(ty, Type::Object(_));
    let is_tuple: &dyn Fn(&Type) -> bool = &|ty| matches!(ty, Type::Tuple(_));
    if some(is_map) && all(is_map) {
        return collection(types, any, lossy, Type::map);
    }
    if some(is_list) && all(is_list) {
        return collection(types, any, lossy, Type::list);
    }
    if some(is_set) && all(is_set) {
        return collection(types, any, lossy, Type::set);
    }
    if some(is_object) && all(is_object) {
        return if any { Some(Type::Any) } else { objects(types, lossy) };
    }
    if some(is_tuple) && all(is_tuple) {
        return if any { Some(Type::Any) } else { tuples(types, lossy) };
    }
    if some(is_map) && all(&|ty| is_map(ty) || is_object(ty)) {
        let as_map = objects_as_map(&only(types, is_object), lossy);
        if let Some(map) = as_map
            && let Some(result @ Type::Map(_)) = unify_mode(&replaced(types, is_object, &map), lossy)
        {
            return Some(result);
        }
    } else if some(is_list) && all(&|ty| is_list(ty) || is_tuple(ty)) {
        let as_list = tuples_as_list(&only(types, is_tuple), lossy);
        if let Some(list) = as_list
            && let Some(result @ Type::List(_)) = unify_mode(&replaced(types, is_tuple, &list), lossy)
        {
            return Some(result);
        }
    } else if some(is_object) && some(is_tuple) {
        return None;
    }
    general_first(types)
        .into_iter()
        .map(|at| &types[at])
        .find(|wanted| types.iter().all(|ty| ty == *wanted || convertible(ty, wanted, lossy)))
        .cloned()
}

fn only(types: &[Type], of: &dyn Fn(&Type) -> bool) -> Vec<Type> {
    types.iter().filter(|ty| of(ty)).cloned().collect()
}

fn replaced(types: &[Type], of: &dyn Fn(&Type) -> bool, by: &Type) -> Vec<Type> {
    types.iter().map(|ty| if of(ty) { by.clone() } else { ty.clone() }).collect()
}

fn collection(types: &[Type], any: bool, lossy: bool, make: fn(Type) -> Type) -> Option<Type> {
    if any {
        return Some(Type::Any);
    }
    let elements: Vec<Type> = types.iter().filter_map(|ty| ty.element().cloned()).collect();
    unify_mode(&elements, lossy).map(make)
}

/// Objects with the same attributes make an object, others a map.
fn objects(types: &[Type], lossy: bool) -> Option<Type> {
    let all: Vec<_> = types.iter().filter_map(|ty| if let Type::Object(a) = ty { Some(a) } else { None }).collect();
    let first = all.first()?;
    if !all.iter().all(|attributes| attributes.keys().eq(first.keys())) {
        return objects_as_map(types, lossy);
    }
    let mut result = super::types::Attributes::new();
    for name in first.keys() {
        let across: Vec<Type> = all.iter().filter_map(|a| a.get(name).map(|a| a.ty.clone())).collect();
        result.insert(name.clone(), Attribute::required(unify_mode(&across, lossy)?));
    }
    Some(Type::Object(Arc::new(result)))
}

fn objects_as_map(types: &[Type], lossy: bool) -> Option<Type> {
    let mut all = Vec::new();
    for ty in types {
        if let Type::Object(attributes) = ty {
            all.extend(attributes.values().map(|a| a.ty.clone()));
        }
    }
    let map = Type::map(unify_mode(&all, lossy)?);
    types.iter().all(|ty| convertible(ty, &map, lossy)).then_some(map)
}

/// Tuples of one length make a tuple, others a list.
fn tuples(types: &[Type], lossy: bool) -> Option<Type> {
    let all: Vec<&[Type]> =
        types.iter().filter_map(|ty| if let Type::Tuple(t) = ty { Some(&**t) } else { None }).collect();
    let length = all.first()?.len();
    if !all.iter().all(|elements| elements.len() == length) {
        return tuples_as_list(types, lossy);
    }
    let mut result = Vec::with_capacity(length);
    for i in 0..length {
        let across: Vec<Type> = all.iter().map(|elements| elements[i].clone()).collect();
        result.push(unify_mode(&across, lossy)?);
    }
    Some(Type::tuple(result))
}

fn tuples_as_list(types: &[Type], lossy: bool) -> Option<Type> {
    let mut all = Vec::new();
    for ty in types {
        if let Type::Tuple(elements) = ty {
            all.extend(elements.iter().cloned());
        }
    }
    let list = Type::list(unify_mode(&all, lossy)?);
    types.iter().all(|ty| convertible(ty, &list, lossy)).then_some(list)
}

/// The positions of the types, the more general ones first; otherwise in their order.
fn general_first(types: &[Type]) -> Vec<usize> {
    let mut above = vec![Vec::new(); types.len()];
    let mut waiting = vec![0usize; types.len()];
    for i in 0..types.len() {
        for j in i + 1..types.len() {
            match generality(&types[i], &types[j]) {
                Ordering::Less => {
                    above[i].push(j);
                    waiting[j] += 1;
                }
                Ordering::Greater => {
                    above[j].push(i);
                    waiting[i] += 1;
                }
                Ordering::Equal => {}
            }
        }
    }
    let mut order: Vec<usize> = (0..types.len()).filter(|i| waiting[*i] == 0).collect();
    let mut next = 0;
    while let Some(&i) = order.get(next) {
        next += 1;
        for &j in &above[i] {
            waiting[j] -= 1;
            if waiting[j] == 0 {
                order.push(j);
            }
        }
    }
    order
}

/// `Less` if the first is more general than the second.
fn generality(a: &Type, b: &Type) -> Ordering {
    use Ordering::{Equal, Greater, Less};
    match (a, b) {
        (Type::Any, Type::Any) => Equal,
        (_, Type::Any) => Less,
        (Type::Any, _) => Greater,
        (Type::String, b) if b.is_primitive() && *b != Type::String => Less,
        (a, Type::String) if a.is_primitive() && *a != Type::String => Greater,
        (Type::List(a), Type::List(b)) | (Type::Set(a), Type::Set(b)) | (Type::Map(a), Type::Map(b)) => {
            generality(a, b)
        }
        (Type::Tuple(_) | Type::List(_), Type::Set(_)) => Less,
        (Type::Set(_), Type::Tuple(_) | Type::List(_)) => Greater,
        (Type::List(_), Type::Tuple(_)) | (Type::Map(_), Type::Object(_)) => Less,
        (Type::Tuple(_), Type::List(_)) | (Type::Object(_), Type::Map(_)) => Greater,
        (Type::Object(a), Type::Object(b)) => {
            if !a.keys().eq(b.keys()) {
                return Equal;
            }
            one_sided(a.values().zip(b.values()).map(|(a, b)| generality(&a.ty, &b.ty)))
        }
        (Type::Tuple(a), Type::Tuple(b)) => {
            if a.len() != b.len() {
                return Equal;
            }
            one_sided(a.iter().zip(b.iter()).map(|(a, b)| generality(a, b)))
        }
        _ => Equal,
    }
}

/// The order if all that differ agree on it.
fn one_sided(parts: impl Iterator<Item = Ordering>) -> Ordering {
    let mut result = Ordering::Equal;
    for part in parts {
        match (result, part) {
            (_, Ordering::Equal) => {}
            (Ordering::Equal, _) => result = part,
            (known, part) if known == part => {}
            _ => return Ordering::Equal,
        }
    }
    result
}

/// The order in which a set has its elements.
pub(in crate::hcl) fn set_order(a: &Value, b: &Value) -> Ordering {
    let rank = |v: &Value| match v.data() {
        Data::Null(_) => 2,
        Data::Unknown(_) => 1,
        _ => 0,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a.data(), b.data()) {
        (Data::String(a), Data::String(b)) => a.cmp(b),
        (Data::Bool(a), Data::Bool(b)) => a.cmp(b),
        (Data::Number(a), Data::Number(b)) => a.cmp(b),
        _ => key(a).cmp(&key(b)),
    })
}

/// A text that differs where values do.
fn key(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value.data() {
            Data::Unknown(_) => out.push('?'),
            Data::Null(_) => out.push('~'),
            Data::Bool(true) => out.push('T'),
            Data::Bool(false) => out.push('F'),
            Data::Number(number) => out.push_str(&number.to_string()),
            Data::String(text) => out.push_str(&super::json::quoted(text)),
            Data::Map(_, entries) => {
                out.push('{');
                for (key, value) in entries.iter() {
                    out.push_str(&super::json::quoted(key));
                    out.push(':');
                    write(value, out);
                    out.push(';');
                }
                out.push('}');
            }
            Data::List(..) | Data::Set(..) => many(value, '[', ']', out),
            Data::Tuple(_) | Data::Object(_) => many(value, '<', '>', out),
        }
    }
    fn many(value: &Value, open: char, close: char, out: &mut String) {
        out.push(open);
        for element in value.children() {
            write(element, out);
            out.push(';');
        }
        out.push(close);
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}
