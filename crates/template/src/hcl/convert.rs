//! HCL's automatic conversions: of a value to a type, with the place inside the value where it failed.
//!
//! As in HCL, whether types fit is decided before any value is looked at, so that an empty list fails like a full one.

use super::number::Number;
use super::types::{Attributes, Type};
use super::unify::unify_mode;
use super::value::{Data, Entries, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value that can't have a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{message}", if path.is_empty() { "" } else { ": " })]
pub struct ConvertError {
    /// Where inside the value, as in `.users[2].name`; empty for the value itself.
    pub path: String,
    /// What is wanted there, as in `a number is required`.
    pub message: String,
}

/// The way from a value to one in it.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Attribute(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
    Key(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Attribute(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Path::Key(parent, key) => write!(f, "{parent}[{}]", super::json::quoted(key)),
        }
    }
}

impl Path<'_> {
    fn error(&self, message: impl Into<String>) -> ConvertError {
        ConvertError { path: self.to_string(), message: message.into() }
    }
}

/// The value as one of this type. Sensitive stays sensitive, unknown stays unknown.
///
/// # Errors
/// There is no such conversion, or this value can't be converted.
pub fn convert(value: &Value, to: &Type) -> Result<Value, ConvertError> {
    let from = value.ty();
    if from == *to {
        return Ok(value.clone());
    }
    if !convertible(&from, to, true) {
        return Err(Path::Root.error(mismatch(&from, to)));
    }
    value_to(value, to, &Path::Root)
}

/// Whether values of one type can, in principle, become values of the other. `lossy` allows conversions that a value may fail: a
/// string to a number, a map to an object.
pub fn convertible(from: &Type, to: &Type, lossy: bool) -> bool {
    match (from, to) {
        (_, Type::Any) => true,
        (Type::Any, _) => lossy,
        (from, to) if from == to => true,
        (Type::Number | Type::Bool, Type::String) => true,
        (Type::String, Type::Number | Type::Bool) => lossy,
        (Type::Object(from), Type::Object(to)) => to.iter().all(|(name, wanted)| match from.get(name) {
            Some(has) => convertible(&has.ty, &wanted.ty, lossy),
            None => wanted.optional,
        }),
        (Type::Tuple(from), Type::Tuple(to)) => {
            from.len() == to.len() && from.iter().zip(to.iter()).all(|(from, to)| convertible(from, to, lossy))
        }
        (Type::List(from) | Type::Set(from), Type::List(to)) => convertible(from, to, lossy),
        (Type::List(_), Type::Set(_)) if !lossy => false,
        (Type::List(from) | Type::Set(from), Type::Set(to)) => convertible(from, to, lossy),
        (Type::Map(from), Type::Map(to)) => convertible(from, to, lossy),
        (Type::Tuple(from), Type::List(to) | Type::Set(to)) => {
            element_type(from.iter(), to, lossy).is_some_and(|to| from.iter().all(|ty| convertible(ty, &to, lossy)))
        }
        (Type::Object(from), Type::Map(to)) => element_type(from.values().map(|a| &a.ty), to, lossy)
            .is_some_and(|to| from.values().all(|a| convertible(&a.ty, &to, lossy))),
        (Type::Map(from), Type::Object(to)) => {
            lossy && to.values().all(|a| a.optional || convertible(from, &a.ty, lossy))
        }
        _ => false,
    }
}

/// The type that elements get in a collection of `wanted`: for `any` one that fits all.
fn element_type<'a>(elements: impl Iterator<Item = &'a Type>, wanted: &Type, lossy: bool) -> Option<Type> {
    if *wanted != Type::Any {
        return Some(wanted.clone());
    }
    let elements: Vec<Type> = elements.cloned().collect();
    if elements.is_empty() {
        return Some(Type::Any);
    }
    let unified = unify_mode(&elements, lossy)?;
    (unified != Type::Any || elements.iter().all(|ty| *ty == Type::Any)).then_some(unified)
}

