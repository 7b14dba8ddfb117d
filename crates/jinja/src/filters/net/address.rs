//! Addresses with prefix lengths.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An address in its network. The address may have host bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Net {
    pub v6: bool,
    pub ip: u128,
    pub prefix: u32,
}

/// The text of an address.
pub(crate) fn show(v6: bool, ip: u128) -> String {
    match v6 {
        // As `inet_ntop` writes the old IPv4-compatible addresses.
        true if ip >> 32 == 0 && ip >> 16 != 0 => format!("::{}", Ipv4Addr::from(ip as u32)),
        true => Ipv6Addr::from(ip).to_string(),
        false => Ipv4Addr::from(ip as u32).to_string(),
    }
}

/// An address without a prefix.
pub(crate) fn parse_ip(text: &str) -> Option<(bool, u128)> {
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some((false, u128::from(u32::from(v4))));
    }
    text.parse::<Ipv6Addr>().ok().map(|v6| (true, u128::from(v6)))
}

impl Net {
    pub fn new(v6: bool, ip: u128, prefix: u32) -> Net {
        Net { v6, ip, prefix }
    }

    /// `address`, `address/length`, `address/netmask` or `address/hostmask`.
    pub fn parse(text: &str) -> Option<Net> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let (v6, ip) = parse_ip(address)?;
        let bits = if v6 { 128 } else { 32 };
        let prefix = match prefix {
            None => bits,
            Some(p) if !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) => {
                p.parse().ok().filter(|p| *p <= bits)?
            }
            Some(mask) => {
                let (mask_v6, mask) = parse_ip(mask)?;
                if mask_v6 != v6 {
                    return None;
                }
                let all = if v6 { u128::MAX } else { u128::from(u32::MAX) };
                let ones = mask.count_ones();
                if mask == all & !low(bits - ones) {
                    ones
                } else if mask == low(ones) {
                    bits - ones
                } else {
                    return None;
                }
            }
        };
        Some(Net { v6, ip, prefix })
    }

    pub fn bits(self) -> u32 {
        if self.v6 { 128 } else { 32 }
    }

    pub fn version(self) -> i64 {
        if self.v6 { 6 } else { 4 }
    }

    pub fn hostmask(self) -> u128 {
        low(self.bits() - self.prefix)
    }

    pub fn netmask(self) -> u128 {
        low(self.bits()) & !self.hostmask()
    }

    pub fn network(self) -> u128 {
        self.ip & !self.hostmask()
    }

    pub fn last(self) -> u128 {
        self.ip | self.hostmask()
    }

    /// How many addresses; the whole of IPv6 counts one less than it has.
    pub fn size(self) -> u128 {
        self.hostmask().saturating_add(1)
    }

    pub fn broadcast(self) -> Option<u128> {
        (self.v6 || self.bits() - self.prefix > 1).then(|| self.last())
    }

    /// The network of which it is a part.
    pub fn cidr(self) -> Net {
        Net { ip: self.network(), ..self }
    }

    /// First and last address that hosts may have.
    pub fn usable(self) -> (u128, u128) {
        if self.size() <= 2 { (self.network(), self.last()) } else { (self.network() + 1, self.last() - 1) }
    }

    pub fn contains(self, other: Net) -> bool {
        self.v6 == other.v6 && self.network() <= other.network() && other.last() <= self.last()
    }

    pub fn show(self, ip: u128) -> String {
        show(self.v6, ip)
    }

    /// The address alone is in the network `text`.
    pub fn within(self, text: &str) -> bool {
        Net::parse(text).is_some_and(|net| net.contains(Net { prefix: self.bits(), ..self }))
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.show(self.ip), self.prefix)
    }
}

/// The lowest `n` bits.
pub(crate) fn low(n: u32) -> u128 {
    if n >= 128 { u128::MAX } else { (1 << n) - 1 }
}
