//! `ipaddr`, `ipv4`, `ipv6`, `ipwrap` and what can be asked of an address.

use super::super::{Call, Table, is_sequence, refuse};
use super::address::{Net, show};
use crate::eval::{Cx, fail};
use crate::val::repr::to_str;
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[("ipaddr", ipaddr), ("ipv4", ipaddr), ("ipv6", ipaddr), ("ipwrap", ipwrap)];

/// How the address was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Address,
    Network,
}

const NOT_GLOBAL_4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
];
const GLOBAL_4: &[&str] = &["192.0.0.9/32", "192.0.0.10/32"];
const NOT_GLOBAL_6: &[&str] = &[
    "::1/128",
    "::/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
];
const GLOBAL_6: &[&str] =
    &["2001:1::1/128", "2001:1::2/128", "2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28"];

fn is_global(net: Net) -> bool {
    let any = |list: &[&str]| list.iter().any(|n| net.within(n));
    if net.v6 { any(GLOBAL_6) || !any(NOT_GLOBAL_6) } else { any(GLOBAL_4) || !any(NOT_GLOBAL_4) }
}

fn is_multicast(net: Net) -> bool {
    net.within(if net.v6 { "ff00::/8" } else { "224.0.0.0/4" })
}

fn is_loopback(net: Net) -> bool {
    net.within(if net.v6 { "::1/128" } else { "127.0.0.0/8" })
}

/// The address and the text that stands for it, where the value is one.
pub(super) fn read(value: &Val, version: Option<i64>) -> Option<(Net, Kind, Val)> {
    let text = to_str(value);
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let ip: u128 = text.parse().ok()?;
        let net = match (version, u32::try_from(ip)) {
            (None | Some(4), Ok(_)) => Net::new(false, ip, 32),
            _ => Net::new(true, ip, 128),
        };
        return Some((net, Kind::Address, Val::str(net.to_string())));
    }
    if let Some(net) = Net::parse(&text) {
        let kind = if text.contains('/') { Kind::Network } else { Kind::Address };
        return Some((net, kind, value.clone()));
    }
    let (address, prefix) = text.split_once('/')?;
    let (ip, prefix): (u128, u32) = (address.parse().ok()?, prefix.parse().ok()?);
    let net = if u32::try_from(ip).is_ok() && prefix <= 32 {
        Net::new(false, ip, prefix)
    } else if prefix <= 128 {
        Net::new(true, ip, prefix)
    } else {
        return None;
    };
    Some((net, Kind::Network, Val::str(net.to_string())))
}

/// The answer to a query; `false` for what is no address.
pub(super) fn ask(cx: &Cx<'_>, value: &Val, query: &str, version: Option<i64>, alias: &str) -> R {
    if is_sequence(value) {
        let mut out = Vec::new();
        for item in cx.each(value)? {
            let found = ask(cx, &item, query, version, alias)?;
            if found.truth() {
                out.push(found);
            }
        }
        return Ok(Val::list(out));
    }
    if !value.truth() || matches!(value, Val::Bool(true)) {
        return Ok(Val::Bool(false));
    }
    let Some((net, kind, value)) = read(value, version) else { return Ok(Val::Bool(false)) };
    if version.is_some_and(|v| v != net.version()) {
        return Ok(Val::Bool(false));
    }
    answer(net, kind, &value, query, alias)
}

fn no_network<T>() -> R<T> {
    refuse("Not a network address")
}

