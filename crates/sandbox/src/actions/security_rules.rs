//! AuthorizeSecurityGroupIngress/Egress and RevokeSecurityGroupIngress/Egress.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::security_groups::{by_name, named};
use super::{Action, Context, Entry, done};
use crate::state::{ACCOUNT, Region, Rule, RuleTarget, State, new_hex};
use crate::wire::{ApiError, Params, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("AuthorizeSecurityGroupEgress", Action::Write(|c, s| authorize(c, s, true))),
    ("AuthorizeSecurityGroupIngress", Action::Write(|c, s| authorize(c, s, false))),
    ("RevokeSecurityGroupEgress", Action::Write(|c, s| revoke(c, s, true))),
    ("RevokeSecurityGroupIngress", Action::Write(|c, s| revoke(c, s, false))),
];

fn authorize(c: &Context<'_>, state: &mut State, egress: bool) -> Result<Xml> {
    let region = c.region_mut(state)?;
    let id = named(&c.p, region)?;
    let rules = parse(&c.p, region, egress)?;
    c.p.finish()?;
    if rules.is_empty() {
        return Err(ApiError::missing("ipPermissions"));
    }
    let group = region.security_group_mut(&id)?;
    for rule in &rules {
        if group.rules.iter().any(|r| r.same(rule)) {
            return Err(ApiError::new(
                "InvalidPermission.Duplicate",
                format!("the specified rule \"{}\" already exists", describe(rule)),
            ));
        }
        group.rules.push(rule.clone());
    }
    // 60 rules of each direction is the default quota.
    if group.rules.iter().filter(|r| r.egress == egress).count() > 60 {
        return Err(ApiError::new(
            "RulesPerSecurityGroupLimitExceeded",
            "The maximum number of rules per security group has been reached.",
        ));
    }
    let mut x = done();
    x.set("securityGroupRuleSet", rules, |x, r| {
        x.text("securityGroupRuleId", &r.id);
        x.text("groupId", &id);
        x.text("groupOwnerId", ACCOUNT);
        x.text("isEgress", egress);
        x.text("ipProtocol", &r.protocol);
        x.text("fromPort", r.from_port.unwrap_or(-1));
        x.text("toPort", r.to_port.unwrap_or(-1));
        match &r.target {
            RuleTarget::Ipv4(cidr) => x.text("cidrIpv4", cidr),
            RuleTarget::Ipv6(cidr) => x.text("cidrIpv6", cidr),
            RuleTarget::PrefixList(list) => x.text("prefixListId", list),
            RuleTarget::Group(account, group) => x.node("referencedGroupInfo", |x| {
                x.text("groupId", group);
                x.text("userId", account);
            }),
        }
        x.opt("description", r.description.as_ref());
    });
    Ok(x)
}

fn revoke(c: &Context<'_>, state: &mut State, egress: bool) -> Result<Xml> {
    let region = c.region_mut(state)?;
    let id = named(&c.p, region)?;
    let by_id = c.p.list("SecurityGroupRuleId");
    let rules = parse(&c.p, region, egress)?;
    c.p.finish()?;
    if rules.is_empty() && by_id.is_empty() {
        return Err(ApiError::missing("ipPermissions"));
    }
    let group = region.security_group_mut(&id)?;
    for rule_id in &by_id {
        let before = group.rules.len();
        group.rules.retain(|r| r.id != *rule_id || r.egress != egress);
        if group.rules.len() == before {
            return Err(ApiError::new(
                "InvalidSecurityGroupRuleId.NotFound",
                format!("The specified security group rule ID '{rule_id}' does not exist"),
            ));
        }
    }
    for rule in &rules {
        let before = group.rules.len();
        group.rules.retain(|r| !r.same(rule));
        if group.rules.len() == before {
            return Err(ApiError::new(
                "InvalidPermission.NotFound",
                "The specified rule does not exist in this security group.",
            ));
        }
    }
    Ok(done())
}

