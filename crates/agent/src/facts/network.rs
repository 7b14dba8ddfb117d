//! Interfaces, addresses and default routes: from sysfs and from `ip`, which every supported host has; /proc where it hasn't.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// An address of an interface.
#[derive(Debug, Clone, PartialEq)]
struct Address {
    interface: String,
    /// `eth0:1` for secondary addresses with a label.
    label: String,
    address: String,
    prefix: u32,
    broadcast: String,
    scope: String,
    v6: bool,
}

/// Parses `ip -o addr show`.
fn parse_addresses(text: &str) -> Vec<Address> {
    text.lines()
        .filter_map(|line| {
            // `-o` joins lines by a backslash; the label stands last before it.
            let words: Vec<&str> = line.split('\\').next()?.split_whitespace().collect();
            let interface = words.get(1)?.trim_end_matches(':').to_string();
            let family = *words.get(2)?;
            if !matches!(family, "inet" | "inet6") {
                return None;
            }
            let (address, prefix) =
                words.get(3)?.split_once('/').unwrap_or((words.get(3)?, if family == "inet" { "32" } else { "128" }));
            let after = |word: &str| {
                words.iter().position(|w| *w == word).and_then(|i| words.get(i + 1)).map(|w| w.to_string())
            };
            let label = words.last().filter(|w| w.starts_with(&interface)).map_or(interface.clone(), |w| w.to_string());
            Some(Address {
                label,
                address: address.to_string(),
                prefix: prefix.parse().ok()?,
                broadcast: after("brd").unwrap_or_default(),
                scope: after("scope").unwrap_or_default(),
                v6: family == "inet6",
                interface,
            })
        })
        .collect()
}

/// The interface, the gateway and the source address of `ip route get`.
fn parse_route(text: &str) -> (Option<String>, Option<String>, Option<String>) {
    let words: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
    let after =
        |word: &str| words.iter().position(|w| *w == word).and_then(|i| words.get(i + 1)).map(|w| w.to_string());
    (after("dev"), after("via"), after("src"))
}

fn ipv4(address: &Address) -> Value {
    let mask = if address.prefix == 0 { 0 } else { u32::MAX << (32 - address.prefix.min(32)) };
    let number = address.address.parse::<Ipv4Addr>().map(u32::from).unwrap_or(0);
    json!({
        "address": address.address, "broadcast": address.broadcast, "netmask": Ipv4Addr::from(mask).to_string(),
        "network": Ipv4Addr::from(number & mask).to_string(), "prefix": address.prefix.to_string(),
    })
}

/// Addresses of hosts without `ip`: the kernel's table for version 6; version 4 from the local routes.
fn fallback() -> Vec<Address> {
    let mut out = Vec::new();
    for line in read("/proc/net/if_inet6").unwrap_or_default().lines() {
        let f: Vec<&str> = line.split_whitespace().collect();
        let [hex, _, prefix, scope, _, interface] = f[..] else { continue };
        let Ok(number) = u128::from_str_radix(hex, 16) else { continue };
        let scope = match scope {
            "00" => "global",
            "10" => "host",
            "20" => "link",
            _ => "site",
        };
        out.push(Address {
            interface: interface.into(),
            label: interface.into(),
            address: Ipv6Addr::from(number).to_string(),
            prefix: u32::from_str_radix(prefix, 16).unwrap_or(128),
            broadcast: String::new(),
            scope: scope.into(),
            v6: true,
        });
    }
    out.extend(local_v4(&read("/proc/net/fib_trie").unwrap_or_default(), &read("/proc/net/route").unwrap_or_default()));
    out
}

/// Local addresses of the route trie, each with the interface and the mask of the route that covers it.
fn local_v4(trie: &str, routes: &str) -> Vec<Address> {
    let number = |hex: &str| u32::from_str_radix(hex, 16).map(u32::from_be).unwrap_or(0);
    let routes: Vec<(String, u32, u32)> = routes
        .lines()
        .skip(1)
        .filter_map(|l| {
            let f: Vec<&str> = l.split_whitespace().collect();
            Some((f.first()?.to_string(), number(f.get(1)?), number(f.get(7)?)))
        })
        .filter(|(_, _, mask)| *mask != 0)
        .collect();
    let mut out: Vec<Address> = Vec::new();
    let mut last = String::new();
    for line in trie.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            last = address.trim().to_string();
        } else if line.contains("/32 host LOCAL") && !out.iter().any(|a| a.address == last) {
            let Ok(ip) = last.parse::<Ipv4Addr>() else { continue };
            let covering = routes.iter().find(|(_, net, mask)| u32::from(ip) & mask == *net);
            let (interface, prefix) = match covering {
                Some((interface, _, mask)) => (interface.clone(), mask.count_ones()),
                None if ip.is_loopback() => ("lo".into(), 8),
                None => continue,
            };
            out.push(Address {
                label: interface.clone(),
                interface,
                address: last.clone(),
                prefix,
                broadcast: String::new(),
                scope: "global".into(),
                v6: false,
            });
        }
    }
    out
}

