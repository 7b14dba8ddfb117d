//! What `packer fix` does to a legacy JSON template: options and types that older versions knew get their present names.
//!
//! It works on the plain JSON, whatever plugin an option belongs to, and reads no file. Where Packer crashes on a value of the
//! wrong type, the value stays or is an error here.

mod amazon;
mod other;
mod print;
mod rename;
#[cfg(test)]
mod tests;

use crate::json::{self, Duplicates};
use crate::value::{Node, Value as Written};
use imgbuild_diag::{Diagnostic, Diagnostics, Source};
use serde_json::{Map, Value};
use std::sync::Arc;

/// One fixer.
pub struct Fixer {
    /// Its name in Packer.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    apply: fn(&mut Map<String, Value>) -> Result<(), String>,
}

macro_rules! fixers {
    ($($name:literal $apply:path, $about:literal;)*) => {
        /// All fixers, in the order in which they run.
        pub const FIXERS: &[Fixer] = &[$(Fixer { name: $name, about: $about, apply: $apply }),*];
    };
}

fixers! {
    "iso-md5" rename::iso_md5, "iso_md5 is iso_checksum with iso_checksum_type md5";
    "createtime" other::create_time, "{{.CreateTime}} in names is {{timestamp}}";
    "virtualbox-gaattach" rename::virtualbox_attach, "guest_additions_attach is guest_additions_mode";
    "pp-vagrant-override" other::vagrant_override, "options of vagrant for one provider stand in override";
    "virtualbox-rename" other::virtualbox_type, "the builder virtualbox is virtualbox-iso";
    "vmware-rename" other::vmware_type, "the builder vmware is vmware-iso";
    "parallels-headless" rename::parallels_headless, "headless goes from Parallels builders";
    "parallels-deprecations" rename::parallels, "parallels_tools_host_path goes, guest_os_distribution is guest_os_type";
    "sshkeypath" rename::ssh_key_path, "ssh_key_path is ssh_private_key_file";
    "sshdisableagent" rename::ssh_disable_agent, "ssh_disable_agent is ssh_disable_agent_forwarding";
    "scaleway-access-key" rename::scaleway_access_key, "access_key is organization_id in Scaleway builders";
    "manifest-filename" rename::manifest_filename, "filename of the manifest post-processor is output";
    "amazon-shutdown_behavior" amazon::shutdown_behavior, "shutdown_behaviour is shutdown_behavior";
    "amazon-enhanced-networking" amazon::enhanced_networking, "enhanced_networking is ena_support";
    "amazon-private-ip" amazon::private_ip, "ssh_private_ip is ssh_interface";
    "amazon-temp-sec-cidrs" amazon::temporary_cidrs, "temporary_security_group_source_cidr is a list, …_cidrs";
    "docker-email" other::docker_email, "login_email goes";
    "docker-tag-tags" other::docker_tags, "tag of docker-tag is tags";
    "powershell-escapes" other::powershell_escapes, "values for PowerShell need no escapes";
    "vmware-compaction" other::vmware_compaction, "disks on ESX that can't be compacted are not";
    "hyperv-deprecations" rename::hyperv, "vhd_temp_path goes";
    "hyperv-vmxc-typo" rename::hyperv_vmcx, "clone_from_vmxc_path is clone_from_vmcx_path";
    "hyperv-cpu-and-ram" rename::hyperv_size, "cpu is cpus, ram_size is memory";
    "clean-image-name" other::clean_name, "clean_ami_name and clean_image_name are clean_resource_name";
    "spot-price-auto-product" amazon::spot_price_auto_product, "spot_price_auto_product goes";
    "qemu-disk-size" other::qemu_disk_size, "disk_size of QEMU builders has a unit";
    "galaxy-command" rename::galaxy_command, "galaxycommand of ansible-local is galaxy_command";
    "comm-config" rename::virtualbox_ports, "ssh_host_port_min, ssh_host_port_max, ssh_skip_nat_mapping lose ssh_ (VirtualBox)";
    "ssh-wait-timeout" rename::ssh_wait_timeout, "ssh_wait_timeout is ssh_timeout";
    "vsphere-iso-net-disk" other::vsphere_devices, "networks and disks of vsphere-iso are lists";
    "iso-checksum-type-and-url" other::iso_checksum, "iso_checksum holds the type or the file's address";
    "qemu-host-port" rename::qemu_ports, "ssh_host_port_min and ssh_host_port_max lose ssh_ (QEMU)";
    "azure-exclude_from_latest" other::azure_exclude, "exlude_from_latest is exclude_from_latest";
    "proxmox-type" other::proxmox_type, "the builder proxmox is proxmox-iso";
}

