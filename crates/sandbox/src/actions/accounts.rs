//! DescribeRegions, DescribeAvailabilityZones, DescribeAccountAttributes.

use super::{Action, Context, Entry};
use crate::state::State;
use crate::types::{REGIONS, is_region, zones};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("DescribeAccountAttributes", Action::Read(attributes)),
    ("DescribeAvailabilityZones", Action::Read(availability_zones)),
    ("DescribeRegions", Action::Read(regions)),
];

fn regions(c: &Context<'_>, _: &State) -> Result<Xml> {
    let names = c.p.list("RegionName");
    let all = c.p.flag("AllRegions")?.unwrap_or(false);
    let filters = c.p.filters(&["endpoint", "opt-in-status", "region-name"])?;
    c.p.finish()?;
    if let Some(unknown) = names.iter().find(|n| !is_region(n)) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid region provided {unknown}")));
    }
    let opt_in = |by_default: bool| if by_default { "opt-in-not-required" } else { "not-opted-in" };
    let endpoint = |name: &str| format!("ec2.{name}.amazonaws.com");
    let found = REGIONS.iter().filter(|(name, by_default, _)| {
        (all || *by_default)
            && (names.is_empty() || names.iter().any(|n| n == name))
            && filters.matches(None, |filter| match filter {
                "region-name" => vec![(*name).to_owned()],
                "endpoint" => vec![endpoint(name)],
                "opt-in-status" => vec![opt_in(*by_default).to_owned()],
                _ => Vec::new(),
            })
    });
    let mut x = Xml::new();
    x.set("regionInfo", found, |x, (name, by_default, _)| {
        x.text("regionName", name);
        x.text("regionEndpoint", endpoint(name));
        x.text("optInStatus", opt_in(*by_default));
    });
    Ok(x)
}

/// `use1-az1` for `us-east-1a`; the numbers differ between accounts on AWS, here they follow the letters.
fn zone_id(region: &str, index: usize) -> String {
    let mut parts = region.split('-');
    let (area, direction, number) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let short = match direction {
        "northeast" => "ne",
        "northwest" => "nw",
        "southeast" => "se",
        "southwest" => "sw",
        other => &other[..other.len().min(1)],
    };
    format!("{area}{short}{number}-az{}", index + 1)
}

fn availability_zones(c: &Context<'_>, _: &State) -> Result<Xml> {
    let names = c.p.list("ZoneName");
    let ids = c.p.list("ZoneId");
    let _all = c.p.flag("AllAvailabilityZones")?; // all zones here are zones of the region that need no opting in
    let filters = c.p.filters(&[
        "group-name",
        "message",
        "opt-in-status",
        "parent-zone-id",
        "parent-zone-name",
        "region-name",
        "state",
        "zone-id",
        "zone-name",
        "zone-type",
    ])?;
    c.p.finish()?;
    let region = c.call.region.as_str();
    let known: Vec<(String, String)> =
        zones(region).into_iter().enumerate().map(|(n, name)| (name, zone_id(region, n))).collect();
    for (wanted, has) in [(&names, 0), (&ids, 1)] {
        if let Some(zone) =
            wanted.iter().find(|w| !known.iter().any(|k| if has == 0 { k.0 == **w } else { k.1 == **w }))
        {
            return Err(ApiError::new("InvalidParameterValue", format!("Invalid availability zone: [{zone}]")));
        }
    }
    let found = known.iter().filter(|(name, id)| {
        (names.is_empty() || names.contains(name))
            && (ids.is_empty() || ids.contains(id))
            && filters.matches(None, |filter| match filter {
                "group-name" | "region-name" => vec![region.to_owned()],
                "opt-in-status" => vec!["opt-in-not-required".into()],
                "state" => vec!["available".into()],
                "zone-id" => vec![id.clone()],
                "zone-name" => vec![name.clone()],
                "zone-type" => vec!["availability-zone".into()],
                _ => Vec::new(),
            })
    });
    let mut x = Xml::new();
    x.set("availabilityZoneInfo", found, |x, (name, id)| {
        x.text("optInStatus", "opt-in-not-required");
        x.node("messageSet", |_| {});
        x.text("regionName", region);
        x.text("zoneName", name);
        x.text("zoneId", id);
        x.text("groupName", region);
        x.text("networkBorderGroup", region);
        x.text("zoneType", "availability-zone");
        x.text("zoneState", "available");
    });
    Ok(x)
}

fn attributes(c: &Context<'_>, state: &State) -> Result<Xml> {
    let names = c.p.list("AttributeName");
    c.p.finish()?;
    let vpc = c.region(state)?.default_vpc().map_or_else(|| "none".to_owned(), |v| v.id.clone());
    let known: [(&str, &str); 6] = [
        ("supported-platforms", "VPC"),
        ("default-vpc", &vpc),
        ("max-instances", "20"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", "5"),
        ("vpc-max-elastic-ips", "5"),
    ];
    if let Some(unknown) = names.iter().find(|n| !known.iter().any(|k| k.0 == **n)) {
        return Err(ApiError::value("attributeName", unknown, "It is not an account attribute."));
    }
    let mut x = Xml::new();
    x.set(
        "accountAttributeSet",
        known.iter().filter(|k| names.is_empty() || names.iter().any(|n| n == k.0)),
        |x, (name, value)| {
            x.text("attributeName", name);
            x.set("attributeValueSet", [value], |x, value| x.text("attributeValue", value));
        },
    );
    Ok(x)
}
