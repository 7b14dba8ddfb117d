//! Arguments against a module's specification: names, aliases, types, choices, exclusions. All that is wrong at once.

use super::Problem;
use crate::exec::connection::boolean;
use crate::exec::host_task::python_type;
use crate::exec::result::{Cause, Failure};
use imgbuild_jinja::{Map, Value};
use imgbuild_proto::spec::{FILE_COMMON, Module, Opt, Type};
use serde_json::{Map as Json, Value as JsonValue};

/// Arguments under their canonical names with their types; defaults are not filled in: the module knows them.
pub fn check(spec: &'static Module, args: &Map) -> Result<Json<String, JsonValue>, Problem> {
    let mut problems = Vec::new();
    let common: &[Opt] = if spec.file_common { FILE_COMMON } else { &[] };
    let options: Vec<&'static Opt> = spec.options.iter().chain(common.iter()).collect();
    let mut out = object(&options, args, "", &mut problems, spec.free_form);
    relations(spec, &out, &mut problems);
    let unknown: Vec<String> = unknown(&options, args, spec.free_form);
    if !unknown.is_empty() {
        let mut known: Vec<String> = options
            .iter()
            .map(|o| {
                if o.aliases.is_empty() { o.name.to_owned() } else { format!("{} ({})", o.name, o.aliases.join(", ")) }
            })
            .collect();
        known.sort();
        let names = options.iter().map(|o| o.name);
        let help = imgbuild_diag::did_you_mean(&unknown[0], names).map(|s| format!(" Did you mean {s:?}?"));
        problems.push(format!(
            "Unsupported parameters for ({}) module: {}. Supported parameters include: {}.{}",
            spec.fqcn.replace("ansible.builtin.", "ansible.legacy."),
            unknown.join(", "),
            known.join(", "),
            help.unwrap_or_default()
        ));
    }
    if problems.is_empty() {
        out.retain(|_, v| !v.is_null());
        return Ok(out);
    }
    let first = problems.remove(0);
    let mut failure =
        Failure::new(first).field("_action", true).field("_ansible_module_failed", true).field("changed", false);
    failure.causes[0] = Cause { message: failure.causes[0].message.clone(), span: None, help: problems };
    Err(Problem::Failed(failure))
}

/// The option of this name or alias.
pub fn option(spec: &'static Module, name: &str) -> Option<&'static Opt> {
    let common: &[Opt] = if spec.file_common { FILE_COMMON } else { &[] };
    spec.options.iter().chain(common).find(|o| o.name == name || o.aliases.contains(&name))
}

/// What is wrong with one value of an option.
pub fn wrong(option: &'static Opt, name: &str, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    match convert(option, name, value, "", &mut problems) {
        Ok(value) => {
            refuse_unsupported(option, name, &value, &mut problems);
            choices(option, &value, "", &mut problems);
        }
        Err(why) => problems.push(why),
    }
    problems
}

/// What is documented and can't be done. What asks for the default asks for nothing.
fn refuse_unsupported(option: &Opt, name: &str, value: &JsonValue, problems: &mut Vec<String>) {
    let default = option.default.and_then(|d| serde_json::from_str::<JsonValue>(d).ok());
    if option.unsupported && default.as_ref() != Some(value) {
        problems.push(format!("the option '{name}' is not supported by imgbuild"));
    }
}

