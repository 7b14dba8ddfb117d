//! Smaller groups: time, kernel command line, name servers, host keys, load, uptime and the like.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use crate::sys::clock;
use serde_json::{Map, Value, json};
use std::os::unix::fs::MetadataExt;

/// `date_time`.
pub fn date_time(_: &Ctx, out: &mut Facts) {
    let now = clock::now();
    let (seconds, micros) = (now as i64, (now.fract() * 1e6) as i64);
    let local = |f: &str| clock::format_local(seconds, f);
    let utc = |f: &str| clock::format_utc(seconds, f);
    let (_, summer) = clock::offset(seconds);
    put(
        out,
        "date_time",
        json!({
            "year": local("%Y"), "month": local("%m"), "weekday": local("%A"), "weekday_number": local("%w"),
            "weeknumber": local("%W"), "day": local("%d"), "hour": local("%H"), "minute": local("%M"), "second": local("%S"),
            "epoch": seconds.to_string(), "epoch_int": seconds.to_string(), "date": local("%Y-%m-%d"), "time": local("%H:%M:%S"),
            "iso8601_micro": format!("{}.{micros:06}Z", utc("%Y-%m-%dT%H:%M:%S")), "iso8601": utc("%Y-%m-%dT%H:%M:%SZ"),
            "iso8601_basic": format!("{}{micros:06}", local("%Y%m%dT%H%M%S")), "iso8601_basic_short": local("%Y%m%dT%H%M%S"),
            "tz": local("%Z"), "tz_dst": other_zone(seconds, summer).unwrap_or_else(|| local("%Z")), "tz_offset": local("%z"),
        }),
    );
}

/// The zone's summer-time name: found where the other half of the year differs.
fn other_zone(seconds: i64, summer: bool) -> Option<String> {
    if summer {
        return Some(clock::format_local(seconds, "%Z"));
    }
    (1..12).map(|m| seconds + m * 30 * 86_400).find(|s| clock::offset(*s).1).map(|s| clock::format_local(s, "%Z"))
}

/// `cmdline` (the last of equal keys) and `proc_cmdline` (all of them).
pub fn cmdline(_: &Ctx, out: &mut Facts) {
    let text = read("/proc/cmdline").unwrap_or_default();
    let (mut last, mut all) = (Map::new(), Map::new());
    for word in crate::sys::shlex::split(&text).unwrap_or_else(|| text.split_whitespace().map(str::to_string).collect())
    {
        let (key, value) = word.split_once('=').map_or((word.as_str(), Value::Bool(true)), |(k, v)| (k, v.into()));
        last.insert(key.to_string(), value.clone());
        match all.get_mut(key) {
            None => {
                all.insert(key.to_string(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = json!([one.clone(), value]),
        }
    }
    put(out, "cmdline", last);
    put(out, "proc_cmdline", all);
}

/// `dns`.
pub fn dns(_: &Ctx, out: &mut Facts) {
    put(out, "dns", parse_resolv(&read("/etc/resolv.conf").unwrap_or_default()));
}

fn parse_resolv(text: &str) -> Value {
    let mut dns: Map<String, Value> = Map::new();
    let mut servers: Vec<&str> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words),
            Some("domain") => {
                if let Some(domain) = words.next() {
                    dns.insert("domain".into(), domain.into());
                }
            }
            Some(key @ ("search" | "sortlist")) => {
                dns.insert(key.into(), words.collect::<Vec<_>>().into());
            }
            Some("options") => {
                let options = words.map(|o| match o.split_once(':') {
                    Some((key, value)) => (key.to_string(), Value::from(value)),
                    None => (o.to_string(), Value::Bool(true)),
                });
                dns.insert("options".into(), Value::Object(options.collect()));
            }
            _ => {}
        }
    }
    if !servers.is_empty() {
        dns.insert("nameservers".into(), servers.into());
    }
    Value::Object(dns)
}

/// The host keys of the SSH server.
pub fn ssh_keys(_: &Ctx, out: &mut Facts) {
    for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
        let dirs = ["/etc/ssh", "/etc/openssh", "/etc"];
        let Some(text) = dirs.iter().find_map(|d| read(format!("{d}/ssh_host_{kind}_key.pub"))) else { continue };
        let mut words = text.split_whitespace();
        if let (Some(keytype), Some(key)) = (words.next(), words.next()) {
            put(out, &format!("ssh_host_key_{kind}_public"), key);
            put(out, &format!("ssh_host_key_{kind}_public_keytype"), keytype);
        }
    }
}

/// `is_chroot`.
pub fn chroot(ctx: &Ctx, out: &mut Facts) {
    let marked = ctx.env("debian_chroot").is_some();
    let differs = || {
        let (root, init) = (std::fs::metadata("/").ok()?, std::fs::metadata("/proc/1/root/.").ok()?);
        Some((root.ino(), root.dev()) != (init.ino(), init.dev()))
    };
    put(out, "is_chroot", marked || differs().unwrap_or(false));
}

/// `loadavg`.
pub fn loadavg(_: &Ctx, out: &mut Facts) {
    let text = read("/proc/loadavg").unwrap_or_default();
    let mut values = text.split_whitespace().filter_map(|w| w.parse::<f64>().ok());
    if let (Some(one), Some(five), Some(fifteen)) = (values.next(), values.next(), values.next()) {
        put(out, "loadavg", json!({"1m": one, "5m": five, "15m": fifteen}));
    }
}

/// `uptime_seconds`.
pub fn uptime(_: &Ctx, out: &mut Facts) {
    if let Some(seconds) = read("/proc/uptime").and_then(|t| t.split('.').next()?.parse::<u64>().ok()) {
        put(out, "uptime_seconds", seconds);
    }
}

/// `systemd`: version and features.
pub fn systemd(ctx: &Ctx, out: &mut Facts) {
    if ctx.which("systemctl").is_none() || !crate::sys::init::systemd_runs() {
        return;
    }
    let Ok(ran) = ctx.run(&["systemctl", "--version"]) else { return };
    let mut lines = ran.stdout.lines();
    let version = lines.next().and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
    if let Some(version) = version.filter(|_| ran.ok()) {
        put(out, "systemd", json!({"version": version, "features": lines.next().unwrap_or_default()}));
    }
}

/// `iscsi_iqn`.
pub fn iscsi(_: &Ctx, out: &mut Facts) {
    let text = read("/etc/iscsi/initiatorname.iscsi").unwrap_or_default();
    let name = text.lines().find_map(|l| l.strip_prefix("InitiatorName=")).unwrap_or_default();
    put(out, "iscsi_iqn", name.trim());
}

/// `hostnqn`.
pub fn nvme(_: &Ctx, out: &mut Facts) {
    let text = read("/etc/nvme/hostnqn").unwrap_or_default();
    put(out, "hostnqn", text.lines().map(str::trim).find(|l| l.starts_with("nqn.")).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolver_files() {
        let dns = parse_resolv(
            "# c\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nsearch a b\noptions ndots:2 rotate\ndomain x\n",
        );
        assert_eq!(
            dns,
            json!({"search": ["a", "b"], "options": {"ndots": "2", "rotate": true}, "domain": "x", "nameservers": ["10.0.0.2", "10.0.0.3"]})
        );
    }
}
