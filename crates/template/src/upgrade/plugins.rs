//! The `packer` block: the version, and the plugins that HCL2 templates name.

use super::calls::quoted;
use crate::json::JsonTemplate;
use std::collections::{BTreeMap, BTreeSet};

/// Plugins by the beginning of their parts' types, as `required_plugins` names the repositories that they live in. Packer's own list
/// ends after the first ten.
const KNOWN: [(&str, &str); 36] = [
    ("amazon", "github.com/hashicorp/amazon"),
    ("ansible", "github.com/hashicorp/ansible"),
    ("azure", "github.com/hashicorp/azure"),
    ("docker", "github.com/hashicorp/docker"),
    ("googlecompute", "github.com/hashicorp/googlecompute"),
    ("qemu", "github.com/hashicorp/qemu"),
    ("vagrant", "github.com/hashicorp/vagrant"),
    ("virtualbox", "github.com/hashicorp/virtualbox"),
    ("vmware", "github.com/hashicorp/vmware"),
    ("vsphere", "github.com/hashicorp/vsphere"),
    ("alicloud", "github.com/hashicorp/alicloud"),
    ("chef", "github.com/hashicorp/chef"),
    ("cloudstack", "github.com/hashicorp/cloudstack"),
    ("converge", "github.com/hashicorp/converge"),
    ("digitalocean", "github.com/digitalocean/digitalocean"),
    ("goss", "github.com/YaleUniversity/goss"),
    ("hcloud", "github.com/hetznercloud/hcloud"),
    ("hyperone", "github.com/hashicorp/hyperone"),
    ("hyperv", "github.com/hashicorp/hyperv"),
    ("inspec", "github.com/hashicorp/inspec"),
    ("linode", "github.com/linode/linode"),
    ("lxc", "github.com/hashicorp/lxc"),
    ("lxd", "github.com/hashicorp/lxd"),
    ("oneandone", "github.com/hashicorp/oneandone"),
    ("openstack", "github.com/hashicorp/openstack"),
    ("oracle", "github.com/hashicorp/oracle"),
    ("parallels", "github.com/Parallels/parallels"),
    ("proxmox", "github.com/hashicorp/proxmox"),
    ("puppet", "github.com/hashicorp/puppet"),
    ("salt", "github.com/hashicorp/salt"),
    ("scaleway", "github.com/scaleway/scaleway"),
    ("tencentcloud", "github.com/hashicorp/tencentcloud"),
    ("triton", "github.com/hashicorp/triton"),
    ("ucloud", "github.com/hashicorp/ucloud"),
    ("vultr", "github.com/vultr/vultr"),
    ("yandex", "github.com/hashicorp/yandex"),
];
/// Builders that are part of Packer itself.
const CORE: [&str; 2] = ["file", "null"];

fn plugin(kind: &str) -> Option<(&'static str, &'static str)> {
    KNOWN.into_iter().find(|(name, _)| kind.starts_with(name))
}

/// Types of builders that no known plugin has, each once, sorted.
pub(super) fn unknown(template: &JsonTemplate) -> Vec<String> {
    let kinds = template.builders.iter().map(|b| &b.kind.value);
    let unknown: BTreeSet<&String> =
        kinds.filter(|kind| plugin(kind).is_none() && !CORE.contains(&kind.as_str())).collect();
    unknown.into_iter().cloned().collect()
}

/// The block; empty if there is nothing to say.
pub(super) fn block(template: &JsonTemplate) -> String {
    let builders = template.builders.iter().map(|b| &b.kind);
    let provisioners = template.provisioners.iter().map(|p| &p.kind);
    let post_processors = template.post_processors.iter().flatten().map(|p| &p.kind);
    let kinds = builders.chain(provisioners).chain(post_processors);
    let plugins: BTreeMap<&str, &str> = kinds.filter_map(|kind| plugin(kind)).collect();
    let mut out = String::new();
    if let Some(version) = &template.min_packer_version {
        out.push_str(&format!("required_version = {}\n", quoted(&format!(">= {}", version.value))));
    }
    if !plugins.is_empty() {
        out.push_str("required_plugins {\n");
        for (name, source) in plugins {
            // The first release of some of them is still to come: any version does there.
            let version = if source.starts_with("github.com/hashicorp/") { "~> 1" } else { ">= 0" };
            out.push_str(&format!("{name} = {{\nsource = {}\nversion = \"{version}\"\n}}\n", quoted(source)));
        }
        out.push_str("}\n");
    }
    if out.is_empty() { out } else { format!("packer {{\n{out}}}\n") }
}
