//! What `docker_container`'s options are in Docker's own words, and how the wanted and the existing compare.

use crate::args::text;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail};
use crate::sys::docker::bytes;
use crate::sys::shlex;
use serde_json::{Map, Value, json};

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Equal.
    Value,
    /// Equal in order.
    List,
    /// The container may have more.
    Set,
    /// The container may have more keys.
    Dict,
}

/// One option that was given.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The option.
    pub option: &'static str,
    /// Whether it belongs to the host's part of the configuration.
    pub host: bool,
    /// Docker's name.
    pub name: &'static str,
    /// Docker's value.
    pub value: Value,
    /// How it compares.
    pub kind: Kind,
}

#[derive(Clone, Copy)]
enum How {
    Same,
    Bytes,
    Nano,
    Words,
    Entries,
    Seconds,
}

use How::{Bytes, Entries, Nano, Same, Seconds, Words};
use Kind::{Dict, List, Set, Value as One};

/// Options that go over by a rule: option, of the host's part, Docker's name, comparison, conversion.
const PLAIN: &[(&str, bool, &str, Kind, How)] = &[
    ("auto_remove", true, "AutoRemove", One, Same),
    ("blkio_weight", true, "BlkioWeight", One, Same),
    ("capabilities", true, "CapAdd", Set, Same),
    ("cap_drop", true, "CapDrop", Set, Same),
    ("cgroupns_mode", true, "CgroupnsMode", One, Same),
    ("cgroup_parent", true, "CgroupParent", One, Same),
    ("command", false, "Cmd", List, Words),
    ("entrypoint", false, "Entrypoint", List, Words),
    ("cpu_period", true, "CpuPeriod", One, Same),
    ("cpu_quota", true, "CpuQuota", One, Same),
    ("cpuset_cpus", true, "CpusetCpus", One, Same),
    ("cpuset_mems", true, "CpusetMems", One, Same),
    ("cpu_shares", true, "CpuShares", One, Same),
    ("cpus", true, "NanoCpus", One, Nano),
    ("interactive", false, "OpenStdin", One, Same),
    ("device_cgroup_rules", true, "DeviceCgroupRules", Set, Same),
    ("dns_servers", true, "Dns", List, Same),
    ("dns_opts", true, "DnsOptions", Set, Same),
    ("dns_search_domains", true, "DnsSearch", List, Same),
    ("domainname", false, "Domainname", One, Same),
    ("etc_hosts", true, "ExtraHosts", Set, Entries),
    ("groups", true, "GroupAdd", Set, Same),
    ("hostname", false, "Hostname", One, Same),
    ("init", true, "Init", One, Same),
    ("ipc_mode", true, "IpcMode", One, Same),
    ("kernel_memory", true, "KernelMemory", One, Bytes),
    ("labels", false, "Labels", Dict, Same),
    ("links", true, "Links", Set, Same),
    ("mac_address", false, "MacAddress", One, Same),
    ("memory", true, "Memory", One, Bytes),
    ("memory_reservation", true, "MemoryReservation", One, Bytes),
    ("memory_swap", true, "MemorySwap", One, Bytes),
    ("memory_swappiness", true, "MemorySwappiness", One, Same),
    ("stop_timeout", false, "StopTimeout", One, Seconds),
    ("network_mode", true, "NetworkMode", One, Same),
    ("oom_killer", true, "OomKillDisable", One, Same),
    ("oom_score_adj", true, "OomScoreAdj", One, Same),
    ("pid_mode", true, "PidMode", One, Same),
    ("pids_limit", true, "PidsLimit", One, Same),
    ("privileged", true, "Privileged", One, Same),
    ("read_only", true, "ReadonlyRootfs", One, Same),
    ("runtime", true, "Runtime", One, Same),
    ("security_opts", true, "SecurityOpt", Set, Same),
    ("shm_size", true, "ShmSize", One, Bytes),
    ("stop_signal", false, "StopSignal", One, Same),
    ("storage_opts", true, "StorageOpt", Dict, Same),
    ("sysctls", true, "Sysctls", Dict, Same),
    ("tty", false, "Tty", One, Same),
    ("user", false, "User", One, Same),
    ("userns_mode", true, "UsernsMode", One, Same),
    ("uts", true, "UTSMode", One, Same),
    ("volume_driver", true, "VolumeDriver", One, Same),
    ("volumes_from", true, "VolumesFrom", Set, Same),
    ("working_dir", false, "WorkingDir", One, Same),
    ("publish_all_ports", true, "PublishAllPorts", One, Same),
];

