//! Fixers that give an option another name, or take it away.

use super::{Object, builders, builders_of, post_processors, provisioners_of, rename, rename_unless, text};
use serde_json::Value;

type Done = Result<(), String>;

pub(super) fn iso_md5(root: &mut Object) -> Done {
    for builder in builders(root) {
        if text(builder, "iso_md5").is_some() {
            rename(builder, "iso_md5", "iso_checksum");
            builder.insert("iso_checksum_type".into(), "md5".into());
        }
    }
    Ok(())
}

pub(super) fn virtualbox_attach(root: &mut Object) -> Done {
    for builder in builders_of(root, &["virtualbox"]) {
        if let Some(attach) = builder.get("guest_additions_attach").and_then(Value::as_bool) {
            builder.remove("guest_additions_attach");
            let mode = if attach { "attach" } else { "upload" };
            builder.insert("guest_additions_mode".into(), mode.into());
        }
    }
    Ok(())
}

const PARALLELS: &[&str] = &["parallels-iso", "parallels-pvm"];

pub(super) fn parallels_headless(root: &mut Object) -> Done {
    builders_of(root, PARALLELS).for_each(|b| drop(b.remove("headless")));
    Ok(())
}

pub(super) fn parallels(root: &mut Object) -> Done {
    for builder in builders_of(root, PARALLELS) {
        builder.remove("parallels_tools_host_path");
        rename(builder, "guest_os_distribution", "guest_os_type");
    }
    Ok(())
}

pub(super) fn ssh_key_path(root: &mut Object) -> Done {
    for builder in builders(root).filter(|b| text(b, "ssh_key_path").is_some()) {
        rename_unless(builder, "ssh_key_path", "ssh_private_key_file");
    }
    Ok(())
}

pub(super) fn ssh_disable_agent(root: &mut Object) -> Done {
    for builder in builders(root).filter(|b| b.get("ssh_disable_agent").is_some_and(Value::is_boolean)) {
        rename_unless(builder, "ssh_disable_agent", "ssh_disable_agent_forwarding");
    }
    Ok(())
}

pub(super) fn scaleway_access_key(root: &mut Object) -> Done {
    for builder in builders_of(root, &["scaleway"]).filter(|b| text(b, "access_key").is_some()) {
        rename_unless(builder, "access_key", "organization_id");
    }
    Ok(())
}

pub(super) fn manifest_filename(root: &mut Object) -> Done {
    for post in post_processors(root) {
        if super::kind(post) == "manifest" && text(post, "filename").is_some() {
            rename(post, "filename", "output");
        }
    }
    Ok(())
}

pub(super) fn hyperv(root: &mut Object) -> Done {
    builders_of(root, &["hyperv-iso"]).for_each(|b| drop(b.remove("vhd_temp_path")));
    Ok(())
}

pub(super) fn hyperv_vmcx(root: &mut Object) -> Done {
    builders_of(root, &["hyperv-vmcx"]).for_each(|b| rename(b, "clone_from_vmxc_path", "clone_from_vmcx_path"));
    Ok(())
}

pub(super) fn hyperv_size(root: &mut Object) -> Done {
    for builder in builders_of(root, &["hyperv-vmcx", "hyperv-iso"]) {
        rename(builder, "cpu", "cpus");
        rename(builder, "ram_size", "memory");
    }
    Ok(())
}

pub(super) fn galaxy_command(root: &mut Object) -> Done {
    for provisioner in provisioners_of(root, "ansible-local") {
        if provisioner.contains_key("galaxy_command") || text(provisioner, "galaxycommand").is_some() {
            rename_unless(provisioner, "galaxycommand", "galaxy_command");
        }
    }
    Ok(())
}

pub(super) fn virtualbox_ports(root: &mut Object) -> Done {
    for builder in builders(root).filter(|b| super::kind(b).starts_with("virtualbox")) {
        rename_unless(builder, "ssh_host_port_min", "host_port_min");
        rename_unless(builder, "ssh_host_port_max", "host_port_max");
        let plain = builder.get("ssh_skip_nat_mapping").is_some_and(Value::is_boolean);
        if plain || builder.contains_key("skip_nat_mapping") {
            rename_unless(builder, "ssh_skip_nat_mapping", "skip_nat_mapping");
        }
    }
    Ok(())
}

pub(super) fn ssh_wait_timeout(root: &mut Object) -> Done {
    for builder in builders(root) {
        if builder.contains_key("ssh_timeout") || text(builder, "ssh_wait_timeout").is_some() {
            rename_unless(builder, "ssh_wait_timeout", "ssh_timeout");
        }
    }
    Ok(())
}

pub(super) fn qemu_ports(root: &mut Object) -> Done {
    for builder in builders_of(root, &["qemu"]) {
        rename(builder, "ssh_host_port_min", "host_port_min");
        rename(builder, "ssh_host_port_max", "host_port_max");
    }
    Ok(())
}
