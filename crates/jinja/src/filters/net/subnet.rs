//! Subnets: `ipsubnet`, `nthhost`, `cidr_merge` and the like.

use super::super::{Call, Table, is_sequence, refuse};
use super::address::{Net, low, parse_ip, show};
use super::query::{query_text, read, text};
use crate::Key;
use crate::eval::{fail, int};
use crate::val::repr::to_str;
use crate::val::{Entries, R, Val};

pub(super) const TABLE: Table = &[
    ("cidr_merge", cidr_merge),
    ("ip4_hex", ip4_hex),
    ("ipcut", ipcut),
    ("ipmath", ipmath),
    ("ipsubnet", ipsubnet),
    ("ipv6form", ipv6form),
    ("network_in_network", network_in_network),
    ("network_in_usable", network_in_usable),
    ("next_nth_usable", nth_usable),
    ("nthhost", nthhost),
    ("previous_nth_usable", nth_usable),
    ("reduce_on_network", reduce_on_network),
    ("usable_range", usable_range),
];

/// The value as a network, host bits cut off unless it is a host's address.
fn network(value: &Val) -> Option<Net> {
    let (net, ..) = read(value, None)?;
    let address = net.size() == 1 || net.ip != net.network();
    Some(if address { net } else { net.cidr() })
}

fn ipsubnet(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["query", "index"])?;
    let Some(net) = network(&c.input) else { return Ok(Val::Bool(false)) };
    let net = net.cidr();
    let address = net.size() == 1;
    let query = query_text(bound.get(0));
    if query.is_empty() {
        return Ok(Val::str(net.to_string()));
    }
    let bits = net.bits();
    if !query.bytes().all(|b| b.is_ascii_digit()) {
        let Some(outer) = network(&Val::str(query.as_str())) else {
            return refuse(format!("You must pass a valid subnet or IP address; {query} is invalid"));
        };
        let shift = |ip: u128| ip.checked_shr(bits - outer.prefix).unwrap_or(0);
        if shift(net.ip) != shift(outer.ip) {
            return refuse(format!("{net} is not in the subnet {}", outer.cidr()));
        }
        let rank = net.ip.checked_shr(bits - net.prefix).unwrap_or(0) & low(net.prefix.saturating_sub(outer.prefix));
        return Ok(Val::str((rank + 1).to_string()));
    }
    let Some(length) = query.parse::<u32>().ok().filter(|l| *l <= bits) else { return Ok(Val::Bool(false)) };
    let index = match bound.some(1) {
        None => None,
        Some(v) => Some(match v {
            Val::Str(s) => i128::from(s.text.trim().parse::<i64>().map_err(|_| fail("the index must be an integer"))?),
            other => i128::from(int(other)?),
        }),
    };
    // What contains an address, from the widest asked for down to one bit more than the address itself.
    let supernet = |i: i128| -> Val {
        let count = i128::from(net.prefix) - i128::from(length);
        let i = if i < 0 { i + count } else { i };
        if !(0..count).contains(&i) {
            return Val::Bool(false);
        }
        Val::str(Net { prefix: length + i as u32, ..net }.cidr().to_string())
    };
    if address {
        return Ok(match index {
            None => supernet(0),
            Some(i) if i > i128::from(bits) + 1 - i || i < i128::from(length) - i128::from(bits) => Val::Bool(false),
            Some(i) => supernet(i),
        });
    }
    if length < net.prefix {
        return match index {
            None => refuse(format!("Requested subnet size of {length} is invalid")),
            // Python counts a fraction of a subnet, of which there is a first one.
            Some(0) => Ok(Val::str(Net { prefix: length, ..net }.to_string())),
            Some(_) => Ok(Val::Bool(false)),
        };
    }
    let count = low(length - net.prefix).saturating_add(1);
    let Some(index) = index else { return Ok(Val::str(count.to_string())) };
    let index = if index < 0 { index + i128::try_from(count).unwrap_or(i128::MAX) } else { index };
    Ok(match u128::try_from(index) {
        Ok(i) if i < count => {
            let offset = i.checked_shl(bits - length).unwrap_or(0);
            Val::str(Net::new(net.v6, net.network() + offset, length).to_string())
        }
        _ => Val::Bool(false),
    })
}