fn convert(option: &str, value: Value, how: How, kind: Kind) -> Result<Value, Fail> {
    Ok(match how {
        Same | Seconds if kind == Dict => value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), Value::from(text(v))))
            .collect::<Map<_, _>>()
            .into(),
        Same | Seconds => value,
        Bytes => {
            let given = text(&value);
            bytes(&given).map(Value::from).ok_or_else(|| Fail::new(format!("{option} is no size: {given}")))?
        }
        Nano => Value::from((value.as_f64().unwrap_or(0.0) * 1e9).round() as i64),
        Words => match value {
            Value::Array(items) => json!(items.iter().map(text).collect::<Vec<_>>()),
            other => json!(shlex::split(&text(&other)).unwrap_or_default()),
        },
        Entries => {
            json!(value.as_object().into_iter().flatten().map(|(k, v)| format!("{k}:{}", text(v))).collect::<Vec<_>>())
        }
    })
}

/// All options that were given.
pub fn settings(ctx: &Ctx) -> Result<Vec<Setting>, Fail> {
    let args = &ctx.args;
    let mut out = Vec::new();
    let mut add = |option, host, name, value, kind| out.push(Setting { option, host, name, value, kind });
    for (option, host, name, kind, how) in PLAIN {
        if let Some(value) = args.given(option) {
            add(*option, *host, *name, convert(option, value.clone(), *how, *kind)?, *kind);
        }
    }
    let mut env: Map<String, Value> = Map::new();
    if let Some(file) = args.path("env_file") {
        let lines = std::fs::read_to_string(&file).at("can't read", &file)?;
        for (key, value) in lines.lines().filter(|l| !l.trim_start().starts_with('#')).filter_map(|l| l.split_once('='))
        {
            env.insert(key.trim().into(), value.into());
        }
    }
    for (key, value) in args.raw("env").as_ref().and_then(Value::as_object).into_iter().flatten() {
        if !value.is_string() {
            crate::fail!(
                "Non-string value found for env option. Ambiguous env options must be wrapped in quotes to avoid them being interpreted. Key: {key}"
            );
        }
        env.insert(key.clone(), value.clone());
    }
    if !env.is_empty() {
        let list: Vec<String> = env.iter().map(|(k, v)| format!("{k}={}", text(v))).collect();
        add("env", false, "Env", json!(list), Set);
    }
    if let Some(devices) = args.opt_strs("devices") {
        let device = |d: &String| {
            let mut parts = d.split(':');
            let host = parts.next().unwrap_or_default();
            json!({"PathOnHost": host, "PathInContainer": parts.next().unwrap_or(host),
                "CgroupPermissions": parts.next().unwrap_or("rwm")})
        };
        add("devices", true, "Devices", devices.iter().map(device).collect(), Set);
    }
    for (option, name, sized) in [
        ("device_read_bps", "BlkioDeviceReadBps", true),
        ("device_write_bps", "BlkioDeviceWriteBps", true),
        ("device_read_iops", "BlkioDeviceReadIOps", false),
        ("device_write_iops", "BlkioDeviceWriteIOps", false),
    ] {
        if let Some(list) = args.list(option) {
            let rate = |r: &Value| if sized { bytes(&text(r)) } else { text(r).parse().ok() };
            add(
                option,
                true,
                name,
                list.iter().map(|d| json!({"Path": d["path"], "Rate": rate(&d["rate"])})).collect(),
                Set,
            );
        }
    }
    if let Some(list) = args.list("device_requests") {
        let request = |d: &Value| {
            json!({"Driver": d["driver"].as_str().unwrap_or(""), "Count": d["count"].as_i64().unwrap_or(0),
                "DeviceIDs": d["device_ids"], "Capabilities": d["capabilities"], "Options": d["options"]})
        };
        add("device_requests", true, "DeviceRequests", list.iter().map(request).collect(), Set);
    }
    if let Some(check) = args.raw("healthcheck") {
        add("healthcheck", false, "Healthcheck", health(&check)?, One);
    }
    if let Some(driver) = args.str("log_driver") {
        let options = args.raw("log_options").unwrap_or_else(|| json!({}));
        let options = convert("log_options", options, Same, Dict)?;
        add("log_driver", true, "LogConfig", json!({"Type": driver, "Config": options}), Dict);
    }
    if let Some(policy) = args.str("restart_policy") {
        let retries = args.int("restart_retries").unwrap_or(0);
        add("restart_policy", true, "RestartPolicy", json!({"Name": policy, "MaximumRetryCount": retries}), One);
    }
    if let Some(list) = args.opt_strs("tmpfs") {
        let pairs = list.iter().map(|t| t.split_once(':').map_or((t.clone(), ""), |(p, o)| (p.to_string(), o)));
        add("tmpfs", true, "Tmpfs", pairs.map(|(p, o)| (p, Value::from(o))).collect::<Map<_, _>>().into(), Dict);
    }
    if let Some(list) = args.opt_strs("ulimits") {
        let limit = |l: &String| {
            let mut parts = l.split(':');
            let (name, soft) = (parts.next().unwrap_or_default(), parts.next().and_then(|n| n.parse::<i64>().ok()));
            json!({"Name": name, "Soft": soft, "Hard": parts.next().and_then(|n| n.parse::<i64>().ok()).or(soft)})
        };
        add("ulimits", true, "Ulimits", list.iter().map(limit).collect(), Set);
    }
    if let Some(list) = args.list("mounts") {
        add("mounts", true, "Mounts", list.iter().map(mount).collect(), Set);
    }
    if let Some(list) = args.opt_strs("volumes") {
        let (binds, plain): (Vec<String>, Vec<String>) = list.into_iter().partition(|v| v.contains(':'));
        if !binds.is_empty() {
            let binds: Vec<String> = binds.iter().map(|b| bind(ctx, b)).collect();
            add("volumes", true, "Binds", json!(binds), Set);
        }
        if !plain.is_empty() {
            add(
                "volumes",
                false,
                "Volumes",
                plain.into_iter().map(|p| (p, json!({}))).collect::<Map<_, _>>().into(),
                Dict,
            );
        }
    }
    let mut exposed: Map<String, Value> = Map::new();
    for port in args.strs("exposed_ports") {
        let (port, proto) = port.split_once('/').unwrap_or((&port, "tcp"));
        range(port)?.into_iter().for_each(|p| drop(exposed.insert(format!("{p}/{proto}"), json!({}))));
    }
    if let Some(list) = args.opt_strs("published_ports") {
        if list.iter().any(|p| p == "all") {
            add("published_ports", true, "PublishAllPorts", true.into(), One);
        } else {
            let bindings = ports(&list, &args.str("default_host_ip").unwrap_or_else(|| "0.0.0.0".into()))?;
            bindings.keys().for_each(|p| drop(exposed.insert(p.clone(), json!({}))));
            add("published_ports", true, "PortBindings", bindings.into(), Dict);
        }
    }
    if !exposed.is_empty() {
        add("exposed_ports", false, "ExposedPorts", exposed.into(), Dict);
    }
    Ok(out)
}

