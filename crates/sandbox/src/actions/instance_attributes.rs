//! DescribeInstanceAttribute, ModifyInstanceAttribute, DescribeInstanceStatus.

use super::device_mapping::same_device;
use super::instance_describe::{block_devices, state as write_state};
use super::instance_run::user_data;
use super::{Action, Context, Entry, done};
use crate::state::{Instance, InstanceState, State};
use crate::types::instance_type;
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("DescribeInstanceAttribute", Action::Read(describe)),
    ("DescribeInstanceStatus", Action::Read(status)),
    ("ModifyInstanceAttribute", Action::Write(modify)),
];

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let id = c.p.need("InstanceId")?;
    let attribute = c.p.need("Attribute")?;
    c.p.finish()?;
    let region = c.region(state)?;
    let i = region.instance(&id)?;
    let mut x = Xml::new();
    x.text("instanceId", &id);
    let value = |x: &mut Xml, value: &dyn std::fmt::Display| x.node(&attribute, |x| x.text("value", value));
    match attribute.as_str() {
        "instanceType" => value(&mut x, &i.instance_type),
        "userData" => x.node("userData", |x| x.opt("value", i.user_data.as_ref())),
        "disableApiTermination" => value(&mut x, &i.disable_termination),
        "disableApiStop" => value(&mut x, &i.disable_stop),
        "instanceInitiatedShutdownBehavior" => value(&mut x, &i.shutdown_behavior),
        "rootDeviceName" => value(&mut x, &i.root_device_name),
        "ebsOptimized" => value(&mut x, &i.ebs_optimized),
        "enaSupport" => value(&mut x, &i.ena_support),
        "sourceDestCheck" => value(&mut x, &i.source_dest_check),
        "sriovNetSupport" => x.node("sriovNetSupport", |x| x.opt("value", i.sriov_net_support.as_ref())),
        "enclaveOptions" => x.node("enclaveOptions", |x| x.text("enabled", i.enclave)),
        "kernel" | "ramdisk" => x.node(&attribute, |_| {}),
        "productCodes" => x.node("productCodes", |_| {}),
        "blockDeviceMapping" => block_devices(&mut x, region, i),
        "groupSet" => x.set("groupSet", &i.interface.groups, |x, id| x.text("groupId", id)),
        other => return Err(ApiError::value("attribute", other, "It is not an instance attribute.")),
    }
    Ok(x)
}

/// What ModifyInstanceAttribute is to do.
enum Change {
    Type(String),
    UserData(String),
    Termination(bool),
    Stop(bool),
    ShutdownBehavior(String),
    EbsOptimized(bool),
    Ena(bool),
    Sriov(String),
    SourceDestCheck(bool),
    Groups(Vec<String>),
    DeleteOnTermination(Vec<(String, bool)>),
}

fn parse(c: &Context<'_>) -> Result<Vec<Change>> {
    let p = &c.p;
    let attribute = p.text("Attribute");
    let plain = p.raw("Value");
    // `Attribute=x&Value=y` is the older way to say `X.Value=y`.
    let text = |name: &str, old: &str| {
        let new = p.child(name).raw("Value");
        new.or_else(|| plain.clone().filter(|_| attribute.as_deref() == Some(old)))
    };
    let flag = |name: &str, old: &str| match text(name, old).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(v) => Err(ApiError::value(old, v, "Expected a boolean: true or false.")),
    };
    let mut changes = Vec::new();
    changes.extend(text("InstanceType", "instanceType").map(Change::Type));
    changes.extend(text("UserData", "userData").map(Change::UserData));
    changes.extend(flag("DisableApiTermination", "disableApiTermination")?.map(Change::Termination));
    changes.extend(flag("DisableApiStop", "disableApiStop")?.map(Change::Stop));
    changes.extend(
        text("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior").map(Change::ShutdownBehavior),
    );
    changes.extend(flag("EbsOptimized", "ebsOptimized")?.map(Change::EbsOptimized));
    changes.extend(flag("EnaSupport", "enaSupport")?.map(Change::Ena));
    changes.extend(text("SriovNetSupport", "sriovNetSupport").map(Change::Sriov));
    changes.extend(flag("SourceDestCheck", "sourceDestCheck")?.map(Change::SourceDestCheck));
    let groups = p.list("GroupId");
    if !groups.is_empty() {
        changes.push(Change::Groups(groups));
    }
    let mut devices = Vec::new();
    for item in p.items("BlockDeviceMapping") {
        let ebs = item.child("Ebs");
        let volume = ebs.text("VolumeId");
        if volume.is_some() {
            return Err(ApiError::unsupported(
                "this sandbox changes DeleteOnTermination by device name (Ebs.VolumeId)",
            ));
        }
        devices.push((item.need("DeviceName")?, ebs.flag("DeleteOnTermination")?.unwrap_or(true)));
    }
    if !devices.is_empty() {
        changes.push(Change::DeleteOnTermination(devices));
    }
    Ok(changes)
}