fn answer(net: Net, kind: Kind, value: &Val, query: &str, alias: &str) -> R {
    let text = |ip: u128| Val::str(net.show(ip));
    let keep = |yes: bool| if yes { value.clone() } else { Val::None };
    let with_prefix = || Val::str(net.to_string());
    let is_host = net.ip != net.network();
    let size = net.size();
    Ok(match query {
        "" => match kind {
            Kind::Address => text(net.ip),
            Kind::Network => with_prefix(),
        },
        "bool" => Val::Bool(true),
        "address" | "ip" => match size {
            1 => text(net.ip),
            _ if is_host || net.broadcast().is_none() || net.v6 => text(net.ip),
            _ => Val::None,
        },
        "address/prefix" | "gateway" | "gw" | "host/prefix" | "hostnet" | "router" => {
            if size > 2 && (net.ip == net.network() || Some(net.ip) == net.broadcast()) {
                Val::Bool(false)
            } else {
                with_prefix()
            }
        }
        "broadcast" => {
            if size > 2 {
                net.broadcast().map_or(Val::None, text)
            } else {
                Val::None
            }
        }
        "cidr" => with_prefix(),
        "host" => match size {
            1 => with_prefix(),
            _ if is_host || net.broadcast().is_none() => with_prefix(),
            _ => Val::None,
        },
        "hostmask" | "wildcard" => text(net.hostmask()),
        "int" => match kind {
            Kind::Address => Val::int(i128::try_from(net.ip).map_err(|_| fail("the address is too large a number"))?),
            Kind::Network => Val::str(format!("{}/{}", net.ip, net.prefix)),
        },
        "ip/prefix" => {
            if size == 2 || (size > 1 && is_host) {
                with_prefix()
            } else {
                Val::None
            }
        }
        "ip_netmask" => {
            if size == 2 || (size > 1 && is_host) {
                Val::str(format!("{} {}", net.show(net.ip), net.show(net.netmask())))
            } else {
                Val::None
            }
        }
        "ipv4" | "v4" if net.v6 => {
            // Only addresses that hold an IPv4 address have one.
            let mapped = net.ip <= u128::from(u32::MAX) || net.ip >> 32 == 0xffff;
            if mapped && net.prefix >= 96 {
                Val::str(Net::new(false, net.ip & u128::from(u32::MAX), net.prefix - 96).to_string())
            } else {
                Val::Bool(false)
            }
        }
        "ipv6" | "v6" if !net.v6 => Val::str(Net::new(true, net.ip | 0xffff << 32, net.prefix + 96).to_string()),
        "ipv4" | "v4" | "ipv6" | "v6" => value.clone(),
        "first_usable" | "last_usable" | "next_usable" | "previous_usable" | "range_usable" | "peer"
            if kind == Kind::Address =>
        {
            return no_network();
        }
        "first_usable" => {
            if size > 1 {
                text(net.usable().0)
            } else {
                Val::None
            }
        }
        "last_usable" => {
            if size > 1 {
                text(net.usable().1)
            } else {
                Val::None
            }
        }
        "next_usable" | "previous_usable" => {
            let (first, last) = net.usable();
            let moved = if query == "next_usable" { net.ip.checked_add(1) } else { net.ip.checked_sub(1) };
            match moved.filter(|ip| size > 1 && (first..=last).contains(ip)) {
                Some(ip) => text(ip),
                None => Val::None,
            }
        }
        "range_usable" => {
            let (first, last) = net.usable();
            if size > 1 { Val::str(format!("{}-{}", net.show(first), net.show(last))) } else { Val::None }
        }
        "peer" => match (size, net.ip % 4) {
            (2, _) => text(net.ip ^ 1),
            (4, 0) => return refuse("Network address of /30 has no peer"),
            (4, 3) => return refuse("Broadcast address of /30 has no peer"),
            (4, _) => text(net.ip ^ 3),
            _ => return refuse("Not a point-to-point network"),
        },
        "link-local" => keep(net.within(if net.v6 { "fe80::/10" } else { "169.254.0.0/16" })),
        "lo" | "loopback" => keep(is_loopback(net)),
        "multicast" => keep(is_multicast(net)),
        "unicast" => keep(!is_multicast(net)),
        "private" => keep(!is_global(net)),
        "public" => {
            let full = if net.v6 { u128::MAX } else { u128::from(u32::MAX) };
            let ones = |ip: u128| ip & ip.wrapping_add(1) == 0;
            let mask = ones(net.ip) || ones(full & !net.ip);
            keep(!is_multicast(net) && is_global(net) && !is_loopback(net) && !mask)
        }
        "net" => {
            if size > 1 && !is_host {
                Val::str(net.cidr().to_string())
            } else {
                Val::None
            }
        }
        "netmask" => text(net.netmask()),
        "network" | "network_id" => text(net.network()),
        "network/prefix" | "subnet" => Val::str(net.cidr().to_string()),
        "network_netmask" => Val::str(format!("{} {}", net.show(net.network()), net.show(net.netmask()))),
        "network_wildcard" => Val::str(format!("{} {}", net.show(net.network()), net.show(net.hostmask()))),
        "prefix" => Val::Int(net.prefix.into()),
        "revdns" => Val::str(reverse(net)),
        "size" => Val::int(i128::try_from(size).unwrap_or(i128::MAX)),
        "size_usable" => Val::int(match size {
            1 => 0,
            2 => 2,
            n => i128::try_from(n - 2).unwrap_or(i128::MAX),
        }),
        "type" => Val::str(if size == 1 || is_host { "address" } else { "network" }),
        "version" => Val::Int(net.version()),
        "wrap" if net.v6 => Val::str(match kind {
            Kind::Address => format!("[{}]", net.show(net.ip)),
            Kind::Network => format!("[{}]/{}", net.show(net.ip), net.prefix),
        }),
        "wrap" => value.clone(),
        "6to4" => six_to_four(net, kind, value),
        other => return by_number_or_network(net, kind, value, other, alias),
    })
}