/// `1m30s` in nanoseconds.
fn duration(value: &Value) -> Option<i64> {
    let (mut total, mut number, mut unit) = (0.0, String::new(), String::new());
    let factor = |unit: &str| match unit {
        "h" => Some(3.6e12),
        "m" => Some(6e10),
        "s" => Some(1e9),
        "ms" => Some(1e6),
        "us" => Some(1e3),
        _ => None,
    };
    for c in text(value).chars().chain(['0']) {
        if c.is_ascii_digit() || c == '.' {
            if !unit.is_empty() {
                total += number.parse::<f64>().ok()? * factor(&unit)?;
                number.clear();
                unit.clear();
            }
            number.push(c);
        } else {
            unit.push(c);
        }
    }
    (number == "0").then_some(total as i64)
}

fn health(check: &Value) -> Result<Value, Fail> {
    let mut out = Map::new();
    match &check["test"] {
        Value::Null => {}
        Value::Array(words) => drop(out.insert("Test".into(), json!(words.iter().map(text).collect::<Vec<_>>()))),
        Value::String(word) if word == "NONE" => return Ok(json!({"Test": ["NONE"]})),
        other => drop(out.insert("Test".into(), json!(["CMD-SHELL", text(other)]))),
    }
    for (option, name) in [
        ("interval", "Interval"),
        ("timeout", "Timeout"),
        ("start_period", "StartPeriod"),
        ("start_interval", "StartInterval"),
    ] {
        let value = &check[option];
        if !value.is_null() {
            let time = duration(value)
                .ok_or_else(|| Fail::new(format!("healthcheck.{option} is no time: {}", text(value))))?;
            out.insert(name.into(), time.into());
        }
    }
    if let Some(retries) = text(&check["retries"]).parse::<i64>().ok().filter(|_| !check["retries"].is_null()) {
        out.insert("Retries".into(), retries.into());
    }
    Ok(out.into())
}

