//! DescribeImageAttribute, ModifyImageAttribute, ResetImageAttribute, deprecation and deregistration protection.

use super::image_create::{check_description, cooldown, own_image};
use super::image_describe::{mapping, product_codes, protection};
use super::{Action, Context, Entry, done};
use crate::state::{ACCOUNT, LaunchPermission, Protection, State, Time};
use crate::wire::{ApiError, Params, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("DescribeImageAttribute", Action::Read(describe)),
    ("DisableImageDeprecation", Action::Write(disable_deprecation)),
    ("DisableImageDeregistrationProtection", Action::Write(disable_protection)),
    ("EnableImageDeprecation", Action::Write(enable_deprecation)),
    ("EnableImageDeregistrationProtection", Action::Write(enable_protection)),
    ("ModifyImageAttribute", Action::Write(modify)),
    ("ResetImageAttribute", Action::Write(reset)),
];

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    let attribute = c.p.need("Attribute")?;
    c.p.finish()?;
    let image = c.region(state)?.image(&id)?;
    if image.owner_id != ACCOUNT {
        return Err(ApiError::new("AuthFailure", format!("Not authorized for image:{id}")));
    }
    let mut x = Xml::new();
    x.text("imageId", &id);
    let value = |x: &mut Xml, name: &str, value: Option<&str>| x.node(name, |x| x.opt("value", value));
    match attribute.as_str() {
        "description" => value(&mut x, "description", Some(&image.description)),
        "launchPermission" => x.set("launchPermission", &image.permissions, |x, p| match p {
            LaunchPermission::Everyone => x.text("group", "all"),
            LaunchPermission::User(account) => x.text("userId", account),
            LaunchPermission::Organization(arn) => x.text("organizationArn", arn),
            LaunchPermission::Unit(arn) => x.text("organizationalUnitArn", arn),
        }),
        "productCodes" => product_codes(&mut x, image),
        "blockDeviceMapping" => x.set("blockDeviceMapping", &image.mappings, mapping),
        "sriovNetSupport" => value(&mut x, "sriovNetSupport", image.sriov_net_support.as_deref()),
        "bootMode" => value(&mut x, "bootMode", image.boot_mode.as_deref()),
        "tpmSupport" => value(&mut x, "tpmSupport", image.tpm_support.as_deref()),
        "imdsSupport" => value(&mut x, "imdsSupport", image.imds_support.as_deref()),
        "lastLaunchedTime" => {
            value(&mut x, "lastLaunchedTime", image.last_launched.map(|t| t.to_string()).as_deref());
        }
        "deregistrationProtection" => {
            value(&mut x, "deregistrationProtection", Some(&protection(image.protection)));
        }
        "kernel" => value(&mut x, "kernel", None),
        "ramdisk" => value(&mut x, "ramdisk", None),
        other => return Err(ApiError::value("attribute", other, "It is not an image attribute.")),
    }
    Ok(x)
}

/// What ModifyImageAttribute is to do.
enum Change {
    Description(String),
    Permissions { add: Vec<LaunchPermission>, remove: Vec<LaunchPermission> },
    ProductCodes(Vec<String>),
    ImdsSupport(String),
}

fn modify(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    let change = parse_change(&c.p)?;
    c.p.finish()?;
    let region = c.region_mut(state)?;
    // Refusals need the snapshots, so look before the image is borrowed to be changed.
    let image = own_image(region, &id)?.clone();
    if let Change::Permissions { add, .. } = &change
        && !add.is_empty()
    {
        for snapshot in image.snapshots() {
            let snapshot = region.snapshot(snapshot)?;
            if snapshot.encrypted && add.contains(&LaunchPermission::Everyone) {
                return Err(ApiError::new(
                    "InvalidParameter",
                    format!("The AMI {id} has encrypted snapshots and cannot be made public"),
                ));
            }
            if snapshot.kms_key_id.as_ref().is_some_and(|k| k.ends_with(":alias/aws/ebs")) {
                return Err(ApiError::new(
                    "InvalidParameter",
                    "Snapshots encrypted with the AWS Managed CMK can't be shared",
                ));
            }
        }
    }
    let image = own_image(region, &id)?;
    match change {
        Change::Description(text) => {
            check_description(&text)?;
            image.description = text;
        }
        Change::Permissions { add, remove } => {
            image.permissions.retain(|p| !remove.contains(p));
            for permission in add {
                if !image.permissions.contains(&permission) {
                    image.permissions.push(permission);
                }
            }
        }
        Change::ProductCodes(codes) => {
            for code in codes {
                if !image.product_codes.contains(&code) {
                    image.product_codes.push(code);
                }
            }
        }
        Change::ImdsSupport(value) => image.imds_support = Some(value),
    }
    Ok(done())
}

fn account(id: &str) -> Result<LaunchPermission> {
    if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(LaunchPermission::User(id.to_owned()));
    }
    Err(ApiError::new(
        "InvalidAMIAttributeItemValue",
        format!("Invalid attribute item value \"{id}\" for userId item type."),
    ))
}

fn group(name: &str) -> Result<LaunchPermission> {
    if name == "all" {
        return Ok(LaunchPermission::Everyone);
    }
    Err(ApiError::new(
        "InvalidAMIAttributeItemValue",
        format!("Invalid attribute item value \"{name}\" for userGroup item type."),
    ))
}

