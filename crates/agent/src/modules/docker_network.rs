//! `docker_network`: Docker's networks and who is in them.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::docker::{Docker, differences, escape, finish, texts};
use serde_json::{Map, Value, json};

/// Options that are one value of the network: option, Docker's name, whether it goes out when it is false.
const SWITCHES: &[(&str, &str)] = &[
    ("config_only", "ConfigOnly"),
    ("enable_ipv4", "EnableIPv4"),
    ("enable_ipv6", "EnableIPv6"),
    ("internal", "Internal"),
    ("attachable", "Attachable"),
    ("ingress", "Ingress"),
];

/// Pools as Docker writes them.
fn pools(ctx: &Ctx) -> Vec<Value> {
    let pool = |pool: &Value| {
        let mut out = Map::new();
        for (option, name) in [
            ("subnet", "Subnet"),
            ("iprange", "IPRange"),
            ("gateway", "Gateway"),
            ("aux_addresses", "AuxiliaryAddresses"),
        ] {
            if let Some(value) = pool.get(option).filter(|v| !v.is_null()) {
                out.insert(name.into(), value.clone());
            }
        }
        Value::Object(out)
    };
    ctx.args.list("ipam_config").unwrap_or_default().iter().map(pool).collect()
}

/// Whether a pool that exists has all that is asked of one.
fn has(pool: &Value, wanted: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(name, value)| match name.as_str() {
        "AuxiliaryAddresses" => {
            let have = pool.get("AuxiliaryAddresses").or_else(|| pool.get("AuxAddress"));
            have == Some(value)
        }
        name => pool.get(name).is_some_and(|have| {
            // Addresses may be written in more than one way.
            let parse = |v: &Value| v.as_str().and_then(|s| s.split('/').next()?.parse::<std::net::IpAddr>().ok());
            have == value || parse(have).is_some() && parse(have) == parse(value) && suffix(have) == suffix(value)
        }),
    })
}

fn suffix(value: &Value) -> Option<&str> {
    value.as_str()?.split_once('/').map(|(_, s)| s)
}

fn found(ctx: &Ctx, net: &Value) -> Vec<(String, Value, Value)> {
    let args = &ctx.args;
    let mut out = Vec::new();
    let mut compare = |option: &str, wanted: Value, active: Value| {
        if wanted != active {
            out.push((option.to_string(), wanted, active));
        }
    };
    for (option, name) in SWITCHES {
        if let Some(wanted) = args.opt_bool(option) {
            compare(option, wanted.into(), net.get(*name).cloned().unwrap_or(Value::Bool(false)));
        }
    }
    if let Some(from) = args.str("config_from") {
        compare("config_from", from.into(), net["ConfigFrom"]["Network"].clone());
    }
    if args.given("driver").is_some() || args.str("config_from").is_none() {
        compare("driver", args.text("driver").into(), net["Driver"].clone());
    }
    if let Some(driver) = args.str("ipam_driver") {
        compare("ipam_driver", driver.into(), net["IPAM"]["Driver"].clone());
    }
    if let Some(options) = texts(ctx, "ipam_driver_options") {
        let active = net["IPAM"]["Options"].clone();
        compare("ipam_driver_options", options.into(), if active.is_null() { json!({}) } else { active });
    }
    if let Some(scope) = args.str("scope") {
        compare("scope", scope.into(), net["Scope"].clone());
    }
    let active = net["IPAM"]["Config"].as_array().cloned().unwrap_or_default();
    for (at, wanted) in pools(ctx).into_iter().enumerate() {
        if !active.iter().any(|pool| has(pool, &wanted)) {
            out.push((format!("ipam_config[{at}]"), wanted, json!(active)));
        }
    }
    out.extend(differences(&texts(ctx, "driver_options").unwrap_or_default(), &net["Options"], "driver_options"));
    out.extend(differences(&texts(ctx, "labels").unwrap_or_default(), &net["Labels"], "labels"));
    out
}

fn body(ctx: &Ctx, name: &str) -> Value {
    let args = &ctx.args;
    let mut body = json!({"Name": name, "Driver": args.text("driver"),
        "Options": texts(ctx, "driver_options").unwrap_or_default()});
    for (option, docker) in SWITCHES {
        if let Some(value) = args.opt_bool(option) {
            body[*docker] = value.into();
        }
    }
    if let Some(from) = args.str("config_from") {
        body["ConfigFrom"] = json!({"Network": from});
    }
    if let Some(scope) = args.str("scope") {
        body["Scope"] = scope.into();
    }
    if let Some(labels) = texts(ctx, "labels") {
        body["Labels"] = labels.into();
    }
    let (driver, options, pools) = (args.str("ipam_driver"), texts(ctx, "ipam_driver_options"), pools(ctx));
    if driver.is_some() || options.is_some() || !pools.is_empty() {
        body["IPAM"] = json!({"Driver": driver, "Config": pools, "Options": options});
    }
    body
}

/// The names of the containers in a network.
fn members(net: Option<&Value>) -> Vec<String> {
    let containers = net.and_then(|n| n["Containers"].as_object());
    containers.into_iter().flatten().filter_map(|(_, c)| c["Name"].as_str().map(str::to_string)).collect()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let docker = Docker::new(ctx)?;
    let name = args.req("name")?;
    let path = format!("/networks/{}", escape(&name));
    let absent = args.text("state") == "absent";
    let mut existing = docker.find(&path)?;
    let existed = existing.is_some();
    let (mut actions, mut changed) = (Vec::new(), false);
    let list = existing.as_ref().filter(|_| !absent).map(|net| found(ctx, net)).unwrap_or_default();
    let leave = |container: &str| -> Result<(), Fail> {
        if ctx.check {
            return Ok(());
        }
        let body = json!({"Container": container, "Force": true});
        docker.act("POST", &format!("{path}/disconnect"), Some(body)).map(|_| ())
    };
    if existed && (absent || args.bool("force") || !list.is_empty()) {
        for container in members(existing.as_ref()) {
            leave(&container)?;
            actions.push(format!("Disconnected container {container}"));
        }
        if !ctx.check {
            docker.act("DELETE", &path, None)?;
        }
        actions.push(format!("Removed network {name}"));
        existing = None;
        changed = true;
    }
    if !absent {
        if existing.is_none() {
            if !ctx.check {
                docker.act("POST", "/networks/create", Some(body(ctx, &name)))?;
                existing = docker.find(&path)?;
            }
            actions.push(format!("Created network {name} with driver {}", args.text("driver")));
            changed = true;
        }
        let wanted = args.strs("connected");
        let inside = members(existing.as_ref());
        for container in wanted.iter().filter(|c| !inside.contains(c)) {
            if docker.find(&format!("/containers/{}/json", escape(container)))?.is_none() {
                continue;
            }
            if !ctx.check {
                docker.act("POST", &format!("{path}/connect"), Some(json!({"Container": container})))?;
            }
            actions.push(format!("Connected container {container}"));
            changed = true;
        }
        if !args.bool("appends") {
            for container in inside.iter().filter(|c| !wanted.contains(c)) {
                leave(container)?;
                actions.push(format!("Disconnected container {container}"));
                changed = true;
            }
        }
    }
    let mut out = crate::out! {"changed": changed};
    if !absent {
        out.insert("network".into(), docker.find(&path)?.unwrap_or(Value::Null));
    }
    finish(ctx, &mut out, actions, existed, !absent, &list);
    Ok(out)
}
