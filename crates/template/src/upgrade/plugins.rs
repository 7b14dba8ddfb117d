//! The `packer` block: the version, and the plugins that HCL2 templates name.

use super::calls::quoted;
use crate::json::JsonTemplate;
use std::collections::BTreeSet;

/// Plugins of HashiCorp's, by the beginning of their parts' types.
const KNOWN: [&str; 10] =
    ["amazon", "ansible", "azure", "docker", "googlecompute", "qemu", "vagrant", "virtualbox", "vmware", "vsphere"];
/// Builders that are part of Packer itself.
const CORE: [&str; 2] = ["file", "null"];

fn plugin(kind: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|name| kind.starts_with(name))
}

/// Types of builders that no known plugin has, in the order of the blocks.
pub(super) fn unknown(template: &JsonTemplate) -> Vec<String> {
    let kinds = template.builders.iter().map(|b| &b.kind.value);
    let mut unknown: Vec<String> =
        kinds.filter(|kind| plugin(kind).is_none() && !CORE.contains(&kind.as_str())).cloned().collect();
    unknown.sort();
    unknown
}

/// The block; empty if there is nothing to say.
pub(super) fn block(template: &JsonTemplate) -> String {
    let builders = template.builders.iter().map(|b| &b.kind);
    let provisioners = template.provisioners.iter().map(|p| &p.kind);
    let post_processors = template.post_processors.iter().flatten().map(|p| &p.kind);
    let kinds = builders.chain(provisioners).chain(post_processors);
    let plugins: BTreeSet<&str> = kinds.filter_map(|kind| plugin(kind)).collect();
    let mut out = String::new();
    if let Some(version) = &template.min_packer_version {
        out.push_str(&format!("required_version = {}\n", quoted(&format!(">= {}", version.value))));
    }
    if !plugins.is_empty() {
        out.push_str("required_plugins {\n");
        for name in plugins {
            let source = quoted(&format!("github.com/hashicorp/{name}"));
            out.push_str(&format!("{name} = {{\nsource = {source}\nversion = \"~> 1\"\n}}\n"));
        }
        out.push_str("}\n");
    }
    if out.is_empty() { out } else { format!("packer {{\n{out}}}\n") }
}
