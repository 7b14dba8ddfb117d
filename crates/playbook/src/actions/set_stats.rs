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
        return Err(refuse(format!("Invalid variable name '{wrong}'.")));
    }
    let mut stats = Map::new();
    stats.insert("data".into(), Value::map(data));
    // What is no boolean is false, as in Ansible.
    let on =
        |name: &str, default| call.arg(name).map_or(default, |v| crate::exec::connection::boolean(v).unwrap_or(false));
    stats.insert("per_host".into(), Value::Bool(on("per_host", false)));
    stats.insert("aggregate".into(), Value::Bool(on("aggregate", true)));
    let mut res = Call::done(false);
    set(&mut res, "ansible_stats", Value::map(stats));
    Ok(res)
}
