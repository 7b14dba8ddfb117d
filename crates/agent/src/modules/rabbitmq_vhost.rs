//! `rabbitmq_vhost`: virtual hosts of RabbitMQ, and whether they are traced. Source: community.rabbitmq's DOCUMENTATION.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::rabbitmq::Rabbit;
use serde_json::json;

/// Whether a vhost is traced; `None`: there is none.
fn find(rabbit: &Rabbit<'_>, name: &str) -> Result<Option<bool>, Fail> {
    if rabbit.by_api() {
        let answer = rabbit.api("GET", &["vhosts", name], None, None)?;
        return match answer.status {
            404 => Ok(None),
            200 => Ok(Some(answer.body["tracing"] == true)),
            _ => Err(answer.fail("Error getting the vhost")),
        };
    }
    let all = rabbit.list(&["list_vhosts", "name", "tracing"])?;
    Ok(all.iter().find(|v| v["name"] == name).map(|v| v["tracing"] == true))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, state, tracing) = (args.req("name")?, args.text("state"), args.bool("tracing"));
    let rabbit = Rabbit::new(ctx)?;
    let now = find(&rabbit, &name)?;
    let absent = state == "absent";
    let changed = if absent { now.is_some() } else { now != Some(tracing) };
    if changed && !ctx.check {
        let path = ["vhosts", name.as_str()];
        match (rabbit.by_api(), absent) {
            (true, true) => drop(rabbit.must_api("DELETE", &path, None, "can't remove the vhost")?),
            (true, false) => {
                drop(rabbit.must_api("PUT", &path, Some(&json!({"tracing": tracing})), "can't make the vhost")?);
            }
            (false, true) => drop(rabbit.must(&["delete_vhost", &name], None)?),
            (false, false) => {
                if now.is_none() {
                    rabbit.must(&["add_vhost", &name], None)?;
                }
                if now.unwrap_or_default() != tracing {
                    let verb = if tracing { "trace_on" } else { "trace_off" };
                    rabbit.must(&[verb, "-p", &name], None)?;
                }
            }
        }
    }
    Ok(crate::out! {"changed": changed, "name": name, "state": state})
}
