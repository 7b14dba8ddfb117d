//! `validate_argument_spec`: variables against a specification that is written in YAML (`meta/argument_specs.yml`).

use super::{Call, Problem, refuse};
use crate::exec::connection::{boolean, number};
use crate::exec::host_task::python_type;
use crate::exec::result::{Failure, Res, set};
use crate::play::scope::items;
use imgbuild_jinja::{Map, Value};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["argument_spec", "provided_arguments", "validate_args_context"])?;
    let spec = match call.arg("argument_spec") {
        Some(Value::Map(map)) => Map::clone(map),
        None => return Err(refuse("\"argument_spec\" arg is required in args: {}")),
        Some(other) => {
            return Err(refuse(format!(
                "Incorrect type for argument_spec, expected dict and got <class '{}'>",
                python_type(other)
            )));
        }
    };
    let given = call.arg("provided_arguments").and_then(|v| v.as_map().cloned()).unwrap_or_default();
    let mut arguments = Map::new();
    for (name, _) in &spec {
        let text = name.to_string();
        if let Some(value) = given.get(name) {
            arguments.insert(name.clone(), value.clone());
        } else if let Some(raw) = call.vars.get(&text) {
            let value =
                call.run.engine.templar.template(&raw, &call.vars).map_err(|e| Problem::Failed(Failure::from(e)))?;
            if !matches!(value, Value::Omit) {
                arguments.insert(name.clone(), value);
            }
        }
    }
    for (name, value) in &given {
        arguments.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let mut problems = Vec::new();
    check(&spec, &arguments, "", &mut problems);
    let unknown: Vec<String> = given.keys().filter(|k| !spec.contains_key(*k)).map(ToString::to_string).collect();
    if !unknown.is_empty() {
        let known: Vec<String> = spec.keys().map(ToString::to_string).collect();
        problems.push(format!("{}. Supported parameters include: {}.", unknown.join(", "), known.join(", ")));
    }
    let context = call.arg("validate_args_context").cloned().unwrap_or_else(|| Value::map(Map::new()));
    let mut res = Call::done(false);
    set(&mut res, "validate_args_context", context);
    if problems.is_empty() {
        set(&mut res, "msg", "The arg spec validation passed");
        return Ok(res);
    }
    set(&mut res, "failed", true);
    set(&mut res, "msg", format!("Validation of arguments failed:\n{}", problems.join("\n")));
    set(&mut res, "argument_spec_data", Value::map(spec));
    set(&mut res, "argument_errors", Value::list(problems.into_iter().map(Value::str).collect()));
    Ok(res)
}

fn check(spec: &Map, args: &Map, path: &str, problems: &mut Vec<String>) {
    let mut missing = Vec::new();
    for (name, option) in spec {
        let on = |key: &str| option.get(key).and_then(boolean).unwrap_or(false);
        let aliases = option.get("aliases").map(items).unwrap_or_default();
        let value = std::iter::once(name.to_string())
            .chain(aliases.iter().map(crate::text::of))
            .find_map(|n| args.get(&imgbuild_jinja::Key::from(n)));
        let kind = option.get("type").map_or_else(|| "str".to_owned(), crate::text::of);
        if matches!(value, Some(Value::Null)) && (!on("required") || matches!(kind.as_str(), "raw" | "str")) {
            continue;
        }
        let Some(value) = value else {
            if on("required") {
                missing.push(name.to_string());
            }
            continue;
        };
        one(&name.to_string(), option, value, path, problems);
    }
    if !missing.is_empty() {
        missing.sort();
        let place = if path.is_empty() { String::new() } else { format!(" found in {path}") };
        problems.insert(0, format!("missing required arguments: {}{place}", missing.join(", ")));
    }
}

fn one(name: &str, option: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    let kind = option.get("type").map_or_else(|| "str".to_owned(), crate::text::of);
    if !fits(&kind, value) {
        let place = if path.is_empty() { String::new() } else { format!(" found in '{path}'.") };
        problems.push(format!(
            "argument '{name}' is of type {}{place} and we were unable to convert to {kind}: {}",
            python_type(value),
            why(&kind, value)
        ));
        return;
    }
    if let Some(choices) = option.get("choices").map(items).filter(|c| !c.is_empty()) {
        let texts: Vec<String> = choices.iter().map(crate::text::of).collect();
        let wrong: Vec<String> = items(value).iter().map(crate::text::of).filter(|v| !texts.contains(v)).collect();
        if !wrong.is_empty() {
            let place = if path.is_empty() { String::new() } else { format!(" found in {path}") };
            let any = if matches!(value, Value::List(_)) { "one or more of" } else { "one of" };
            problems.push(format!(
                "value of {name} must be {any}: {}, got: {}{place}",
                texts.join(", "),
                wrong.join(", ")
            ));
        }
    }
    if kind == "list"
        && let Some(elements) = option.get("elements").map(crate::text::of)
    {
        for item in items(value).iter().filter(|i| !fits(&elements, i)) {
            problems.push(format!(
                "Elements value for option '{name}' is of type {} and we were unable to convert to {elements}: {}",
                python_type(item),
                why(&elements, item)
            ));
        }
    }
    if let Some(sub) = option.get("options").and_then(Value::as_map) {
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path} -> {name}") };
        for item in items(value) {
            if let Value::Map(map) = &item {
                check(sub, map, &inner, problems);
                let unknown: Vec<String> =
                    map.keys().filter(|k| !sub.contains_key(*k)).map(ToString::to_string).collect();
                if !unknown.is_empty() {
                    let known: Vec<String> = sub.keys().map(ToString::to_string).collect();
                    problems.push(format!(
                        "{}. Supported parameters include: {}.",
                        unknown
                            .iter()
                            .map(|u| format!("{}.{u}", inner.replace(" -> ", ".")))
                            .collect::<Vec<_>>()
                            .join(", "),
                        known.join(", ")
                    ));
                }
            }
        }
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "int" => match value {
            Value::Int(_) | Value::BigInt(_) | Value::Bool(_) => true,
            Value::Float(f) => f.fract() == 0.0,
            Value::Str(s) => s.text.trim().parse::<i64>().is_ok(),
            _ => false,
        },
        "float" => number(value).is_some(),
        "bool" => boolean(value).is_some(),
        "list" => matches!(value, Value::List(_) | Value::Str(_) | Value::Int(_) | Value::Float(_)),
        "dict" => match value {
            Value::Map(_) => true,
            Value::Str(s) => s.text.trim_start().starts_with('{') || s.text.contains('='),
            _ => false,
        },
        // Anything can be text.
        _ => true,
    }
}

fn why(kind: &str, value: &Value) -> String {
    let class = python_type(value);
    match (kind, value) {
        ("int", _) => format!("\"{}\" cannot be converted to an int", crate::text::repr(value)),
        ("bool", Value::Str(_) | Value::Int(_) | Value::Float(_)) => {
            format!("The value '{}' is not a valid boolean.", crate::text::of(value))
        }
        ("dict", Value::Str(_)) => "dictionary requested, could not parse JSON or key=value".to_owned(),
        _ => format!("<class '{class}'> cannot be converted to a {kind}"),
    }
}
