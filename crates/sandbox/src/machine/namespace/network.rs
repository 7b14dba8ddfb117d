//! The network of a machine: which address is whose, and the `ip` commands that make it so.
//!
//! ```text
//!  host namespace            fabric namespace (supervisor's services)         machine namespace
//!  ib-<instance> .5/30 ----- .6/30 h0   metadata 169.254.169.254 :80
//!                                       DNS      169.254.169.253 :53
//!                                       fixtures 169.254.169.240 :80 :443
//!                                       EC2      169.254.169.241 :80
//!                                  m0  .1/30 ------------------------------- .2/30 eth0
//!  slirp4netns ------------------ tap0 10.0.2.100/24
//! ```
//! Offsets are within the machine's /29 of 10.99.0.0/16. Invariants: the metadata service listens outside of the
//! machine's namespace, so that the machine's own port 80 is free and replies have a real hop limit; every interface
//! belongs to a namespace that ends with its processes, so that a crash leaves none behind.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use super::fault::{Fault, Step};
use super::sys;

/// Where the instance metadata service answers.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Where the resolver answers, as in a VPC.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// Where the fixture package repository answers.
pub const FIXTURES: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 240);
/// Where the sandbox's endpoint answers, for instances with an instance profile.
pub const API: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 241);
/// slirp4netns' own resolver, which asks the host's.
pub const UPSTREAM_RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// The addresses around one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links {
    /// The machine's own.
    pub machine: Ipv4Addr,
    /// Its default gateway, in the fabric.
    pub gateway: Ipv4Addr,
    /// The host's end of the way in.
    pub host: Ipv4Addr,
    /// The fabric's end of the way in.
    pub fabric: Ipv4Addr,
    base: u32,
}

impl Links {
    /// The links of a block of eight addresses; `block` is below [`Links::BLOCKS`].
    pub fn of_block(block: u32) -> Self {
        let base = u32::from(Ipv4Addr::new(10, 99, 0, 0)) + block * 8;
        let at = |offset: u32| Ipv4Addr::from(base + offset);
        Self { machine: at(2), gateway: at(1), host: at(5), fabric: at(6), base }
    }

    /// How many machines a host can address.
    pub const BLOCKS: u32 = 8192;

    /// The links of a machine by its address; `None` when no block has such a machine.
    pub fn of_machine(address: Ipv4Addr) -> Option<Self> {
        let offset = u32::from(address).checked_sub(u32::from(Ipv4Addr::new(10, 99, 0, 0)))?;
        let links = (offset / 8 < Self::BLOCKS).then(|| Self::of_block(offset / 8))?;
        (links.machine == address).then_some(links)
    }

    /// Whether the network `address`/`mask` overlaps these.
    pub fn overlaps(&self, address: u32, mask: u32) -> bool {
        let narrower = mask & 0xffff_fff8;
        self.base & narrower == address & narrower
    }

    /// The network that the host routes into the fabric.
    fn network(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base)
    }

    /// A hardware address that is the machine's for life, in the form of EC2's.
    pub fn hardware_address(&self) -> String {
        let [_, _, high, low] = self.machine.octets();
        format!("02:63:0a:63:{high:02x}:{low:02x}")
    }
}

/// The host's interface for a machine; names have 15 bytes at most.
pub fn host_interface(instance_id: &str) -> String {
    let id = instance_id.strip_prefix("i-").unwrap_or(instance_id);
    let start = id.len().saturating_sub(12);
    format!("ib-{}", id.get(start..).unwrap_or(id))
}

/// Run in the host's namespace: the way in, with its far end in the fabric.
pub fn wire_host(instance_id: &str, links: Links, fabric_pid: u32) -> Result<(), Fault> {
    let name = host_interface(instance_id);
    unwire_host(instance_id)?;
    let Links { host, fabric, .. } = links;
    let network = links.network();
    ip(&format!(
        "link add {name} type veth peer name h0 netns {fabric_pid}\n\
         addr add {host}/30 dev {name}\n\
         link set {name} up\n\
         route add {network}/30 via {fabric}\n"
    ))
}

/// Run in the host's namespace: removes the way in with both its ends. It would go with the fabric's namespace, but that
/// one may live on for a minute or two, held by connections of ended processes that wait for a last acknowledgement.
pub fn unwire_host(instance_id: &str) -> Result<(), Fault> {
    let name = host_interface(instance_id);
    let exists = || std::path::Path::new("/sys/class/net").join(&name).exists();
    if !exists() {
        return Ok(());
    }
    match ip(&format!("link del {name}\n")) {
        // It may have gone by itself meanwhile.
        Err(fault) if exists() => Err(fault),
        _ => Ok(()),
    }
}

