//! `assert`.

use super::{Call, Problem, refuse};
use crate::exec::result::{Failure, Res, set};
use crate::play::scope::items;
use imgbuild_jinja::{Key, Map, Value};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["that", "fail_msg", "msg", "success_msg", "quiet"])?;
    let Some(that) = call.args.get(&Key::from("that")) else {
        return Err(refuse("missing required arguments: that"));
    };
    let templar = &call.run.engine.templar;
    let message = |names: &[&str], default: &str| {
        names.iter().find_map(|n| call.arg(n).cloned()).unwrap_or_else(|| Value::str(default))
    };
    let quiet = call.bool("quiet", false)?;
    let mut res = Call::done(false);
    if !quiet {
        set(&mut res, "_ansible_verbose_always", true);
    }
    let (mut warnings, mut deprecations) = (Vec::new(), Vec::new());
    // The whole of `that` may be a template that gives the list; one that only names it gives its entries as they were written.
    let named = entries_by_name(call, that);
    let all = match named.as_ref().unwrap_or(that) {
        Value::Str(text) if templar.is_template(text) && text.text.trim().starts_with("{{") => {
            match templar.template(that, &call.vars).map_err(|e| Problem::Failed(e.into()))? {
                // An entry that comes from a host is data and no condition; what the playbook wrote kept its trust.
                list @ Value::List(_) => items(&list),
                _ => vec![that.clone()],
            }
        }
        Value::Null => vec![Value::Null],
        other => items(other),
    };
    for condition in all {
        let (holds, warning) = templar.condition(&condition, &call.vars).map_err(|e| {
            let span = e.span.clone().or_else(|| condition.span().cloned());
            let text = crate::exec::result::condition_message(&e.message);
            Problem::Failed(Failure::new(text).at(span.as_ref()).because("Action failed", None))
        })?;
        if let Some(warning) = warning {
            let text = warning.diagnostic().to_string();
            let text = Value::str(text.trim_start_matches("Warning: "));
            if warning.deprecated {
                deprecations.push(Value::map(Map::from_iter([("msg".into(), text)])));
            } else {
                warnings.push(text);
            }
        }
        for (key, texts) in [("warnings", &warnings), ("deprecations", &deprecations)] {
            if !texts.is_empty() {
                set(&mut res, key, Value::list(texts.clone()));
            }
        }
        if !holds {
            set(&mut res, "failed", true);
            set(&mut res, "evaluated_to", holds);
            set(&mut res, "assertion", condition);
            set(&mut res, "msg", message(&["fail_msg", "msg"], "Assertion failed"));
            return Ok(res);
        }
    }
    set(&mut res, "msg", message(&["success_msg"], "All assertions passed"));
    Ok(res)
}

/// The list of a variable that a template names and does nothing else with, its entries not rendered.
fn entries_by_name(call: &Call<'_>, that: &Value) -> Option<Value> {
    let Value::Str(text) = that else { return None };
    let name = text.text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let plain = text.template && crate::play::fields::is_identifier(name);
    call.vars.get(name).filter(|value| plain && matches!(value, Value::List(_)))
}
