//! `virtualization_*`: container and hypervisor, by the traces they leave.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use std::path::Path;

/// What is looked at.
struct Traces {
    cgroup: String,
    environ: String,
    product: String,
    vendor: String,
    bios: String,
    family: String,
    chassis: String,
    cpuinfo: String,
    status: String,
    modules: String,
    dockerenv: bool,
    containerenv: bool,
    xen: bool,
    xen_dom0: bool,
    hypervisor: String,
    kvm_device: bool,
    systemd_container: String,
    openvz: bool,
    lxd: bool,
    xen_uuid: bool,
}

impl Traces {
    fn read() -> Self {
        let dmi = |name: &str| read(format!("/sys/devices/virtual/dmi/id/{name}")).unwrap_or_default();
        let exists = |path: &str| Path::new(path).exists();
        Traces {
            cgroup: read("/proc/1/cgroup").unwrap_or_default(),
            environ: read("/proc/1/environ").unwrap_or_default(),
            product: dmi("product_name"),
            vendor: dmi("sys_vendor"),
            bios: dmi("bios_vendor"),
            family: dmi("product_family"),
            chassis: dmi("chassis_asset_tag"),
            cpuinfo: read("/proc/cpuinfo").unwrap_or_default(),
            status: read("/proc/self/status").unwrap_or_default(),
            modules: read("/proc/modules").unwrap_or_default(),
            dockerenv: exists("/.dockerenv") || exists("/.dockerinit"),
            containerenv: exists("/run/.containerenv"),
            xen: exists("/proc/xen"),
            xen_dom0: read("/proc/xen/capabilities").is_some_and(|c| c.contains("control_d")),
            hypervisor: read("/sys/hypervisor/type").unwrap_or_default(),
            kvm_device: exists("/dev/kvm"),
            systemd_container: read("/run/systemd/container").unwrap_or_default(),
            openvz: exists("/proc/vz") && !exists("/proc/lve"),
            lxd: exists("/dev/lxd/sock"),
            xen_uuid: read("/sys/hypervisor/uuid").is_some_and(|u| u != "00000000-0000-0000-0000-000000000000"),
        }
    }
}

/// Type, role, and the technologies found on each side.
#[derive(Debug, PartialEq, Default)]
struct Found {
    kind: String,
    role: String,
    guest: Vec<&'static str>,
    host: Vec<&'static str>,
}

impl Found {
    fn guest(&mut self, tech: &'static str) {
        if !self.guest.contains(&tech) {
            self.guest.push(tech);
        }
        if self.kind.is_empty() {
            self.kind = tech.to_string();
            self.role = "guest".into();
        }
    }

    fn host(&mut self, tech: &'static str) {
        if !self.host.contains(&tech) {
            self.host.push(tech);
        }
        if self.kind.is_empty() {
            self.kind = tech.to_string();
            self.role = "host".into();
        }
    }
}