fn modify(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let id = c.p.need("InstanceId")?;
    let mut changes = parse(c)?;
    c.p.finish()?;
    let change = match (changes.len(), changes.pop()) {
        (1, Some(change)) => change,
        (0, _) => return Err(ApiError::combination("No attributes specified.")),
        _ => return Err(ApiError::combination("Fields for multiple attribute types specified.")),
    };
    let region = c.region_mut(state)?;
    let instance = region.instance(&id)?.clone();
    if matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown) {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!("The instance '{id}' is {}", instance.state.name()),
        ));
    }
    let stopped_only = matches!(
        change,
        Change::Type(_) | Change::UserData(_) | Change::EbsOptimized(_) | Change::Ena(_) | Change::Sriov(_)
    );
    if stopped_only && instance.state != InstanceState::Stopped {
        return Err(ApiError::new(
            "IncorrectInstanceState",
            format!("The instance '{id}' is not in the 'stopped' state."),
        ));
    }
    match change {
        Change::Groups(ids) => {
            ids.iter().try_for_each(|g| region.security_group(g).map(drop))?;
            region.instance_mut(&id)?.interface.groups = ids;
        }
        Change::DeleteOnTermination(devices) => {
            for (device, delete) in devices {
                let volume = region
                    .volumes
                    .values_mut()
                    .filter_map(|v| v.attachment.as_mut())
                    .find(|a| a.instance_id == id && same_device(&a.device, &device))
                    .ok_or_else(|| {
                        ApiError::new(
                            "InvalidInstanceAttributeValue",
                            format!("No device is currently mapped at {device}"),
                        )
                    })?;
                volume.delete_on_termination = delete;
            }
        }
        Change::Type(name) => {
            apply(region.instance_mut(&id)?, Change::Type(name))?;
            super::instance_launch::rename_devices(region, &id)?;
        }
        other => apply(region.instance_mut(&id)?, other)?,
    }
    Ok(done())
}

fn apply(i: &mut Instance, change: Change) -> Result<()> {
    match change {
        Change::Type(name) => {
            let kind = instance_type(&name).ok_or_else(|| {
                ApiError::new("InvalidInstanceAttributeValue", format!("Invalid value '{name}' for InstanceType."))
            })?;
            if kind.architecture != i.architecture {
                return Err(ApiError::new(
                    "InvalidInstanceAttributeValue",
                    format!("The architecture of {name} does not match that of the instance ({})", i.architecture),
                ));
            }
            i.instance_type = name;
        }
        Change::UserData(text) => i.user_data = if text.is_empty() { None } else { Some(user_data(text)?) },
        Change::Termination(on) => i.disable_termination = on,
        Change::Stop(on) => i.disable_stop = on,
        Change::ShutdownBehavior(word) if matches!(word.as_str(), "stop" | "terminate") => i.shutdown_behavior = word,
        Change::ShutdownBehavior(word) => {
            return Err(ApiError::value("instanceInitiatedShutdownBehavior", word, "Expected stop or terminate."));
        }
        Change::EbsOptimized(on) => i.ebs_optimized = on,
        Change::Ena(on) => i.ena_support = on,
        Change::Sriov(word) if word == "simple" => i.sriov_net_support = Some(word),
        Change::Sriov(word) => return Err(ApiError::value("sriovNetSupport", word, "Expected simple.")),
        Change::SourceDestCheck(on) => i.source_dest_check = on,
        // Done by the caller, which has the whole region.
        Change::Groups(_) | Change::DeleteOnTermination(_) => {}
    }
    Ok(())
}

fn status(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("InstanceId");
    let all = c.p.flag("IncludeAllInstances")?.unwrap_or(false);
    let filters = c.p.filters(&[
        "availability-zone",
        "instance-state-code",
        "instance-state-name",
        "instance-status.reachability",
        "instance-status.status",
        "system-status.reachability",
        "system-status.status",
        "tag-key",
    ])?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let region = c.region(state)?;
    ids.iter().try_for_each(|id| region.instance(id).map(drop))?;
    let health = |i: &Instance| match i.state {
        InstanceState::Running => ("ok", Some("passed")),
        InstanceState::Pending => ("initializing", Some("initializing")),
        _ => ("not-applicable", None),
    };
    let found = region
        .instances
        .values()
        .filter(|i| ids.is_empty() || ids.contains(&i.id))
        .filter(|i| all || i.state == InstanceState::Running)
        .filter(|i| {
            filters.matches(region.tags.get(&i.id), |name| match name {
                "availability-zone" => vec![i.placement.availability_zone.clone()],
                "instance-state-code" => vec![i.state.code().to_string()],
                "instance-state-name" => vec![i.state.name().into()],
                "instance-status.status" | "system-status.status" => vec![health(i).0.into()],
                _ => health(i).1.iter().map(|s| (*s).to_owned()).collect(),
            })
        })
        .collect();
    let (instances, next) = page.cut(found, |i: &&Instance| i.id.clone());
    let mut x = Xml::new();
    x.set("instanceStatusSet", instances, |x, i| {
        x.text("instanceId", &i.id);
        x.text("availabilityZone", &i.placement.availability_zone);
        write_state(x, "instanceState", i.state);
        for part in ["systemStatus", "instanceStatus"] {
            x.node(part, |x| {
                let (status, reachability) = health(i);
                x.text("status", status);
                if let Some(word) = reachability {
                    x.set("details", [word], |x, word| {
                        x.text("name", "reachability");
                        x.text("status", word);
                    });
                }
            });
        }
    });
    x.opt("nextToken", next);
    Ok(x)
}