fn mount(m: &Value) -> Value {
    let kind = m["type"].as_str().unwrap_or("volume");
    let mut out = json!({"Target": m["target"], "Type": kind, "ReadOnly": m["read_only"].as_bool().unwrap_or(false)});
    for (option, path) in [
        ("source", &["Source"] as &[&str]),
        ("consistency", &["Consistency"]),
        ("propagation", &["BindOptions", "Propagation"]),
        ("non_recursive", &["BindOptions", "NonRecursive"]),
        ("create_mountpoint", &["BindOptions", "CreateMountpoint"]),
        ("read_only_non_recursive", &["BindOptions", "ReadOnlyNonRecursive"]),
        ("read_only_force_recursive", &["BindOptions", "ReadOnlyForceRecursive"]),
        ("no_copy", &["VolumeOptions", "NoCopy"]),
        ("labels", &["VolumeOptions", "Labels"]),
        ("subpath", &["VolumeOptions", "Subpath"]),
        ("volume_driver", &["VolumeOptions", "DriverConfig", "Name"]),
        ("volume_options", &["VolumeOptions", "DriverConfig", "Options"]),
        ("tmpfs_size", &["TmpfsOptions", "SizeBytes"]),
        ("tmpfs_mode", &["TmpfsOptions", "Mode"]),
        ("tmpfs_options", &["TmpfsOptions", "Options"]),
    ] {
        let value = match option {
            _ if m[option].is_null() => continue,
            "tmpfs_size" => bytes(&text(&m[option])).map_or(Value::Null, Value::from),
            "tmpfs_mode" => i64::from_str_radix(&text(&m[option]), 8).map_or(Value::Null, Value::from),
            _ => m[option].clone(),
        };
        let place = path.iter().fold(&mut out, |at, name| &mut at[*name]);
        *place = value;
    }
    out
}