fn ipmath(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["amount"])?;
    let value = c.text()?;
    let host = value.split('/').next().unwrap_or("");
    let (v6, ip) = match (parse_ip(host), value.contains('/')) {
        (Some(found), false) => found,
        (Some(found), true) if Net::parse(&value).is_some() => found,
        _ => return refuse(format!("You must pass a valid IP address; {value} is invalid")),
    };
    let amount = match bound.need(0)? {
        Val::Str(s) => s.text.trim().parse::<i64>().ok(),
        other => other.as_int().and_then(|i| i64::try_from(i).ok()),
    };
    let Some(amount) = amount else {
        return refuse(format!(
            "You must pass an integer for arithmetic; {} is not a valid integer",
            to_str(bound.need(0)?)
        ));
    };
    let moved = if amount < 0 { ip.checked_sub(amount.unsigned_abs().into()) } else { ip.checked_add(amount as u128) };
    match moved.filter(|ip| v6 || u32::try_from(*ip).is_ok()) {
        Some(ip) => Ok(text(v6, ip)),
        None => refuse("result outside valid IP address boundary!"),
    }
}

fn nthhost(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["query"])?;
    let query = query_text(bound.get(0));
    let Some(net) = network(&c.input) else { return Ok(Val::Bool(false)) };
    let Ok(n) = query.trim().parse::<i128>() else { return Ok(Val::Bool(false)) };
    let size = i128::try_from(net.size()).unwrap_or(i128::MAX);
    let i = if n < 0 { n + size } else { n };
    Ok(if (0..size).contains(&i) { text(net.v6, net.network() + i as u128) } else { Val::Bool(false) })
}

fn nth_usable(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["offset"])?;
    let Some(net) = network(&c.input) else { return Ok(Val::Bool(false)) };
    let Some(offset) = bound.need(0)?.as_int() else { return refuse("Must pass in an integer") };
    let offset = if c.name == "next_nth_usable" { offset } else { -offset };
    if net.size() < 2 {
        return Ok(Val::None);
    }
    let (first, last) = net.usable();
    let moved = net.ip.checked_add_signed(offset).filter(|ip| (first..=last).contains(ip));
    Ok(moved.map_or(Val::None, |ip| text(net.v6, ip)))
}

fn range_in(outer: (u128, u128), inner: Net) -> bool {
    let last = if inner.size() > 2 { inner.last() } else { inner.ip };
    let within = |ip: u128| (outer.0..=outer.1).contains(&ip);
    within(inner.network()) && within(last)
}

fn network_in_network(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["test"])?;
    let (Some(net), Some(test)) = (network(&c.input), network(bound.need(0)?)) else {
        return Ok(Val::Bool(false));
    };
    let outer = (net.network(), if net.size() > 2 { net.last() } else { net.network() });
    Ok(Val::Bool(net.v6 == test.v6 && range_in(outer, test.cidr())))
}

fn network_in_usable(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["test"])?;
    let (Some(net), Some(test)) = (network(&c.input), network(bound.need(0)?)) else {
        return Ok(Val::Bool(false));
    };
    Ok(Val::Bool(net.v6 == test.v6 && range_in(net.cidr().usable(), test.cidr())))
}

fn reduce_on_network(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["network"])?;
    let Some(net) = network(bound.need(0)?) else { return refuse("the network is not valid") };
    let mut out = Vec::new();
    for item in c.items()? {
        if network(&item).is_some_and(|n| n.v6 == net.v6 && range_in((net.network(), net.last()), n.cidr())) {
            out.push(item);
        }
    }
    Ok(Val::list(out))
}

fn usable_range(c: Call<'_, '_>) -> R {
    let value = c.text()?;
    let Some(net) = Net::parse(&value).filter(|n| n.ip == n.network()) else {
        return refuse(format!("Error while using plugin 'usable_range': {value} has host bits set or is no network"));
    };
    if net.size() > 1 << 20 {
        return refuse("Error while using plugin 'usable_range': the network has more than a million addresses");
    }
    c.cx.spend(net.size() as usize)?;
    let all = (net.network()..=net.last()).map(|ip| text(net.v6, ip)).collect();
    Ok(Val::dict(Entries::from_iter([
        (Key::from("usable_ips"), Val::list(all)),
        (Key::from("number_of_ips"), Val::int(net.size() as i128)),
    ])))
}

