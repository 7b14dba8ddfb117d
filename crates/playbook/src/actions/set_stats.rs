//! `set_stats`.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, set};
use crate::play::fields::is_identifier;
use imgbuild_jinja::{Map, Value};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["data", "per_host", "aggregate"])?;
    let data = match call.arg("data") {
        Some(Value::Map(map)) => Map::clone(map),
        None => Map::new(),
        Some(_) => return Err(refuse("The 'data' option needs to be a dictionary/hash")),
    };
    if let Some(wrong) = data.keys().map(ToString::to_string).find(|k| !is_identifier(k)) {
        return Err(refuse(format!(
            "The variable name '{wrong}' is not valid. Variables must start with a letter or underscore character, and contain only letters, numbers and underscores."
        )));
    }
    let mut stats = Map::new();
    stats.insert("data".into(), Value::map(data));
    stats.insert("per_host".into(), Value::Bool(call.bool("per_host", false)?));
    stats.insert("aggregate".into(), Value::Bool(call.bool("aggregate", true)?));
    let mut res = Call::done(false);
    set(&mut res, "ansible_stats", Value::map(stats));
    Ok(res)
}