/// `source:target:mode`, with the host's path made whole.
fn bind(ctx: &Ctx, text: &str) -> String {
    let mut parts: Vec<String> = text.split(':').map(str::to_string).collect();
    if parts[0].starts_with(['~', '.', '/']) {
        let path = ctx.args.expand(&parts[0]);
        let whole = std::path::absolute(&path).unwrap_or(path);
        parts[0] = whole.to_string_lossy().into_owned();
    }
    if parts.len() < 3 {
        parts.push("rw".into());
    }
    parts.join(":")
}

fn range(text: &str) -> Result<Vec<u32>, Fail> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.trim().parse::<u32>(), high.trim().parse::<u32>()) {
        (Ok(low), Ok(high)) if low <= high && high <= 65535 => Ok((low..=high).collect()),
        _ => Err(Fail::new(format!("\"{text}\" is no port or range of ports"))),
    }
}

/// `[[ip:]host:]container[/proto]`, where both sides may be ranges.
fn ports(list: &[String], default_ip: &str) -> Result<Map<String, Value>, Fail> {
    let mut out: Map<String, Value> = Map::new();
    for entry in list {
        let (rest, proto) = entry.rsplit_once('/').unwrap_or((entry, "tcp"));
        let (rest, inside) = rest.rsplit_once(':').map_or((None, rest), |(r, c)| (Some(r), c));
        let inside = range(inside)?;
        let (ip, outside) = match rest {
            None => (default_ip.to_string(), None),
            Some(rest) => match rest.rsplit_once(':') {
                Some((ip, host)) => (ip.trim_matches(['[', ']']).to_string(), Some(host)),
                None if rest.parse::<std::net::IpAddr>().is_ok() => (rest.to_string(), None),
                None => (default_ip.to_string(), Some(rest)),
            },
        };
        let outside: Vec<String> = match outside.filter(|o| !o.is_empty()) {
            Some(text) => range(text)?.iter().map(u32::to_string).collect(),
            None => vec![String::new(); inside.len()],
        };
        if outside.len() != inside.len() {
            if let ([port], true) = (inside.as_slice(), outside.len() > 1) {
                // A range on the host for one port: Docker takes a free one of it.
                let host = rest.and_then(|r| r.rsplit(':').next()).unwrap_or_default();
                out.insert(format!("{port}/{proto}"), json!([{"HostIp": ip, "HostPort": host}]));
                continue;
            }
            crate::fail!("Invalid port description \"{entry}\" - port ranges don't match in length");
        }
        for (port, host) in inside.iter().zip(outside) {
            let slot = out.entry(format!("{port}/{proto}")).or_insert_with(|| json!([]));
            if let Value::Array(slot) = slot {
                slot.push(json!({"HostIp": ip, "HostPort": host}));
            }
        }
    }
    Ok(out)
}

/// Whether `active` has everything that `wanted` says; unset and empty are the same to Docker.
fn covers(active: &Value, wanted: &Value) -> bool {
    let empty = |v: &Value| match v {
        Value::Null => true,
        Value::String(s) => s.is_empty() || s == "0.0.0.0",
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
    };
    match (active, wanted) {
        (Value::Object(have), Value::Object(want)) => {
            want.iter().all(|(k, v)| have.get(k).map_or(empty(v), |h| covers(h, v)))
        }
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(h, w)| covers(h, w))
        }
        _ => active == wanted || empty(active) && empty(wanted),
    }
}

/// Whether a setting is as it should be. `strict`: nothing more may be there.
pub fn holds(setting: &Setting, active: &Value, comparison: Option<&str>) -> bool {
    let strict = match comparison {
        Some("ignore") => return true,
        Some("strict") => true,
        Some("allow_more_present") => false,
        _ => matches!(setting.kind, One | List),
    };
    let wanted = &setting.value;
    match (setting.kind, active, wanted) {
        (Set, Value::Array(have), Value::Array(want)) => {
            let all = want.iter().all(|w| have.iter().any(|h| covers(h, w) || same_text(setting.name, h, w)));
            all && (!strict || have.len() == want.len())
        }
        (Dict, Value::Object(have), Value::Object(want)) => {
            let all = want.iter().all(|(k, w)| have.get(k).is_some_and(|h| covers(h, w)));
            all && (!strict || have.len() == want.len())
        }
        _ => covers(active, wanted),
    }
}