fn value_to(value: &Value, to: &Type, path: &Path<'_>) -> Result<Value, ConvertError> {
    let converted = match (value.data(), to) {
        (_, Type::Any) => return Ok(value.clone()),
        (Data::Unknown(from), to) => Value::unknown(filled(from, &to.without_optional())),
        (Data::Null(from), to) => Value::null_of(filled(from, &to.without_optional())),
        (Data::Number(number), Type::String) => Value::string(number.to_string()),
        (Data::Bool(value), Type::String) => Value::string(if *value { "true" } else { "false" }),
        (Data::String(text), Type::Number) => match Number::parse(text) {
            Some(number) => number.into(),
            None => return Err(path.error("a number is required")),
        },
        (Data::String(text), Type::Bool) => text_to_bool(text, path)?,
        (Data::Object(entries), Type::Object(wanted)) => object_to_object(entries, wanted, path)?,
        (Data::Map(_, entries), Type::Object(wanted)) => map_to_object(entries, wanted, path)?,
        (Data::Tuple(elements), Type::Tuple(types)) => {
            let mut out = Vec::with_capacity(elements.len());
            for (i, (element, ty)) in elements.iter().zip(types.iter()).enumerate() {
                out.push(value_to(element, ty, &Path::Index(path, i))?);
            }
            Value::tuple(out)
        }
        (Data::Object(entries) | Data::Map(_, entries), Type::Map(element)) => {
            entries_to_map(value, entries, element, path)?
        }
        (Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements), Type::List(element)) => {
            let (ty, elements) = elements_of(value, elements, element, path)?;
            Value::list(ty, elements)
        }
        (Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements), Type::Set(element)) => {
            let (ty, elements) = elements_of(value, elements, element, path)?;
            let marked = elements.iter().any(Value::has_sensitive);
            Value::set(ty, elements).sensitive_if(marked)
        }
        (_, to) if value.ty() == *to => return Ok(value.clone()),
        (_, to) => return Err(path.error(mismatch(&value.ty(), to))),
    };
    Ok(converted.sensitive_if(value.is_sensitive()))
}

/// The wanted type with each `any` replaced by what the value has there.
fn filled(from: &Type, to: &Type) -> Type {
    match (from, to) {
        (from, Type::Any) => from.clone(),
        (Type::Any, to) => to.clone(),
        (Type::List(from), Type::List(to)) => Type::list(filled(from, to)),
        (Type::Set(from), Type::Set(to)) => Type::set(filled(from, to)),
        (Type::Map(from), Type::Map(to)) => Type::map(filled(from, to)),
        (Type::Tuple(from), Type::Tuple(to)) if from.len() == to.len() => {
            Type::tuple(from.iter().zip(to.iter()).map(|(from, to)| filled(from, to)))
        }
        (_, to) => to.clone(),
    }
}

fn text_to_bool(text: &str, path: &Path<'_>) -> Result<Value, ConvertError> {
    match text {
        "true" | "1" => Ok(true.into()),
        "false" | "0" => Ok(false.into()),
        other => {
            let lower = other.to_lowercase();
            Err(path.error(match lower.as_str() {
                "true" | "false" => format!("a bool is required; to convert from string, use lowercase \"{lower}\""),
                _ => "a bool is required".to_owned(),
            }))
        }
    }
}

fn object_to_object(entries: &Entries, wanted: &Attributes, path: &Path<'_>) -> Result<Value, ConvertError> {
    let mut out = Entries::new();
    for (name, attribute) in wanted {
        let value = match entries.get(name) {
            Some(value) => value_to(value, &attribute.ty, &Path::Attribute(path, name))?,
            None if attribute.optional => Value::null_of(attribute.ty.without_optional()),
            None => return Err(path.error(format!("attribute \"{name}\" is required"))),
        };
        out.insert(name.clone(), value);
    }
    Ok(Data::Object(Arc::new(out)).into())
}

fn map_to_object(entries: &Entries, wanted: &Attributes, path: &Path<'_>) -> Result<Value, ConvertError> {
    let mut out = Entries::new();
    for (name, attribute) in wanted {
        let value = match entries.get(name) {
            Some(value) if !convertible(&value.ty(), &attribute.ty, true) => {
                let why = mismatch(&value.ty(), &attribute.ty);
                return Err(path.error(format!("map element type is incompatible with attribute \"{name}\": {why}")));
            }
            Some(value) => value_to(value, &attribute.ty, &Path::Key(path, name))?,
            None if attribute.optional => Value::null_of(attribute.ty.without_optional()),
            None => return Err(path.error(format!("map has no element for required attribute \"{name}\""))),
        };
        out.insert(name.clone(), value);
    }
    Ok(Data::Object(Arc::new(out)).into())
}

fn entries_to_map(value: &Value, entries: &Entries, wanted: &Type, path: &Path<'_>) -> Result<Value, ConvertError> {
    let element = element_of(value, wanted, path)?;
    let mut out = Entries::new();
    for (key, value) in entries {
        out.insert(key.clone(), value_to(value, &element, &Path::Key(path, key))?);
    }
    if out.is_empty() {
        return Ok(Value::map(element.without_optional(), out));
    }
    let (keys, values): (Vec<_>, Vec<_>) = out.into_iter().unzip();
    let (ty, values) = alike(values).ok_or_else(|| path.error("all map elements must have the same type"))?;
    Ok(Value::map(ty, keys.into_iter().zip(values).collect::<BTreeMap<_, _>>()))
}