fn unknown(options: &[&'static Opt], args: &Map, free_form: bool) -> Vec<String> {
    let known = |key: &str| {
        options.iter().any(|o| o.name == key || o.aliases.contains(&key))
            || free_form && key == "_raw_params"
            || key.starts_with("_ansible")
    };
    let mut names: Vec<String> = args.keys().map(ToString::to_string).filter(|k| !known(k)).collect();
    names.sort();
    names
}

/// Arguments by canonical name.
fn object(
    options: &[&'static Opt],
    args: &Map,
    path: &str,
    problems: &mut Vec<String>,
    free_form: bool,
) -> Json<String, JsonValue> {
    let mut out = Json::new();
    let mut missing = Vec::new();
    for option in options {
        let given = std::iter::once(&option.name)
            .chain(option.aliases)
            .find_map(|name| args.get(&imgbuild_jinja::Key::from(*name)).map(|v| (*name, v)));
        match given {
            Some((_, Value::Null | Value::Omit)) | None => {
                if option.required {
                    missing.push(option.name);
                }
            }
            Some((name, value)) => match convert(option, name, value, path, problems) {
                Ok(value) => {
                    refuse_unsupported(option, &format!("{path}{name}"), &value, problems);
                    choices(option, &value, path, problems);
                    out.insert(option.name.to_owned(), value);
                }
                Err(why) => problems.push(why),
            },
        }
    }
    if !missing.is_empty() {
        missing.sort_unstable();
        let place = if path.is_empty() { String::new() } else { format!(" found in {}", path.trim_end_matches('.')) };
        problems.insert(0, format!("missing required arguments: {}{place}", missing.join(", ")));
    }
    if let Some(raw) = args.get(&imgbuild_jinja::Key::from("_raw_params")).filter(|_| free_form) {
        out.insert("_raw_params".into(), raw.to_json());
    }
    out
}

fn choices(option: &Opt, value: &JsonValue, path: &str, problems: &mut Vec<String>) {
    if option.choices.is_empty() {
        return;
    }
    let list = match value {
        JsonValue::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    for item in list {
        let text = match item {
            JsonValue::String(s) => s.clone(),
            JsonValue::Bool(b) => if *b { "True" } else { "False" }.to_owned(),
            other => other.to_string(),
        };
        if !option.choices.contains(&text.as_str()) {
            let place =
                if path.is_empty() { String::new() } else { format!(" found in {}", path.trim_end_matches('.')) };
            let any = if matches!(value, JsonValue::Array(_)) { "one or more of" } else { "one of" };
            problems.push(format!(
                "value of {} must be {any}: {}, got: {text}{place}",
                option.name,
                option.choices.join(", ")
            ));
        }
    }
}

/// A value as its type; text that looks like the type counts.
fn convert(
    option: &'static Opt,
    name: &str,
    value: &Value,
    path: &str,
    problems: &mut Vec<String>,
) -> Result<JsonValue, String> {
    let wrong = |to: &str, why: &str| {
        format!("argument '{name}' is of type {} and we were unable to convert to {to}: {why}", python_type(value))
    };
    match option.kind {
        Type::Raw => Ok(value.to_json()),
        Type::Str | Type::Path => match value {
            Value::List(_) | Value::Map(_) => Ok(JsonValue::String(crate::text::repr(value))),
            other => {
                let text = crate::text::of(other);
                // A choice that YAML 1.1 read as a boolean.
                let text = match other {
                    Value::Bool(b) if !option.choices.is_empty() && !option.choices.contains(&text.as_str()) => {
                        let words = if *b { ["yes", "on", "true"] } else { ["no", "off", "false"] };
                        words.iter().find(|w| option.choices.contains(w)).map_or(text, |w| (*w).to_owned())
                    }
                    _ => text,
                };
                Ok(JsonValue::String(text))
            }
        },
        Type::Bool => boolean(value)
            .map(JsonValue::Bool)
            .ok_or_else(|| wrong("bool", &format!("The value {} is not a valid boolean.", crate::text::repr(value)))),
        Type::Int => {
            match value {
                Value::Int(i) => Ok(JsonValue::from(*i)),
                Value::Bool(b) => Ok(JsonValue::from(i64::from(*b))),
                Value::Float(f) if f.fract() == 0.0 => Ok(JsonValue::from(*f as i64)),
                Value::Str(s) => s.text.trim().parse::<i64>().map(JsonValue::from).map_err(|_| {
                    wrong("int", &format!("\"{}\" cannot be converted to an int", crate::text::repr(value)))
                }),
                _ => Err(wrong("int", &format!("\"{}\" cannot be converted to an int", crate::text::repr(value)))),
            }
        }
        Type::Float => crate::exec::connection::number(value)
            .map(JsonValue::from)
            .ok_or_else(|| wrong("float", &format!("{} cannot be converted to a float", class(value)))),
        Type::Bytes => match value {
            Value::Int(i) => Ok(JsonValue::from(*i)),
            other => bytes(&crate::text::of(other))
                .map(JsonValue::from)
                .ok_or_else(|| wrong("bytes", &format!("{} cannot be converted to a Byte value", class(value)))),
        },
        Type::Json => Ok(match value {
            Value::Str(s) => JsonValue::String(s.text.to_string()),
            other => JsonValue::String(other.to_json().to_string()),
        }),
        Type::List => {
            let items: Vec<Value> = match value {
                Value::List(items) => items.as_ref().clone(),
                Value::Str(s) => s.text.split(',').map(|p| Value::str(p.trim())).collect(),
                Value::Int(_) | Value::Float(_) => vec![Value::str(crate::text::of(value))],
                Value::Map(_) if option.elements == Some(Type::Dict) => vec![value.clone()],
                _ => return Err(wrong("list", &format!("{} cannot be converted to a list", class(value)))),
            };
            let mut out = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let Some(kind) = option.elements else {
                    out.push(item.to_json());
                    continue;
                };
                if kind == Type::Dict {
                    out.push(dict(option, name, item, &format!("{path}{name}[{index}]."), problems)?);
                } else {
                    out.push(element(kind, name, item)?);
                }
            }
            Ok(JsonValue::Array(out))
        }
        Type::Dict => dict(option, name, value, &format!("{path}{name}."), problems),
    }
}

/// An element of a list: an option of its own without sub-options.
fn element(kind: Type, name: &str, value: &Value) -> Result<JsonValue, String> {
    let text = || Ok(JsonValue::String(crate::text::of(value)));
    let refuse = |to: &str, why: String| {
        Err(format!(
            "Elements value for option '{name}' is of type {} and we were unable to convert to {to}: {why}",
            python_type(value),
        ))
    };
    let no_int = || refuse("int", format!("\"{}\" cannot be converted to an int", crate::text::repr(value)));
    match kind {
        Type::Str | Type::Path => match value {
            Value::List(_) | Value::Map(_) => Ok(JsonValue::String(crate::text::repr(value))),
            _ => text(),
        },
        Type::Int => match value {
            Value::Int(i) => Ok(JsonValue::from(*i)),
            Value::Str(s) => s.text.trim().parse::<i64>().map(JsonValue::from).or_else(|_| no_int()),
            _ => no_int(),
        },
        Type::Float => {
            let refuse = || refuse("float", format!("{} cannot be converted to a float", class(value)));
            crate::exec::connection::number(value).map_or_else(refuse, |f| Ok(JsonValue::from(f)))
        }
        Type::Bool => boolean(value).map_or_else(
            || refuse("bool", format!("The value {} is not a valid boolean.", crate::text::repr(value))),
            |b| Ok(JsonValue::Bool(b)),
        ),
        _ => Ok(value.to_json()),
    }
}

fn dict(
    option: &'static Opt,
    name: &str,
    value: &Value,
    path: &str,
    problems: &mut Vec<String>,
) -> Result<JsonValue, String> {
    let map = match value {
        Value::Map(map) => map.as_ref().clone(),
        Value::Str(s) => parse_dict(&s.text).ok_or_else(|| {
            format!("argument '{name}' is of type {} and we were unable to convert to dict: dictionary requested, could not parse JSON or key=value", python_type(value))
        })?,
        _ => {
            return Err(format!(
                "argument '{name}' is of type {} and we were unable to convert to dict: {} cannot be converted to a dict",
                python_type(value),
                class(value)
            ));
        }
    };
    if option.options.is_empty() {
        return Ok(Value::map(map).to_json());
    }
    let options: Vec<&'static Opt> = option.options.iter().collect();
    let unknown = unknown(&options, &map, false);
    if !unknown.is_empty() {
        problems.push(format!(
            "Unsupported parameters: {}. Supported parameters include: {}.",
            unknown.iter().map(|u| format!("{path}{u}")).collect::<Vec<_>>().join(", "),
            options.iter().map(|o| o.name).collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(JsonValue::Object(object(&options, &map, path, problems, false)))
}

/// `{…}` as JSON, or `a=1, b=2`.
fn parse_dict(text: &str) -> Option<Map> {
    if text.trim_start().starts_with('{') {
        let json: JsonValue = serde_json::from_str(text).ok()?;
        return match Value::from_json(json, false) {
            Value::Map(map) => Some(Map::clone(&map)),
            _ => crate::inventory::parse_python_literal(text).and_then(|v| v.as_map().cloned()),
        };
    }
    if !text.contains('=') {
        return None;
    }
    let (pairs, rest) = crate::play::split::key_values(&text.replace(',', " "), false).ok()?;
    if rest.is_some() {
        return None;
    }
    Some(pairs.into_iter().map(|(k, v)| (k.into(), Value::str(v))).collect())
}

fn class(value: &Value) -> String {
    format!("<class '{}'>", python_type(value))
}

/// `10`, `10M`, `1.5GiB`.
fn bytes(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim().chars().next().map(|c| c.to_ascii_uppercase()) {
        None | Some('B') => 0,
        Some(c) => "KMGTPEZY".find(c)? as i32 + 1,
    };
    Some((number * 1024f64.powi(factor)).round() as i64)
}

/// Exclusions and requirements between options.
fn relations(spec: &Module, given: &Json<String, JsonValue>, problems: &mut Vec<String>) {
    let has = |name: &&&str| given.get(**name).is_some_and(|v| !v.is_null());
    for group in spec.mutually_exclusive {
        if group.iter().filter(has).count() > 1 {
            problems.insert(0, format!("parameters are mutually exclusive: {}", group.join("|")));
        }
    }
    for group in spec.required_together {
        let count = group.iter().filter(has).count();
        if count > 0 && count < group.len() {
            problems.push(format!("parameters are required together: {}", group.join(", ")));
        }
    }
    for group in spec.required_one_of {
        if !group.iter().any(|n| has(&n)) {
            problems.push(format!("one of the following is required: {}", group.join(", ")));
        }
    }
    let is = |option: &str, value: &str| {
        let default = spec.options.iter().find(|o| o.name == option).and_then(|o| o.default);
        let actual = given
            .get(option)
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            .or_else(|| default.map(|d| d.trim_matches('"').to_owned()));
        actual.as_deref() == Some(value)
    };
    for (option, value, needed) in spec.required_if {
        let missing: Vec<&str> = needed.iter().filter(|n| !has(n)).copied().collect();
        if is(option, value) && !missing.is_empty() {
            problems.push(format!("{option} is {value} but all of the following are missing: {}", missing.join(", ")));
        }
    }
    for (option, value, needed) in spec.required_if_any {
        if is(option, value) && !needed.iter().any(|n| has(&n)) {
            problems.push(format!("{option} is {value} but any of the following are missing: {}", needed.join(", ")));
        }
    }
    for (option, needed) in spec.required_by {
        let missing: Vec<&str> = needed.iter().filter(|n| !has(n)).copied().collect();
        if has(&option) && !missing.is_empty() {
            problems.push(format!("missing parameter(s) required by '{option}': {}", missing.join(", ")));
        }
    }
}

/// Arguments as `-vvv` shows them: secrets are not.
pub fn shown(module: &str, args: &Json<String, JsonValue>) -> Json<String, JsonValue> {
    let secret = |name: &str| {
        let spec = imgbuild_proto::spec::module(module);
        spec.is_some_and(|s| s.options.iter().any(|o| o.no_log && o.name == name))
    };
    let value = |name: &str, value: &JsonValue| {
        if secret(name) { JsonValue::from("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER") } else { value.clone() }
    };
    args.iter().map(|(k, v)| (k.clone(), value(k, v))).collect()
}