/// An organization's or a unit's ARN.
fn organization(arn: &str, unit: bool) -> Result<LaunchPermission> {
    let kind = if unit { ":ou/" } else { ":organization/" };
    if !arn.starts_with("arn:") || !arn.contains(":organizations:") || !arn.contains(kind) {
        return Err(ApiError::new("InvalidAMIAttributeItemValue", format!("Invalid attribute item value \"{arn}\".")));
    }
    Ok(if unit { LaunchPermission::Unit(arn.to_owned()) } else { LaunchPermission::Organization(arn.to_owned()) })
}

fn permissions(items: Vec<Params>) -> Result<Vec<LaunchPermission>> {
    let mut all = Vec::new();
    for item in items {
        let before = all.len();
        all.extend(item.text("UserId").map(|id| account(&id)).transpose()?);
        all.extend(item.text("Group").map(|name| group(&name)).transpose()?);
        all.extend(item.text("OrganizationArn").map(|arn| organization(&arn, false)).transpose()?);
        all.extend(item.text("OrganizationalUnitArn").map(|arn| organization(&arn, true)).transpose()?);
        if all.len() == before {
            return Err(ApiError::new("InvalidParameterCombination", "A launch permission names no one"));
        }
    }
    Ok(all)
}

fn parse_change(p: &Params) -> Result<Change> {
    let attribute = p.text("Attribute");
    let value = p.raw("Value");
    let described = p.child("Description").raw("Value");
    let imds = p.child("ImdsSupport").text("Value");
    let (launch, operation) = (p.child("LaunchPermission"), p.word("OperationType", &["add", "remove"])?);
    let codes = p.list("ProductCode");
    let mut flat = Vec::new();
    for id in p.list("UserId") {
        flat.push(account(&id)?);
    }
    for name in p.list("UserGroup") {
        flat.push(group(&name)?);
    }
    for arn in p.list("OrganizationArn") {
        flat.push(organization(&arn, false)?);
    }
    for arn in p.list("OrganizationalUnitArn") {
        flat.push(organization(&arn, true)?);
    }
    let (mut add, mut remove) = (permissions(launch.items("Add"))?, permissions(launch.items("Remove"))?);
    match (operation.as_deref(), flat.is_empty()) {
        (Some("remove"), false) => remove.extend(flat),
        (Some(_), false) => add.extend(flat),
        // Without an operation the flat lists count for nothing beside LaunchPermission, which Packer sends with them.
        (None, false) if add.is_empty() && remove.is_empty() => return Err(ApiError::missing("operationType")),
        (None, false) => {}
        (_, true) => {}
    }
    let mut changes = Vec::new();
    if let Some(text) = described {
        changes.push(Change::Description(text));
    }
    if !add.is_empty() || !remove.is_empty() {
        changes.push(Change::Permissions { add, remove });
    }
    if !codes.is_empty() {
        changes.push(Change::ProductCodes(codes));
    }
    if let Some(word) = imds {
        if word != "v2.0" {
            return Err(ApiError::value("imdsSupport", word, "Expected v2.0."));
        }
        changes.push(Change::ImdsSupport(word));
    }
    if let (Some("description"), Some(text)) = (attribute.as_deref(), value) {
        changes.push(Change::Description(text));
    }
    match attribute.as_deref() {
        None | Some("description" | "launchPermission" | "productCodes" | "imdsSupport") => {}
        Some(other) => return Err(ApiError::value("attribute", other, "It cannot be modified.")),
    }
    match changes.len() {
        1 => changes.pop().ok_or_else(|| ApiError::internal("no change")),
        0 => Err(ApiError::combination("No attributes specified.")),
        _ => Err(ApiError::combination("Only one attribute may be modified at a time.")),
    }
}

fn reset(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    let attribute = c.p.need("Attribute")?;
    c.p.finish()?;
    if attribute != "launchPermission" {
        return Err(ApiError::value("attribute", attribute, "Only launchPermission can be reset."));
    }
    own_image(c.region_mut(state)?, &id)?.permissions.clear();
    Ok(done())
}

fn enable_deprecation(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    let at = c.p.need("DeprecateAt")?;
    c.p.finish()?;
    let time = Time::parse(&at).ok_or_else(|| ApiError::value("deprecateAt", &at, "Expected an RFC 3339 time."))?;
    let image = own_image(c.region_mut(state)?, &id)?;
    // At most two years ahead for a public image, ten for others (API reference, EnableImageDeprecation).
    let years = if image.is_public() { 2 } else { 10 };
    if time <= c.now() || time > c.now().plus_seconds(years * 366 * 24 * 3600) {
        return Err(ApiError::value(
            "deprecateAt",
            at,
            format!("It must be in the future and no more than {years} years from now."),
        ));
    }
    // EC2 rounds to the minute.
    image.deprecation = Some(Time((time.0 + 30_000).div_euclid(60_000) * 60_000));
    Ok(done())
}

fn disable_deprecation(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    c.p.finish()?;
    own_image(c.region_mut(state)?, &id)?.deprecation = None;
    Ok(done())
}

fn enable_protection(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    let cooldown = c.p.flag("WithCooldown")?.unwrap_or(false);
    c.p.finish()?;
    let image = own_image(c.region_mut(state)?, &id)?;
    image.protection = Protection::On { cooldown };
    let mut x = Xml::new();
    x.text("return", protection(image.protection));
    Ok(x)
}

fn disable_protection(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("ImageId")?;
    c.p.finish()?;
    let image = own_image(c.region_mut(state)?, &id)?;
    image.protection = match image.protection {
        Protection::On { cooldown: true } => Protection::Until(cooldown(c.now())),
        Protection::Until(time) => Protection::Until(time),
        _ => Protection::Off,
    };
    let mut x = Xml::new();
    x.text("return", protection(image.protection));
    Ok(x)
}