/// Run in the fabric: addresses, forwarding, and answering ARP for the machine towards slirp4netns.
pub fn wire_fabric(links: Links) -> Result<(), Fault> {
    let Links { fabric, .. } = links;
    ip(&format!(
        "link set lo up\n\
         addr add {METADATA}/32 dev lo\n\
         addr add {RESOLVER}/32 dev lo\n\
         addr add {FIXTURES}/32 dev lo\n\
         addr add {API}/32 dev lo\n\
         addr add {fabric}/30 dev h0\n\
         link set h0 up\n"
    ))?;
    for (name, value) in [
        ("ip_forward", "1"),
        // slirp4netns answers to the machine's own address, and asks by ARP who has it: the fabric says "I do".
        ("conf/default/proxy_arp", "1"),
        ("conf/all/rp_filter", "0"),
        ("conf/default/rp_filter", "0"),
        // Nobody comes in through the host but the host itself, even where the host forwards packets.
        ("conf/h0/rp_filter", "1"),
    ] {
        fs_err::write(format!("/proc/sys/net/ipv4/{name}"), value).step(format!("setting net.ipv4 {name}"))?;
    }
    Ok(())
}

/// Run in the host's namespace once per boot: the link between fabric and machine, and the fabric's end of it.
pub fn wire_machine(links: Links, fabric_pid: u32, machine_pid: u32) -> Result<(), Fault> {
    let address = links.hardware_address();
    let fabric = File::open(format!("/proc/{fabric_pid}/ns/net")).step("opening the fabric's namespace")?;
    // The namespace of the boot before may still be on its way out.
    let _ = run_ip("link del m0\n", Some(&fabric));
    let batch = format!(
        "link add m0 type veth peer name eth0 address {address} netns {machine_pid}\n\
         addr add {}/30 dev m0\n\
         link set m0 up\n",
        links.gateway
    );
    run_ip(&batch, Some(&fabric))
}

/// Run in the machine's namespace, with the host's programs.
pub fn configure_machine(links: Links) -> Result<(), Fault> {
    let Links { machine, gateway, .. } = links;
    ip(&format!(
        "link set lo up\n\
         addr add {machine}/30 dev eth0\n\
         link set eth0 up\n\
         route add default via {gateway}\n"
    ))
}

/// Runs a batch of `ip` commands in this process's network namespace.
fn ip(batch: &str) -> Result<(), Fault> {
    run_ip(batch, None)
}

/// The same in another network namespace.
fn run_ip(batch: &str, namespace: Option<&File>) -> Result<(), Fault> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(namespace) = namespace {
        sys::run_in_namespace(&mut command, namespace).step("keeping the namespace open")?;
    }
    let mut child = command.spawn().step("running `ip` (package iproute2)")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(batch.as_bytes()).step("writing to `ip`")?;
    }
    let output = child.wait_with_output().step("waiting for `ip`")?;
    if output.status.success() {
        return Ok(());
    }
    Err(Fault::new(format!("`ip` refused to set up the network: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_machines_belong_together() {
        for block in [0, 1, 31, 32, Links::BLOCKS - 1] {
            let links = Links::of_block(block);
            assert_eq!(Links::of_machine(links.machine), Some(links));
            assert_eq!(Links::of_machine(links.gateway), None);
        }
        assert_eq!(Links::of_block(0).machine, Ipv4Addr::new(10, 99, 0, 2));
        assert_eq!(Links::of_machine(Ipv4Addr::new(10, 98, 255, 2)), None);
        assert_eq!(Links::of_machine(Ipv4Addr::new(10, 100, 0, 2)), None);
    }

    #[test]
    fn networks_of_the_host_are_avoided() {
        let links = Links::of_block(1);
        let overlaps = |address: [u8; 4], prefix: u32| {
            links.overlaps(u32::from(Ipv4Addr::from(address)), u32::MAX.checked_shl(32 - prefix).unwrap_or(0))
        };
        assert!(overlaps([10, 0, 0, 0], 8));
        assert!(overlaps([10, 99, 0, 13], 32));
        assert!(!overlaps([10, 99, 0, 0], 29));
        assert!(!overlaps([192, 168, 0, 0], 16));
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        assert_eq!(host_interface("i-0123456789abcdef0"), "ib-56789abcdef0");
        assert!(host_interface("i-0123456789abcdef0").len() <= 15);
        assert_eq!(host_interface("i-1"), "ib-1");
    }
}
