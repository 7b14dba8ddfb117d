//! Address ranges: `cidrhost`, `cidrnetmask`, `cidrsubnet`, `cidrsubnets`.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::value::Value;
use ipnet::IpNet;
use std::net::IpAddr;

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("cidrhost", &[p("prefix", Kind::String), p("hostnum", Kind::Number)], Kind::String, host),
    Spec::new("cidrnetmask", &[p("prefix", Kind::String)], Kind::String, |c| {
        Ok(network(c)?.netmask().to_string().into())
    }),
    Spec::new(
        "cidrsubnet",
        &[p("prefix", Kind::String), p("newbits", Kind::Number), p("netnum", Kind::Number)],
        Kind::String,
        subnet,
    ),
    Spec::new("cidrsubnets", &[p("prefix", Kind::String)], Kind::Strings, subnets).rest(p("newbits", Kind::Number)),
];

fn network(c: &Call<'_>) -> std::result::Result<IpNet, FunctionError> {
    // Octets with leading zeros could be meant as octal numbers.
    let address = c.text(0).split('/').next().unwrap_or_default();
    match c.text(0).parse::<IpNet>() {
        Ok(net) if address.parse::<IpAddr>().is_ok() => Ok(net.trunc()),
        _ => c.bad(0, format!("\"{}\" is not an address range as in 10.0.0.0/16", c.text(0))),
    }
}

fn bits(net: &IpNet) -> u32 {
    u32::from(net.max_prefix_len())
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    }
}

fn address(value: u128, like: &IpNet) -> IpAddr {
    match like {
        IpNet::V4(_) => IpAddr::V4((value as u32).into()),
        IpNet::V6(_) => IpAddr::V6(value.into()),
    }
}

fn host(c: &Call<'_>) -> Result {
    let net = network(c)?;
    let wanted = c.int(1)?;
    let free = bits(&net) - u32::from(net.prefix_len());
    let size = 1u128.checked_shl(free).unwrap_or(u128::MAX);
    let from_end = wanted < 0;
    let offset = if from_end { u128::from(wanted.unsigned_abs()) - 1 } else { wanted as u128 };
    if offset >= size {
        return c.bad(1, format!("a prefix of {} bits has no host number {wanted}", net.prefix_len()));
    }
    let first = number(net.network());
    let value = if from_end { number(net.broadcast()) - offset } else { first + offset };
    Ok(address(value, &net).to_string().into())
}

fn subnet(c: &Call<'_>) -> Result {
    let net = network(c)?;
    let (new, wanted) = (c.int(1)?, c.int(2)?);
    if !(0..=32).contains(&new) {
        return c.bad(1, "a prefix can be extended by 0 to 32 bits");
    }
    let length = u32::from(net.prefix_len()) + new as u32;
    if length > bits(&net) {
        return c.bad(1, format!("there are not that many bits: a prefix of {} extended by {new}", net.prefix_len()));
    }
    if !(0..1i64 << new).contains(&wanted) {
        return c.bad(2, format!("{new} bits can't number a network {wanted}"));
    }
    let value = number(net.network()) | shifted(wanted as u128, bits(&net) - length);
    Ok(format!("{}/{length}", address(value, &net)).into())
}

fn shifted(value: u128, by: u32) -> u128 {
    value.checked_shl(by).unwrap_or(0)
}

fn subnets(c: &Call<'_>) -> Result {
    let net = network(c)?;
    let (start, most) = (u32::from(net.prefix_len()), bits(&net));
    let last = number(net.broadcast());
    // The first address not yet given away; `None` once the very last one is.
    let mut free = Some(number(net.network()));
    let mut all: Vec<String> = Vec::new();
    for index in 1..c.args.len() {
        let new = c.int(index)?;
        if !(1..=32).contains(&new) {
            return c.bad(index, "a prefix can be extended by 1 to 32 bits");
        }
        let length = start + new as u32;
        if length > most {
            return c.bad(index, format!("a prefix of {length} bits is too long for an address of {most}"));
        }
        let size = shifted(1, most - length);
        let next = free.and_then(|free| {
            let aligned = free.checked_add(size - 1)? / size * size;
            (aligned <= last && last - aligned >= size - 1).then_some(aligned)
        });
        let Some(begin) = next else {
            let after = all.last().cloned().unwrap_or_default();
            return c.bad(index, format!("not enough addresses are left for a prefix of {length} bits after {after}"));
        };
        all.push(format!("{}/{length}", address(begin, &net)));
        free = begin.checked_add(size);
    }
    Ok(Value::strings(all))
}
