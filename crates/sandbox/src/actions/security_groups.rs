//! CreateSecurityGroup, DescribeSecurityGroups, DeleteSecurityGroup.

use super::tag_spec::{self, TagSpec};
use super::{Action, Context, Entry, done};
use crate::state::{ACCOUNT, InstanceState, Kind, Region, Rule, RuleTarget, SecurityGroup, State, new_hex, new_id};
use crate::wire::{ApiError, Params, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("CreateSecurityGroup", Action::Write(create)),
    ("DeleteSecurityGroup", Action::Write(delete)),
    ("DescribeSecurityGroups", Action::Read(describe)),
];

/// `a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*` and up to 255 of them, for names and descriptions.
fn check_text(what: &str, text: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || ". _-:/()#,@[]+=&;{}!$*".contains(c);
    if text.chars().count() > 255 {
        return Err(ApiError::value(what, text, "Character sets beyond 255 characters are not supported."));
    }
    match text.chars().find(|c| !fine(*c)) {
        None => Ok(()),
        Some(c) => Err(ApiError::value(what, text, format!("The character {c:?} is not allowed."))),
    }
}

fn create(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let name = c.p.need("GroupName")?;
    let description = c.p.need("GroupDescription")?;
    let vpc = c.p.text("VpcId");
    let tags = TagSpec::parse(&c.p, &[Kind::SecurityGroup])?;
    c.p.finish()?;
    check_text("groupName", &name)?;
    check_text("groupDescription", &description)?;
    if name.starts_with("sg-") {
        return Err(ApiError::value("groupName", &name, "Group names may not be in the format sg-*."));
    }
    if name == "default" {
        return Err(ApiError::new("InvalidGroup.Reserved", "The security group 'default' is reserved"));
    }
    let region = c.region_mut(state)?;
    let vpc_id = match vpc {
        Some(id) => region.vpc(&id)?.id.clone(),
        None => region
            .default_vpc()
            .map(|v| v.id.clone())
            .ok_or_else(|| ApiError::new("VPCIdNotSpecified", "No default VPC for this user"))?,
    };
    if region.security_groups.values().any(|g| g.vpc_id == vpc_id && g.name == name) {
        return Err(ApiError::new(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{vpc_id}'"),
        ));
    }
    let id = new_id(Kind::SecurityGroup);
    let everywhere = Rule {
        id: format!("sgr-{}", new_hex(17)),
        egress: true,
        protocol: "-1".into(),
        from_port: None,
        to_port: None,
        target: RuleTarget::Ipv4("0.0.0.0/0".into()),
        description: None,
    };
    let group = SecurityGroup { id: id.clone(), name, description, vpc_id, rules: vec![everywhere] };
    region.security_groups.insert(id.clone(), group);
    tags.apply(region, Kind::SecurityGroup, &id);
    let mut x = done();
    x.text("groupId", &id);
    x.text("securityGroupArn", format!("arn:aws:ec2:{}:{ACCOUNT}:security-group/{id}", region.name));
    tag_spec::write(&mut x, region.tags.get(&id));
    Ok(x)
}

/// The group that `GroupId` or `GroupName` (in the default VPC) names.
pub(super) fn named(p: &Params, region: &Region) -> Result<String> {
    match (p.text("GroupId"), p.text("GroupName")) {
        (Some(_), Some(_)) => {
            Err(ApiError::combination("The parameters groupId and groupName may not be specified at the same time."))
        }
        (Some(id), None) => Ok(region.security_group(&id)?.id.clone()),
        (None, Some(name)) => by_name(region, &name),
        (None, None) => {
            Err(ApiError::new("MissingParameter", "The request must contain the parameter groupName or groupId"))
        }
    }
}

/// The group of this name in the default VPC.
pub(super) fn by_name(region: &Region, name: &str) -> Result<String> {
    let vpc = region.default_vpc().map(|v| v.id.as_str());
    region
        .security_groups
        .values()
        .find(|g| g.name == name && Some(g.vpc_id.as_str()) == vpc)
        .map(|g| g.id.clone())
        .ok_or_else(|| {
            ApiError::new(
                "InvalidGroup.NotFound",
                format!("The security group '{name}' does not exist in default VPC '{}'", vpc.unwrap_or("none")),
            )
        })
}