/// Gathers them.
pub fn collect(ctx: &Ctx, out: &mut Facts) {
    let ip = ctx.which("ip");
    let ask = |words: &[&str]| {
        let ip = ip.as_ref()?;
        ctx.cmd(ip).args(words).english().run().ok().filter(|r| r.ok()).map(|r| r.stdout)
    };
    let addresses = ask(&["-o", "addr", "show"]).map_or_else(fallback, |t| parse_addresses(&t));
    let mut names: Vec<String> = Vec::new();
    let entries = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut interfaces: Vec<String> =
        entries.filter(|e| e.path().is_dir()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    interfaces.sort();
    let route = |words: &[&str]| ask(words).map(|t| parse_route(&t)).unwrap_or_default();
    let mut default4 = route(&["-4", "route", "get", "8.8.8.8"]);
    if default4.0.is_none() {
        default4 = default_from_proc(&read("/proc/net/route").unwrap_or_default());
    }
    let default6 = route(&["-6", "route", "get", "2404:6800:400a:800::1012"]);
    let mut all = (Vec::new(), Vec::new());
    let (mut found4, mut found6) = (Map::new(), Map::new());
    for name in interfaces {
        let mut facts = describe(&name);
        let own: Vec<&Address> = addresses.iter().filter(|a| a.interface == name).collect();
        for address in own.iter().filter(|a| !a.v6) {
            if address.label != name {
                // A labelled address is an interface of its own to Ansible.
                names.push(address.label.clone());
                put(out, &fact_name(&address.label), json!({"ipv4": ipv4(address)}));
            } else if facts.contains_key("ipv4") {
                let list = facts.entry("ipv4_secondaries").or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(ipv4(address));
                }
            } else {
                facts.insert("ipv4".into(), ipv4(address));
            }
            if !address.address.starts_with("127.") {
                all.0.push(address.address.clone());
            }
            if default4.0.as_deref() == Some(&name)
                && (default4.2.is_none() && found4.is_empty() || default4.2.as_ref() == Some(&address.address))
                && let Value::Object(mut shown) = ipv4(address)
            {
                shown.insert("interface".into(), name.clone().into());
                shown.insert("alias".into(), name.clone().into());
                shown.insert("gateway".into(), json!(default4.1.clone().unwrap_or_default()));
                found4 = shown;
            }
        }
        let v6: Vec<Value> = own
            .iter()
            .filter(|a| a.v6)
            .map(|a| json!({"address": a.address, "prefix": a.prefix.to_string(), "scope": a.scope}))
            .collect();
        for address in own.iter().filter(|a| a.v6) {
            if address.address != "::1" {
                all.1.push(address.address.clone());
            }
            if default6.0.as_deref() == Some(&name) && default6.2.as_ref() == Some(&address.address) {
                found6 = crate::out! {
                    "address": address.address, "prefix": address.prefix.to_string(), "scope": address.scope, "interface": name,
                    "gateway": default6.1.clone().unwrap_or_default(),
                };
            }
        }
        if !v6.is_empty() {
            facts.insert("ipv6".into(), v6.into());
        }
        for default in [&mut found4, &mut found6] {
            if default.get("interface").and_then(Value::as_str) == Some(&name) {
                for key in ["mtu", "type", "macaddress"] {
                    if let Some(value) = facts.get(key) {
                        default.insert(key.into(), value.clone());
                    }
                }
            }
        }
        put(out, &fact_name(&name), facts);
        names.push(name);
    }
    put(out, "interfaces", names);
    put(out, "default_ipv4", found4);
    put(out, "default_ipv6", found6);
    put(out, "all_ipv4_addresses", all.0);
    put(out, "all_ipv6_addresses", all.1);
    let local = |words: &[&str]| -> Vec<String> {
        let text = ask(words).unwrap_or_default();
        let mut found: Vec<String> = text
            .lines()
            .filter_map(|l| l.strip_prefix("local ")?.split_whitespace().next().map(str::to_string))
            .collect();
        found.sort();
        found.dedup();
        found
    };
    let reachable = json!({
        "ipv4": local(&["-4", "route", "show", "table", "local"]), "ipv6": local(&["-6", "route", "show", "table", "local"]),
    });
    put(out, "locally_reachable_ips", reachable);
}

/// Characters that a variable's name can't hold become underscores.
fn fact_name(interface: &str) -> String {
    interface.replace(['-', ':'], "_")
}

fn default_from_proc(text: &str) -> (Option<String>, Option<String>, Option<String>) {
    for line in text.lines().skip(1) {
        let f: Vec<&str> = line.split_whitespace().collect();
        if f.get(1) == Some(&"00000000") {
            let gateway = f
                .get(2)
                .and_then(|g| u32::from_str_radix(g, 16).ok())
                .map(|g| Ipv4Addr::from(u32::from_be(g)).to_string());
            return (f.first().map(|i| i.to_string()), gateway, None);
        }
    }
    (None, None, None)
}

