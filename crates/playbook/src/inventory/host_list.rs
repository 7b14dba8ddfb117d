//! `-i web1,web2:2222,` : hosts on the command line.

use super::{Inventory, range};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::Value;

/// Whether a source is a list of hosts and not a path.
pub fn is_list(source: &str) -> bool {
    source.contains(',')
}

/// Adds the hosts of a list; ranges are expanded (as `advanced_host_list` does).
pub fn parse(source: &str, inventory: &mut Inventory, out: &mut Diagnostics) {
    for pattern in source.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, port) = range::split_port(pattern);
        match range::expand(name) {
            Ok(names) => {
                for name in names {
                    let known = inventory.hosts.contains_key(&name);
                    let host = inventory.add_host(&name, None);
                    if let Some(port) = port {
                        host.vars.insert("ansible_port".into(), Value::Int(i64::from(port)));
                    }
                    if !known {
                        inventory.add_host_to_group(&name, "ungrouped");
                    }
                }
            }
            Err(why) => out.push(Diagnostic::error(format!("{pattern:?}: {why}"))),
        }
    }
}
