//! DescribeVpcs, DescribeSubnets, DescribeNetworkInterfaces. Networks can't be made here: each region has its default VPC.

use super::tag_spec;
use super::{Action, Context, Entry};
use crate::state::{ACCOUNT, InstanceState, Kind, State};
use crate::wire::{Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("DescribeNetworkInterfaces", Action::Read(interfaces)),
    ("DescribeSubnets", Action::Read(subnets)),
    ("DescribeVpcs", Action::Read(vpcs)),
];

fn vpcs(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("VpcId");
    let filters = c.p.filters(&[
        "cidr",
        "cidr-block-association.cidr-block",
        "dhcp-options-id",
        "is-default",
        "isDefault",
        "owner-id",
        "state",
        "tag-key",
        "vpc-id",
    ])?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    ids.iter().try_for_each(|id| region.vpc(id).map(drop))?;
    let found = region
        .vpcs
        .values()
        .filter(|v| ids.is_empty() || ids.contains(&v.id))
        .filter(|v| {
            filters.matches(region.tags.get(&v.id), |name| match name {
                "cidr" | "cidr-block-association.cidr-block" => vec![v.cidr.clone()],
                "is-default" | "isDefault" => vec![v.default.to_string()],
                "owner-id" => vec![ACCOUNT.into()],
                "state" => vec!["available".into()],
                "vpc-id" => vec![v.id.clone()],
                _ => Vec::new(),
            })
        })
        .collect();
    let (vpcs, next) = page.cut(found, |v| v.id.clone());
    let mut x = Xml::new();
    x.set("vpcSet", vpcs, |x, v| {
        x.text("vpcId", &v.id);
        x.text("ownerId", ACCOUNT);
        x.text("state", "available");
        x.text("cidrBlock", &v.cidr);
        x.text("instanceTenancy", "default");
        x.text("isDefault", v.default);
        tag_spec::write(x, region.tags.get(&v.id));
    });
    x.opt("nextToken", next);
    Ok(x)
}

fn subnets(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("SubnetId");
    let filters = c.p.filters(&[
        "availability-zone",
        "availabilityZone",
        "available-ip-address-count",
        "cidr",
        "cidr-block",
        "cidrBlock",
        "default-for-az",
        "defaultForAz",
        "map-public-ip-on-launch",
        "owner-id",
        "state",
        "subnet-id",
        "tag-key",
        "vpc-id",
    ])?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    ids.iter().try_for_each(|id| region.subnet(id).map(drop))?;
    // A /20 less the five addresses that AWS keeps, less the instances.
    let free = |id: &str| {
        let used = region
            .instances
            .values()
            .filter(|i| i.interface.subnet_id == id && i.state != InstanceState::Terminated)
            .count();
        4091usize.saturating_sub(used)
    };
    let found = region
        .subnets
        .values()
        .filter(|s| ids.is_empty() || ids.contains(&s.id))
        .filter(|s| {
            filters.matches(region.tags.get(&s.id), |name| match name {
                "availability-zone" | "availabilityZone" => vec![s.availability_zone.clone()],
                "available-ip-address-count" => vec![free(&s.id).to_string()],
                "cidr" | "cidr-block" | "cidrBlock" => vec![s.cidr.clone()],
                "default-for-az" | "defaultForAz" => vec![s.default_for_az.to_string()],
                "map-public-ip-on-launch" => vec![s.map_public_ip.to_string()],
                "owner-id" => vec![ACCOUNT.into()],
                "state" => vec!["available".into()],
                "subnet-id" => vec![s.id.clone()],
                "vpc-id" => vec![s.vpc_id.clone()],
                _ => Vec::new(),
            })
        })
        .collect();
    let (subnets, next) = page.cut(found, |s| s.id.clone());
    let mut x = Xml::new();
    x.set("subnetSet", subnets, |x, s| {
        x.text("subnetId", &s.id);
        x.text("subnetArn", format!("arn:aws:ec2:{}:{ACCOUNT}:subnet/{}", region.name, s.id));
        x.text("state", "available");
        x.text("ownerId", ACCOUNT);
        x.text("vpcId", &s.vpc_id);
        x.text("cidrBlock", &s.cidr);
        x.text("availableIpAddressCount", free(&s.id));
        x.text("availabilityZone", &s.availability_zone);
        x.text("defaultForAz", s.default_for_az);
        x.text("mapPublicIpOnLaunch", s.map_public_ip);
        x.text("assignIpv6AddressOnCreation", false);
        tag_spec::write(x, region.tags.get(&s.id));
    });
    x.opt("nextToken", next);
    Ok(x)
}

fn interfaces(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("NetworkInterfaceId");
    let filters = c.p.filters(&[
        "attachment.instance-id",
        "group-id",
        "network-interface-id",
        "private-ip-address",
        "status",
        "subnet-id",
        "tag-key",
        "vpc-id",
    ])?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    let all = || region.instances.values().filter(|i| i.state != InstanceState::Terminated);
    for id in &ids {
        Kind::NetworkInterface.check(id)?;
        if !all().any(|i| i.interface.id == *id) {
            return Err(Kind::NetworkInterface.not_found(id));
        }
    }
    let mut found: Vec<_> = all()
        .filter(|i| ids.is_empty() || ids.contains(&i.interface.id))
        .filter(|i| {
            filters.matches(region.tags.get(&i.interface.id), |name| match name {
                "attachment.instance-id" => vec![i.id.clone()],
                "group-id" => i.interface.groups.clone(),
                "network-interface-id" => vec![i.interface.id.clone()],
                "private-ip-address" => i.interface.address.map(|a| a.to_string()).into_iter().collect(),
                "status" => vec!["in-use".into()],
                "subnet-id" => vec![i.interface.subnet_id.clone()],
                "vpc-id" => vec![i.interface.vpc_id.clone()],
                _ => Vec::new(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.interface.id.cmp(&b.interface.id));
    let (found, next) = page.cut(found, |i| i.interface.id.clone());
    let mut x = Xml::new();
    x.set("networkInterfaceSet", found, |x, i| {
        let e = &i.interface;
        x.text("networkInterfaceId", &e.id);
        x.text("subnetId", &e.subnet_id);
        x.text("vpcId", &e.vpc_id);
        x.text("availabilityZone", &i.placement.availability_zone);
        x.text("description", &e.description);
        x.text("ownerId", ACCOUNT);
        x.text("status", "in-use");
        x.text("macAddress", &e.mac);
        x.opt("privateIpAddress", e.address);
        x.text("sourceDestCheck", i.source_dest_check);
        x.set("groupSet", &e.groups, |x, id| {
            x.text("groupId", id);
            x.opt("groupName", region.security_groups.get(id).map(|g| &g.name));
        });
        x.node("attachment", |x| {
            x.text("attachmentId", &e.attachment_id);
            x.text("instanceId", &i.id);
            x.text("instanceOwnerId", ACCOUNT);
            x.text("deviceIndex", 0);
            x.text("status", "attached");
            x.text("attachTime", i.launched.seconds());
            x.text("deleteOnTermination", e.delete_on_termination);
        });
        tag_spec::write(x, region.tags.get(&e.id));
    });
    x.opt("nextToken", next);
    Ok(x)
}
