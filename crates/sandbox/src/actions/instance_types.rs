//! DescribeInstanceTypes and DescribeInstanceTypeOfferings.

use super::{Action, Context, Entry};
use crate::state::State;
use crate::types::{Hypervisor, InstanceType, instance_type, instance_types, zones};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] =
    &[("DescribeInstanceTypeOfferings", Action::Read(offerings)), ("DescribeInstanceTypes", Action::Read(describe))];

impl InstanceType {
    fn architectures(&self) -> Vec<&'static str> {
        if self.i386 { vec!["i386", self.architecture] } else { vec![self.architecture] }
    }

    fn field(&self, name: &str) -> Vec<String> {
        match name {
            "bare-metal" | "hibernation-supported" | "dedicated-hosts-supported" => vec!["false".into()],
            "burstable-performance-supported" => vec![self.burstable.to_string()],
            "current-generation" => vec![self.current.to_string()],
            "ebs-info.nvme-support" | "network-info.ena-support" => vec![self.nitro_word().into()],
            "ebs-info.encryption-support" => vec!["supported".into()],
            "free-tier-eligible" => vec![matches!(self.name.as_str(), "t2.micro" | "t3.micro").to_string()],
            "hypervisor" => vec![self.hypervisor_word().into()],
            "instance-storage-supported" => vec![self.storage.is_some().to_string()],
            "instance-type" => vec![self.name.clone()],
            "memory-info.size-in-mib" => vec![self.memory_mib.to_string()],
            "processor-info.supported-architecture" => self.architectures().into_iter().map(str::to_owned).collect(),
            "supported-boot-mode" => self.boot_modes().iter().map(|m| (*m).to_owned()).collect(),
            "supported-root-device-type" => vec!["ebs".into()],
            "supported-usage-class" => vec!["on-demand".into(), "spot".into()],
            "supported-virtualization-type" => vec!["hvm".into()],
            "vcpu-info.default-vcpus" => vec![self.vcpus.to_string()],
            _ => Vec::new(),
        }
    }

    fn nitro_word(&self) -> &'static str {
        if self.hypervisor == Hypervisor::Nitro { "required" } else { "unsupported" }
    }

    fn hypervisor_word(&self) -> &'static str {
        if self.hypervisor == Hypervisor::Nitro { "nitro" } else { "xen" }
    }

    fn boot_modes(&self) -> &'static [&'static str] {
        match (self.architecture, self.hypervisor) {
            ("arm64", _) => &["uefi"],
            (_, Hypervisor::Nitro) => &["legacy-bios", "uefi"],
            (_, Hypervisor::Xen) => &["legacy-bios"],
        }
    }
}

const FILTERS: &[&str] = &[
    "bare-metal",
    "burstable-performance-supported",
    "current-generation",
    "dedicated-hosts-supported",
    "ebs-info.encryption-support",
    "ebs-info.nvme-support",
    "free-tier-eligible",
    "hibernation-supported",
    "hypervisor",
    "instance-storage-supported",
    "instance-type",
    "memory-info.size-in-mib",
    "network-info.ena-support",
    "processor-info.supported-architecture",
    "supported-boot-mode",
    "supported-root-device-type",
    "supported-usage-class",
    "supported-virtualization-type",
    "vcpu-info.default-vcpus",
];

fn describe(c: &Context<'_>, _: &State) -> Result<Xml> {
    let names = c.p.list("InstanceType");
    let filters = c.p.filters(FILTERS)?;
    let page = c.p.page(5, 100)?;
    c.p.finish()?;
    let unknown: Vec<&str> = names.iter().filter(|n| instance_type(n).is_none()).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(ApiError::new(
            "InvalidInstanceType",
            format!("The following supplied instance types do not exist: [{}]", unknown.join(", ")),
        ));
    }
    let found = instance_types()
        .iter()
        .filter(|t| names.is_empty() || names.contains(&t.name))
        .filter(|t| filters.matches(None, |name| t.field(name)))
        .collect();
    let (types, next) = page.cut(found, |t: &&InstanceType| t.name.clone());
    let mut x = Xml::new();
    x.set("instanceTypeSet", types, write);
    x.opt("nextToken", next);
    Ok(x)
}

fn write(x: &mut Xml, t: &InstanceType) {
    x.text("instanceType", &t.name);
    x.text("currentGeneration", t.current);
    x.text("freeTierEligible", matches!(t.name.as_str(), "t2.micro" | "t3.micro"));
    x.set("supportedUsageClasses", ["on-demand", "spot"], |x, v| x.raw(v));
    x.set("supportedRootDeviceTypes", ["ebs"], |x, v| x.raw(v));
    x.set("supportedVirtualizationTypes", ["hvm"], |x, v| x.raw(v));
    x.text("bareMetal", false);
    x.text("hypervisor", t.hypervisor_word());
    x.node("processorInfo", |x| x.set("supportedArchitectures", t.architectures(), |x, v| x.raw(v)));
    x.node("vCpuInfo", |x| x.text("defaultVCpus", t.vcpus));
    x.node("memoryInfo", |x| x.text("sizeInMiB", t.memory_mib));
    x.text("instanceStorageSupported", t.storage.is_some());
    if let Some((count, size)) = t.storage {
        x.node("instanceStorageInfo", |x| {
            x.text("totalSizeInGB", count * size);
            x.set("disks", [()], |x, ()| {
                x.text("sizeInGB", size);
                x.text("count", count);
                x.text("type", "ssd");
            });
        });
    }
    x.node("ebsInfo", |x| {
        x.text("encryptionSupport", "supported");
        x.text("nvmeSupport", t.nitro_word());
    });
    x.node("networkInfo", |x| x.text("enaSupport", t.nitro_word()));
    x.text("hibernationSupported", false);
    x.text("burstablePerformanceSupported", t.burstable);
    x.text("dedicatedHostsSupported", false);
    x.set("supportedBootModes", t.boot_modes(), |x, v| x.raw(v));
}

fn offerings(c: &Context<'_>, _: &State) -> Result<Xml> {
    let by = c.p.word("LocationType", &["region", "availability-zone", "availability-zone-id"])?;
    let filters = c.p.filters(&["instance-type", "location"])?;
    let page = c.p.page(5, 1000)?;
    c.p.finish()?;
    let by = by.unwrap_or_else(|| "region".into());
    let locations = match by.as_str() {
        "region" => vec![c.call.region.clone()],
        "availability-zone" => zones(&c.call.region),
        other => return Err(ApiError::unsupported(format!("this sandbox lists no offerings by {other}"))),
    };
    let found = locations
        .iter()
        .flat_map(|l| instance_types().iter().map(move |t| (l, t)))
        .filter(|(l, t)| {
            filters.matches(None, |name| match name {
                "instance-type" => vec![t.name.clone()],
                "location" => vec![(*l).clone()],
                _ => Vec::new(),
            })
        })
        .collect();
    let (found, next) = page.cut(found, |(l, t): &(&String, &InstanceType)| format!("{l} {}", t.name));
    let mut x = Xml::new();
    x.set("instanceTypeOfferingSet", found, |x, (location, t)| {
        x.text("instanceType", &t.name);
        x.text("locationType", &by);
        x.text("location", location);
    });
    x.opt("nextToken", next);
    Ok(x)
}
