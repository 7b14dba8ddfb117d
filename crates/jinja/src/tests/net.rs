//! `ansible.utils`' tests of addresses, networks and masks. As there, a network is one only where its address has no bits
//! beyond the prefix.

use super::{Call, Table};
use crate::eval::fail;
use crate::filters::net::address::{Net, show};
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("in_any_network", |c| networks(&c).map(|inside| inside > 0)),
    ("in_network", |c| inside(&c, "network", false)),
    ("in_one_network", |c| networks(&c).map(|inside| inside == 1)),
    ("ip", |c| about(&c, network, |_| true)),
    ("ip_address", |c| about(&c, address, |_| true)),
    ("ipv4", |c| about(&c, network, |n| !n.v6)),
    ("ipv4_address", |c| about(&c, address, |n| !n.v6)),
    ("ipv4_hostmask", |c| mask(&c, Net::hostmask)),
    ("ipv4_netmask", |c| mask(&c, Net::netmask)),
    ("ipv6", |c| about(&c, network, |n| n.v6)),
    ("ipv6_address", |c| about(&c, address, |n| n.v6)),
    ("ipv6_ipv4_mapped", |c| about(&c, address, |n| n.within("::ffff:0:0/96"))),
    ("ipv6_sixtofour", |c| about(&c, address, |n| n.within("2002::/16"))),
    ("ipv6_teredo", |c| about(&c, address, |n| n.within("2001::/32"))),
    ("loopback", |c| about(&c, address, |n| n.within(if n.v6 { "::1" } else { "127.0.0.0/8" }))),
    ("mac", |c| mac(&c)),
    ("multicast", |c| about(&c, address, |n| n.within(if n.v6 { "ff00::/8" } else { "224.0.0.0/4" }))),
    ("private", |c| about(&c, address, private)),
    ("public", |c| about(&c, address, |n| !private(n) && !n.within("100.64.0.0/10"))),
    ("reserved", |c| about(&c, address, |n| RESERVED.iter().any(|r| n.within(r)))),
    ("subnet_of", |c| inside(&c, "network_b", false)),
    ("supernet_of", |c| inside(&c, "network_b", true)),
    ("unspecified", |c| about(&c, address, |n| n.ip == 0)),
];

/// Of IANA's registries of special addresses those that are not for the internet at large.
const PRIVATE: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
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
    "::1",
    "::",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "fc00::/7",
    "fe80::/10",
];
/// Parts of those that are.
const NOT_PRIVATE: &[&str] = &[
    "192.0.0.9",
    "192.0.0.10",
    "2001:1::1",
    "2001:1::2",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
];
const RESERVED: &[&str] = &[
    "240.0.0.0/4",
    "::/8",
    "100::/8",
    "200::/7",
    "400::/6",
    "800::/5",
    "1000::/4",
    "4000::/3",
    "6000::/3",
    "8000::/3",
    "a000::/3",
    "c000::/3",
    "e000::/4",
    "f000::/5",
    "f800::/6",
    "fe00::/9",
];

fn private(net: Net) -> bool {
    // What an IPv4 address is does not change by the way in which IPv6 writes it.
    let net = if net.within("::ffff:0:0/96") { Net::new(false, net.ip & u128::from(u32::MAX), 32) } else { net };
    let any = |list: &[&str]| list.iter().any(|n| net.within(n));
    any(PRIVATE) && !any(NOT_PRIVATE)
}

/// The text without the scope of an IPv6 address.
fn unscoped(text: &str) -> Option<String> {
    let Some((address, rest)) = text.split_once('%') else { return Some(text.to_owned()) };
    let (scope, prefix) = rest.split_once('/').map_or((rest, String::new()), |(s, p)| (s, format!("/{p}")));
    let fine = address.contains(':') && !scope.is_empty() && !scope.contains('%');
    fine.then(|| format!("{address}{prefix}"))
}

/// A network, or an address, which is one of its own.
fn network(value: &Val) -> Option<Net> {
    let net = Net::parse(&unscoped(value.as_str()?)?)?;
    (net.ip == net.network()).then_some(net)
}

fn address(value: &Val) -> Option<Net> {
    value.as_str().filter(|text| !text.contains('/'))?;
    network(value)
}

/// A question about the value, where it is one of what is asked about.
fn about(c: &Call<'_, '_>, read: fn(&Val) -> Option<Net>, test: fn(Net) -> bool) -> R<bool> {
    c.args.bind::<0>([])?;
    Ok(read(&c.input).is_some_and(test))
}

fn inside(c: &Call<'_, '_>, other: &'static str, outside: bool) -> R<bool> {
    let bound = c.args.bind([other])?;
    let (Some(a), Some(b)) = (network(&c.input), network(bound.need(0)?)) else { return Ok(false) };
    Ok(if outside { a.contains(b) } else { b.contains(a) })
}

/// In how many of the networks it is.
fn networks(c: &Call<'_, '_>) -> R<usize> {
    let bound = c.args.bind(["networks"])?;
    let inner = network(&c.input);
    let networks = c.cx.each(bound.need(0)?)?;
    Ok(networks.iter().filter_map(network).filter(|n| inner.is_some_and(|i| n.contains(i))).count())
}

/// The mask as it was written makes the same mask of a network: `24` makes another text, and `0.0.0.0` leaves no network.
fn mask(c: &Call<'_, '_>, part: fn(Net) -> u128) -> R<bool> {
    c.args.bind::<0>([])?;
    let Some(text) = c.input.as_str() else { return Ok(false) };
    let net = network(&Val::str(format!("10.0.0.0/{text}")));
    Ok(net.is_some_and(|net| show(false, part(net)) == text))
}

/// Six pairs, three groups of four, or twelve digits.
fn mac(c: &Call<'_, '_>) -> R<bool> {
    c.args.bind::<0>([])?;
    let Some(text) = c.input.as_str() else {
        return Err(fail(format!("expected string or bytes-like object, got '{}'", c.input.type_name())));
    };
    // As Python's `$` has it.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let hex =
        |groups: &[&str], width| groups.iter().all(|g| g.len() == width && g.bytes().all(|b| b.is_ascii_hexdigit()));
    let (pairs, fours): (Vec<&str>, Vec<&str>) = (text.split([':', '-']).collect(), text.split('.').collect());
    Ok(match (pairs.len(), fours.len()) {
        (6, _) => hex(&pairs, 2),
        (_, 3) => hex(&fours, 4),
        _ => hex(&[text], 12),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What newer Pythons say, whose lists follow IANA's; the rest is in the table of Ansible's results.
    #[test]
    fn newer_registrations() {
        for (text, want) in [
            ("192.0.0.9", false),
            ("192.0.0.8", true),
            ("2001:20::1", false),
            ("2001:2::1", true),
            ("3fff::1", true),
            ("64:ff9b:1::1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(address(&Val::str(text)).map(private), Some(want), "{text}");
        }
        for none in ["fe80::1%", "10.0.0.1%eth0", "fe80::1%a%b", "10.0.0.1/32"] {
            assert_eq!(address(&Val::str(none)), None, "{none}");
        }
        assert!(network(&Val::str("fe80::%eth0/64")).is_some());
    }
}
