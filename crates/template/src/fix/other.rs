//! Fixers that do more than rename an option.

use super::{Object, builders, builders_of, objects, post_processors, provisioners_of, rename, text};
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

type Done = Result<(), String>;

fn regex(pattern: &str) -> Regex {
    #[allow(clippy::unwrap_used, reason = "the patterns are constants that the tests compile")]
    Regex::new(pattern).unwrap()
}

static CREATE_TIME: LazyLock<Regex> = LazyLock::new(|| regex(r"\{\{[\t\n\f\r ]*\.CreateTime[\t\n\f\r ]*\}\}"));
static CLEAN_NAME: LazyLock<Regex> = LazyLock::new(|| regex("clean_(image|ami)_name"));

pub(super) fn create_time(root: &mut Object) -> Done {
    for builder in builders(root) {
        for key in ["ami_name", "bundle_prefix", "snapshot_name"] {
            if let Some(Value::String(name)) = builder.get_mut(key) {
                *name = CREATE_TIME.replace_all(name, "{{timestamp}}").into_owned();
            }
        }
    }
    Ok(())
}

pub(super) fn clean_name(root: &mut Object) -> Done {
    let clean = |value: &mut Value| {
        if let Value::String(text) = value {
            *text = CLEAN_NAME.replace_all(text, "clean_resource_name").into_owned();
        }
    };
    for builder in builders(root) {
        for value in builder.values_mut() {
            match value {
                Value::Object(map) => map.values_mut().for_each(clean),
                other => clean(other),
            }
        }
    }
    Ok(())
}

pub(super) fn vagrant_override(root: &mut Object) -> Done {
    for post in post_processors(root).into_iter().filter(|p| super::kind(p) == "vagrant") {
        let names = ["aws", "digitalocean", "virtualbox", "vmware"];
        let found: Object = names.iter().filter_map(|n| Some(((*n).to_owned(), post.remove(*n)?))).collect();
        if !found.is_empty() {
            post.insert("override".into(), Value::Object(found));
        }
    }
    Ok(())
}

pub(super) fn virtualbox_type(root: &mut Object) -> Done {
    builder_type(root, "virtualbox", "virtualbox-iso");
    for provisioner in objects(root, "provisioners") {
        if let Some(Value::Object(overrides)) = provisioner.get_mut("override") {
            rename(overrides, "virtualbox", "virtualbox-iso");
        }
    }
    Ok(())
}

pub(super) fn vmware_type(root: &mut Object) -> Done {
    builder_type(root, "vmware", "vmware-iso");
    Ok(())
}

pub(super) fn proxmox_type(root: &mut Object) -> Done {
    builder_type(root, "proxmox", "proxmox-iso");
    Ok(())
}

fn builder_type(root: &mut Object, old: &str, new: &str) {
    for builder in builders(root).filter(|b| super::kind(b) == old) {
        builder.insert("type".into(), new.into());
    }
}

/// Only in templates with post-processors, as in Packer.
pub(super) fn docker_email(root: &mut Object) -> Done {
    if root.get("post-processors").is_none_or(Value::is_null) {
        return Ok(());
    }
    builders(root).for_each(|b| drop(b.remove("login_email")));
    post_processors(root).into_iter().for_each(|p| drop(p.remove("login_email")));
    Ok(())
}

