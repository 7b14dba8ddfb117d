//! The address that connections to machines are said to come from, and who may come in: security groups, as far as they decide
//! over the SSH port. Nothing is enforced until an address is set (`PUT /_sandbox/caller`): machines are reachable from this host
//! alone anyway.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::Core;
use crate::state::{Instance, InstanceState, Region, RuleTarget};

/// The address, and what running machines were told last.
#[derive(Debug, Default)]
pub struct Caller(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    address: Option<Ipv4Addr>,
    /// Machines that were told whether to let anybody in.
    told: BTreeMap<String, bool>,
}

impl Caller {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address: this host's loopback where none was set.
    pub fn address(&self) -> Ipv4Addr {
        self.lock().address.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// Sets it; none: nothing is enforced.
    pub fn set(&self, address: Option<Ipv4Addr>) {
        self.lock().address = address;
    }
}

/// Tells running machines whether to let the caller in.
pub async fn enforce(core: &Arc<Core>) {
    let address = core.caller.lock().address;
    if address.is_none() && core.caller.lock().told.is_empty() {
        return;
    }
    let Ok(state) = core.store.read() else { return };
    let mut orders = Vec::new();
    for region in state.regions.values() {
        for i in region.instances.values().filter(|i| i.state == InstanceState::Running) {
            let open = address.is_none_or(|address| admits(region, i, address));
            let told = core.caller.lock().told.get(&i.id).copied();
            // A machine that was told nothing lets everybody in.
            if told.unwrap_or(true) != open {
                orders.push((i.id.clone(), open));
            }
        }
    }
    for (id, open) in orders {
        match core.machines.admit(&id, open).await {
            Ok(()) => {
                core.caller.lock().told.insert(id, open);
            }
            Err(e) => tracing::warn!("{id} could not be told whom to let in: {e}"),
        }
    }
    if address.is_none() {
        core.caller.lock().told.clear();
    }
}

/// Whether the instance's groups let the address in on the SSH port.
fn admits(region: &Region, instance: &Instance, address: Ipv4Addr) -> bool {
    let groups = instance.interface.groups.iter().filter_map(|id| region.security_groups.get(id));
    let mut rules = groups.flat_map(|g| &g.rules).filter(|r| !r.egress && (r.protocol == "tcp" || r.protocol == "-1"));
    rules.any(|rule| {
        let port = rule.from_port.is_none_or(|from| from <= 22) && rule.to_port.is_none_or(|to| to >= 22);
        matches!(&rule.target, RuleTarget::Ipv4(cidr) if port && holds(cidr, address))
    })
}

fn holds(cidr: &str, address: Ipv4Addr) -> bool {
    let (network, length) = cidr.split_once('/').unwrap_or((cidr, "32"));
    let (Ok(network), Ok(length)) = (network.parse::<Ipv4Addr>(), length.parse::<u32>()) else { return false };
    let mask = u32::MAX.checked_shl(32u32.saturating_sub(length)).unwrap_or(0);
    u32::from(network) & mask == u32::from(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_addresses() {
        let address = Ipv4Addr::new(203, 0, 113, 7);
        for (cidr, expected) in
            [("203.0.113.7/32", true), ("203.0.113.8/32", false), ("203.0.113.0/24", true), ("0.0.0.0/0", true)]
        {
            assert_eq!(holds(cidr, address), expected, "{cidr}");
        }
    }
}
