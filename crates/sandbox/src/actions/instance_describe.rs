//! DescribeInstances, and an instance as XML.

use super::tag_spec;
use super::{Action, Context, Entry};
use crate::state::{ACCOUNT, Instance, InstanceState, Region, State};
use crate::types::{Hypervisor, instance_type};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[("DescribeInstances", Action::Read(describe))];

const FILTERS: &[&str] = &[
    "architecture",
    "availability-zone",
    "block-device-mapping.attach-time",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.status",
    "block-device-mapping.volume-id",
    "client-token",
    "dns-name",
    "hypervisor",
    "iam-instance-profile.arn",
    "image-id",
    "instance-id",
    "instance-lifecycle",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "instance.group-id",
    "instance.group-name",
    "ip-address",
    "kernel-id",
    "key-name",
    "launch-index",
    "launch-time",
    "monitoring-state",
    "network-interface.network-interface-id",
    "network-interface.subnet-id",
    "network-interface.vpc-id",
    "owner-id",
    "placement-group-name",
    "platform",
    "private-dns-name",
    "private-ip-address",
    "product-code",
    "ramdisk-id",
    "reason",
    "requester-id",
    "reservation-id",
    "root-device-name",
    "root-device-type",
    "source-dest-check",
    "spot-instance-request-id",
    "state-reason-code",
    "state-reason-message",
    "subnet-id",
    "tag-key",
    "tag-value",
    "tenancy",
    "virtualization-type",
    "vpc-id",
];

impl Instance {
    /// Whether it has an address that the API shows.
    fn addresses(&self) -> (Option<String>, Option<String>) {
        let up = matches!(self.state, InstanceState::Running | InstanceState::Stopping | InstanceState::Pending);
        let private = self.interface.address.filter(|_| self.state != InstanceState::Terminated).map(|a| a.to_string());
        let public = private.clone().filter(|_| self.interface.public_ip && up);
        (private, public)
    }

    /// `ip-10-0-0-1.ec2.internal`, the way the region has it.
    pub fn private_dns(&self, region: &str) -> Option<String> {
        let domain =
            if region == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
        self.short_host_name().map(|host| format!("{host}.{domain}"))
    }

    /// `ip-10-0-0-1`
    pub fn short_host_name(&self) -> Option<String> {
        self.interface.address.map(|a| format!("ip-{}", a.to_string().replace('.', "-")))
    }

    fn field(&self, region: &Region, name: &str) -> Vec<String> {
        let some = |v: Option<&String>| v.cloned().into_iter().collect();
        let (private, public) = self.addresses();
        match name {
            "architecture" => vec![self.architecture.clone()],
            "availability-zone" => vec![self.placement.availability_zone.clone()],
            "client-token" => some(self.client_token.as_ref()),
            "dns-name" | "ip-address" => some(public.as_ref()),
            "hypervisor" => vec![hypervisor(self).into()],
            "iam-instance-profile.arn" => some(self.iam_profile.as_ref()),
            "image-id" => vec![self.image_id.clone()],
            "instance-id" => vec![self.id.clone()],
            "instance-lifecycle" => some(self.lifecycle.as_ref()),
            "instance-state-code" => vec![self.state.code().to_string()],
            "instance-state-name" => vec![self.state.name().into()],
            "instance-type" => vec![self.instance_type.clone()],
            "instance.group-id" => self.interface.groups.clone(),
            "instance.group-name" => self
                .interface
                .groups
                .iter()
                .filter_map(|id| region.security_groups.get(id).map(|g| g.name.clone()))
                .collect(),
            "key-name" => self.key.iter().map(|k| k.0.clone()).collect(),
            "launch-index" => vec![self.launch_index.to_string()],
            "launch-time" => vec![self.launched.to_string()],
            "monitoring-state" => vec![monitoring(self).into()],
            "network-interface.network-interface-id" => vec![self.interface.id.clone()],
            "network-interface.subnet-id" | "subnet-id" => vec![self.interface.subnet_id.clone()],
            "network-interface.vpc-id" | "vpc-id" => vec![self.interface.vpc_id.clone()],
            "owner-id" => vec![ACCOUNT.into()],
            "placement-group-name" => vec![self.placement.group_name.clone()],
            "private-dns-name" => self.private_dns(&region.name).into_iter().collect(),
            "private-ip-address" => some(private.as_ref()),
            "reason" => vec![self.transition_reason.clone()],
            "reservation-id" => vec![self.reservation_id.clone()],
            "root-device-name" => vec![self.root_device_name.clone()],
            "root-device-type" => vec!["ebs".into()],
            "source-dest-check" => vec![self.source_dest_check.to_string()],
            "state-reason-code" => self.state_reason.iter().map(|r| r.code.clone()).collect(),
            "state-reason-message" => self.state_reason.iter().map(|r| r.message.clone()).collect(),
            "tenancy" => vec![self.placement.tenancy.clone()],
            "virtualization-type" => vec!["hvm".into()],
            device => match device.strip_prefix("block-device-mapping.") {
                None => Vec::new(),
                Some(what) => region
                    .volumes_of(&self.id)
                    .filter_map(|v| v.attachment.as_ref().map(|a| (v, a)))
                    .map(|(v, a)| match what {
                        "attach-time" => a.time.to_string(),
                        "delete-on-termination" => a.delete_on_termination.to_string(),
                        "device-name" => a.device.clone(),
                        "status" => a.state.name().to_owned(),
                        _ => v.id.clone(),
                    })
                    .collect(),
            },
        }
    }
}

