//! `set_fact`.

use super::{Call, Problem, refuse};
use crate::exec::result::{Failure, Res, set};
use crate::play::fields::is_identifier;
use imgbuild_jinja::{Map, Value};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let cacheable = call.bool("cacheable", false)?;
    let mut facts = Map::new();
    for (key, value) in &call.args {
        let name = key.to_string();
        if name == "cacheable" {
            continue;
        }
        let kind = match key {
            imgbuild_jinja::Key::Int(_) => " of type 'int'",
            imgbuild_jinja::Key::Bool(_) => " of type 'bool'",
            imgbuild_jinja::Key::Float(_) => " of type 'float'",
            imgbuild_jinja::Key::Null => " of type 'NoneType'",
            _ => "",
        };
        if !kind.is_empty() || !is_identifier(&name) {
            let name = match key {
                imgbuild_jinja::Key::Bool(true) => "True",
                imgbuild_jinja::Key::Bool(false) => "False",
                imgbuild_jinja::Key::Null => "None",
                _ => &name,
            };
            let mut failure =
                Failure::new(format!("Invalid variable name '{name}'{kind}.")).at(value.span()).field("changed", false);
            if let Some(cause) = failure.causes.last_mut() {
                cause.help.push("Variable names must be strings starting with a letter or underscore character, and contain only letters, numbers and underscores.".into());
            }
            return Err(Problem::Failed(failure.because("Task failed", None)));
        }
        facts.insert(key.clone(), value.clone());
    }
    if facts.is_empty() {
        return Err(refuse("No key/value pairs provided, at least one is required for this action to succeed"));
    }
    let mut res = Call::done(false);
    set(&mut res, "ansible_facts", Value::map(facts));
    set(&mut res, "_ansible_facts_cacheable", cacheable);
    Ok(res)
}