/// What sysfs says of an interface.
fn describe(name: &str) -> Map<String, Value> {
    let dir = Path::new("/sys/class/net").join(name);
    let attribute = |path: &str| read(dir.join(path));
    let mut out = crate::out! {"device": name};
    if let Some(mac) = attribute("address").filter(|m| m != "00:00:00:00:00:00" && !m.is_empty()) {
        out.insert("macaddress".into(), mac.into());
    }
    if let Some(mtu) = attribute("mtu").and_then(|m| m.parse::<i64>().ok()) {
        out.insert("mtu".into(), mtu.into());
    }
    if let Some(state) = attribute("operstate") {
        out.insert("active".into(), (state != "down").into());
    }
    if let Some(driver) = std::fs::read_link(dir.join("device/driver/module"))
        .ok()
        .and_then(|l| Some(l.file_name()?.to_string_lossy().into_owned()))
    {
        out.insert("module".into(), driver.into());
    }
    let kind = match attribute("type").as_deref() {
        Some("1") => Some("ether"),
        Some("32") => Some("infiniband"),
        Some("512") => Some("ppp"),
        Some("772") => Some("loopback"),
        Some("65534") => Some("tunnel"),
        _ => None,
    };
    out.insert("type".into(), json!(kind.unwrap_or("unknown")));
    if dir.join("bridge").exists() {
        out.insert("type".into(), "bridge".into());
        let ports = std::fs::read_dir(dir.join("brif")).into_iter().flatten().flatten();
        let mut ports: Vec<String> = ports.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        ports.sort();
        out.insert("interfaces".into(), ports.into());
        out.insert("id".into(), json!(attribute("bridge/bridge_id").unwrap_or_default()));
        out.insert("stp".into(), (attribute("bridge/stp_state").as_deref() == Some("1")).into());
    }
    if dir.join("bonding").exists() {
        out.insert("type".into(), "bonding".into());
        let slaves = attribute("bonding/slaves").unwrap_or_default();
        out.insert("slaves".into(), slaves.split_whitespace().map(str::to_string).collect::<Vec<_>>().into());
        out.insert(
            "mode".into(),
            json!(attribute("bonding/mode").unwrap_or_default().split(' ').next().unwrap_or_default()),
        );
        out.insert("miimon".into(), json!(attribute("bonding/miimon").unwrap_or_default()));
        out.insert(
            "lacp_rate".into(),
            json!(attribute("bonding/lacp_rate").unwrap_or_default().split(' ').next().unwrap_or_default()),
        );
        if let Some(primary) = attribute("bonding/primary") {
            out.insert("primary".into(), primary.into());
        }
    }
    if let Some(pci) =
        std::fs::read_link(dir.join("device")).ok().and_then(|l| Some(l.file_name()?.to_string_lossy().into_owned()))
    {
        out.insert("pciid".into(), pci.into());
    }
    if let Some(speed) = attribute("speed").and_then(|s| s.parse::<i64>().ok()) {
        out.insert("speed".into(), speed.into());
    }
    if let Some(flags) = attribute("flags").and_then(|f| i64::from_str_radix(f.trim_start_matches("0x"), 16).ok()) {
        out.insert("promisc".into(), (flags & 0x100 != 0).into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_routes() {
        let text = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n\
                    2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global dynamic eth0\\       valid_lft 1sec\n\
                    2: eth0    inet 10.0.0.6/24 brd 10.0.0.255 scope global secondary eth0:1\\       valid_lft 1sec\n\
                    2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever\n";
        let found = parse_addresses(text);
        assert_eq!(found.len(), 4);
        assert_eq!(
            (found[1].broadcast.as_str(), found[2].label.as_str(), found[3].scope.as_str()),
            ("10.0.0.255", "eth0:1", "link")
        );
        assert_eq!(
            ipv4(&found[1]),
            json!({"address": "10.0.0.5", "broadcast": "10.0.0.255", "netmask": "255.255.255.0", "network": "10.0.0.0", "prefix": "24"})
        );
        let route = parse_route("8.8.8.8 via 10.0.0.1 dev eth0 src 10.0.0.5 uid 0 \n    cache \n");
        assert_eq!(route, (Some("eth0".into()), Some("10.0.0.1".into()), Some("10.0.0.5".into())));
        let proc = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\neth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        assert_eq!(default_from_proc(proc), (Some("eth0".into()), Some("10.0.0.1".into()), None));
        let trie = "Local:\n  +-- 0.0.0.0/0\n     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        let local = local_v4(trie, proc);
        assert_eq!((local[0].interface.as_str(), local[0].prefix, local[1].interface.as_str()), ("eth0", 24, "lo"));
    }
}