fn reverse(net: Net) -> String {
    if net.v6 {
        let digits = format!("{:032x}", net.ip);
        let reversed: Vec<String> = digits.chars().rev().map(String::from).collect();
        return format!("{}.ip6.arpa.", reversed.join("."));
    }
    let [a, b, c, d] = (net.ip as u32).to_be_bytes();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
}

fn six_to_four(net: Net, kind: Kind, value: &Val) -> Val {
    if !net.v6 && is_multicast(net) && is_global(net) {
        return Val::Bool(false);
    }
    if net.v6 {
        let inside = net.within("2002::/16");
        let wanted = kind == Kind::Address || net.ip != net.network();
        return if inside && wanted { value.clone() } else { Val::Bool(false) };
    }
    if net.size() > 1 && net.ip == net.network() {
        return Val::Bool(false);
    }
    let [a, b, c, d] = (net.ip as u32).to_be_bytes();
    Val::str(format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1/48"))
}

/// A number picks an address of the network; a network asks whether the address is inside.
fn by_number_or_network(net: Net, kind: Kind, value: &Val, query: &str, alias: &str) -> R {
    if let Ok(index) = query.trim().parse::<i128>() {
        if net.size() == 1 {
            return Ok(Val::str(if kind == Kind::Address { net.show(net.ip) } else { net.to_string() }));
        }
        let size = i128::try_from(net.size()).unwrap_or(i128::MAX);
        let index = if index < 0 { index + size } else { index };
        return Ok(if (0..size).contains(&index) {
            Val::str(format!("{}/{}", net.show(net.network() + index as u128), net.prefix))
        } else {
            Val::Bool(false)
        });
    }
    match Net::parse(query) {
        Some(outer) if query.contains('/') || outer.size() == 1 => {
            Ok(if outer.contains(net) { value.clone() } else { Val::None })
        }
        _ if query.parse::<f64>().is_ok() => Ok(Val::Bool(false)),
        _ => refuse(format!("{alias}: unknown filter type: {query}")),
    }
}

/// A typed value as the query that it stands for.
pub(super) fn query_text(value: Option<&Val>) -> String {
    value.filter(|v| !v.is_none()).map(to_str).unwrap_or_default()
}

fn ipaddr(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["query", "version", "alias"])?;
    if !matches!(c.input, Val::Str(_) | Val::List(_) | Val::Tuple(_) | Val::Int(_) | Val::Big(_) | Val::Bool(_)) {
        return refuse(format!("Unrecognized type <{}> for {} filter <value>", super::super::class(&c.input), c.name));
    }
    let version = match c.name {
        "ipv4" => Some(4),
        "ipv6" => Some(6),
        _ => bound.some(1).filter(|v| v.truth()).map(crate::eval::int).transpose()?,
    };
    let alias = bound.text_or(2, c.name);
    ask(c.cx, &c.input, &query_text(bound.get(0)), version, &alias)
}

fn ipwrap(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["query"])?;
    let query = query_text(bound.get(0));
    let wrap = |value: &Val| -> R {
        let found = match ask(c.cx, value, &query, None, "ipwrap") {
            Ok(found) if found.truth() => found,
            _ => return Ok(value.clone()),
        };
        ask(c.cx, &found, "wrap", None, "ipwrap")
    };
    if is_sequence(&c.input) {
        return Ok(Val::list(c.items()?.iter().map(wrap).collect::<R<_>>()?));
    }
    wrap(&c.input)
}

/// For the other filters: the text of an address.
pub(super) fn text(v6: bool, ip: u128) -> Val {
    Val::str(show(v6, ip))
}
