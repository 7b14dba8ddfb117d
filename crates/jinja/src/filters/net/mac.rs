//! `hwaddr`, `macaddr`, `slaac`.

use super::super::{Call, Table, refuse};
use super::address::Net;
use super::query::{query_text, text};
use crate::val::repr::to_str;
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[("hwaddr", hwaddr), ("macaddr", hwaddr), ("slaac", slaac)];

/// The six bytes of an address in any of the usual forms.
fn parse(value: &Val) -> Option<[u8; 6]> {
    if let Some(i) = value.as_int() {
        let i = u64::try_from(i).ok().filter(|i| i >> 48 == 0)?;
        let mut out = [0; 6];
        out.copy_from_slice(&i.to_be_bytes()[2..]);
        return Some(out);
    }
    let value = to_str(value);
    let groups: Vec<&str> = value.split([':', '-', '.']).collect();
    let width = match groups.len() {
        6 => 2,
        3 => 4,
        2 => 6,
        1 if value.len() == 12 => 12,
        _ => return None,
    };
    let mut digits = String::new();
    for group in groups {
        if group.is_empty() || group.len() > width || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        digits.push_str(&format!("{group:0>width$}"));
    }
    let mut out = [0; 6];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}

fn hwaddr(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["query", "alias"])?;
    let query = query_text(bound.get(0));
    let alias = bound.text_or(1, c.name);
    let Some(mac) = parse(&c.input) else {
        if !query.is_empty() && query != "bool" {
            return refuse(format!("{alias}: not a hardware address: {}", to_str(&c.input)));
        }
        return Ok(Val::None);
    };
    let join = |format: &dyn Fn(u8) -> String, separator: &str| {
        mac.iter().map(|b| format(*b)).collect::<Vec<_>>().join(separator)
    };
    let pairs = |separator: &str| {
        mac.chunks(2)
            .map(|p| p.iter().map(|b| format!("{b:02x}")).collect::<String>())
            .collect::<Vec<_>>()
            .join(separator)
    };
    Ok(match query.as_str() {
        "" => c.input,
        "bool" => Val::Bool(true),
        "bare" => Val::str(join(&|b| format!("{b:02X}"), "")),
        "int" => Val::Int(mac.iter().fold(0, |v, b| v << 8 | i64::from(*b))),
        "cisco" => Val::str(pairs(".")),
        "eui48" | "win" => Val::str(join(&|b| format!("{b:02X}"), "-")),
        "linux" => Val::str(join(&|b| format!("{b:02x}"), ":")),
        "unix" => Val::str(join(&|b| format!("{b:x}"), ":")),
        "pgsql" | "postgresql" | "psql" => {
            let hex = join(&|b| format!("{b:02x}"), "");
            Val::str(format!("{}:{}", &hex[..6], &hex[6..]))
        }
        other => return refuse(format!("{alias}: unknown filter type: {other}")),
    })
}

/// The address that a host with this hardware address gives itself in an IPv6 network.
fn slaac(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["query"])?;
    let net = Net::parse(&to_str(&c.input)).filter(|n| n.v6);
    let (Some(net), Some([a, b, c1, d, e, f])) = (net, bound.some(0).and_then(parse)) else {
        return Ok(Val::Bool(false));
    };
    let id = u64::from_be_bytes([a ^ 2, b, c1, 0xff, 0xfe, d, e, f]);
    Ok(text(true, net.network().wrapping_add(u128::from(id))))
}