/// Reads `IpPermissions.N` and, for ingress, the older flat parameters.
fn parse(p: &Params, region: &Region, egress: bool) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for permission in p.items("IpPermissions") {
        let (protocol, from_port, to_port) = ports(&permission)?;
        let mut targets = Vec::new();
        for range in permission.items("IpRanges") {
            targets.push((RuleTarget::Ipv4(ipv4(&range.need("CidrIp")?)?), range.text("Description")));
        }
        for range in permission.items("Ipv6Ranges") {
            targets.push((RuleTarget::Ipv6(ipv6(&range.need("CidrIpv6")?)?), range.text("Description")));
        }
        for list in permission.items("PrefixListIds") {
            targets.push((RuleTarget::PrefixList(list.need("PrefixListId")?), list.text("Description")));
        }
        // `Groups` is the name in the query protocol; SDKs call it UserIdGroupPairs.
        for pair in permission.items("Groups") {
            let account = pair.text("UserId").unwrap_or_else(|| ACCOUNT.to_owned());
            let id = if account == ACCOUNT { named(&pair, region)? } else { pair.need("GroupId")? };
            targets.push((RuleTarget::Group(account, id), pair.text("Description")));
        }
        if targets.is_empty() {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "The permission {} names no range, prefix list or group",
                    permission.name("").trim_end_matches('.')
                ),
            ));
        }
        rules.extend(targets.into_iter().map(|(target, description)| Rule {
            id: format!("sgr-{}", new_hex(17)),
            egress,
            protocol: protocol.clone(),
            from_port,
            to_port,
            target,
            description,
        }));
    }
    if !egress && (p.text("CidrIp").is_some() || p.text("SourceSecurityGroupName").is_some()) {
        let (protocol, from_port, to_port) = ports(p)?;
        let target = match (p.text("CidrIp"), p.text("SourceSecurityGroupName")) {
            (Some(cidr), None) => RuleTarget::Ipv4(ipv4(&cidr)?),
            (None, Some(name)) => RuleTarget::Group(ACCOUNT.into(), by_name(region, &name)?),
            _ => {
                return Err(ApiError::combination(
                    "The parameters cidrIp and sourceSecurityGroupName may not be specified at the same time.",
                ));
            }
        };
        rules.push(Rule {
            id: format!("sgr-{}", new_hex(17)),
            egress,
            protocol,
            from_port,
            to_port,
            target,
            description: None,
        });
    }
    Ok(rules)
}

fn ports(p: &Params) -> Result<(String, Option<i32>, Option<i32>)> {
    let protocol = p.need("IpProtocol")?;
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        "all" => "-1".to_owned(),
        known @ ("tcp" | "udp" | "icmp" | "icmpv6" | "-1") => known.to_owned(),
        number if number.parse::<u8>().is_ok() => number.to_owned(),
        other => {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!("Invalid value '{other}' for IP protocol. Unknown protocol."),
            ));
        }
    };
    let (from, to): (Option<i32>, Option<i32>) = (p.number("FromPort")?, p.number("ToPort")?);
    match protocol.as_str() {
        "tcp" | "udp" => {
            let (Some(first), Some(last)) = (from, to) else {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    format!(
                        "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange of {}.",
                        p.name("")
                    ),
                ));
            };
            if !(0..=65535).contains(&first) || !(0..=65535).contains(&last) || first > last {
                return Err(ApiError::new(
                    "InvalidParameterValue",
                    format!("Invalid TCP/UDP port range ({first}:{last})"),
                ));
            }
            Ok((protocol, from, to))
        }
        "icmp" | "icmpv6" => Ok((protocol, from.or(Some(-1)), to.or(Some(-1)))),
        // EC2 ignores ports for everything else, and says so in its documentation.
        _ => Ok((protocol, None, None)),
    }
}

fn cidr_error(cidr: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", format!("CIDR block {cidr} is malformed"))
}

fn ipv4(cidr: &str) -> Result<String> {
    let (address, bits) = cidr.split_once('/').ok_or_else(|| cidr_error(cidr))?;
    let address: Ipv4Addr = address.parse().map_err(|_| cidr_error(cidr))?;
    let bits: u32 = bits.parse().ok().filter(|b| *b <= 32).ok_or_else(|| cidr_error(cidr))?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Ok(format!("{}/{bits}", Ipv4Addr::from(u32::from(address) & mask)))
}

fn ipv6(cidr: &str) -> Result<String> {
    let (address, bits) = cidr.split_once('/').ok_or_else(|| cidr_error(cidr))?;
    let address: Ipv6Addr = address.parse().map_err(|_| cidr_error(cidr))?;
    let bits: u32 = bits.parse().ok().filter(|b| *b <= 128).ok_or_else(|| cidr_error(cidr))?;
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    Ok(format!("{}/{bits}", Ipv6Addr::from(u128::from(address) & mask)))
}

fn describe(rule: &Rule) -> String {
    let peer = match &rule.target {
        RuleTarget::Ipv4(cidr) | RuleTarget::Ipv6(cidr) => cidr.clone(),
        RuleTarget::PrefixList(id) | RuleTarget::Group(_, id) => id.clone(),
    };
    let ports = match (rule.from_port, rule.to_port) {
        (Some(a), Some(b)) => format!(", from port: {a}, to port: {b}"),
        _ => String::new(),
    };
    format!("peer: {peer}, {}{ports}, ALLOW", rule.protocol.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_brought_to_their_network() {
        for (given, expected) in [
            ("203.0.113.7/24", Some("203.0.113.0/24")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("1.2.3.4", None),
            ("1.2.3.4/33", None),
        ] {
            assert_eq!(ipv4(given).ok().as_deref(), expected, "{given}");
        }
        assert_eq!(ipv6("2001:db8::1/32").unwrap(), "2001:db8::/32");
        assert!(ipv6("::/129").is_err());
    }
}