/// Fixes a template: its JSON as Packer prints it (keys in alphabetical order, two spaces), with a line break at its end.
///
/// # Errors
/// The text is no JSON object, or its builders, provisioners or post-processors aren't what they have to be.
pub fn fix(source: &Arc<Source>) -> Result<String, Diagnostics> {
    let (node, _) = json::parse_first(source, Duplicates::LastWins)?;
    let span = node.span.clone();
    let kind = node.kind();
    let Value::Object(mut root) = plain(node) else {
        return Err(Diagnostic::error(format!("a template is a JSON object, not {kind}")).at(&span).into());
    };
    let fixed = normalise(&mut root).and_then(|()| FIXERS.iter().try_for_each(|fixer| (fixer.apply)(&mut root)));
    if let Err(message) = fixed {
        return Err(Diagnostic::error(format!("Error fixing: {message}")).at(&span).into());
    }
    Ok(print::pretty(&Value::Object(root)))
}

/// The same value without places.
fn plain(node: Node) -> Value {
    match node.value {
        Written::Null => Value::Null,
        Written::Bool(b) => Value::Bool(b),
        Written::Number(n) => serde_json::Number::from_f64(n).map_or(Value::Null, Value::Number),
        Written::String(s) => Value::String(s),
        Written::List(list) => Value::Array(list.into_iter().map(plain).collect()),
        Written::Map(map) => Value::Object(map.into_iter().map(|(k, entry)| (k, plain(entry.node))).collect()),
    }
}

/// Checks the lists that fixers look into; keys are found whatever their case, and a template without builders gets the key.
fn normalise(root: &mut Map<String, Value>) -> Result<(), String> {
    let find = |root: &Map<String, Value>, key: &str| {
        let other = || root.keys().find(|k| k.eq_ignore_ascii_case(key)).cloned();
        root.get(key).cloned().or_else(|| root.get(&other()?).cloned())
    };
    let builders = find(root, "builders").unwrap_or(Value::Null);
    match &builders {
        Value::Null => {}
        Value::Array(list) => {
            if let Some(i) = list.iter().position(|b| !b.is_object()) {
                return Err(format!("builder {} is not an object", i + 1));
            }
        }
        _ => return Err("'builders' is not a list".into()),
    }
    root.insert("builders".into(), builders);
    match find(root, "provisioners") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) if list.is_empty() => {}
        Some(Value::Object(one)) if one.is_empty() => {}
        Some(list @ Value::Array(_)) => drop(root.insert("provisioners".into(), list)),
        // One alone is a list of one.
        Some(one) => drop(root.insert("provisioners".into(), Value::Array(vec![one]))),
    }
    match root.get("post-processors") {
        None | Some(Value::Null | Value::Array(_)) => Ok(()),
        Some(_) => Err("'post-processors' is not a list".into()),
    }
}

type Object = Map<String, Value>;

/// The objects of a list at the root.
fn objects<'a>(root: &'a mut Object, key: &str) -> impl Iterator<Item = &'a mut Object> {
    root.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn builders(root: &mut Object) -> impl Iterator<Item = &mut Object> {
    objects(root, "builders")
}

/// Builders of these types.
fn builders_of<'a>(root: &'a mut Object, types: &'static [&'static str]) -> impl Iterator<Item = &'a mut Object> {
    builders(root).filter(move |b| types.contains(&kind(b)))
}

/// Provisioners of one type.
fn provisioners_of<'a>(root: &'a mut Object, wanted: &'static str) -> impl Iterator<Item = &'a mut Object> {
    objects(root, "provisioners").filter(move |p| kind(p) == wanted)
}

/// Post-processors, those in chains as well.
fn post_processors(root: &mut Object) -> Vec<&mut Object> {
    let list = root.get_mut("post-processors").and_then(Value::as_array_mut);
    let mut out = Vec::new();
    for item in list.into_iter().flatten() {
        match item {
            Value::Object(one) => out.push(one),
            Value::Array(chain) => out.extend(chain.iter_mut().filter_map(Value::as_object_mut)),
            _ => {}
        }
    }
    out
}

fn kind(block: &Object) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn text<'a>(block: &'a Object, key: &str) -> Option<&'a str> {
    block.get(key).and_then(Value::as_str)
}

/// Moves a value to another key, over what is there.
fn rename(block: &mut Object, old: &str, new: &str) {
    if let Some(value) = block.remove(old) {
        block.insert(new.into(), value);
    }
}

/// Moves a value to another key unless that one is there; then it goes.
fn rename_unless(block: &mut Object, old: &str, new: &str) {
    if let Some(value) = block.remove(old) {
        block.entry(new).or_insert(value);
    }
}