pub(super) fn docker_tags(root: &mut Object) -> Done {
    for post in post_processors(root).into_iter().filter(|p| super::kind(p) == "docker-tag") {
        let mut tags: Vec<Value> = Vec::new();
        for key in ["tag", "tags"] {
            let more: Vec<Value> = match post.get(key) {
                Some(Value::String(text)) => text.split(',').map(|tag| tag.trim().into()).collect(),
                Some(Value::Array(list)) if list.iter().all(Value::is_string) => list.clone(),
                Some(Value::Array(_)) => return Err(format!("{key} of docker-tag holds something that is no string")),
                _ => Vec::new(),
            };
            for tag in more {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
        }
        post.remove("tag");
        post.insert("tags".into(), Value::Array(tags));
    }
    Ok(())
}

pub(super) fn powershell_escapes(root: &mut Object) -> Done {
    for provisioner in provisioners_of(root, "powershell") {
        if let Some(variables) = provisioner.get_mut("environment_vars") {
            match variables.as_array_mut().filter(|list| list.iter().all(Value::is_string)) {
                Some(list) => list.iter_mut().for_each(unescape),
                // A list of something else is left alone, and the provisioner with it.
                None => continue,
            }
        }
        for key in ["elevated_user", "elevated_password"] {
            provisioner.get_mut(key).into_iter().for_each(unescape);
        }
    }
    Ok(())
}

/// Takes the backtick from before `$`, `"`, `'` and itself.
fn unescape(value: &mut Value) {
    let Value::String(text) = value else { return };
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('`', Some(&escaped @ ('$' | '"' | '`' | '\''))) => {
                out.push(escaped);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    *text = out;
}

pub(super) fn vmware_compaction(root: &mut Object) -> Done {
    for builder in builders_of(root, &["vmware-iso"]).filter(|b| text(b, "remote_type") == Some("esx5")) {
        match builder.get("disk_type_id") {
            None => drop(builder.insert("disk_type_id".into(), "zeroedthick".into())),
            Some(Value::String(kind)) if kind != "thin" => {}
            Some(_) => continue,
        }
        if builder.get("skip_compaction").is_none_or(Value::is_boolean) {
            builder.insert("skip_compaction".into(), true.into());
        }
    }
    Ok(())
}

pub(super) fn qemu_disk_size(root: &mut Object) -> Done {
    for builder in builders_of(root, &["qemu"]) {
        if let Some(size) = builder.get("disk_size").and_then(Value::as_f64) {
            builder.insert("disk_size".into(), format!("{}M", size as i64).into());
        }
    }
    Ok(())
}

pub(super) fn vsphere_devices(root: &mut Object) -> Done {
    let network = [("network", "network"), ("networkCard", "network_card"), ("network_card", "network_card")];
    let disk = ["disk_size", "disk_thin_provisioned", "disk_eagerly_scrub"].map(|key| (key, key));
    for builder in builders_of(root, &["vsphere-iso"]) {
        for (keys, list) in [(network, "network_adapters"), (disk, "storage")] {
            let mut device = Object::new();
            for (old, new) in keys {
                if let Some(value) = builder.remove(old) {
                    device.insert(new.into(), value);
                }
            }
            if device.is_empty() {
                continue;
            }
            let mut all = vec![Value::Object(device)];
            match builder.remove(list) {
                None => {}
                Some(Value::Array(more)) => all.extend(more),
                Some(_) => return Err(format!("{list} of vsphere-iso is not a list")),
            }
            builder.insert(list.into(), Value::Array(all));
        }
    }
    Ok(())
}

pub(super) fn iso_checksum(root: &mut Object) -> Done {
    for builder in builders(root) {
        let mut take = |key: &str| builder.remove(key).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let (url, kind) = (take("iso_checksum_url"), take("iso_checksum_type"));
        let checksum = text(builder, "iso_checksum").unwrap_or_default();
        let fixed = match (url.as_str(), kind.as_str(), checksum) {
            ("", _, "") => continue,
            ("", "", checksum) => checksum.to_owned(),
            ("", kind, checksum) => format!("{kind}:{checksum}"),
            (url, _, _) => format!("file:{url}"),
        };
        builder.insert("iso_checksum".into(), fixed.into());
    }
    Ok(())
}

pub(super) fn azure_exclude(root: &mut Object) -> Done {
    for builder in builders(root).filter(|b| super::kind(b).starts_with("azure-chroot")) {
        if let Some(Value::Object(destination)) = builder.get_mut("shared_image_destination") {
            rename(destination, "exlude_from_latest", "exclude_from_latest");
        }
    }
    Ok(())
}