fn elements_of(
    value: &Value,
    elements: &[Value],
    wanted: &Type,
    path: &Path<'_>,
) -> Result<(Type, Vec<Value>), ConvertError> {
    let element = element_of(value, wanted, path)?;
    let mut out = Vec::with_capacity(elements.len());
    for (i, value) in elements.iter().enumerate() {
        out.push(value_to(value, &element, &Path::Index(path, i))?);
    }
    if out.is_empty() {
        return Ok((element.without_optional(), out));
    }
    alike(out).ok_or_else(|| path.error("all elements must have the same type"))
}

/// The element type that a collection of `wanted` made of this value has.
fn element_of(value: &Value, wanted: &Type, path: &Path<'_>) -> Result<Type, ConvertError> {
    let found = match value.ty() {
        Type::List(ty) | Type::Set(ty) | Type::Map(ty) if *wanted == Type::Any => Some((*ty).clone()),
        Type::Tuple(types) => element_type(types.iter(), wanted, true),
        Type::Object(attributes) => element_type(attributes.values().map(|a| &a.ty), wanted, true),
        _ => Some(wanted.clone()),
    };
    found.ok_or_else(|| path.error("all elements must have the same type"))
}

/// The one type of converted elements; where `any` was inside the wanted type they may still differ.
fn alike(values: Vec<Value>) -> Option<(Type, Vec<Value>)> {
    let types: Vec<Type> = values.iter().map(Value::ty).collect();
    let known: Vec<Type> = types.iter().filter(|ty| **ty != Type::Any).cloned().collect();
    let ty = if known.is_empty() { Type::Any } else { unify_mode(&known, true)? };
    let values = values
        .into_iter()
        .map(|value| if value.ty() == ty { Ok(value) } else { value_to(&value, &ty, &Path::Root) })
        .collect::<Result<_, _>>()
        .ok()?;
    Some((ty, values))
}

/// Why values of one type can't become the other.
pub fn mismatch(got: &Type, want: &Type) -> String {
    match (got, want) {
        (Type::Object(got), Type::Object(want)) => mismatched_objects(got, want),
        (Type::Tuple(_), Type::List(ty)) if **ty == Type::Any => "all list elements must have the same type".into(),
        (Type::Tuple(_), Type::Set(ty)) if **ty == Type::Any => "all set elements must have the same type".into(),
        (Type::Object(_), Type::Map(ty)) if **ty == Type::Any => "all map elements must have the same type".into(),
        (Type::Tuple(elements), Type::List(want) | Type::Set(want)) => elements
            .iter()
            .enumerate()
            .find(|(_, got)| !convertible(got, want, true))
            .map(|(i, got)| format!("element {i}: {}", mismatch(got, want)))
            .unwrap_or_else(|| format!("all elements must be {}", want.constraint_name())),
        (Type::Object(attributes), Type::Map(want)) => attributes
            .iter()
            .find(|(_, got)| !convertible(&got.ty, want, true))
            .map(|(name, got)| format!("element \"{name}\": {}", mismatch(&got.ty, want)))
            .unwrap_or_else(|| format!("all elements must be {}", want.constraint_name())),
        (Type::List(got) | Type::Set(got), Type::List(want)) => {
            format!("incorrect list element type: {}", mismatch(got, want))
        }
        (Type::List(got) | Type::Set(got), Type::Set(want)) => {
            format!("incorrect set element type: {}", mismatch(got, want))
        }
        (Type::Map(got), Type::Map(want)) => format!("incorrect map element type: {}", mismatch(got, want)),
        (got, want) if want.element().is_some() && !got.is_primitive() => {
            format!("{} required", want.constraint_name())
        }
        (got, want) if tells(got, want) => format!("{want} required, but have {got}"),
        (_, want) => format!("{} required", want.constraint_name()),
    }
}

/// Whether naming both types helps the reader.
fn tells(got: &Type, want: &Type) -> bool {
    got.is_primitive() != want.is_primitive()
        || *want == Type::String
        || matches!(
            (got, want),
            (Type::Bool, Type::Number) | (Type::Number, Type::Bool) | (Type::Tuple(_), Type::Object(_))
        )
}

fn mismatched_objects(got: &Attributes, want: &Attributes) -> String {
    let missing: Vec<String> =
        want.iter().filter(|(n, a)| !a.optional && !got.contains_key(*n)).map(|(n, _)| format!("\"{n}\"")).collect();
    match missing.as_slice() {
        [] => {}
        [one] => return format!("attribute {one} is required"),
        [one, two] => return format!("attributes {one} and {two} are required"),
        [most @ .., last] => return format!("attributes {}, and {last} are required", most.join(", ")),
    }
    want.iter()
        .filter_map(|(name, wanted)| Some((name, &got.get(name)?.ty, &wanted.ty)))
        .find(|(_, got, want)| !convertible(got, want, true))
        .map(|(name, got, want)| format!("attribute \"{name}\": {}", mismatch(got, want)))
        .unwrap_or_else(|| "incorrect object attributes".to_owned())
}