fn judge(t: &Traces) -> Found {
    let mut f = Found::default();
    let in_environ = |what: &str| t.environ.split('\0').any(|e| e == what);
    if t.dockerenv || t.cgroup.lines().any(|l| l.contains("/docker/") || l.contains("/docker-")) {
        f.guest("docker");
        f.guest("container");
    }
    if t.cgroup.lines().any(|l| l.contains("/lxc/")) || in_environ("container=lxc") || t.lxd {
        f.guest("lxc");
        f.guest("container");
    }
    if t.containerenv || in_environ("container=podman") {
        f.guest("podman");
        f.guest("container");
    }
    if !t.systemd_container.is_empty() || t.environ.split('\0').any(|e| e.starts_with("container=")) {
        if f.kind.is_empty() && (t.systemd_container == "systemd-nspawn" || in_environ("container=systemd-nspawn")) {
            f.kind = "systemd-nspawn".into();
            f.role = "guest".into();
        }
        f.guest("container");
    }
    if t.openvz {
        f.guest("openvz");
    }
    if t.xen {
        if t.xen_dom0 { f.host("xen") } else { f.guest("xen") }
    }
    if t.hypervisor == "xen" && (t.xen_uuid || !t.xen) && !t.xen_dom0 {
        f.guest("xen");
    }
    let product = t.product.as_str();
    let by_product: &[(&str, &str, &str)] = &[
        ("KVM", "", "kvm"),
        ("KVM Server", "", "kvm"),
        ("Bochs", "", "kvm"),
        ("AHV", "", "kvm"),
        ("", "QEMU", "kvm"),
        ("", "oVirt", "oVirt"),
        ("", "Red Hat", "kvm"),
        ("RHV Hypervisor", "", "RHEV"),
        ("RHEV Hypervisor", "", "RHEV"),
        ("VirtualBox", "", "virtualbox"),
        ("OpenStack Nova", "", "openstack"),
        ("OpenStack Compute", "", "openstack"),
        ("VMware Virtual Platform", "", "VMware"),
        ("VMware7,1", "", "VMware"),
        ("", "VMware, Inc.", "VMware"),
        ("Virtual Machine", "Microsoft Corporation", "VirtualPC"),
        ("", "Parallels Software International Inc.", "parallels"),
        ("", "OpenStack Foundation", "openstack"),
        ("", "Amazon EC2", "kvm"),
        ("", "DigitalOcean", "kvm"),
        ("", "Google", "kvm"),
        ("", "Hetzner", "kvm"),
        ("", "Scaleway", "kvm"),
        ("", "Nutanix", "kvm"),
    ];
    for (p, v, kind) in by_product {
        if (p.is_empty() || *p == product) && (v.is_empty() || *v == t.vendor) {
            f.guest(kind);
            break;
        }
    }
    match t.bios.as_str() {
        "Xen" => f.guest("xen"),
        "innotek GmbH" => f.guest("virtualbox"),
        "Amazon EC2" | "DigitalOcean" | "Hetzner" => f.guest("kvm"),
        _ => {}
    }
    if t.family == "RHV" {
        f.guest("RHV");
    }
    if t.chassis == "OpenStack Nova" {
        f.guest("openstack");
    }
    if t.status.lines().any(|l| l.starts_with("VxID:") && l.split_whitespace().nth(1) != Some("0")) {
        f.guest("linux_vserver");
    }
    for line in t.cpuinfo.lines() {
        if line.starts_with("model name")
            && (line.contains("QEMU Virtual CPU") || line.contains("Common KVM processor"))
        {
            f.guest("kvm");
        }
        if line.starts_with("vendor_id") && line.contains("User Mode Linux") {
            f.guest("uml");
        }
        if line.starts_with("vendor_id") && line.contains("PowerVM") {
            f.guest("powervm_lx86");
        }
    }
    let module = |name: &str| t.modules.lines().any(|l| l.split(' ').next() == Some(name));
    if t.kvm_device || module("kvm") {
        f.host("kvm");
    }
    if module("vboxdrv") {
        f.host("virtualbox");
    }
    if module("virtio") {
        f.guest("kvm");
    }
    f
}

/// Gathers them.
pub fn collect(_: &Ctx, out: &mut Facts) {
    let found = judge(&Traces::read());
    put(out, "virtualization_type", if found.kind.is_empty() { "NA".to_string() } else { found.kind });
    put(out, "virtualization_role", if found.role.is_empty() { "NA".to_string() } else { found.role });
    put(out, "virtualization_tech_guest", found.guest);
    put(out, "virtualization_tech_host", found.host);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Traces {
        let e = String::new;
        Traces {
            cgroup: e(),
            environ: e(),
            product: e(),
            vendor: e(),
            bios: e(),
            family: e(),
            chassis: e(),
            cpuinfo: e(),
            status: e(),
            modules: e(),
            dockerenv: false,
            containerenv: false,
            xen: false,
            xen_dom0: false,
            hypervisor: e(),
            kvm_device: false,
            systemd_container: e(),
            openvz: false,
            lxd: false,
            xen_uuid: false,
        }
    }

    #[test]
    fn kinds() {
        let kind = |t: Traces| {
            let f = judge(&t);
            (f.kind, f.role)
        };
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(kind(none()), pair("", ""));
        assert_eq!(kind(Traces { dockerenv: true, kvm_device: true, ..none() }), pair("docker", "guest"));
        assert_eq!(
            kind(Traces {
                vendor: "Amazon EC2".into(),
                bios: "Amazon EC2".into(),
                product: "t3.micro".into(),
                ..none()
            }),
            pair("kvm", "guest")
        );
        assert_eq!(
            kind(Traces { xen: true, vendor: "Xen".into(), bios: "Xen".into(), product: "HVM domU".into(), ..none() }),
            pair("xen", "guest")
        );
        assert_eq!(
            kind(Traces { systemd_container: "systemd-nspawn".into(), ..none() }),
            pair("systemd-nspawn", "guest")
        );
        assert_eq!(kind(Traces { kvm_device: true, ..none() }), pair("kvm", "host"));
        assert_eq!(kind(Traces { product: "VirtualBox".into(), ..none() }), pair("virtualbox", "guest"));
    }
}