fn cidr_merge(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["action"])?;
    if !is_sequence(&c.input) {
        return refuse(format!("cidr_merge: expected iterable, got {}", crate::val::repr::to_repr(&c.input)));
    }
    let mut nets = Vec::new();
    for item in c.items()? {
        let shown = to_str(&item);
        nets.push(
            Net::parse(&shown)
                .ok_or_else(|| fail(format!("cidr_merge: error in netaddr:\ninvalid IPNetwork {shown}")))?,
        );
    }
    match bound.text_or(0, "merge").as_str() {
        "merge" => Ok(Val::strs(merged(nets).iter().map(|n| n.to_string()))),
        "span" => Ok(match nets.as_slice() {
            [] => Val::None,
            [one] => Val::str(one.to_string()),
            _ => {
                let low = nets.iter().map(|n| n.network()).min().unwrap_or(0);
                let high = nets.iter().map(|n| n.last()).max().unwrap_or(0);
                let mut net = Net { ip: low, ..nets[0] };
                if nets.iter().any(|n| n.v6 != net.v6) {
                    return refuse("cidr_merge: error in netaddr:\nIP sequence cannot contain both IPv4 and IPv6!");
                }
                net.prefix = net.bits();
                while net.prefix > 0 && net.last() < high {
                    net.prefix -= 1;
                }
                Val::str(net.cidr().to_string())
            }
        }),
        other => refuse(format!("cidr_merge: invalid action '{other}'")),
    }
}

/// The fewest networks with the same addresses: overlapping and neighbouring ranges are joined, then cut into networks.
fn merged(nets: Vec<Net>) -> Vec<Net> {
    let mut ranges: Vec<(bool, u128, u128)> = nets.iter().map(|n| (n.v6, n.network(), n.last())).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(bool, u128, u128)> = Vec::new();
    for (v6, low, high) in ranges {
        match joined.last_mut() {
            Some((v, _, end)) if *v == v6 && low <= end.saturating_add(1) => *end = high.max(*end),
            _ => joined.push((v6, low, high)),
        }
    }
    let mut out = Vec::new();
    for (v6, mut low, high) in joined {
        let bits = if v6 { 128 } else { 32 };
        loop {
            let mut net = Net::new(v6, low, bits);
            while net.prefix > 0 {
                let wider = Net { prefix: net.prefix - 1, ..net };
                if wider.network() != low || wider.last() > high {
                    break;
                }
                net = wider;
            }
            out.push(net);
            match net.last().checked_add(1) {
                Some(next) if next <= high => low = next,
                _ => break,
            }
        }
    }
    out
}

fn ip4_hex(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["delimiter"])?;
    let value = c.text()?;
    let Some((false, ip)) = parse_ip(&value) else {
        return refuse(format!("You must pass a valid IP address; {value} is invalid"));
    };
    let parts: Vec<String> = (ip as u32).to_be_bytes().iter().map(|b| format!("{b:02x}")).collect();
    Ok(Val::str(parts.join(&bound.text_or(0, ""))))
}

fn ipcut(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["amount"])?;
    let value = c.text()?;
    let Some((v6, ip)) = parse_ip(&value) else {
        return refuse(format!("You must pass a valid IP address; {value} is invalid"));
    };
    let amount = int(bound.need(0)?)?;
    let bits = if v6 { format!("{ip:0128b}") } else { format!("{ip:032b}") };
    let n = usize::try_from(amount.unsigned_abs()).unwrap_or(usize::MAX).min(bits.len());
    let part = if amount < 0 { &bits[bits.len() - n..] } else { &bits[..n] };
    let step = if v6 { 16 } else { 8 };
    let groups: Vec<String> = part
        .as_bytes()
        .chunks(step)
        .map(|chunk| {
            let value = chunk.iter().fold(0u32, |v, b| v << 1 | u32::from(b - b'0'));
            if v6 { format!("{value:x}") } else { value.to_string() }
        })
        .collect();
    Ok(Val::str(groups.join(if v6 { ":" } else { "." })))
}

fn ipv6form(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["format"])?;
    let value = c.text()?;
    let Some((v6, ip)) = parse_ip(&value) else {
        return refuse(format!("You must pass a valid IP address; {value} is invalid"));
    };
    let groups = |wide: bool| {
        let parts: Vec<String> = (0..8)
            .rev()
            .map(|i| {
                let g = (ip >> (16 * i)) & 0xffff;
                if wide { format!("{g:04x}") } else { format!("{g:x}") }
            })
            .collect();
        parts.join(":")
    };
    Ok(match bound.text_or(0, "").as_str() {
        "expand" if v6 => Val::str(groups(true)),
        "expand" | "compress" => Val::str(show(v6, ip)),
        "x509" if !v6 => return refuse(format!("You must pass a valid IP address; {value} is invalid")),
        "x509" => Val::str(groups(false)),
        _ => Val::None,
    })
}
