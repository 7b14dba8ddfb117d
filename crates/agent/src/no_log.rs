//! Values of options that are never shown (`no_log`) are taken out of a module's result, wherever they turn up in it: registered,
//! printed or logged, they are asterisks. Source of the rules: AnsibleModule's `remove_values` and `sanitize_keys` (ansible-core 2.19).

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use imgbuild_proto::spec::{self, Opt};
use serde_json::{Map, Value};

/// What stands for a text that is one of the values and nothing else.
const WHOLE: &str = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER";

/// What stands for one of the values within a text.
const PART: &str = "********";

/// Takes them out of what a module answered.
pub fn hide(ctx: &Ctx, answer: &mut Result<Outcome, Fail>) {
    let Some(module) = spec::module(&ctx.module) else { return };
    let mut secrets = Vec::new();
    collect(module.options, ctx.args.map(), &mut secrets);
    if secrets.is_empty() {
        return;
    }
    // A value that is a part of another must not break it up.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    // `uri` hands on names that a server chose.
    let keys = module.name == "uri";
    let fields = match answer {
        Ok(fields) => fields,
        Err(fail) => {
            fail.msg = replaced(&fail.msg, &secrets);
            &mut fail.fields
        }
    };
    for (name, value) in fields.iter_mut() {
        clean(value, &secrets, keys && name == "json");
    }
}

/// The values of a table's `no_log` options, at all depths.
fn collect(options: &[Opt], given: &Map<String, Value>, out: &mut Vec<String>) {
    for option in options {
        let names = std::iter::once(&option.name).chain(option.aliases);
        let Some(value) = names.filter_map(|name| given.get(*name)).next() else { continue };
        if option.no_log {
            texts(value, out);
        }
        let below = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        for inner in below.iter().filter_map(Value::as_object) {
            collect(option.options, inner, out);
        }
    }
}

fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => out.push(text.clone()),
        Value::Number(number) => out.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(map) => map.values().for_each(|item| texts(item, out)),
        _ => {}
    }
}

fn replaced(text: &str, secrets: &[String]) -> String {
    if secrets.iter().any(|secret| secret == text) {
        return WHOLE.to_owned();
    }
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), PART))
}

fn clean(value: &mut Value, secrets: &[String], keys: bool) {
    match value {
        Value::String(text) => *text = replaced(text, secrets),
        Value::Number(number) => {
            let text = number.to_string();
            if secrets.iter().any(|secret| text.contains(secret.as_str())) {
                *value = WHOLE.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, secrets, keys)),
        Value::Object(map) => {
            map.values_mut().for_each(|item| clean(item, secrets, keys));
            if keys {
                *map = std::mem::take(map).into_iter().map(|(key, item)| (replaced(&key, secrets), item)).collect();
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_secret_options_are_nowhere_in_the_answer() {
        let ctx = Ctx::test("uri", json!({"url": "http://h", "url_password": "pass", "headers": {"a": "b"}}));
        let mut answer = Ok(crate::out! {
            "changed": false, "status": 200, "pass": "pass", "url": "http://u:pass@h",
            "json": {"key-pass": ["pass", "a pass b", 1, null, true]},
        });
        hide(&ctx, &mut answer);
        assert_eq!(
            Value::Object(answer.unwrap()),
            json!({
                "changed": false, "status": 200, "pass": WHOLE, "url": "http://u:********@h",
                "json": {"key-********": [WHOLE, "a ******** b", 1, null, true]},
            })
        );
        let mut failed = Err(Fail::new("pass is wrong").with("rc", 0));
        hide(&ctx, &mut failed);
        let failed = failed.unwrap_err();
        assert_eq!((failed.msg.as_str(), &failed.fields["rc"]), ("******** is wrong", &json!(0)));
    }

    #[test]
    fn nothing_is_hidden_where_nothing_is_secret() {
        let ctx = Ctx::test("uri", json!({"url": "http://h", "url_password": ""}));
        let mut answer = Ok(crate::out! {"url": "http://h", "status": 200});
        hide(&ctx, &mut answer);
        assert_eq!(Value::Object(answer.unwrap()), json!({"url": "http://h", "status": 200}));
    }
}