fn hypervisor(_: &Instance) -> &'static str {
    // DescribeInstances says xen for Nitro types too.
    "xen"
}

fn monitoring(i: &Instance) -> &'static str {
    if i.monitoring { "enabled" } else { "disabled" }
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let ids = c.p.list("InstanceId");
    let filters = c.p.filters(FILTERS)?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    if page.limited() && !ids.is_empty() {
        return Err(ApiError::combination("The parameter instancesSet cannot be used with the parameter maxResults"));
    }
    let region = c.region(state)?;
    ids.iter().try_for_each(|id| region.instance(id).map(drop))?;
    let found = region
        .instances
        .values()
        .filter(|i| ids.is_empty() || ids.contains(&i.id))
        .filter(|i| filters.matches(region.tags.get(&i.id), |name| i.field(region, name)))
        .collect();
    let (instances, next) = page.cut(found, |i: &&Instance| i.id.clone());
    let mut reservations: Vec<(&str, Vec<&Instance>)> = Vec::new();
    for instance in instances {
        match reservations.iter_mut().find(|r| r.0 == instance.reservation_id) {
            Some(r) => r.1.push(instance),
            None => reservations.push((&instance.reservation_id, vec![instance])),
        }
    }
    let mut x = Xml::new();
    x.set("reservationSet", reservations, |x, (id, instances)| write_reservation(x, region, id, instances));
    x.opt("nextToken", next);
    Ok(x)
}

/// The answer of RunInstances.
pub(super) fn reservation(region: &Region, id: &str) -> Xml {
    let mut instances: Vec<&Instance> = region.instances.values().filter(|i| i.reservation_id == id).collect();
    instances.sort_by_key(|i| i.launch_index);
    let mut x = Xml::new();
    write_reservation(&mut x, region, id, instances);
    x
}

fn write_reservation(x: &mut Xml, region: &Region, id: &str, instances: Vec<&Instance>) {
    x.text("reservationId", id);
    x.text("ownerId", ACCOUNT);
    x.node("groupSet", |_| {});
    x.set("instancesSet", instances, |x, i| write(x, region, i));
}

/// `<code>` and `<name>`
pub(super) fn state(x: &mut Xml, name: &str, state: InstanceState) {
    x.node(name, |x| {
        x.text("code", state.code());
        x.text("name", state.name());
    });
}

fn groups(x: &mut Xml, region: &Region, i: &Instance) {
    x.set("groupSet", &i.interface.groups, |x, id| {
        x.text("groupId", id);
        x.opt("groupName", region.security_groups.get(id).map(|g| &g.name));
    });
}

fn write(x: &mut Xml, region: &Region, i: &Instance) {
    let (private, public) = i.addresses();
    let gone = i.state == InstanceState::Terminated;
    x.text("instanceId", &i.id);
    x.text("imageId", &i.image_id);
    state(x, "instanceState", i.state);
    x.text("privateDnsName", i.private_dns(&region.name).filter(|_| !gone).unwrap_or_default());
    // An address works wherever a name does; EC2's own public names mean nothing on this host.
    x.text("dnsName", public.as_deref().unwrap_or_default());
    x.text("reason", &i.transition_reason);
    x.opt("keyName", i.key.as_ref().map(|k| &k.0));
    x.text("amiLaunchIndex", i.launch_index);
    x.node("productCodes", |_| {});
    x.text("instanceType", &i.instance_type);
    x.text("launchTime", i.launched);
    x.node("placement", |x| {
        x.text("availabilityZone", &i.placement.availability_zone);
        x.text("groupName", &i.placement.group_name);
        x.text("tenancy", &i.placement.tenancy);
    });
    x.node("monitoring", |x| x.text("state", monitoring(i)));
    if !gone {
        x.text("subnetId", &i.interface.subnet_id);
        x.text("vpcId", &i.interface.vpc_id);
        x.opt("privateIpAddress", private.as_ref());
        x.opt("ipAddress", public.as_ref());
        x.text("sourceDestCheck", i.source_dest_check);
        groups(x, region, i);
    }
    if let Some(reason) = &i.state_reason {
        x.node("stateReason", |x| {
            x.text("code", &reason.code);
            x.text("message", &reason.message);
        });
    }
    x.text("architecture", &i.architecture);
    x.text("rootDeviceType", "ebs");
    x.text("rootDeviceName", &i.root_device_name);
    block_devices(x, region, i);
    x.text("virtualizationType", "hvm");
    x.opt("clientToken", i.client_token.as_ref());
    tag_spec::write(x, region.tags.get(&i.id));
    x.text("hypervisor", hypervisor(i));
    x.opt("instanceLifecycle", i.lifecycle.as_ref());
    if gone {
        x.node("networkInterfaceSet", |_| {});
    } else {
        interfaces(x, region, i, private.as_deref(), public.as_deref());
    }
    if let Some(arn) = &i.iam_profile {
        x.node("iamInstanceProfile", |x| {
            x.text("arn", arn);
            x.text(
                "id",
                crate::state::derived_id(crate::state::Kind::Instance, &[arn]).replace("i-", "AIPA").to_uppercase(),
            );
        });
    }
    x.text("ebsOptimized", i.ebs_optimized);
    x.text("enaSupport", i.ena_support);
    x.opt("sriovNetSupport", i.sriov_net_support.as_ref());
    if let Some(t) = instance_type(&i.instance_type) {
        x.node("cpuOptions", |x| {
            let threads =
                if t.vcpus > 1 && t.architecture == "x86_64" && t.hypervisor == Hypervisor::Nitro { 2 } else { 1 };
            x.text("coreCount", t.vcpus / threads);
            x.text("threadsPerCore", threads);
        });
    }
    x.node("capacityReservationSpecification", |x| {
        x.text("capacityReservationPreference", &i.capacity_reservation);
    });
    x.node("hibernationOptions", |x| x.text("configured", false));
    x.node("enclaveOptions", |x| x.text("enabled", i.enclave));
    metadata_options(x, i);
    x.text("platformDetails", &i.platform_details);
    x.text("usageOperation", "RunInstances");
    x.opt("bootMode", i.boot_mode.as_ref());
}