/// Texts that Docker writes in another way.
fn same_text(name: &str, have: &Value, want: &Value) -> bool {
    let (Some(have), Some(want)) = (have.as_str(), want.as_str()) else { return false };
    let cap = |t: &str| t.trim_start_matches("CAP_").to_ascii_uppercase();
    match name {
        "CapAdd" | "CapDrop" => cap(have) == cap(want),
        "Binds" => have == want || format!("{have}:rw") == want,
        // `/other:/mine/alias` stands for `other:alias`.
        "Links" => {
            let (source, alias) = want.split_once(':').unwrap_or((want, want));
            have.trim_start_matches('/')
                .split_once(':')
                .is_some_and(|(s, a)| s == source && a.rsplit('/').next() == Some(alias))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_dockers_words() {
        let list = |items: &[&str]| items.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let found = ports(&list(&["8080:80", "127.0.0.1:53:53/udp", "9000-9001:90-91", "443"]), "0.0.0.0").unwrap();
        assert_eq!(found["80/tcp"], json!([{"HostIp": "0.0.0.0", "HostPort": "8080"}]));
        assert_eq!(found["53/udp"], json!([{"HostIp": "127.0.0.1", "HostPort": "53"}]));
        assert_eq!((&found["91/tcp"][0]["HostPort"], &found["443/tcp"][0]["HostPort"]), (&json!("9001"), &json!("")));
        assert!(ports(&list(&["1-2:1-3"]), "").is_err());
        assert_eq!(duration(&json!("1m30s")), Some(90_000_000_000));
        assert_eq!(duration(&json!("soon")), None);
        let ctx = Ctx::test(
            "docker_container",
            json!({"name": "x", "memory": "1G", "command": "a 'b c'", "volumes": ["/a:/b", "/c"],
            "env": {"A": "1"}, "etc_hosts": {"h": "1.2.3.4"}, "labels": {"n": 1}}),
        );
        let all = settings(&ctx).unwrap();
        let of = |option: &str| all.iter().find(|s| s.option == option).map(|s| s.value.clone()).unwrap();
        assert_eq!((of("memory"), of("command")), (json!(1 << 30), json!(["a", "b c"])));
        assert_eq!((of("volumes"), of("env")), (json!(["/a:/b:rw"]), json!(["A=1"])));
        assert_eq!((of("etc_hosts"), of("labels")), (json!(["h:1.2.3.4"]), json!({"n": "1"})));
    }

    #[test]
    fn wanted_and_existing() {
        let setting = |name, value, kind| Setting { option: "x", host: true, name, value, kind };
        for (name, wanted, active, kind, comparison, want) in [
            ("Env", json!(["A=1"]), json!(["A=1", "PATH=/"]), Set, None, true),
            ("Env", json!(["A=1"]), json!(["A=1", "PATH=/"]), Set, Some("strict"), false),
            ("Env", json!(["A=2"]), json!(["A=1"]), Set, Some("ignore"), true),
            ("CapAdd", json!(["net_admin"]), json!(["CAP_NET_ADMIN"]), Set, None, true),
            ("Links", json!(["db:d"]), json!(["/db:/web/d"]), Set, None, true),
            ("Cmd", json!(["a"]), json!(["a", "b"]), List, None, false),
            ("Memory", json!(0), Value::Null, One, None, true),
            ("Memory", json!(5), json!(6), One, None, false),
            (
                "PortBindings",
                json!({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}]}),
                json!({"80/tcp": [{"HostIp": "", "HostPort": "80"}]}),
                Dict,
                None,
                true,
            ),
        ] {
            assert_eq!(holds(&setting(name, wanted.clone(), kind), &active, comparison), want, "{name} {wanted}");
        }
    }
}
