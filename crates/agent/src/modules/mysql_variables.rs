//! `mysql_variables`: a global variable of the server, read or set.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::mysql::{format, literal, name};
use crate::sys::mysql_login;
use serde_json::{Value, json};

/// A number where the text is one.
fn typed(text: &str) -> Value {
    match (text.trim().parse::<i64>(), text.trim().parse::<f64>()) {
        (Ok(n), _) => json!(n),
        (_, Ok(n)) if n.is_finite() => json!(n),
        _ => json!(text),
    }
}

/// `on`, `off`, 1 and 0 as the server shows switches.
fn switch(value: Value) -> Value {
    match &value {
        Value::String(s) if s == "on" => json!("ON"),
        Value::String(s) if s == "off" => json!("OFF"),
        v if v.as_f64() == Some(1.0) => json!("ON"),
        v if v.as_f64() == Some(0.0) => json!("OFF"),
        _ => value,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|n| b.as_f64() == Some(n))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let variable = args.req("variable")?;
    if variable.is_empty() || !variable.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)) {
        crate::fail!("invalid variable name \"{variable}\"");
    }
    let (mut client, _) = mysql_login::connect(ctx, Some("mysql"))?;
    let mut ask = |sql: &str| -> Result<Option<String>, Fail> {
        let sql = format(sql, &json!([variable])).map_err(Fail::new)?;
        let answer = client.query(&sql)?;
        Ok(answer.rows.first().and_then(|r| r.last()).map(crate::args::text))
    };
    let Some(now) = ask("SHOW VARIABLES WHERE Variable_name = %s")? else {
        return Err(Fail::new(format!("Variable not available \"{variable}\"")).with("changed", false));
    };
    let Some(value) = args.str("value") else {
        return Ok(crate::out! {"changed": false, "msg": now});
    };
    let mode = args.text("mode");
    let mut stored = None;
    let mut actual = typed(&now);
    if mode != "global" {
        stored = ask("SELECT VARIABLE_VALUE FROM performance_schema.persisted_variables WHERE VARIABLE_NAME = %s")
            .map_err(|why| match why.msg.contains("persisted_variables' doesn't exist") {
                true => Fail::new("Server version must be 8.0 or greater."),
                false => why,
            })?
            .map(|v| typed(&v));
        if mode == "persist_only" {
            actual = stored.clone().unwrap_or(json!(false));
        }
    }
    let mut wanted = typed(&value);
    let is_switch = |v: &Value| v == "ON" || v == "OFF";
    if is_switch(&actual) && !is_switch(&wanted) {
        wanted = switch(wanted);
    }
    let is_stored = stored.as_ref().is_some_and(|s| same(s, &wanted));
    let done = match mode.as_str() {
        "global" if same(&wanted, &actual) => Some("Variable is already set to requested value."),
        "persist" if same(&wanted, &actual) && is_stored => {
            Some("Variable is already set to requested value globallyand stored into mysqld-auto.cnf file.")
        }
        "persist_only" if is_stored => Some("Variable is already stored into mysqld-auto.cnf with requested value."),
        _ => None,
    };
    if let Some(msg) = done {
        return Ok(crate::out! {"changed": false, "msg": msg});
    }
    let quoted: Vec<String> = variable.split('.').map(name).collect();
    let query = format!("SET {} {} = ", mode.to_uppercase(), quoted.join("."));
    client
        .query(&format!("{query}{}", literal(&wanted)))
        .map_err(|why| Fail::new(why.to_string()).with("changed", false))?;
    let msg = format!("Variable change succeeded prev_value={}", crate::args::text(&actual));
    Ok(crate::out! {"changed": true, "msg": msg, "queries": [format!("{query}{}", crate::args::text(&wanted))]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(
            (typed("3"), typed("3.5"), typed("a"), typed("nan")),
            (json!(3), json!(3.5), json!("a"), json!("nan"))
        );
        assert_eq!(
            (switch(json!(1)), switch(json!("off")), switch(json!("x"))),
            (json!("ON"), json!("OFF"), json!("x"))
        );
        assert!(same(&json!(3), &json!(3.0)) && !same(&json!("3"), &json!(3)));
        assert!(run(&Ctx::test("mysql_variables", json!({"variable": "a b"}))).is_err());
    }
}
