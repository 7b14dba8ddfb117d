//! `json_query`: JMESPath.

use super::super::{Call, Table};
use crate::eval::fail;
use crate::val::{R, Val};
use crate::{Key, Value};
use jmespath::{Rcvar, Variable};

pub(super) const TABLE: Table = &[("json_query", json_query)];

/// From our values; numbers keep their kind, other keys than text become text.
fn variable(value: &Value) -> Variable {
    match value {
        Value::List(l) => Variable::Array(l.iter().map(|v| Rcvar::new(variable(v))).collect()),
        Value::Map(m) => {
            Variable::Object(m.iter().map(|(k, v)| (crate::val::repr::key_str(k), Rcvar::new(variable(v)))).collect())
        }
        Value::Bool(b) => Variable::Bool(*b),
        Value::Null | Value::Omit => Variable::Null,
        Value::Str(s) | Value::Vault(s) => Variable::String(s.text.to_string()),
        other => match other.to_json() {
            serde_json::Value::Number(n) => Variable::Number(n),
            serde_json::Value::String(s) => Variable::String(s),
            _ => Variable::Null,
        },
    }
}

fn value(found: &Variable) -> Val {
    match found {
        Variable::Null | Variable::Expref(_) => Val::None,
        Variable::Bool(b) => Val::Bool(*b),
        Variable::String(s) => Val::str(s.as_str()),
        Variable::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), ..) => Val::Int(i),
            (_, Some(u), _) => Val::int(u.into()),
            // Sums and averages come as floats; whole ones are integers in Python's implementation.
            (_, _, Some(f)) => Val::Float(f),
            _ => Val::None,
        },
        Variable::Array(a) => Val::list(a.iter().map(|v| value(v)).collect()),
        Variable::Object(o) => Val::dict(o.iter().map(|(k, v)| (Key::from(k.as_str()), value(v))).collect()),
    }
}

fn json_query(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["expr"])?;
    let text = c.cx.text(bound.need(0)?)?;
    let problem = |e: &dyn std::fmt::Display| fail(format!("JMESPathError in json_query filter plugin:\n{e}"));
    let expression = jmespath::compile(&text).map_err(|e| problem(&e))?;
    let data = c.cx.finish(&c.input)?;
    let found = expression.search(variable(&data)).map_err(|e| problem(&e))?;
    Ok(value(&found))
}
