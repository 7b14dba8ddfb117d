//! `rabbitmq_plugin`: plugins of RabbitMQ that are enabled. Source: community.rabbitmq's DOCUMENTATION and rabbitmq-plugins(8).

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::json;

fn program(ctx: &Ctx) -> Result<String, Fail> {
    let Some(prefix) = ctx.args.str("prefix").filter(|p| !p.is_empty()) else {
        return Ok(ctx.need("rabbitmq-plugins")?.to_string_lossy().into_owned());
    };
    let root = std::path::Path::new(&prefix);
    match ["bin", "sbin"].iter().map(|d| root.join(d)).find(|d| d.is_dir()) {
        Some(dir) => Ok(dir.join("rabbitmq-plugins").to_string_lossy().into_owned()),
        None => crate::fail!("No binary folder in prefix {prefix}"),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let program = program(ctx)?;
    let listed = ctx.must(&[program.as_str(), "list", "-E", "-m"])?.stdout;
    // Lines with spaces are no names: newer versions say what they list.
    let now: Vec<&str> = listed.lines().map(str::trim).filter(|l| !l.is_empty() && !l.contains(' ')).collect();
    let names: Vec<String> =
        args.text("names").split(',').map(|n| n.trim().to_string()).filter(|n| !n.is_empty()).collect();
    let named = |plugin: &&&str| names.iter().any(|n| n == **plugin);
    let enable = args.text("state") == "enabled";
    let off: Vec<&str> = if enable {
        now.iter().filter(|p| !args.bool("new_only") && !named(p)).copied().collect()
    } else {
        now.iter().filter(named).copied().collect()
    };
    let on: Vec<&str> = names.iter().map(String::as_str).filter(|n| enable && !now.contains(n)).collect();
    if !ctx.check {
        let broker = format!("--{}", args.text("broker_state"));
        for (verb, plugins) in [("disable", &off), ("enable", &on)] {
            for plugin in plugins {
                ctx.must(&[program.as_str(), verb, broker.as_str(), plugin])?;
            }
        }
    }
    Ok(crate::out! {"changed": !(on.is_empty() && off.is_empty()), "enabled": json!(on), "disabled": json!(off)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::{Scratch, skipped};
    use serde_json::Value;

    /// With the real program, offline: it keeps its list in a file, whether or not a broker runs.
    #[test]
    fn plugins_come_once() {
        let missing = json!({"names": "x", "prefix": "/nowhere"});
        assert!(run(&Ctx::test("rabbitmq_plugin", missing)).unwrap_err().msg.contains("No binary folder"));
        let bin = "/usr/lib/rabbitmq/bin";
        if !std::path::Path::new(bin).join("rabbitmq-plugins").exists() {
            return skipped("no RabbitMQ here");
        }
        let dir = Scratch::new();
        let names = crate::sys::rabbitmq::real::Names::new();
        let call = |args: Value, check: bool| {
            let mut all = json!({"broker_state": "offline"});
            all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            let mut ctx = Ctx::test("rabbitmq_plugin", all);
            ctx.check = check;
            for (name, value) in [
                ("PATH", format!("{bin}:/usr/bin:/bin")),
                ("HOME", dir.path("")),
                ("RABBITMQ_NODENAME", "nobody@localhost".into()),
                ("RABBITMQ_ENABLED_PLUGINS_FILE", dir.path("plugins")),
                ("RABBITMQ_CONF_ENV_FILE", "/dev/null".into()),
                ("ERL_EPMD_PORT", names.0.to_string()),
            ] {
                ctx.env.insert(name.into(), value);
            }
            run(&ctx).unwrap_or_else(|e| panic!("{}", e.msg))
        };
        let more = json!({"names": "rabbitmq_shovel,rabbitmq_mqtt", "new_only": true});
        assert_eq!(call(more.clone(), true)["enabled"], json!(["rabbitmq_shovel", "rabbitmq_mqtt"]));
        assert_eq!(call(more.clone(), false)["enabled"], json!(["rabbitmq_shovel", "rabbitmq_mqtt"]));
        assert_eq!(call(more, false)["changed"], false);
        let only = json!({"names": "rabbitmq_mqtt"});
        assert_eq!(call(only.clone(), false)["disabled"], json!(["rabbitmq_shovel"]));
        assert_eq!(call(only, false)["changed"], false);
        let off = json!({"names": "rabbitmq_mqtt", "state": "disabled"});
        assert_eq!(call(off.clone(), false)["disabled"], json!(["rabbitmq_mqtt"]));
        assert_eq!(call(off, false)["changed"], false);
    }
}