/// `<metadataOptions>`
pub(super) fn metadata_options(x: &mut Xml, i: &Instance) {
    let word = |on: bool| if on { "enabled" } else { "disabled" };
    x.node("metadataOptions", |x| metadata_fields(x, i, word));
}

/// The fields of `<metadataOptions>`.
pub(super) fn metadata_fields(x: &mut Xml, i: &Instance, word: impl Fn(bool) -> &'static str) {
    x.text("state", if i.refresh_metadata { "pending" } else { "applied" });
    x.text("httpTokens", if i.metadata.tokens_required { "required" } else { "optional" });
    x.text("httpPutResponseHopLimit", i.metadata.hop_limit);
    x.text("httpEndpoint", word(i.metadata.enabled));
    x.text("httpProtocolIpv6", "disabled");
    x.text("instanceMetadataTags", word(i.metadata.tags));
}

/// `<blockDeviceMapping>`, root first.
pub(super) fn block_devices(x: &mut Xml, region: &Region, i: &Instance) {
    let mut volumes: Vec<_> = region.volumes_of(&i.id).filter_map(|v| v.attachment.as_ref().map(|a| (v, a))).collect();
    volumes.sort_by_key(|(_, a)| a.device != i.root_device_name);
    x.set("blockDeviceMapping", volumes, |x, (v, a)| {
        x.text("deviceName", &a.device);
        x.node("ebs", |x| {
            x.text("volumeId", &v.id);
            x.text("status", a.state.name());
            x.text("attachTime", a.time);
            x.text("deleteOnTermination", a.delete_on_termination);
        });
    });
}

fn interfaces(x: &mut Xml, region: &Region, i: &Instance, private: Option<&str>, public: Option<&str>) {
    let e = &i.interface;
    let association = |x: &mut Xml| {
        if let Some(ip) = public {
            x.node("association", |x| {
                x.text("publicIp", ip);
                x.text("publicDnsName", ip);
                x.text("ipOwnerId", "amazon");
            });
        }
    };
    x.set("networkInterfaceSet", [()], |x, ()| {
        x.text("networkInterfaceId", &e.id);
        x.text("subnetId", &e.subnet_id);
        x.text("vpcId", &e.vpc_id);
        x.text("description", &e.description);
        x.text("ownerId", ACCOUNT);
        x.text("status", "in-use");
        x.text("macAddress", &e.mac);
        x.opt("privateIpAddress", private);
        x.opt("privateDnsName", i.private_dns(&region.name));
        x.text("sourceDestCheck", i.source_dest_check);
        groups(x, region, i);
        x.node("attachment", |x| {
            x.text("attachmentId", &e.attachment_id);
            x.text("deviceIndex", 0);
            x.text("status", "attached");
            x.text("attachTime", i.launched);
            x.text("deleteOnTermination", e.delete_on_termination);
            x.text("networkCardIndex", 0);
        });
        association(x);
        if let Some(ip) = private {
            x.set("privateIpAddressesSet", [ip], |x, ip| {
                x.text("privateIpAddress", ip);
                x.opt("privateDnsName", i.private_dns(&region.name));
                x.text("primary", true);
                association(x);
            });
        }
        x.text("interfaceType", "interface");
    });
}
