//! `rabbitmq_policy`: policies of a virtual host of RabbitMQ. Source: community.rabbitmq's DOCUMENTATION and RabbitMQ's on policies.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::rabbitmq::Rabbit;
use serde_json::{Value, json};

/// The policy of this name.
fn find(rabbit: &Rabbit<'_>, vhost: &str, name: &str) -> Result<Option<Value>, Fail> {
    let all = if rabbit.by_api() {
        let all = rabbit.must_api("GET", &["policies", vhost], None, "Error trying to retrieve policies")?;
        all.as_array().cloned().unwrap_or_default()
    } else {
        rabbit.list(&["list_policies", "-p", vhost])?
    };
    let mut found = all.into_iter().find(|p| p["name"] == name);
    if let Some(policy) = &mut found
        && let Value::String(text) = &policy["definition"]
    {
        // The program has it as text inside its JSON.
        policy["definition"] = serde_json::from_str(text).unwrap_or_default();
    }
    Ok(found)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, vhost, state) = (args.req("name")?, args.text("vhost"), args.text("state"));
    let (pattern, tags) = (args.str("pattern"), args.raw("tags").filter(Value::is_object));
    let (to, priority) = (args.text("apply_to"), args.text("priority"));
    let rabbit = Rabbit::new(ctx)?;
    let result = |changed: bool| crate::out! {"changed": changed, "name": name, "state": state};
    if state == "absent" {
        let there = find(&rabbit, &vhost, &name)?.is_some();
        if there && !ctx.check {
            if rabbit.by_api() {
                rabbit.must_api("DELETE", &["policies", &vhost, &name], None, "can't remove the policy")?;
            } else {
                rabbit.must(&["clear_policy", "-p", &vhost, &name], None)?;
            }
        }
        return Ok(result(there));
    }
    let (Some(pattern), Some(tags)) = (pattern, tags) else {
        crate::fail!("pattern and tags are required for state=present");
    };
    let Ok(number) = priority.trim().parse::<i64>() else { crate::fail!("priority {priority} is not a whole number") };
    let wanted = json!({"pattern": pattern, "apply-to": to, "definition": tags, "priority": number});
    let now = find(&rabbit, &vhost, &name)?;
    let same =
        |now: &Value| wanted.as_object().is_some_and(|w| w.iter().all(|(key, value)| now.get(key) == Some(value)));
    let changed = !now.as_ref().is_some_and(same);
    if changed && !ctx.check {
        if rabbit.by_api() {
            let what = format!("Error trying to set policy {name} in rabbitmq");
            rabbit.must_api("PUT", &["policies", &vhost, &name], Some(&wanted), &what)?;
        } else {
            let (tags, priority) = (tags.to_string(), number.to_string());
            let mut words = vec!["set_policy", "-p", &vhost, &name, &pattern, &tags, "--priority", &priority];
            if to != "all" {
                words.extend(["--apply-to", &to]);
            }
            rabbit.must(&words, None)?;
        }
    }
    Ok(result(changed))
}
