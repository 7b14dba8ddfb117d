//! Maps, objects and what works on any value: `coalesce`, `keys`, `length`, `lookup`, `merge`, `values`, `zipmap`.

use super::{Call, FunctionError, Kind, Spec, nullable, p};
use crate::hcl::convert::convert;
use crate::hcl::types::Type;
use crate::hcl::unify::unify;
use crate::hcl::value::{Data, Entries, Value};
use std::sync::Arc;
use unicode_segmentation::UnicodeSegmentation as _;

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("coalesce", &[], Kind::Any, coalesce).rest(nullable("vals", Kind::Any)).structural(),
    Spec::new("keys", &[p("inputMap", Kind::Any)], Kind::Any, keys).structural(),
    Spec::new("length", &[p("value", Kind::Any)], Kind::Number, length).structural(),
    Spec::new(
        "lookup",
        &[p("inputMap", Kind::Any), p("key", Kind::String), p("default", Kind::Any)],
        Kind::Any,
        lookup,
    )
    .structural(),
    Spec::new("merge", &[], Kind::Any, merge).rest(nullable("maps", Kind::Any)).structural(),
    Spec::new("values", &[p("mapping", Kind::Any)], Kind::Any, values).structural(),
    Spec::new("zipmap", &[p("keys", Kind::Strings), p("values", Kind::Any)], Kind::Any, zipmap).structural(),
];

fn coalesce(c: &Call<'_>) -> Result {
    let types: Vec<Type> = c.args.iter().map(Value::ty).collect();
    let Some(ty) = unify(&types) else {
        return c.fail("all arguments must have the same type");
    };
    for (index, arg) in c.args.iter().enumerate() {
        let value = match convert(arg, &ty) {
            Ok(value) => value,
            Err(error) => return c.bad(index, error.to_string()),
        };
        if !value.is_null() && value.as_str() != Some("") {
            return Ok(value);
        }
    }
    c.fail("every argument is null or an empty string")
}

fn keys(c: &Call<'_>) -> Result {
    let names = |entries: &Entries| entries.keys().map(Value::string).collect::<Vec<_>>();
    match c.args[0].data() {
        Data::Map(_, entries) => Ok(Value::list(Type::String, names(entries))),
        Data::Object(entries) => Ok(Value::tuple(names(entries))),
        _ => c.bad(0, format!("a map or an object is required, not {}", c.args[0].kind())),
    }
}

fn length(c: &Call<'_>) -> Result {
    match c.args[0].data() {
        Data::String(text) => Ok(Value::count(text.graphemes(true).count())),
        Data::Set(ty, elements) if !c.args[0].is_wholly_known() && elements.len() > 1 => {
            // What isn't known yet may turn out to be the same.
            let _ = ty;
            Ok(Value::unknown(Type::Number))
        }
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => Ok(Value::count(elements.len())),
        Data::Map(_, entries) | Data::Object(entries) => Ok(Value::count(entries.len())),
        _ => c.bad(0, format!("a string, a list or a map is required, not {}", c.args[0].kind())),
    }
}

fn lookup(c: &Call<'_>) -> Result {
    let (key, default) = (c.text(1), &c.args[2]);
    match c.args[0].data() {
        Data::Object(entries) => Ok(entries.get(key).unwrap_or(default).clone()),
        Data::Map(ty, entries) => match (entries.get(key), convert(default, ty)) {
            (_, Err(_)) => c.bad(2, "the default must have the type of the map's elements"),
            (Some(value), _) => Ok(value.clone()),
            (None, Ok(default)) => Ok(default),
        },
        _ => c.bad(0, format!("a map is required, not {}", c.args[0].kind())),
    }
}

fn merge(c: &Call<'_>) -> Result {
    let mut all = Entries::new();
    let mut types = Vec::new();
    for (index, arg) in c.args.iter().enumerate() {
        match (arg.data(), arg.ty()) {
            (Data::Null(Type::Any), _) => types.push(Type::Any),
            (Data::Null(_), Type::Object(_)) => types.push(Type::object::<Arc<str>>([])),
            (Data::Null(_), ty @ Type::Map(_)) => types.push(ty),
            (Data::Map(..) | Data::Object(_), ty) => types.push(ty),
            _ => return c.bad(index, format!("a map or an object is required, not {}", arg.kind())),
        }
        if let Some(entries) = arg.as_entries() {
            all.extend(entries.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
    }
    // Maps of one type make such a map; with anything else it is an object.
    match types.first() {
        Some(Type::Map(element)) if types.iter().all(|ty| *ty == types[0]) => Ok(Value::map((**element).clone(), all)),
        _ => Ok(Data::Object(Arc::new(all)).into()),
    }
}

fn values(c: &Call<'_>) -> Result {
    match c.args[0].data() {
        Data::Map(ty, entries) => Ok(Value::list(ty.clone(), entries.values().cloned().collect())),
        Data::Object(entries) => Ok(Value::tuple(entries.values().cloned().collect())),
        _ => c.bad(0, format!("a map is required, not {}", c.args[0].kind())),
    }
}

fn zipmap(c: &Call<'_>) -> Result {
    if !c.args[0].is_wholly_known() {
        return Ok(Value::unknown(Type::Any));
    }
    if !matches!(c.args[1].data(), Data::List(..) | Data::Tuple(_)) {
        return c.bad(1, format!("a list or a tuple is required, not {}", c.args[1].kind()));
    }
    let (keys, values) = (c.strings(0)?, c.elements(1));
    if keys.len() != values.len() {
        return c.fail(format!("there are {} keys, but {} values", keys.len(), values.len()));
    }
    let entries: Entries = keys.into_iter().zip(values).map(|(k, v)| (Arc::from(k), v.clone())).collect();
    match c.args[1].data() {
        Data::List(ty, _) => Ok(Value::map(ty.clone(), entries)),
        _ => Ok(Data::Object(Arc::new(entries)).into()),
    }
}