fn delete(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let region = c.region_mut(state)?;
    let id = named(&c.p, region)?;
    c.p.finish()?;
    if region.security_groups.get(&id).is_some_and(|g| g.name == "default") {
        return Err(ApiError::new(
            "CannotDelete",
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"),
        ));
    }
    let in_use =
        region.instances.values().any(|i| i.state != InstanceState::Terminated && i.interface.groups.contains(&id));
    let referred = region.security_groups.values().any(|g| {
        g.id != id && g.rules.iter().any(|r| matches!(&r.target, RuleTarget::Group(_, other) if *other == id))
    });
    if in_use || referred {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    region.security_groups.remove(&id);
    region.tags.remove(&id);
    let mut x = done();
    x.text("groupId", id);
    Ok(x)
}

const FILTERS: &[&str] = &[
    "description",
    "egress.ip-permission.cidr",
    "egress.ip-permission.from-port",
    "egress.ip-permission.group-id",
    "egress.ip-permission.ipv6-cidr",
    "egress.ip-permission.protocol",
    "egress.ip-permission.to-port",
    "group-id",
    "group-name",
    "ip-permission.cidr",
    "ip-permission.from-port",
    "ip-permission.group-id",
    "ip-permission.ipv6-cidr",
    "ip-permission.protocol",
    "ip-permission.to-port",
    "owner-id",
    "tag-key",
    "vpc-id",
];

fn field(group: &SecurityGroup, name: &str) -> Vec<String> {
    let (egress, name) = match name.strip_prefix("egress.") {
        Some(rest) => (true, rest),
        None => (false, name),
    };
    let rules = || group.rules.iter().filter(move |r| r.egress == egress);
    match name {
        "description" => vec![group.description.clone()],
        "group-id" => vec![group.id.clone()],
        "group-name" => vec![group.name.clone()],
        "owner-id" => vec![ACCOUNT.into()],
        "vpc-id" => vec![group.vpc_id.clone()],
        "ip-permission.protocol" => rules().map(|r| r.protocol.clone()).collect(),
        "ip-permission.from-port" => rules().filter_map(|r| r.from_port.map(|p| p.to_string())).collect(),
        "ip-permission.to-port" => rules().filter_map(|r| r.to_port.map(|p| p.to_string())).collect(),
        target => rules()
            .filter_map(|r| match (&r.target, target) {
                (RuleTarget::Ipv4(cidr), "ip-permission.cidr")
                | (RuleTarget::Ipv6(cidr), "ip-permission.ipv6-cidr") => Some(cidr.clone()),
                (RuleTarget::Group(_, id), "ip-permission.group-id") => Some(id.clone()),
                _ => None,
            })
            .collect(),
    }
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let (ids, names) = (c.p.list("GroupId"), c.p.list("GroupName"));
    let filters = c.p.filters(FILTERS)?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    ids.iter().try_for_each(|id| region.security_group(id).map(drop))?;
    let named: Vec<String> = names.iter().map(|n| by_name(region, n)).collect::<Result<_>>()?;
    let found = region
        .security_groups
        .values()
        .filter(|g| (ids.is_empty() && named.is_empty()) || ids.contains(&g.id) || named.contains(&g.id))
        .filter(|g| filters.matches(region.tags.get(&g.id), |name| field(g, name)))
        .collect();
    let (groups, next) = page.cut(found, |g: &&SecurityGroup| g.id.clone());
    let mut x = Xml::new();
    x.set("securityGroupInfo", groups, |x, g| {
        x.text("ownerId", ACCOUNT);
        x.text("groupId", &g.id);
        x.text("securityGroupArn", format!("arn:aws:ec2:{}:{ACCOUNT}:security-group/{}", region.name, g.id));
        x.text("groupName", &g.name);
        x.text("groupDescription", &g.description);
        x.text("vpcId", &g.vpc_id);
        permissions(x, "ipPermissions", g, false);
        permissions(x, "ipPermissionsEgress", g, true);
        tag_spec::write(x, region.tags.get(&g.id));
    });
    x.opt("nextToken", next);
    Ok(x)
}

/// Rules of the same protocol and ports are one permission.
fn permissions(x: &mut Xml, name: &str, group: &SecurityGroup, egress: bool) {
    let mut grouped: Vec<Vec<&Rule>> = Vec::new();
    for rule in group.rules.iter().filter(|r| r.egress == egress) {
        let alike = |other: &&Rule| {
            (&other.protocol, other.from_port, other.to_port) == (&rule.protocol, rule.from_port, rule.to_port)
        };
        match grouped.iter_mut().find(|g| g.first().is_some_and(alike)) {
            Some(group) => group.push(rule),
            None => grouped.push(vec![rule]),
        }
    }
    x.set(name, grouped, |x, rules| {
        let Some(first) = rules.first() else { return };
        x.text("ipProtocol", &first.protocol);
        x.opt("fromPort", first.from_port);
        x.opt("toPort", first.to_port);
        let described = |x: &mut Xml, rule: &Rule| x.opt("description", rule.description.as_ref());
        x.set("groups", rules.iter().filter(|r| matches!(r.target, RuleTarget::Group(..))), |x, r| {
            if let RuleTarget::Group(account, id) = &r.target {
                x.text("userId", account);
                x.text("groupId", id);
            }
            described(x, r);
        });
        x.set("ipRanges", rules.iter().filter(|r| matches!(r.target, RuleTarget::Ipv4(_))), |x, r| {
            if let RuleTarget::Ipv4(cidr) = &r.target {
                x.text("cidrIp", cidr);
            }
            described(x, r);
        });
        x.set("ipv6Ranges", rules.iter().filter(|r| matches!(r.target, RuleTarget::Ipv6(_))), |x, r| {
            if let RuleTarget::Ipv6(cidr) = &r.target {
                x.text("cidrIpv6", cidr);
            }
            described(x, r);
        });
        x.set("prefixListIds", rules.iter().filter(|r| matches!(r.target, RuleTarget::PrefixList(_))), |x, r| {
            if let RuleTarget::PrefixList(id) = &r.target {
                x.text("prefixListId", id);
            }
            described(x, r);
        });
    });
}
