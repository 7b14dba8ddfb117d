//! Fixers for builders on AWS.

use super::{Object, builders, builders_of, rename, text};
use serde_json::Value;

type Done = Result<(), String>;

fn amazon(root: &mut Object) -> impl Iterator<Item = &mut Object> {
    builders(root).filter(|b| super::kind(b).starts_with("amazon-"))
}

pub(super) fn shutdown_behavior(root: &mut Object) -> Done {
    amazon(root).for_each(|b| rename(b, "shutdown_behaviour", "shutdown_behavior"));
    Ok(())
}

pub(super) fn enhanced_networking(root: &mut Object) -> Done {
    for builder in amazon(root).filter(|b| b.get("enhanced_networking").is_some_and(Value::is_boolean)) {
        rename(builder, "enhanced_networking", "ena_support");
    }
    Ok(())
}

pub(super) fn private_ip(root: &mut Object) -> Done {
    for builder in amazon(root).filter(|b| !b.contains_key("ssh_interface")) {
        let private = match builder.get("ssh_private_ip") {
            None => continue,
            Some(Value::Bool(private)) => *private,
            Some(Value::String(text)) => match text.as_str() {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => true,
                "0" | "f" | "F" | "FALSE" | "false" | "False" => false,
                _ => return Err(format!("ssh_private_ip is true or false, not {text:?}")),
            },
            Some(_) => return Err("ssh_private_ip is true or false".into()),
        };
        builder.remove("ssh_private_ip");
        let interface = if private { "private_ip" } else { "public_ip" };
        builder.insert("ssh_interface".into(), interface.into());
    }
    Ok(())
}

pub(super) fn temporary_cidrs(root: &mut Object) -> Done {
    for builder in amazon(root) {
        if let Some(cidr) = text(builder, "temporary_security_group_source_cidr").map(Value::from) {
            builder.remove("temporary_security_group_source_cidr");
            builder.insert("temporary_security_group_source_cidrs".into(), Value::Array(vec![cidr]));
        }
    }
    Ok(())
}

pub(super) fn spot_price_auto_product(root: &mut Object) -> Done {
    let kinds = &["amazon-ebs", "amazon-ebssurrogate", "amazon-ebsvolume", "amazon-instance"];
    builders_of(root, kinds).for_each(|b| drop(b.remove("spot_price_auto_product")));
    Ok(())
}
